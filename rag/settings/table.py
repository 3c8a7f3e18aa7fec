"""A table of rag.toml against the fields of its class: a key that is not there, or a value that cannot be used, is
refused with its line. What the keys of a table may say together is asked elsewhere (`rag.settings.file`).
"""

from __future__ import annotations

import math
import re
import types
import typing
from dataclasses import Field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag.egress.endpoints import endpoint
from rag.errors import SettingsError
from rag.settings.option import SPELLING, spelled
from rag.text.toml_lines import line_of


class TableReader:
    """Reads the tables of one file, whose text tells the lines."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()

    def read(self, kind: type[Any], name: str, table: dict[str, Any], index: int = 0) -> Any:
        """The table as an object of this kind; `index` counts the blocks of the same name.

        Raises:
            SettingsError: a key is unknown, or its value cannot be used; names the line.
        """
        known = {entry.name: entry for entry in fields(kind) if entry.metadata}
        hints = typing.get_type_hints(kind)
        values = {}
        for key, value in table.items():
            entry = known.get(SPELLING.get(key, key))
            if entry is None or key in SPELLING.values():
                keys = ", ".join(spelled(field) for field in known.values())
                raise self.error(name, key, f'unknown key "{key}" in [{name}]; known are {keys}', index)
            values[entry.name] = self._value(name, key, value, hints[entry.name], entry, index)
        return kind(**values)

    def strings(self, table: str, key: str, value: Any, index: int = 0) -> tuple[str, ...]:
        """A list of texts.

        Raises:
            SettingsError: it is none; names the line.
        """
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self.error(table, key, f'{key} takes a list of texts, such as ["everyone"]', index)
        return tuple(value)

    def refuse(self, table: str, index: int, **problems: str) -> None:
        """Stop at the first key that has a problem, in words; an empty one is none.

        Raises:
            SettingsError: names the line.
        """
        for key, problem in problems.items():
            if problem:
                raise self.error(table, key, problem, index)

    def error(self, table: str, key: str, what: str, index: int = 0) -> SettingsError:
        """What is wrong, to be raised: with the line of that key in that block, where it is found."""
        line = line_of(self._lines, table, key, index)
        where = f"{self._path}, line {line}" if line else str(self._path)
        return SettingsError(f"{where}: {what}.", key=f"{table}.{key}" if table else key, line=line)

    def _value(self, table: str, key: str, value: Any, kind: Any, entry: Field[Any], index: int) -> Any:
        if kind is float and type(value) is int:
            value = _decimal(value)
        if isinstance(kind, types.GenericAlias):
            listed = self.strings(table, key, value, index)
            if entry.metadata["hosts"]:
                self._check_hosts(table, key, listed)
            self._check_each(table, key, listed, entry)
            return listed
        if type(value) is not kind:
            raise self.error(table, key, f"{key} takes {_KINDS[kind]}, not {_told(key, value)}", index)
        choices = entry.metadata["choices"]
        if choices and value not in choices:
            raise self.error(table, key, f"{key} is one of {', '.join(choices)}, not {value!r}", index)
        if kind in (int, float) and not _within(value, entry):
            raise self.error(table, key, f"{key} is {_bounds(entry)}, not {value!r}", index)
        if kind is str and value.startswith("~") and not _has_home(value):
            what = f"{key} begins with the home of somebody who is not known here; write the whole path, from /"
            raise self.error(table, key, what, index)
        if entry.metadata["address"] or (entry.metadata["place"] and "://" in value):
            self._check_address(table, key, value, index)
        return value

    def _check_each(self, table: str, key: str, listed: tuple[str, ...], entry: Field[Any]) -> None:
        for value in listed:
            among = entry.metadata["among"]
            if among and value not in among:
                raise self.error(table, key, f'{key} lists some of {", ".join(among)}; "{value}" is none of them')
            if entry.metadata["address"]:
                self._check_address(table, key, value or " ", 0)

    def _check_address(self, table: str, key: str, value: str, index: int) -> None:
        if re.search(r"://.*[@?#]", value):  # it is not repeated
            what = f"{key} holds a user, a password or a query; an address is no place for a secret: name a file with"
            raise self.error(table, key, f"{what} llm.api_key_file or retrieval.reranker_api_key_file", index)
        if value and not _is_address(value):
            raise self.error(table, key, f"{key} is an address such as http://localhost:11434, not {value!r}", index)

    def _check_hosts(self, table: str, key: str, listed: tuple[str, ...]) -> None:
        for entry in listed:
            try:
                endpoint(entry)
            except ValueError as error:
                what = f'"{entry}" is no host; write "wiki.example", "wiki.example:8443" or an address, one by one'
                raise self.error(table, key, what) from error


_KINDS = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def _decimal(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _within(value: float, entry: Field[Any]) -> bool:
    """Whether a number is one that can be meant: endless is none."""
    return bool(entry.metadata["least"] <= value <= entry.metadata["most"]) and value != math.inf


def _has_home(path: str) -> bool:
    try:
        Path(path).expanduser()
    except RuntimeError:
        return False
    return True


def _bounds(entry: Field[Any]) -> str:
    least, most = entry.metadata["least"], entry.metadata["most"]
    return f"at least {least}" if most == math.inf else f"between {least} and {most}"


def _told(key: str, value: Any) -> str:
    """A value as a message may repeat it: none that can hold a secret."""
    return "what stands there" if key.endswith("_file") or isinstance(value, list | dict) else repr(value)


def _is_address(value: str) -> bool:
    try:
        whole = urlsplit(value).port != 0  # what is no port, or an open bracket, shows when it is asked for
    except ValueError:
        return False
    return whole and re.fullmatch(r"https?://[^/\s]+\S*", value) is not None
