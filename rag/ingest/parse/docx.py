"""Word documents (OOXML), read from their XML: heading styles and numbering, tables, text boxes, footnotes, comments.

Read directly rather than through python-docx or xberg: neither gives the numbers Word computes ("§ 3", "2.1"), which
people cite by, and python-docx leaves out text boxes, footnotes and content controls. Word files have no pages until
they are laid out, so `page` stays None.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.concealed import concealed, plain
from rag.ingest.parse.docx_look import Looks
from rag.ingest.parse.docx_styles import Numbering, Styles
from rag.ingest.parse.draft import Draft, one_line
from rag.ingest.parse.headings import MAX_CHARS, numbered_level
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.ooxml import BLIP, EMBEDDED, properties, related, relations
from rag.ingest.parse.pictures import PicturesInside
from rag.ingest.parse.zipped import Archive

if TYPE_CHECKING:
    from lxml.etree import _Element

W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SKIPPED: Final = frozenset(
    {W + "del", W + "moveFrom", W + "instrText", W + "delText", W + "pPr", W + "rPr", W + "sectPr"}
    | {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
)
_MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"


class DocxParser:
    """DOCX, DOCM, DOTX."""

    fingerprint = "docx"

    def __init__(self, *, ocr: Ocr) -> None:
        self._ocr = ocr

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        archive = Archive(body)
        main = next((found for found in related(archive, "", "officeDocument")), "word/document.xml")
        root = archive.xml(main)
        content = root.find(W + "body")
        if content is None:
            raise UnreadableDocument("damaged: a Word file without a body")
        draft = Draft()
        properties(archive, draft)
        pictures = PicturesInside(self._ocr)
        _Body(draft, archive, main, root, pictures).read(content)
        pictures.finish(draft)
        return draft.parsed()


class _Body:
    def __init__(self, draft: Draft, archive: Archive, main: str, root: _Element, pictures: PicturesInside) -> None:
        self._draft = draft
        self._pictures = pictures
        self._targets = relations(archive, main)
        self._archive = archive
        self._main = main
        self._styles = Styles(self._part("styles"))
        self._looks = Looks(root, self._styles)
        self._numbering = Numbering(self._part("numbering"), self._styles)
        self._list: list[str] = []
        self._bold_level = 7

    def _part(self, kind: str) -> _Element | None:
        found = next((path for path in related(self._archive, self._main, kind)), None)
        return self._archive.xml(found) if found and found in self._archive else None

    def read(self, content: _Element) -> None:
        self._margin("header")
        self._blocks(content)
        for kind, tag in (("footnotes", "footnote"), ("endnotes", "endnote"), ("comments", "comment")):
            self._annex(kind, tag)
        self._margin("footer")

    def _blocks(self, container: _Element) -> None:
        for element in container:
            if element.tag == W + "p":
                self._paragraph(element)
                self._show(element)
            elif element.tag == W + "tbl":
                self._flush()
                self._table(element)
                self._show(element)
            elif element.tag in (W + "sdt", W + "customXml", W + "ins", W + "moveTo"):
                inner = element.find(W + "sdtContent")
                self._blocks(inner if inner is not None else element)
        self._flush()

    def _show(self, element: _Element) -> None:
        """Read the pictures that hang on a paragraph or stand in a table."""
        for blip in element.iter(BLIP):
            _, path = self._targets.get(blip.get(EMBEDDED, ""), ("", ""))
            if path in self._archive:
                self._flush()
                self._pictures.write(self._draft, self._archive.read(path))

    def _paragraph(self, element: _Element) -> None:
        text, boxes = paragraph_text(element, self._looks), list(element.iter(W + "txbxContent"))
        style = self._styles.of(element)
        number = self._numbering.number(element, style)
        if one_line(text):
            self._say(element, text, style, number)
        for box in boxes:
            if not any(parent.tag in _SKIPPED for parent in box.iterancestors()):
                self._blocks(box)

    def _say(self, element: _Element, text: str, style: str, number: str | None) -> None:
        level = self._styles.level(style, element)
        flat = one_line(text)
        numbered = f"{number} {flat}" if number else flat
        shown = plain(numbered)
        if self._styles.is_title(style) and not self._draft.title:
            self._draft.title = flat
        if level is not None and len(flat) <= 3 * MAX_CHARS:
            self._flush()
            self._draft.heading(numbered, level)
        elif not self._styles.is_title(style) and number != "-" and self._reads_as_heading(element, shown):
            self._flush()
            self._draft.heading(numbered, 6 + (numbered_level(shown) or 5))
        elif number is not None:
            self._list.append(f"{number} {text.strip()}")
        else:
            self._flush()
            self._draft.paragraph(text)

    def _reads_as_heading(self, element: _Element, text: str) -> bool:
        """A short line in bold throughout, as people make headings who know no styles."""
        if len(text) > MAX_CHARS or text[-1] in ".;,:!?" or element.getparent().tag == W + "tc":  # type: ignore[union-attr]  # a paragraph has a parent
            return False
        runs = [run for run in element.iter(W + "r") if "".join(t.text or "" for t in run.iter(W + "t")).strip()]
        return bool(runs) and all(self._styles.is_bold(run, self._styles.of(element)) for run in runs)

    def _flush(self) -> None:
        items, self._list = self._list, []
        self._draft.paragraph("\n".join(items))

    def _table(self, table: _Element) -> None:
        rows = [
            [cell_text(cell, self._looks) for cell in _cells(row)]
            for row in table.iter(W + "tr")
            if _owner(row) is table
        ]
        self._draft.table(rows)

    def _annex(self, kind: str, tag: str) -> None:
        root = self._part(kind)
        for note in root.iter(W + tag) if root is not None else ():
            if note.get(W + "type") in (None, "normal"):
                author = note.get(W + "author")
                text = " ".join(paragraph_text(p, self._looks).strip() for p in note.iter(W + "p")).strip()
                self._draft.paragraph(f"[{author}] {text}" if author and text else text)

    def _margin(self, kind: str) -> None:
        """Page headers before the text, footers after it; each once, bare page numbers not at all."""
        seen = set()
        for path in related(self._archive, self._main, kind):
            root = self._archive.xml(path) if path in self._archive else None
            for element in root.iter(W + "p") if root is not None else ():
                text = paragraph_text(element, self._looks).strip()
                if text not in seen and sum(char.isalpha() for char in text) > 6:
                    seen.add(text)
                    self._draft.paragraph(text)


def paragraph_text(paragraph: _Element, looks: Looks) -> str:
    """What a paragraph holds: runs, links, insertions and fields' results; not deletions, not its text boxes. What
    nobody sees of it is marked."""
    return "".join(_pieces(paragraph, looks))


def _pieces(element: _Element, looks: Looks) -> Iterator[str]:
    for child in element:
        if child.tag in (W + "t", _MATH):
            yield child.text or ""
        elif child.tag in (W + "tab", W + "ptab"):
            yield "\t"
        elif child.tag in (W + "br", W + "cr"):
            yield "\n"
        elif child.tag == W + "noBreakHyphen":
            yield "-"
        elif child.tag == W + "r":
            text = "".join(_pieces(child, looks))
            yield concealed(text, looks.why_hidden(child)) if text.strip() else text
        elif child.tag not in _SKIPPED and child.tag != W + "txbxContent":
            yield from _pieces(child, looks)


def cell_text(cell: _Element, looks: Looks) -> str:
    """A cell's paragraphs, inner tables flattened."""
    return " ".join(text for p in cell.iter(W + "p") if (text := paragraph_text(p, looks).strip()))


def _cells(row: _Element) -> Iterator[_Element]:
    for child in row:
        if child.tag == W + "tc":
            yield child
        elif child.tag in (W + "sdt", W + "sdtContent", W + "customXml"):
            yield from _cells(child)


def _owner(row: _Element) -> _Element | None:
    return next((parent for parent in row.iterancestors() if parent.tag == W + "tbl"), None)
