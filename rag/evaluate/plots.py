"""Pictures of figures as inline SVG: no script, no file beside it, a name and a description for who cannot see it.

Colours and letters come from the page's style sheet, by class. Every function gives a whole ``<svg>``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from markupsafe import Markup

from rag.evaluate.abstention import Point
from rag.evaluate.intervals import Figure

_ROW, _LEFT, _RIGHT, _TOP, _BOTTOM = 26, 190, 60, 10, 30

_Scale: TypeAlias = Callable[[float], float]  # a value's place on the picture


class Row(NamedTuple):
    """A line of a dot plot: its label, its figure, and whether it is what the eye should rest on."""

    label: str
    figure: Figure
    strong: bool = False


def dots(title: str, rows: Sequence[Row], *, width: int = 540, around_zero: bool = False) -> Markup:
    """Figures below each other, each a dot with its 95 % interval. The axis is cut to where they lie and says so; with
    `around_zero` they are differences, and nothing is marked by a line."""
    low, high = _around_zero(rows) if around_zero else _shares(rows)
    height = _TOP + _ROW * len(rows) + _BOTTOM
    scale = (width - _LEFT - _RIGHT) / (high - low)

    def x(value: float) -> float:
        return _LEFT + (min(max(value, low), high) - low) * scale

    parts = [_ticks(low, high, x, _TOP - 6, height - _BOTTOM, signed=around_zero)]
    if around_zero:
        parts.append(_line(x(0), _TOP - 6, x(0), height - _BOTTOM, "zero"))
    for number, row in enumerate(rows):
        parts.append(_row(row, _TOP + _ROW * (number + 0.5), x, width, signed=around_zero))
    said = "; ".join(f"{row.label}: {_said(row.figure, around_zero)}" for row in rows)
    return _svg(title, said, width, height, parts)


def abstention(title: str, points: Sequence[Point], threshold: float, *, width: int = 540, height: int = 330) -> Markup:
    """False answers against wrong refusals for every threshold; the one in use and 10 % wrong refusals are marked."""
    left, right, top, bottom = 64, 20, 16, 52

    def x(share: float) -> float:
        return left + share * (width - left - right)

    def y(share: float) -> float:
        return height - bottom - share * (height - top - bottom)

    parts = [_grid(x, y)]
    parts.append(_line(x(0.1), y(0), x(0.1), y(1), "guide"))
    parts.append(_text(x(0.1) + 5, y(0) - 7, "10 % wrong refusals", "quiet halo"))
    path = " ".join(f"{x(p.wrong_refusals):.1f},{y(p.false_answers):.1f}" for p in points)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    here = _at(points, threshold)
    parts.append(f'<circle class="strong" cx="{x(here.wrong_refusals):.1f}" cy="{y(here.false_answers):.1f}" r="5.5"/>')
    label = f"in use: {threshold:g}"
    over = here.wrong_refusals > 0.7
    at = (x(here.wrong_refusals) + (-10 if over else 10), max(y(here.false_answers) - 8, y(1) + 14))
    parts.append(_text(*at, label, "strong-text halo" + (" end" if over else "")))
    parts.append(_text(x(0.5), height - 8, "wrong refusals, share of answerable questions", "middle"))
    parts.append(_turned(16, y(0.5), "false answers, share of the others"))
    said = (
        f"At the threshold in use, {threshold:g}, {here.wrong_refusals:.1%} wrong refusals and "
        f"{here.false_answers:.1%} false answers."
    )
    return _svg(title, said, width, height, parts)


def histogram(title: str, values: Sequence[float], *, unit: str, width: int = 540, height: int = 250) -> Markup:
    """How often values occur; those beyond the 99th percentile are counted in the last bar, which says so."""
    left, right, top, bottom = 64, 20, 16, 52
    most = _nice(float(np.percentile(values, 99)))
    counts, edges = np.histogram(np.minimum(values, most), bins=24, range=(0, most))
    tallest = max(1, int(counts.max()))
    step = (width - left - right) / len(counts)

    def y(number: float) -> float:
        return height - bottom - number / tallest * (height - top - bottom)

    parts = []
    for part in sorted({0, tallest // 2, tallest}):
        parts.append(_line(left, y(part), width - right, y(part), "grid"))
        parts.append(_text(left - 8, y(part) + 4, f"{part}", "end"))
    for place, number in enumerate(counts.tolist()):
        if number:
            parts.append(
                f'<rect class="bar" x="{left + place * step + 0.5:.1f}" y="{y(number):.1f}" '
                f'width="{step - 1:.1f}" height="{height - bottom - y(number):.1f}"/>'
            )
    for edge in edges[::6].tolist():
        parts.append(_text(left + edge / most * (width - left - right), height - bottom + 17, f"{edge:.4g}", "middle"))
    median, slow = np.percentile(values, [50, 95]).tolist()
    for name, value in (("median", median), ("p95", slow)):
        at = left + min(value, most) / most * (width - left - right)
        parts.append(_line(at, y(tallest), at, y(0), "guide"))
        parts.append(_text(at + 4, y(tallest) + (11 if name == "median" else 26), f"{name} {value:.0f}", "quiet"))
    parts.append(
        _text(left + (width - left - right) / 2, height - 8, f"{unit}; the last bar holds all above", "middle")
    )
    said = f"{len(values)} questions, median {median:.0f} {unit}, 95 of 100 within {slow:.0f} {unit}."
    return _svg(title, said, width, height, parts)


def costs(
    title: str,
    own: Callable[[float], float],
    beside: Sequence[tuple[str, float, float | None]],
    *,
    most: float,
    now: float = 0.0,
    width: int = 640,
    height: int = 340,
) -> Markup:
    """What a thousand answers cost by how many there are a day, up to `most`, both on logarithmic axes. `beside`: name,
    price of a thousand, and where the own machine becomes cheaper. `now` is marked where it is not 0."""
    left, right, top, bottom = 64, 150, 16, 52
    first, last = 0.0, max(1.0, math.ceil(math.log10(max(most, 10))))
    values = [own(most), own(1), *(thousand for _, thousand, _ in beside if thousand > 0)]
    low, high = math.floor(math.log10(max(min(values), 1e-6))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x(per_day: float) -> float:
        return left + (math.log10(per_day) - first) / (last - first) * (width - left - right)

    def y(cost: float) -> float:
        share = (math.log10(max(cost, 10.0**low)) - low) / (high - low)
        return height - bottom - share * (height - top - bottom)

    parts = []
    for power in range(low, high + 1):
        parts.append(_line(left, y(10.0**power), width - right, y(10.0**power), "grid"))
        parts.append(_text(left - 8, y(10.0**power) + 4, f"{10.0**power:g}", "end"))
    for power in range(int(last) + 1):
        parts.append(_line(x(10.0**power), top, x(10.0**power), height - bottom, "grid"))
        parts.append(_text(x(10.0**power), height - bottom + 18, f"{10**power:,}", "middle"))
    steps = [10 ** (math.log10(max(most, 10)) * number / 80) for number in range(81)]
    path = " ".join(f"{x(per_day):.1f},{y(own(per_day)):.1f}" for per_day in steps)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    parts.append(_text(x(steps[-1]) + 8, y(own(steps[-1])) + 4, "own machine", "strong-text"))
    for name, thousand, even in beside:
        parts.append(_line(left, y(thousand), width - right, y(thousand), "guide"))
        parts.append(_text(width - right + 8, y(thousand) + 4, _short(name, 20)))
        if even is not None and 1 <= even <= most:
            parts.append(f'<circle class="strong" cx="{x(even):.1f}" cy="{y(thousand):.1f}" r="5"/>')
    if 1 <= now <= most:
        parts.append(f'<circle class="dot" cx="{x(now):.1f}" cy="{y(own(now)):.1f}" r="5"/>')
        parts.append(_text(x(now) + 8, y(own(now)) - 8, "now", "halo"))
    parts.append(_text(left + (width - left - right) / 2, height - 8, "answers a day", "middle"))
    said = f"Own machine {own(1):.4g} at one answer a day, {own(most):.4g} at {most:,.0f}. " + "; ".join(
        f"{name}: {thousand:.4g}, " + (f"break-even at {even:,.0f} a day" if even else "always cheaper")
        for name, thousand, even in beside
    )
    return _svg(title, said, width, height, parts)


def _row(row: Row, y: float, x: _Scale, width: int, *, signed: bool) -> str:
    figure, strong = row.figure, "strong" if row.strong else "dot"
    return "".join(
        (
            _text(_LEFT - 12, y + 4, _short(row.label), "end strong-text" if row.strong else "end"),
            _line(x(figure.low), y, x(figure.high), y, "whisker"),
            f'<circle class="{strong}" cx="{x(figure.value):.1f}" cy="{y:.1f}" r="{5 if row.strong else 4.5}"/>',
            _text(width - _RIGHT + 10, y + 4, f"{figure.value:+.3f}" if signed else f"{figure.value:.3f}", "number"),
        )
    )


def _shares(rows: Sequence[Row]) -> tuple[float, float]:
    """From a tenth below the least interval to 1; figures of 0 to 1 all the way."""
    least = min((row.figure.low for row in rows), default=0.0)
    return min(0.9, max(0.0, math.floor(least * 10) / 10)), 1.0


def _around_zero(rows: Sequence[Row]) -> tuple[float, float]:
    reach = max((max(abs(row.figure.low), abs(row.figure.high)) for row in rows), default=0.0)
    most = _nice(max(reach, 0.01))
    return -most, most


def _nice(value: float) -> float:
    """The least of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below the value."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return float(next((m * power for m in (1, 1.5, 2, 3, 4, 5, 6, 8) if m * power >= value * (1 - 1e-9)), 10 * power))


