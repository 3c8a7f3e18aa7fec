"""A linear adapter before an embedder's questions: a small matrix, fitted on the user's documents.

Only questions are turned; the vectors of passages stay what they are, so that an index need not be embedded anew. That
it is another embedder all the same, its fingerprint says: two spaces are never in one index.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rag.errors import ModelUnavailable
from rag.ports import Embedder, TokenVectors, Vector, Vectors

_JOINT = "+adapter:"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapter:
    """`turn` (dimension, dimension) is added to the identity; `base` is the fingerprint of the embedder it was fitted
    for."""

    base: str
    turn: Vectors = field(repr=False)

    @property
    def name(self) -> str:
        """The same for the same matrix over the same embedder."""
        content = np.ascontiguousarray(self.turn, dtype="<f4").tobytes()
        return hashlib.sha256(self.base.encode() + content).hexdigest()[:16]

    @property
    def fingerprint(self) -> str:
        """That of the embedder with it."""
        return f"{self.base}{_JOINT}{self.name}"

    def turned(self, questions: Vectors) -> Vectors:
        """Question vectors (n, dimension) as the adapter turns them, of length 1."""
        found = questions + questions @ self.turn.T
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)

    def as_json(self) -> str:
        """To be kept."""
        content = np.ascontiguousarray(self.turn, dtype="<f4").tobytes()
        return json.dumps({"base": self.base, "turn": base64.b64encode(content).decode("ascii")})


def adapter_of(text: str) -> Adapter:
    """What `as_json` wrote.

    Raises:
        ModelUnavailable: it is none.
    """
    try:
        found = json.loads(text)
        flat = np.frombuffer(base64.b64decode(found["turn"], validate=True), dtype="<f4")
        side = round(flat.size**0.5)
        turn = flat.reshape(side, side).astype(np.float32)
        if not np.isfinite(turn).all():
            raise ValueError("not finite")
        return Adapter(base=str(found["base"]), turn=turn)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            "The embedder's adapter cannot be used. Take it back with `rag tune revert`, or fit it anew."
        ) from error


def passages_of(fingerprint: str) -> str:
    """Whose vectors of passages an embedder's are: its own, or those of the one under its adapter."""
    return fingerprint.partition(_JOINT)[0]


class Adapted:
    """An embedder whose questions are turned; else the embedder itself. See `rag.ports.Embedder`."""

    def __init__(self, embedder: Embedder, adapter: Adapter) -> None:
        if adapter.base != embedder.fingerprint or adapter.turn.shape[0] != embedder.dimension:
            raise ModelUnavailable(
                f"The adapter was fitted for {adapter.base}, the embedder is {embedder.fingerprint}. Fit it anew with "
                f"`rag tune embedder`, or take it back with `rag tune revert`."
            )
        self._embedder, self._adapter = embedder, adapter

    @property
    def bare(self) -> Embedder:
        """The embedder under it."""
        return self._embedder

    def over(self, embedder: Embedder) -> Adapted:
        """The same adapter before another view of that embedder."""
        return Adapted(embedder, self._adapter)

    @property
    def fingerprint(self) -> str:
        """Of model, weights and adapter."""
        return self._adapter.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._embedder.dimension

    @property
    def max_tokens(self) -> int:
        """Longest text that is embedded whole."""
        return self._embedder.max_tokens

    def count_tokens(self, text: str) -> int:
        """Tokens of a passage."""
        return self._embedder.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One row a text, as without the adapter."""
        return self._embedder.embed_passages(texts)

    def embed_question(self, text: str) -> Vector:
        """The vector of a question, turned."""
        found: Vector = self._adapter.turned(self._embedder.embed_question(text)[None, :])[0]
        return found

    def tokens(self, texts: Sequence[str], *, question: bool) -> Sequence[TokenVectors] | None:
        """The token vectors, as without the adapter."""
        return self._embedder.tokens(texts, question=question)

    def close(self) -> None:
        """Let go of memory and connections."""
        self._embedder.close()
