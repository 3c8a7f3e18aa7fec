"""All settings as one frozen object, and what follows from several of its tables. Flows receive plain values, never
this object.

The tables of rag.toml stand in rooms of their own (`rag.settings.models` and so on), where every field carries its unit
and meaning; `rag.settings.file` reads them, `rag.settings.template` writes them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.egress.endpoints import Endpoint, endpoints
from rag.errors import SettingsError
from rag.secret_files import secret
from rag.settings.answers import AnswersSettings, RetrievalSettings
from rag.settings.audit import AuditSettings, RetentionSettings
from rag.settings.auth import AuthSettings
from rag.settings.bots import BotsSettings
from rag.settings.cost import CostSettings
from rag.settings.egress import EgressSettings
from rag.settings.ingest import IngestSettings
from rag.settings.limits import LimitsSettings, ServerSettings
from rag.settings.models import EmbedderSettings, LicencesSettings, LlmSettings
from rag.settings.operations import LogSettings, TelemetrySettings
from rag.settings.release import Cells
from rag.settings.rights import IdentitySettings
from rag.settings.sources import SourceSettings
from rag.text.house_prompts import HousePrompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything, with where it came from."""

    home: Path
    models: Path
    config: Path | None = None
    sources: tuple[SourceSettings, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    embedder: EmbedderSettings = field(default_factory=EmbedderSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    licences: LicencesSettings = field(default_factory=LicencesSettings)
    retrieval: RetrievalSettings = field(default_factory=RetrievalSettings)
    answers: AnswersSettings = field(default_factory=AnswersSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    egress: EgressSettings = field(default_factory=EgressSettings)
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

    def server_of(self, provider: str) -> str:
        """Where a model of that provider is looked for that somebody names beside the settings' own; "" where nothing
        tells."""
        others = {"ollama", "openai-compatible"} - {provider}
        if self.llm.addresses and self.llm.provider not in others:
            return self.llm.addresses[0]
        if provider != "ollama":
            return ""
        return self.embedder.base_url if self.embedder.provider == "ollama" else EmbedderSettings().base_url

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
