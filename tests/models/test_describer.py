"""A description says when it was cut short; what a model thinks of a picture is no part of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rag.errors import ModelUnavailable
from rag.models.describer import OllamaDescriber
from tests.models.scripted_server import Exchange, ScriptedServer

SEEN = "Ein Gabelstapler steht vor dem Lager."


class Seer:
    """A scripted vision model."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.says, self.ends, self.shows = SEEN, {"done_reason": "stop", "prompt_eval_count": 900}, {}

    def chat(self, exchange: Exchange) -> None:
        self.asked.append(exchange.json)
        message = {"role": "assistant", "content": self.says}
        exchange.reply({"model": "seer:latest", "message": message, "done": True, **self.ends})

    def show(self, exchange: Exchange) -> None:
        exchange.reply({"capabilities": ["completion", "vision"], "model_info": {}, "details": {}, **self.shows})


@pytest.fixture
def seer() -> Seer:
    return Seer()


@pytest.fixture
def describer(seer: Seer) -> Iterator[OllamaDescriber]:
    entry = {"name": "seer:latest", "model": "seer:latest", "digest": "1" * 64, "size": 1}
    routes = {
        "GET /api/version": lambda e: e.reply({"version": "0.17.1"}),
        "GET /api/tags": lambda e: e.reply({"models": [entry]}),
        "POST /api/show": seer.show,
        "POST /api/chat": seer.chat,
    }
    with ScriptedServer(routes) as running:
        yield OllamaDescriber(running.url, model="seer")


def test_a_description_that_is_whole_is_not_called_cut(describer: OllamaDescriber, seer: Seer) -> None:
    assert describer.describe(b"picture") == (SEEN, False)
    assert seer.asked[0]["messages"][0]["images"] == ["cGljdHVyZQ=="] and seer.asked[0]["stream"] is False


@pytest.mark.parametrize("ends", [{"done_reason": "length"}, {"done_reason": "stop", "prompt_eval_count": 4096}])
def test_one_at_the_models_limit_is(describer: OllamaDescriber, seer: Seer, ends: dict[str, Any]) -> None:
    seer.ends = ends
    assert describer.describe(b"picture") == (SEEN, True)


def test_one_that_is_too_long_to_keep_is(describer: OllamaDescriber, seer: Seer) -> None:
    seer.says = "lang " * 1000
    text, cut = describer.describe(b"picture")
    assert len(text) == 4000 and cut


def test_the_model_is_told_not_to_think_and_what_it_thinks_all_the_same_is_left_out(
    describer: OllamaDescriber, seer: Seer
) -> None:
    seer.shows = {"capabilities": ["completion", "vision", "thinking"]}
    seer.says = f"<think>Was ist das?</think>{SEEN}"
    assert describer.describe(b"picture") == (SEEN, False)
    assert seer.asked[0]["think"] is False and seer.asked[0]["truncate"] is False
    seer.says, seer.ends = "<think>Was ist", {"done_reason": "length"}
    assert describer.describe(b"picture") == ("", True)


def test_an_answer_that_is_no_answer_is_the_models_failure(describer: OllamaDescriber, seer: Seer) -> None:
    seer.ends = {"message": 7}
    with pytest.raises(ModelUnavailable, match="not its protocol"):
        describer.describe(b"picture")
