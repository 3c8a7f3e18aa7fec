"""The only reader of rag.toml and of the environment: which file, which tables, and what their keys may say together.
What cannot be used is refused with its line; key by key that is done in `rag.settings.table`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rag.errors import SettingsError
from rag.models.catalogue import default_directory
from rag.settings.auth import AUTH_TABLES, AuthSettings, auth_problems, problems_below
from rag.settings.bots import BOTS_TABLES, BotsSettings, account_problem, email_problem
from rag.settings.models import LlmSettings, digest_problem, host_problem
from rag.settings.release import Cells, Fault, cells_of
from rag.settings.rights import (
    FROM_FILESYSTEM,
    RuleSettings,
    deny_problem,
    path_problem,
    reader_problem,
    sid_problem,
    uploader_problem,
)
from rag.settings.sources import SourceSettings
from rag.settings.table import TableReader
from rag.settings.whole import TABLES, Settings
from rag.text import house_prompts


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
        except RecursionError as error:
            raise SettingsError(f"{path} cannot be read: its brackets are nested too deeply.") from error
        except ValueError as error:  # a number of thousands of digits
            raise SettingsError(f"{path} cannot be read: {str(error).partition(';')[0]}.") from error
        values |= _Reader(path, text).settings(tables)
        beside = path.absolute().parent
        values["prompts"] = {
            one.name: house_prompts.read(beside / Path(one.prompt).expanduser())
            for one in values.get("sources", ())
            if one.prompt
        }
    return Settings(**values)


class _Reader:
    """Makes settings of one file's tables."""

    def __init__(self, path: Path, text: str) -> None:
        self._tables, self._rules = TableReader(path, text), 0

    def settings(self, tables: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, table in tables.items():
            if name not in ("sources", "groups", "release", *TABLES):
                known = ", ".join(["[[sources]]", "[groups]", *(f"[{key}]" for key in TABLES), "[release]"])
                raise self._tables.error("", name, f'unknown key "{name}"; known are {known}')
            if name == "sources":
                if not isinstance(table, list) or not all(isinstance(entry, dict) for entry in table):
                    raise self._tables.error("", name, "sources are written as blocks, each under [[sources]]")
                values["sources"] = tuple(self._source(entry, index) for index, entry in enumerate(table))
            elif not isinstance(table, dict):
                raise self._tables.error("", name, f"{name} is a block of keys under [{name}]")
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
                values[name] = self._tables.read(TABLES[name], name, table)
                if name == "llm":
                    self._llm(values[name])
                elif name == "embedder":
                    wanted = values[name]
                    self._tables.refuse("embedder", 0, digest=digest_problem(wanted.provider, wanted.digest))
        names = [source.name for source in values.get("sources", ())]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise self._tables.error("sources", "name", f'two sources are called "{name}"', index)
        return values

    def _llm(self, llm: LlmSettings) -> None:
        """What its keys cannot say together."""
        hosts = host_problem(llm.provider, llm.base_url, llm.base_urls)
        self._tables.refuse("llm", 0, base_urls=hosts, digest=digest_problem(llm.provider, llm.digest))

    def _members(self, group: str, value: Any) -> tuple[str, ...]:
        members = self._tables.strings("groups", group, value)
        for member in members:
            if not re.fullmatch(r"group:\S.*|(?!user:|group:)\S.*", member) or member == "everyone":
                what = f'"{member}" is no member; write a person\'s name such as "anna", or "group:NAME"'
                raise self._tables.error("groups", group, what)
        return members

    def _sids(self, sids: Any) -> dict[str, str]:
        if not isinstance(sids, dict):
            raise self._tables.error("identity", "sids", "sids is a block of keys under [identity.sids]")
        key, problem = sid_problem(sids)
        if problem:
            raise self._tables.error("identity.sids", key, problem)
        return sids

    def _bots(self, table: dict[str, Any]) -> BotsSettings:
        named = {}
        for name, problem_of in (("accounts", account_problem), ("emails", email_problem)):
            named[name] = table.pop(name, {})
            if not isinstance(named[name], dict):
                raise self._tables.error("bots", name, f"{name} is a block of keys under [bots.{name}]")
            key, problem = problem_of(named[name])
            if problem:
                raise self._tables.error(f"bots.{name}", key, problem)
        below = self._below("bots", BOTS_TABLES, table)
        plain: BotsSettings = self._tables.read(BotsSettings, "bots", table)
        return replace(plain, **named, **below)

    def _release(self, tables: dict[str, Any]) -> Cells:
        try:
            return cells_of(tables)
        except Fault as fault:
            raise self._tables.error(fault.table, fault.key, fault.why) from fault

    def _below(self, name: str, kinds: Mapping[str, type[Any]], table: dict[str, Any]) -> dict[str, Any]:
        """The blocks below a block, taken out of it."""
        found: dict[str, Any] = {}
        for key, block in table.items():
            if isinstance(block, dict) and key not in kinds:
                known = ", ".join(f"[{name}.{one}]" for one in kinds)
                raise self._tables.error(f"{name}.{key}", "", f"unknown block [{name}.{key}]; known are {known}")
        for key in kinds.keys() & table.keys():
            block = table.pop(key)
            if not isinstance(block, dict):
                raise self._tables.error(name, key, f"{key} is a block of keys under [{name}.{key}]")
            found[key] = self._tables.read(kinds[key], f"{name}.{key}", block)
        return found

    def _auth(self, table: dict[str, Any]) -> AuthSettings:
        below = self._below("auth", AUTH_TABLES, table)
        plain: AuthSettings = self._tables.read(AuthSettings, "auth", table)
        auth = replace(plain, **below)
        self._tables.refuse("auth", 0, **auth_problems(auth))
        for name, problems in problems_below(auth).items():
            self._tables.refuse(f"auth.{name}", 0, **problems)
        return auth

    def _source(self, table: dict[str, Any], index: int) -> SourceSettings:
        rules = tuple(self._rule(entry) for entry in self._blocks(table.pop("rules", []), index))
        source: SourceSettings = self._tables.read(SourceSettings, "sources", _listed(table), index)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", source.name):
            raise self._tables.error("sources", "name", "a source needs a name of letters, digits, - and _", index)
        if not source.path:
            raise self._tables.error("sources", "path", f'source "{source.name}" needs a path', index)
        self._tables.refuse(
            "sources",
            index,
            readers=reader_problem(source.readers),
            deny=deny_problem(source.deny),
            uploaders=uploader_problem(source.uploaders, source.readers, ruled=bool(rules)),
        )
        return replace(source, rules=rules)

    def _blocks(self, rules: Any, index: int) -> list[dict[str, Any]]:
        if not isinstance(rules, list) or not all(isinstance(entry, dict) for entry in rules):
            raise self._tables.error(
                "sources", "rules", "rules are written as blocks, each under [[sources.rules]]", index
            )
        return rules

    def _rule(self, table: dict[str, Any]) -> RuleSettings:
        number, self._rules = self._rules, self._rules + 1
        rule: RuleSettings = self._tables.read(RuleSettings, "sources.rules", _listed(table), number)
        readers = reader_problem(rule.readers, rule=True)
        self._tables.refuse(
            "sources.rules", number, path=path_problem(rule.path), readers=readers, deny=deny_problem(rule.deny)
        )
        if not table.keys() & {"readers", "deny"}:
            raise self._tables.error(
                "sources.rules", "path", "a rule says who reads (readers) or who does not (deny)", number
            )
        return rule


def _listed(table: dict[str, Any]) -> dict[str, Any]:
    """One word as `readers` is written without brackets."""
    return {key: [value] if key == "readers" and value == FROM_FILESYSTEM else value for key, value in table.items()}


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
