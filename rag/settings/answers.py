"""`[retrieval]` and `[answers]` of rag.toml: how passages are found, and answers made of them."""

from __future__ import annotations

from dataclasses import dataclass

from rag.settings.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSettings:
    """`[retrieval]`: how passages are found."""

    passages: int = option(8, "passages shown with an answer", least=1)
    prompt_tokens: int = option(0, "passage tokens given to the model; 0: 540 embedded, 2000 on a server")
    scan_mb: int = option(
        400,
        "most memory for the vectors, MiB: searching them there takes the same time whatever a reader may see; 0: none",
    )
    evidence: float = option(0.25, "least probability that the passages answer the question, 0 to 1", most=1)
    reranker: str = option(
        "",
        "what reads question and passages together: a cross-encoder's directory (extra torch), or the address of a "
        "server that answers /v1/rerank; empty: none",
        place=True,
    )
    reranker_model: str = option("", "the server's name for it; empty: the one it has")
    reranker_api_key_file: str = option("", "file that holds the key of that server")
    reranker_timeout_s: float = option(
        2.0, "longest wait for that server, seconds; then passages keep the order they had", least=0.05
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersSettings:
    """`[answers]`: how answers are made."""

    unsupported: str = option("flag", "a sentence no passage supports is flagged, or dropped", choices=("flag", "drop"))
    patience_s: float = option(
        8.0, "a model that would read longer than this, seconds, is given sentences in place of passages", least=0.5
    )
