"""What is counted of questions, models and the index."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag import errors
from rag.answers import Answer, AnswerEvent, Done, Found, Outcome
from rag.app.observing import Counted
from rag.errors import ModelTimeout, StoreError
from rag.ingest.watch import Watch
from rag.metrics import OTHER, UNEXPECTED, Metrics, reason
from rag.models import chat_completions
from rag.models.metered import Metered
from rag.ports import Delta, Generation, Usage
from rag.store.audit import AuditLog
from tests.standins import ScriptedModel

TIMES = {"retrieve": 30.0, "prompt": 50.0, "first_token": 450.0, "first_sentence": 700.0, "total": 900.0}


def value(metrics: Metrics, name: str, *readings: Any) -> float:
    """Of one series, written as Prometheus does."""
    page = metrics.render(*readings).decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def answered() -> Iterator[AnswerEvent]:
    yield Found(passages=(), evidence=0.9)
    yield Done(answer=Answer(question="?", text="!", outcome=Outcome.ANSWERED, timing_ms=TIMES))


def test_an_answer_is_counted_by_its_outcome_and_each_stage_once() -> None:
    metrics = Metrics(version="1")
    events = Counted(answered, metrics)
    assert len(list(events)) == 2
    events.close()
    assert value(metrics, 'archivar_answers_total{outcome="answered"}') == 1
    assert value(metrics, 'archivar_answers_total{outcome="abandoned"}') == 0
    for stage, seconds in {"retrieve": 0.03, "read": 0.4, "model": 0.85, "first_token": 0.45, "total": 0.9}.items():
        assert value(metrics, f'archivar_answer_stage_seconds_sum{{stage="{stage}"}}') == pytest.approx(seconds)
        assert value(metrics, f'archivar_answer_stage_seconds_count{{stage="{stage}"}}') == 1


def test_whoever_goes_away_is_counted_and_the_answer_closed() -> None:
    closed = []

    def make() -> Iterator[AnswerEvent]:
        try:
            yield from answered()
        finally:
            closed.append(True)

    metrics = Metrics(version="1")
    events = Counted(make, metrics)
    next(events)
    events.close()
    assert closed == [True]
    assert value(metrics, 'archivar_answers_total{outcome="abandoned"}') == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_what_fails_is_counted_by_its_kind_and_raised(at_once: bool) -> None:
    def later() -> Iterator[AnswerEvent]:
        yield Found(passages=(), evidence=0.9)
        raise StoreError("the disk of Frau Beispiel")

    def make() -> Iterator[AnswerEvent]:
        if at_once:
            raise StoreError("the disk of Frau Beispiel")
        return later()

    metrics = Metrics(version="1")
    with pytest.raises(StoreError):
        list(Counted(make, metrics))
    assert value(metrics, 'archivar_failures_total{part="question",reason="StoreError"}') == 1
    assert value(metrics, 'archivar_answers_total{outcome="failed"}') == 1
    assert b"Beispiel" not in metrics.render()


def test_what_else_an_answer_can_do_it_does_behind_the_counting_too() -> None:
    class Telling(Iterator[AnswerEvent]):
        hung_up = False

        def __next__(self) -> AnswerEvent:
            raise StopIteration

        def hang_up(self) -> None:
            self.hung_up = True

    inner = Telling()
    Counted(lambda: inner, Metrics(version="1")).hang_up()
    assert inner.hung_up
    assert getattr(Counted(answered, Metrics(version="1")), "hang_up", None) is None


def test_a_reason_is_a_kind_of_our_own_errors_or_none() -> None:
    class Spy(errors.ModelTimeout):
        """Of somewhere else."""

    assert reason(Spy("x")) == "ModelTimeout"
    assert reason(type("Kanarienvogel", (ValueError,), {})("x")) == UNEXPECTED


def test_no_word_gets_into_a_label_that_is_not_the_programs() -> None:
    metrics = Metrics(version="1")
    metrics.ended("Kanarienvogel", {"Kanarienvogel": 1.0})
    metrics.failed("Kanarienvogel", ValueError("Kanarienvogel"))
    metrics.problem("Kanarienvogel!")
    metrics.responded(method="KANARIENVOGEL", route="unmatched", status=404, first_s=0.1, whole_s=0.1)
    page = metrics.render().decode()
    assert "kanarienvogel" not in page.lower()
    assert f'outcome="{OTHER}"' in page


def test_a_figure_that_cannot_be_read_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Iterator[Any]:
        raise StoreError("secret words")
        yield

    metrics = Metrics(version="1")
    page = metrics.render(broken, lambda: [("chunks", "Chunks.", {}, 5)]).decode()
    assert "\narchivar_chunks 5.0" in page
    assert [record.action for record in caplog.records] == ["metric_unread"]  # type: ignore[attr-defined]
    assert "secret words" not in caplog.text


def test_two_processes_figures_do_not_mix() -> None:
    one, other = Metrics(version="1"), Metrics(version="1")
    one.ended("answered")
    assert value(other, 'archivar_answers_total{outcome="answered"}') == 0


# ---- the model ----


class Caching(ScriptedModel):
    def stream(self, messages: Any, generation: Generation, **how: Any) -> Iterator[Delta]:
        yield Delta(text="Ja.")
        yield Delta(usage=Usage(prompt_tokens=100, output_tokens=7, finish="stop", cached_tokens=60))


def test_tokens_are_counted_and_those_the_model_had_read_before() -> None:
    metrics = Metrics(version="1")
    for _ in range(2):
        list(Metered(Caching(), metrics).stream([], Generation()))
    assert value(metrics, 'archivar_tokens_total{direction="in"}') == 200
    assert value(metrics, 'archivar_tokens_total{direction="out"}') == 14
    assert value(metrics, "archivar_prompt_tokens_reused_total") == 120


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 60}}, 60),
        ({"prompt_tokens_details": {"cached_tokens": "many"}}, None),
        ({"prompt_tokens_details": None}, None),
        ({"prompt_tokens_details": [60]}, None),
        ({}, None),
    ],
)
def test_a_server_may_say_what_it_had_in_its_cache_or_not(told: dict[str, Any], tokens: int | None) -> None:
    assert chat_completions._cached(told) == tokens


def test_a_model_that_fails_is_counted_and_one_that_is_hung_up_on_is_closed() -> None:
    metrics = Metrics(version="1")
    model = ScriptedModel("Ja", ModelTimeout("Frau Beispiel"))
    with pytest.raises(ModelTimeout):
        list(Metered(model, metrics).stream([], Generation()))
    assert value(metrics, 'archivar_failures_total{part="model",reason="ModelTimeout"}') == 1
    deltas = Metered(model, metrics).stream([], Generation())
    next(deltas)
    deltas.close()  # type: ignore[attr-defined]
    assert model.closed == 2


# ---- the index ----


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_lag_is_the_age_of_the_oldest_change_that_is_not_indexed() -> None:
    clock, lags = Clock(), []
    fails = [False]

    def sync(name: str, scopes: tuple[str, ...], restless: Callable[[str], bool]) -> int:
        lags.append(watch.lag_s)
        if fails[0]:
            raise StoreError("no")
        return 0

    watch = Watch(["a", "b"], sync, settle_s=2, full_sync_s=3600, clock=clock)
    assert watch.compared_s is None
    watch.turn()
    assert (watch.lag_s, watch.compared_s) == (0.0, 0.0)
    clock.now = 10
    watch.hint("a", "x")
    clock.now = 11
    watch.hint("b", "y")
    assert watch.lag_s == 1
    clock.now = 13
    watch.turn()
    assert lags[-2:] == [3, 2], "what is being read is not indexed yet"
    assert watch.lag_s == 0
    fails[0] = True
    watch.hint("a", "x")
    clock.now = 15
    watch.turn()
    clock.now = 20
    assert watch.lag_s == 7, "what failed waits since it was noted"
    assert watch.compared_s == 20


def test_records_that_could_not_be_written_are_counted(tmp_path: Any) -> None:
    audit = AuditLog(tmp_path / "audit")
    audit.chain.append({"event": "x"})
    (tmp_path / "audit").rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(StoreError):
            audit.chain.append({"event": "x"})
    assert audit.chain.failures == 2
    audit.close()
