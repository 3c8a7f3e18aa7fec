"""Scores of question and passage read together, by a cross-encoder from a local directory. Needs the extra `torch`.

Off unless a directory is named. No model of this kind comes with Archivar.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag.errors import ModelUnavailable
from rag.ports import Reranker

_BATCH = 16


def open_reranker(directory: Path | None) -> Reranker | None:
    """The reranker in that directory, or none where none is named.

    Raises:
        ModelUnavailable: it is named but cannot be loaded.
    """
    return CrossEncoderReranker(directory) if directory is not None else None


class CrossEncoderReranker:
    """A cross-encoder through sentence-transformers. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._lock = threading.Lock()
        self._model = _load(directory)

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, higher is better; they compare within one call."""
        if not passages:
            return []
        pairs = [(question, passage) for passage in passages]
        with self._lock:
            scores = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        return [float(score) for score in scores]


def _load(directory: Path) -> Any:
    if not (directory / "config.json").is_file():
        raise ModelUnavailable(f"{directory} holds no cross-encoder (no config.json); see retrieval.reranker.")
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise ModelUnavailable(
            f"The reranker needs the extra `torch` ({error}). Install `archivar[torch]` or leave it out."
        ) from error
    try:
        return CrossEncoder(str(directory), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The cross-encoder in {directory} cannot be used: {error}") from error
