"""`rag models compare`: answers of scripted models through the real flow and the real scoring."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answers import ModelInfo
from rag.ask.course import Before
from rag.errors import ContextOverflow, ModelUnavailable, SettingsError
from rag.evaluate import gate
from rag.evaluate.answering import Answered
from rag.evaluate.models import cases, contest, page, report, trial
from rag.evaluate.models.contestants import Contestant, contestant, contestants
from rag.evaluate.models.machine import Meter
from rag.evaluate.models.report import Comparison
from rag.evaluate.models.scoring import Scored, states
from rag.evaluate.models.standing import FIGURES, Entry, figures_of, harmonic, stand
from rag.evaluate.questions import Question, golden
from rag.ports import Delta, Generation, Message, Usage
from tests.evaluate.house import OWNER, TRUE, Shelved
from tests.standins import ScriptedModel, Shelf, says

LEAVE = Question(
    id="leave",
    text="Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?",
    answerable=True,
    language="de",
    needs=(frozenset({"urlaub.txt"}),),
    facts=("30 Arbeitstage",),
)
LUNCH = Question(
    id="lunch",
    text="Was kostet ein Mittagessen in der Kantine?",
    answerable=True,
    language="de",
    needs=(frozenset({"kantine.txt"}),),
    facts=("6,50 Euro",),
)
NOTHING = Question(id="nothing", text="Wie viele Parkplätze hat die Kantine?", answerable=False, language="de")
ASKED = (LEAVE, LUNCH, NOTHING)
LUNCH_TRUE = "Ein Mittagessen in der Kantine kostet 6,50 Euro."
ALLOWED = Before(chars=4000, extracted=False)


class Knowing:
    """Says what it knows to each question, and remembers what it was given."""

    context_tokens = 4096

    def __init__(self, **said: str) -> None:
        self._said = said
        self.info = ModelInfo(name="knowing", digest="sha256:" + "1" * 64, runtime="embedded")
        self.prompts: list[str] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) // 3 for message in messages)

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        self.prompts.append(messages[-1].content.partition("<passages>")[2])
        asked = messages[-1].content.rpartition("Question:")[2]
        yield Delta(text=next((said for key, said in self._said.items() if key in asked), says()))
        yield Delta(usage=Usage(prompt_tokens=40, output_tokens=5, finish="stop", cached_tokens=10))

    def close(self) -> None:
        pass


def tried(shelf: Shelf, model: object, asked: Sequence[Question] = ASKED) -> tuple[Scored, ...]:
    gathered = cases.gather(Shelved(shelf), asked, principal=OWNER)  # type: ignore[arg-type]  # as much of an App as it uses
    return trial.run(
        shelf.answerer(None),
        gathered,
        model=model,
        principal=OWNER,
        allowance=ALLOWED,  # type: ignore[arg-type]
    ).scored


def test_a_right_answer_is_worth_1_and_a_question_left_unanswered_rightly_too(shelf: Shelf) -> None:
    scored = tried(shelf, Knowing(Arbeitstage=says(TRUE), Mittagessen=says(LUNCH_TRUE)))
    assert [one.worth for one in scored] == [1.0, 1.0, 1.0]
    assert [one.right_fact for one in scored] == [True, True, None]
    assert [one.answer.outcome for one in scored] == ["answered", "answered", "nothing_found"]


def test_an_answer_from_another_document_is_worth_nothing_although_it_is_supported(shelf: Shelf) -> None:
    (scored,) = tried(shelf, ScriptedModel(says(LUNCH_TRUE)), [LEAVE])
    assert (scored.answer.supported, scored.right_citations, scored.right_fact, scored.worth) == (1, 0.0, False, 0.0)


def test_an_answer_in_another_language_is_seen(shelf: Shelf) -> None:
    (scored,) = tried(shelf, ScriptedModel(says("The leave in a calendar year is 30 working days for all.")), [LEAVE])
    assert scored.language_kept is False or not scored.given
    said = Scored(
        question=LEAVE,
        answer=Answered(outcome="answered", sentences=1, supported=1),
        said="The leave in a calendar year is 30 working days for all of you.",
    )
    assert (said.language_kept, said.worth) == (False, 0.0)


def test_every_model_is_given_the_same_passages_letter_by_letter(shelf: Shelf) -> None:
    one, other = Knowing(), Knowing(Arbeitstage=says(TRUE))
    tried(shelf, one)
    tried(shelf, other)
    assert one.prompts == other.prompts
    assert len(one.prompts) == len(ASKED)


@pytest.mark.parametrize("error", [ContextOverflow("too long"), ModelUnavailable("gone")])
def test_a_model_that_fails_is_told_from_one_that_abstains(shelf: Shelf, error: Exception) -> None:
    (scored,) = tried(shelf, ScriptedModel(error), [LEAVE])
    assert (scored.failure, scored.given, scored.worth, scored.said) == (type(error).__name__, False, 0.0, "")


def test_a_model_that_fails_has_not_left_a_question_unanswered_rightly(shelf: Shelf) -> None:
    (failed,) = tried(shelf, ScriptedModel(ModelUnavailable("gone")), [NOTHING])
    (silent,) = tried(shelf, Knowing(), [NOTHING])
    assert (failed.worth, silent.worth) == (0.0, 1.0)


def test_the_time_of_a_prompt_counts_only_what_was_read_anew(shelf: Shelf) -> None:
    gathered = cases.gather(Shelved(shelf), ASKED, principal=OWNER)  # type: ignore[arg-type]
    found = trial.run(shelf.answerer(None), gathered, model=Knowing(), principal=OWNER, allowance=ALLOWED)
    assert [one.prompt_tokens for one in found.timed if one] == [30, 30, 30]


# ---- ranks ----


def entry(name: str, worths: Sequence[bool], *, size: int | None = None) -> Entry:
    """A model that answers a question well where it is true; every third question has no answer."""
    return Entry(
        name=name,
        digest="",
        runtime="embedded",
        size_bytes=size,
        scored=tuple(map(_scored, *zip(*enumerate(worths), strict=True))),
    )


def _scored(number: int, good: bool) -> Scored:
    answerable = bool(number % 3)
    question = replace(LEAVE if answerable else NOTHING, id=f"q{number}", language="de")
    outcome = "answered" if good == answerable else "nothing_found"
    counts = {"sentences": 1, "supported": 1, "citations": 1, "verbatim": 1, "of_right_document": 1}
    answer = Answered(outcome=outcome, **(counts if outcome == "answered" else {}))  # type: ignore[arg-type]
    return Scored(question=question, answer=answer, said=TRUE if outcome == "answered" else "")


def drawn(generator: random.Random, share: float, count: int = 60) -> list[bool]:
    return [generator.random() < share for _ in range(count)]


def broken(count: int = 60) -> list[bool]:
    """Answers nothing: right only where nothing answers."""
    return [not number % 3 for number in range(count)]


def test_of_two_that_are_alike_neither_is_last_by_its_name() -> None:
    worths = [bool(number % 4) for number in range(60)]
    standing = stand([entry("a", worths), entry("b", worths)])
    assert [one.ranks for one in standing.placed] == [(1,) * 20, (1,) * 20]
    assert [row[-1] for row in report.rows(standing)] == ["0 of 20", "0 of 20"]


def test_reading_ends_with_the_first_thought_not_with_the_first_word(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(perf_counter=map(float, range(9)).__next__)  # a second passes with each look
    monkeypatch.setattr(trial, "time", clock)
    last = Usage(prompt_tokens=40, output_tokens=5, finish="stop", cached_tokens=10)
    model = Wrote(Delta(thought=1), Delta(text="x"), Delta(usage=last))
    observed = trial.Observed(model)
    list(observed.stream([], Generation()))
    assert observed.timed == trial.Timed(
        silent_s=1.0, first_token_s=2.0, total_s=3.0, prompt_tokens=30, output_tokens=5
    )
    assert observed.timed.prompt_tokens_a_second == 30


class Wrote(ScriptedModel):
    """Gives these pieces, and no usage of its own."""

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        yield from (piece for piece in self._pieces if isinstance(piece, Delta))


def test_a_broken_model_is_last_in_20_of_20_resamples() -> None:
    seed = int(os.environ.get("RAG_SEED") or random.SystemRandom().randrange(2**32))
    print(f"RAG_SEED={seed}")
    generator = random.Random(seed)
    entries = [entry("broken", broken()), *(entry(f"m{s}", drawn(generator, s)) for s in (0.8, 0.7, 0.6))]
    standing = stand(entries)
    last = standing.placed[-1]
    assert last.entry.name == "broken"
    assert last.ranks == (4,) * 20
    assert standing.resamples == 20


def test_a_model_that_fails_is_behind_one_that_says_little_however_much_was_quoted_in_its_place() -> None:
    quoted = Answered(outcome="extracts", sentences=3, supported=3, citations=3, verbatim=3, of_right_document=2)
    fails = replace(
        entry("fails", [False] * 12),
        scored=tuple(
            replace(one, answer=quoted, said="", failure="ModelUnavailable")
            for one in entry("fails", [False] * 12).scored
        ),
    )
    little = replace(
        entry("little", broken(12)),
        scored=tuple(
            replace(one, answer=replace(quoted, outcome="incomplete", sentences=1, supported=1), said=TRUE)
            if number == 1
            else one
            for number, one in enumerate(entry("little", broken(12)).scored)
        ),
    )
    assert [placed.entry.name for placed in stand([fails, little]).placed] == ["little", "fails"]


def test_who_says_something_wrong_to_everything_is_behind_one_that_says_nothing() -> None:
    silent = entry("silent", broken(12))
    wrong = Answered(outcome="answered", sentences=1, supported=1, citations=1, verbatim=1, of_right_document=0)
    talks = replace(
        entry("talks", broken(12)), scored=tuple(replace(one, answer=wrong, said=TRUE) for one in silent.scored)
    )
    standing = stand([talks, silent])
    assert [placed.figures["quality"].value for placed in standing.placed] == [0.0, 0.0]
    assert [placed.entry.name for placed in standing.placed] == ["silent", "talks"]
    assert standing.placed[-1].ranks == (2,) * 20


def test_neither_who_answers_everything_nor_who_answers_nothing_is_good() -> None:
    everything = figures_of(entry("all", [bool(number % 3) for number in range(30)]).scored)
    nothing = figures_of(entry("none", broken(30)).scored)
    assert (everything["helpful"].value, everything["quality"].value) == (1.0, 0.0)
    assert (nothing["careful"].value, nothing["quality"].value) == (1.0, 0.0)


@given(one=st.floats(0, 1), other=st.floats(0, 1))
def test_the_harmonic_mean_lies_between_both_and_is_0_where_one_is(one: float, other: float) -> None:
    found = harmonic(one, other)
    assert min(one, other) - 1e-9 <= found <= max(one, other) + 1e-9 or found == 0
    assert (found > 0) == (one > 0 and other > 0) or found < 1e-300


@settings(max_examples=10)
@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=2, max_size=4))
def test_a_model_that_does_every_question_better_is_never_behind(worths: list[list[bool]]) -> None:
    entries = [entry(f"m{number}", own) for number, own in enumerate(worths)] + [entry("best", [True] * 6)]
    standing = stand(entries, resamples=3)
    best = next(one for one in standing.placed if one.entry.name == "best")
    assert best.figures["quality"].value == 1.0
    assert all(other.figures["quality"].value == 1.0 for other in standing.placed if other.rank < best.rank)


def test_the_smallest_model_that_passes_the_gate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text('[models]\nquality = 0.7\n"right_citations" = { least = 0.5 }\n', encoding="utf-8")
    bounds = gate.read(path, names=FIGURES, lower=())
    entries = [
        entry("large", [True] * 12, size=9_000),
        entry("small", [True] * 11 + [False], size=1_000),
        entry("tiny", [False] * 12, size=10),
        entry("unknown", [True] * 12),
    ]
    standing = stand(entries, gate=bounds)
    assert standing.smallest == "small"
    assert "small (0.00 GB)" in report.sentence(standing)
    assert next(one for one in standing.placed if one.entry.name == "tiny").missed


def test_a_gate_for_another_figure_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text('[models]\n"recall@1" = 0.7\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"line 2.*quality"):
        gate.read(path, names=FIGURES, lower=())


def test_models_that_were_asked_other_questions_are_not_ranked() -> None:
    with pytest.raises(SettingsError, match="same questions"):
        stand([entry("one", [True] * 4), entry("other", [True] * 5)])


def house(shelf: Shelf) -> object:
    """As much of an App as a comparison uses."""
    shelved = Shelved(shelf)
    return SimpleNamespace(
        ledger=shelf.ledger,
        retriever=shelf.retriever,
        audit=shelf.audit,
        settings=shelved.settings,
        rules=lambda model: shelf.answerer(None).rules,
    )


def test_a_model_that_cannot_be_had_costs_the_others_nothing_of_what_they_answered(shelf: Shelf) -> None:
    def opening(wanted: Contestant) -> Knowing:
        if wanted.model == "gone":
            raise ModelUnavailable("its file is cut short")
        return Knowing(Arbeitstage=says(TRUE))

    plan = contest.Plan(models=contestants(["embedded:one", "embedded:gone", "embedded:other"]), questions=ASKED)
    found = contest.compare(house(shelf), plan, principal=OWNER, opening=opening)  # type: ignore[arg-type]
    assert {one.entry.name for one in found.standing.placed} == {"embedded:one", "embedded:other"}
    assert found.as_json()["failed"] == {"embedded:gone": "its file is cut short"}
    assert "its file is cut short" in page.render(found)
    judged = contest.compare(
        house(shelf),  # type: ignore[arg-type]
        replace(plan, models=contestants(["embedded:one"]), judge=contestant("embedded:gone@sha256:" + "a" * 64)),
        principal=OWNER,
        opening=opening,
    )
    assert [one.entry.name for one in judged.standing.placed] == ["embedded:one"], "nor one that was to judge"
    assert list(judged.failed) == ["embedded:gone (judge)"]
    with pytest.raises(ModelUnavailable, match="embedded:gone: its file is cut short"):
        contest.compare(
            house(shelf),  # type: ignore[arg-type]
            replace(plan, models=contestants(["embedded:gone"])),
            principal=OWNER,
            opening=opening,
        )


def test_a_gate_that_the_questions_cannot_tell_is_refused_before_any_model_is_asked(
    shelf: Shelf, tmp_path: Path
) -> None:
    path = tmp_path / "gate.toml"
    path.write_text("[models]\nhelpful = 0.1\ncareful = 0.9\n", encoding="utf-8")
    bounds = gate.read(path, names=FIGURES, lower=())
    opened: list[str] = []

    def opening(wanted: Contestant) -> Knowing:
        opened.append(wanted.model)
        return Knowing()

    plan = contest.Plan(models=contestants(["embedded:one"]), questions=(LEAVE, LUNCH), gate=bounds)
    with pytest.raises(SettingsError, match=r"line 3.*careful.*no document answers"):
        contest.compare(house(shelf), plan, principal=OWNER, opening=opening)  # type: ignore[arg-type]
    assert not opened
    told = contest.compare(
        house(shelf),  # type: ignore[arg-type]
        replace(plan, questions=ASKED),
        principal=OWNER,
        opening=opening,
    )
    assert told.standing.placed[0].missed, "who says nothing misses what it was to say"


# ---- what is written ----


def comparison() -> Comparison:
    entries = [entry("embedded:a", [True] * 12), entry("embedded:b", broken(12))]
    return Comparison(
        standing=stand(entries),
        asked=tuple(one.question for one in entries[0].scored),
        passages={"chars": 1890, "extracted": True},
    )


def test_the_same_answers_give_the_same_files_byte_for_byte(tmp_path: Path) -> None:
    found = comparison()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    report.write(found, page.render(found), tmp_path / "one")
    again = replace(found, standing=stand(report.recorded(tmp_path / "one/answers.jsonl", found.asked)))
    report.write(again, page.render(again), tmp_path / "other")
    for name in ("compare.json", "answers.jsonl", "compare.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
        assert (tmp_path / "one" / name).stat().st_mode & 0o77 == 0, "others may read what stands in documents"


def test_the_page_reaches_for_nothing_and_escapes_what_a_model_says() -> None:
    found = comparison()
    placed = found.standing.placed[0]
    evil = replace(placed.entry.scored[1], said="<script>alert(1)</script>")
    scored = (placed.entry.scored[0], evil, *placed.entry.scored[2:])
    spoilt = replace(placed, entry=replace(placed.entry, scored=scored))
    html = page.render(replace(found, standing=replace(found.standing, placed=(spoilt, *found.standing.placed[1:]))))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "src=" not in html
    assert html.count("<svg") >= 4


# ---- names, questions, the machine ----


@pytest.mark.parametrize("named", ["llama3", "cloud:gpt", "ollama:", ":x"])
def test_a_name_without_a_provider_is_refused_with_examples(named: str) -> None:
    with pytest.raises(SettingsError, match="PROVIDER:MODEL"):
        contestant(named)


def test_a_model_may_have_colons_and_a_pin() -> None:
    found = contestant("ollama:llama3.2:3b@sha256:" + "a" * 64)
    assert (found.provider, found.model, found.digest) == ("ollama", "llama3.2:3b", "sha256:" + "a" * 64)
    with pytest.raises(SettingsError, match="twice"):
        contestants(["ollama:a", "ollama:a"])
    with pytest.raises(SettingsError, match="twice"):
        contestants(["ollama:a", "ollama:a@sha256:" + "a" * 64])


@pytest.mark.parametrize("digest", ["", "a" * 12, "a" * 65, "g" * 64])
def test_a_pin_that_could_never_hold_is_refused_when_it_is_typed(digest: str) -> None:
    with pytest.raises(SettingsError, match="the whole digest"):
        contestant(f"ollama:a@sha256:{digest}")


def test_a_pin_is_taken_however_it_is_written() -> None:
    assert contestant("ollama:a@sha256:" + "A" * 64).digest == "sha256:" + "a" * 64


def test_a_pin_that_nobody_checks_is_refused() -> None:
    with pytest.raises(SettingsError, match="tell no digest"):
        contestant("openai-compatible:a@sha256:" + "a" * 64)


def test_facts_are_told_however_they_are_written() -> None:
    assert states("It ends on 30 June.", "bis zum 30. Juni")
    assert states("Es sind vier Tage.", "4 Tage")
    assert not states("Es sind fünf Tage.", "4 Tage")
    assert states("Der Antrag geht an FRAU  Krahl.", "Frau Krahl")


def test_questions_are_made_once_and_kept_for_review(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(
        "handbuch.txt",
        "\n\n".join(
            f"Die Abteilung Sondermaschinen Nummer {name} hat insgesamt {n} Mitarbeiter."
            for n, name in enumerate(
                ("Adler", "Bussard", "Condor", "Dohle", "Elster", "Falke", "Gimpel", "Habicht"), 11
            )
        ),
    )
    path = tmp_path / "questions.jsonl"
    app = Shelved(shelf)
    made, fresh = contest.questions_of(app, path, principal=OWNER, count=8)  # type: ignore[arg-type]
    again, stale = contest.questions_of(app, path, principal=OWNER, count=8)  # type: ignore[arg-type]
    assert (fresh, stale, made) == (True, False, again)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {row["reviewed"] for row in rows} == {False}
    assert contest.unreviewed(path) == len(rows)
    assert {row["kind"] for row in rows} == {"gap", "cross_language", "not_there"}
    assert golden(path) == made
    for row in rows:
        if row["answerable"]:
            assert row["facts"][0] not in row["text"]
            document = shelf.ledger.entry(row["gold"][0]["document"])
            assert document is not None
            assert row["gold"][0]["quote"] in shelf.ledger.document(document.key).text  # type: ignore[union-attr]
        else:
            assert not row["gold"]


def test_energy_is_read_over_a_counter_that_went_round(tmp_path: Path) -> None:
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (package / "max_energy_range_uj").write_text("10000000")
    (package / "energy_uj").write_text("9000000")
    meter = Meter.of(tmp_path)
    (package / "energy_uj").write_text("2000000")
    assert meter.joules() == 3.0
    assert Meter.of(tmp_path / "none").joules() is None
