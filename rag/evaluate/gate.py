"""Figures that must be reached, written in TOML: a set's name as a table, its figures as keys.

[xquad-de]
"ndcg@10" = 0.985                      # at least, or at most for a figure of which less is better
"false_answers@10" = { most = 0.01 }
"recall@5" = { least = 0.9, most = 1 }
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import SettingsError
from rag.evaluate.intervals import Figure
from rag.evaluate.summary import ABSTENTION, ANSWER_TIMES, ANSWERS, LOWER, NAMES
from rag.text.toml_lines import line_of

_ENDS = ("least", "most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One figure of one set that must lie between two ends, and the line that says so."""

    set: str
    figure: str
    least: float | None
    most: float | None
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The bounds of a file."""

    path: Path
    bounds: tuple[Bound, ...]

    def check(self, figures: Mapping[str, Mapping[str, Figure]]) -> list[str]:
        """A sentence for each bound that is not kept; empty where all are. `figures` are by set and name.

        Raises:
            SettingsError: a bound is for a set or a figure that this run does not have.
        """
        self.fits(figures.keys())
        missed = []
        for bound in self.bounds:
            figure = figures[bound.set].get(bound.figure)
            if figure is None:
                raise self._unusable(bound, f'this run has no "{bound.figure}" of "{bound.set}"; {_why(bound.figure)}')
            missed += _missed(bound, figure)
        return missed

    def fits(self, sets: Collection[str]) -> None:
        """See that every set is one of these, before hours are spent on the run.

        Raises:
            SettingsError: one is not.
        """
        for bound in self.bounds:
            if bound.set not in sets:
                raise self._unusable(bound, f'no set is called "{bound.set}" here; there are {", ".join(sorted(sets))}')

    def _unusable(self, bound: Bound, what: str) -> SettingsError:
        return _error(self.path, bound.line, what)


def read(path: Path, *, names: Collection[str] = NAMES, lower: Collection[str] = LOWER) -> Gate:
    """The gate in a file. `names` are the figures there may be, `lower` those of which less is better.

    Raises:
        SettingsError: it cannot be read, or a line asks for something that is no figure; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise SettingsError(f"{path} is not valid TOML: {error}.", line=int(found[1]) if found else None) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The file {path} cannot be read: {reason}.") from error
    lines = text.splitlines()
    bounds = []
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise _error(path, line_of(lines, "", name), f'"{name}" stands in no set; write [SET] above it')
        bounds += [_bound(path, lines, name, figure, wanted, names, lower) for figure, wanted in table.items()]
    if not bounds:
        raise SettingsError(f"{path} asks for no figure.")
    return Gate(path=path, bounds=tuple(bounds))


def _bound(
    path: Path,
    lines: Sequence[str],
    name: str,
    figure: str,
    wanted: Any,
    names: Collection[str],
    lower: Collection[str],
) -> Bound:
    line = line_of(lines, name, figure)
    if figure not in names:
        raise _error(path, line, f'"{figure}" is no figure; there are {", ".join(names)}')
    ends = wanted if isinstance(wanted, dict) else {"most" if figure in lower else "least": wanted}
    unknown = ends.keys() - set(_ENDS)
    if unknown or not ends or not all(_is_number(value) for value in ends.values()):
        raise _error(path, line, f'"{figure}" is a number, or {{ least = NUMBER, most = NUMBER }}, not {wanted!r}')
    if ends.get("least", -math.inf) > ends.get("most", math.inf):
        raise _error(path, line, f'"{figure}" can be nothing: at least {ends["least"]:g} and at most {ends["most"]:g}')
    return Bound(set=name, figure=figure, least=ends.get("least"), most=ends.get("most"), line=line)


def _missed(bound: Bound, figure: Figure) -> list[str]:
    said = f"{bound.figure} of {bound.set} is {figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g}, n={figure.n})"
    found = []
    if bound.least is not None and not figure.value >= bound.least:
        found.append(f"{said}; it must be at least {bound.least:g}.")
    if bound.most is not None and not figure.value <= bound.most:
        found.append(f"{said}; it must be at most {bound.most:g}.")
    return found


def _why(figure: str) -> str:
    if figure in (*ANSWERS, *ANSWER_TIMES):
        return "it needs --answers"
    return "it needs questions that have no answer" if figure in ABSTENTION else "it needs questions that have one"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _error(path: Path, line: int | None, what: str) -> SettingsError:
    where = f"{path}, line {line}" if line else str(path)
    return SettingsError(f"{where}: {what}.", line=line)
