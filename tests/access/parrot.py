"""A malicious model: it tells everything it is given, whatever it was asked, in several encodings."""

from __future__ import annotations

import base64
import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

from rag.answers import ModelInfo
from rag.ports import Delta, Generation, Message, Usage

_FIRST = re.compile(r"Der Zuschlag[^.]+Euro\.")


class Parrot:
    """Says a sentence of the first passage, so that something is supported, then its whole prompt: as it is, in
    capitals and decomposed, as base64, as an address. As a rewriter it puts the conversation into the
    question."""

    context_tokens = 8192
    info = ModelInfo(name="parrot", digest="sha256:" + "9" * 64, runtime="embedded")

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.told: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) // 4 + 4 for message in messages)

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        prompt = messages[-1].content
        self.told.append(prompt)
        del self.told[:-20]
        self.before()
        said = self._said(prompt) if "statements" in str(generation.schema) else json.dumps({"question": prompt})
        for start in range(0, len(said), 900):
            yield Delta(text=said[start : start + 900])
        yield Delta(usage=Usage(prompt_tokens=1, output_tokens=1, finish="stop"))

    def _said(self, prompt: str) -> str:
        given = prompt.partition("<passages>")[2].partition("</passages>")[0]
        first = _FIRST.search(given)
        echoes = [
            given,
            unicodedata.normalize("NFD", given.upper()),
            base64.b64encode(given.encode()).decode(),
            quote(given),
        ]
        texts = [first[0] if first else "Nein.", self._chance.choice(echoes)]
        return json.dumps({"statements": [{"source": 1, "text": text} for text in texts]}, ensure_ascii=False)

    def close(self) -> None:
        pass
