"""A model server that dies while it writes: the answer begins anew elsewhere, or ends as incomplete; never mixed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from rag.access import LOOPBACK
from rag.answers import Answer, Done
from rag.identity import person
from rag.models.hosts import Hosts
from rag.models.ollama import OllamaModel
from rag.models.streaming import Limits
from rag.text.sentences import texts
from tests.models.protocol_server import MODEL, tag
from tests.models.scripted_server import Exchange, ScriptedServer
from tests.standins import Shelf, says

QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
TRUE, FALSE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage.", "Der Urlaub beträgt im Kalenderjahr 45 Arbeitstage."
LIMITS = Limits(connect_s=5, first_token_s=20, between_tokens_s=20, total_s=40)


class Served(ScriptedServer):
    """An Ollama that says `text`, and dies before its end where it `dies`."""

    def __init__(self, text: str, *, dies: bool = False) -> None:
        self.text, self.dies = text, dies
        super().__init__(
            {
                "GET /api/tags": lambda e: e.reply({"models": [tag()]}),
                "POST /api/show": lambda e: e.reply({"capabilities": ["completion"], "license": "MIT"}),
                "GET /api/ps": lambda e: e.reply({"models": []}),
                "POST /api/chat": self._chat,
            }
        )

    def _chat(self, exchange: Exchange) -> None:
        exchange.start()
        exchange.send([json.dumps({"message": {"role": "assistant", "content": self.text}, "done": False})])
        if self.dies:
            exchange.handler.connection.close()
            return
        counts = {"prompt_eval_count": 900, "eval_count": 2}
        exchange.send(
            [
                json.dumps(
                    {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", **counts}
                )
            ]
        )
        exchange.finish()


@pytest.fixture
def second() -> Iterator[Served]:
    with Served(says(TRUE)) as server:
        yield server


def answered(shelf: Shelf, *servers: Served) -> Answer:
    hosts = Hosts([(one.url, OllamaModel(MODEL, base_url=one.url, limits=LIMITS)) for one in servers])
    try:
        *_, last = shelf.answerer(hosts, evidence=0.0).ask(QUESTION, principal=person("anna", {}), channel=LOOPBACK)  # type: ignore[arg-type]  # any model
    finally:
        hosts.close()
    assert isinstance(last, Done)
    return last.answer


@pytest.mark.parametrize("begun", [says(TRUE)[:20], says(FALSE, TRUE)[:-20]], ids=["half a word", "an unsupported one"])
def test_it_begins_anew_where_nothing_was_shown(shelf: Shelf, second: Served, begun: str) -> None:
    with Served(begun, dies=True) as first:
        answer = answered(shelf, first, second)
    assert (answer.outcome, answer.text) == ("answered", f"{TRUE} [1]")
    assert second.count("POST /api/chat") == 1


def test_it_ends_as_incomplete_where_a_sentence_was_shown(shelf: Shelf, second: Served) -> None:
    with Served(says(TRUE, FALSE)[:-20], dies=True) as first:
        answer = answered(shelf, first, second)
    assert answer.outcome == "incomplete"
    assert answer.text == f"{TRUE} [1]\n{texts('de')['incomplete']}"
    assert second.count("POST /api/chat") == 0


def test_with_no_other_left_it_ends_as_incomplete(shelf: Shelf) -> None:
    with Served(says(TRUE)[:20], dies=True) as first, Served(says(TRUE)[:20], dies=True) as other:
        assert answered(shelf, first, other).outcome == "incomplete"
