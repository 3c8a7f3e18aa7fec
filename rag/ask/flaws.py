"""What is wrong with a statement beside the sentences it stands on, once its figures and its words are there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from rag.ask.claims import Claim, Source, Stems
from rag.ask.mixture import doubled_name, renumbered
from rag.ask.names import missing_names
from rag.ask.opposites import exchanged
from rag.ask.parties import other_party
from rag.ask.polarity import only_planned, turned_over, turned_round
from rag.ask.ranges import misread
from rag.ask.subjects import other_subject
from rag.text.dates import contradicts


class Flaw(StrEnum):
    """Why a statement is not supported."""

    NONE = ""
    NOTHING = "nothing"
    FIGURE = "figure"
    DATE = "date"
    WORDS = "words"
    NAME = "name"
    ADDRESS = "address"
    DENIAL = "denial"
    DIRECTION = "direction"
    OPPOSITE = "opposite"
    PLAN = "plan"


def flaw_of(claim: Claim, sources: Sequence[Source], *, read: Sequence[str], content: Stems, stems: Stems) -> Flaw:
    """The first thing found wrong with a claim, if these sources are all it has. `read`: the whole passages they stand
    in, with title and headings."""
    texts = [source.text for source in sources]
    near = [source.near for source in sources]
    around = " ".join(near)
    days = [day for source in sources for day in source.days]
    if any(contradicts(day, days) for day in claim.days):
        return Flaw.DATE
    if misread(claim.text, texts):
        return Flaw.FIGURE
    if missing_names(claim.text, [*texts, *near], stems, language=claim.language):
        return Flaw.NAME
    if doubled_name(claim.text, texts) or renumbered(claim, sources):
        return Flaw.NAME
    if turned_over(claim.text, texts, around, content):
        return Flaw.DENIAL
    if exchanged(claim.text, texts, around) or other_party(claim.text, texts, read):
        return Flaw.OPPOSITE
    if other_subject(claim.text, texts, content):
        return Flaw.OPPOSITE
    if turned_round(claim.text, texts, around, content):
        return Flaw.DIRECTION
    return Flaw.PLAN if only_planned(claim.text, texts) else Flaw.NONE
