"""The commented rag.toml that `rag init` writes, made from the settings' own fields."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from rag.settings.auth import AUTH_TABLES
from rag.settings.bots import BOTS_TABLES
from rag.settings.option import spelled
from rag.settings.release import TEMPLATE as RELEASE
from rag.settings.rights import RuleSettings
from rag.settings.sources import SourceSettings
from rag.settings.whole import TABLES


def template() -> str:
    """A commented rag.toml: every key with its meaning and default, all commented out but one example source."""
    parts = [
        "# Archivar settings. Every key is optional; what is commented out shows its default.\n",
        "# A source is a folder that is watched. Repeat the block for more.",
        "# [[sources]]",
        *_lines(SourceSettings),
        "",
        "# Below it, who reads a part of it. Repeat the block for more.",
        "#   [[sources.rules]]",
        *(line.replace("#", "#  ", 1) for line in _lines(RuleSettings)),
        "",
        '# Groups of people; a group may hold groups.\n# [groups]\n# hr = ["anna", "group:managers"]\n',
    ]
    parts.append('# Whom a Windows share means.\n#   [identity.sids]\n#   "S-1-5-21-…-1105" = "user:anna"\n')
    below = {f"auth.{name}": kind for name, kind in AUTH_TABLES.items()}
    below |= {f"bots.{name}": kind for name, kind in BOTS_TABLES.items()}
    for name, kind in {**TABLES, **below}.items():
        parts += [f"# {(kind.__doc__ or '').split(': ', 1)[-1]}", f"[{name}]", *_lines(kind), ""]
    parts.append('# Who somebody in a chat is.\n[bots.accounts]\n# "slack:T01:U02" = "anna"\n')
    parts.append(
        '# Whose an e-mail address is, where no directory is asked.\n[bots.emails]\n# "anna@firma.de" = "anna"\n'
    )
    parts.append(RELEASE)
    return "\n".join(parts)


def _lines(kind: type[Any]) -> list[str]:
    lines = []
    for entry in [entry for entry in fields(kind) if entry.metadata]:
        default = entry.default if entry.default is not MISSING else ""
        about = entry.metadata["about"]
        if entry.metadata["choices"]:
            about += f" ({' | '.join(entry.metadata['choices'])})"
        lines.append(f"# {spelled(entry)} = {_toml(default)}  # {about}")
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{entry}"' for entry in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
