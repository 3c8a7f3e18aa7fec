"""EPUB books: the chapters of the spine, in order, as HTML."""

from __future__ import annotations

import posixpath
from typing import Final
from urllib.parse import unquote

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.charset import decode
from rag.ingest.parse.dates import when
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.html import read_html
from rag.ingest.parse.zipped import Archive

_OPF: Final = "{http://www.idpf.org/2007/opf}"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_CONTAINER: Final = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"


class EpubParser:
    """EPUB 2 and 3 without rights management."""

    fingerprint = "epub"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        archive = Archive(body)
        rootfile = archive.xml("META-INF/container.xml").find(f".//{_CONTAINER}")
        if rootfile is None:
            raise UnreadableDocument("damaged: a book without contents")
        path = rootfile.get("full-path", "")
        package = archive.xml(path)
        draft = Draft()
        title, author = package.findtext(f".//{_DC}title"), package.findtext(f".//{_DC}creator")
        items = {item.get("id"): item.get("href", "") for item in package.iter(_OPF + "item")}
        for entry in package.iter(_OPF + "itemref"):
            chapter = posixpath.normpath(
                posixpath.join(posixpath.dirname(path), unquote(items.get(entry.get("idref"), "")))
            )
            if chapter in archive:
                draft.close_headings()
                read_html(draft, decode(archive.read(chapter)), described=False)
        draft.title, draft.author = title, author
        for date in package.iter(_DC + "date"):
            if date.get(_OPF + "event") == "modification":
                draft.modified_at = when(date.text)
            else:
                draft.created_at = draft.created_at or when(date.text)
        for meta in package.iter(_OPF + "meta"):
            if meta.get("property") == "dcterms:modified":
                draft.modified_at = when(meta.text)
        return draft.parsed()
