"""What of the passages a model is given, and that nothing is left out in silence."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.access import LOOPBACK
from rag.answers import Answer, Done
from rag.ask import budget, cite
from rag.ask.speed import ReadingSpeeds
from rag.identity import person
from tests.ask.test_cite import passage
from tests.standins import ScriptedModel, Shelf, says

QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
TABLE = "Vorwort.\n\n| Ziel | Satz |\n| --- | --- |\n| Wien | 38 € |\n| Leeds | 52 € |"


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8), st.integers(0, 900))
def test_as_many_whole_passages_fit_as_the_budget_holds_and_always_one(sizes: list[int], room: int) -> None:
    passages = [passage("x" * size, number=number) for number, size in enumerate(sizes)]
    found = budget.whole(passages, fits=lambda texts: sum(map(len, texts)) <= room)
    count = len(found.passages)
    assert count >= 1 and found.left_out == len(sizes) - count
    assert count == 1 or sum(sizes[:count]) <= room
    assert count == len(sizes) or sum(sizes[: count + 1]) > room


def extracted(texts: list[str], nearness: list[float], room: int) -> budget.Given:
    passages = [passage(text, number=number) for number, text in enumerate(texts)]
    units = cite.units_of(passages)
    return budget.extract(passages, units, nearness, fits=lambda some: sum(map(len, some)) <= room)


def test_the_nearest_sentences_are_kept_in_order_with_a_mark_between() -> None:
    found = extracted(["Eins hier. Zwei hier. Drei hier."], [0.9, 0.1, 0.8], 28)
    assert found.texts == (f"Eins hier.\n{budget.GAP}\nDrei hier.",)


def test_a_row_brings_its_tables_header() -> None:
    found = extracted([TABLE], [0.0, 0.0, 0.0, 0.0, 0.9], 42)
    assert found.texts == (f"{budget.GAP}\n| Ziel | Satz |\n{budget.GAP}\n| Leeds | 52 € |",)


def test_a_passage_of_which_nothing_is_near_is_left_out_and_counted() -> None:
    found = extracted(["Weit weg.", "Ganz nah."], [0.1, 0.9], 12)
    assert [one.chunk.text for one in found.passages] == ["Ganz nah."]
    assert found.left_out == 1


def test_one_sentence_is_given_however_little_fits() -> None:
    assert extracted(["Ein Satz hier. Noch einer."], [0.9, 0.1], 0).texts == (f"Ein Satz hier.\n{budget.GAP}",)


def test_what_was_left_out_is_logged_by_key_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        budget.whole([passage("geheim eins"), passage("geheim zwei", number=1)], fits=lambda texts: len(texts) < 2)
    (record,) = caplog.records
    assert record.__dict__["documents"] == ["key1"]
    assert "geheim" not in str(record.__dict__)


def test_a_speed_is_the_median_of_the_last_and_neither_the_first_nor_short_prompts_tell() -> None:
    speeds = ReadingSpeeds()
    speeds.learn("m", tokens=200, seconds=900.0)
    for _ in range(5):
        speeds.learn("m", tokens=5, seconds=1.0)
    for seconds in (1.0, 2.0):
        speeds.learn("m", tokens=200, seconds=seconds)
        assert speeds.tokens_a_second("m") is None
    speeds.learn("m", tokens=200, seconds=100.0)
    assert speeds.tokens_a_second("m") == 100.0


def end(shelf: Shelf, speeds: ReadingSpeeds, **rules: Any) -> tuple[Answer, str]:
    model = ScriptedModel(says("Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."))
    answerer = shelf.answerer(model, evidence=0.0, **rules)
    answerer = type(answerer)(
        retriever=answerer.retriever, audit=answerer.audit, model=model, rules=answerer.rules, speeds=speeds
    )
    *_, done = answerer.ask(QUESTION, principal=person("anna", {}), channel=LOOPBACK)
    assert isinstance(done, Done)
    return done.answer, model.prompts[0][-1].content


def long_house(shelf: Shelf) -> None:
    filler = " ".join(f"Die Regelung Nummer {n} betrifft andere Vorgänge im Hause." for n in range(30))
    shelf.put("urlaub.txt", f"{filler}\n\nDer Urlaub beträgt im Kalenderjahr 30 Arbeitstage. {filler[:600]}")
    shelf.put("kantine.txt", f"Die Kantine öffnet im Kalenderjahr an 220 Arbeitstagen. {filler[:900]}")


def test_a_slow_model_is_given_sentences_and_a_fast_one_whole_passages(own_shelf: Shelf) -> None:
    long_house(own_shelf)
    slow, fast = ReadingSpeeds(), ReadingSpeeds()
    for _ in range(4):
        slow.learn("sha256:" + "5" * 64, tokens=200, seconds=10.0)
        fast.learn("sha256:" + "5" * 64, tokens=2000, seconds=1.0)
    brief, shown = end(own_shelf, slow, prompt_tokens=2000, patience_s=8.0)
    assert budget.GAP in shown and "30 Arbeitstage" in shown
    assert brief.outcome == "answered" and brief.citations
    _, whole = end(own_shelf, fast, prompt_tokens=2000, patience_s=8.0)
    assert budget.GAP not in whole and len(whole) > len(shown)


def test_the_answer_tells_how_many_passages_were_left_out(own_shelf: Shelf) -> None:
    long_house(own_shelf)
    for room in ("Werkstatt", "Labor", "Lager"):
        own_shelf.put(f"{room}.txt", f"Im {room} gilt im Kalenderjahr jeder der Arbeitstage. " * 8)
    answer, _ = end(own_shelf, ReadingSpeeds(), prompt_tokens=300)
    assert answer.left_out > 0
    assert answer.as_json()["left_out"] == answer.left_out


def test_the_prompt_and_the_longest_answer_never_exceed_the_context(own_shelf: Shelf) -> None:
    long_house(own_shelf)
    model = ScriptedModel(says("x"))
    for context in (1100, 1300, 2000, 4096):
        model.context_tokens = context
        *_, _ = own_shelf.answerer(model, evidence=0.0, prompt_tokens=4000, max_answer_tokens=200).ask(
            QUESTION, principal=person("anna", {}), channel=LOOPBACK
        )
        assert model.count_tokens(model.prompts[-1]) + 200 <= context
