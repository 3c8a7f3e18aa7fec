"""What a key of rag.toml is made of: its name, its meaning and unit, its default, and what may be written."""

from __future__ import annotations

import math
from dataclasses import Field, field
from typing import Any, Final

SPELLING: Final = {"class": "confidentiality"}  # `class` cannot be a field's name


def option(
    default: Any,
    about: str,
    *,
    choices: tuple[str, ...] = (),
    least: float = 0,
    most: float = math.inf,
    address: bool = False,
    place: bool = False,
    hosts: bool = False,
    among: tuple[str, ...] = (),
) -> Any:
    """A key: what it means, and what may be written. `least` and `most` bound a number, `address` wants http(s),
    `place` a path or such an address, `hosts` a list of hosts, `among` a list of these words; in a list `address` is
    for each."""
    return field(
        default=default,
        metadata={"about": about, "choices": choices, "least": least, "most": most, "address": address, "place": place}
        | {"hosts": hosts, "among": among},
    )


def spelled(entry: Field[Any]) -> str:
    """A field's key in the file."""
    return next((spelling for spelling, name in SPELLING.items() if name == entry.name), entry.name)
