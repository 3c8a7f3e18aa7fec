"""RTF without a library: control words read, groups that hold no text skipped."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.compound import codec
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.text import read_text

_TOKEN: Final = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_SKIPPED: Final = frozenset(
    (
        "fonttbl colortbl stylesheet info pict object themedata datastore listtable listoverridetable rsidtbl "
        "generator fldinst xmlnstbl latentstyles header headerl headerr footer footerl footerr mmathPr "
        "colorschememapping revtbl"
    ).split()
)
_WORDS: Final = {"par": "\n\n", "sect": "\n\n", "page": "\n\n", "line": "\n", "tab": "\t", "row": "\n", "cell": " | ",
                 "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",
                 "bullet": "•", "~": "\u00a0", "_": "-"}  # fmt: skip
_TOLD: Final = {
    word: re.compile(r"\{(?:\\\*)?\\" + word + r" ((?:\\.|[^{}\\]){1,600})\}", re.S) for word in ("title", "author")
}
_MOMENTS: Final = {
    word: re.compile(r"\{\\" + word + r"((?:\\[a-z]{2,3}\d{1,4}\s?){3,6})\}") for word in ("creatim", "revtim")
}
_CHARACTER_SETS: Final = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_MAX_DEPTH: Final = 1000


class RtfParser:
    """RTF as LibreOffice and Word write it."""

    fingerprint = "rtf"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft = Draft()
        describe_rtf(draft, body)
        read_text(draft, rtf_text(body.decode("latin-1")))
        return draft.parsed()


def in_unicode(body: bytes) -> bytes:
    """RTF whose letters beyond ASCII do not depend on its code page, for a reader that knows only Windows' Western."""
    head = body[:2000].decode("latin-1")
    page, named = re.search(r"\\ansicpg(\d{1,5})", head), re.search(r"\\(mac|pca?)(?![a-z])", head)
    encoding = codec(int(page.group(1))) if page else _CHARACTER_SETS[named.group(1)] if named else "cp1252"
    if encoding == "cp1252" or encoding.startswith(("utf", "cp9")):  # cp932 and its like take two bytes a letter
        return body
    letters = {byte: ord(bytes([byte]).decode(encoding, "replace")) for byte in range(128, 256)}
    return re.sub(rb"\\'([89a-fA-F][0-9a-fA-F])", lambda found: b"\\u%d?" % letters[int(found.group(1), 16)], body)


def describe_rtf(draft: Draft, body: bytes) -> None:
    """Title, author and dates from the \\info group."""
    head = body[:200_000].decode("latin-1")
    start = head.find("{\\info")
    if start < 0:
        return
    codepage = re.search(r"\\ansicpg\d{1,5}", head[:2000])
    for word in ("title", "author"):
        if found := _TOLD[word].search(head, start):
            text = rtf_text((codepage.group() if codepage else "") + " " + found.group(1)).strip()
            setattr(draft, word, getattr(draft, word) or text or None)
    draft.created_at, draft.modified_at = _moment(head, "creatim", start), _moment(head, "revtim", start)


def _moment(head: str, word: str, start: int) -> datetime | None:
    found = _MOMENTS[word].search(head, start)
    if found is None:
        return None
    parts = {key: int(value) for key, value in re.findall(r"\\([a-z]{2,3})(\d{1,4})", found.group(1))}
    try:
        return datetime(parts["yr"], parts["mo"], parts["dy"], parts.get("hr", 0), parts.get("min", 0), tzinfo=UTC)
    except (KeyError, ValueError):
        return None


def rtf_text(source: str) -> str:
    """The text of an RTF document.

    Raises:
        UnreadableDocument: nested deeper than any writer nests.
    """
    out: list[str] = []
    stack: list[tuple[bool, int]] = []
    skipping, after_unicode, pending, encoding = False, 1, 0, "cp1252"
    for found in _TOKEN.finditer(source):
        word, argument, byte, sign, brace, text = found.groups()
        if brace == "{":
            if len(stack) > _MAX_DEPTH:
                raise UnreadableDocument("nested too deeply")
            stack.append((skipping, after_unicode))
        elif brace == "}":
            skipping, after_unicode = stack.pop() if stack else (False, 1)
        elif sign == "*" or word in _SKIPPED:
            skipping = True
        elif word == "ansicpg" and argument:
            encoding = codec(int(argument))
        elif word in _CHARACTER_SETS:
            encoding = _CHARACTER_SETS[word]
        elif word == "uc":
            after_unicode = int(argument or 1)
        elif skipping:
            continue
        elif word == "u" and argument:
            out.append(chr(int(argument) % 65536))
            pending = after_unicode
        elif word or sign:
            out.append(_WORDS.get(word or sign, "" if word or sign not in "\\{}" else sign))
        elif byte and pending:
            pending -= 1
        elif byte:
            out.append(bytes.fromhex(byte).decode(encoding, "replace"))
        elif text:
            out.append(text[pending:])
            pending = max(0, pending - len(text))
    return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
