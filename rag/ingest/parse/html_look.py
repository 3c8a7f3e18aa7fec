"""What an HTML element looks like as far as it decides whether its text is seen: shown, size, colour, background.

Read are the old attributes, `style` and the plain rules of `<style>` (a tag, a class, an id; no conditions). What a
rule beyond that may change, or a script, counts as unknown, and text of unknown looks counts as seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rag.documents import Hiding
from rag.ingest.parse.colours import BLACK, WHITE, Colour, alike, colour

if TYPE_CHECKING:
    from lxml.etree import _Element

_TINY_PX: Final = 2.7  # two points
_FAR_PX: Final = -500.0
_LEAST_OPACITY: Final = 0.1
_MAX_RULES: Final = 5000
_COMMENT: Final = re.compile(r"/\*.*?\*/|<!--|-->", re.S)
_RULE: Final = re.compile(r"([^{}]{1,2000})\{([^{}]{0,20000})\}")
_SIMPLE: Final = re.compile(r"([a-z][a-z0-9]*)?(?:([.#])([\w-]+))?", re.I)
_LENGTH: Final = re.compile(r"([+-]?[\d.]{1,10})\s*(px|pt|em|rem|%|ex|)", re.I)
_PX: Final = {"px": 1.0, "": 1.0, "pt": 4 / 3, "rem": 16.0}
_SHARE: Final = {"em": 1.0, "%": 0.01, "ex": 0.5}
_SIZES: Final = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0}
_GROUNDS: Final = ("background", "background-color", "background-image")
_SWITCHED: Final = frozenset({"display", "visibility", "opacity"})
_MATTERS: Final = frozenset(
    {*_GROUNDS, *"display visibility opacity font-size color position left top text-indent".split()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the text of an element appears. A colour is None where it is not known."""

    ink: Colour | None = BLACK
    ground: Colour | None = WHITE
    size_px: float = 16.0
    why: Hiding | None = None
    """Why nothing of the element is seen, whatever its colours."""

    @property
    def hiding(self) -> Hiding | None:
        """Why its text is not seen; None where it is, as far as can be known."""
        if self.why is not None:
            return self.why
        if self.size_px < _TINY_PX:
            return Hiding.TINY
        return Hiding.SAME_COLOUR if self.ink and self.ground and alike(self.ink, self.ground) else None


class Rules:
    """The plain rules of a page's own style sheets."""

    def __init__(self, root: _Element) -> None:
        self._rules: dict[str, dict[str, str]] = {}
        self._foreign = any("stylesheet" in (link.get("rel") or "").lower() for link in root.iter("link"))
        for sheet in root.iter("style"):
            text = "".join(sheet.itertext())
            self._foreign = self._foreign or "@import" in text
            self._read(_COMMENT.sub(" ", text))
        if next(root.iter("script"), None) is not None:
            for declared in self._rules.values():  # a script may show what a sheet hides: tabs, menus
                for name in _SWITCHED & declared.keys():
                    del declared[name]

    def look(self, element: _Element, above: Look) -> Look:
        """How an element appears whose parent appears as `above`."""
        tag = element.tag if isinstance(element.tag, str) else ""
        if not element.attrib and not self._rules and tag != "mark":
            return above
        if self._foreign and (element.get("class") or element.get("id")) and tag not in ("html", "body"):
            above = replace(above, ink=None, ground=None)
        if tag == "a" and element.get("href"):  # a browser has a colour of its own for links
            above = replace(above, ink=None)
        elif tag == "mark":
            above = replace(above, ground=None)
        said = self._said(element, tag)
        return _styled(above, said) if said else above

    def _said(self, element: _Element, tag: str) -> dict[str, str]:
        """Property → value: what attributes say, over it sheets, over it the element's own style."""
        said: dict[str, str] = {}
        if (ground := element.get("bgcolor")) is not None:
            said["background-color"] = ground
        if element.get("background") is not None:
            said["background-image"] = "?"
        if tag == "font" and (ink := element.get("color")) is not None:
            said["color"] = ink
        for name in _names(element, tag) if self._rules else ():
            said.update(self._rules.get(name, {}))
        if (style := element.get("style")) is not None:
            said.update(_declared(style))
        return said

    def _read(self, sheet: str) -> None:
        for selectors, body in _RULE.findall(_without_conditions(sheet)):
            declared = _declared(body)
            for selector in selectors.split(",") if declared else ():
                if len(self._rules) < _MAX_RULES:
                    self._take(selector.strip(), declared)

    def _take(self, selector: str, declared: Mapping[str, str]) -> None:
        if ":" in selector or not selector:  # a state, a pseudo-element
            return
        simple = _SIMPLE.fullmatch(selector)
        if simple is not None:
            self._rules.setdefault(_key(*simple.groups()), {}).update(declared)
            return
        unknown = {name: "?" for name in declared if name in ("color", *_GROUNDS)}
        last = _SIMPLE.findall(re.split(r"[\s>+~]+", selector)[-1])
        for tag, sign, name in last if unknown else ():
            if tag or name:
                self._rules.setdefault(_key(None if name else tag, sign, name), {}).update(unknown)