def _ticks(low: float, high: float, x: _Scale, top: float, bottom: float, *, signed: bool) -> str:
    steps = 4 if signed else max(2, min(5, round((high - low) * 10)))
    drawn = []
    for number in range(steps + 1):
        value = low + (high - low) * number / steps
        drawn.append(_line(x(value), top, x(value), bottom, "grid"))
        drawn.append(_text(x(value), bottom + 18, f"{value:+.3g}" if signed and value else f"{value:.3g}", "middle"))
    return "".join(drawn)


def _grid(x: _Scale, y: _Scale) -> str:
    drawn = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        drawn.append(_line(x(0), y(share), x(1), y(share), "grid"))
        drawn.append(_line(x(share), y(0), x(share), y(1), "grid"))
        drawn.append(_text(x(0) - 8, y(share) + 4, f"{share:.0%}", "end"))
        drawn.append(_text(x(share), y(0) + 18, f"{share:.0%}", "middle"))
    return "".join(drawn)


def _at(points: Sequence[Point], threshold: float) -> Point:
    """What a threshold brings: that of the least point not below it."""
    return next((point for point in points if point.threshold >= threshold), points[-1])


def _said(figure: Figure, signed: bool) -> str:
    form = "+.3f" if signed else ".3f"
    return f"{figure.value:{form}}, {figure.low:{form}} to {figure.high:{form}}, {figure.n} questions"


def _short(label: str, most: int = 26) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return str(Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, x, y, text))


def _turned(x: float, y: float, text: str) -> str:
    return str(
        Markup('<text class="middle" transform="translate({:.1f} {:.1f}) rotate(-90)">{}</text>').format(x, y, text)
    )


def _svg(title: str, said: str, width: int, height: float, parts: Sequence[str]) -> Markup:
    head = Markup('<svg role="img" viewBox="0 0 {w} {h:.0f}" width="{w}" height="{h:.0f}" aria-label="{said}">')
    drawn = "".join(parts)  # every text in it was escaped by `_text`
    return head.format(w=width, h=height, said=f"{title}. {said}") + Markup(drawn) + Markup("</svg>")  # noqa: S704
