"""The page of an evaluation, and the pictures on it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from lxml import etree, html

from rag.evaluate import page, plots, report, runs, sets
from rag.evaluate.abstention import curve
from rag.evaluate.intervals import Figure
from rag.evaluate.plots import Row
from rag.evaluate.questions import Question
from rag.evaluate.summary import Summary, summarise
from tests.evaluate.house import OWNER, QUESTIONS, Shelved, question, written
from tests.standins import Shelf

HOSTILE = '<script>alert(1)</script> & "Urlaub" </style>'


@pytest.fixture(scope="module")
def rendered(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with everything on it: two sets, answers, baselines, a comparison and a missed gate."""
    app: Any = Shelved(shelf)
    folder = written(tmp_path_factory.mktemp("asked"), *QUESTIONS, question("bad", HOSTILE, "alt.txt", kind="<b>"))
    results = runs.run(app, sets.read(folder).questions, principal=OWNER, answers=True, baselines=True)
    summaries = [summarise(name, results, threshold=0.25) for name in ("small & <i>", "other")]
    before = [{**one.as_json(), "ndcg@10": 0.1} if one.question.needs else one.as_json() for one in results]
    made = report.assemble(
        summaries,
        app.settings,
        earlier={"other": before},
        against="before.json",
        gate="gate.toml",
        missed=["ndcg@10 of other is 0.5; it must be at least 0.9."],
    )
    return page.render(made)


def test_the_page_needs_nothing_beside_it_and_no_script(rendered: str) -> None:
    tree = html.fromstring(rendered)
    assert not tree.xpath("//script | //link | //img | //iframe | //@onclick | //@src")
    assert all(link.startswith("#") for link in tree.xpath("//@href"))
    assert not re.search(r"url\(|@import|http", tree.xpath("string(//style)"))


def test_what_was_asked_is_shown_and_never_run(rendered: str) -> None:
    tree = html.fromstring(rendered)
    assert HOSTILE in " ".join(tree.xpath("//td//text()"))
    assert "small & <i>" in tree.xpath("//h2/text()")
    assert not tree.xpath("//i | //b")


def test_every_table_has_a_caption_and_every_picture_says_what_it_shows(rendered: str) -> None:
    tree = html.fromstring(rendered)
    assert len(tree.xpath("//table")) == len(tree.xpath("//table/caption")) > 5
    pictures = tree.xpath("//*[local-name() = 'svg']")
    assert len(pictures) == 2 * 5 + 1
    assert all(len(one.get("aria-label")) > 40 and one.get("role") == "img" for one in pictures)


def test_the_page_is_accessible_and_fits_its_window(rendered: str, tmp_path: Path, browser: Any) -> None:
    path = tmp_path / "eval.html"
    path.write_text(rendered, encoding="utf-8")
    for scheme in ("light", "dark"):
        tab = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme=scheme)
        tab.goto(path.as_uri())
        assert Axe().run(tab).violations_count == 0, scheme
        assert tab.evaluate("document.documentElement.scrollWidth") == 1200
        tab.close()


def figure(value: float, low: float, high: float) -> Figure:
    return Figure(value=value, low=low, high=high, n=12)


def numbers(picture: str, expression: str) -> list[float]:
    return [float(one) for one in etree.fromstring(picture).xpath(expression)]


def test_a_dot_stands_where_its_figure_is_and_its_line_reaches_over_the_interval() -> None:
    picture = plots.dots("Bild", [Row("eins", figure(0.75, 0.5, 1.0)), Row("zwei", figure(1.0, 1.0, 1.0))])
    low, high = numbers(picture, "//line[@class='whisker']/@x1")[0], numbers(picture, "//line[@class='whisker']/@x2")[0]
    first, last = numbers(picture, "//circle/@cx")
    assert (first - low) == pytest.approx(high - first)
    assert last == high
    assert "eins: 0.750, 0.500 to 1.000, 12 questions" in picture


def test_differences_stand_on_their_side_of_nothing() -> None:
    rows = [Row("less", figure(-0.2, -0.3, -0.1)), Row("more", figure(0.1, 0.0, 0.2))]
    picture = plots.dots("Bild", rows, around_zero=True)
    (nothing,) = numbers(picture, "//line[@class='zero']/@x1")
    less, more = numbers(picture, "//circle/@cx")
    assert less < nothing < more
    assert "-0.200" in picture
    assert "+0.100" in picture


def test_the_curve_marks_what_the_threshold_in_use_brings() -> None:
    picture = plots.abstention("Bild", curve([0.9, 0.6, 0.2], [0.3, 0.1]), 0.25)
    assert "33.3% wrong refusals and 50.0% false answers" in picture


def test_a_histogram_loses_nobody() -> None:
    values = [10.0] * 60 + [20.0] * 39 + [5000.0]
    picture = plots.histogram("Bild", values, unit="ms")
    heights = numbers(picture, "//rect/@height")
    assert sum(heights) == pytest.approx(max(heights) * 100 / 60, rel=2e-3)


def test_a_set_that_nothing_answers_has_a_page_with_baselines_too(shelf: Shelf) -> None:
    app: Any = Shelved(shelf)
    nothing = Question(id="n", text="Wie hoch ist der Turm?", answerable=False)
    results = runs.run(app, [nothing], principal=OWNER, baselines=True)
    made = report.assemble([summarise("nothing", results, threshold=0.25)], app.settings)
    assert "Wie hoch ist der Turm?" in page.render(made) or not results[0].evidence >= 0.25


def test_a_set_without_unanswerable_questions_has_no_curve(shelf: Shelf, tmp_path: Path) -> None:
    app: Any = Shelved(shelf)
    asked = sets.read(written(tmp_path, QUESTIONS[0])).questions
    summary: Summary = summarise("one", runs.run(app, asked, principal=OWNER), threshold=0.25)
    made = page.render(report.assemble([replace(summary)], app.settings))
    assert "Every threshold on the evidence" not in made
    assert "Worst questions" not in made
