"""Neighbouring chunks of one document as one passage, for reading. Pure.

A chunk is cut for finding: short, so that its vector means one thing. Who reads wants the sentence before it too. Where
the list holds chunks that follow each other, they become one passage at the better one's place; nothing that was not
found comes in with them, and nothing is shown twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rag.answers import Passage
from rag.documents import Chunk, Span

MOST_CHUNKS = 3
MOST_CHARS = 1600
"""Longest joined passage, code points: about 450 tokens of German, which is what a small model is given at all."""

Texts = Callable[[Collection[str]], Mapping[str, tuple[str, str]]]
"""Keys of documents → version and text, as they are now."""


def joined(passages: Sequence[Passage], *, k: int, texts: Texts) -> list[Passage]:
    """The `k` best passages, best first, neighbours among them joined; for each one saved, the next moves up.

    A joined passage has the place, score and id of its best chunk, the context and ordinal of its first, and the text
    that stands in the document from the first to the last. Where the document is no longer what was searched, its
    chunks stay as they are. `texts` is asked once, and only where there is something to join.
    """
    groups = _groups(passages, k)
    keys = {group.best.key for group in groups if len(group.chunks) > 1}
    now = texts(keys) if keys else {}
    shown = [entry for group in groups for entry in _as_one(group, now)]
    return [passage for _, passage in sorted(shown, key=lambda entry: entry[0])][:k]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Passages whose chunks follow each other, in the document's order, each with its place in the list."""

    members: tuple[tuple[int, Passage], ...]

    @property
    def chunks(self) -> list[Chunk]:
        return [passage.chunk for _, passage in self.members]

    @property
    def place(self) -> int:
        return min(place for place, _ in self.members)

    @property
    def best(self) -> Passage:
        return min(self.members, key=lambda member: member[0])[1]

    def with_next(self, other: _Group) -> _Group | None:
        """Both as one, if `other` begins where this ends and they are not too much together."""
        first, last = self.members[0][1], self.members[-1][1]
        then, end = other.members[0][1], other.members[-1][1]
        if last.key != then.key or not _follows(last.chunk, then.chunk):
            return None
        long = end.chunk.span.end - first.chunk.span.start > MOST_CHARS
        if long or len(self.members) + len(other.members) > MOST_CHUNKS:
            return None
        return _Group(members=(*self.members, *other.members))


def _groups(passages: Sequence[Passage], k: int) -> list[_Group]:
    """Best first, until there are `k`. Each passage joins the best of its neighbours, and may bring two together."""
    groups: list[_Group] = []
    for place, passage in enumerate(passages):
        if place >= k and len(groups) >= k:
            break
        mine = _Group(members=((place, passage),))
        for group in list(groups):
            both = group.with_next(mine) or mine.with_next(group)
            if both is not None:
                groups.remove(group)
                mine = both
        groups.append(mine)
        groups.sort(key=lambda group: group.place)
    return groups


def _follows(chunk: Chunk, after: Chunk) -> bool:
    """Whether `after` is the next chunk of the same version, on the same page, under the same headings."""
    return (
        after.ordinal == chunk.ordinal + 1
        and after.version == chunk.version
        and after.page == chunk.page
        and after.headings == chunk.headings
        and after.span.start >= chunk.span.end
        and _reads_on(chunk, after)
    )


def _reads_on(chunk: Chunk, after: Chunk) -> bool:
    """Text after text, or later rows of a table after earlier ones: what stands above a row must be its header."""
    if after.context == chunk.context:
        return "\n" in after.context or not (chunk.text.startswith("|") or after.text.startswith("|"))
    header = after.context.removeprefix(f"{chunk.context}\n")
    return header != after.context and chunk.text.startswith(header)


def _as_one(group: _Group, now: Mapping[str, tuple[str, str]]) -> list[tuple[int, Passage]]:
    """One passage at its place, or its members at theirs."""
    chunks, best = group.chunks, group.best
    version, text = now.get(best.key, ("", ""))
    if len(chunks) == 1 or version != best.chunk.version or not _stand(chunks, text):
        return list(group.members)
    span = Span(start=chunks[0].span.start, end=chunks[-1].span.end)
    return [(group.place, replace(best, chunk=replace(chunks[0], id=best.chunk.id, span=span, text=span.of(text))))]


def _stand(chunks: Sequence[Chunk], text: str) -> bool:
    """Whether the chunks stand in the text where they say, with nothing but white space between them."""
    gaps = [text[one.span.end : after.span.start] for one, after in pairwise(chunks)]
    return all(chunk.span.of(text) == chunk.text for chunk in chunks) and not "".join(gaps).strip()
