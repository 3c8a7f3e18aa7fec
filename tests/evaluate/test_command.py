"""`rag eval` as a command: what it prints, writes, compares and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.cli.arguments import parse
from tests.doors.conftest import Line
from tests.evaluate.house import LEAVE, PAPERS, QUESTIONS, question, written
from tests.evaluate.test_homes import ASKED, DOCUMENTS, QRELS
from tests.evaluate.test_sets import corpus


@pytest.fixture(scope="module")
def asked(line: Line) -> Line:
    """A home that holds the papers, beside a folder of questions and a corpus; what a test adds it takes away."""
    papers = line.folder / "papers"
    papers.mkdir()
    for name, text in PAPERS.items():
        (papers / name).write_text(text, encoding="utf-8")
    line.json("ingest", papers)
    written(line.folder / "golden", *QUESTIONS)
    corpus(line.folder / "beir", DOCUMENTS, ASKED, QRELS)
    return line


def test_one_set_gives_its_plain_figures_and_all_of_them_with_intervals(asked: Line) -> None:
    found = asked.json("eval", "golden", "--answers")
    assert (found["questions"], found["recall@5"], found["missed"]) == (5, 0.75, ["missed"])
    assert found["answers"]["verbatim"] == found["answers"]["citations"] > 0
    own = found["sets"]["golden"]["figures"]["recall@5"]
    assert own["low"] <= own["value"] == 0.75 <= own["high"]
    assert "rows" not in found["sets"]["golden"]


def test_a_run_is_written_and_another_compared_with_it(asked: Line) -> None:
    asked.json("eval", "golden", "more=beir", "--out", "first", "--baselines", "--keep", "kept")
    kept = json.loads((asked.folder / "first/eval.json").read_text())
    assert [row["id"] for row in kept["sets"]["more"]["rows"]] == ["q1", "q2", "q3"]
    assert "<svg" in (asked.folder / "first/eval.html").read_text()
    found = asked.json("eval", "golden", "--against", "first/eval.json")["comparison"]["golden"]
    assert (found["compared"], found["better"], found["worse"]) == (4, [], [])
    assert asked.json("status")["documents"] == len(PAPERS), "the corpus went into the user's home"


def test_a_missed_gate_is_exit_code_1_with_a_sentence_for_each_figure(asked: Line) -> None:
    gate = asked.folder / "gate.toml"
    gate.write_text('[golden]\n"recall@5" = 0.99\n"recall@1" = {least = 0.9}\n"ndcg@10" = 0.1\n')
    done = asked.run("eval", "golden", "--gate", gate, "--json", "--out", "out")
    assert done.returncode == 1
    lines = done.stderr.strip().split("\n")
    assert [line for line in lines if line.startswith("rag: ")] == [
        line for line in lines if "must be at least" in line
    ]
    assert sum("must be at least" in line for line in lines) == 2
    assert len(json.loads(done.stdout)["gate"]["missed"]) == 2
    gate.write_text('[golden]\n"recall@5" = 0.7\n')
    assert asked.json("eval", "golden", "--gate", gate)["gate"]["missed"] == []
    gate.write_text('[golden]\n"support" = 0.7\n')
    done = asked.run("eval", "golden", "--gate", gate, "--out", "again")
    assert (done.returncode, "line 2" in done.stderr, "--answers" in done.stderr) == (2, True, True)
    assert (asked.folder / "again/eval.html").exists(), "what was measured was lost"


def test_right_documents_that_are_not_indexed_are_named(asked: Line) -> None:
    written(asked.folder / "partly", *QUESTIONS, question("gone", LEAVE, "gone.txt"))
    done = asked.run("eval", "partly", "--json")
    assert done.returncode == 0
    assert "2 right documents not indexed here, counted as not found: gone.txt, nirgends.txt." in done.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("eval nowhere", "There is no nowhere"),
        ("eval papers", "holds no questions"),
        ("eval golden --gate other.toml", 'other.toml, line 2: no set is called "xquad" here; there are golden'),
        ("eval golden --against golden/questions.jsonl", "no eval.json"),
        ("eval golden --against another.json", "none of these sets (golden), but other. Name them"),
        ("eval golden --dry-run", "calibrate"),
        ("eval calibrate", "On which questions?"),
        ("eval calibrate golden", "questions are too few"),
        ("eval golden --out golden/questions.jsonl", "cannot be written"),
        ("eval beir --keep home", "--keep another folder"),
    ],
)
def test_what_cannot_be_measured_is_said_with_exit_code_2(asked: Line, typed: str, said: str) -> None:
    (asked.folder / "another.json").write_text('{"sets": {"other": {"rows": []}}}')
    (asked.folder / "other.toml").write_text('[xquad]\n"ndcg@10" = 1\n')
    done = asked.run(*typed.split())
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_calibration_is_tried_before_it_is_kept(asked: Line) -> None:
    mixed = [question(f"yes-{n}", f"{LEAVE} {n}", "urlaub.txt") for n in range(24)]
    mixed += [question(f"no-{n}", f"Wann wurde Mond {n} entdeckt?", answerable=False) for n in range(24)]
    written(asked.folder / "mine", *mixed)
    tried = asked.json("eval", "calibrate", "mine", "--dry-run")
    path = asked.home / "calibration.json"
    assert (tried["written"], path.exists()) == (None, False)
    assert (tried["examples"], tried["answering"]) == (48, 24)
    assert tried["after"]["auroc"]["value"] > 0.9
    assert asked.json("eval", "calibrate", "mine")["written"] == str(path)
    kept = json.loads(path.read_text())
    assert kept["shift"] == pytest.approx(tried["shift"], abs=1e-5)
    assert kept["embedder"], "it holds for the embedder it was fitted with"
    assert asked.json("search", LEAVE)["evidence"] > 0.5 > asked.json("search", "Mond")["evidence"]
    path.unlink()


def test_questions_of_the_home_itself_are_found_without_a_folder(asked: Line) -> None:
    written(asked.home, *QUESTIONS)
    done = asked.run("eval", "calibrate")
    (asked.home / "questions.jsonl").unlink()
    assert (done.returncode, "5 questions are too few" in done.stderr) == (2, True)


def test_sets_and_flags_may_be_mixed() -> None:
    options = parse(["eval", "a", "b=c", "--gate", "g.toml", "--keep", "k", "--limit", "3", "--json"])
    assert (options.folders, options.gate, options.keep, options.limit) == (["a", "b=c"], Path("g.toml"), Path("k"), 3)
