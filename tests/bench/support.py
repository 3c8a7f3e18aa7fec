"""The support check on what is true and what was made false.

True are the reference answers of ``data/golden``, beside their gold passage and four neighbours, and sentences of the
sample's documents; false is every mutant of `tests.ask.mutations`. Also how often the
reference answers are said to disagree with other documents.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rag.access import LOOPBACK, Principal
from rag.answers import Passage
from rag.app import App
from rag.ask.check import Checker
from rag.ask.disagreement import conflicts
from rag.ask.lineage import described
from rag.ask.sentences import sentences
from rag.text.language import language_of
from tests.ask.mutations import mutants
from tests.bench.machine import ROOT, sample_app

_NEIGHBOURS, _FROM_A_DOCUMENT = 4, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """Something true, and the passages it is checked against. `group`: reference, translated, sentence."""

    id: str
    group: str
    text: str
    question: str
    given: tuple[Passage, ...]


def measure() -> dict[str, Any]:
    """Shares accepted of what is true and caught of what is false, by kind; milliseconds a check."""
    with sample_app() as app:
        person = app.person("local")
        return figures(app, [*references(app, person), *own_sentences(app, person)])


def figures(app: App, sayings: Sequence[Saying]) -> dict[str, Any]:
    """The figures over these sayings."""
    true, accepted, made, caught = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    times, disagreeing, rejected = [], [], []
    for saying in sayings:
        checker = checker_of(app, saying)
        began = time.perf_counter()
        found = checker.check(saying.text)
        times.append((time.perf_counter() - began) * 1000)
        true[saying.group] += 1
        if not found.supported:
            rejected.append(saying.id)
            continue
        accepted[saying.group] += 1
        if saying.question and conflicts(found.units, checker.units, saying.given, app.retriever.words.stems):
            disagreeing.append(saying.id)
        for kind, changed in mutants(saying.text, [unit.text for unit in checker.units]):
            made[kind] += 1
            caught[kind] += not checker.check(changed).supported
    return {
        "true_accepted": {group: f"{accepted[group]}/{true[group]}" for group in true},
        "false_caught": {kind: f"{caught[kind]}/{made[kind]}" for kind in made},
        "precision": round(sum(accepted.values()) / (sum(accepted.values()) + sum((made - caught).values())), 3),
        "recall_of_mutants": round(sum(caught.values()) / max(1, sum(made.values())), 3),
        "numbers_and_names_caught": round(
            sum(caught[kind] for kind in ("number", "name")) / max(1, sum(made[kind] for kind in ("number", "name"))), 3
        ),
        "rejected": rejected,
        "disagreements": disagreeing,
        "check_ms_median": round(statistics.median(times), 1),
        "check_ms_most": round(max(times), 1),
    }


def checker_of(app: App, saying: Saying) -> Checker:
    """A checker as the answer's flow makes it."""
    embed, spoken = (
        app.retriever.embedder.embed_passages,
        app.ledger.languages(passage.chunk.id for passage in saying.given),
    )
    checker = Checker(
        saying.given,
        stems=app.retriever.words.stems,
        meaning=lambda text: [float(value) for value in vectors @ embed([text])[0]],
        foreign=lambda language: {
            number for number, one in enumerate(saying.given) if spoken.get(one.chunk.id, language) != language
        },
        question=saying.question,
    )
    vectors = embed([unit.text for unit in checker.units])
    return checker


def references(app: App, person: Principal) -> Iterator[Saying]:
    """The answerable golden questions' reference answers, their gold passages first."""
    for line in (ROOT / "data/golden/questions.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if not entry["answerable"]:
            continue
        gold = [passage for one in entry["gold"] for passage in _holding(app, person, one["document"], one["quote"])]
        ids = {passage.chunk.id for passage in gold}
        rest = [
            one
            for one in app.search(entry["text"], principal=person, channel=LOOPBACK, k=10).passages
            if one.chunk.id not in ids
        ]
        given = described([*gold[:4], *rest[: max(1, 5 - len(gold))]], app.ledger, person)
        languages = app.ledger.languages(ids).values()
        group = "reference" if entry["lang"] in {language or entry["lang"] for language in languages} else "translated"
        yield Saying(id=entry["id"], group=group, text=entry["answer"], question=entry["text"], given=given)


def own_sentences(app: App, person: Principal) -> Iterator[Saying]:
    """Sentences of every document, beside the passages found for them."""
    number = 0
    for entry in app.ledger.entries():
        document = app.ledger.document(entry.key)
        texts = [span.of(document.text) for span in sentences(document.text)] if document else []
        plain = [" ".join(text.split()) for text in texts if _is_prose(text)]
        for text in plain[:: max(1, len(plain) // _FROM_A_DOCUMENT)][:_FROM_A_DOCUMENT]:
            found = app.search(text, principal=person, channel=LOOPBACK, k=10).passages
            own = [one for one in found if text in " ".join(one.chunk.text.split())][:1]
            given = (*own, *[one for one in found if one not in own][:_NEIGHBOURS])
            if own:
                yield Saying(id=f"s{number}", group="sentence", text=text, question="", given=given)
                number += 1


def _holding(app: App, person: Principal, document: str, quote: str) -> list[Passage]:
    """The passages of a document, its parts included, that hold a quote; its first one where none does."""
    entry = app.ledger.entry(f"sample:{document}")
    if entry is None:
        return []
    names = {entry.id, *(name for name, _ in app.ledger.parts(entry.key))}
    chunks = [chunk.id for chunk, _, _ in app.ledger.indexed(embedder="") if chunk.document_id in names]
    passages = app.ledger.passages(dict.fromkeys(chunks, 1.0), person)
    held = [one for one in passages if " ".join(quote.split()) in " ".join(one.chunk.indexed_text.split())]
    return held[:2] or passages[:1]


def _is_prose(text: str) -> bool:
    plain = text.strip()
    wanted = 5 <= len(plain.split()) <= 30 and plain.endswith(".") and "|" not in plain
    return wanted and not plain.startswith(("-", "#", "*")) and language_of(plain) is not None
