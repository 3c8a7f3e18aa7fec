"""Our retriever and chunker as LlamaIndex interfaces, so that they serve in any LlamaIndex program.

    from rag.llamaindex import ArchivarRetriever
    retriever = ArchivarRetriever(app.retriever, principal=app.person("anna"))
    RetrieverQueryEngine.from_args(retriever, llm=…)

Only llama-index-core is used, and never its global `Settings`: a default resolved there would reach a cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import BaseNode, NodeRelationship, NodeWithScore, QueryBundle, TextNode

from rag.access import Principal
from rag.answers import Passage
from rag.ask.retrieve import Retriever
from rag.documents import Document, DocumentId, DocumentRef, Section, Span
from rag.ingest.chunk import chunk


class ArchivarRetriever(BaseRetriever):  # type: ignore[misc]  # llama_index is not typed for us
    """Hybrid retrieval for one principal: the same rights, fusion and ledger check as every other door."""

    def __init__(self, retriever: Retriever, *, principal: Principal, k: int = 10) -> None:
        super().__init__(callback_manager=CallbackManager([]))
        self._archivar, self._principal, self._k = retriever, principal, k

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._archivar.retrieve(query_bundle.query_str, principal=self._principal, k=self._k)
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
