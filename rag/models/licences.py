"""May this model be used in a company? Judged from its own licence text, and from what is known of its name. Pure.

The text wins over the file's field, that over the name; where two of them disagree it is said. Where several licences
hold (a text of two parts, a model made from another) the strictest counts. A verdict is an orientation with its
reasons, no legal advice: whoever is responsible reads the text, which `rag models show` prints.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rag.models.families import known
from rag.models.licence_terms import (
    ADDED,
    CHANGED,
    FIELDS,
    LICENCES,
    NONCOMMERCIAL,
    STRICTNESS,
    UNKNOWN,
    Licence,
    Use,
    plain,
)
from rag.text.sentences import LANGUAGES, texts

__all__ = ["Licence", "Origin", "Policy", "Use", "Verdict", "judge", "named"]


class Origin(StrEnum):
    """Where a verdict was read from."""

    TEXT = "text"
    FIELD = "field"
    CATALOGUE = "catalogue"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a model may be used for, and why.

    `also` are further licences that hold, among them those of the model it was made from; `contradicts` is what its
    name, or its file, would have said instead; `excludes_eu`: companies in the European Union are granted nothing.
    """

    licence: Licence
    origin: Origin
    also: tuple[Licence, ...] = ()
    contradicts: Licence | None = None
    excludes_eu: bool = False

    @property
    def use(self) -> Use:
        """The strictest of the licences that hold."""
        return max((one.use for one in (self.licence, *self.also)), key=STRICTNESS.index)

    @property
    def name(self) -> str:
        """The licences' names, the own one first."""
        return " + ".join(one.name for one in (self.licence, *self.also))

    def duties(self, language: str) -> str:
        """What is to be heeded, a sentence a licence; then what excludes, what contradicts, and where it was read."""
        words = texts(language, "licences")
        told = [words[f"duty.{one.id}"] for one in (self.licence, *self.also)]
        if self.excludes_eu:
            told.append(words["eu"])
        if self.contradicts is not None:
            told.append(words["contradicts"].format(other=self.contradicts.name, name=self.licence.name))
        return " ".join([*dict.fromkeys(told), words[f"origin.{self.origin}"]])

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "use": self.use.value,
            "licence": self.licence.name,
            "also": [one.name for one in self.also],
            "read_from": self.origin.value,
            "contradicts": self.contradicts.name if self.contradicts else None,
            "excludes_eu": self.excludes_eu,
            "duties": {language: self.duties(language) for language in LANGUAGES},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which models may be used: `allow` are uses, `accepted` models whose licence a person has read and accepts, `eu`
    whether the company has its seat in the European Union."""

    allow: Collection[str] = tuple(Use)
    accepted: Collection[str] = ()
    eu: bool = True

    def accepts(self, name: str) -> bool:
        """Whether a person accepted its licence."""
        return (
            name in self.accepted or f"{name}:latest" in self.accepted or name.removesuffix(":latest") in self.accepted
        )

    def refusal(self, name: str, verdict: Verdict) -> str:
        """Why a model may not be used, and what to do; empty where it may."""
        if self.accepts(name):
            return ""
        way = (
            f"Choose another model; or, once somebody who may has read the licence and agrees, add "
            f'"{name}" to licences.accepted in rag.toml.'
        )
        if self.eu and verdict.excludes_eu:
            return (
                f"{name} may not be used here: its licence ({verdict.name}) grants nothing to companies in the "
                f"European Union. {way} Outside the Union set licences.european_union = false."
            )
        if verdict.use not in self.allow:
            return (
                f"{name} may not be used here: its licence ({verdict.name}) is {_SAID[verdict.use]}, and "
                f'licences.allow does not name "{verdict.use}". {way}'
            )
        return ""


_SAID: Mapping[Use, str] = {
    Use.FREE: "free for commercial use",
    Use.CONDITIONS: "free under conditions",
    Use.RESEARCH: "for research or non-commercial use only",
    Use.UNKNOWN: "not known",
}


def judge(
    text: str | Sequence[str] | None = "",
    *,
    name: str = "",
    size: str = "",
    information: Mapping[str, Any] | None = None,
    multimodal: bool = False,
) -> Verdict:
    """The verdict on a model.

    `text`: its licence text, or several; `size` as its server tells it ("3.1B"); `information`: the fields of its file,
    as Ollama's ``model_info``; `multimodal`: it reads pictures or sound.
    """
    fields = information or {}
    architecture = str(fields.get("general.architecture", ""))
    by_name = known(name, size=size, architecture=architecture)
    family = LICENCES[by_name.licence] if by_name else None
    own = _in_field(fields)
    found = _in_text(text)
    if found:
        licence, origin, others = found[0], Origin.TEXT, found[1:]
    elif own is not None:
        licence, origin, others = own, Origin.FIELD, []
    elif family is not None:
        licence, origin, others = family, Origin.CATALOGUE, []
    else:
        licence, origin, others = UNKNOWN, Origin.NOTHING, []
    if by_name and by_name.made_from and by_name.made_from != licence.id:
        others = [*others, LICENCES[by_name.made_from]]
    others = [*others, *(LICENCES[one] for one in _bases(fields) if one != licence.id)]
    also = tuple(dict.fromkeys(others))
    return Verdict(
        licence=licence,
        origin=origin,
        also=also,
        contradicts=_contradiction(licence, also, [one for one in (own, family) if one is not None]),
        excludes_eu=any(
            one.excludes_eu == "always" or (one.excludes_eu == "multimodal" and multimodal) for one in (licence, *also)
        ),
    )


def named(licence: str, *, name: str = "") -> Verdict:
    """The verdict on a model of our own catalogue, whose licence is named there."""
    found = LICENCES.get(FIELDS.get(licence.lower(), ""), UNKNOWN)
    by_name = known(name)
    family = [LICENCES[by_name.licence]] if by_name else []
    return Verdict(licence=found, origin=Origin.CATALOGUE, contradicts=_contradiction(found, (), family))


def _in_text(text: str | Sequence[str] | None) -> list[Licence]:
    """The licences a text holds, the strictest first; UNKNOWN where it holds one that nobody here knows."""
    whole = plain("\n".join(text) if not isinstance(text, str) and text else str(text or ""))
    if not whole:
        return []
    found = sorted((one for one in LICENCES.values() if one.is_in(whole)), key=lambda one: -STRICTNESS.index(one.use))
    if not found:
        if field := LICENCES.get(FIELDS.get(whole, "")):
            return [field]
        return [LICENCES["noncommercial"] if _any(NONCOMMERCIAL, whole) else UNKNOWN]
    if found[0].use is Use.FREE and _any(ADDED, whole):
        return [CHANGED]
    # A stricter text may name a free licence it is based on: that does not make it milder, nor hold beside it.
    strict = [one for one in found if one.use is not Use.FREE]
    return strict or found[:1]


def _in_field(fields: Mapping[str, Any]) -> Licence | None:
    for key in ("general.license.name", "general.license"):
        value = str(fields.get(key) or "").lower().strip()
        if value in FIELDS:
            return LICENCES[FIELDS[value]]
    return None


def _bases(fields: Mapping[str, Any]) -> list[str]:
    """Ids of licences that hold on from the models this one says it was made from."""
    names = [str(fields[key]) for key in sorted(fields) if re.fullmatch(r"general\.base_model\.\d+\.name", key)]
    found = [known(name) for name in names]
    return [one.licence for one in found if one is not None and LICENCES[one.licence].use is not Use.FREE]


def _contradiction(licence: Licence, also: Collection[Licence], others: Sequence[Licence]) -> Licence | None:
    """What else a model says it is under, where that is another use, or another set of conditions."""
    held = {licence.id, *(one.id for one in also)}
    for other in others:
        if other.id not in held and not (other.use is Use.FREE and licence.use is Use.FREE):
            return other
    return None


def _any(patterns: Sequence[str], text: str) -> bool:
    return any(re.search(pattern, text) for pattern in patterns)
