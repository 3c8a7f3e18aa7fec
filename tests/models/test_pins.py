"""A pinned model that became another version: nothing is embedded, and answers are refused or said to be its."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from rag.errors import LicenceRefused, ModelChanged
from rag.models import embedder as embedding
from rag.models.adapter import Adapted, Adapter
from rag.models.licences import Policy
from rag.models.ollama import OllamaModel
from rag.models.ollama_embedder import OllamaEmbedder
from rag.models.openai_compatible import OpenAiCompatibleModel
from rag.models.pins import Pin
from rag.ports import Generation, Message
from tests.models.protocol_server import DIGEST, MODEL, tag
from tests.models.scripted_server import Exchange, ScriptedServer

OTHER = "e" * 64
QUESTION = (Message(role="user", content="Wie viele Tage?"),)


class Ollama(ScriptedServer):
    """One embedding model whose version a test changes; `after` is how many batches later."""

    def __init__(self) -> None:
        self.digest, self.swap_after, self.batches = DIGEST, 10**6, 0
        self.licence = "mit"
        super().__init__(
            {
                "GET /api/tags": lambda e: e.reply({"models": [tag(digest=self.digest)]}),
                "POST /api/show": lambda e: e.reply({"capabilities": ["embedding"], "license": self.licence}),
                "POST /api/embed": self._embed,
            }
        )

    def _embed(self, exchange: Exchange) -> None:
        self.batches += 1
        if self.batches > self.swap_after:
            self.digest = OTHER
        exchange.reply({"embeddings": [[1.0, float(len(text))] for text in exchange.json["input"]]})


@pytest.fixture
def server() -> Iterator[Ollama]:
    with Ollama() as server:
        yield server


def test_a_pin_holds_its_digest_however_it_is_written() -> None:
    assert Pin.of(f"SHA256:{DIGEST.upper()}", key="k").holds(f"sha256:{DIGEST}")
    assert Pin.of("", key="k").holds(OTHER)
    assert not Pin.of(DIGEST, key="k").holds(OTHER)


@pytest.mark.parametrize("pinned", ["", DIGEST])
def test_another_version_embeds_nothing(server: Ollama, pinned: str) -> None:
    embedder = OllamaEmbedder(MODEL, base_url=server.url, digest=pinned)
    server.digest = OTHER
    before = server.batches
    with pytest.raises(ModelChanged, match=r"rag models (update|pin)"):
        embedder.embed_passages(["ein Satz"])
    assert server.batches == before


def test_it_is_looked_at_before_each_batch(server: Ollama) -> None:
    embedder = OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST)
    server.swap_after = server.batches + 1  # while the second of four batches is embedded
    with pytest.raises(ModelChanged):
        embedder.embed_passages([f"Satz {number}" for number in range(128)])
    assert server.batches == 3


def test_a_version_that_came_with_the_last_batch_is_noticed_too(server: Ollama) -> None:
    embedder = OllamaEmbedder(MODEL, base_url=server.url)
    server.swap_after = server.batches
    with pytest.raises(ModelChanged):
        embedder.embed_passages(["ein Satz"])


def test_a_question_is_refused_within_a_minute(server: Ollama) -> None:
    now = [0.0]
    embedder = OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST, clock=lambda: now[0])
    embedder.embed_question("Wie viele Tage?")
    server.digest = OTHER
    embedder.embed_question("Wie viele Tage?")
    now[0] = 60.0
    with pytest.raises(ModelChanged, match=r"embedder\.digest"):
        embedder.embed_question("Wie viele Tage?")


def test_only_warned_of_questions_go_on_and_it_is_known(server: Ollama) -> None:
    now = [0.0]
    embedder = OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST, changed="warn", clock=lambda: now[0])
    server.digest = OTHER
    now[0] = 60.0
    embedder.embed_question("Wie viele Tage?")
    assert embedding.changed(embedder)
    with pytest.raises(ModelChanged):
        embedder.embed_passages(["ein Satz"])


def test_only_warned_of_answers_compare_sentences_all_the_same(server: Ollama) -> None:
    embedder = OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST, changed="warn")
    server.digest = OTHER
    answering = embedding.for_answers(embedder)
    np.testing.assert_allclose(np.linalg.norm(answering.embed_passages(["a", "b"]), axis=1), 1, atol=1e-6)
    assert (answering.fingerprint, answering.dimension) == (embedder.fingerprint, embedder.dimension)


def test_refused_it_is_the_same_embedder_that_answers_are_made_with(server: Ollama) -> None:
    embedder = OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST)
    assert embedding.for_answers(embedder) is embedder


def test_a_start_with_another_version_is_refused(server: Ollama) -> None:
    server.digest = OTHER
    with pytest.raises(ModelChanged):
        OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST)


def test_an_adapter_hides_neither_that_it_changed_nor_that_it_is_only_warned_of(server: Ollama) -> None:
    bare = OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST, changed="warn")
    turn = np.zeros((bare.dimension, bare.dimension), np.float32)
    adapted = Adapted(bare, Adapter(base=bare.fingerprint, turn=turn))
    assert not embedding.changed(adapted)
    server.digest = OTHER
    with pytest.raises(ModelChanged):
        adapted.embed_passages(["Ein Satz."])
    assert embedding.changed(adapted)
    answering = embedding.for_answers(adapted)
    assert len(answering.embed_passages(["Ein Satz."])) == 1 and answering.fingerprint == adapted.fingerprint


def test_a_start_with_another_version_that_is_only_warned_of_makes_no_other_index(server: Ollama) -> None:
    before = OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST).fingerprint
    server.digest = OTHER
    after = OllamaEmbedder(MODEL, base_url=server.url, digest=DIGEST, changed="warn")
    assert after.fingerprint == before
    with pytest.raises(ModelChanged):
        after.embed_passages(["ein Satz"])


def test_an_answer_of_another_version_is_refused_or_said_to_be(server: Ollama) -> None:
    strict = OllamaModel(MODEL, base_url=server.url, digest=DIGEST)
    lenient = OllamaModel(MODEL, base_url=server.url, digest=DIGEST, changed="warn")
    assert not strict.info.changed and not lenient.info.changed
    server.digest = OTHER
    assert lenient.info.changed
    assert lenient.info.as_json()["changed"] is True
    with pytest.raises(ModelChanged, match=rf"(?s){MODEL}.*{server.url}.*{OTHER[:12]}.*{DIGEST[:12]}.*llm\.digest"):
        strict.stream(QUESTION, Generation())


def test_a_model_and_an_embedder_with_a_licence_that_is_not_let_in_are_refused(server: Ollama) -> None:
    server.licence = "Attribution-NonCommercial 4.0 International"
    policy = Policy(allow=["free", "conditions"])
    with pytest.raises(LicenceRefused, match=r"licences\.allow"):
        _ = OllamaModel(MODEL, base_url=server.url, policy=policy).info
    with pytest.raises(LicenceRefused, match=r"licences\.accepted"):
        OllamaEmbedder(MODEL, base_url=server.url, policy=policy)
    assert (
        OllamaModel(MODEL, base_url=server.url, policy=Policy(allow=["free"], accepted=[MODEL])).info.use == "research"
    )


def test_another_licence_that_came_with_another_version_is_looked_at(server: Ollama) -> None:
    model = OllamaModel(MODEL, base_url=server.url, policy=Policy(allow=["free"]))
    assert model.info.use == "free"
    server.digest, server.licence = OTHER, "Gemma Terms of Use"
    with pytest.raises(LicenceRefused):
        _ = model.info


def test_a_model_of_an_openai_compatible_server_is_judged_by_its_name() -> None:
    name = "mistralai/Mistral-Large-Instruct-2411"
    routes = {"GET /v1/models": lambda exchange: exchange.reply({"data": [{"id": name}]})}
    with ScriptedServer(routes) as server, pytest.raises(LicenceRefused, match="Mistral AI Research License"):
        _ = OpenAiCompatibleModel(base_url=server.url, policy=Policy(allow=["free"])).info
