"""A shelf with three documents, and as much of an App over it as an evaluation uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rag.access import Channel
from rag.answers import AnswerEvent, Done
from rag.ask.retrieve import Retriever
from rag.ask.searched import Retrieved
from rag.documents import Span
from rag.identity import person
from rag.settings import Settings
from tests.standins import ScriptedModel, Shelf, says

TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
OWNER = person("local", {})
LEAVE = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
PAPERS = {
    "urlaub.txt": TRUE,
    "alt.txt": "Früher war der Urlaub im Kalenderjahr kürzer, nämlich 28 Tage.",
    "kantine.txt": "Ein Mittagessen in der Kantine kostet 6,50 Euro.",
}


@dataclass
class Shelved:
    """`shift` spoils the span of every citation."""

    shelf: Shelf
    shift: int = 0
    settings: Settings = field(default_factory=lambda: Settings(home=Path("/srv/home"), models=Path("/srv/models")))

    @property
    def ledger(self) -> Any:
        return self.shelf.ledger

    @property
    def retriever(self) -> Retriever:
        return self.shelf.retriever

    def search(self, query: str, *, channel: Channel, **options: Any) -> Retrieved:
        return self.shelf.retriever.retrieve(query, **options)

    def ask(self, question: str, **options: Any) -> Iterator[AnswerEvent]:
        for event in self.shelf.answerer(ScriptedModel(says(TRUE)), evidence=0.0).ask(question, **options):
            if isinstance(event, Done):
                spoilt = [
                    replace(one, span=Span(start=one.span.start + self.shift, end=one.span.end + self.shift))
                    for one in event.answer.citations
                ]
                yield Done(answer=replace(event.answer, citations=tuple(spoilt)))
            else:
                yield event


def question(name: str, text: str, *documents: str, kind: str = "plain", answerable: bool = True) -> dict[str, Any]:
    gold = [{"document": document, "page": 1, "quote": ""} for document in documents]
    return {"id": name, "text": text, "answerable": answerable, "kind": kind, "lang": "de", "gold": gold}


QUESTIONS = [
    question("first", LEAVE, "urlaub.txt"),
    question("either", "Was kostet ein Mittagessen in der Kantine?", "nirgends.txt", "kantine.txt", kind="two"),
    question("missed", LEAVE, "nirgends.txt", kind="two"),
    question("second", LEAVE, "alt.txt", kind="two"),
    question("nobody", "Wann wurde der Mond entdeckt?", answerable=False),
]


def written(folder: Path, *questions: dict[str, Any]) -> Path:
    """A folder with these questions in the form of ``data/golden``."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(entry, ensure_ascii=False) for entry in questions]
    (folder / "questions.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return folder
