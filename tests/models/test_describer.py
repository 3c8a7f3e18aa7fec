"""A description says when it was cut short; what a model thinks of a picture is no part of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.errors import LicenceRefused, ModelUnavailable
from rag.models.describer import OllamaDescriber
from rag.models.licences import Policy
from rag.models_in_use.licensing import in_use, refuse_at_start
from rag.settings import Settings
from rag.settings.ingest import IngestSettings
from rag.settings.models import LicencesSettings, LlmSettings
from tests.models.scripted_server import Exchange, ScriptedServer

SEEN = "Ein Gabelstapler steht vor dem Lager."


class Seer:
    """A scripted vision model."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.says, self.ends, self.shows = SEEN, {"done_reason": "stop", "prompt_eval_count": 900}, {}
        self.entry = {"name": "seer:latest", "model": "seer:latest", "digest": "1" * 64, "size": 1}

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
def server(seer: Seer) -> Iterator[ScriptedServer]:
    routes = {
        "GET /api/version": lambda e: e.reply({"version": "0.17.1"}),
        "GET /api/tags": lambda e: e.reply({"models": [seer.entry]}),
        "POST /api/show": seer.show,
        "POST /api/chat": seer.chat,
    }
    with ScriptedServer(routes) as running:
        yield running


@pytest.fixture
def describer(server: ScriptedServer) -> OllamaDescriber:
    return OllamaDescriber(server.url, model="seer")


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


def test_a_model_whose_licence_is_not_let_in_is_sent_no_picture(server: ScriptedServer, seer: Seer) -> None:
    seer.shows = {"license": "Some terms nobody knows."}
    with pytest.raises(LicenceRefused, match=r"ingest\.vision_model"):
        OllamaDescriber(server.url, model="seer", policy=Policy(allow=("free",))).describe(b"picture")
    assert seer.asked == []
    accepting = Policy(allow=("free",), accepted=("seer",))
    assert OllamaDescriber(server.url, model="seer", policy=accepting).describe(b"picture") == (SEEN, False)


def test_a_model_that_came_to_run_elsewhere_is_sent_no_more_pictures(describer: OllamaDescriber, seer: Seer) -> None:
    describer.describe(b"picture")
    seer.entry |= {"remote_host": "https://ollama.com"}
    with pytest.raises(ModelUnavailable, match="leave the building"):
        describer.describe(b"picture")
    assert len(seer.asked) == 1


def test_another_version_is_looked_at_anew(describer: OllamaDescriber, seer: Seer) -> None:
    describer.describe(b"picture")
    seer.entry |= {"digest": "2" * 64}
    seer.shows = {"capabilities": ["completion"]}
    with pytest.raises(ModelUnavailable, match="cannot read pictures"):
        describer.describe(b"picture")


def test_the_vision_model_is_among_those_whose_licence_is_looked_at(
    tmp_path: Path, server: ScriptedServer, seer: Seer
) -> None:
    seer.shows = {"license": "Some terms nobody knows."}
    settings = Settings(
        home=tmp_path,
        models=tmp_path,
        llm=LlmSettings(provider="none", base_url=server.url),
        ingest=IngestSettings(vision_model="seer"),
        licences=LicencesSettings(allow=("free",)),
    )
    assert [(key, model.name) for key, model in in_use(settings) if key != "embedder.model"] == [
        ("ingest.vision_model", "seer:latest")
    ]
    with pytest.raises(LicenceRefused, match=r"ingest\.vision_model"):
        refuse_at_start(settings)
