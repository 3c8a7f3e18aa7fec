"""Tables on a PDF page: by their ruled lines where they have them, else by rows whose cells stand under each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from rag.ingest.parse.lines import join
from rag.ingest.parse.page import Page, Row, Segment

_DOTS: Final = re.compile(r"(?:\s?[._]){6,}\s?")
_NEAR: Final = 3.0
_SAME_COLUMN: Final = 12.0
_MAX_LINES: Final = 1500


@dataclass(slots=True)
class Grid:
    """A table: the edges of its columns and rows, and the rows of the page that lie in it."""

    columns: list[float]
    lines: list[float]
    members: list[Row] = field(default_factory=list)
    begun: bool = False

    def holds(self, row: Row) -> bool:
        """Whether a row of the page belongs to it."""
        return any(member is row for member in self.members)

    def continues_in(self, other: Grid) -> bool:
        """Whether the other, on the next page, has the same columns in the same places."""
        return len(self.columns) == len(other.columns) and all(
            abs(one - two) < _SAME_COLUMN for one, two in zip(self.columns, other.columns, strict=True)
        )

    def rows(self) -> list[list[str]]:
        """The cells' texts, top to bottom."""
        cells: dict[tuple[int, int], list[Segment]] = {}
        for member in self.members:
            for segment in member.segments:
                place = _between(self.lines, segment.middle), _between(self.columns, _anchor(segment, self.columns))
                cells.setdefault(place, []).append(segment)
        return [
            [_cell(cells.get((line, column), [])) for column in range(len(self.columns) - 1)]
            for line in range(len(self.lines) - 1)
        ]


def grids(page: Page) -> list[Grid]:
    """The tables of a page."""
    found = _ruled(page)
    taken = {id(row) for grid in found for row in grid.members}
    return found + _aligned([row for row in page.rows if id(row) not in taken])


def _ruled(page: Page) -> list[Grid]:
    """Groups of crossing lines that enclose at least two columns and two rows with text in them."""
    lines = _edges(page)
    if not 4 <= len(lines) <= _MAX_LINES:
        return []
    found = []
    for group in _connected(lines):
        columns = _positions([(line[0] + line[2]) / 2 for line in group if line[3] - line[1] > line[2] - line[0]])
        heights = _positions([(line[1] + line[3]) / 2 for line in group if line[2] - line[0] >= line[3] - line[1]])
        if len(columns) < 3 or len(heights) < 3:
            continue
        grid = Grid(columns, heights)
        grid.members = [row for row in page.rows if _inside(row, columns, heights)]
        filled = [row for row in grid.rows() if any(row)]
        if len(filled) >= 2 and sum(len([cell for cell in row if cell]) >= 2 for row in filled) >= len(filled) / 2:
            found.append(grid)
    return found


def _edges(page: Page) -> list[tuple[float, float, float, float]]:
    """Thin strokes as they are; frames and fills by their four sides. Page-sized ones are backgrounds."""
    lines = []
    for left, top, right, bottom in page.rulings:
        width, height = right - left, bottom - top
        if width > 0.97 * page.width and height > 0.5 * page.height:
            continue
        if width <= 2.5 or height <= 2.5:
            if max(width, height) > 5:
                lines.append((left, top, right, bottom))
        elif width > 12 and height > 6:
            lines += [
                (left, top, right, top),
                (left, bottom, right, bottom),
                (left, top, left, bottom),
                (right, top, right, bottom),
            ]
    return lines


def _connected(lines: Sequence[tuple[float, float, float, float]]) -> list[list[tuple[float, float, float, float]]]:
    """Lines that touch, directly or through others."""
    groups: list[list[tuple[float, float, float, float]]] = []
    for line in lines:
        touching = [group for group in groups if any(_touch(line, other) for other in group)]
        groups = [group for group in groups if not any(group is other for other in touching)]
        groups.append([line, *(each for group in touching for each in group)])
    return groups


def _touch(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> bool:
    return (
        one[0] - _NEAR <= two[2] and two[0] - _NEAR <= one[2] and one[1] - _NEAR <= two[3] and two[1] - _NEAR <= one[3]
    )


def _positions(values: list[float]) -> list[float]:
    """Positions that differ by more than a line's width."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > _NEAR:
            kept.append(value)
    return kept


def _inside(row: Row, columns: list[float], heights: list[float]) -> bool:
    middle = sum(segment.middle for segment in row.segments) / len(row.segments)
    return heights[0] < middle < heights[-1] and row.left > columns[0] - _NEAR and row.right < columns[-1] + _NEAR


def _between(edges: list[float], value: float) -> int:
    return max(0, min(len(edges) - 2, sum(edge <= value for edge in edges) - 1))


def _anchor(segment: Segment, columns: list[float]) -> float:
    """The point of a segment that decides its column: the middle, or its left where it spans several columns."""
    middle = (segment.left + segment.right) / 2
    return middle if _between(columns, segment.left + 1) == _between(columns, segment.right - 1) else segment.left + 1


def _cell(segments: list[Segment]) -> str:
    text = join([segment.text for segment in sorted(segments, key=lambda each: (round(each.top), each.left))])
    return _DOTS.sub(" … ", text)


def _aligned(rows: list[Row]) -> list[Grid]:
    """Runs of two or more rows of two or more cells whose cells begin or end under each other."""
    found: list[Grid] = []
    run: list[Row] = []
    for row in [*rows, Row([])]:
        if run and len(row.segments) >= 2 and _follows(run[-1], row):
            run.append(row)
            continue
        if len(run) >= 2 and max(len(each.segments) for each in run) >= 2:
            found.append(_grid_of(run))
        run = [row] if len(row.segments) >= 2 else []
    return found


def _follows(above: Row, row: Row) -> bool:
    height = max(above.bottom - above.top, 1.0)
    if not -0.3 * height < row.top - above.bottom < 2.2 * height:
        return False
    under = sum(any(_aligns(one, two) for two in above.segments) for one in row.segments)
    return under >= max(2, min(len(row.segments), len(above.segments)) - 1)


def _aligns(one: Segment, two: Segment) -> bool:
    return (
        abs(one.left - two.left) < _NEAR
        or abs(one.right - two.right) < _NEAR
        or abs(one.left + one.right - two.left - two.right) < 2 * _NEAR
    )


def _grid_of(run: list[Row]) -> Grid:
    """Columns are what the segments of all rows cover without touching one another."""
    covered: list[list[float]] = []
    for left, right in sorted((segment.left, segment.right) for row in run for segment in row.segments):
        if covered and left < covered[-1][1] + 1:
            covered[-1][1] = max(covered[-1][1], right)
        else:
            covered.append([left, right])
    columns = [
        covered[0][0] - 1,
        *((one[1] + two[0]) / 2 for one, two in pairwise(covered)),
        covered[-1][1] + 1,
    ]
    lines = [
        run[0].top - 1,
        *((one.bottom + two.top) / 2 for one, two in pairwise(run)),
        run[-1].bottom + 1,
    ]
    return Grid(columns, lines, list(run))
