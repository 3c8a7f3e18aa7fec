"""The figures of an evaluation, counted on a set small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.access import LOOPBACK
from rag.errors import SettingsError
from rag.evaluate import page, report, runs, sets
from rag.evaluate.baselines import Bm25
from rag.evaluate.summary import LOWER, NAMES, Summary, summarise
from tests.evaluate.house import OWNER, QUESTIONS, Shelved, question, written
from tests.standins import Shelf


def measured(shelf: Shelf, folder: Path, *, shift: int = 0, **wanted: bool) -> Summary:
    app: Any = Shelved(shelf, shift)
    asked = sets.read(written(folder, *QUESTIONS)).questions
    return summarise("small", runs.run(app, asked, principal=OWNER, **wanted), threshold=0.25)


def test_recall_counts_a_right_document_among_the_first(shelf: Shelf, tmp_path: Path) -> None:
    found = report.plain(measured(shelf, tmp_path))
    assert (found["questions"], found["answerable"]) == (5, 4)
    assert (found["recall@1"], found["recall@5"], found["missed"]) == (0.5, 0.75, ["missed"])
    assert found["recall@5_by_kind"] == {"plain": 1.0, "two": 0.6667}
    assert found["ndcg@10"] == round((1 + 1 + 0 + 0.6309) / 4, 4)
    assert "answers" not in found


def test_verbatim_counts_the_quotes_that_stand_where_they_say(shelf: Shelf, tmp_path: Path) -> None:
    found = report.plain(measured(shelf, tmp_path, answers=True))["answers"]
    assert found["citations"] == found["verbatim"] > 0
    assert report.plain(measured(shelf, tmp_path, answers=True, shift=1))["answers"]["verbatim"] == 0


def test_citations_of_a_right_document_and_outcomes_are_counted_apart(shelf: Shelf, tmp_path: Path) -> None:
    found = report.plain(measured(shelf, tmp_path, answers=True))["answers"]
    assert found["of_right_document"] == 1, "the others were asked about another document or none"
    assert sum(found["outcomes"]["answerable"].values()) == 4
    assert sum(found["outcomes"]["unanswerable"].values()) == 1


def test_a_run_has_every_figure_a_gate_may_ask_for_and_words_for_each(shelf: Shelf, tmp_path: Path) -> None:
    figures = measured(shelf, tmp_path, answers=True).figures
    assert set(figures) == set(NAMES) == set(page.WORDS)
    assert set(NAMES) >= LOWER
    assert all(figure.low <= figure.value <= figure.high for figure in figures.values())


def test_documents_are_ranked_by_their_first_passage(shelf: Shelf, tmp_path: Path) -> None:
    summary = measured(shelf, tmp_path)
    assert replace(summary.results[0], ranking=("alt.txt", "urlaub.txt")).scores()["mrr@10"] == 0.5
    with Shelf(tmp_path) as long:
        long.put(
            "lang.txt", "\n\n".join(f"Der Urlaub im Jahr {year}: {year % 40} Tage. " * 20 for year in range(2000, 2009))
        )
        app: Any = Shelved(long)
        asked = sets.read(written(tmp_path, question("q", "Urlaub im Jahr 2004", "lang.txt"))).questions
        assert len(app.search("Urlaub im Jahr 2004", principal=OWNER, channel=LOOPBACK, k=50).passages) > 3
        assert runs.run(app, asked, principal=OWNER)[0].ranking == ("lang.txt",)


def test_baselines_rank_the_same_documents_in_the_same_run(shelf: Shelf, tmp_path: Path) -> None:
    summary = measured(shelf, tmp_path, baselines=True)
    assert set(summary.baselines) == {"bm25", "dense", "words"} == set(summary.gains)
    assert {result.others[of][0] for of in summary.baselines for result in summary.results[:1]} == {"urlaub.txt"}
    gain = summary.figures["ndcg@10"].value - summary.baselines["bm25"]["ndcg@10"].value
    assert summary.gains["bm25"].value == pytest.approx(gain)


def test_plain_bm25_scores_as_its_formula_says() -> None:
    floor = Bm25({"long": "der Hund und die Katze und der Igel", "short": "Der HUND", "decomposed": "U\u0308bung"})
    assert floor.rank("hund") == ["short", "long"], "the same word weighs more in a shorter text"
    assert floor.rank("\u00dcBUNG") == ["decomposed"], "NFKC and case folded"
    assert floor.rank("katze hund") == ["long", "short"]
    assert floor.rank("maus") == []
    assert Bm25({}).rank("maus") == []


def test_documents_may_be_named_by_their_whole_id(shelf: Shelf, tmp_path: Path) -> None:
    app: Any = Shelved(shelf)
    asked = sets.read(written(tmp_path, question("whole", QUESTIONS[0]["text"], "house:urlaub.txt"))).questions
    assert runs.run(app, asked, principal=OWNER)[0].scores()["recall@1"] == 1


def test_a_home_without_any_of_the_documents_is_said_before_a_question_is_asked(shelf: Shelf, tmp_path: Path) -> None:
    app: Any = Shelved(shelf)
    runs.check_indexed(app, sets.read(written(tmp_path / "here", *QUESTIONS)))
    asked = sets.read(written(tmp_path / "there", question("one", "Was?", "nirgends.txt")))
    with pytest.raises(SettingsError, match="rag ingest"):
        runs.check_indexed(app, asked)


def test_no_question_gives_no_figure() -> None:
    assert summarise("none", [], threshold=0.25).figures == {}
    assert report.plain(summarise("none", [], threshold=0.25))["recall@5"] is None
