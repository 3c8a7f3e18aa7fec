"""A reply as Slack's Block Kit: sections of plain text, sources and feedback as buttons, and no formatting anywhere.

The line for notifications and for lists of messages says only that there is an answer: it is what phones show while
they are locked, and what goes through the notification services of Apple and Google.

Limits, from Slack's reference: 3,000 characters a section, 75 a button's label, 3,000 a button's address, 25 buttons a
row, 50 blocks. For the whole Slack gives no figure and refuses with `msg_blocks_too_long`; what others met was about
13,000 bytes, so a message keeps to 12,000.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rag.bots.adapter import Reply, Source, Stage, Verdict
from rag.bots.slack_text import one_line, pieces, shown, slack_words

Block = dict[str, Any]

PREFIX: Final = "archivar_"
"""Begins the name of every button of ours."""
SOURCE: Final = f"{PREFIX}source"

_SECTION_CHARS: Final = 3000
_CONTEXT_CHARS: Final = 2000
_LABEL_CHARS: Final = 75
_VALUE_CHARS: Final = 200
_NOTICE_CHARS: Final = 1000
_CLASS_CHARS: Final = 100
_URL_CHARS: Final = 3000
_ROW: Final = 25
_BLOCKS: Final = 50
_BYTES: Final = 12_000
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"'|\\^`{}\x00-\x20\x7f-\U0010ffff]+")


def preview(reply: Reply) -> str:
    """The line that notifications show: that something was said, never what."""
    return slack_words(reply.language)["preview_working" if reply.stage is not Stage.FINAL else "preview"]


def blocks(reply: Reply) -> list[Block]:
    """The reply as blocks, within every limit. What does not fit is cut from the text's end, then the sources'."""
    text, sources = reply.text, reply.sources
    while not _fits(made := _blocks(reply, text=text, sources=sources)):
        if len(text) > len(sources) * 40:
            text = text[: int(len(text) * 0.9)].rstrip() + "…"
        else:
            sources = sources[: int(len(sources) * 0.9)]
    return made


def _blocks(reply: Reply, *, text: str, sources: Sequence[Source]) -> list[Block]:
    words = slack_words(reply.language)
    found = [_section(piece) for piece in pieces(text, most=_SECTION_CHARS)]
    notice = reply.notice[:_NOTICE_CHARS] or ("" if text or reply.stage is Stage.FINAL else words["working"])
    found += [_context(piece) if text else _section(piece) for piece in pieces(notice, most=_CONTEXT_CHARS)]
    if reply.stage is not Stage.FINAL:
        return found or [_section(words["working"])]
    opening = [source for source in sources if _opens(source.url)]
    buttons = [_source(source, number=at, language=reply.language) for at, source in enumerate(opening)]
    titles = "\n".join(name for source in opening if len(shown(name := _name(source, words))) > _LABEL_CHARS)
    found += [_context(piece) for piece in pieces(titles, most=_CONTEXT_CHARS)]
    found += [_row(f"sources_{at}", buttons[at : at + _ROW]) for at in range(0, len(buttons), _ROW)]
    if reply.sensitivity:
        named = words.get(f"class.{reply.sensitivity}", reply.sensitivity)
        found.append(_context(one_line(words["sensitivity"].format(sensitivity=named), most=_CLASS_CHARS)))
    if reply.receipt and len(reply.receipt) <= _VALUE_CHARS:
        found.append(_row("feedback", [_feedback(verdict, reply) for verdict in Verdict]))
    return found or [_section(words["preview"])]


def _fits(made: Sequence[Block]) -> bool:
    return len(made) <= _BLOCKS and len(json.dumps(made, ensure_ascii=False).encode()) <= _BYTES


def _source(source: Source, *, number: int, language: str) -> Block:
    return {
        "type": "button",
        "action_id": f"{SOURCE}_{number}",
        "text": _plain(one_line(_name(source, slack_words(language)), most=_LABEL_CHARS)),
        "url": source.url,
    }


def _name(source: Source, words: Mapping[str, str]) -> str:
    """The source as people know it: number, title, place; a label has no room for a long one, which stands above."""
    marker = f"[{source.marker}] " if source.marker > 0 else ""
    return marker + " · ".join(part for part in (source.title or words["open"], source.place) if part)


def _feedback(verdict: Verdict, reply: Reply) -> Block:
    label = slack_words(reply.language)[verdict.value]
    named = one_line(label, most=_LABEL_CHARS)
    return {"type": "button", "action_id": PREFIX + verdict.value, "text": _plain(named), "value": reply.receipt}


def _opens(url: str) -> bool:
    """Whether Slack takes it as a button's address. The service makes these; one that looks odd is left out."""
    return len(url) <= _URL_CHARS and _ADDRESS.fullmatch(url) is not None


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _section(text: str) -> Block:
    return {"type": "section", "text": _plain(text)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text)]}


def _row(name: str, buttons: Iterable[Block]) -> Block:
    return {"type": "actions", "block_id": PREFIX + name, "elements": list(buttons)}
