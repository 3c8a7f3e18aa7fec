"""Files of votes to how often each model was preferred. Pure but for reading them.

Each voter's file counts once: a later vote on a pairing in one file takes the place of an earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import SettingsError
from rag.evaluate import intervals
from rag.evaluate.comparison import sign_test
from rag.evaluate.intervals import Figure

_CHOICES = ("left", "right", "alike")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Two models as people saw them. `share`: of the votes for the first, a vote for neither counting half; `chance`:
    of such a split if both were alike (sign test, those for neither left out)."""

    one: str
    other: str
    won: int
    lost: int
    alike: int
    share: Figure
    chance: float

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "one": self.one,
            "other": self.other,
            "won": self.won,
            "lost": self.lost,
            "alike": self.alike,
            "share": self.share.as_json(),
            "sign_test_p": round(self.chance, 6),
        }


def count(files: Sequence[Path], key: Mapping[str, Any]) -> list[Duel]:
    """What people chose, for each two models that were put before them, in the order of their names.

    Raises:
        SettingsError: a file cannot be read, a line is no vote, or it was given on another page; names the line.
    """
    won: dict[tuple[str, str], list[float]] = {}
    for path in files:
        for pairing, choice in _votes(path, key).items():
            models = key["pairings"][pairing]
            one, other = sorted((models["left"], models["right"]))
            better = {"left": models["left"], "right": models["right"]}.get(choice)
            won.setdefault((one, other), []).append(0.5 if better is None else float(better == one))
    found = []
    for (one, other), values in sorted(won.items()):
        wins, losses = values.count(1.0), values.count(0.0)
        share = intervals.share(values)
        if share is not None:
            found.append(
                Duel(
                    one=one,
                    other=other,
                    won=wins,
                    lost=losses,
                    alike=values.count(0.5),
                    share=share,
                    chance=sign_test(wins, losses),
                )
            )
    return found


def key_of(path: Path) -> dict[str, Any]:
    """The key of a page.

    Raises:
        SettingsError: it is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        sides = [(one["left"], one["right"]) for one in found["pairings"].values()]
        if not isinstance(found["ballot"], str) or not all(isinstance(name, str) for pair in sides for name in pair):
            raise ValueError("no key")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is no key of votes. `rag models vote DIR` writes it beside the page.") from error
    return dict(found)


def _votes(path: Path, key: Mapping[str, Any]) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The file {path} cannot be read.") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            pairing, choice = _vote(path, number, line, key)
            found[pairing] = choice
    return found


def _vote(path: Path, number: int, line: str, key: Mapping[str, Any]) -> tuple[str, str]:
    try:
        vote = json.loads(line)
        ballot, pairing, choice = vote["ballot"], vote["pairing"], vote["choice"]
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path}, line {number}: no vote.", line=number) from error
    if ballot != key["ballot"]:
        raise SettingsError(f"{path}, line {number}: a vote given on another page than this key is for.", line=number)
    if not isinstance(pairing, str) or pairing not in key["pairings"] or choice not in _CHOICES:
        raise SettingsError(f"{path}, line {number}: no vote of this page.", line=number)
    return str(pairing), str(choice)
