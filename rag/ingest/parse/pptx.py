"""PowerPoint (OOXML), read from its XML: a slide is a page, its title a heading; tables, charts, speaker notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.draft import Draft, one_line
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.ooxml import BLIP, EMBEDDED, properties, related, relations
from rag.ingest.parse.pictures import PicturesInside
from rag.ingest.parse.zipped import Archive

if TYPE_CHECKING:
    from lxml.etree import _Element

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_C: Final = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_MODERN: Final = "{http://schemas.microsoft.com/office/powerpoint/2018/8/main}"
_TITLES: Final = frozenset({"title", "ctrTitle"})
_FURNITURE: Final = frozenset({"dt", "ftr", "sldNum", "hdr", "sldImg"})


class PptxParser:
    """PPTX, PPTM, PPSX: slides in the order they are shown, each followed by its speaker notes."""

    fingerprint = "pptx"

    def __init__(self, *, ocr: Ocr) -> None:
        self._ocr = ocr

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        archive = Archive(body)
        main = next((path for path in related(archive, "", "officeDocument")), "ppt/presentation.xml")
        if main not in archive:
            raise UnreadableDocument("damaged: a PowerPoint file without slides")
        draft, pictures = Draft(), PicturesInside(self._ocr)
        properties(archive, draft)
        targets = relations(archive, main)
        for number, entry in enumerate(archive.xml(main).iter(_P + "sldId"), start=1):
            _, path = targets.get(entry.get(_R + "id", ""), ("", ""))
            if path in archive:
                draft.page = number
                _slide(draft, archive, path, pictures)
        pictures.finish(draft)
        return draft.parsed()


def _slide(draft: Draft, archive: Archive, path: str, pictures: PicturesInside) -> None:
    root = archive.xml(path)
    shapes = list(_shapes(root.find(f"{_P}cSld/{_P}spTree")))
    title = next((shape for shape in shapes if _placeholder(shape) in _TITLES and _paragraphs(shape)), None)
    draft.close_headings()
    if title is not None:
        draft.heading(" ".join(_paragraphs(title)), 1)
    charts = relations(archive, path)
    for shape in shapes:
        if shape is not title and _placeholder(shape) not in _FURNITURE:
            _shape(draft, archive, shape, charts)
            for blip in shape.iter(BLIP):
                _, target = charts.get(blip.get(EMBEDDED, ""), ("", ""))
                if target in archive:
                    pictures.write(draft, archive.read(target))
    for kind in ("notesSlide", "comments"):
        for other in related(archive, path, kind):
            if other in archive:
                _aside(draft, archive.xml(other), kind)


def _shapes(tree: _Element | None) -> Iterator[_Element]:
    """Shapes in the order of the file, groups opened up."""
    for shape in tree if tree is not None else ():
        if shape.tag == _P + "grpSp":
            yield from _shapes(shape)
        elif isinstance(shape.tag, str) and shape.tag.endswith("}AlternateContent"):
            yield from _shapes(next(iter(shape), None))
        else:
            yield shape


def _shape(draft: Draft, archive: Archive, shape: _Element, targets: dict[str, tuple[str, str]]) -> None:
    for table in shape.iter(_A + "tbl"):
        draft.table([" ".join(_paragraphs(cell)) for cell in row.iter(_A + "tc")] for row in table.iter(_A + "tr"))
    for chart in shape.iter(_C + "chart"):
        _, path = targets.get(chart.get(_R + "id", ""), ("", ""))
        if path in archive:
            _chart(draft, archive.xml(path))
    if shape.tag == _P + "sp":
        draft.paragraph("\n".join(_listed(shape)))
    elif shape.tag == _P + "pic":
        described = shape.find(f"{_P}nvPicPr/{_P}cNvPr")
        draft.paragraph(described.get("descr", "") if described is not None else "")


def _listed(shape: _Element) -> list[str]:
    """Paragraphs of a text frame; those indented below others as list items."""
    found = []
    for paragraph in shape.iter(_A + "p"):
        layout = paragraph.find(_A + "pPr")
        text = _text(paragraph)
        level = int(layout.get("lvl", "0")) if layout is not None and layout.get("lvl", "0").isdigit() else 0
        if one_line(text):
            found.append(("- " if level else "") + text.strip())
    return found


def _chart(draft: Draft, root: _Element) -> None:
    """A chart as the table behind it: categories down, series across."""
    title = root.find(f".//{_C}title")
    if title is not None:
        draft.paragraph("".join(_text(paragraph) for paragraph in title.iter(_A + "p")))
    columns: list[list[str]] = [[""]]
    categories: list[str] = []
    for series in root.iter(_C + "ser"):
        categories = categories or _values(series.find(_C + "cat"))
        columns.append([" ".join(_values(series.find(_C + "tx"))), *_values(series.find(_C + "val"))])
    columns[0] = ["", *categories]
    height = max(map(len, columns))
    draft.table([column[row] if row < len(column) else "" for column in columns] for row in range(height))


def _values(holder: _Element | None) -> list[str]:
    return [value.text or "" for value in holder.iter(_C + "v")] if holder is not None else []


def _aside(draft: Draft, root: _Element, kind: str) -> None:
    """Speaker notes or comments, after the slide's own text."""
    if kind == "comments":
        for text in root.iter(_P + "text"):
            draft.paragraph(text.text or "")
        for body in root.iter(_MODERN + "txBody"):
            draft.paragraph("\n".join(_paragraphs(body)))
        return
    for shape in _shapes(root.find(f"{_P}cSld/{_P}spTree")):
        if shape.tag == _P + "sp" and _placeholder(shape) not in _FURNITURE:
            draft.paragraph("\n".join(_paragraphs(shape)))


def _placeholder(shape: _Element) -> str | None:
    holder = shape.find(f".//{_P}nvPr/{_P}ph")
    return None if holder is None else holder.get("type", "body")


def _paragraphs(element: _Element) -> list[str]:
    return [text.strip() for paragraph in element.iter(_A + "p") if (text := _text(paragraph)).strip()]


def _text(paragraph: _Element) -> str:
    pieces = []
    for piece in paragraph.iter(_A + "t", _A + "br"):
        pieces.append("\n" if piece.tag == _A + "br" else piece.text or "")
    return "".join(pieces)
