"""A question as it is typed, made readable: no control characters, no halves of characters, of bounded length. Pure."""

from __future__ import annotations

import re
from typing import Final

from rag.errors import SettingsError

MAX_QUESTION: Final = 2000
"""Characters. The longest that is answered; a document to search for is no question."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")


def readable(typed: str) -> str:
    """What was typed, as text: bytes a terminal in another encoding sent become question marks, control characters
    spaces."""
    return _CONTROLS.sub(" ", typed.encode("utf-8", "replace").decode("utf-8")).strip()


def question_of(typed: str) -> str:
    """The question.

    Raises:
        SettingsError: it is empty or longer than `MAX_QUESTION`.
    """
    text = readable(typed)
    if not text:
        raise SettingsError("The question is empty. Write what you want to know.")
    if len(text) > MAX_QUESTION:
        raise SettingsError(
            f"The question has {len(text):,} characters; at most {MAX_QUESTION:,} are read. Ask shorter."
        )
    return text
