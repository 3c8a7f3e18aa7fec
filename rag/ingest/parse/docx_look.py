"""Whether a run of a Word document can be seen: hidden type, the colour of its background, type of two points or less.

What the run itself, its styles and the document's defaults say. Where the background cannot be known (a table style's
bands, a text box, a large picture behind the text) a run counts as seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rag.documents import Hiding
from rag.ingest.parse.colours import WHITE, Colour, alike, colour
from rag.ingest.parse.docx_styles import Styles

if TYPE_CHECKING:
    from lxml.etree import _Element

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_WP: Final = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_VAL: Final = _W + "val"
_OFF: Final = frozenset({"0", "false", "off"})
_TINY_HALF_POINTS: Final = 4
_LARGE_EMU: Final = 2_700_000  # 7.5 cm: a cover picture, no logo
_NONE: Final = frozenset({"clear", "nil", ""})


class Looks:
    """What the runs of one document look like. `root` is its main part."""

    def __init__(self, root: _Element, styles: Styles) -> None:
        self._styles = styles
        self._page = None if _has_picture_behind(root) else _page_colour(root)

    def why_hidden(self, run: _Element) -> Hiding | None:
        """Why nobody sees this run; None where it is seen, as far as can be known."""
        paragraph = next(run.iterancestors(_W + "p"), None)
        holders = list(self._holders(run, paragraph))
        if not holders:
            return None
        vanish = _first(holders, "vanish")
        if vanish is not None and vanish.get(_VAL) not in _OFF:
            return Hiding.NOT_SHOWN
        size = _first(holders, "sz")
        if size is not None and size.get(_VAL, "").isdigit() and int(size.get(_VAL, "")) <= _TINY_HALF_POINTS:
            return Hiding.TINY
        written = _first(holders, "color")
        ink = colour(written.get(_VAL, "")) if written is not None else (None, 1.0)
        if ink[0] is None:
            return None
        ground = self._ground(run, paragraph, holders)
        return Hiding.SAME_COLOUR if ground is not None and alike(ink[0], ground) else None

    def _holders(self, run: _Element, paragraph: _Element | None) -> Iterator[_Element]:
        """What gives the run its properties, nearest first: itself, its style, its paragraph's, the defaults."""
        own = run.find(_W + "rPr")
        if own is not None:
            yield own
            named = own.find(_W + "rStyle")
            for style in self._styles.chain(named.get(_VAL, "")) if named is not None else ():
                yield from style.iterfind(_W + "rPr")
        if paragraph is not None:
            for style in self._styles.chain(self._styles.of(paragraph)):
                yield from style.iterfind(_W + "rPr")
        yield from self._styles.defaults

    def _ground(self, run: _Element, paragraph: _Element | None, holders: list[_Element]) -> Colour | None:
        """The colour behind a run; None where it cannot be known."""
        if (marked := _first(holders, "highlight")) is not None and marked.get(_VAL) != "none":
            return colour(marked.get(_VAL, ""))[0]
        around = [_first(holders, "shd")]
        if paragraph is not None:
            around += [held.find(_W + "shd") for held in paragraph.iterfind(_W + "pPr")]
            for style in self._styles.chain(self._styles.of(paragraph)):
                around += [held.find(_W + "shd") for held in style.iterfind(_W + "pPr")]
        for shade in around:
            if _shades(shade):
                return _fill(shade)
        return self._behind(run)

    def _behind(self, run: _Element) -> Colour | None:
        for above in run.iterancestors(_W + "tc", _W + "tbl", _W + "txbxContent"):
            if above.tag == _W + "txbxContent":
                return None
            shade = above.find(f"{_W}tcPr/{_W}shd")
            if _shades(shade):
                return _fill(shade)
            if above.tag == _W + "tbl" and self._is_banded(above):
                return None
        return self._page

    def _is_banded(self, table: _Element) -> bool:
        """Whether the table's style, or the table itself, shades some of its cells."""
        named = table.find(f"{_W}tblPr/{_W}tblStyle")
        styles = self._styles.chain(named.get(_VAL, "")) if named is not None else []
        return any(
            _shades(shade) for style in (*styles, *table.iterfind(_W + "tblPr")) for shade in style.iter(_W + "shd")
        )


def _first(holders: list[_Element], name: str) -> _Element | None:
    for holder in holders:
        if (found := holder.find(_W + name)) is not None:
            return found
    return None


def _shades(shade: _Element | None) -> bool:
    if shade is None:
        return False
    return shade.get(_VAL, "") not in _NONE or shade.get(_W + "fill", "auto") != "auto"


def _fill(shade: _Element | None) -> Colour | None:
    """The colour of a plain shading; None for a pattern."""
    if shade is None or shade.get(_VAL, "") not in _NONE | {"solid"}:
        return None
    return colour(shade.get(_W + ("color" if shade.get(_VAL) == "solid" else "fill"), ""))[0]


def _page_colour(root: _Element) -> Colour | None:
    """White, unless the document sets another."""
    written = root.find(_W + "background")
    if written is None:
        return WHITE
    return colour(written.get(_W + "color", "FFFFFF"))[0] if len(written) == 0 else None


def _has_picture_behind(root: _Element) -> bool:
    """Whether something large is anchored behind the text, on which white text might be seen."""
    for anchor in root.iter(_WP + "anchor"):
        extent = anchor.find(_WP + "extent")
        size = [extent.get(side, "") for side in ("cx", "cy")] if extent is not None else []
        if anchor.get("behindDoc") in ("1", "true") and all(n.isdigit() and int(n) >= _LARGE_EMU for n in size):
            return True
    return False
