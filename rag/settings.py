"""Frozen settings; the only reader of rag.toml and of the environment. Flows receive plain values, never this object.

Every field carries its unit and meaning (`rag.settings_template` writes them out). A key that is not here, or a value
that cannot be used, is refused with its line.
"""

from __future__ import annotations

import math
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag import house_prompts
from rag.access import Confidentiality
from rag.egress.endpoints import Endpoint, endpoint, endpoints
from rag.errors import SettingsError
from rag.house_prompts import HousePrompt
from rag.models.catalogue import default_directory
from rag.secret_files import secret
from rag.settings_auth import AUTH_TABLES, AuthSettings, auth_problems, problems_below
from rag.settings_bots import BOTS_TABLES, BotsSettings, account_problem, email_problem
from rag.settings_cost import CostSettings
from rag.settings_limits import LimitsSettings, ServerSettings
from rag.settings_models import LicencesSettings, digest_problem, host_problem
from rag.settings_operations import LogSettings, TelemetrySettings
from rag.settings_option import option as _option
from rag.settings_release import Cells, Fault, cells_of
from rag.settings_rights import (
    FROM_FILESYSTEM,
    IdentitySettings,
    RuleSettings,
    deny_problem,
    path_problem,
    reader_problem,
    sid_problem,
    uploader_problem,
)
from rag.toml_lines import line_of


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
        "", "a vision model in Ollama that describes pictures and scans without readable text; empty: none"
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
            self.ollama_url() if self.ingest.vision_model else "",
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


