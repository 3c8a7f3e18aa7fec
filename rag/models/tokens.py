"""Text to the token ids of multilingual-e5-small: counted whole, never cut in silence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.errors import ContextOverflow, ModelUnavailable

QUESTION_PREFIX = "query: "
PASSAGE_PREFIX = "passage: "


class E5Tokens:
    """The model's tokenizer. Texts come with their prefix; special tokens are added here."""

    def __init__(self, path: Path, *, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        if not path.is_file():
            raise ModelUnavailable(f"{path} is missing. Fetch it with `rag models fetch e5-small`.")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._max_tokens = max_tokens

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
