"""Our retriever and chunker as LlamaIndex interfaces, so that they serve in any LlamaIndex program.

    from rag.llamaindex import ArchivarRetriever
    retriever = ArchivarRetriever(app.retriever, audit=app.audit, principal=app.person("anna"))
    RetrieverQueryEngine.from_args(retriever, llm=…)

Only llama-index-core is used, and never its global `Settings`: a default resolved there would reach a cloud.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import BaseNode, NodeRelationship, NodeWithScore, QueryBundle, TextNode

from rag.access import LOOPBACK, Principal
from rag.answers import Passage
from rag.ask.retrieve import Retriever
from rag.documents import Document, DocumentId, DocumentRef, Section, Span
from rag.filters import NONE, Filters
from rag.ingest.chunk import chunk
from rag.store.audit import AuditLog


class ArchivarRetriever(BaseRetriever):  # type: ignore[misc]  # llama_index is not typed for us
    """Hybrid retrieval for one principal: the same rights, fusion, ledger check and record as every other door; of what
    `filters` leave."""

    def __init__(
        self, retriever: Retriever, *, audit: AuditLog, principal: Principal, k: int = 10, filters: Filters = NONE
    ) -> None:
        super().__init__(callback_manager=CallbackManager([]))
        self._archivar, self._audit, self._principal = retriever, audit, principal
        self._k, self._filters = k, filters

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """In a thread: the event loop of the program is not held."""
        return await asyncio.to_thread(self._retrieve, query_bundle)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._archivar.retrieve(
            query_bundle.query_str, principal=self._principal, k=self._k, filters=self._filters
        )
        self._audit.open(
            question=query_bundle.query_str,
            principal=self._principal,
            channel=LOOPBACK,
            passages=found.passages,
            event="searched",
        )
        return [NodeWithScore(node=node_of(passage), score=passage.score) for passage in found.passages]


class ArchivarNodeParser(NodeParser):  # type: ignore[misc]  # llama_index is not typed for us
    """Splits LlamaIndex documents as Archivar does: exact spans, a hard bound, tables by their rows."""

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> list[BaseNode]:
        made: list[BaseNode] = []
        for node in nodes:
            text = node.get_content()
            title = str(node.metadata.get("title", ""))
            document = Document(
                ref=DocumentRef(id=DocumentId(node.node_id), key=node.node_id, version=node.hash),
                title=title,
                uri="",
                modified_at=datetime.fromtimestamp(0, UTC),
                language=None,
                text=text,
                sections=(Section(span=Span(start=0, end=len(text))),) if text.strip() else (),
            )
            for piece in chunk(document, recipe="llama-index"):
                made.append(
                    TextNode(
                        id_=piece.id,
                        text=piece.text,
                        metadata=node.metadata,
                        start_char_idx=piece.span.start,
                        end_char_idx=piece.span.end,
                        relationships={NodeRelationship.SOURCE: node.as_related_node_info()},
                    )
                )
        return made

    def _postprocess_parsed_nodes(self, nodes: list[BaseNode], parent_doc_map: dict[str, Any]) -> list[BaseNode]:
        """What LlamaIndex adds, but for its spans: it searches for the text, and the same text may stand twice."""
        spans = [(node.start_char_idx, node.end_char_idx) for node in nodes]
        made: list[BaseNode] = super()._postprocess_parsed_nodes(nodes, parent_doc_map)
        for node, (start, end) in zip(made, spans, strict=True):
            node.start_char_idx, node.end_char_idx = start, end
        return made


def node_of(passage: Passage) -> TextNode:
    """A passage as a node; what a citation needs is in its metadata."""
    found = passage.as_json()
    text = found.pop("text")
    return TextNode(id_=passage.chunk.id, text=text, metadata={key: found[key] for key in found if key != "score"})
