"""What a text says of itself at its head: YAML front matter, and the like of org, AsciiDoc, reStructuredText, TeX."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rag.ingest.parse import media
from rag.ingest.parse.dates import when
from rag.ingest.parse.draft import Draft

_YAML: Final = re.compile(r"\ufeff?---[ \t]*\n(.{0,10000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.S)
_ENTRY: Final = re.compile(r"^([A-Za-zÄÖÜäöüß_ -]{1,30}):[ \t]*(.*(?:\n[ \t]*- .*)*)$", re.M)
_FIELDS: Final = {
    media.ORG: re.compile(r"^#\+(title|author|date):[ \t]*(.{1,300})$", re.M | re.I),
    media.ASCIIDOC: re.compile(r"^:(doctitle|author|revdate):[ \t]*(.{1,300})$", re.M | re.I),
    media.RST: re.compile(r"^:(author|authors|date):[ \t]*(.{1,300})$", re.M | re.I),
    media.TEX: re.compile(r"\\(title|author|date)\{([^{}\\]{1,300})\}"),
}
_MEANINGS: Final = {
    "title": ("title", "titel", "doctitle"),
    "author": ("author", "authors", "autor", "autorin", "verfasser", "verfasserin", "creator", "owner"),
    "created_at": ("created", "created_at", "date", "datum", "erstellt", "published", "revdate"),
    "modified_at": ("modified", "modified_at", "updated", "updated_at", "last_modified", "lastmod", "geändert"),
}
_HEAD: Final = 5000


def take_front_matter(draft: Draft, text: str) -> str:
    """Read YAML front matter into the draft's title, author and dates; the text without it."""
    front = _YAML.match(text)
    if front is None or (said := dict(_entries(front.group(1)))) == {}:
        return text
    _apply(draft, said)
    return text[front.end() :]


def read_fields(draft: Draft, text: str, media_type: str) -> None:
    """Take title, author and date from the fields that this kind of markup has for them."""
    if (pattern := _FIELDS.get(media_type)) is not None:
        _apply(draft, {key.lower(): value.strip() for key, value in reversed(pattern.findall(text[:_HEAD]))})


def _entries(front: str) -> list[tuple[str, str]]:
    found = []
    for key, value in _ENTRY.findall(front):
        items = value.split(",") if value.startswith("[") else re.split(r"\n[ \t]*- ", value)
        plain = [item.strip("[] \t\"'") for item in items]
        found.append((key.strip().lower(), ", ".join(item for item in plain if item)))
    return found


def _apply(draft: Draft, said: Mapping[str, str]) -> None:
    def first(meaning: str) -> list[str]:
        return [said[key] for key in _MEANINGS[meaning] if said.get(key)]

    draft.title = draft.title or next(iter(first("title")), None)
    draft.author = draft.author or next(iter(first("author")), None)
    draft.created_at = draft.created_at or next((at for text in first("created_at") if (at := when(text))), None)
    draft.modified_at = draft.modified_at or next((at for text in first("modified_at") if (at := when(text))), None)
