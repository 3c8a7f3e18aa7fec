"""What Word, PowerPoint and Excel files share: relations between their parts, and the document's properties."""

from __future__ import annotations

import posixpath
from typing import Final

from rag.ingest.parse.dates import when
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.zipped import Archive

BLIP: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
EMBEDDED: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}embed"
_REL: Final = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_LIBRARY_DATE: Final = "2013-12-23T23:15:00Z"  # the template's in python-docx: no document's own
_DCTERMS: Final = "{http://purl.org/dc/terms/}"


def relations(archive: Archive, part: str) -> dict[str, tuple[str, str]]:
    """Relation id → (kind, path) of one part, of the package for ""; external targets are left out."""
    folder, base = posixpath.split(part)
    path = posixpath.join(folder, "_rels", base + ".rels") if part else "_rels/.rels"
    if path not in archive:
        return {}
    found = {}
    for relation in archive.xml(path).iter(_REL):
        if relation.get("TargetMode") != "External":
            target = relation.get("Target", "")
            target = (
                target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            )
            found[relation.get("Id", "")] = (relation.get("Type", "").rsplit("/", 1)[-1], target)
    return found


def related(archive: Archive, part: str, kind: str) -> list[str]:
    """The paths of the parts that stand in one kind of relation to `part`."""
    return [path for known, path in relations(archive, part).values() if known == kind]


def properties(archive: Archive, draft: Draft) -> None:
    """Title, author and dates, where the file names them."""
    for path in related(archive, "", "core-properties"):
        if path in archive:
            core = archive.xml(path)
            draft.title = draft.title or core.findtext(_DC + "title")
            draft.author = draft.author or core.findtext(_DC + "creator")
            created, modified = core.findtext(_DCTERMS + "created"), core.findtext(_DCTERMS + "modified")
            draft.created_at = when(created) if created != _LIBRARY_DATE else None
            draft.modified_at = when(modified) if modified != _LIBRARY_DATE else None
