"""What a model server can do wrong, and what our clients make of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rag.errors import ContextOverflow, ModelChanged, ModelTimeout, ModelUnavailable
from rag.metrics import Metrics
from rag.models.ollama import OllamaModel, answers, first_model
from rag.models.openai_compatible import OpenAiCompatibleModel
from rag.models.streaming import Limits
from rag.models_in_use.writers import Writers
from rag.ports import Delta, Generation, LanguageModel, Message, Usage
from rag.settings import Settings
from rag.settings.models import LlmSettings
from tests.models.protocol_server import DIGEST, MODEL, tag
from tests.models.scripted_server import Exchange, ScriptedServer

QUESTION = (Message(role="user", content="Wie viele Tage Urlaub gibt es im Jahr?"),)
QUICK = Limits(connect_s=0.5, first_token_s=0.4, between_tokens_s=0.3, total_s=2)
PATIENT = Limits(connect_s=20, first_token_s=60, between_tokens_s=60, total_s=120)
"""Where no time-out is meant, a busy machine may take its time."""


@dataclass(frozen=True)
class Dialect:
    """How one protocol says things, and who speaks it."""

    generates: str
    opens: Callable[[str, Limits], LanguageModel]
    text: Callable[[str], str]
    end: Callable[[int], str]
    healthy: dict[str, Callable[[Exchange], None]]


def ollama_text(text: str) -> str:
    return json.dumps({"message": {"role": "assistant", "content": text}, "done": False})


def ollama_end(prompt_tokens: int) -> str:
    counts = {"prompt_eval_count": prompt_tokens, "eval_count": 2}
    return json.dumps({"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", **counts})


def openai_text(text: str) -> str:
    return "data: " + json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": None}]}) + "\n"


def openai_end(prompt_tokens: int) -> str:
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 2}
    return (
        "data: "
        + json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage})
        + "\n\ndata: [DONE]\n"
    )


OLLAMA = Dialect(
    generates="POST /api/chat",
    opens=lambda url, limits: OllamaModel(MODEL, base_url=url, limits=limits),
    text=ollama_text,
    end=ollama_end,
    healthy={
        "GET /api/version": lambda exchange: exchange.reply({"version": "0"}),
        "GET /api/tags": lambda exchange: exchange.reply({"models": [tag()]}),
        "POST /api/show": lambda exchange: exchange.reply({"capabilities": ["completion"]}),
    },
)
OPENAI = Dialect(
    generates="POST /v1/chat/completions",
    opens=lambda url, limits: OpenAiCompatibleModel(MODEL, base_url=f"{url}/v1", limits=limits),
    text=openai_text,
    end=openai_end,
    healthy={"GET /v1/models": lambda exchange: exchange.reply({"data": [{"id": MODEL}]})},
)


@pytest.fixture(params=[OLLAMA, OPENAI], ids=["ollama", "openai-compatible"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
def server(dialect: Dialect) -> Iterator[ScriptedServer]:
    with ScriptedServer(dialect.healthy) as server:
        yield server


def asked(dialect: Dialect, server: ScriptedServer, limits: Limits = PATIENT) -> list[Delta]:
    return list(dialect.opens(server.url, limits).stream(QUESTION, Generation(max_tokens=50)))


def test_a_whole_answer_comes_through(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([dialect.text("24 "), dialect.text("Tage"), dialect.end(20)])
        exchange.finish()

    server.routes[dialect.generates] = answer
    deltas = asked(dialect, server)
    assert "".join(delta.text for delta in deltas) == "24 Tage"
    assert deltas[-1].usage == Usage(prompt_tokens=20, output_tokens=2, finish="stop")


def test_no_server_is_said_with_its_address_and_what_to_do(dialect: Dialect) -> None:
    with ScriptedServer() as gone:
        url = gone.url
    with pytest.raises(ModelUnavailable, match=rf"(?s){url}.*refused.*Start it.*embedded"):
        list(dialect.opens(url, QUICK).stream(QUESTION, Generation()))


def test_a_failing_server_is_named_with_its_reason(dialect: Dialect, server: ScriptedServer) -> None:
    server.routes[dialect.generates] = lambda exchange: exchange.reply({"error": "out of memory"}, status=500)
    with pytest.raises(ModelUnavailable, match="out of memory"):
        asked(dialect, server)


def test_silence_before_the_first_word_ends_in_time(dialect: Dialect, server: ScriptedServer) -> None:
    server.routes[dialect.generates] = lambda exchange: exchange.hang()
    started = time.monotonic()
    with pytest.raises(ModelTimeout, match=r"no first word within 0\.4 s"):
        asked(dialect, server, QUICK)
    assert time.monotonic() - started < 30


def test_silence_after_the_headers_ends_in_time_too(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.hang()

    server.routes[dialect.generates] = answer
    with pytest.raises(ModelTimeout, match="no first word"):
        asked(dialect, server, QUICK)


def test_silence_in_the_middle_ends_in_time(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([dialect.text("24 ")])
        exchange.hang()

    server.routes[dialect.generates] = answer
    started = time.monotonic()
    with pytest.raises(ModelTimeout, match=r"no next word within 0\.3 s"):
        asked(dialect, server, Limits(first_token_s=60, between_tokens_s=0.3))
    assert time.monotonic() - started < 30


def test_a_model_that_never_ends_is_ended(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        while not exchange.closing.wait(0.02):
            exchange.send([dialect.text("und ")])

    server.routes[dialect.generates] = answer
    with pytest.raises(ModelTimeout, match=r"not done within 0\.5 s"):
        asked(dialect, server, Limits(first_token_s=60, between_tokens_s=60, total_s=0.5))


def test_a_broken_connection_after_some_text_is_a_cut_answer(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([dialect.text("24 "), dialect.text("Ta")])

    server.routes[dialect.generates] = answer
    deltas = asked(dialect, server)
    assert "".join(delta.text for delta in deltas) == "24 Ta"
    assert deltas[-1].usage == Usage(prompt_tokens=None, output_tokens=None, finish="cut")


def test_an_end_without_a_reason_is_a_cut_answer(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([dialect.text("24 ")])
        exchange.finish()

    server.routes[dialect.generates] = answer
    usage = asked(dialect, server)[-1].usage
    assert usage is not None and usage.finish == "cut"


def test_a_broken_connection_before_any_text_is_an_error(dialect: Dialect, server: ScriptedServer) -> None:
    server.routes[dialect.generates] = lambda exchange: exchange.start()
    with pytest.raises(ModelUnavailable, match="hung up"):
        asked(dialect, server)


def test_garbage_before_any_text_is_an_error(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(["<html>proxy error</html>"])
        exchange.finish()

    server.routes[dialect.generates] = answer
    with pytest.raises(ModelUnavailable, match="sent something"):
        asked(dialect, server)


def test_garbage_in_the_middle_is_a_cut_answer(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([dialect.text("24 "), "data: [1", dialect.end(20)])
        exchange.finish()

    server.routes[dialect.generates] = answer
    usage = asked(dialect, server)[-1].usage
    assert usage is not None and usage.finish == "cut"


def test_no_redirect_is_followed(dialect: Dialect, server: ScriptedServer) -> None:
    with ScriptedServer() as elsewhere:
        server.routes[dialect.generates] = lambda exchange: exchange.redirect(f"{elsewhere.url}/stolen")
        with pytest.raises(ModelUnavailable, match="redirects are not followed"):
            asked(dialect, server)
        assert elsewhere.asked == []


def test_no_redirect_of_the_model_list_is_followed(dialect: Dialect, server: ScriptedServer) -> None:
    with ScriptedServer() as elsewhere:
        for name in dialect.healthy:
            server.routes[name] = lambda exchange: exchange.redirect(f"{elsewhere.url}/stolen")
        with pytest.raises(ModelUnavailable, match="redirects are not followed"):
            asked(dialect, server)
        assert elsewhere.asked == []


def test_no_proxy_of_the_environment_is_used(
    dialect: Dialect, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        test_a_whole_answer_comes_through(dialect, server)
        assert proxy.asked == []


def test_a_prompt_the_server_cut_in_silence_is_noticed(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([dialect.text("24"), dialect.end(3)])
        exchange.finish()

    server.routes[dialect.generates] = answer
    with pytest.raises(ContextOverflow, match="read 3 tokens of a prompt of at least 8"):
        asked(dialect, server)


def test_what_the_model_thinks_is_no_part_of_the_text(dialect: Dialect, server: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        pieces = ["<thi", "nk>", "Hm, 24", "?</thi", "nk>\n\n", "24 ", "Tage"]
        exchange.send([*map(dialect.text, pieces), dialect.end(20)])
        exchange.finish()

    server.routes[dialect.generates] = answer
    assert "".join(delta.text for delta in asked(dialect, server)) == "24 Tage"


def test_closing_hangs_up_at_once(dialect: Dialect, server: ScriptedServer) -> None:
    hung_up = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([dialect.text("24 ")])
        exchange.handler.connection.settimeout(20)
        if exchange.handler.connection.recv(1) == b"":
            hung_up.set()

    server.routes[dialect.generates] = answer
    deltas = dialect.opens(server.url, PATIENT).stream(QUESTION, Generation(max_tokens=50))
    next(deltas)
    deltas.close()  # type: ignore[attr-defined]
    assert hung_up.wait(10)


def test_a_silent_server_is_hung_up_on_when_nobody_wants_the_answer_any_more(
    dialect: Dialect, server: ScriptedServer
) -> None:
    reading, hung_up, wanted = threading.Event(), threading.Event(), [True]

    def answer(exchange: Exchange) -> None:
        exchange.start()
        reading.set()
        exchange.handler.connection.settimeout(20)
        if exchange.handler.connection.recv(1) == b"":
            hung_up.set()

    def nobody() -> None:
        reading.wait(20)
        wanted[0] = False

    server.routes[dialect.generates] = answer
    threading.Thread(target=nobody).start()
    began = time.monotonic()
    generation = Generation(max_tokens=50, wanted=lambda: wanted[0])
    assert list(dialect.opens(server.url, PATIENT).stream(QUESTION, generation)) == []
    assert hung_up.wait(10)
    assert time.monotonic() - began < 10, "the time-out for the first token is sixty seconds"


# Ollama alone


@pytest.fixture
def ollama() -> Iterator[ScriptedServer]:
    with ScriptedServer(OLLAMA.healthy) as server:
        yield server


def test_ollama_is_always_told_the_context_and_how_long_to_stay(ollama: ScriptedServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send([ollama_text("24"), ollama_end(20)])
        exchange.finish()

    ollama.routes[OLLAMA.generates] = answer
    model = OllamaModel(MODEL, base_url=ollama.url, context_tokens=8192, keep_alive="1h", limits=PATIENT)
    list(model.stream(QUESTION, Generation(max_tokens=50, seed=3)))
    sent = ollama.asked[-1][1].json
    assert sent["options"] == {"num_ctx": 8192, "num_predict": 50, "temperature": 0.0, "seed": 3}
    assert (sent["keep_alive"], sent["think"]) == ("1h", False)


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "qwen3:cloud"])
def test_a_cloud_model_is_refused_by_its_name(name: str, ollama: ScriptedServer) -> None:
    with pytest.raises(ModelUnavailable, match="leave the building"):
        OllamaModel(name, base_url=ollama.url)
    assert ollama.asked == []


def test_a_model_listed_with_a_remote_host_is_refused(ollama: ScriptedServer) -> None:
    ollama.routes["GET /api/tags"] = lambda exchange: exchange.reply(
        {"models": [tag(remote_host="https://ollama.com:443", remote_model="big")]}
    )
    with pytest.raises(ModelUnavailable, match="leave the building"):
        list(OllamaModel(MODEL, base_url=ollama.url).stream(QUESTION, Generation()))
    assert ollama.count(OLLAMA.generates) == 0


def test_a_model_that_shows_a_remote_host_is_refused(ollama: ScriptedServer) -> None:
    ollama.routes["POST /api/show"] = lambda exchange: exchange.reply({"remote_host": "https://ollama.com:443"})
    with pytest.raises(ModelUnavailable, match="leave the building"):
        list(OllamaModel(MODEL, base_url=ollama.url).stream(QUESTION, Generation()))
    assert ollama.count(OLLAMA.generates) == 0


def test_another_digest_than_the_pinned_is_refused_before_anything_is_sent(ollama: ScriptedServer) -> None:
    model = OllamaModel(MODEL, base_url=ollama.url, digest="sha256:" + "f" * 64)
    with pytest.raises(ModelChanged, match="pinned"):
        list(model.stream(QUESTION, Generation()))
    assert ollama.count(OLLAMA.generates) == 0


def test_the_pinned_digest_is_accepted(ollama: ScriptedServer) -> None:
    assert OllamaModel(MODEL, base_url=ollama.url, digest=f"sha256:{DIGEST}").info.digest == f"sha256:{DIGEST}"


@pytest.mark.parametrize(
    ("told", "licence"),
    [
        ("        Apache License\n  Version 2.0, January 2004\n http", "Apache License, Version 2.0, January 2004"),
        (["MIT License\n\nCopyright"], "MIT License, Copyright"), ("", ""), (None, ""), (7, "7"), ("x" * 500, "x" * 80),
    ],
)  # fmt: skip
def test_the_licence_is_what_the_server_shows_of_it(ollama: ScriptedServer, told: object, licence: str) -> None:
    ollama.routes["POST /api/show"] = lambda exchange: exchange.reply({"license": told})
    assert OllamaModel(MODEL, base_url=ollama.url).info.licence == licence


def test_a_missing_model_names_the_command_that_gets_it(ollama: ScriptedServer) -> None:
    with pytest.raises(ModelUnavailable, match="`ollama pull gemma3:4b`"):
        _ = OllamaModel("gemma3:4b", base_url=ollama.url).info


def test_a_name_without_a_tag_means_the_latest(ollama: ScriptedServer) -> None:
    assert OllamaModel("tiny", base_url=ollama.url).info.name == "tiny"


def test_the_first_model_is_one_that_writes_and_runs_here(ollama: ScriptedServer) -> None:
    names = ["big:cloud", "embedder:latest", MODEL]
    ollama.routes["GET /api/tags"] = lambda exchange: exchange.reply({"models": [tag(name=name) for name in names]})
    ollama.routes["POST /api/show"] = lambda exchange: exchange.reply(
        {"capabilities": ["embedding" if exchange.json["model"].startswith("embedder") else "completion"]}
    )
    assert first_model(ollama.url) == MODEL


def test_the_probe_is_quick_and_tells_whether_ollama_is_there(ollama: ScriptedServer) -> None:
    assert answers(ollama.url)
    ollama.routes["GET /api/version"] = lambda exchange: exchange.hang()
    started = time.monotonic()
    assert not answers(ollama.url)
    assert time.monotonic() - started < 10


def test_an_ollama_that_is_busy_is_there_all_the_same(ollama: ScriptedServer) -> None:
    def late(exchange: Exchange) -> None:
        exchange.closing.wait(0.8)
        exchange.reply({"version": "0"})

    ollama.routes["GET /api/version"] = late
    assert answers(ollama.url)


# OpenAI-compatible alone


def test_a_refused_key_is_said() -> None:
    refuses = {"GET /v1/models": lambda exchange: exchange.reply({"error": "no"}, status=401)}
    with ScriptedServer(refuses) as server, pytest.raises(ModelUnavailable, match="refuses the API key"):
        _ = OpenAiCompatibleModel(base_url=server.url).info


def test_the_key_is_sent() -> None:
    with ScriptedServer(OPENAI.healthy) as server:
        _ = OpenAiCompatibleModel(base_url=server.url, api_key="k").info
        assert server.asked[0][1].headers["Authorization"] == "Bearer k"


def test_a_model_the_server_has_not_is_named_with_those_it_has() -> None:
    with ScriptedServer(OPENAI.healthy) as server, pytest.raises(ModelUnavailable, match=f"no model 'other'.*{MODEL}"):
        _ = OpenAiCompatibleModel("other", base_url=server.url).info


@pytest.mark.parametrize(
    ("patience", "said"),
    [
        ({"first_token_timeout_s": 0.3}, "first word within 0.3 s"),
        ({"between_tokens_timeout_s": 0.4}, "next word within 0.4 s"),
        ({"total_timeout_s": 0.5}, "not done within 0.5 s"),
    ],
)
def test_the_patience_is_that_of_the_settings(
    ollama: ScriptedServer, tmp_path: Path, patience: dict[str, float], said: str
) -> None:
    done = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.start()
        if "first_token_timeout_s" not in patience:
            exchange.send([ollama_text("24 ")])
        done.wait(30)

    ollama.routes[OLLAMA.generates] = answer
    llm = LlmSettings(provider="ollama", base_url=ollama.url, model=MODEL, **patience)
    writers = Writers(Settings(home=tmp_path, models=tmp_path, llm=llm), Metrics(version="test"))
    model = writers.get()
    assert model is not None
    try:
        with pytest.raises(ModelTimeout, match=said):
            list(model.stream(QUESTION, Generation(max_tokens=50)))
    finally:
        done.set()
        writers.close()
