"""Which of several versions of one document speaks. Pure.

Files in one folder whose names differ only by a year or a version number (``urlaub-2022.pdf``, ``urlaub-2024.pdf``) are
versions of one document; so are documents of one title with nearly the same beginning and different dates, wherever
they lie. The newest answers; the older ones are still found, shown and dated, but stand behind it and are not given to
the model beside it, unless the question names them or asks how it was before. One that counts from a day to come takes
no version's place before that day: both speak, each with its date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from rag.answers import Passage
from rag.documents import DocumentId
from rag.text.dates import stated_date

_VERSION = re.compile(r"(?<![0-9])((?:19|20)\d\d(?:-\d\d){0,2}|v\d+(?:\.\d+)*)(?![0-9])", re.IGNORECASE)
_BEFORE = re.compile(
    r"\b(?:früher\w*|bisher\w*|damals|vorher\w*|ehemal\w*|alte[nrsm]?|ältere\w*|previous\w*|former\w*|formerly|old|older|"
    r"used to|back then|earlier)\b",
    re.IGNORECASE,
)
_BEGINNING_CHARS, _ALIKE = 600, 0.5
_LEAST_TITLE_WORDS = 2
_FIRST_YEAR = 1900
"""A version that begins with less is a number, no year."""


def is_to_come(document: DocumentId, beginning: str, today: datetime) -> bool:
    """Whether a version counts only from a day after `today` on: by what it states of itself, else by its name."""
    stated = stated_date(beginning)
    if stated is not None:
        return stated > today
    year, *rest = series_of(document)[1] or (0,)
    month, day = (*rest, 1, 1)[:2]
    return year >= _FIRST_YEAR and (year, month, day) > (today.year, today.month, today.day)


def superseded(
    passages: Sequence[Passage],
    beginnings: Mapping[str, str],
    newer: Mapping[str, DocumentId],
    *,
    today: datetime | None = None,
) -> list[Passage]:
    """The passages, those of older versions naming the newest as `superseded_by`. `newer`: key of a document → a newer
    version of it that is not among the passages but may be read. `today`: now."""
    at = today or datetime.now(UTC)
    counting = [one for one in passages if not is_to_come(one.chunk.document_id, beginnings.get(one.key, ""), at)]
    newest = _newest(counting)
    twins = _twins(counting, beginnings)
    made = []
    for passage in passages:
        series, number = series_of(passage.chunk.document_id)
        latest = newest.get(series, ((), passage.chunk.document_id))
        later = latest[1] if number and latest[0] > number else twins.get(passage.key)
        later = newer.get(passage.key) or later
        made.append(replace(passage, superseded_by=later) if later else passage)
    return made


def newest_first(passages: Sequence[Passage], question: str) -> list[Passage]:
    """The passages, those of a superseded version behind the first one of the version that takes its place, if that one
    is among them; not where the question names the version or asks how things were. Scores stay with their places."""
    if _BEFORE.search(question):
        return list(passages)
    named = {_number(found) for found in _VERSION.findall(question)}
    first: dict[DocumentId, int] = {}
    for place, passage in enumerate(passages):
        first.setdefault(passage.chunk.document_id, place)

    def behind(place: int) -> tuple[int, int]:
        passage = passages[place]
        if passage.superseded_by is None or _named(passage, named):
            return place, 0
        newer = first.get(passage.superseded_by, place)
        return (newer, place + 1) if newer > place else (place, 0)

    order = sorted(range(len(passages)), key=behind)
    return [replace(passages[at], score=passages[place].score) for place, at in enumerate(order)]


def speaking(passages: Sequence[Passage], question: str) -> list[Passage]:
    """The passages without those of superseded versions, in order; a version the question names is kept, and all are
    where it asks how things were, or where only old ones are there."""
    if _BEFORE.search(question):
        return list(passages)
    named = {_number(found) for found in _VERSION.findall(question)}
    kept = [passage for passage in passages if not passage.superseded_by or _named(passage, named)]
    return kept or list(passages)


def series_of(document: DocumentId) -> tuple[str, tuple[int, ...]]:
    """The document's name without its version, and the version as numbers; () where the name holds none."""
    folder, _, name = document.rpartition("/")
    found = _VERSION.findall(name)
    return f"{folder}/{_VERSION.sub('*', name).lower()}", _number(found[-1]) if found else ()


def stem_of(document: DocumentId) -> str:
    """How the ids of all versions of a document begin; "" where its name holds no version."""
    folder, slash, name = document.rpartition("/")
    found = _VERSION.search(name)
    return f"{folder}{slash}{name[: found.start()]}" if found else ""


def _newest(passages: Sequence[Passage]) -> dict[str, tuple[tuple[int, ...], DocumentId]]:
    newest: dict[str, tuple[tuple[int, ...], DocumentId]] = {}
    for passage in passages:
        series, number = series_of(passage.chunk.document_id)
        if number and number > newest.get(series, ((), passage.chunk.document_id))[0]:
            newest[series] = (number, passage.chunk.document_id)
    return newest


def _twins(passages: Sequence[Passage], beginnings: Mapping[str, str]) -> dict[str, DocumentId]:
    """Key of a document → the newest of those with its title, a like beginning and a later date."""
    found: dict[str, DocumentId] = {}
    for passage in passages:
        later = [other for other in passages if _is_later_twin(passage, other, beginnings)]
        if later:
            best = max(later, key=lambda other: other.modified or datetime.min.replace(tzinfo=UTC))
            found[passage.key] = best.chunk.document_id
    return found


def _is_later_twin(one: Passage, other: Passage, beginnings: Mapping[str, str]) -> bool:
    if one.key == other.key or not one.modified or not other.modified or one.modified >= other.modified:
        return False
    titles = [" ".join(_VERSION.sub(" ", passage.title).lower().split()) for passage in (one, other)]
    if titles[0] != titles[1] or len(titles[0].split()) < _LEAST_TITLE_WORDS:
        return False
    words = [set(re.findall(r"\w+", beginnings.get(p.key, "")[:_BEGINNING_CHARS].lower())) for p in (one, other)]
    union = words[0] | words[1]
    return bool(union) and len(words[0] & words[1]) / len(union) >= _ALIKE


def _named(passage: Passage, named: set[tuple[int, ...]]) -> bool:
    number = series_of(passage.chunk.document_id)[1]
    year = passage.modified.year if passage.modified else 0
    return number in named or (not number and (year,) in named)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
