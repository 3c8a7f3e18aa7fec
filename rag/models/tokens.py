"""Text to the token ids of multilingual-e5-small: counted whole, never cut in silence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.errors import ContextOverflow, ModelUnavailable

QUESTION_PREFIX = "query: "
PASSAGE_PREFIX = "passage: "

_COMMONEST = 4.0  # nats: about what the commonest pieces of the vocabulary carry
_LEAST = 0.1


class E5Tokens:
    """The model's tokenizer. Texts come with their prefix; special tokens are added here."""

    def __init__(self, path: Path, *, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        if not path.is_file():
            raise ModelUnavailable(f"{path} is missing. Fetch it with `rag models fetch e5-small`.")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._path, self._max_tokens = path, max_tokens

    def count(self, text: str) -> int:
        """Tokens of the text, special tokens included."""
        return len(self._tokenizer.encode(text).ids)

    def encode_whole(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text.

        Raises:
            ContextOverflow: one of them is longer than the model reads.
        """
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        for place, ids in enumerate(encoded):
            if len(ids) > self._max_tokens:
                raise ContextOverflow(
                    f"Passage {place} is {len(ids)} tokens long, the embedder reads {self._max_tokens}. "
                    f"Make chunks smaller; nothing is cut in silence."
                )
        return encoded

    def encode_beginning(self, text: str) -> list[int]:
        """Ids of a text; what does not fit is left out before the closing token."""
        ids: list[int] = self._tokenizer.encode(text).ids
        if len(ids) > self._max_tokens:
            return [*ids[: self._max_tokens - 1], ids[-1]]
        return ids

    def encode_parts(self, prefix: str, text: str) -> tuple[list[int], slice, list[int]]:
        """Ids of prefix and text, cut before the closing token where they do not fit; which of them are the text's own;
        and where in the text each of those begins, in code points."""
        encoding = self._tokenizer.encode(prefix + text)
        ids = self.encode_beginning(prefix + text)
        first = next((place for place, (_, end) in enumerate(encoding.offsets) if end > len(prefix)), len(ids) - 1)
        own = slice(first, len(ids) - 1)
        return ids, own, [max(0, start - len(prefix)) for start, _ in encoding.offsets[own]]

    def information(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """How much each piece tells, in nats beyond the commonest: its negative log probability in the tokenizer's own
        unigram model. It depends on no document, so it can betray none.
        Source: Kudo, "Subword Regularization", ACL 2018 (the model)."""
        return np.asarray(np.maximum(_LEAST, self._surprise[list(ids)] - _COMMONEST), np.float32)

    @cached_property
    def _surprise(self) -> NDArray[np.float32]:
        pieces = json.loads(self._path.read_text(encoding="utf-8"))["model"]["vocab"]
        return np.asarray([-score for _, score in pieces], np.float32)
