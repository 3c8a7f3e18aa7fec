"""Embeddings by a model that Ollama serves. Texts that are too long are refused, never cut: `truncate` is off."""

from __future__ import annotations

import math
from collections.abc import Sequence

import httpx
import numpy as np

from rag.errors import ContextOverflow, ModelChanged, ModelUnavailable
from rag.models.ollama_server import OllamaServer
from rag.models.streaming import Limits
from rag.ports import Vector, Vectors

_BATCH = 32
_SHRINK = 0.7


class OllamaEmbedder:
    """An embedding model of an Ollama server. Thread-safe.

    Ollama counts tokens only after the fact, so `count_tokens` is an upper bound: the bytes of the text, which no
    tokenizer exceeds, with room for the special tokens. `max_tokens` is the model's own length.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        timeout_s: float = 120.0,
        max_tokens: int = 512,
        question_prefix: str = "",
        passage_prefix: str = "",
    ) -> None:
        if not model:
            raise ModelUnavailable("embedder.model is empty: name an embedding model that Ollama has.")
        self.max_tokens = max_tokens
        self._server = OllamaServer(base_url, limits=Limits())
        self._server.refuse_cloud_name(model)
        self._model = model
        self._timeout_s = timeout_s
        self._question_prefix, self._passage_prefix = question_prefix, passage_prefix
        self._digest = str(self._server.entry(model).get("digest", ""))
        self._server.refuse_remote(model)
        self.dimension = int(self._embed(["a"]).shape[1])

    @property
    def fingerprint(self) -> str:
        """Name, digest and prefixes: another version of the model makes other vectors."""
        digest = self._digest.removeprefix("sha256:")[:16]
        prefixes = f"{self._question_prefix}|{self._passage_prefix}"
        return f"ollama:{self._model}@{digest}" + (f"+{prefixes}" if prefixes != "|" else "")

    def count_tokens(self, text: str) -> int:
        """At least the tokens of a passage, prefix and special tokens included."""
        return len((self._passage_prefix + text).encode()) + 2

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One row a text, in order.

        Raises:
            ContextOverflow: a text is longer than the model reads.
            ModelUnavailable, ModelTimeout, ModelChanged: see `rag.errors`.
        """
        self._check_digest()
        rows = [np.empty((0, self.dimension), np.float32)]
        for start in range(0, len(texts), _BATCH):
            rows.append(self._embed([self._passage_prefix + text for text in texts[start : start + _BATCH]]))
        return np.concatenate(rows)

    def embed_question(self, text: str) -> Vector:
        """The vector of a question; what does not fit is left out at its end."""
        while True:
            try:
                row: Vector = self._embed([self._question_prefix + text])[0]
                return row
            except ContextOverflow:
                if len(text) < 2:
                    raise
                text = text[: math.floor(len(text) * _SHRINK)]

    def tokens(self, texts: Sequence[str], *, question: bool) -> None:
        """Ollama gives vectors of whole texts only."""
        return

    def close(self) -> None:
        """Nothing is held between calls."""

    def _check_digest(self) -> None:
        digest = str(self._server.entry(self._model).get("digest", ""))
        if digest != self._digest:
            raise ModelChanged(
                f"{self._model} at {self._server.base_url} became another version while it was in use; its vectors do "
                f"not match those of the index. Restart, and the index is made anew."
            )

    def _embed(self, texts: list[str]) -> Vectors:
        with self._server.client(read_s=self._timeout_s) as client:
            try:
                answer = client.embed(model=self._model, input=texts, truncate=False)
            except (httpx.HTTPError, OSError, self._server.response_error) as error:
                raise self._server.failure(error, model=self._model) from error
            except ValueError as error:
                raise ModelUnavailable(f"{self._server} sent something that is not its protocol.") from error
        vectors = np.asarray(answer.embeddings, np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise ModelUnavailable(f"{self._server} gave {len(vectors)} vectors for {len(texts)} texts.")
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
