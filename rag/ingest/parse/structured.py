"""JSON, notebooks and XML: data as lines people can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.charset import decode
from rag.ingest.parse.draft import Draft, one_line
from rag.ingest.parse.html import read_html
from rag.ingest.parse.markdown import read_markdown
from rag.ingest.parse.zipped import xml_root

_MAX_DEPTH: Final = 100
_TITLES: Final = frozenset({"title", "titel", "heading", "head", "name"})


class JsonParser:
    """JSON as "path: value" lines."""

    fingerprint = "json"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft = Draft()
        for group in _grouped(_load(body)):
            draft.paragraph("\n".join(group))
        return draft.parsed()


class NotebookParser:
    """Jupyter notebooks: Markdown cells as Markdown, code and its printed output as they stand."""

    fingerprint = "notebook"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        loaded = _load(body)
        cells = loaded.get("cells") if isinstance(loaded, dict) else None
        if not isinstance(cells, list):
            raise UnreadableDocument("damaged: a notebook without cells")
        draft = Draft()
        about = loaded.get("metadata") if isinstance(loaded.get("metadata"), dict) else {}
        draft.title = title if isinstance(title := about.get("title"), str) else None
        authors = about.get("authors")
        rows = authors if isinstance(authors, list) else []
        named = [str(author["name"]) for author in rows if isinstance(author, dict) and author.get("name")]
        draft.author = ", ".join(named) or None
        for cell in cells:
            if isinstance(cell, dict):
                self._cell(draft, cell)
        return draft.parsed()

    def _cell(self, draft: Draft, cell: dict[str, Any]) -> None:
        source = _joined(cell.get("source"))
        if cell.get("cell_type") == "markdown":
            read_markdown(draft, source)
            return
        draft.verbatim(source)
        for output in cell.get("outputs") or ():
            if isinstance(output, dict):
                data = output.get("data") if isinstance(output.get("data"), dict) else {}
                draft.verbatim(_joined(output.get("text") or (data or {}).get("text/plain")))


class XmlParser:
    """XML of any kind: the text of each element that holds no others, "title"-like ones as headings; XHTML as HTML."""

    fingerprint = "xml"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft, root = Draft(), xml_root(body)
        if root.tag == "{http://www.w3.org/1999/xhtml}html" or str(root.tag).lower() == "html":
            read_html(draft, decode(body))
            return draft.parsed()
        for element in root.iter():
            tag = str(element.tag).rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""
            depth = sum(1 for _ in element.iterancestors()) if tag.lower() in _TITLES else 0
            if tag.lower() in _TITLES and len(element) == 0 and 0 < len(element.text or "") < 200:
                draft.heading(element.text or "", depth)
            elif tag:
                self._write(draft, element.text or "")
            self._write(draft, element.tail or "")
        return draft.parsed()

    @staticmethod
    def _write(draft: Draft, text: str) -> None:
        if not text.strip():
            return
        if "</" in text or "/>" in text:  # markup carried as text, as feeds do
            read_html(draft, text, described=False)
        else:
            draft.paragraph(one_line(text))


class SvgParser:
    """Drawings: their title, description and the texts in them."""

    fingerprint = "svg"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft, root = Draft(), xml_root(body)
        draft.title = root.findtext("{http://www.w3.org/2000/svg}title")
        for element in root.iter():
            tag = str(element.tag).rsplit("}", 1)[-1]
            if tag in ("title", "desc", "text"):
                draft.paragraph(one_line("".join(element.itertext())))
        return draft.parsed()


def _load(body: bytes) -> Any:
    try:
        return json.loads(decode(body))
    except RecursionError as error:
        raise UnreadableDocument("nested too deeply") from error
    except ValueError as error:
        raise UnreadableDocument("damaged: not valid JSON") from error


def _grouped(value: Any) -> Iterator[list[str]]:
    """The lines of each element of a top-level list together, else all in one."""
    if isinstance(value, list):
        for element in value:
            yield list(_lines(element, "", 0))
    else:
        yield list(_lines(value, "", 0))


def _lines(value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise UnreadableDocument("nested too deeply")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(inner, path, depth + 1)
    elif value is not None and value != "":
        text = one_line(str(value))
        yield f"{path}: {text}" if path else text


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")
