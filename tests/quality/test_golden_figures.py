"""The figures of an evaluation, counted on a set small enough to count by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rag.answers import AnswerEvent, Done
from rag.ask.retrieve import Retrieved
from rag.documents import Span
from rag.errors import SettingsError
from rag.evaluate import golden
from rag.identity import person
from tests.standins import ScriptedModel, Shelf, says

TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
OWNER = person("local", {})


@dataclass
class Shelved:
    """As much of an App as an evaluation uses, over a shelf; `shift` spoils every span."""

    shelf: Shelf
    shift: int = 0

    @property
    def ledger(self) -> Any:
        return self.shelf.ledger

    def search(self, query: str, **options: Any) -> Retrieved:
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
    question("first", "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?", "urlaub.txt"),
    question("either", "Was kostet ein Mittagessen in der Kantine?", "nirgends.txt", "kantine.txt", kind="two"),
    question("missed", "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?", "nirgends.txt", kind="two"),
    question("second", "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?", "alt.txt", kind="two"),
    question("nobody", "Wann wurde der Mond entdeckt?", answerable=False),
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Shelf(tmp_path_factory.mktemp("shelf")) as shelf:
        shelf.put("urlaub.txt", TRUE)
        shelf.put("alt.txt", "Früher war der Urlaub im Kalenderjahr kürzer, nämlich 28 Tage.")
        shelf.put("kantine.txt", "Ein Mittagessen in der Kantine kostet 6,50 Euro.")
        yield shelf


def measured(shelf: Shelf, folder: Path, *, answers: bool = False, shift: int = 0) -> dict[str, Any]:
    lines = [json.dumps(entry, ensure_ascii=False) for entry in QUESTIONS]
    (folder / "questions.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    app: Any = Shelved(shelf, shift)
    return golden.figures(golden.run(app, golden.read(folder), principal=OWNER, answers=answers))


def test_recall_counts_a_right_document_among_the_first_passages(shelf: Shelf, tmp_path: Path) -> None:
    found = measured(shelf, tmp_path)
    assert (found["questions"], found["answerable"]) == (5, 4)
    assert (found["recall@1"], found["recall@5"], found["missed"]) == (0.5, 0.75, ["missed"])
    assert found["recall@5_by_kind"] == {"plain": 1.0, "two": 0.6667}
    assert "answers" not in found


def test_verbatim_counts_the_quotes_that_stand_where_they_say(shelf: Shelf, tmp_path: Path) -> None:
    found = measured(shelf, tmp_path, answers=True)["answers"]
    assert found["citations"] == found["verbatim"] > 0
    assert measured(shelf, tmp_path, answers=True, shift=1)["answers"]["verbatim"] == 0


def test_citations_of_a_right_document_and_outcomes_are_counted_apart(shelf: Shelf, tmp_path: Path) -> None:
    found = measured(shelf, tmp_path, answers=True)["answers"]
    assert found["of_right_document"] == 1, "the others were asked about another document or none"
    assert sum(found["outcomes"]["answerable"].values()) == 4
    assert sum(found["outcomes"]["unanswerable"].values()) == 1


@pytest.mark.parametrize("line", ["{", "5", '{"id": "a"}', '{"id": "a", "text": "b", "answerable": true, "gold": 1}'])
def test_a_line_that_is_no_question_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps(QUESTIONS[0]) + "\n\n" + line + "\n")
    with pytest.raises(SettingsError, match="line 3: not a golden question"):
        golden.read(tmp_path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_questions_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "questions.jsonl").write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be read"):
        golden.read(tmp_path / "questions.jsonl")


def test_no_question_gives_no_figure(tmp_path: Path) -> None:
    assert golden.figures([])["recall@5"] is None
