"""A model that runs here puts questions into words: a sentence in, a question out."""

from __future__ import annotations

import json
from collections.abc import Callable

from rag.ask.fence import harmless
from rag.errors import ModelError
from rag.ports import Generation, LanguageModel, Message

_SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}},
    "required": ["question"],
    "additionalProperties": False,
}
_ASKS = {
    "de": "Schreibe eine kurze Frage auf Deutsch, die dieser Satz beantwortet. Nenne die Zahl darin nicht.",
    "en": "Write one short question in English that this sentence answers. The figure must not stand in the question.",
}
_MOST_TOKENS = 80


def writer(model: LanguageModel) -> Callable[[str, str], str | None]:
    """What makes a question of a sentence; None where the model fails or writes none."""

    def write(sentence: str, language: str) -> str | None:
        asked = f"{_ASKS[language]}\n<passages>\n{harmless(sentence)}\n</passages>"
        generation = Generation(max_tokens=_MOST_TOKENS, schema=_SCHEMA)
        try:
            text = "".join(delta.text for delta in model.stream([Message(role="user", content=asked)], generation))
            said = json.loads(text)["question"]
        except (ModelError, ValueError, KeyError, TypeError):
            return None
        return said if isinstance(said, str) else None

    return write
