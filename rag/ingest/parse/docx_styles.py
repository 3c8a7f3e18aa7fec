"""What Word computes from styles and numbering definitions: heading levels, bold, "§ 3", "2.1", "a)"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lxml.etree import _Element

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING: Final = re.compile(r"(?:heading|überschrift|titre|kop|rubrik)\s*(\d)\b", re.I)
_ROMAN: Final = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
                 (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_MAX_DEPTH: Final = 20


class Styles:
    """The document's styles, each with what it is based on."""

    def __init__(self, root: _Element | None) -> None:
        styles = () if root is None else root.iter(_W + "style")
        self._styles = {style.get(_W + "styleId", ""): style for style in styles}
        defaults = () if root is None else root.iterfind(f"{_W}docDefaults/{_W}rPrDefault/{_W}rPr")
        self.defaults = tuple(defaults)
        self._default = next(
            (key for key, style in self._styles.items()
             if style.get(_W + "type") == "paragraph" and style.get(_W + "default") in ("1", "true")), ""
        )  # fmt: skip

    def of(self, paragraph: _Element) -> str:
        """A paragraph's style id."""
        return _value(paragraph, "pPr/pStyle") or self._default

    def chain(self, style_id: str) -> list[_Element]:
        """A style and what it inherits from, nearest first."""
        found: list[_Element] = []
        while style_id in self._styles and len(found) < _MAX_DEPTH:
            found.append(self._styles[style_id])
            style_id = _value(found[-1], "basedOn") or ""
        return found

    def name(self, style_id: str) -> str:
        """A style's name as people see it."""
        return (_value(self._styles[style_id], "name") or "") if style_id in self._styles else style_id

    def is_title(self, style_id: str) -> bool:
        """Whether this is the document's title."""
        return self.name(style_id).lower() in ("title", "titel")

    def level(self, style_id: str, paragraph: _Element) -> int | None:
        """The heading level, by the style's name, its outline level or the paragraph's own; None for body text."""
        for style in self.chain(style_id):
            if (found := _HEADING.match(_value(style, "name") or "")) is not None:
                return int(found.group(1)) or 1
        outline = _value(paragraph, "pPr/outlineLvl")
        for style in () if outline else self.chain(style_id):
            outline = outline or _value(style, "pPr/outlineLvl")
        return int(outline) + 1 if outline is not None and outline.isdigit() and int(outline) < 9 else None

    def is_bold(self, run: _Element, style_id: str) -> bool:
        """Whether a run is shown in bold."""
        for holder in (run, *self.chain(style_id)):
            bold = holder.find(f"{_W}rPr/{_W}b")
            if bold is not None:
                return bold.get(_W + "val") not in ("0", "false", "off")
        return False


class Numbering:
    """Counts list and heading numbers in document order, as Word does when it lays out."""

    def __init__(self, root: _Element | None, styles: Styles) -> None:
        self._styles = styles
        self._abstract: dict[str, dict[int, tuple[str, str, int]]] = {}
        self._of_number: dict[str, str] = {}
        self._counts: dict[str, dict[int, int]] = {}
        if root is not None:
            self._load(root)

    def _load(self, root: _Element) -> None:
        for abstract in root.iter(_W + "abstractNum"):
            levels = {}
            for level in abstract.iter(_W + "lvl"):
                start = _value(level, "start") or "1"
                levels[_int(level.get(_W + "ilvl"))] = (
                    _value(level, "numFmt") or "decimal", _value(level, "lvlText") or "", _int(start, 1)
                )  # fmt: skip
            self._abstract[abstract.get(_W + "abstractNumId", "")] = levels
        for number in root.iter(_W + "num"):
            self._of_number[number.get(_W + "numId", "")] = _value(number, "abstractNumId") or ""

    def number(self, paragraph: _Element, style_id: str) -> str | None:
        """The number that stands before this paragraph ("3.1", "§ 4", "a)"), "-" for a bullet, None for none."""
        number_id, depth = self._place(paragraph, style_id)
        abstract = self._of_number.get(number_id or "")
        levels = self._abstract.get(abstract or "", {})
        if abstract is None or depth not in levels:
            return None
        counts = self._counts.setdefault(abstract, {})
        counts[depth] = counts.get(depth, levels[depth][2] - 1) + 1
        for deeper in [known for known in counts if known > depth]:
            del counts[deeper]
        kind, pattern, _ = levels[depth]
        if kind == "bullet":
            return "-"
        if kind == "none" or not pattern:
            return None
        return re.sub(r"%(\d)", lambda found: self._shown(levels, counts, int(found.group(1)) - 1), pattern).strip()

    def _place(self, paragraph: _Element, style_id: str) -> tuple[str | None, int]:
        number_id, depth = _value(paragraph, "pPr/numPr/numId"), _value(paragraph, "pPr/numPr/ilvl")
        for style in self._styles.chain(style_id):
            number_id = number_id or _value(style, "pPr/numPr/numId")
            depth = depth or _value(style, "pPr/numPr/ilvl")
        return number_id, _int(depth)

    @staticmethod
    def _shown(levels: dict[int, tuple[str, str, int]], counts: dict[int, int], depth: int) -> str:
        kind, _, start = levels.get(depth, ("decimal", "", 1))
        return _spelled(counts.get(depth, start), kind)


def _spelled(count: int, kind: str) -> str:
    if kind in ("lowerLetter", "upperLetter") and count > 0:
        letter = chr(ord("a") + (count - 1) % 26) * min((count - 1) // 26 + 1, 5)
        return letter.upper() if kind == "upperLetter" else letter
    if kind in ("lowerRoman", "upperRoman") and 0 < count < 4000:
        roman = ""
        for value, sign in _ROMAN:
            roman, count = roman + sign * (count // value), count % value
        return roman.upper() if kind == "upperRoman" else roman
    return f"{count:02}" if kind == "decimalZero" else str(count)


def _value(element: _Element, path: str) -> str | None:
    found = element.find("/".join(_W + step for step in path.split("/")))
    return None if found is None else found.get(_W + "val")


def _int(value: str | None, default: int = 0) -> int:
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 7 else default
