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
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag.access import Confidentiality
from rag.errors import SettingsError
from rag.models.catalogue import default_directory
from rag.toml_lines import line_of


def _option(
    default: Any,
    about: str,
    *,
    choices: tuple[str, ...] = (),
    least: float = 0,
    most: float = math.inf,
    address: bool = False,
) -> Any:
    """A key: what it means, and what may be written. `least` and `most` bound a number, `address` wants http(s)."""
    return field(
        default=default,
        metadata={"about": about, "choices": choices, "least": least, "most": most, "address": address},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """`[[sources]]`: a folder to watch. Without `readers` nobody reads it; without `class` it is strict."""

    name: str = _option("", "short name, part of every document id; letters, digits, - and _")
    kind: str = _option("folder", "kind of source", choices=("folder",))
    path: str = _option("", "the folder")
    readers: tuple[str, ...] = _option((), 'who may read: "everyone", "user:NAME", "group:NAME"; empty: nobody')
    confidentiality: str = _option(
        "strict", "class of the documents", choices=("public", "internal", "confidential", "strict")
    )
    include: tuple[str, ...] = _option((), 'only files that match one of these patterns, e.g. "**/*.pdf"; empty: all')
    exclude: tuple[str, ...] = _option((), "no files that match one of these patterns")
    ocr: bool = _option(True, "read scans and pictures of text in this source")

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
    precision: str = _option("auto", "auto: bf16 where the CPU has it", choices=("auto", "bf16", "f32"))
    threads: int = _option(0, "threads for ingestion; 0: all cores")


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
    digest: str = _option("", 'pinned digest, "sha256:…"; empty: not pinned')
    context_tokens: int = _option(4096, "tokens of prompt and answer together (num_ctx)", least=512)
    max_answer_tokens: int = _option(300, "longest answer, tokens", least=1)
    first_token_timeout_s: float = _option(180.0, "longest wait for the first token, seconds", least=0.1)
    total_timeout_s: float = _option(600.0, "longest answer, seconds", least=0.1)
    threads: int = _option(0, "threads of the embedded model; 0: all cores (fewer is faster on a busy machine)")
    api_key_file: str = _option("", "file that holds the key of an openai-compatible server")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSettings:
    """`[retrieval]`: how passages are found."""

    passages: int = _option(8, "passages shown with an answer", least=1)
    prompt_tokens: int = _option(0, "passage tokens given to the model; 0: 450 embedded, 2000 on a server")
    evidence: float = _option(0.25, "least probability that the passages answer the question, 0 to 1", most=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """`[ingest]`: how documents are read."""

    ocr: bool = _option(True, "read scans and pictures of text")
    parser: str = _option("default", "parsing profile", choices=("default", "fallback"))
    timeout_s: float = _option(120.0, "longest time one document may take to parse, seconds", least=1)
    memory_mb: int = _option(1024, "most memory one document may take to parse, MiB", least=64)
    max_body_mb: int = _option(200, "largest file, MiB", least=1)
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
class EgressSettings:
    """`[egress]`: what may be reached beyond this machine."""

    allow: tuple[str, ...] = _option((), "host names; the model server's host is always among them")


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
    retrieval: RetrievalSettings = RetrievalSettings()
    ingest: IngestSettings = IngestSettings()
    egress: EgressSettings = EgressSettings()

    def allowed_hosts(self) -> tuple[str, ...]:
        """The hosts that may be reached: those listed, and the model servers that are configured."""
        urls = (self.llm.base_url, self.embedder.base_url)
        return (*self.egress.allow, *(host for url in urls if (host := urlsplit(url).hostname)))

    def api_key(self) -> str:
        """The model server's key, from its file; empty where none is named.

        Raises:
            SettingsError: the file cannot be read.
        """
        return _read(Path(self.llm.api_key_file).expanduser()).strip() if self.llm.api_key_file else ""


TABLES: dict[str, type[Any]] = {
    "embedder": EmbedderSettings,
    "llm": LlmSettings,
    "retrieval": RetrievalSettings,
    "ingest": IngestSettings,
    "egress": EgressSettings,
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
    return Settings(**values)


class _Reader:
    """Checks one file's tables against the fields."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()

    def settings(self, tables: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, table in tables.items():
            if name not in ("sources", "groups", *TABLES):
                known = ", ".join(["[[sources]]", "[groups]", *(f"[{key}]" for key in TABLES)])
                raise self._error("", name, f'unknown key "{name}"; known are {known}')
            if name == "sources":
                if not isinstance(table, list) or not all(isinstance(entry, dict) for entry in table):
                    raise self._error("", name, "sources are written as blocks, each under [[sources]]")
                values["sources"] = tuple(self._source(entry, index) for index, entry in enumerate(table))
            elif not isinstance(table, dict):
                raise self._error("", name, f"{name} is a block of keys under [{name}]")
            elif name == "groups":
                values["groups"] = {key: self._members(key, value) for key, value in table.items()}
            else:
                values[name] = self._table(TABLES[name], name, table)
        names = [source.name for source in values.get("sources", ())]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise self._error("sources", "name", f'two sources are called "{name}"', index)
        return values

    def _members(self, group: str, value: Any) -> tuple[str, ...]:
        members = self._strings("groups", group, value)
        for member in members:
            if not re.fullmatch(r"group:\S.*|(?!user:|group:)\S.*", member) or member == "everyone":
                what = f'"{member}" is no member; write a person\'s name such as "anna", or "group:NAME"'
                raise self._error("groups", group, what)
        return members

    def _source(self, table: dict[str, Any], index: int) -> SourceSettings:
        source: SourceSettings = self._table(SourceSettings, "sources", table, index)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", source.name):
            raise self._error("sources", "name", "a source needs a name of letters, digits, - and _", index)
        if not source.path:
            raise self._error("sources", "path", f'source "{source.name}" needs a path', index)
        for reader in source.readers:
            if not re.fullmatch(r"everyone|(user|group):\S+", reader):
                what = f'"{reader}" is no reader; write "everyone", "user:NAME" or "group:NAME"'
                raise self._error("sources", "readers", what, index)
        return source

    def _table(self, kind: type[Any], name: str, table: dict[str, Any], index: int = 0) -> Any:
        known = {entry.name: entry for entry in fields(kind)}
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
            return self._strings(table, key, value, index)
        if type(value) is not kind:
            raise self._error(table, key, f"{key} takes {_KINDS[kind]}, not {value!r}", index)
        choices = entry.metadata["choices"]
        if choices and value not in choices:
            raise self._error(table, key, f"{key} is one of {', '.join(choices)}, not {value!r}", index)
        if kind in (int, float) and not entry.metadata["least"] <= value <= entry.metadata["most"]:
            raise self._error(table, key, f"{key} is {_bounds(entry)}, not {value!r}", index)
        if entry.metadata["address"] and value and not re.fullmatch(r"https?://[^/\s]+\S*", value):
            raise self._error(table, key, f"{key} is an address such as http://localhost:11434, not {value!r}", index)
        return value

    def _strings(self, table: str, key: str, value: Any, index: int = 0) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self._error(table, key, f'{key} takes a list of texts, such as ["everyone"]', index)
        return tuple(value)

    def _error(self, table: str, key: str, what: str, index: int = 0) -> SettingsError:
        line = line_of(self._lines, table, key, index)
        where = f"{self._path}, line {line}" if line else str(self._path)
        return SettingsError(f"{where}: {what}.", key=f"{table}.{key}" if table else key, line=line)


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


def spelled(entry: Field[Any]) -> str:
    """A field's key in the file."""
    return next((spelling for spelling, name in SPELLING.items() if name == entry.name), entry.name)
