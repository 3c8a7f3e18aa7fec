"""What somebody finds is the same with and without the documents they may not read (THREATS 6, second invariant).

Two houses in memory mode: one with everything, one with only what B may read. Exact, but for the model, whose weights
stand in as in `tests.standins`: ledger, word index, vectors in memory, retriever and answers are the real ones.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag.access import EVERYONE, LOOPBACK, Acl, Confidentiality, Token, group
from rag.answers import Answer, Done
from rag.documents import DocumentId, DocumentRef, RawDocument
from rag.identity import person
from rag.store.mirror import Mirror
from tests.faults.seeds import chosen
from tests.standins import DIMENSION, Shelf

B = person("berta", {"house": frozenset({"berta"}), "works": frozenset({"berta"})})
MINE = (group("house"), group("works"), EVERYONE, Token("user:berta"))
THEIRS = (group("board"), Token("user:chef"), group("audit"))
_WORLDS = 4
_WORDS = (
    "Urlaub Urlaubsantrag Erholungsurlaub Antrag Tage Arbeitstage Arbeitszeit Zeit Kantine Kantinenessen Essen Geld "
    "Reise Reisekosten Kosten Beleg Frist Kündigung Kündigungsfrist Gehalt Prämie leave notice canteen badge travel "
    "certificate RL-2024-07 MKS-8 Werk Werksausweis Ausweis Leitung Bericht Prüfung Prüfbericht Jahr Monat"
).split()
_HIDDEN = ("Werks", "kosten", "Übernahme", "Vorstandsgehalt", "merger", "RL-2025-01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One document of a world."""

    name: str
    text: str
    readers: tuple[str, ...]

    @property
    def hidden(self) -> bool:
        """Whether B may not read it."""
        return not set(self.readers) & set(MINE)


def papers(chance: random.Random, many: int = 24) -> list[Paper]:
    """Of all lengths; a few say the same; half are hidden, and those are longer and speak of other things."""
    made: list[Paper] = []
    for number in range(many):
        hidden = chance.random() < 0.5
        twin = chance.choice(made) if made and chance.random() < 0.2 else None
        vocabulary = _WORDS[:12] + list(_HIDDEN) if hidden else _WORDS
        count = chance.randint(20, 160) if hidden else chance.randint(3, 60)
        text = twin.text if twin else _sentences(chance, vocabulary, count)
        readers = (str(chance.choice(THEIRS)) if hidden else str(chance.choice(MINE)),)
        made.append(Paper(name=f"{'alt/' if number % 3 else ''}p{number}.txt", text=text, readers=readers))
    return made


def _sentences(chance: random.Random, vocabulary: Sequence[str], count: int) -> str:
    said = [chance.choice(vocabulary) for _ in range(count)]
    for place in range(7, len(said), 8):
        said[place] = f"{said[place]} beträgt {chance.randint(1, 40)} Tage."
    return " ".join(said) + "."


def questions(chance: random.Random) -> list[str]:
    """Some of what there is, some of what is hidden, one of each in quotation marks."""
    asked = [" ".join(chance.sample(_WORDS, 4)) for _ in range(4)]
    asked += [f"Wie viele Tage beträgt der {chance.choice(_WORDS)}?", " ".join([*chance.sample(_HIDDEN, 2), "Urlaub"])]
    return [
        *asked,
        f'"{chance.choice(_WORDS)}" Kosten',
        f'Was heißt "{chance.choice(_HIDDEN)}" im Urlaub?',
        "Werkskosten Vorstandsgehaltstage",
    ]


@contextmanager
def house(home: Path, world: Sequence[Paper]) -> Iterator[Shelf]:
    """A house that holds these, its vectors in memory, its words in several segments."""
    home.mkdir()
    with Shelf(home) as shelf:
        shelf.vectors.mirror = Mirror(DIMENSION, most_bytes=1 << 26)
        shelf.vectors.mirror.gather()
        shelf.vectors.mirror.finish()
        for start in range(0, len(world), 8):
            write(shelf, world[start : start + 8])
        yield shelf


def write(shelf: Shelf, some: Sequence[Paper]) -> None:
    """Add or replace documents."""
    shelf.pipeline.write([draft for paper in some for draft in shelf.pipeline.draft(raw(paper), stamp="1")])


