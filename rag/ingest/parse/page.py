"""A page as it is laid out: segments of words, the rows they share, ruled lines. Filled by pdfium or by OCR."""

from __future__ import annotations

from dataclasses import dataclass, field

from rag.documents import Hiding


@dataclass(slots=True)
class Segment:
    """Words that stand together on one line. Coordinates in points from the top left of the page as displayed."""

    text: str
    left: float
    right: float
    top: float
    bottom: float
    size: float
    bold: bool
    upright: bool = True
    hiding: Hiding | None = None
    """Why nobody sees it."""

    @property
    def middle(self) -> float:
        """The height it stands at."""
        return (self.top + self.bottom) / 2


@dataclass(slots=True)
class Row:
    """Segments side by side: one in running text, several in a table."""

    segments: list[Segment]

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def left(self) -> float:
        """Where it begins."""
        return min(segment.left for segment in self.segments)

    @property
    def right(self) -> float:
        """Where it ends."""
        return max(segment.right for segment in self.segments)

    @property
    def top(self) -> float:
        """Its upper edge."""
        return min(segment.top for segment in self.segments)

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return max(segment.bottom for segment in self.segments)

    @property
    def size(self) -> float:
        """The font size of most of it."""
        return max(self.segments, key=lambda segment: len(segment.text)).size

    @property
    def bold(self) -> bool:
        """Whether all of it is bold."""
        return all(segment.bold for segment in self.segments)


@dataclass(slots=True)
class Page:
    """One page, read but not yet laid out."""

    number: int
    width: float
    height: float
    rows: list[Row]
    rulings: list[tuple[float, float, float, float]] = field(default_factory=list)  # left, top, right, bottom
    pictures: list[tuple[float, float, float, float]] = field(default_factory=list)  # as rulings
    inserts: list[Page] = field(default_factory=list)  # what was read in its pictures
    hidden: list[Segment] = field(default_factory=list)  # not in the rows
    scanned: bool = False
    """Whether its text is, or would have to be, read from a picture."""

    @property
    def characters(self) -> int:
        """How much text there is."""
        return sum(len(row.text.replace(" ", "")) for row in self.rows)


def rows_of(segments: list[Segment]) -> list[Row]:
    """Segments that follow each other to the right on one height share a row."""
    rows: list[Row] = []
    for segment in segments:
        last = rows[-1].segments[-1] if rows else None
        beside = (
            last is not None
            and last.upright
            and segment.upright
            and segment.left >= last.right - 1
            and abs(segment.middle - last.middle) < 0.4 * min(segment.bottom - segment.top, last.bottom - last.top)
        )
        if beside:
            rows[-1].segments.append(segment)
        else:
            rows.append(Row([segment]))
    return rows
