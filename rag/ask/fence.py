"""Text of documents and questions made harmless in a prompt: it cannot close its fence or play another speaker. Pure.

What a chat template takes for the border between speakers differs by model family (``<|im_start|>``, ``[INST]``,
``<start_of_turn>``, ``<｜User｜>``); many runtimes read such tokens out of plain text too. Their brackets are exchanged
for ones that look alike, so the words stay readable. Invisible characters go first: they could hide a tag from this.
"""

from __future__ import annotations

import re

from rag.ask.visible import visible

_TAG = re.compile(r"<(?!\s|\d|=|-\d|$)|<(?=\s*/?\s*passages)", re.IGNORECASE)
_TAG_END = re.compile(r"(?<=[|▁])>|>(?=>)")
_BRACKETS = re.compile(
    r"\[(\s*/?\s*(?:INST|SYS|SYSTEM|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_\w+|THINK|IMG\w*|gMASK|MASK|CLS|SEP|UNK|USER|"
    r"ASSISTANT|BOS|EOS|PAD|end of text)\s*)\]",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^(\s*)\[(\d+)\]", re.MULTILINE)
_TURN = re.compile(
    r"^(\s*(?:#{2,}\s*)?)(system|assistant|user|human|instruction|response|question)(\s*:)",
    re.IGNORECASE | re.MULTILINE,
)


def harmless(text: str) -> str:
    """The text without brackets that make tags, and without passage numbers or speakers at the start of a line."""
    plain = _opened(visible(text))
    plain = _BRACKETS.sub(r"(\1)", _TAG_END.sub("›", _TAG.sub("‹", plain)))
    return _TURN.sub(r"\1\2 \3", _NUMBER.sub(r"\1(\2)", plain))


def _opened(text: str) -> str:
    """Brackets that look like ``<`` are left alone unless a tag begins with them."""
    return re.sub(r"[‹〈⟨≺˂ᐸ❮](?=\s*/?\s*passages)", "<", text, flags=re.IGNORECASE)
