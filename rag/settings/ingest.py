"""`[ingest]` of rag.toml: how documents are read, by what, how large they may be, and how often they are looked at."""

from __future__ import annotations

from dataclasses import dataclass

from rag.settings.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """`[ingest]`: how documents are read."""

    ocr: bool = option(True, "read scans and pictures of text")
    parser: str = option("default", "parsing profile", choices=("default", "fallback"))
    speech_model: str = option(
        "",
        "what writes down what is said in recordings: whisper-base, or a folder with weights for faster-whisper; needs "
        "the extra `speech`. Empty: recordings are not read",
    )
    speech_language: str = option("", "of all recordings, de or en for instance; empty: found out for each")
    speech_memory_mb: int = option(3072, "most memory that takes, MiB; larger models want more", least=512)
    vision_model: str = option(
        "",
        "a vision model that describes pictures and scans without readable text, in the Ollama of llm, or where llm is "
        "none in that of embedder.base_url; empty: none",
    )
    vision_language: str = option("de", "language of the descriptions", choices=("de", "en"))
    timeout_s: float = option(120.0, "longest time one document may take to parse, seconds", least=1)
    memory_mb: int = option(1024, "most memory one document may take to parse, MiB", least=64)
    max_body_mb: int = option(200, "largest file, MiB", least=1)
    max_upload_mb: int = option(50, "largest file that is taken over HTTP, MiB (see uploaders of a source)", least=1)
    max_chunks: int = option(5000, "longest document, chunks; of a longer one the rest is left out, and said", least=1)
    workers: int = option(0, "documents read at the same time; 0: half the cores, at most 4")
    settle_s: float = option(2.0, "a file is taken when nothing wrote to it for so many seconds (watching)", least=0.1)
    poll_s: float = option(60.0, "a network drive, which tells nothing, is looked through this often, seconds", least=1)
    full_sync_s: float = option(3600.0, "a full sync every so many seconds while watching", least=1)
    held_count: int = option(50, "removing more documents than this at once waits for a person")
    held_share: float = option(0.05, "so does removing more than this share of a source …", most=1)
    held_least: int = option(10, "the least number of documents that share is applied to", least=1)
