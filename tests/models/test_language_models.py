"""The contract of every language model, with real generation."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import ContextOverflow
from rag.models.llm import open_language_model
from rag.models.weights import Weights
from rag.ports import Delta, Generation, LanguageModel, Message
from tests.models.protocol_server import CONTEXT_TOKENS, MODEL, ollama_server

pytestmark = pytest.mark.models

QUESTION = (
    Message(role="system", content="Du beantwortest Fragen zu Richtlinien."),
    Message(role="user", content="Wie viele Tage Urlaub gibt es im Jahr? Größe, Maße, Übung."),
)
LONG_LIST = {"type": "array", "items": {"type": "integer", "maximum": 9}, "minItems": 900}


@pytest.fixture(scope="module", params=["embedded", "ollama", "openai-compatible"])
def llm(request: pytest.FixtureRequest, tiny: Weights, models_directory: Path) -> Iterator[LanguageModel]:
    """Each implementation over the same weights."""
    if request.param == "embedded":
        model = open_language_model(
            "embedded", models=models_directory, model="smollm2-135m", context_tokens=CONTEXT_TOKENS, threads=1
        )
        yield model
        model.close()
        return
    url = request.getfixturevalue("openai_url")
    if request.param == "openai-compatible":
        yield open_language_model(request.param, models=models_directory, base_url=url)
        return
    with ollama_server(url) as server:
        yield open_language_model("ollama", models=models_directory, base_url=server.url, model=MODEL)


def text_of(deltas: Iterator[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def test_it_streams_piece_by_piece_and_ends_with_its_usage(llm: LanguageModel) -> None:
    deltas = list(llm.stream(QUESTION, Generation(max_tokens=24)))
    assert len([delta for delta in deltas if delta.text]) > 3
    assert [delta.usage for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.finish in ("stop", "length")
    assert usage.prompt_tokens is not None and usage.prompt_tokens > 30
    assert usage.output_tokens is not None and 3 < usage.output_tokens <= 24


def test_it_gives_the_same_answer_again(llm: LanguageModel) -> None:
    generation = Generation(max_tokens=16)
    assert text_of(llm.stream(QUESTION, generation)) == text_of(llm.stream(QUESTION, generation))


def test_it_stops_at_the_limit_and_says_so(llm: LanguageModel) -> None:
    *_, last = llm.stream(QUESTION, Generation(max_tokens=5, schema=LONG_LIST))
    assert last.usage is not None
    assert (last.usage.finish, last.usage.output_tokens) == ("length", 5)


def test_it_stops_before_a_stop_word(llm: LanguageModel) -> None:
    schema = {"const": "eins zwei drei"}
    assert text_of(llm.stream(QUESTION, Generation(max_tokens=30, schema=schema, stop=("zwei",)))) == '"eins '


def test_it_keeps_to_the_schema(llm: LanguageModel) -> None:
    schema = {
        "type": "object",
        "properties": {"source": {"type": "integer", "minimum": 1, "maximum": 3}, "ok": {"type": "boolean"}},
        "required": ["source", "ok"],
        "additionalProperties": False,
    }
    answer = json.loads(text_of(llm.stream(QUESTION, Generation(max_tokens=60, schema=schema))))
    assert answer.keys() == {"source", "ok"}
    assert answer["source"] in (1, 2, 3)


def test_letters_beyond_ascii_survive(llm: LanguageModel) -> None:
    schema = {"const": "Größe – Übermaß €"}
    assert json.loads(text_of(llm.stream(QUESTION, Generation(max_tokens=30, schema=schema)))) == "Größe – Übermaß €"


@pytest.mark.parametrize(
    "content",
    [
        "Der Mindesturlaub beträgt 24 Werktage; er ist im laufenden Kalenderjahr zu gewähren und zu nehmen. " * 3,
        "The minimum leave is 24 working days and must be taken within the current calendar year. " * 3,
        "IBAN DE89 3704 0044 0532 0130 00, Az. 4711/2024-03, 12.345,67 EUR; §§ 3, 7 Abs. 2 BUrlG. " * 3,
        "def f(x):\n    return {'a': [1, 2, x ** 3]}\n\n" * 4,
        "年次有給休暇は二十四日です。" * 4,
    ],
)
def test_the_count_is_exact_or_an_upper_bound(llm: LanguageModel, content: str) -> None:
    messages = [*QUESTION[:1], Message(role="user", content=content)]
    counted = llm.count_tokens(messages)
    *_, last = llm.stream(messages, Generation(max_tokens=1))
    assert last.usage is not None and last.usage.prompt_tokens is not None
    assert last.usage.prompt_tokens <= counted


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_sent(llm: LanguageModel) -> None:
    with pytest.raises(ContextOverflow, match=r"context_tokens"):
        llm.stream([Message(role="user", content="Urlaub und Arbeitszeit. " * 2000)], Generation())


def test_an_answer_that_would_not_fit_is_refused(llm: LanguageModel) -> None:
    with pytest.raises(ContextOverflow):
        llm.stream(QUESTION, Generation(max_tokens=llm.context_tokens))


def test_closing_the_stream_stops_the_model(llm: LanguageModel) -> None:
    threads = threading.active_count()
    deltas = llm.stream(QUESTION, Generation(max_tokens=1800, schema=LONG_LIST))
    next(deltas)
    deltas.close()  # type: ignore[attr-defined]
    started = time.monotonic()
    text_of(llm.stream(QUESTION, Generation(max_tokens=2)))  # there is one seat: it waits for whoever sits there
    assert time.monotonic() - started < 12
    until = time.monotonic() + 20
    while threading.active_count() > threads + 1 and time.monotonic() < until:  # each ends in its own time
        time.sleep(0.02)
    assert threading.active_count() <= threads + 1  # the test's own Ollama front may still hold one


def test_two_questions_at_a_time_are_both_answered(llm: LanguageModel) -> None:
    answers: list[str] = []
    askers = [
        threading.Thread(target=lambda: answers.append(text_of(llm.stream(QUESTION, Generation(max_tokens=8)))))
        for _ in range(2)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(answers) == 2
    assert answers[0] == answers[1] != ""


def test_it_tells_its_name_and_digest(llm: LanguageModel) -> None:
    info = llm.info
    assert info.name
    assert info.digest == "" or info.digest.startswith("sha256:")
    assert len(info.digest) in (0, len("sha256:") + 64)
