"""Several model servers asked as one: by health, load and version. Real HTTP servers that speak Ollama's protocol."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rag.errors import ModelChanged, ModelTimeout, ModelUnavailable
from rag.models import hosts as hosting
from rag.models.hosts import Hosts
from rag.models.llm import open_language_model
from rag.models.ollama import OllamaModel
from rag.models.streaming import Limits
from rag.ports import Delta, Generation, LanguageModel, Message
from tests.models.protocol_server import DIGEST, MODEL, tag
from tests.models.scripted_server import Exchange, ScriptedServer

QUESTION = (Message(role="user", content="Wie viele Tage Urlaub gibt es im Jahr?"),)
LIMITS = Limits(connect_s=5, first_token_s=20, between_tokens_s=20, total_s=40)
OTHER = "f" * 64


class Served(ScriptedServer):
    """An Ollama whose failures are a test's: `breaks` says how its next answers end."""

    def __init__(self, name: str, *, digest: str = DIGEST, loaded: bool = True) -> None:
        self.name, self.digest, self.loaded = name, digest, loaded
        self.breaks, self.counted = "", 20
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Semaphore(0)
        super().__init__(
            {
                "GET /api/version": lambda e: e.reply({"version": "0.18.0"}),
                "GET /api/tags": lambda e: e.reply({"models": [tag(digest=self.digest)]}),
                "POST /api/show": lambda e: e.reply({"capabilities": ["completion"], "license": "mit"}),
                "GET /api/ps": lambda e: e.reply({"models": [{"name": MODEL}] if self.loaded else []}),
                "POST /api/chat": self._chat,
            }
        )

    @property
    def chats(self) -> int:
        return self.count("POST /api/chat")

    def _chat(self, exchange: Exchange) -> None:
        breaks = self.breaks
        self.begun.release()
        if breaks == "at once":
            exchange.reply({"error": "out of memory"}, status=500)
            return
        exchange.start()
        exchange.send([piece(self.name)])
        if breaks == "in the middle":
            exchange.handler.connection.close()
            return
        self.go_on.wait(20)
        exchange.send([piece("!"), ending(self.counted)])
        exchange.finish()


def piece(text: str) -> str:
    return json.dumps({"message": {"role": "assistant", "content": text}, "done": False})


def ending(prompt_tokens: int) -> str:
    counts = {"prompt_eval_count": prompt_tokens, "eval_count": 2}
    return json.dumps({"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", **counts})


@pytest.fixture
def run() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def served(run: ExitStack, *names: str, **how: Any) -> list[Served]:
    return [run.enter_context(Served(name, **how)) for name in names]


def asked_as_one(
    run: ExitStack, servers: Sequence[Served], *, clock: Callable[[], float] | None = None, **more: Any
) -> Hosts:
    options = {name: more.pop(name) for name in ("digest", "changed") if name in more}
    models = [(one.url, OllamaModel(MODEL, base_url=one.url, limits=LIMITS, **options)) for one in servers]
    hosts = Hosts(models, **({"clock": clock} if clock else {}), **more)
    run.callback(hosts.close)
    return hosts


def told(hosts: LanguageModel, *, anew: Callable[[], bool] = lambda: False) -> list[Delta]:
    return list(hosts.stream(QUESTION, Generation(max_tokens=20, anew=anew)))


def text_of(deltas: Sequence[Delta]) -> str:
    """What is left after every beginning anew."""
    text = ""
    for delta in deltas:
        text = "" if delta.anew else text + delta.text
    return text


def test_one_server_answers_and_the_others_are_not_asked(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    hosts = asked_as_one(run, [one, two])
    assert text_of(told(hosts)) == "one!"
    assert (one.chats, two.chats) == (1, 0)


def test_the_least_busy_one_answers(run: ExitStack) -> None:
    one, two, three = served(run, "one", "two", "three")
    hosts = asked_as_one(run, [one, two, three])
    for server in (one, two, three):
        server.go_on.clear()
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(text_of(told(hosts)))) for _ in range(6)]
    for thread in threads:
        thread.start()
        assert any(server.begun.acquire(timeout=0.01) for server in [one, two, three] * 500)
    assert [host.running for host in hosts.standing()] == [2, 2, 2]
    for server in (one, two, three):
        server.go_on.set()
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == ["one!"] * 2 + ["three!"] * 2 + ["two!"] * 2
    assert [host.running for host in hosts.standing()] == [0, 0, 0]
    assert [host.answers for host in hosts.standing()] == [2, 2, 2]


def test_of_equally_busy_ones_that_with_the_model_in_memory_answers(run: ExitStack) -> None:
    (cold,), (warm,) = served(run, "cold", loaded=False), served(run, "warm")
    hosts = asked_as_one(run, [cold, warm])
    assert text_of(told(hosts)) == "warm!"
    assert [host.loaded for host in hosts.standing()] == [False, True]


