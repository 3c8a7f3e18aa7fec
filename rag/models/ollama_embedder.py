"""Embeddings by a model that Ollama serves. Texts that are too long are refused, never cut: `truncate` is off."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence

import httpx
import numpy as np

from rag.errors import ContextOverflow, LicenceRefused, ModelChanged, ModelUnavailable
from rag.models.licences import Policy
from rag.models.ollama_server import OllamaServer
from rag.models.pins import Changed, Pin, bare
from rag.models.streaming import Limits
from rag.ports import Embedder, Vector, Vectors

_log = logging.getLogger(__name__)

_BATCH = 32
_LOOK_S = 60.0
"""How long the version is believed for questions; before each batch of passages it is looked at."""
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
        digest: str = "",
        changed: str = "refuse",
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not model:
            raise ModelUnavailable("embedder.model is empty: name an embedding model that Ollama has.")
        self.max_tokens = max_tokens
        self._server = OllamaServer(base_url, limits=Limits())
        self._server.refuse_cloud_name(model)
        self._model = model
        self._timeout_s = timeout_s
        self._question_prefix, self._passage_prefix = question_prefix, passage_prefix
        self._pin = Pin.of(digest, key="embedder.digest", changed=changed)
        self._clock, self._looked_at = clock, -math.inf
        there = self._there()
        if not self._pin.check(there, model=model, place=base_url):
            _log.warning("The embedder is not the pinned version", extra={"action": "embedder_not_pinned"})
        self._digest = self._pin.digest or there
        self._changed = there != self._digest
        if refusal := (policy or Policy()).refusal(model, self._server.shown_here(model).verdict(model)):
            raise LicenceRefused(refusal)
        self.dimension = int(self._embed(["a"]).shape[1])

    @property
    def fingerprint(self) -> str:
        """Name, digest and prefixes: another version of the model makes other vectors. The digest is the pinned one,
        where one is: what there is was made by it."""
        digest = self._digest[:16]
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
        rows = [np.empty((0, self.dimension), np.float32)]
        for start in range(0, len(texts), _BATCH):
            self._check_digest()
            rows.append(self._embed([self._passage_prefix + text for text in texts[start : start + _BATCH]]))
        if len(texts):
            self._check_digest()  # nor were the last ones made by another version
        return np.concatenate(rows)

    def embed_question(self, text: str) -> Vector:
        """The vector of a question; what does not fit is left out at its end.

        Raises:
            ModelChanged: the model is another version (looked at once a minute), and the settings say "refuse".
        """
        if self._clock() - self._looked_at >= _LOOK_S:
            try:
                self._check_digest()
            except ModelChanged:
                if not self._pin.digest or self._pin.changed is Changed.REFUSE:
                    raise
                self._looked_at = self._clock()
        while True:
            try:
                row: Vector = self._embed([self._question_prefix + text])[0]
                return row
            except ContextOverflow:
                if len(text) < 2:
                    raise
                text = text[: math.floor(len(text) * _SHRINK)]

    @property
    def changed(self) -> bool:
        """Whether the server's version was another one when it was looked at last."""
        return self._changed

    def for_answers(self) -> Embedder:
        """The embedder that answers are made with: where the settings say "warn", another version goes on embedding
        what is compared within one answer; nothing of that is kept."""
        return _Answering(self) if self._pin.digest and self._pin.changed is Changed.WARN else self

    def tokens(self, texts: Sequence[str], *, question: bool) -> None:
        """Ollama gives vectors of whole texts only."""
        return

    def close(self) -> None:
        """Nothing is held between calls."""

    def _there(self) -> str:
        """The digest the server has now."""
        return bare(str(self._server.entry(self._model).get("digest", "")))

    def _check_digest(self) -> None:
        digest = self._there()
        self._changed = digest != self._digest
        if not self._changed:
            self._looked_at = self._clock()
            return
        if self._pin.digest:
            raise ModelChanged(self._pin.broken(digest, model=self._model, place=self._server.base_url))
        raise ModelChanged(
            f"{self._model} at {self._server.base_url} became another version while it was in use; its vectors do "
            f"not match those of the index. Restart, and the index is made anew; pin it with `rag models pin "
            f"{self._model}`, and no version comes in unasked."
        )

    def unchecked(self, texts: Sequence[str]) -> Vectors:
        """As `embed_passages`, by whatever version is there."""
        rows = [np.empty((0, self.dimension), np.float32)]
        for start in range(0, len(texts), _BATCH):
            rows.append(self._embed([self._passage_prefix + text for text in texts[start : start + _BATCH]]))
        return np.concatenate(rows)

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
        if not np.isfinite(vectors).all():
            raise ModelUnavailable(
                f"{self._server} gave vectors that are no numbers. Restart it, or pull {self._model} anew."
            )
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


class _Answering:
    """See `OllamaEmbedder.for_answers`."""

    def __init__(self, embedder: OllamaEmbedder) -> None:
        self._embedder = embedder
        self.fingerprint, self.dimension = embedder.fingerprint, embedder.dimension
        self.max_tokens = embedder.max_tokens

    def count_tokens(self, text: str) -> int:
        """As the other one."""
        return self._embedder.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One row a text, in order, by whatever version is there."""
        return self._embedder.unchecked(texts)

    def embed_question(self, text: str) -> Vector:
        """As the other one."""
        return self._embedder.embed_question(text)

    def tokens(self, texts: Sequence[str], *, question: bool) -> None:
        """As the other one."""
        return self._embedder.tokens(texts, question=question)

    def close(self) -> None:
        """Nothing of its own."""
