"""Markdown: headings, pipe tables, lists and code, with the inline markup taken off so that a sentence reads as one."""

from __future__ import annotations

import html
import re
from typing import Final

from rag.documents import Parsed
from rag.ingest.parse.charset import decode
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.front_matter import take_front_matter

_HEADING: Final = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
_RULE: Final = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})")
_TABLE_RULE: Final = re.compile(r"\s*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_ITEM: Final = re.compile(r"([ \t]*)(?:[-*+]|(\d{1,9})[.)])[ \t]+(.*)")
_CELL_BREAK: Final = re.compile(r"(?<!\\)\|")
_COMMENT: Final = re.compile(r"<!--.{0,20000}?-->", re.S)
_IMAGE: Final = re.compile(r"!\[([^\[\]]{0,400})\]\([^()\s]{0,2000}(?:[ \t]+\"[^\"]{0,300}\")?\)")
_LINK: Final = re.compile(r"\[([^\[\]]{0,1000})\](?:\([^()\s]{0,2000}(?:[ \t]+\"[^\"]{0,300}\")?\)|\[[^\[\]]{0,200}\])")
_DEFINITION: Final = re.compile(r" {0,3}\[(?!\^)[^\[\]]{1,200}\]:[ \t]*\S+.*")
_AUTOLINK: Final = re.compile(r"<((?:https?|mailto|ftp):[^<>\s]{1,2000})>")
_TAG: Final = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,20}(?:[ \t/][^<>]{0,1000})?>")
_STRONG: Final = re.compile(r"(\*\*|__)(?=\S)([^*_\n]{1,2000}?)(?<=\S)\1")
_EMPHASIS: Final = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_\n]{1,2000}?)(?<=[^\s*_])\1(?![\w*])")
_CODE: Final = re.compile(r"(`{1,3})(?!`)([^`\n]{1,2000})\1(?!`)")
_ESCAPE: Final = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~$&^\"'/:;=?@,%])")


class MarkdownParser:
    """Markdown as people write it (CommonMark with pipe tables)."""

    fingerprint = "markdown"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft = Draft()
        read_markdown(draft, decode(body))
        return draft.parsed()


def read_markdown(draft: Draft, text: str) -> None:
    """Write Markdown into a draft."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = take_front_matter(draft, text)
    _Blocks(draft).read(_COMMENT.sub("", text).split("\n"))


def plain(text: str) -> str:
    """Inline Markdown as it is seen: links by their text, pictures by their description, no emphasis marks."""
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text)) if "](" in text or "][" in text else text
    if "`" in text:
        text = _CODE.sub(r"\2", text)
    if "<" in text:
        text = _TAG.sub(" ", _AUTOLINK.sub(r"\1", text))
    if "*" in text or "_" in text:
        text = _EMPHASIS.sub(r"\2", _STRONG.sub(r"\2", text))
        text = text.replace("**", "")
    text = _ESCAPE.sub(r"\1", text) if "\\" in text else text
    return html.unescape(text) if "&" in text else text


class _Blocks:
    """Line by line: what is open is a paragraph, a list, a table or code."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._lines: list[str] = []
        self._items: list[str] = []
        self._rows: list[list[str]] = []
        self._code: list[str] = []
        self._fence = ""

    def read(self, lines: list[str]) -> None:
        for line in lines:
            if self._fence:
                self._in_code(line)
            else:
                self._line(line)
        self._flush()
        self._draft.verbatim("\n".join(self._code))

    def _in_code(self, line: str) -> None:
        closing = line.strip()
        if closing.startswith(self._fence) and not closing.strip(self._fence[0]):
            self._draft.verbatim("\n".join(self._code))
            self._code, self._fence = [], ""
        else:
            self._code.append(line)

    def _line(self, line: str) -> None:
        stripped = re.sub(r"^[ \t]*(?:>[ \t]?)+", "", line) if line.lstrip().startswith(">") else line
        if not stripped.strip():
            self._flush_paragraph()
        elif (fence := _FENCE.match(stripped)) is not None:
            self._flush()
            self._fence = fence.group(1)
        elif (heading := _HEADING.fullmatch(stripped)) is not None:
            self._flush()
            self._draft.heading(plain(heading.group(2) or ""), len(heading.group(1)))
        elif len(self._lines) == 1 and self._is_header_of(stripped):
            self._rows = [_cells(self._lines.pop())]
        elif self._rows and "|" in stripped:
            self._rows.append(_cells(stripped))
        elif self._lines and not self._items and (underline := _UNDERLINE.fullmatch(stripped)) is not None:
            heading_text, self._lines = " ".join(self._lines), []
            self._draft.heading(plain(heading_text), 1 if underline.group(1)[0] == "=" else 2)
        elif not (_RULE.fullmatch(stripped) or _DEFINITION.fullmatch(stripped)):
            self._text(stripped)

    def _is_header_of(self, line: str) -> bool:
        return "|" in self._lines[0] and "-" in line and _TABLE_RULE.fullmatch(line) is not None

    def _text(self, line: str) -> None:
        if self._rows:
            self._flush()
        item = _ITEM.fullmatch(line)
        if item is not None and (self._items or not self._lines):
            self._flush_paragraph()
            mark = f"{item.group(2)}." if item.group(2) else "-"
            self._items.append(f"{mark} {plain(item.group(3))}")
        elif self._items and not self._lines and line[:1] in " \t":
            self._items[-1] += " " + plain(line.strip())
        else:
            if self._items and not self._lines:
                self._flush()
            self._lines.append(line.strip() + ("\n" if line.endswith("  ") else ""))

    def _flush_paragraph(self) -> None:
        if self._rows:
            self._flush()
        elif self._lines:
            self._flush_items()
            self._draft.paragraph(plain(" ".join(self._lines)))
            self._lines = []

    def _flush_items(self) -> None:
        self._draft.paragraph("\n".join(self._items))
        self._items = []

    def _flush(self) -> None:
        self._flush_items()
        if self._rows:
            self._draft.table(self._rows)
            self._rows = []
        if self._lines:
            self._draft.paragraph(plain(" ".join(self._lines)))
            self._lines = []


def _cells(line: str) -> list[str]:
    line = line.strip()
    line = line[1:] if line.startswith("|") else line
    line = line[:-1] if line.endswith("|") and not line.endswith("\\|") else line
    return [plain(cell.strip()) for cell in _CELL_BREAK.split(line)]
