"""Frozen settings. Flows receive plain values, never this object.

Every field carries its unit and meaning (`rag.settings_template` writes them out); `rag.settings_file` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any

from rag.access import Confidentiality
from rag.egress.endpoints import Endpoint, endpoints
from rag.errors import SettingsError
from rag.house_prompts import HousePrompt
from rag.secret_files import secret
from rag.settings_auth import AuthSettings
from rag.settings_bots import BotsSettings
from rag.settings_cost import CostSettings
from rag.settings_limits import LimitsSettings, ServerSettings
from rag.settings_models import LicencesSettings
from rag.settings_operations import LogSettings, TelemetrySettings
from rag.settings_option import option as _option
from rag.settings_release import Cells
from rag.settings_rights import (
    FROM_FILESYSTEM,
    IdentitySettings,
    RuleSettings,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """`[[sources]]`: a folder to watch. Without `readers` nobody reads it; without `class` it is strict."""

    name: str = _option("", "short name, part of every document id; letters, digits, - and _")
    kind: str = _option("folder", "kind of source", choices=("folder",))
    path: str = _option("", "the folder")
    readers: tuple[str, ...] = _option(
        (), 'who may read: "everyone", "user:NAME", "group:NAME"; "from-filesystem": as its files say; empty: nobody'
    )
    deny: tuple[str, ...] = _option((), 'who may never read, whatever lets them: "user:NAME", "group:NAME"')
    uploaders: tuple[str, ...] = _option(
        (), "which of its readers may put documents into the folder over HTTP, written as readers are; empty: nobody"
    )
    confidentiality: str = _option(
        "strict", "class of the documents", choices=("public", "internal", "confidential", "strict")
    )
    include: tuple[str, ...] = _option((), 'only files that match one of these patterns, e.g. "**/*.pdf"; empty: all')
    exclude: tuple[str, ...] = _option((), "no files that match one of these patterns")
    ocr: bool = _option(True, "read scans and pictures of text in this source")
    prompt: str = _option("", "file of what a model is told besides about these documents (TOML, beside this one)")
    rules: tuple[RuleSettings, ...] = ()

    @property
    def from_filesystem(self) -> bool:
        """Whether any of it is read by whom the file system lets read."""
        return FROM_FILESYSTEM in self.readers or any(FROM_FILESYSTEM in rule.readers for rule in self.rules)

    @property
    def level(self) -> Confidentiality:
        """The class as a level."""
        return Confidentiality[self.confidentiality.upper()]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderSettings:
    """`[embedder]`: what turns text into vectors. Another embedder means the index is made anew."""

    provider: str = _option(
        "openvino",
        "openvino (CPU, no torch), torch (GPU; extra torch), ollama",
        choices=("openvino", "torch", "ollama"),
    )
    model: str = _option("e5-small", "model name; for ollama for instance bge-m3")
    base_url: str = _option("http://localhost:11434", "address of Ollama, for provider ollama", address=True)
    digest: str = _option(
        "", 'pinned digest, "sha256:…" (`rag models pin`); another version embeds nothing; empty: not pinned'
    )
    precision: str = _option("auto", "auto: bf16 where the CPU has it", choices=("auto", "bf16", "f32"))
    threads: int = _option(0, "threads for ingestion; 0: all cores")
    adapter: str = _option(
        "auto", "auto: the one that `rag tune embedder` fitted and adopted, if any; none", choices=("auto", "none")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """`[llm]`: what writes answers."""

    provider: str = _option(
        "auto",
        "auto: Ollama if it answers, else the embedded model",
        choices=("auto", "ollama", "openai-compatible", "embedded", "none"),
    )
    base_url: str = _option("", "address of the model server; empty: the provider's usual one", address=True)
    model: str = _option("", "model name; empty: Ollama's first local chat model, or the embedded one that fits")
    base_urls: tuple[str, ...] = _option(
        (), "several servers of the same model, in place of base_url: the least busy one answers", address=True
    )
    digest: str = _option("", 'pinned digest, "sha256:…" (`rag models pin`); empty: not pinned')
    changed: str = _option(
        "refuse",
        "what becomes of answers when a pinned model, or the embedder, is another version: refuse: only extracts from "
        "the documents; warn: it answers, and the answer says so",
        choices=("refuse", "warn"),
    )
    context_tokens: int = _option(4096, "tokens of prompt and answer together (num_ctx)", least=512)
    max_answer_tokens: int = _option(300, "longest answer, tokens", least=1)
    connect_timeout_s: float = _option(
        5.0, "longest wait for the model server to take a connection, seconds", least=0.1
    )
    first_token_timeout_s: float = _option(180.0, "longest wait for the first token, seconds", least=0.1)
    between_tokens_timeout_s: float = _option(60.0, "longest wait for each token after it, seconds", least=0.1)
    total_timeout_s: float = _option(600.0, "longest answer, seconds", least=0.1)
    thinking_tokens: int = _option(
        1024, "most tokens a thinking model may think before it answers; of the context, beside prompt and answer"
    )
    threads: int = _option(0, "threads of the embedded model; 0: all cores (fewer is faster on a busy machine)")
    api_key_file: str = _option("", "file that holds the key of an openai-compatible server")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers that are named; empty: the provider's usual one."""
        return self.base_urls or ((self.base_url,) if self.base_url else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSettings:
    """`[retrieval]`: how passages are found."""

    passages: int = _option(8, "passages shown with an answer", least=1)
    prompt_tokens: int = _option(0, "passage tokens given to the model; 0: 540 embedded, 2000 on a server")
    scan_mb: int = _option(
        400,
        "most memory for the vectors, MiB: searching them there takes the same time whatever a reader may see; 0: none",
    )
    evidence: float = _option(0.25, "least probability that the passages answer the question, 0 to 1", most=1)
    reranker: str = _option(
        "",
        "what reads question and passages together: a cross-encoder's directory (extra torch), or the address of a "
        "server that answers /v1/rerank; empty: none",
        place=True,
    )
    reranker_model: str = _option("", "the server's name for it; empty: the one it has")
    reranker_api_key_file: str = _option("", "file that holds the key of that server")
    reranker_timeout_s: float = _option(
        2.0, "longest wait for that server, seconds; then passages keep the order they had", least=0.05
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersSettings:
    """`[answers]`: how answers are made."""

    unsupported: str = _option(
        "flag", "a sentence no passage supports is flagged, or dropped", choices=("flag", "drop")
    )
    patience_s: float = _option(
        8.0, "a model that would read longer than this, seconds, is given sentences in place of passages", least=0.5
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """`[ingest]`: how documents are read."""

    ocr: bool = _option(True, "read scans and pictures of text")
    parser: str = _option("default", "parsing profile", choices=("default", "fallback"))
    speech_model: str = _option(
        "",
        "what writes down what is said in recordings: whisper-base, or a folder with weights for faster-whisper; needs "
        "the extra `speech`. Empty: recordings are not read",
    )
    speech_language: str = _option("", "of all recordings, de or en for instance; empty: found out for each")
    speech_memory_mb: int = _option(3072, "most memory that takes, MiB; larger models want more", least=512)
    vision_model: str = _option(
        "",
        "a vision model that describes pictures and scans without readable text, in the Ollama of llm, or where llm is "
        "none in that of embedder.base_url; empty: none",
    )
    vision_language: str = _option("de", "language of the descriptions", choices=("de", "en"))
    timeout_s: float = _option(120.0, "longest time one document may take to parse, seconds", least=1)
    memory_mb: int = _option(1024, "most memory one document may take to parse, MiB", least=64)
    max_body_mb: int = _option(200, "largest file, MiB", least=1)
    max_upload_mb: int = _option(50, "largest file that is taken over HTTP, MiB (see uploaders of a source)", least=1)
    max_chunks: int = _option(5000, "longest document, chunks; of a longer one the rest is left out, and said", least=1)
    workers: int = _option(0, "documents read at the same time; 0: half the cores, at most 4")
    settle_s: float = _option(2.0, "a file is taken when nothing wrote to it for so many seconds (watching)", least=0.1)
    poll_s: float = _option(
        60.0, "a network drive, which tells nothing, is looked through this often, seconds", least=1
    )
    full_sync_s: float = _option(3600.0, "a full sync every so many seconds while watching", least=1)
    held_count: int = _option(50, "removing more documents than this at once waits for a person")
    held_share: float = _option(0.05, "so does removing more than this share of a source …", most=1)
    held_least: int = _option(10, "the least number of documents that share is applied to", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """`[audit]`: the record of who was shown what."""

    question_text: bool = _option(False, "keep the texts of questions, erasably, in the ledger; else their hashes only")
    works_council: bool = _option(
        False, "pseudonyms only, another each day; a name needs two keys (rag audit keys FILE FILE)"
    )
    reason_for_as: bool = _option(
        False, "asking as somebody else (--as) needs a --reason; in works-council mode always"
    )
    anchor_file: str = _option("", "file, best on another machine, that is told the last hash of each day; empty: none")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """`[retention]`: how long records are kept, days. What is older is purged once a day."""

    audit_days: int = _option(
        365, "audit records with their receipts and reasons; HIPAA wants 2190 (six years)", least=1
    )
    question_text_days: int = _option(30, "texts of questions, where they are kept", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """`[egress]`: what may be reached beyond this machine."""

    allow: tuple[str, ...] = _option(
        (), 'hosts, "wiki.example" or "wiki.example:8443"; the configured servers are always among them', hosts=True
    )
    lockdown: str = _option(
        "where-available",
        "the kernel guard, which holds native code and children too: off; where the kernel has it; strict: refuse to "
        "start without it. It leaves TCP to the ports of those hosts (443 where none is named), and no other network",
        choices=("off", "where-available", "strict"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything, with where it came from."""

    home: Path
    models: Path
    config: Path | None = None
    sources: tuple[SourceSettings, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    embedder: EmbedderSettings = EmbedderSettings()
    llm: LlmSettings = LlmSettings()
    licences: LicencesSettings = field(default_factory=LicencesSettings)
    retrieval: RetrievalSettings = RetrievalSettings()
    answers: AnswersSettings = AnswersSettings()
    ingest: IngestSettings = IngestSettings()
    audit: AuditSettings = AuditSettings()
    retention: RetentionSettings = RetentionSettings()
    egress: EgressSettings = EgressSettings()
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    logs: LogSettings = field(default_factory=LogSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    sids: Mapping[str, str] = field(default_factory=dict)
    auth: AuthSettings = field(default_factory=AuthSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    bots: BotsSettings = field(default_factory=BotsSettings)
    release: Cells = field(default_factory=dict)
    cost: CostSettings = field(default_factory=CostSettings)
    prompts: Mapping[str, HousePrompt] = field(default_factory=dict)
    """Source → what a model is told besides."""

    @property
    def slots(self) -> int:
        """How many answers are written at the same time, by all model servers together."""
        return self.slots_per_host * max(1, len(self.llm.base_urls))

    @property
    def slots_per_host(self) -> int:
        """How many answers one model server writes at the same time."""
        return self.server.slots or (4 if self.llm.provider == "openai-compatible" else 1)

    @property
    def system_groups(self) -> bool:
        """Whether the operating system is asked for a person's groups."""
        return self.identity.system_groups or any(source.from_filesystem for source in self.sources)

    def allowed_hosts(self) -> tuple[str, ...]:
        """The hosts that may be reached: those listed, and the model servers that are configured."""
        return tuple(one.host for one in self.endpoints())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The same with their ports: all that may be reached. Whoever adds a server to the settings adds it here."""
        reranker, usual = self.retrieval.reranker, EmbedderSettings().base_url
        servers = (
            self.embedder.base_url if self.embedder.provider == "ollama" else "",
            self.vision_url() if self.ingest.vision_model else "",
            *((self.llm.addresses or (usual,)) if self.llm.provider not in ("embedded", "none") else ()),
            reranker if "://" in reranker else "",
            self.auth.oidc.issuer,
            self.auth.ldap.url,
            self.telemetry.endpoint,
        )
        return endpoints(allow=self.egress.allow, servers=filter(None, servers))

    def ollama_url(self) -> str:
        """Where Ollama is looked for: the first of its addresses."""
        return next(iter(self.llm.addresses), EmbedderSettings().base_url)

    def vision_url(self) -> str:
        """Where the Ollama that sees is looked for: where the language model is, else the embedder's."""
        other = self.llm.provider == "openai-compatible" or not (
            self.llm.addresses or self.llm.provider in ("auto", "ollama")
        )
        return self.embedder.base_url if other else self.ollama_url()

    def api_key(self) -> str:
        """The model server's key, from its file; empty where none is named.

        Raises:
            SettingsError: the file cannot be read, or others can read it.
        """
        return secret(self.llm.api_key_file, key="llm.api_key_file")

    def reranker_api_key(self) -> str:
        """The reranking server's, likewise.

        Raises:
            SettingsError: the file cannot be read, or others can read it.
        """
        return secret(self.retrieval.reranker_api_key_file, key="retrieval.reranker_api_key_file")

    def client_secret(self) -> str:
        """The sign-in client's, likewise."""
        return secret(self.auth.oidc.client_secret_file, key="auth.oidc.client_secret_file")

    def directory_password(self) -> str:
        """The directory account's, likewise; never empty, which a directory would take for nobody.

        Raises:
            SettingsError: also where the file is empty.
        """
        password = secret(self.auth.ldap.bind_password_file, key="auth.ldap.bind_password_file")
        if not password:
            raise SettingsError(
                "The file that auth.ldap.bind_password_file names is empty.", key="auth.ldap.bind_password_file"
            )
        return password


TABLES: dict[str, type[Any]] = {
    "embedder": EmbedderSettings,
    "llm": LlmSettings,
    "licences": LicencesSettings,
    "retrieval": RetrievalSettings,
    "answers": AnswersSettings,
    "ingest": IngestSettings,
    "audit": AuditSettings,
    "retention": RetentionSettings,
    "egress": EgressSettings,
    "identity": IdentitySettings,
    "logs": LogSettings,
    "telemetry": TelemetrySettings,
    "auth": AuthSettings,
    "server": ServerSettings,
    "limits": LimitsSettings,
    "bots": BotsSettings,
    "cost": CostSettings,
}
SPELLING = {"class": "confidentiality"}  # `class` cannot be a field's name


def spelled(entry: Field[Any]) -> str:
    """A field's key in the file."""
    return next((spelling for spelling, name in SPELLING.items() if name == entry.name), entry.name)
