"""What a search is narrowed to, as it is typed and as the store takes it. Filters only ever take away: what may be read
is decided before them and checked after them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from rag.access import Confidentiality
from rag.errors import SettingsError

_OPEN: Final = "application/vnd.oasis.opendocument."
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_FILMS: Final = ("video/mp4", "video/x-matroska")
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "pdf": ("application/pdf",),
    "docx": (f"{_OFFICE}wordprocessingml.document",),
    "doc": ("application/msword",),
    "odt": (f"{_OPEN}text",),
    "rtf": ("application/rtf",),
    "pptx": (f"{_OFFICE}presentationml.presentation",),
    "ppt": ("application/vnd.ms-powerpoint",),
    "odp": (f"{_OPEN}presentation",),
    "xlsx": (f"{_OFFICE}spreadsheetml.sheet", "application/vnd.ms-excel.sheet.binary.macroenabled.12"),
    "xls": ("application/vnd.ms-excel",),
    "ods": (f"{_OPEN}spreadsheet",),
    "csv": ("text/csv", "text/tab-separated-values"),
    "mail": ("message/rfc822", "application/vnd.ms-outlook"),
    "html": ("text/html", "multipart/related"),
    "markdown": ("text/markdown",),
    "text": ("text/plain", "text/x-rst", "text/org", "text/asciidoc", "application/x-latex"),
    "json": ("application/json",),
    "xml": ("application/xml", "application/docbook+xml"),
    "notebook": ("application/x-ipynb+json",),
    "epub": ("application/epub+zip",),
    "archive": ("application/zip", "application/gzip"),
    "image": ("image/png", "image/jpeg", "image/tiff", "image/webp", "image/bmp", "image/gif", "image/svg+xml"),
    "recording": tuple(f"audio/{kind}" for kind in ("mpeg", "wav", "ogg", "flac", "aac", "mp4")) + _FILMS,
    "calendar": ("text/calendar",),
    "contact": ("text/vcard",),
}
"""Name → the media types that count as it."""
LANGUAGES: Final = {"de": "de", "en": "en", "other": ""}
"""As typed → as the store has it."""
_ALSO: Final = {"md": "markdown", "txt": "text", "eml": "mail", "msg": "mail", "htm": "html", "tsv": "csv"} | {
    "zip": "archive",
    "picture": "image",
    "ics": "calendar",
    "vcf": "contact",
    "ipynb": "notebook",
    "mp3": "recording",
    "wav": "recording",
    "mp4": "recording",
}
_GERMAN_DAY: Final = re.compile(r"(?:(?:(\d\d?)\.\s?)?(\d\d?)\.\s?)?(\d{4})")
_DAY: Final = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """One kind narrows another, within a kind one is enough. None or nothing narrows nothing; no source at all finds
    nothing. `languages` as the store has them, `types` are media types, `since` the first day (UTC) of a document's own
    date, `paths` as `rag.text.patterns.within` takes them. `classes` is never typed: what the channel may carry at
    all."""

    sources: frozenset[str] | None = None
    languages: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    since: date | None = None
    paths: frozenset[str] = frozenset()
    classes: frozenset[Confidentiality] | None = None

    @property
    def by_document(self) -> bool:
        """Whether each document has to be looked at."""
        return bool(self.types or self.since or self.paths) or self.classes is not None


NONE: Final = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a search can usefully be narrowed to: names of sources, and types as they are typed; sorted."""

    sources: tuple[str, ...]
    types: tuple[str, ...]


def parse(
    *,
    sources: Iterable[str] | None = None,
    languages: Sequence[str] = (),
    types: Sequence[str] = (),
    since: str | None = None,
    paths: Sequence[str] = (),
    there: Callable[[], Iterable[str]] = tuple,
) -> Filters:
    """Filters as they were typed. `there` gives the media types in the index, to be told where a type is unknown.

    Raises:
        SettingsError: one of them cannot be understood; says what can.
    """
    return Filters(
        sources=None if sources is None else frozenset(sources),
        languages=frozenset(map(_language, languages)),
        types=frozenset(media for name in types for media in _media_types(name, there)),
        since=_first_day(since) if since else None,
        paths=frozenset(map(_path, paths)),
    )


def _language(name: str) -> str:
    try:
        return LANGUAGES[name.strip().lower()]
    except KeyError:
        raise SettingsError(
            f'There is no language "{name}"; there are {", ".join(LANGUAGES)}.', key="language"
        ) from None


def _media_types(name: str, there: Callable[[], Iterable[str]]) -> tuple[str, ...]:
    wanted = name.strip().lower().removeprefix(".")
    found = TYPES.get(_ALSO.get(wanted, wanted))
    if found is not None:
        return found
    known = set(there())
    if wanted in known:  # a media type, as `rag documents --json` names it
        return (wanted,)
    names = sorted({name_of(kind) for kind in known if kind})
    have = f"this index holds {', '.join(names)}" if names else f"there are {', '.join(TYPES)}"
    raise SettingsError(f'There is no document type "{name}"; {have}.', key="type")


def name_of(media_type: str) -> str:
    """What a media type is called here; itself where it has no name."""
    return next((name for name, media in TYPES.items() if media_type in media), media_type)


def _first_day(text: str) -> date:
    found, german = _DAY.fullmatch(text.strip()), _GERMAN_DAY.fullmatch(text.strip())
    parts = found.groups() if found else german.groups()[::-1] if german else ("0",)
    try:
        return date(*(int(part or 1) for part in (*parts, 1, 1)[:3]))
    except ValueError:
        raise SettingsError(
            f'"{text}" is no date; write 2024-03-01 (or 01.03.2024), 2024-03 or 2024: documents of that day or later.',
            key="since",
        ) from None


def _path(text: str) -> str:
    path = text.strip().removeprefix("./").lstrip("/")
    if not path:
        raise SettingsError(
            f'"{text}" is no path below a source; write "hr/" for a folder or "**/protokolle/*" as a pattern.',
            key="path",
        )
    return path
