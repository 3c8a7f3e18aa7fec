"""Forms of question sets, and what is said of files that have none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.errors import SettingsError
from rag.evaluate import questions, sets
from rag.evaluate.sets import Form
from tests.evaluate.house import QUESTIONS, question, written

CORPUS = [{"id": "a", "title": "Eins", "text": "Ein Text."}, {"_id": "b", "text": "Noch ein Text."}]
ASKED: list[dict[str, Any]] = [
    {"id": "q1", "text": "Was?", "lang": "de"},
    {"_id": "q2", "text": "Wer?", "answerable": True},
    {"id": "q3", "text": "Wann?", "answerable": False, "answers": []},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\ta\t1\nq1\tb\t2\nq2\tb\t1\nq2\ta\t0\n"


def corpus(folder: Path, documents: Any = CORPUS, asked: Any = ASKED, qrels: str = QRELS, *, prefix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    where = folder.parent if prefix else folder
    if not prefix:
        (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in documents))
    (where / f"{prefix}queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in asked))
    (where / f"{prefix}qrels.tsv").write_text(qrels)
    return folder


def test_each_form_is_told_by_its_files(tmp_path: Path) -> None:
    tree = corpus(tmp_path / "docs", prefix="docs__", qrels="q1\tx/a.md\t1\nq2\tx/a.md\t1\n")
    (tree / "x").mkdir()
    (tree / "x/a.md").write_text("Text")
    own = written(tmp_path / "own", *QUESTIONS)
    found = sets.read_all([str(own), str(corpus(tmp_path / "beir")), str(tree), f"mine={own / 'questions.jsonl'}"])
    assert [(one.name, one.form) for one in found] == [
        ("own", Form.HOME),
        ("beir", Form.CORPUS),
        ("docs", Form.TREE),
        ("mine", Form.HOME),
    ]


def test_all_relevant_documents_are_needed_and_a_score_of_nothing_is_not_relevant(tmp_path: Path) -> None:
    one, two, three = sets.read(corpus(tmp_path / "beir")).questions
    assert one.needs == (frozenset("a"), frozenset("b"))
    assert two.needs == (frozenset("b"),)
    assert (three.answerable, three.needs) == (False, ())


def test_any_gold_entry_is_enough_but_for_the_kind_multi(tmp_path: Path) -> None:
    folder = written(tmp_path, question("any", "Was?", "a", "b"), question("all", "Was?", "a", "b", kind="multi"))
    either, both = sets.read(folder).questions
    assert either.needs == (frozenset("ab"),)
    assert both.needs == (frozenset("a"), frozenset("b"))


def test_halves_of_characters_and_controls_break_no_run(tmp_path: Path) -> None:
    folder = corpus(
        tmp_path / "beir",
        documents=[{"id": "a", "title": "T\ud800", "text": "Ein \udfff Text."}, CORPUS[1]],
        asked=[{"id": "q1", "text": "Was \ud800\u0000?"}, *ASKED[1:]],
    )
    assert sets.read(folder).questions[0].text == "Was ? ?"
    first = next(questions.corpus(folder / "corpus.jsonl"))
    assert (first.title, first.text) == ("T?", "Ein ? Text.")


def test_two_folders_of_one_name_are_told_apart_by_the_folder_above(tmp_path: Path) -> None:
    places = [str(written(tmp_path / above / "fragen", *QUESTIONS)) for above in ("hr", "it")]
    assert [one.name for one in sets.read_all(places)] == ["hr-fragen", "it-fragen"]
    with pytest.raises(SettingsError, match='called "same"'):
        sets.read_all([f"same={place}" for place in places])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("5", "not a JSON object"),
        ('{"id": "a"}', "not a question"),
        ('{"id": 7, "text": "b"}', "not a question"),
        ('{"id": "a", "text": " "}', "not a question"),
        ('{"id": "a", "text": "\\u0000"}', "nothing that can be read"),
        ("[" * 200_000, "not JSON"),
        ('{"id": "a", "text": "b", "answerable": "no"}', "true or false"),
        ('{"id": "a", "text": "b", "answerable": true, "gold": 1}', "not a golden question"),
        ('{"id": "a", "text": "b", "gold": [{"page": 1}]}', "not a golden question"),
        ('{"id": "a", "text": "b", "answerable": true, "gold": []}', "no document is named"),
        ('{"id": "a", "text": "b", "answerable": false, "gold": [{"document": "x"}]}', "no answer"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "questions.jsonl").write_text(json.dumps(QUESTIONS[0]) + "\n\n" + line + "\n")
    with pytest.raises(SettingsError, match=f"questions.jsonl, line 3: .*{said}"):
        sets.read(tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"qrels": "q1 a 1\n"}, r"qrels.tsv, line 1: .*parted by tabs"),
        ({"qrels": QRELS + "q1\ta\tmuch\n"}, r"qrels.tsv, line 6: .*parted by tabs"),
        ({"qrels": QRELS + "q9\ta\t1\n"}, r'qrels.tsv, line 6: .*no question called "q9"'),
        ({"qrels": QRELS + "q1\tz\t1\n"}, r'"z", which answers "q1", is not among'),
        ({"qrels": "q1\ta\t1\n"}, r'queries.jsonl, line 2: "q2" is said to be answerable'),
        ({"asked": [*ASKED, ASKED[0]]}, r'two questions are called "q1"'),
        ({"asked": [], "qrels": ""}, r"holds no question"),
        ({"documents": [*CORPUS, CORPUS[0]]}, r'corpus.jsonl, line 3: "a" was a document before'),
        ({"documents": [*CORPUS, {"id": "c"}]}, r"corpus.jsonl, line 3: a document is"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        sets.read(corpus(tmp_path / "beir", **changed))


def test_a_folder_without_or_with_two_forms_or_half_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"There is no .*questions.jsonl"):
        sets.read(tmp_path / "gone")
    with pytest.raises(SettingsError, match="holds no questions"):
        sets.read(tmp_path)
    folder = corpus(tmp_path / "both")
    written(folder, *QUESTIONS)
    with pytest.raises(SettingsError, match="more than one form"):
        sets.read(folder)
    (folder / "questions.jsonl").unlink()
    (folder / "qrels.tsv").unlink()
    with pytest.raises(SettingsError, match=r"there is no .*qrels.tsv"):
        sets.read(folder)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_questions_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "questions.jsonl"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(SettingsError):
        sets.read(path)
