"""Scores of question and passage read together. Off unless `retrieval.reranker` names a directory or a server.

Nothing is loaded or reached before the first scores are asked for. No model of this kind comes with Archivar.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rag.errors import ModelUnavailable
from rag.ports import Reranker
from rag.text.advice import to_install

_BATCH = 16


def open_reranker(
    where: str, *, model: str = "", api_key: Callable[[], str] = str, timeout_s: float = 2.0
) -> Reranker | None:
    """The reranker at an address or in a directory, or none where `where` is empty.

    `model`, `api_key` and `timeout_s` (for all of one question's passages) are a server's; a directory needs the extra
    `torch`.

    Raises:
        ModelUnavailable: the address is none. Whether anything is there shows with the first scores.
    """
    if not where:
        return None
    if "://" in where:
        from rag.models.rerank_server import RerankServer

        return RerankServer(where, model=model, api_key=api_key, timeout_s=timeout_s)
    return CrossEncoderReranker(Path(where).expanduser())


class CrossEncoderReranker:
    """A cross-encoder through sentence-transformers. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._model: Any = None

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, higher is better; they compare within one call. The first call loads the model.

        Raises:
            ModelUnavailable: it cannot be loaded, or fails; the message says what to do.
        """
        if not passages:
            return []
        pairs = [(question, passage) for passage in passages]
        with self._lock:
            if self._model is None:
                self._model = _load(self._directory)
            try:
                scores = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
                return [float(score) for score in scores]
            except (RuntimeError, TypeError, ValueError) as error:  # out of memory; several scores a pair
                raise ModelUnavailable(
                    f"The cross-encoder in {self._directory} gave no score for each passage: {error}. Name another "
                    f"one with retrieval.reranker."
                ) from error

    def close(self) -> None:
        """Let go of the model."""
        with self._lock:
            self._model = None


def _load(directory: Path) -> Any:
    if not (directory / "config.json").is_file():
        raise ModelUnavailable(
            f"{directory} holds no cross-encoder (no config.json). Name its directory with retrieval.reranker, or a "
            f"server's address, which begins with http:// or https://."
        )
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise ModelUnavailable(
            f"A reranker in a directory needs the extra `torch` ({error}). {to_install('torch')}; or name the "
            f"address of a server that reranks with retrieval.reranker, or leave it empty."
        ) from error
    try:
        return CrossEncoder(str(directory), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever is wrong with the files, transformers raises what it likes
        raise ModelUnavailable(
            f"The cross-encoder in {directory} cannot be used: {error}. Copy it again, all of its files."
        ) from error