def load(*, config: Path | None, home: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings: `config`, else ``./rag.toml``, else ``$RAG_CONFIG``, else only defaults.

    Raises:
        SettingsError: the file is missing or unreadable, a key is unknown or a value cannot be used; names the line.
    """
    path = _config_path(config, environ)
    tables: dict[str, Any] = {}
    values: dict[str, Any] = {
        "home": (home or Path(environ.get("RAG_HOME") or "data/var")).expanduser().absolute(),
        "models": default_directory(environ),
        "config": path,
    }
    if path is not None:
        text = _read(path)
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))
            raise SettingsError(f"{path} is not valid TOML: {error}.", line=int(line[1]) if line else None) from error
        values |= _Reader(path, text).settings(tables)
        beside = path.absolute().parent
        values["prompts"] = {
            one.name: house_prompts.read(beside / Path(one.prompt).expanduser())
            for one in values.get("sources", ())
            if one.prompt
        }
    return Settings(**values)


class _Reader:
    """Checks one file's tables against the fields."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines, self._rules = path, text.splitlines(), 0

    def settings(self, tables: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, table in tables.items():
            if name not in ("sources", "groups", "release", *TABLES):
                known = ", ".join(["[[sources]]", "[groups]", *(f"[{key}]" for key in TABLES), "[release]"])
                raise self._error("", name, f'unknown key "{name}"; known are {known}')
            if name == "sources":
                if not isinstance(table, list) or not all(isinstance(entry, dict) for entry in table):
                    raise self._error("", name, "sources are written as blocks, each under [[sources]]")
                values["sources"] = tuple(self._source(entry, index) for index, entry in enumerate(table))
            elif not isinstance(table, dict):
                raise self._error("", name, f"{name} is a block of keys under [{name}]")
            elif name == "groups":
                values["groups"] = {key: self._members(key, value) for key, value in table.items()}
            elif name == "auth":
                values["auth"] = self._auth(table)
            elif name == "bots":
                values["bots"] = self._bots(table)
            elif name == "release":
                values["release"] = self._release(table)
            else:
                if name == "identity":
                    values["sids"] = self._sids(table.pop("sids", {}))
                values[name] = self._table(TABLES[name], name, table)
                if name == "llm":
                    self._llm(values[name])
        names = [source.name for source in values.get("sources", ())]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise self._error("sources", "name", f'two sources are called "{name}"', index)
        return values

    def _llm(self, llm: LlmSettings) -> None:
        """What its keys cannot say together."""
        hosts = host_problem(llm.provider, llm.base_url, llm.base_urls)
        self._refuse("llm", 0, base_urls=hosts, digest=digest_problem(llm.provider, llm.digest))

    def _members(self, group: str, value: Any) -> tuple[str, ...]:
        members = self._strings("groups", group, value)
        for member in members:
            if not re.fullmatch(r"group:\S.*|(?!user:|group:)\S.*", member) or member == "everyone":
                what = f'"{member}" is no member; write a person\'s name such as "anna", or "group:NAME"'
                raise self._error("groups", group, what)
        return members

    def _sids(self, sids: Any) -> dict[str, str]:
        if not isinstance(sids, dict):
            raise self._error("identity", "sids", "sids is a block of keys under [identity.sids]")
        key, problem = sid_problem(sids)
        if problem:
            raise self._error("identity.sids", key, problem)
        return sids

    def _bots(self, table: dict[str, Any]) -> BotsSettings:
        named = {}
        for name, problem_of in (("accounts", account_problem), ("emails", email_problem)):
            named[name] = table.pop(name, {})
            if not isinstance(named[name], dict):
                raise self._error("bots", name, f"{name} is a block of keys under [bots.{name}]")
            key, problem = problem_of(named[name])
            if problem:
                raise self._error(f"bots.{name}", key, problem)
        below = self._below("bots", BOTS_TABLES, table)
        plain: BotsSettings = self._table(BotsSettings, "bots", table)
        return replace(plain, **named, **below)

    def _release(self, tables: dict[str, Any]) -> Cells:
        try:
            return cells_of(tables)
        except Fault as fault:
            raise self._error(fault.table, fault.key, fault.why) from fault

    def _below(self, name: str, kinds: Mapping[str, type[Any]], table: dict[str, Any]) -> dict[str, Any]:
        """The blocks below a block, taken out of it."""
        found: dict[str, Any] = {}
        for key, block in table.items():
            if isinstance(block, dict) and key not in kinds:
                known = ", ".join(f"[{name}.{one}]" for one in kinds)
                raise self._error(f"{name}.{key}", "", f"unknown block [{name}.{key}]; known are {known}")
        for key in kinds.keys() & table.keys():
            block = table.pop(key)
            if not isinstance(block, dict):
                raise self._error(name, key, f"{key} is a block of keys under [{name}.{key}]")
            found[key] = self._table(kinds[key], f"{name}.{key}", block)
        return found

    def _auth(self, table: dict[str, Any]) -> AuthSettings:
        below = self._below("auth", AUTH_TABLES, table)
        plain: AuthSettings = self._table(AuthSettings, "auth", table)
        auth = replace(plain, **below)
        self._refuse("auth", 0, **auth_problems(auth))
        for name, problems in problems_below(auth).items():
            self._refuse(f"auth.{name}", 0, **problems)
        return auth

    def _source(self, table: dict[str, Any], index: int) -> SourceSettings:
        rules = tuple(self._rule(entry) for entry in self._blocks(table.pop("rules", []), index))
        source: SourceSettings = self._table(SourceSettings, "sources", _listed(table), index)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", source.name):
            raise self._error("sources", "name", "a source needs a name of letters, digits, - and _", index)
        if not source.path:
            raise self._error("sources", "path", f'source "{source.name}" needs a path', index)
        self._refuse(
            "sources",
            index,
            readers=reader_problem(source.readers),
            deny=deny_problem(source.deny),
            uploaders=uploader_problem(source.uploaders, source.readers, ruled=bool(rules)),
        )
        return replace(source, rules=rules)

    def _blocks(self, rules: Any, index: int) -> list[dict[str, Any]]:
        if not isinstance(rules, list) or not all(isinstance(entry, dict) for entry in rules):
            raise self._error("sources", "rules", "rules are written as blocks, each under [[sources.rules]]", index)
        return rules

    def _rule(self, table: dict[str, Any]) -> RuleSettings:
        number, self._rules = self._rules, self._rules + 1
        rule: RuleSettings = self._table(RuleSettings, "sources.rules", _listed(table), number)
        readers = reader_problem(rule.readers, rule=True)
        self._refuse(
            "sources.rules", number, path=path_problem(rule.path), readers=readers, deny=deny_problem(rule.deny)
        )
        if not table.keys() & {"readers", "deny"}:
            raise self._error("sources.rules", "path", "a rule says who reads (readers) or who does not (deny)", number)
        return rule

    def _refuse(self, table: str, index: int, **problems: str) -> None:
        for key, problem in problems.items():
            if problem:
                raise self._error(table, key, problem, index)

    def _table(self, kind: type[Any], name: str, table: dict[str, Any], index: int = 0) -> Any:
        known = {entry.name: entry for entry in fields(kind) if entry.metadata}
        hints = typing.get_type_hints(kind)
        values = {}
        for key, value in table.items():
            entry = known.get(SPELLING.get(key, key))
            if entry is None or key in SPELLING.values():
                keys = ", ".join(spelled(field) for field in known.values())
                raise self._error(name, key, f'unknown key "{key}" in [{name}]; known are {keys}', index)
            values[entry.name] = self._value(name, key, value, hints[entry.name], entry, index)
        return kind(**values)

    def _value(self, table: str, key: str, value: Any, kind: Any, entry: Field[Any], index: int) -> Any:
        if kind is float and type(value) is int:
            value = float(value)
        if isinstance(kind, types.GenericAlias):
            listed = self._strings(table, key, value, index)
            if entry.metadata["hosts"]:
                self._check_hosts(table, key, listed)
            self._check_each(table, key, listed, entry)
            return listed
        if type(value) is not kind:
            raise self._error(table, key, f"{key} takes {_KINDS[kind]}, not {_told(key, value)}", index)
        choices = entry.metadata["choices"]
        if choices and value not in choices:
            raise self._error(table, key, f"{key} is one of {', '.join(choices)}, not {value!r}", index)
        if kind in (int, float) and not entry.metadata["least"] <= value <= entry.metadata["most"]:
            raise self._error(table, key, f"{key} is {_bounds(entry)}, not {value!r}", index)
        if entry.metadata["address"] or (entry.metadata["place"] and "://" in value):
            self._check_address(table, key, value, index)
        return value

    def _check_each(self, table: str, key: str, listed: tuple[str, ...], entry: Field[Any]) -> None:
        for value in listed:
            among = entry.metadata["among"]
            if among and value not in among:
                raise self._error(table, key, f'{key} lists some of {", ".join(among)}; "{value}" is none of them')
            if entry.metadata["address"]:
                self._check_address(table, key, value or " ", 0)

    def _check_address(self, table: str, key: str, value: str, index: int) -> None:
        if re.search(r"://.*[@?#]", value):  # it is not repeated
            what = f"{key} holds a user, a password or a query; an address is no place for a secret: name a file with"
            raise self._error(table, key, f"{what} llm.api_key_file or retrieval.reranker_api_key_file", index)
        if value and not _is_address(value):
            raise self._error(table, key, f"{key} is an address such as http://localhost:11434, not {value!r}", index)

    def _check_hosts(self, table: str, key: str, listed: tuple[str, ...]) -> None:
        for entry in listed:
            try:
                endpoint(entry)
            except ValueError as error:
                what = f'"{entry}" is no host; write "wiki.example", "wiki.example:8443" or an address, one by one'
                raise self._error(table, key, what) from error

    def _strings(self, table: str, key: str, value: Any, index: int = 0) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self._error(table, key, f'{key} takes a list of texts, such as ["everyone"]', index)
        return tuple(value)

    def _error(self, table: str, key: str, what: str, index: int = 0) -> SettingsError:
        line = line_of(self._lines, table, key, index)
        where = f"{self._path}, line {line}" if line else str(self._path)
        return SettingsError(f"{where}: {what}.", key=f"{table}.{key}" if table else key, line=line)


def _listed(table: dict[str, Any]) -> dict[str, Any]:
    """One word as `readers` is written without brackets."""
    return {key: [value] if key == "readers" and value == FROM_FILESYSTEM else value for key, value in table.items()}


_KINDS = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def _bounds(entry: Field[Any]) -> str:
    least, most = entry.metadata["least"], entry.metadata["most"]
    return f"at least {least}" if most == math.inf else f"between {least} and {most}"


def _config_path(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    if config is not None:
        return config.expanduser()
    here = Path("rag.toml")
    if here.exists():
        return here
    named = environ.get("RAG_CONFIG")
    return Path(named).expanduser() if named else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The file {path} cannot be read: {reason}.") from error


def _told(key: str, value: Any) -> str:
    """A value as a message may repeat it: none that can hold a secret."""
    return "what stands there" if key.endswith("_file") or isinstance(value, list | dict) else repr(value)


def _is_address(value: str) -> bool:
    try:
        whole = (
            urlsplit(value).port != 0
        )  # what is no port, or a bracket that is not closed, shows when it is asked for
    except ValueError:
        return False
    return whole and re.fullmatch(r"https?://[^/\s]+\S*", value) is not None


def spelled(entry: Field[Any]) -> str:
    """A field's key in the file."""
    return next((spelling for spelling, name in SPELLING.items() if name == entry.name), entry.name)
