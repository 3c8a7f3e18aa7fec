"""The contract of every embedder, and that the runtimes of one model agree."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ContextOverflow, ModelChanged, ModelUnavailable
from rag.models.embedder import Precision, open_embedder
from rag.models.ollama_embedder import OllamaEmbedder
from rag.models.weights import Weights
from rag.ports import Embedder, Vectors
from tests.models.protocol_server import MODEL, ollama_server, openai_server, tag
from tests.models.scripted_server import ScriptedServer

pytestmark = pytest.mark.models

TOPICS = [
    "Der Mindesturlaub beträgt 24 Werktage im Kalenderjahr.",
    "The notice period is four weeks to the fifteenth or the end of a calendar month.",
    "Reisekosten werden innerhalb von 14 Tagen nach Einreichung der Belege erstattet.",
    "Passwords must have at least twelve characters and are changed after an incident.",
    "Die Betriebsvereinbarung zur mobilen Arbeit gilt für alle Beschäftigten am Standort Köln.",
    "Incoming goods are inspected according to ISO 2859-1, level II.",
]
TEXTS = [
    f"{topic} {detail}".strip()
    for topic in TOPICS[:4]
    for detail in (
        "",
        "§ 7 Abs. 3 BUrlG bleibt unberührt; über Härtefälle entscheidet die Geschäftsführung.",
        "2024-03-31 12.345,67 € Größe Übermaß",
    )
]
MANY = [*TEXTS, *(f"{topic} {other}" for topic in TOPICS for other in TOPICS)]  # a few dozen, for comparisons

NEEDS_TORCH = pytest.mark.skipif(
    find_spec("torch") is None or find_spec("sentence_transformers") is None, reason="needs the extra `torch`"
)


def openvino(directory: Path, precision: Precision) -> Embedder:
    return open_embedder("openvino", models=directory, precision=precision)


@pytest.fixture(
    scope="module",
    params=["openvino f32", "openvino auto", pytest.param("torch", marks=NEEDS_TORCH), "ollama"],
)
def embedder(request: pytest.FixtureRequest, models_directory: Path) -> Iterator[Embedder]:
    if request.param == "ollama":
        weights: Weights = request.getfixturevalue("tiny")
        with openai_server(weights.path, embedding=True) as upstream, ollama_server(upstream, embeds=True) as server:
            yield open_embedder("ollama", models=models_directory, model=MODEL, base_url=server.url)
        return
    request.getfixturevalue("e5")
    provider, *precision = request.param.split()
    opened = (
        open_embedder("torch", models=models_directory)
        if provider == "torch"
        else openvino(models_directory, precision[0])
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def vectors(embedder: Embedder) -> Vectors:
    return embedder.embed_passages(TEXTS)


def test_its_tokens_are_those_of_the_text_alone_each_with_its_place(embedder: Embedder) -> None:
    texts = ["Der Urlaub beträgt 24 Werktage.", "x", ""]
    for question in (True, False):
        found = embedder.tokens(texts, question=question)
        if found is None:
            pytest.skip("this runtime gives vectors of whole texts only")
        for text, tokens in zip(texts, found, strict=True):
            layers, count, dimension = tokens.vectors.shape
            assert (layers, dimension) == (2, embedder.dimension)
            assert tokens.information.shape == tokens.starts.shape == (count,)
            assert list(tokens.starts) == sorted(tokens.starts)
            assert all(0 <= start < len(text) for start in tokens.starts)
            assert (tokens.information > 0).all()
        assert [len(tokens.starts) > 0 for tokens in found] == [True, True, False]


def test_rare_words_tell_more_than_common_ones(embedder: Embedder) -> None:
    found = embedder.tokens(["die Kündigungsfrist"], question=True)
    if found is None:
        pytest.skip("this runtime gives vectors of whole texts only")
    first, *others = found[0].information
    assert first < max(others)


def test_a_text_too_long_for_tokens_loses_its_end_only(embedder: Embedder) -> None:
    found = embedder.tokens(["Werktage und Urlaub " * 400], question=False)
    if found is None:
        pytest.skip("this runtime gives vectors of whole texts only")
    assert 400 < len(found[0].starts) < embedder.max_tokens


@NEEDS_TORCH
def test_the_runtimes_give_the_same_token_vectors(e5: Weights, models_directory: Path) -> None:
    reference, ours = open_embedder("torch", models=models_directory), openvino(models_directory, "f32")
    for one, other in zip(
        reference.tokens(TEXTS[:4], question=False) or (), ours.tokens(TEXTS[:4], question=False) or (), strict=True
    ):
        np.testing.assert_array_equal(one.starts, other.starts)
        np.testing.assert_allclose(one.information, other.information)
        np.testing.assert_allclose(one.vectors, other.vectors, atol=2e-2)
    ours.close()
    reference.close()


def test_it_gives_one_unit_row_a_text(embedder: Embedder, vectors: Vectors) -> None:
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_order_is_that_of_the_texts(embedder: Embedder, vectors: Vectors) -> None:
    backwards = embedder.embed_passages(TEXTS[::-1])[::-1]
    assert (np.argmax(backwards @ vectors.T, axis=1) == np.arange(len(TEXTS))).all()


def test_a_text_alone_and_among_many_is_the_same(embedder: Embedder) -> None:
    texts = [f"{TOPICS[number % 6][:12]} {number}" for number in range(100)]
    many = embedder.embed_passages(texts)
    for place in (0, 17, 99):
        assert embedder.embed_passages([texts[place]])[0] @ many[place] > 0.9995


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed_passages([]).shape == (0, embedder.dimension)


def test_a_passage_that_is_too_long_is_refused_not_cut(embedder: Embedder) -> None:
    with pytest.raises(ContextOverflow):
        embedder.embed_passages(["kurz", "Arbeitszeitkonto und Überstunden. " * 80])


def test_a_question_that_is_too_long_loses_its_end(embedder: Embedder) -> None:
    question = "Wie viele Tage Urlaub habe ich? " * 80
    vector = embedder.embed_question(question)
    assert vector.shape == (embedder.dimension,)
    assert vector @ embedder.embed_question(question[: len(question) // 2]) > 0.9


def test_the_count_is_exact_or_an_upper_bound(embedder: Embedder) -> None:
    counts = [embedder.count_tokens(text) for text in TEXTS]
    fitting = [text for text, count in zip(TEXTS, counts, strict=True) if count <= embedder.max_tokens]
    assert fitting
    embedder.embed_passages(fitting)  # whatever is counted to fit, fits


def test_many_threads_get_what_one_gets(embedder: Embedder, vectors: Vectors) -> None:
    results: dict[int, Vectors] = {}

    def embed(place: int) -> None:
        results[place] = embedder.embed_passages(TEXTS[place : place + 3])

    threads = [threading.Thread(target=embed, args=(place,)) for place in (0, 9, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, rows in results.items():
        assert (np.sum(rows * vectors[place : place + 3], axis=1) > 0.9995).all()
    assert len(results) == 3


def test_the_fingerprint_is_one_word(embedder: Embedder) -> None:
    assert embedder.fingerprint
    assert not embedder.fingerprint.isspace()


# multilingual-e5-small alone


@pytest.fixture(scope="module")
def exact(e5: Weights, models_directory: Path) -> Iterator[Embedder]:
    opened = openvino(models_directory, "f32")
    yield opened
    opened.close()


def test_a_count_at_the_limit_is_embedded_and_one_more_is_not(exact: Embedder) -> None:
    words = 505
    while exact.count_tokens("a " * words) < exact.max_tokens:
        words += 1
    assert exact.count_tokens("a " * words) == exact.max_tokens
    exact.embed_passages(["a " * words])
    with pytest.raises(ContextOverflow, match="513 tokens"):
        exact.embed_passages(["a " * (words + 1)])


def test_an_empty_text_has_a_vector(exact: Embedder) -> None:
    assert np.isfinite(exact.embed_passages([""])).all()


def test_a_question_finds_its_passage(exact: Embedder) -> None:
    questions = ["Wie viele Werktage Urlaub gibt es mindestens?", "How many characters must a password have?"]
    scores = np.stack([exact.embed_question(question) for question in questions]) @ exact.embed_passages(TOPICS).T
    assert list(np.argmax(scores, axis=1)) == [0, 3]


@pytest.fixture(scope="module")
def reference(e5: Weights, models_directory: Path) -> Iterator[Embedder]:
    opened = open_embedder("torch", models=models_directory)
    yield opened
    opened.close()


@NEEDS_TORCH
@pytest.mark.parametrize(("precision", "least", "overlap"), [("f32", 0.9999, 1.0), ("bf16", 0.999, 0.9)])
def test_openvino_agrees_with_torch(
    reference: Embedder, models_directory: Path, precision: Precision, least: float, overlap: float
) -> None:
    quick = openvino(models_directory, precision)
    expected, given = reference.embed_passages(MANY), quick.embed_passages(MANY)
    assert np.sum(expected * given, axis=1).min() >= least
    questions = [reference.embed_question(topic) @ quick.embed_question(topic) for topic in TOPICS]
    assert min(questions) >= least
    assert np.mean([shared(expected @ row, given @ row) for row in expected]) >= overlap
    assert reference.fingerprint == quick.fingerprint
    assert (reference.dimension, reference.max_tokens) == (quick.dimension, quick.max_tokens)
    quick.close()


def shared(expected: Vectors, given: Vectors, k: int = 10) -> float:
    """The share of the k best that both have."""
    return len(set(np.argsort(-expected)[:k]) & set(np.argsort(-given)[:k])) / k


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="rag models fetch e5-small"):
        open_embedder("openvino", models=tmp_path)


def test_an_unknown_provider_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="openvino, torch, ollama"):
        open_embedder("magic", models=tmp_path)


# Ollama alone


def test_an_embedding_model_that_changes_in_use_is_noticed() -> None:
    routes = {
        "GET /api/tags": lambda exchange: exchange.reply({"models": [tag()]}),
        "POST /api/show": lambda exchange: exchange.reply({"capabilities": ["embedding"]}),
        "POST /api/embed": lambda exchange: exchange.reply(
            {"model": MODEL, "embeddings": [[3.0, 4.0] for _ in exchange.json["input"]]}
        ),
    }
    with ScriptedServer(routes) as server:
        embedder = OllamaEmbedder(MODEL, base_url=server.url)
        before = embedder.fingerprint
        np.testing.assert_allclose(embedder.embed_passages(["a"]), [[0.6, 0.8]])
        sent = [exchange.json for name, exchange in server.asked if name == "POST /api/embed"]
        assert sent and all(one["truncate"] is False for one in sent)
        server.routes["GET /api/tags"] = lambda exchange: exchange.reply({"models": [tag(digest="f" * 64)]})
        with pytest.raises(ModelChanged):
            embedder.embed_passages(["a"])
        assert OllamaEmbedder(MODEL, base_url=server.url).fingerprint != before


def test_prefixes_are_part_of_the_text_and_of_the_fingerprint() -> None:
    routes = {
        "GET /api/tags": lambda exchange: exchange.reply({"models": [tag()]}),
        "POST /api/show": lambda exchange: exchange.reply({}),
        "POST /api/embed": lambda exchange: exchange.reply({"model": MODEL, "embeddings": [[1.0, 0.0]]}),
    }
    with ScriptedServer(routes) as server:
        plain = OllamaEmbedder(MODEL, base_url=server.url)
        prefixed = OllamaEmbedder(MODEL, base_url=server.url, question_prefix="query: ", passage_prefix="passage: ")
        prefixed.embed_passages(["a"])
        prefixed.embed_question("b")
        sent = [exchange.json["input"] for name, exchange in server.asked if name == "POST /api/embed"]
    assert sent[-2:] == [["passage: a"], ["query: b"]]
    assert plain.fingerprint != prefixed.fingerprint
