"""A page for people: two answers to one question side by side, without names, in random order.

The page needs nothing beside it and reaches nobody; votes are saved as a file. Which answer is whose stands in a key
that stays with whoever compares: neither the page nor a file of votes tells.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rag.errors import SettingsError
from rag.evaluate.models.standing import Entry, same_questions
from rag.text.sentences import LANGUAGES, texts

_MOST = 200
_PAGE = Environment(
    loader=PackageLoader("rag.evaluate"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Two answers to one question; whose they are is for the key alone. `known`: what the document says."""

    id: str
    question: str
    known: str
    left: str
    right: str
    left_model: str
    right_model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """The pairings of one page, in its order."""

    pairings: tuple[Pairing, ...]

    @property
    def name(self) -> str:
        """Ties votes to the page they were given on."""
        told = [(one.id, one.question, one.left, one.right) for one in self.pairings]
        return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()[:16]

    def key(self) -> dict[str, Any]:
        """What unblinds the votes."""
        return {
            "ballot": self.name,
            "pairings": {one.id: {"left": one.left_model, "right": one.right_model} for one in self.pairings},
        }


def ballot(entries: Sequence[Entry], known: Mapping[str, str], *, seed: int, most: int = _MOST) -> Ballot:
    """Every two models that said something different to a question, sides and order drawn by chance. `known`: question
    → what the document says.

    Raises:
        SettingsError: all models said the same everywhere, or they were not asked the same questions.
    """
    same_questions(entries)
    drawn = random.Random(seed)  # noqa: S311 - order, no secret
    found = []
    for number, first in enumerate(entries[0].scored):
        for one, other in combinations(entries, 2):
            sides = [(one.scored[number].said, one.name), (other.scored[number].said, other.name)]
            if sides[0][0] == sides[1][0]:
                continue
            drawn.shuffle(sides)
            (left, left_model), (right, right_model) = sides
            found.append(
                Pairing(
                    id="",
                    question=first.question.text,
                    known=known.get(first.question.id, ""),
                    left=left,
                    right=right,
                    left_model=left_model,
                    right_model=right_model,
                )
            )
    if not found:
        raise SettingsError("The models said the same to every question; there is nothing to choose between.")
    drawn.shuffle(found)
    return Ballot(pairings=tuple(_numbered(number, one) for number, one in enumerate(found[:most], 1)))


def _numbered(number: int, one: Pairing) -> Pairing:
    return Pairing(
        id=f"v{number}",
        question=one.question,
        known=one.known,
        left=one.left,
        right=one.right,
        left_model=one.left_model,
        right_model=one.right_model,
    )


def render(drawn: Ballot) -> str:
    """The page, in German and English. Texts reach it as data, never as markup; only our own script may run."""
    script = files("rag.evaluate").joinpath("templates/vote.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    data = {
        "ballot": drawn.name,
        "texts": {language: dict(texts(language, "vote")) for language in LANGUAGES},
        "pairings": [
            {"id": one.id, "question": one.question, "known": one.known, "left": one.left, "right": one.right}
            for one in drawn.pairings
        ],
    }
    held = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return _PAGE.get_template("vote.html").render(
        data=Markup(held),  # noqa: S704 - no "<" is left in it
        script=Markup(script),  # noqa: S704 - ours
        digest=digest,
        style=Markup(files("rag.evaluate").joinpath("templates/vote.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        texts=texts("de", "vote"),
    )
