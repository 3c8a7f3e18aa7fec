"""What a sync did, to be added up over sources and shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_COUNTS = ("added", "replaced", "moved", "reprotected", "removed", "unchanged")


@dataclass(slots=True, kw_only=True)
class Report:
    """What a sync did.

    `held` counts removals that wait for a person, `why_held` says why by source; `later` counts files left for the next
    run because they were being written; `offline` names the sources that could not be reached, with the reason;
    `withdrawn` counts documents that may not be read any more (they are among `failed`); `kept_out` counts files that
    are not read because they were erased.
    """

    added: int = 0
    replaced: int = 0
    moved: int = 0
    reprotected: int = 0
    removed: int = 0
    unchanged: int = 0
    held: int = 0
    later: int = 0
    withdrawn: int = 0
    kept_out: int = 0
    chunks: int = 0
    seconds: float = 0.0
    failed: list[dict[str, str]] = field(default_factory=list)
    why_held: dict[str, str] = field(default_factory=dict)
    offline: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "failed": self.failed,
            "held": self.held,
            "held_because": self.why_held,
            "later": self.later,
            "kept_out": self.kept_out,
            "offline": self.offline,
            "chunks": self.chunks,
            "seconds": round(self.seconds, 2),
        }

    def counts(self) -> dict[str, int]:
        """Every figure but the time, for the log: it names no document."""
        numbers = (*_COUNTS, "held", "later", "withdrawn", "kept_out", "chunks")
        return {**{name: getattr(self, name) for name in numbers}, "failed": len(self.failed)}

    def add(self, other: Report) -> None:
        """Count another source in."""
        for name in (*_COUNTS, "held", "later", "withdrawn", "kept_out", "chunks", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failed += other.failed
        self.why_held |= other.why_held
        self.offline |= other.offline
