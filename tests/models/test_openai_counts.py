"""An OpenAI-compatible server is told no context: what it reads of a prompt is held against what is known of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from rag.errors import ContextOverflow, ModelUnavailable
from rag.models.openai_compatible import OpenAiCompatibleModel
from rag.ports import Generation, Message
from tests.models.protocol_server import MODEL
from tests.models.random_texts import seed
from tests.models.scripted_server import Exchange, ScriptedServer
from tests.models.test_language_model_faults import OPENAI, openai_end, openai_text
from tests.models.test_truncation import CONTEXT, PATIENT, told

OURS = [
    Message(role="system", content="You answer questions from the documents of a company, with their passages. " * 12),
    Message(role="user", content="Wie lang ist der Urlaub?"),
    Message(role="assistant", content="Es sind dreissig Arbeitstage."),
]


@pytest.mark.parametrize("gives", [CONTEXT, CONTEXT // 2, 600], ids=["as told", "half of it", "far less"])
def test_an_openai_compatible_server_that_leaves_out_the_systems_message_is_noticed(gives: int) -> None:
    """The oldest messages go first, whoever spoke them, until the rest fits what it gives: at four letters a token."""
    rng, lost = random.Random(seed()), list[int]()

    def answer(exchange: Exchange) -> None:
        sizes = [-(-len(one["content"]) // 4) for one in exchange.json["messages"]]
        while sum(sizes) > gives and len(sizes) > 1:
            lost.append(sizes.pop(0))
        exchange.start()
        exchange.send([openai_text("ja"), openai_end(min(sum(sizes), gives))])
        exchange.finish()

    refused = 0
    with ScriptedServer(OPENAI.healthy | {OPENAI.generates: answer}) as server:
        for length in (2500, 4000, 5200, 6000, 7000) * 4:
            model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
            model._counts_exactly = False
            model.count_tokens = lambda messages: 1  # type: ignore[method-assign]  # too low, so that it is sent
            words = "Der Urlaub wird vom Amt im Mai je Tag fest an uns alle so und nie mehr in Rest auf Bar. "
            asked = Message(role="user", content=(words * 99)[rng.randrange(9) :][:length])
            lost.clear()
            went = told(model, [*OURS, asked])
            refused += not went
            assert not (went and lost), f"{length} characters, {sum(lost)} tokens lost"
    assert refused


@pytest.mark.parametrize(
    "last", [{"choices": None}, {"choices": [None]}, {"choices": 1}, {"usage": 7}, {"choices": [{"delta": 1}]}]
)
def test_an_event_of_another_form_is_no_fault_of_ours(last: dict[str, object]) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([openai_text("ja"), "data: " + json.dumps(last) + "\n", openai_end(20)])
        exchange.finish()

    with ScriptedServer(OPENAI.healthy | {OPENAI.generates: answer}) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        *said, end = model.stream([Message(role="user", content="Urlaub?")], Generation(max_tokens=50))
    assert [delta.text for delta in said] == ["ja"]
    assert end.usage is not None and end.usage.finish in ("stop", "cut")


def counting(path: str, name: str, *, reads: float = 1.0) -> dict[str, Callable[[Exchange], None]]:
    """A server that counts prompts there, three letters a token, and reads that share of them."""

    def tokens(exchange: Exchange) -> int:
        return sum(len(one["content"]) // 3 for one in exchange.json["messages"])

    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([openai_text("ja"), openai_end(int(tokens(exchange) * reads))])
        exchange.finish()

    return OPENAI.healthy | {
        OPENAI.generates: answer,
        f"POST {path}": lambda exchange: exchange.reply({name: tokens(exchange)}),
    }


COUNTERS = [("/v1/chat/completions/input_tokens", "input_tokens"), ("/tokenize", "count")]


@pytest.mark.parametrize(("path", "name"), COUNTERS, ids=["llama.cpp", "vLLM"])
def test_a_server_that_counts_is_held_to_its_own_count(path: str, name: str) -> None:
    long = [*OURS, Message(role="user", content="Urlaub und Arbeitszeit. " * 150)]
    with ScriptedServer(counting(path, name)) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        assert model.count_tokens(long) == sum(len(message.content) // 3 for message in long)
        assert told(model, long)
    with ScriptedServer(counting(path, name, reads=0.8)) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        with pytest.raises(ContextOverflow, match="cut off"):
            list(model.stream(long, Generation(max_tokens=50)))


def test_where_it_counts_is_looked_for_once() -> None:
    with ScriptedServer(counting("/tokenize", "count")) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        for _ in range(3):
            model.count_tokens(OURS)
        asked = [name for name, _ in server.asked]
    assert asked == ["POST /v1/chat/completions/input_tokens", *["POST /tokenize"] * 3]


def test_a_server_that_still_loads_its_model_is_not_taken_for_one_that_cannot_count() -> None:
    loading = {"error": {"message": "Loading model"}}
    routes = counting(*COUNTERS[0]) | {"POST " + COUNTERS[0][0]: lambda e: e.reply(loading, status=503)}
    with ScriptedServer(routes) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        with pytest.raises(ModelUnavailable, match="Loading model"):
            model.count_tokens(OURS)
        server.routes.update(counting(*COUNTERS[0]))
        assert model.count_tokens(OURS) == sum(len(message.content) // 3 for message in OURS)


def test_a_proxy_that_shuts_what_lies_outside_the_protocol_is_no_refusal() -> None:
    routes = OPENAI.healthy | {"POST /tokenize": lambda e: e.reply({"error": "no"}, status=403)}
    with ScriptedServer(routes) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        assert model.count_tokens(OURS) > 0


def test_a_server_that_gives_less_than_the_settings_say_is_sent_no_more() -> None:
    offer = {"data": [{"id": MODEL, "max_model_len": 1024}]}
    routes = counting("/tokenize", "count") | {"GET /v1/models": lambda exchange: exchange.reply(offer)}
    with ScriptedServer(routes) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=8192, limits=PATIENT)
        assert not told(model, [*OURS, Message(role="user", content="Urlaub. " * 500)])
        assert model.context_tokens == 1024
        assert all(name != OPENAI.generates for name, _ in server.asked)
