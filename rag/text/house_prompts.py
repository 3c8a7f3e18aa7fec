"""What a house wants said besides when a model answers from one of its sources: a TOML file beside rag.toml.

    version = "2"
    instructions = \"\"\"
    Name the form that has to be filled in, if the passages name one.
    \"\"\"

It adds to the prompt and can take nothing away from it: that passages are data, that every statement has its source,
and the language, stand in the prompt itself and are said to stand above this.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rag.errors import SettingsError
from rag.text.toml_lines import line_of

_KEYS = ("version", "instructions")
_MOST_CHARS = 1500
_MOST_BYTES = 64 * 1024
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HousePrompt:
    """A file's content. `name` is the file's, without its ending."""

    name: str
    version: str
    instructions: str = field(repr=False)

    @property
    def label(self) -> str:
        """Name, version and what was said, for the receipt: another text has another label, whatever its version."""
        digest = hashlib.sha256(self.instructions.encode()).hexdigest()[:12]
        return f"{self.name}@{self.version}:{digest}"


def labels(prompts: Iterable[HousePrompt]) -> str:
    """The labels of several, as a receipt holds them."""
    return " ".join(prompt.label for prompt in prompts)


def prompts_of(sources: Iterable[str], prompts: Mapping[str, HousePrompt]) -> tuple[HousePrompt, ...]:
    """The prompts of these sources, each once, in order of name and version: however often and in whatever order the
    sources come, the prompt reads the same."""
    found = {prompts[source].label: prompts[source] for source in sources if source in prompts}
    return tuple(found[label] for label in sorted(found))


def read(path: Path) -> HousePrompt:
    """The prompt in a file.

    Raises:
        SettingsError: it cannot be read, is too long, or a key is unknown, missing or of another kind; names the line.
    """
    text = _text(path)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        number = int(line[1]) if line else None
        raise _unusable(path, number, f"not valid TOML ({error})") from error
    lines = text.splitlines()
    for key in found.keys() - set(_KEYS):
        raise _unusable(path, line_of(lines, "", key), f'there is no "{key}"; a prompt has {" and ".join(_KEYS)}')
    for key in _KEYS:
        if not isinstance(found.get(key), str) or not found[key].strip():
            raise _unusable(path, line_of(lines, "", key), f"{key} is missing, or is no text in quotes")
    if not _VERSION.fullmatch(found["version"]):
        raise _unusable(path, line_of(lines, "", "version"), 'a version is a word such as "2" or "2026-11"')
    said = found["instructions"].strip()
    if len(said) > _MOST_CHARS:
        what = f"{len(said)} characters are too many; {_MOST_CHARS} leave room for passages"
        raise _unusable(path, line_of(lines, "", "instructions"), what)
    return HousePrompt(name=path.stem, version=found["version"], instructions=said)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _unusable(path, None, "it is too large for a prompt")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The prompt {path} cannot be read: {reason}.") from error


def _unusable(path: Path, line: int | None, what: str) -> SettingsError:
    where = f"{path}, line {line}" if line else str(path)
    return SettingsError(f"{where}: {what}.", line=line)
