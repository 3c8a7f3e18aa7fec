"""Our retriever and chunker in a LlamaIndex program."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_index.core import Settings
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import Document

from rag.filters import Filters
from rag.identity import person
from rag.llamaindex import ArchivarNodeParser, ArchivarRetriever
from tests import loops
from tests.doors.conftest import QUESTION, ROOT, TRUE, Line, papers, readme
from tests.standins import Shelf

SECRET = "Die Prämie der Leitung im Kalenderjahr beträgt 4711 Euro."


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Shelf(tmp_path_factory.mktemp("shelf")) as shelf:
        shelf.put("urlaub.txt", TRUE)
        shelf.put("praemie.txt", SECRET, readers=("group:hr",))
        yield shelf


@pytest.mark.parametrize("groups", [{}, {"hr": ["anna"]}])
def test_it_gives_the_passages_that_our_own_search_gives(shelf: Shelf, groups: dict[str, list[str]]) -> None:
    anna = person("anna", groups)
    own = shelf.retriever.retrieve(QUESTION, principal=anna, k=5).passages
    nodes = ArchivarRetriever(shelf.retriever, audit=shelf.audit, principal=anna, k=5).retrieve(QUESTION)
    assert [(node.node.node_id, node.text, node.score) for node in nodes] == [
        (passage.chunk.id, passage.chunk.text, passage.score) for passage in own
    ]
    assert (SECRET in [node.text for node in nodes]) == bool(groups)


def test_a_node_says_where_it_stands(shelf: Shelf) -> None:
    (node,) = ArchivarRetriever(shelf.retriever, audit=shelf.audit, principal=person("berta", {}), k=5).retrieve(
        QUESTION
    )
    assert (node.node.metadata["document_id"], node.node.metadata["span"]) == ("house:urlaub.txt", [0, len(TRUE)])


def test_it_searches_only_what_its_filters_leave(shelf: Shelf) -> None:
    found = {
        name: ArchivarRetriever(
            shelf.retriever,
            audit=shelf.audit,
            principal=person("berta", {}),
            filters=Filters(sources=frozenset({name})),
        ).retrieve(QUESTION)
        for name in ("house", "elsewhere")
    }
    assert [len(nodes) for nodes in found.values()] == [1, 0]


def test_an_event_loop_is_not_held_while_it_searches(shelf: Shelf) -> None:
    retriever = ArchivarRetriever(shelf.retriever, audit=shelf.audit, principal=person("berta", {}), k=5)
    threads: list[int] = []
    search = retriever._retrieve

    def watched(query: Any) -> Any:
        threads.append(threading.get_ident())
        return search(query)

    retriever._retrieve = watched  # type: ignore[method-assign]
    nodes = loops.run(retriever.aretrieve(QUESTION))
    assert [node.text for node in nodes] == [node.text for node in retriever.retrieve(QUESTION)]
    assert threads[0] != threads[1], "the loop's thread, and the search's"


class Echo(CustomLLM):
    """A language model that says what it was told."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=prompt)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        yield self.complete(prompt)


def test_a_query_engine_answers_from_what_the_reader_may_read(shelf: Shelf) -> None:
    retriever = ArchivarRetriever(shelf.retriever, audit=shelf.audit, principal=person("berta", {}))
    answer = RetrieverQueryEngine.from_args(retriever, llm=Echo()).query(QUESTION)
    assert TRUE in str(answer)
    assert SECRET not in str(answer)
    assert [node.metadata["document_id"] for node in answer.source_nodes] == ["house:urlaub.txt"]
    assert Settings._llm is None, "no default of the library was resolved"
    assert Settings._embed_model is None


def test_the_readme_shows_a_program_that_runs(fresh: Line) -> None:
    papers(fresh.folder / "papers")
    fresh.run("ingest", fresh.folder / "papers")
    (program,) = [block for block in readme("python") if "ArchivarRetriever" in block]
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=fresh.folder,
        env=fresh.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"papers:urlaub.txt {TRUE}" in done.stdout


PARAGRAPHS = st.lists(
    st.sampled_from(["Der Urlaub beträgt 30 Tage. " * 9, "Noch ein Satz.", "Wieder und wieder. " * 30, "Ende."]),
    min_size=1,
    max_size=12,
).map("\n\n".join)


@given(PARAGRAPHS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_every_node_is_the_text_at_its_span_and_they_cover_the_document(text: str) -> None:
    document = Document(text=text, metadata={"title": "Ordnung", "kind": "rule"})
    nodes = ArchivarNodeParser().get_nodes_from_documents([document])
    spans = [(node.start_char_idx, node.end_char_idx) for node in nodes]
    assert [text[start:end] for start, end in spans] == [node.get_content() for node in nodes]
    assert spans == sorted(spans)
    held = {place for start, end in spans for place in range(start, end)}
    assert all(place in held for place, character in enumerate(text) if not character.isspace())


def test_a_node_knows_its_document_and_keeps_metadata_of_its_own() -> None:
    document = Document(text="Der Urlaub. " * 200, metadata={"kind": "rule"})
    nodes = ArchivarNodeParser().get_nodes_from_documents([document])
    assert len(nodes) > 1
    assert {node.ref_doc_id for node in nodes} == {document.id_}
    nodes[0].metadata["kind"] = "other"
    assert (nodes[1].metadata["kind"], document.metadata["kind"]) == ("rule", "rule")


def test_importing_it_pulls_no_openai_and_resolves_no_default_model(tmp_path: Path) -> None:
    script = (
        "import sys, rag.llamaindex\n"
        "from llama_index.core import Settings\n"
        "assert Settings._llm is None and Settings._embed_model is None\n"
        "sys.stdout.write(repr([n for n in sys.modules if n.startswith(('openai', 'llama_index.llms.openai'))]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[]"), done.stderr
