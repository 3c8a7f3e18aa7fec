"""Which of several versions of one document speaks. Pure.

Files in one folder whose names differ only by a year or a version number (``urlaub-2022.pdf``, ``urlaub-2024.pdf``) are
versions of one document. The newest answers; the older ones are still found, shown and dated, but are not given to the
model beside it, unless the question names them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answers import Passage
from rag.documents import DocumentId

_VERSION = re.compile(r"(?<![0-9])((?:19|20)\d\d(?:-\d\d){0,2}|v\d+(?:\.\d+)*)(?![0-9])", re.IGNORECASE)


def speaking(passages: Sequence[Passage], question: str) -> list[Passage]:
    """The passages without those of superseded versions, in order; a version the question names is kept."""
    newest: dict[str, tuple[tuple[int, ...], DocumentId]] = {}
    for passage in passages:
        series, number = series_of(passage.chunk.document_id)
        if number and number > newest.get(series, ((), passage.chunk.document_id))[0]:
            newest[series] = (number, passage.chunk.document_id)
    named = {_number(found) for found in _VERSION.findall(question)}
    return [passage for passage in passages if _speaks(passage, newest, named)]


def series_of(document: DocumentId) -> tuple[str, tuple[int, ...]]:
    """The document's name without its version, and the version as numbers; () where the name holds none."""
    folder, _, name = document.rpartition("/")
    found = _VERSION.findall(name)
    return f"{folder}/{_VERSION.sub('*', name).lower()}", _number(found[-1]) if found else ()


def _speaks(
    passage: Passage,
    newest: dict[str, tuple[tuple[int, ...], DocumentId]],
    named: set[tuple[int, ...]],
) -> bool:
    series, number = series_of(passage.chunk.document_id)
    return not number or number in named or newest[series][1] == passage.chunk.document_id


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
