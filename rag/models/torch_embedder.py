"""Embeddings through sentence-transformers: the reference, and the way to a GPU. Needs the extra `torch`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import ModelUnavailable
from rag.models.e5_graph import READ
from rag.models.tokens import PASSAGE_PREFIX, QUESTION_PREFIX, E5Tokens
from rag.ports import TokenVectors, Vector, Vectors
from rag.text.advice import to_install

_MAX_TOKENS = 512
_BATCH_GPU = 64
_BATCH_CPU = 16


class TorchEmbedder:
    """multilingual-e5-small through torch, on CUDA where there is one. Thread-safe."""

    max_tokens = _MAX_TOKENS

    def __init__(self, directory: Path, *, fingerprint: str, threads: int | None = None) -> None:
        self.fingerprint = fingerprint
        self._tokens = E5Tokens(directory / "tokenizer.json", max_tokens=self.max_tokens)
        self._lock = threading.Lock()
        self._model = _load(directory, threads)
        self.dimension: int = self._model.get_embedding_dimension()

    def count_tokens(self, text: str) -> int:
        """Tokens of a passage, prefix and special tokens included."""
        return self._tokens.count(PASSAGE_PREFIX + text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One row a text, in order.

        Raises:
            ContextOverflow: a text is longer than `max_tokens`.
        """
        prefixed = [PASSAGE_PREFIX + text for text in texts]
        self._tokens.encode_whole(prefixed)
        if not prefixed:
            return np.empty((0, self.dimension), np.float32)
        return self._encode(prefixed)

    def embed_question(self, text: str) -> Vector:
        """The vector of a question; what exceeds `max_tokens` at its end is left out."""
        row: Vector = self._encode([QUESTION_PREFIX + text])[0]
        return row

    def tokens(self, texts: Sequence[str], *, question: bool) -> list[TokenVectors]:
        """The token vectors of questions or passages, in order; what exceeds `max_tokens` is left out."""
        return [self._token_vectors(QUESTION_PREFIX if question else PASSAGE_PREFIX, text) for text in texts]

    def _token_vectors(self, prefix: str, text: str) -> TokenVectors:
        import torch

        ids, own, starts = self._tokens.encode_parts(prefix, text)
        with self._lock, torch.inference_mode():
            model = self._opened()
            states = (
                model[0].auto_model(torch.tensor([ids], device=model.device), output_hidden_states=True).hidden_states
            )
        layers = [states[layer + 1][0, own].float().cpu().numpy() for layer in READ]  # the first is what goes in
        return TokenVectors(
            vectors=np.stack(layers),
            information=self._tokens.information(ids[own]),
            starts=np.asarray(starts, np.int32),
        )

    def close(self) -> None:
        """Let go of the model."""
        self._model = None

    def _opened(self) -> Any:
        if self._model is None:
            raise ModelUnavailable("The embedder was closed.")
        return self._model

    def _encode(self, prefixed: list[str]) -> Vectors:
        with self._lock:
            model = self._opened()
            batch = _BATCH_GPU if model.device.type == "cuda" else _BATCH_CPU
            encoded = model.encode(prefixed, batch_size=batch, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(encoded, np.float32)


def _load(directory: Path, threads: int | None) -> Any:
    """The model from local files alone, without running code of theirs."""
    try:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise ModelUnavailable(
            f"The torch embedder needs the extra `torch` ({error}). {to_install('torch')}; or set "
            f'embedder.provider to "openvino".'
        ) from error
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call] # not annotated there
    if threads:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return SentenceTransformer(str(directory), device=device, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The weights in {directory} cannot be used: {error}") from error
