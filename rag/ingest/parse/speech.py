"""The speech model that recordings are heard with, as it is named to the child that loads it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

LANGUAGES: Final = frozenset(
    (
        "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy "
        "id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru "
        "sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh yue "
    ).split()
)
"""Those that Whisper hears, by its codes: ISO 639-1, and two of three letters."""


def _nothing() -> None:
    """Nobody waits for a sign of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Weights in a folder, as faster-whisper takes them. `language`: of all recordings, as ISO 639-1, or "": found out
    for each. `threads`: processor threads. `tick` is called whenever something was heard."""

    name: str
    directory: Path
    language: str = ""
    threads: int = 1
    tick: Callable[[], None] = field(default=_nothing, compare=False)

    @property
    def fingerprint(self) -> str:
        """Part of the recipe."""
        return f"speech={self.name}/{self.language or 'any'}"

    def places(self) -> list[str]:
        """All that is read to load it: the folder, and the files it points to, as a cache of Hugging Face's does."""
        try:
            inside = [path.resolve() for path in self.directory.iterdir() if path.is_file()]
        except OSError:  # the child finds nothing there either, and says so
            inside = []
        return sorted({str(path) for path in (self.directory, *inside)})

    def as_json(self) -> dict[str, Any]:
        """For the child's configuration."""
        return {
            "name": self.name,
            "directory": str(self.directory),
            "language": self.language,
            "threads": self.threads,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any], *, tick: Callable[[], None]) -> Speech:
        """As the child reads it."""
        return cls(
            name=told["name"],
            directory=Path(told["directory"]),
            language=told["language"],
            threads=told["threads"],
            tick=tick,
        )


def installed() -> bool:
    """Whether the extra `speech` is there; imports nothing."""
    return importlib.util.find_spec("faster_whisper") is not None