def test_a_server_that_is_not_there_is_left_out_and_named(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    with Served("gone") as gone:
        url = gone.url
    models = [(at, OllamaModel(MODEL, base_url=at, limits=LIMITS)) for at in (url, two.url)]
    hosts = Hosts(models)
    run.callback(hosts.close)
    assert text_of(told(hosts)) == "two!"
    first, second = hosts.standing()
    assert not first.up and "does not answer" in first.problem
    assert second.up
    assert one.chats == 0


def test_with_none_there_each_is_named(run: ExitStack) -> None:
    with Served("gone") as gone, Served("too") as too:
        urls = [gone.url, too.url]
    hosts = Hosts([(url, OllamaModel(MODEL, base_url=url, limits=LIMITS)) for url in urls])
    run.callback(hosts.close)
    with pytest.raises(ModelUnavailable, match=rf"(?s)1\. {urls[0]}.*2\. {urls[1]}") as caught:
        _ = hosts.info
    assert "llm.base_urls" in str(caught.value)


def test_a_failure_before_the_first_word_is_answered_elsewhere(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    one.breaks = "at once"
    hosts = asked_as_one(run, [one, two])
    assert text_of(told(hosts)) == "two!"
    assert (one.chats, two.chats) == (1, 1)


def test_dying_in_the_middle_ends_as_cut_where_something_was_shown(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    one.breaks = "in the middle"
    deltas = told(asked_as_one(run, [one, two]))
    assert text_of(deltas) == "one"
    assert deltas[-1].usage is not None
    assert deltas[-1].usage.finish == "cut"
    assert two.chats == 0


def test_dying_in_the_middle_begins_anew_where_nothing_was_shown(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    one.breaks = "in the middle"
    deltas = told(asked_as_one(run, [one, two]), anew=lambda: True)
    assert text_of(deltas) == "two!"
    assert [delta.anew for delta in deltas].count(True) == 1
    assert all(delta.usage is None or delta.usage.finish == "stop" for delta in deltas)


@pytest.mark.parametrize("breaks", ["at once", "in the middle"])
def test_the_next_answer_goes_elsewhere(run: ExitStack, breaks: str) -> None:
    one, two = served(run, "one", "two")
    hosts = asked_as_one(run, [one, two])
    one.breaks = breaks
    told(hosts)
    one.breaks = ""
    assert [text_of(told(hosts)) for _ in range(3)] == ["two!"] * 3
    assert one.chats == 1


def test_a_server_that_failed_is_asked_again_after_its_rest(run: ExitStack) -> None:
    now = [0.0]
    one, two = served(run, "one", "two")
    hosts = asked_as_one(run, [one, two], clock=lambda: now[0])
    one.breaks = "at once"
    told(hosts)
    one.breaks = ""
    now[0] = hosting.FIRST_REST_S - 0.1
    assert text_of(told(hosts)) == "two!"
    now[0] = hosting.FIRST_REST_S
    assert text_of(told(hosts)) == "one!"
    assert hosts.standing()[0].failures == 1


def test_when_all_rest_they_are_asked_all_the_same(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    hosts = asked_as_one(run, [one, two], clock=lambda: 0.0)
    one.breaks = two.breaks = "at once"
    with pytest.raises(ModelUnavailable, match="out of memory"):
        told(hosts)
    one.breaks = two.breaks = ""
    assert text_of(told(hosts)) == "one!"


def test_a_time_limit_is_not_tried_again_elsewhere(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    one.routes["POST /api/chat"] = lambda exchange: exchange.hang()
    quick = Limits(connect_s=5, first_token_s=0.2, between_tokens_s=5, total_s=5)
    hosts = Hosts([(s.url, OllamaModel(MODEL, base_url=s.url, limits=quick)) for s in (one, two)])
    run.callback(hosts.close)
    with pytest.raises(ModelTimeout):
        told(hosts)
    assert two.chats == 0


def test_one_that_does_not_hold_the_pin_is_left_out_and_named(run: ExitStack) -> None:
    (one,), (two,) = served(run, "one", digest=OTHER), served(run, "two")
    hosts = asked_as_one(run, [one, two], digest=f"sha256:{DIGEST}")
    assert text_of(told(hosts)) == "two!"
    assert hosts.info.digest == f"sha256:{DIGEST}"
    assert "pinned is" in hosts.standing()[0].problem
    assert one.url in hosts.standing()[0].problem
    assert one.chats == 0


def test_without_a_pin_one_version_answers_and_the_other_is_named(run: ExitStack) -> None:
    (one,), (two,) = served(run, "one"), served(run, "two", digest=OTHER)
    hosts = asked_as_one(run, [one, two])
    assert [text_of(told(hosts)) for _ in range(3)] == ["one!"] * 3
    assert "another version" in hosts.standing()[1].problem


def test_where_none_holds_the_pin_it_is_refused(run: ExitStack) -> None:
    servers = served(run, "one", "two", digest=OTHER)
    hosts = asked_as_one(run, servers, digest=DIGEST)
    with pytest.raises(ModelChanged, match="rag models update"):
        told(hosts)


def test_where_none_holds_the_pin_and_that_is_only_warned_of_it_answers(run: ExitStack) -> None:
    servers = served(run, "one", "two", digest=OTHER)
    hosts = asked_as_one(run, servers, digest=DIGEST, changed="warn")
    assert hosts.info.changed
    assert text_of(told(hosts)) == "one!"


def test_only_warned_of_one_that_holds_the_pin_still_goes_first(run: ExitStack) -> None:
    (one,), (two,) = served(run, "one", digest=OTHER), served(run, "two")
    hosts = asked_as_one(run, [one, two], digest=DIGEST, changed="warn")
    assert text_of(told(hosts)) == "two!"
    assert not hosts.info.changed


def test_another_version_that_comes_while_it_serves_is_not_asked(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    hosts = asked_as_one(run, [one, two], digest=DIGEST)
    assert text_of(told(hosts)) == "one!"
    one.digest = OTHER
    assert text_of(told(hosts)) == "two!"
    assert one.chats == 1


def test_how_many_answers_are_written_together_follows_those_that_are_up(run: ExitStack) -> None:
    counts: list[int] = []
    (one,), (two,) = served(run, "one"), served(run, "two", digest=OTHER)
    hosts = asked_as_one(run, [one, two], seats=3, capacity=counts.append)
    told(hosts)
    two.digest = DIGEST
    hosts.look()
    assert counts == [3, 6]


def test_closing_the_answer_lets_its_server_go(run: ExitStack) -> None:
    one, two = served(run, "one", "two")
    hosts = asked_as_one(run, [one, two])
    one.go_on.clear()
    deltas = hosts.stream(QUESTION, Generation())
    next(deltas)
    deltas.close()  # type: ignore[attr-defined]  # a generator
    one.go_on.set()
    assert [host.running for host in hosts.standing()] == [0, 0]


def test_several_addresses_open_one_model_over_all_of_them(run: ExitStack, tmp_path: Path) -> None:
    one, two = served(run, "one", "two")
    model = open_language_model("ollama", models=tmp_path, base_urls=[one.url, two.url], limits=LIMITS)
    run.callback(model.close)
    assert model.info.name == MODEL
    one.breaks = "at once"
    assert text_of(told(model)) == "two!"


def test_a_prompt_that_fits_one_server_fits_the_other_too(run: ExitStack, tmp_path: Path) -> None:
    one, two = served(run, "one", "two")
    model = open_language_model(
        "ollama", models=tmp_path, base_urls=[one.url, two.url], limits=LIMITS, context_tokens=600
    )
    run.callback(model.close)
    prompt = (Message(role="user", content="Urlaub und Arbeitszeit im Betrieb. " * 24),)
    one.counted = two.counted = 210
    for _ in range(4):  # the first server's counts sharpen the bound
        assert text_of(list(model.stream(prompt, Generation(max_tokens=20)))) == "one!"
    room = 600 - model.count_tokens(prompt)
    one.breaks = "at once"
    deltas = list(model.stream(prompt, Generation(max_tokens=room)))
    assert text_of(deltas) == "two!"


@pytest.mark.parametrize("rounds", [40, pytest.param(2000, marks=pytest.mark.soak)])
def test_whatever_fails_an_answer_is_whole_cut_or_refused(run: ExitStack, rounds: int) -> None:
    seed = int(os.environ.get("RAG_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"RAG_SEED={seed}")
    now, chance = [0.0], random.Random(seed)
    servers = served(run, "one", "two", "three")
    hosts = asked_as_one(run, servers, digest=DIGEST, clock=lambda: now[0])
    for _ in range(rounds):
        for server in servers:
            server.breaks = chance.choice(("", "", "at once", "in the middle"))
            server.digest = chance.choice((DIGEST, DIGEST, OTHER))
        shown = chance.random() < 0.5
        now[0] += chance.choice((0.0, 1.0, 30.0))
        try:
            deltas = told(hosts, anew=lambda shown=shown: not shown)  # type: ignore[misc]  # bound now
        except (ModelUnavailable, ModelChanged):
            continue
        text, last = text_of(deltas), deltas[-1].usage
        assert last is not None
        assert text in {f"{s.name}!" for s in servers} if last.finish == "stop" else last.finish == "cut"
        assert not (shown and any(delta.anew for delta in deltas))
    assert [host.running for host in hosts.standing()] == [0, 0, 0]
