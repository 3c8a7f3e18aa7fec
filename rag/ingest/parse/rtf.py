"""RTF without a library: control words read, groups that hold no text skipped."""

from __future__ import annotations

import codecs
import re
from typing import Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
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
_MAX_DEPTH: Final = 1000


class RtfParser:
    """RTF as LibreOffice and Word write it."""

    fingerprint = "rtf"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft = Draft()
        read_text(draft, rtf_text(body.decode("latin-1")))
        return draft.parsed()


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
            encoding = _codec("cp" + argument)
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


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