def raw(paper: Paper) -> RawDocument:
    """A document; its key is told by its name, so that ids are the same in both houses."""
    ref = DocumentRef(
        id=DocumentId(f"house:{paper.name}"),
        key=hashlib.sha256(paper.name.encode()).hexdigest()[:24],
        version=hashlib.sha256(paper.text.encode()).hexdigest(),
        acl=Acl(readers=frozenset(map(Token, paper.readers))),
        confidentiality=Confidentiality.INTERNAL,
    )
    return RawDocument(
        ref=ref,
        title=paper.name,
        uri=f"file:///srv/{paper.name}",
        media_type="text/plain",
        modified_at=datetime(2024, 3, 12, tzinfo=UTC),
        body=paper.text.encode(),
    )


def searched(shelf: Shelf, question: str, figure: Callable[[float], object] = float) -> dict[str, object]:
    """All that the word search and the retriever tell B of a question."""
    grant = shelf.ledger.grant(B)
    listed = shelf.words.search(question, grant=grant, k=10)
    all_hits = shelf.words.search(question, grant=grant, k=1000)
    texts = [*_WORDS, question]
    found = shelf.retriever.retrieve(question, principal=B, k=6)
    return {
        "search": [(name, figure(score)) for name, score in listed],
        "scores": {
            name: figure(score)
            for name, score in shelf.words.scores(question, [name for name, _ in all_hits], grant=grant).items()
        },
        "coverage": [figure(share) for share in shelf.words.coverage(question, texts, grant=grant)],
        "holding": shelf.words.holding(["beträgt"], question, grant=grant, k=5),
        "passages": [(p.chunk.document_id, p.chunk.span, p.chunk.text, figure(p.score)) for p in found.passages],
        "evidence": figure(found.evidence),
        "unquoted": found.unquoted,
        "features": [None if value is None else figure(value) for value in astuple(found.features)],
    }


def answered(shelf: Shelf, question: str) -> tuple[object, ...]:
    """What B is answered without a model: extracts."""
    events = shelf.answerer(None).ask(question, principal=B, channel=LOOPBACK)
    answer: Answer = next(event.answer for event in events if isinstance(event, Done))
    said = [(c.marker, c.document_id, c.span, c.quote) for c in answer.citations]
    return answer.outcome, answer.text, said, [p.chunk.id for p in answer.passages]


def nearly(value: float) -> object:
    """A figure to 1e-4."""
    return pytest.approx(value, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("number", range(_WORLDS))
def test_what_b_finds_is_the_same_without_what_b_may_not_read_6(tmp_path: Path, number: int) -> None:
    chance = chosen(f"world {number}")
    world = papers(chance)
    if number % 2:  # many classes: each document has one of its own
        world = [replace(paper, readers=(*paper.readers, f"user:u{place}")) for place, paper in enumerate(world)]
    visible = [paper for paper in world if not paper.hidden]
    again = [replace(paper, text=f"{paper.text} Nachtrag Urlaub.") for paper in world if paper.hidden][:4]
    with house(tmp_path / "all", world) as everything, house(tmp_path / "mine", visible) as mine:
        write(everything, again)  # what is hidden changes, so that rows are deleted too
        for question in questions(chance):
            assert searched(everything, question) == searched(mine, question, nearly), question
            assert answered(everything, question) == answered(mine, question), question


def test_the_two_houses_differ_for_who_may_read_everything(tmp_path: Path) -> None:
    """So that the test above can fail."""
    world = papers(random.Random(1))
    board = person("berta", {name: frozenset({"berta"}) for name in ("board", "audit", "house", "works")})
    with house(tmp_path / "all", world) as shelf:
        own, theirs = (shelf.ledger.grant(who) for who in (B, board))
        found = [dict(shelf.words.search("Urlaub Antrag Tage", grant=grant, k=100)) for grant in (own, theirs)]
        assert found[0].keys() < found[1].keys()
        assert any(abs(found[0][name] - found[1][name]) > 1e-2 for name in found[0])
        question, text = "Werkskosten Urlaub Vorstandsgehalt", "Kosten im Urlaub"
        assert shelf.words.coverage(question, [text], grant=own) != shelf.words.coverage(question, [text], grant=theirs)
