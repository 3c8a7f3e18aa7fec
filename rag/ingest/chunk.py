"""Text to chunks with exact spans: along sections, never over a page, tables by their rows.

The size counts code points, not tokens, so that the recipe does not hang on the embedder; `fits` is asked for every
chunk and what is too long for the embedder is halved. Nothing is ever cut off.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from semantic_text_splitter import TextSplitter

from rag.documents import Chunk, ChunkId, Document, Section, Span

FINGERPRINT = "chunk-5"
"""Part of the recipe: change it with anything that changes the chunks."""

CAPACITY = (400, 700)
"""A chunk is closed beyond the first figure and never longer than the second, code points."""

_CLOCK = re.compile(r"(\d+:)?\d{1,2}:\d\d")
_SMALL = 150  # a section shorter than this is read together with what follows


def chunk(
    document: Document,
    *,
    recipe: str,
    capacity: tuple[int, int] = CAPACITY,
    fits: Callable[[str], bool] = lambda text: True,
) -> tuple[Chunk, ...]:
    """The chunks of a document, in order; together they cover its text but for white space between them."""
    chunks: list[Chunk] = []
    for span, section, header in _pieces(document, capacity):
        for part, context in _fitting(document.text, span, partial(_context, document, section, header), fits):
            chunks.append(
                Chunk(
                    id=_id(document, part, recipe),
                    document_id=document.ref.id,
                    version=document.ref.version,
                    span=part,
                    ordinal=len(chunks),
                    text=part.of(document.text),
                    context=context,
                    headings=section.headings,
                    page=section.page,
                )
            )
    return tuple(chunks)


def _pieces(document: Document, capacity: tuple[int, int]) -> Iterator[tuple[Span, Section, Span | None]]:
    """(span, the section it begins in, that table's header row)."""
    splitter = TextSplitter(capacity)
    for section in _joined(document.sections, capacity[0]):
        text = section.span.of(document.text)
        if section.table:
            yield from _rows(document.text, section, capacity[1])
            continue
        for offset, piece in splitter.chunk_indices(text):
            start = section.span.start + offset
            yield Span(start=start, end=start + len(piece)), section, None


def _joined(sections: Sequence[Section], target: int) -> Iterator[Section]:
    """Short neighbours on one page become one section under the headings they share."""
    waiting: Section | None = None
    for section in sections:
        if waiting is not None and _together(waiting, section, target):
            waiting = Section(
                span=Span(start=waiting.span.start, end=section.span.end),
                headings=_shared(waiting.headings, section.headings),
                page=waiting.page,
            )
            continue
        if waiting is not None:
            yield waiting
        waiting = section
    if waiting is not None:
        yield waiting


def _together(first: Section, second: Section, target: int) -> bool:
    if first.table or second.table or first.page != second.page or _timed(first) or _timed(second):
        return False
    short = min(len(first.span), len(second.span)) < _SMALL
    return short and second.span.end - first.span.start <= target


def _timed(section: Section) -> bool:
    """Whether it stands under a minute of a recording, which its chunk must keep."""
    return bool(section.headings) and _CLOCK.fullmatch(section.headings[-1]) is not None


def _shared(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    shared = []
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        shared.append(one)
    return tuple(shared) or first


def _rows(text: str, section: Section, limit: int) -> Iterator[tuple[Span, Section, Span | None]]:
    """Whole rows as many as fit."""
    lines = _lines(text, section.span)
    start = 0
    for place in range(1, len(lines) + 1):
        full = place < len(lines) and lines[place].end - lines[start].start > limit
        if place == len(lines) or full:
            span = Span(start=lines[start].start, end=lines[place - 1].end)
            yield from ((part, section, lines[0]) for part in _bounded(text, span, limit))
            start = place


def _lines(text: str, span: Span) -> list[Span]:
    lines, start = [], span.start
    for line in span.of(text).splitlines(keepends=True):
        end = start + len(line.rstrip())
        if line.strip():
            lines.append(Span(start=start, end=end))
        start += len(line)
    return lines


def _bounded(text: str, span: Span, limit: int) -> Iterator[Span]:
    if len(span) <= limit:
        yield span
        return
    for offset, piece in TextSplitter(limit).chunk_indices(span.of(text)):
        yield Span(start=span.start + offset, end=span.start + offset + len(piece))


def _fitting(
    text: str, span: Span, context: Callable[[Span], str], fits: Callable[[str], bool]
) -> Iterator[tuple[Span, str]]:
    """The span with its context, or its parts with theirs. A context takes at most half the room."""
    above = context(span)
    if fits(f"{above}\n{span.of(text)}"):
        yield span, above
        return
    while above and not fits(f"{above}\n{above}"):
        above = above[: len(above) // 2]
    if len(span) <= 1 or fits(f"{above}\n{span.of(text)}"):
        yield span, above
        return
    for half in _bounded(text, span, max(1, (len(span) + 1) // 2)):
        yield from _fitting(text, half, context, fits)


def _context(document: Document, section: Section, header: Span | None, part: Span) -> str:
    """Title, file name where it says something else, and the two nearest headings in one line; in the next the header
    row of a table whose later rows these are. The whole path of a code of laws would be a third of what is embedded."""
    stem = document.ref.id.split(":", 1)[-1].rsplit("/", 1)[-1].rsplit(".", 1)[0]
    title = document.title if stem.lower() in document.title.lower() else f"{document.title} ({stem})"
    near = [heading[:80] for heading in section.headings if heading != document.title][-2:]
    path = " › ".join(dict.fromkeys((title[:100], *near)))
    if header is None or part.start < header.end:
        return path
    return f"{path}\n{header.of(document.text)[:300]}"


def _id(document: Document, span: Span, recipe: str) -> ChunkId:
    name = "\0".join((document.ref.key, document.ref.version, str(span.start), str(span.end), recipe))
    return ChunkId(hashlib.sha256(name.encode()).hexdigest()[:32])
