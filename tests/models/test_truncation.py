"""No prompt and no passage loses a part in silence, whatever is in it and whatever counts it."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator, Sequence

import pytest

from rag.errors import ContextOverflow
from rag.models.embedded import EmbeddedModel
from rag.models.ollama import OllamaModel
from rag.models.ollama_embedder import OllamaEmbedder
from rag.models.openai_compatible import OpenAiCompatibleModel
from rag.models.streaming import Limits
from rag.models.token_bound import certainly
from rag.models.weights import Weights
from rag.ports import Generation, LanguageModel, Message
from tests.models.cutting_server import TOKENIZERS, Cutting, cutting_server
from tests.models.protocol_server import MODEL
from tests.models.random_texts import seed, text
from tests.models.scripted_server import Exchange, ScriptedServer
from tests.models.test_language_model_faults import OPENAI, openai_text

CONTEXT = 2048
PATIENT = Limits(connect_s=20, first_token_s=60, between_tokens_s=60, total_s=120)
CI, FULL = 100, 1000
SIZES = [CI, pytest.param(FULL, marks=pytest.mark.soak)]


def prompt(rng: random.Random, characters: int) -> list[Message]:
    """As ours are: instructions, examples, and what is asked, which is the longest."""
    turns = [Message(role="system", content=text(rng, rng.randint(10, 800)))]
    for _ in range(rng.randint(0, 3)):
        turns.append(Message(role="user", content=text(rng, rng.randint(10, 300))))
        turns.append(Message(role="assistant", content=text(rng, rng.randint(10, 100))))
    return [*turns, Message(role="user", content=text(rng, characters))]


def told(model: LanguageModel, messages: Sequence[Message]) -> bool:
    """Whether it went through; False where the model said that it is too long."""
    try:
        list(model.stream(messages, Generation(max_tokens=50)))
    except ContextOverflow:
        return False
    return True


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("version", ["0.9.0", "0.21.0"])
def test_no_random_prompt_is_cut_in_silence_by_ollama(size: int, version: str) -> None:
    rng, silent, whole, unfit = random.Random(seed()), 0, 0, 0
    cutting = Cutting(version=version)
    with cutting_server(cutting) as server:
        model = OllamaModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        for number in range(size):
            cutting.tokens = rng.choice(list(TOKENIZERS.values()))
            if number % 20 == 0:  # nothing learned yet is the hardest
                model = OllamaModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
            before = cutting.lost
            lengths = (300,) if number % 5 == 4 else (300, 1500, 4000, 12_000)  # enough fit
            went = told(model, prompt(rng, rng.choice(lengths)))
            whole, unfit = whole + went, unfit + (not went)
            silent += went and cutting.lost > before
    assert silent == 0
    assert whole > size // 20, "prompts that fit are let through"
    assert unfit > size // 4, "most of these do not fit"


def sabotaged(*, afterwards: bool) -> tuple[int, int]:
    """Prompts that were cut, and those of them nobody noticed: nothing is counted before, or afterwards either."""
    cutting, silent, rng = Cutting(), 0, random.Random(seed())
    with cutting_server(cutting) as server:
        for _ in range(60):
            model = OllamaModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
            _ = model.info
            model.count_tokens = lambda messages: 1  # type: ignore[method-assign]
            if not afterwards:
                model._bound.checked = lambda messages, deltas, **more: deltas  # type: ignore[method-assign]
            before = cutting.lost
            cutting.tokens = rng.choice(list(TOKENIZERS.values()))
            went = told(model, prompt(rng, rng.choice((900, 1500, 2500))))
            silent += went and cutting.lost > before
    return cutting.lost, silent


def test_what_was_counted_too_low_before_is_noticed_afterwards() -> None:
    lost, silent = sabotaged(afterwards=True)
    assert lost > 5
    assert silent == 0


def test_without_either_check_parts_would_be_lost_in_silence() -> None:
    lost, silent = sabotaged(afterwards=False)
    assert silent == lost > 5


def test_a_prompt_that_certainly_fits_is_never_refused() -> None:
    rng = random.Random(seed())
    cutting = Cutting()
    with cutting_server(cutting) as server:
        model = OllamaModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        for _ in range(60):
            messages = prompt(rng, rng.randint(1, 300))
            cutting.tokens = rng.choice(list(TOKENIZERS.values()))
            if certainly(messages) + 50 <= CONTEXT:
                assert told(model, messages)


def test_a_model_trained_for_less_than_the_settings_say_gets_no_more() -> None:
    cutting = Cutting(trained=1024)
    rng = random.Random(seed())
    with cutting_server(cutting) as server:
        model = OllamaModel(MODEL, base_url=server.url, context_tokens=8192, limits=PATIENT)
        for _ in range(40):
            before = cutting.lost
            went = told(model, prompt(rng, rng.choice((300, 2500))))
            assert not (went and cutting.lost > before)
        assert model.context_tokens == 1024
        assert all(
            exchange.json["options"]["num_ctx"] == 1024 for name, exchange in server.asked if name.endswith("/chat")
        )


def test_a_server_that_does_not_tell_what_it_read_is_given_what_certainly_fits() -> None:
    cutting = Cutting(tells=False)
    long = [Message(role="user", content="Urlaub und Arbeitszeit. " * 120)]
    with cutting_server(cutting) as server:
        model = OllamaModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        with pytest.raises(ContextOverflow, match="does not tell how much"):
            list(model.stream(long, Generation(max_tokens=50)))
        assert model.count_tokens(long) > CONTEXT
        assert told(model, [Message(role="user", content="Urlaub?")])
        assert cutting.lost == 1


def test_ollama_is_asked_to_refuse_rather_than_to_cut() -> None:
    with cutting_server(Cutting(version="0.21.0")) as server:
        model = OllamaModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
        assert told(model, [Message(role="user", content="Urlaub?")])
        sent = server.asked[-1][1].json
    assert (sent["truncate"], sent["shift"]) == (False, False)


def test_an_openai_compatible_server_that_drops_the_oldest_messages_is_noticed() -> None:
    def answer(exchange: Exchange) -> None:
        told = exchange.json["messages"]  # the system's stay, as in Ollama; of what remains the beginning goes
        sizes = [len(one["content"]) for one in told]
        while sum(sizes) > CONTEXT and (oldest := _oldest(told[:-1], sizes)) is not None:
            sizes[oldest] = 0
            lost.append(1)
        lost.extend([1] * (sum(sizes) > CONTEXT))
        usage = {"prompt_tokens": min(sum(sizes), CONTEXT), "completion_tokens": 1}
        end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage}
        exchange.start()
        exchange.send([openai_text("ja"), "data: " + json.dumps(end) + "\n\ndata: [DONE]\n"])
        exchange.finish()

    rng, lost = random.Random(seed()), list[int]()
    with ScriptedServer(OPENAI.healthy | {OPENAI.generates: answer}) as server:
        for _ in range(40):
            model = OpenAiCompatibleModel(MODEL, base_url=server.url, context_tokens=CONTEXT, limits=PATIENT)
            lost.clear()
            went = told(model, prompt(rng, rng.choice((900, 1500, 2500))))
            assert not (went and lost)


def _oldest(messages: Sequence[dict[str, str]], sizes: Sequence[int]) -> int | None:
    return next((n for n, one in enumerate(messages) if one["role"] != "system" and sizes[n]), None)


# ---- passages ----


@pytest.mark.parametrize("size", SIZES)
def test_no_random_passage_is_embedded_by_half(size: int) -> None:
    rng, cutting = random.Random(seed()), Cutting()
    with cutting_server(cutting) as server:
        embedder = OllamaEmbedder(MODEL, base_url=server.url)
        for _ in range(size):
            cutting.tokens = rng.choice(list(TOKENIZERS.values()))
            with contextlib.suppress(ContextOverflow):
                embedder.embed_passages([text(rng, rng.choice((100, 800, 4000)))])
    assert cutting.lost == 0
    assert cutting.refused > size // 20


# ---- the real runtime ----


@pytest.fixture(scope="module")
def embedded(tiny: Weights) -> Iterator[EmbeddedModel]:
    model = EmbeddedModel(tiny.path, name="tiny", sha256="", context_tokens=512, threads=1, limits=PATIENT)
    yield model
    model.close()


@pytest.mark.models
@pytest.mark.parametrize("size", SIZES)
def test_no_random_prompt_is_cut_in_silence_by_the_embedded_runtime(size: int, embedded: EmbeddedModel) -> None:
    """Most do not fit and are never read; of those that fit, what was counted before is what was read."""
    rng, refused = random.Random(seed()), 0
    for number in range(size):
        messages = [Message(role="user", content=text(rng, 60 if number % 25 == 0 else rng.randint(1500, 9000)))]
        counted = embedded.count_tokens(messages)
        if counted + 1 > embedded.context_tokens:
            with pytest.raises(ContextOverflow):
                embedded.stream(messages, Generation(max_tokens=1))
            refused += 1
        elif number % 25 == 0:
            *_, last = embedded.stream(messages, Generation(max_tokens=1))
            assert last.usage is not None and last.usage.prompt_tokens == counted
    assert refused > size // 2
