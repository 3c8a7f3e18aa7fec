"""One value written into a TOML file that a person keeps: comments, order and spelling of the rest stay as they are."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rag.errors import SettingsError
from rag.text.toml_lines import line_of

_VALUE = re.compile(r"""(?P<key>\s*[^=#]+=\s*)(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^#]*?)(?P<rest>\s*(?:#.*)?)""")


def with_value(text: str, table: str, key: str, value: str) -> str:
    """The text of a TOML file in which `[table] key` is this text value, and nothing else has changed.

    A key that is commented out, as `rag init` writes them, is taken out of its comment.

    Raises:
        SettingsError: the file is written in a way that does not let one line be changed; says what to write by hand.
    """
    before = _read(text)
    wanted = {**before, table: {**_table(before.get(table)), key: value}}
    for written in (_in_place, _uncommented, _below_header, _beside_dotted, _appended):
        made = written(text, table, key, json.dumps(value, ensure_ascii=False))
        if made is not None and _read(made, quietly=True) == wanted:
            return made
    raise SettingsError(f'Write it by hand into [{table}] of rag.toml: {key} = "{value}".', key=f"{table}.{key}")


def write(path: Path, change: Callable[[str], str]) -> None:
    """Change a file whole or not at all; its mode stays, and a link stays one.

    Raises:
        SettingsError: it cannot be read or written, or `change` raises it.
    """
    real = path.resolve()
    beside = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        text = real.read_bytes().decode("utf-8-sig")
        made = change(text)
        beside.touch(mode=0o600)
        beside.write_bytes(made.encode())
        shutil.copymode(real, beside)
        beside.replace(real)
    except (OSError, UnicodeDecodeError) as error:
        with suppress(OSError):
            beside.unlink()
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The file {path} cannot be changed: {reason}.") from error


def _in_place(text: str, table: str, key: str, value: str) -> str | None:
    lines = text.splitlines(keepends=True)
    number = line_of(lines, table, key)
    if number is None or not (found := _VALUE.fullmatch(lines[number - 1].rstrip("\r\n"))):
        return None
    end = lines[number - 1][len(lines[number - 1].rstrip("\r\n")) :]
    lines[number - 1] = f"{found['key']}{value}{found['rest']}{end}"
    return "".join(lines)


def _uncommented(text: str, table: str, key: str, value: str) -> str | None:
    return _line_below(
        text, table, rf"\s*#\s*{re.escape(key)}\s*=\s*\"[^\"]*\"(?P<rest>.*)", lambda f: f"{key} = {value}{f['rest']}"
    )


def _line_below(text: str, table: str, pattern: str, made: Callable[[re.Match[str]], str]) -> str | None:
    """The first line under the table's header that has the pattern, made anew."""
    lines, current = text.splitlines(keepends=True), ""
    for place, line in enumerate(lines):
        bare = line.rstrip("\r\n")
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", bare):
            current = header[1]
        elif current == table and (found := re.fullmatch(pattern, bare)):
            lines[place] = made(found) + line[len(bare) :]
            return "".join(lines)
    return None


def _below_header(text: str, table: str, key: str, value: str) -> str | None:
    lines = text.splitlines(keepends=True)
    for place, line in enumerate(lines):
        if re.match(rf"\s*\[\s*{re.escape(table)}\s*\]", line):
            ended = line if line.endswith("\n") else f"{line}\n"
            lines[place] = f"{ended}{key} = {value}{_end_of(ended)}"
            return "".join(lines)
    return None


def _beside_dotted(text: str, table: str, key: str, value: str) -> str | None:
    """Where the table's keys stand at the top as ``llm.model = …``."""
    lines = text.splitlines(keepends=True)
    for place, line in enumerate(lines):
        if re.match(rf"\s*{re.escape(table)}\s*\.", line):
            lines[place] = f"{table}.{key} = {value}{_end_of(line)}{line}"
            return "".join(lines)
    return None


def _appended(text: str, table: str, key: str, value: str) -> str | None:
    end = _end_of(text)
    gap = "" if not text else end if text.endswith("\n") else end * 2
    return f"{text}{gap}[{table}]{end}{key} = {value}{end}"


def _end_of(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _table(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _read(text: str, *, quietly: bool = False) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if quietly:
            return {}
        raise SettingsError(f"rag.toml is not valid TOML: {error}.") from error
