"""What a model thinks: kept apart, in no answer and no log, and within its budget."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable

import pytest

from rag.models.ollama import OllamaModel
from rag.models.ollama_traits import traits
from rag.models.openai_compatible import OpenAiCompatibleModel
from rag.models.streaming import Limits
from rag.models.thinking import without_thinking
from rag.ports import Delta, Generation, LanguageModel, Message, Usage
from rag.settings.models import LlmSettings
from tests.models.protocol_server import MODEL
from tests.models.scripted_server import Exchange, ScriptedServer
from tests.models.test_language_model_faults import OLLAMA, OPENAI, ollama_end, ollama_text, openai_end, openai_text

QUESTION = (Message(role="user", content="Wie viele Tage Urlaub gibt es im Jahr?"),)
SECRET = "Frau Maier verdient 4711 Euro"
BUDGET = 20
LIMITS = Limits(connect_s=20, first_token_s=60, between_tokens_s=60, total_s=120, thinking_tokens=BUDGET)
END = Usage(prompt_tokens=20, output_tokens=2, finish="stop")

Say = Callable[[str], str]


def ollama_thought(text: str) -> str:
    return json.dumps({"message": {"role": "assistant", "content": "", "thinking": text}, "done": False})


def openai_thought(field: str) -> Say:
    return lambda text: (
        "data: " + json.dumps({"choices": [{"delta": {field: text, "content": None}, "finish_reason": None}]}) + "\n"
    )


def tagged(say: Say) -> Say:
    """Thinking that comes as text between marks which are never closed here."""
    return lambda text: say(f"<think>{text}")


class Way:
    """One way thinking comes over the wire."""

    def __init__(self, name: str, thought: Say, text: Say, end: Callable[[int], str]) -> None:
        self.name, self.thought, self.text, self.end = name, thought, text, end
        self.dialect = OLLAMA if "ollama" in name else OPENAI

    def opens(self, url: str, limits: Limits = LIMITS) -> LanguageModel:
        if self.dialect is OLLAMA:
            return OllamaModel(MODEL, base_url=url, limits=limits)
        return OpenAiCompatibleModel(MODEL, base_url=url, limits=limits)


WAYS = [
    Way("ollama's field", ollama_thought, ollama_text, ollama_end),
    Way("tags through ollama", tagged(ollama_text), lambda text: ollama_text(f"</think>{text}"), ollama_end),
    Way("reasoning_content", openai_thought("reasoning_content"), openai_text, openai_end),
    Way("reasoning", openai_thought("reasoning"), openai_text, openai_end),
    Way("tags through openai", tagged(openai_text), lambda text: openai_text(f"</think>{text}"), openai_end),
]


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


def serving(way: Way, *lines: str, pause_s: float = 0) -> dict[str, Callable[[Exchange], None]]:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        for line in lines:
            exchange.send([line])
            time.sleep(pause_s)
        exchange.finish()

    return way.dialect.healthy | {way.dialect.generates: answer}


def test_it_is_in_no_delta_and_in_no_log(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(serving(way, way.thought(SECRET), way.text("24 Tage"), way.end(20))) as server:
        deltas = list(way.opens(server.url).stream(QUESTION, Generation(max_tokens=50)))
    assert "".join(delta.text for delta in deltas) == "24 Tage"
    assert SECRET not in repr(deltas)
    assert "Maier" not in caplog.text
    assert sum(delta.thought for delta in deltas) == 1
    assert deltas[-1].usage is not None and deltas[-1].usage.finish == "stop"


def test_thinking_beyond_its_budget_ends_as_such(way: Way) -> None:
    thoughts = [way.thought(f"{number}? ") for number in range(60)]
    with ScriptedServer(serving(way, *thoughts, way.text("24 Tage"), way.end(20), pause_s=0.002)) as server:
        deltas = list(way.opens(server.url).stream(QUESTION, Generation(max_tokens=50)))
    assert "".join(delta.text for delta in deltas) == ""
    usage = deltas[-1].usage
    assert usage is not None and usage.finish == "thought"


def test_thinking_counts_as_being_at_work(way: Way) -> None:
    thoughts = [way.thought(f"{number}? ") for number in range(8)]
    patient = Limits(connect_s=20, first_token_s=20, between_tokens_s=3, total_s=120, thinking_tokens=BUDGET)
    with ScriptedServer(serving(way, *thoughts, way.text("24 Tage"), way.end(20), pause_s=0.5)) as server:
        deltas = list(way.opens(server.url, patient).stream(QUESTION, Generation(max_tokens=50)))
    assert "".join(delta.text for delta in deltas) == "24 Tage"


# ---- what is left of the answer ----


def test_a_limit_reached_while_thinking_is_no_answer_that_was_too_long() -> None:
    length = Usage(prompt_tokens=20, output_tokens=50, finish="length")
    *_, last = without_thinking(iter([Delta(thought=1), Delta(usage=length)]))
    assert last.usage is not None and last.usage.finish == "thought"
    *_, last = without_thinking(iter([Delta(thought=1), Delta(text="24 "), Delta(usage=length)]))
    assert last.usage == length


def test_an_answer_that_began_is_not_ended_by_what_is_thought_between() -> None:
    pieces = [Delta(text="24 "), *[Delta(thought=1)] * 50, Delta(text="Tage"), Delta(usage=END)]
    assert "".join(delta.text for delta in without_thinking(iter(pieces), budget=10)) == "24 Tage"


# ---- what is asked of the model ----


def sent_for(shown: dict[str, object]) -> dict[str, object]:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([ollama_text("24"), ollama_end(20)])
        exchange.finish()

    routes = OLLAMA.healthy | {"POST /api/show": lambda exchange: exchange.reply(shown), OLLAMA.generates: answer}
    with ScriptedServer(routes) as server:
        list(OllamaModel(MODEL, base_url=server.url, limits=LIMITS).stream(QUESTION, Generation(max_tokens=50)))
        body: dict[str, object] = server.asked[-1][1].json
    return body


@pytest.mark.parametrize(
    ("shown", "think", "predicted"),
    [
        ({"capabilities": ["completion"]}, False, 50),
        ({"capabilities": ["completion", "thinking"]}, False, 50 + BUDGET),
        ({"capabilities": ["completion", "thinking"], "thinking": {"values": [True, False]}}, False, 50 + BUDGET),
        (
            {"capabilities": ["completion", "thinking"], "thinking": {"values": ["low", "medium", "high"]}},
            "low",
            50 + BUDGET,
        ),
        (
            {"capabilities": ["completion", "thinking"], "model_info": {"general.architecture": "gptoss"}},
            "low",
            50 + BUDGET,
        ),
        ({"thinking": {"values": [False]}}, False, 50),
    ],
)
def test_ollama_is_told_to_let_it_think_as_little_as_it_can(
    shown: dict[str, object], think: object, predicted: int
) -> None:
    body = sent_for(shown)
    assert body["think"] == think
    options = body["options"]
    assert isinstance(options, dict) and options["num_predict"] == predicted


def test_room_for_thinking_is_taken_from_the_context() -> None:
    assert traits({"capabilities": ["thinking"]}, version="0.20.0").thinks
    routes = OLLAMA.healthy | {
        "POST /api/show": lambda exchange: exchange.reply({"capabilities": ["completion", "thinking"]})
    }
    with ScriptedServer(routes) as server:
        model = OllamaModel(MODEL, base_url=server.url, context_tokens=2048, limits=LIMITS)
        _ = model.info
        assert model.context_tokens == 2048 - BUDGET


def test_a_server_whose_model_shows_itself_thinking_begins_again_with_room_for_it() -> None:
    bodies = []

    def answer(exchange: Exchange) -> None:
        bodies.append(exchange.json)
        exchange.start()
        exchange.send([openai_thought("reasoning_content")("Hm")])
        if len(bodies) == 1:
            end = {"choices": [{"delta": {}, "finish_reason": "length"}], "usage": {"prompt_tokens": 20}}
            exchange.send(["data: " + json.dumps(end) + "\n\ndata: [DONE]\n"])
        else:
            exchange.send([openai_text("24 Tage"), openai_end(20)])
        exchange.finish()

    with ScriptedServer(OPENAI.healthy | {OPENAI.generates: answer}) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, limits=LIMITS)
        deltas = list(model.stream(QUESTION, Generation(max_tokens=50)))
    assert "".join(delta.text for delta in deltas) == "24 Tage"
    assert [body["max_tokens"] for body in bodies] == [50, 50 + BUDGET]
    assert bodies[1]["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in bodies[0]


def test_what_only_thinks_is_hung_up_on_before_it_is_asked_anew() -> None:
    """Else the server would go on thinking beside the answer."""
    gone, first = threading.Event(), []

    def answer(exchange: Exchange) -> None:
        exchange.start()
        if first:
            exchange.send([openai_text("24 Tage" if gone.wait(10) else "still thinking"), openai_end(20)])
            exchange.finish()
            return
        first.append(True)
        try:
            while True:
                exchange.send([openai_thought("reasoning_content")("Hm")] * 50)
        except OSError:
            gone.set()

    with ScriptedServer(OPENAI.healthy | {OPENAI.generates: answer}) as server:
        model = OpenAiCompatibleModel(MODEL, base_url=server.url, limits=LIMITS)
        deltas = list(model.stream(QUESTION, Generation(max_tokens=50)))
    assert "".join(delta.text for delta in deltas) == "24 Tage"


def test_the_budget_is_a_setting() -> None:
    assert LlmSettings().thinking_tokens == Limits().thinking_tokens