def _key(tag: str | None, sign: str | None, name: str | None) -> str:
    return f"{(tag or '').lower()}{sign or ''}{name or ''}"


def _names(element: _Element, tag: str) -> Iterator[str]:
    """The keys of the rules that apply, weakest first."""
    yield tag
    for sign, names in ((".", (element.get("class") or "").split()), ("#", (element.get("id") or "").split())):
        for name in names:
            yield f"{sign}{name}"
            yield f"{tag}{sign}{name}"


def _without_conditions(sheet: str) -> str:
    """The sheet without its at-rules: they hold for print, for small screens, or for fonts."""
    kept, start = list[str](), 0
    while (at := sheet.find("@", start)) >= 0:
        kept.append(sheet[start:at])
        start, depth = at, 0
        for found in re.compile(r"[{};]").finditer(sheet, at):
            start = found.end()
            depth += (found[0] == "{") - (found[0] == "}")
            if depth <= 0 and found[0] != "{":
                break
        else:
            return "".join(kept)
    return "".join((*kept, sheet[start:]))


def _declared(style: str) -> dict[str, str]:
    """The declarations that matter here."""
    said = {}
    for declaration in style.split(";"):
        name, _, value = declaration.partition(":")
        if (name := name.strip().lower()) in _MATTERS and value.strip():
            said[name] = value.lower().replace("!important", "").strip()
    return said


def _styled(above: Look, said: Mapping[str, str]) -> Look:
    ink, ground, why = above.ink, above.ground, above.why or _why(said)
    if said.get("color", "inherit") not in ("inherit", "currentcolor", "unset"):
        ink, opaque = colour(said["color"])
        why = why or (Hiding.INVISIBLE if opaque < _LEAST_OPACITY else None)
    for name in _GROUNDS:
        value = said.get(name, "none")
        if value not in ("none", "inherit", "initial", "unset", "transparent"):
            shade, opaque = colour(value)
            ground = shade if opaque == 1.0 else None if opaque else ground
    return Look(ink=ink, ground=ground, size_px=_length(said.get("font-size", ""), above.size_px), why=why)


def _why(said: Mapping[str, str]) -> Hiding | None:
    if said.get("display") == "none" or said.get("visibility") in ("hidden", "collapse"):
        return Hiding.NOT_SHOWN
    if _number(said.get("opacity", "1")) < _LEAST_OPACITY:
        return Hiding.INVISIBLE
    far = [said.get("text-indent", "")]
    if said.get("position") in ("absolute", "fixed"):
        far += [said.get("left", ""), said.get("top", "")]
    return Hiding.OFF_PAGE if any(_length(written, 16.0) < _FAR_PX for written in far) else None


def _length(written: str, above: float) -> float:
    """A length in pixels; `above` is what a share of it counts from, and what stays where none can be read."""
    found = _LENGTH.fullmatch(written)
    if found is None:
        return _SIZES.get(written, above)
    number, unit = _number(found[1]), found[2].lower()
    return number * _PX[unit] if unit in _PX else above * number * _SHARE[unit]


def _number(text: str) -> float:
    """A number or a percentage; 1 for anything else."""
    try:
        return float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return 1.0
