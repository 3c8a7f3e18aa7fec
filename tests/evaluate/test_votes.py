"""The page on which people choose between answers without names, and the counting of their votes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import SettingsError
from rag.evaluate.answering import Answered
from rag.evaluate.models import ballot, votes
from rag.evaluate.models.scoring import Scored
from rag.evaluate.models.standing import Entry
from rag.evaluate.questions import Question
from rag.text.sentences import texts

NAMES = ("embedded:large", "ollama:small")


def entries(count: int = 6) -> list[Entry]:
    return [
        Entry(
            name=name,
            digest="",
            runtime="",
            size_bytes=None,
            scored=tuple(
                Scored(
                    question=Question(id=f"q{n}", text=f"Was gilt im Fall {n}?", answerable=False),
                    answer=Answered(outcome="answered"),
                    said=f"Antwort {n} {'eins' if name == NAMES[0] else 'zwei'} <b>fett</b>",
                )
                for n in range(count)
            ),
        )
        for name in NAMES
    ]


def key_and_winner(choices: list[str], tmp_path: Path) -> tuple[dict[str, Any], Path]:
    drawn = ballot.ballot(entries(len(choices)), {}, seed=3)
    path = tmp_path / "votes.jsonl"
    path.write_text(
        "".join(
            json.dumps({"ballot": drawn.name, "pairing": one.id, "choice": choice}) + "\n"
            for one, choice in zip(drawn.pairings, choices, strict=True)
        )
    )
    return drawn.key(), path


def for_model(name: str, tmp_path: Path, count: int) -> tuple[dict[str, Any], Path]:
    """A person who always prefers that model, wherever it stands."""
    drawn = ballot.ballot(entries(count), {}, seed=3)
    return key_and_winner(["left" if one.left_model == name else "right" for one in drawn.pairings], tmp_path)


def test_the_page_tells_no_name_of_a_model() -> None:
    page = ballot.render(ballot.ballot(entries(), {"q1": "Es gilt A."}, seed=1))
    assert not [name for name in (*NAMES, "large", "small", "ollama", "embedded") if name in page]
    assert "Es gilt A." in page


def test_sides_are_drawn_by_chance_and_the_same_seed_draws_them_again() -> None:
    drawn = ballot.ballot(entries(60), {}, seed=5)
    left = sum(one.left_model == NAMES[0] for one in drawn.pairings)
    assert 15 < left < 45
    assert drawn == ballot.ballot(entries(60), {}, seed=5)
    assert drawn != ballot.ballot(entries(60), {}, seed=6)


def test_answers_that_are_the_same_are_not_put_to_a_vote() -> None:
    one, other = entries(3)
    with pytest.raises(SettingsError, match="nothing to choose"):
        ballot.ballot([one, Entry(name="x", digest="", runtime="", size_bytes=None, scored=one.scored)], {}, seed=1)
    assert len(ballot.ballot([one, other], {}, seed=1).pairings) == 3


def test_votes_are_counted_for_the_model_wherever_it_stood(tmp_path: Path) -> None:
    key, path = for_model(NAMES[1], tmp_path, 10)
    (duel,) = votes.count([path], key)
    assert (duel.one, duel.won, duel.lost, duel.alike) == (NAMES[0], 0, 10, 0)
    assert duel.chance == pytest.approx(2 / 2**10)
    assert duel.share.value == 0.0


@given(st.lists(st.sampled_from(["left", "right", "alike"]), min_size=1, max_size=12))
@settings(max_examples=20)
def test_every_vote_is_counted_once(tmp_path_factory: pytest.TempPathFactory, choices: list[str]) -> None:
    key, path = key_and_winner(choices, tmp_path_factory.mktemp("votes"))
    (duel,) = votes.count([path, path], key)
    assert duel.won + duel.lost + duel.alike == 2 * len(choices)
    assert duel.alike == 2 * choices.count("alike")


@pytest.mark.parametrize(
    "held", [[], {"ballot": "x", "pairings": []}, {"ballot": "x", "pairings": {"v1": {"left": "a"}}}]
)
def test_what_is_no_key_is_refused(tmp_path: Path, held: Any) -> None:
    (tmp_path / "key.json").write_text(json.dumps(held))
    with pytest.raises(SettingsError, match="no key of votes"):
        votes.key_of(tmp_path / "key.json")


def test_a_pairing_that_is_no_name_is_refused_with_its_line(tmp_path: Path) -> None:
    key, path = key_and_winner(["left"], tmp_path)
    path.write_text(json.dumps({"ballot": key["ballot"], "pairing": ["v1"], "choice": "left"}) + "\n")
    with pytest.raises(SettingsError, match="line 1: no vote of this page"):
        votes.count([path], key)


def test_answers_to_other_questions_are_not_put_beside_each_other() -> None:
    one, other = entries()
    with pytest.raises(SettingsError, match="same questions"):
        ballot.ballot([one, replace(other, scored=other.scored[:2])], {}, seed=3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 2: no vote"),
        ('{"ballot": "another", "pairing": "v1", "choice": "left"}', "line 2: a vote given on another page"),
        ('{"ballot": "BALLOT", "pairing": "v99", "choice": "left"}', "line 2: no vote of this page"),
        ('{"ballot": "BALLOT", "pairing": "v1", "choice": "best"}', "line 2: no vote of this page"),
    ],
)
def test_a_line_that_is_no_vote_of_this_page_is_refused(tmp_path: Path, line: str, said: str) -> None:
    key, path = key_and_winner(["left"], tmp_path)
    path.write_text(path.read_text() + line.replace("BALLOT", key["ballot"]) + "\n")
    with pytest.raises(SettingsError, match=re.escape(said)):
        votes.count([path], key)


def test_both_languages_have_the_same_sentences() -> None:
    assert texts("de", "vote").keys() == texts("en", "vote").keys()
    assert all(texts("de", "vote")[name] != said for name, said in texts("en", "vote").items())


def test_the_page_is_voted_on_by_keyboard_and_saves_what_was_chosen(tmp_path: Path, browser: Any) -> None:
    drawn = ballot.ballot(entries(3), {"q0": "Es gilt A."}, seed=4)
    place = tmp_path / "vote.html"
    place.write_text(ballot.render(drawn), encoding="utf-8")
    context = browser.new_context(locale="de-DE", accept_downloads=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "blob:")) else wrong.append(request.url)
    )
    try:
        page.goto(place.as_uri())
        assert page.inner_text("h1") == "Welche Antwort ist besser?"
        page.click("#other")
        assert page.inner_text("h1") == "Which answer is better?"
        assert "<b>fett</b>" in page.inner_text("#left"), "an answer became markup"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#progress") == "3 of 3"
        assert page.is_visible("#finished")
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "votes.jsonl")
    finally:
        context.close()
    assert wrong == []
    said = [json.loads(line) for line in (tmp_path / "votes.jsonl").read_text().splitlines()]
    assert [(one["pairing"], one["choice"]) for one in said] == [("v1", "left"), ("v2", "alike"), ("v3", "right")]
    assert votes.count([tmp_path / "votes.jsonl"], drawn.key())[0].alike == 1
