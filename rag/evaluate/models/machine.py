"""What a model costs this machine, where it can be read: memory of this process, energy of the processor (RAPL).

A model that runs in this process is measured by how much the process grows at its peak; the kernel is asked to forget
the peak before. Energy is that of all that ran on the processor meanwhile, so it means something on a quiet machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_STATUS = Path("/proc/self/status")
_FORGET_PEAK = Path("/proc/self/clear_refs")
_POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")


@dataclass(slots=True)
class Cost:
    """What was measured; None where it cannot be read."""

    memory_bytes: int | None = None
    energy_j: float | None = None


@contextmanager
def measured(*, own_memory: bool, powercap: Path = _POWERCAP) -> Iterator[Cost]:
    """Measure what happens inside; the figures are there afterwards. `own_memory`: whether it happens in this
    process."""
    cost, meter = Cost(), Meter.of(powercap)
    before = _memory("VmRSS") if own_memory and _peak_forgotten() else None
    try:
        yield cost
    finally:
        peak = _memory("VmHWM")
        cost.memory_bytes = max(0, peak - before) if before is not None and peak is not None else None
        cost.energy_j = meter.joules()


@dataclass(frozen=True, slots=True)
class Meter:
    """Counters of the processor's packages, as they stood."""

    packages: Mapping[Path, int] = field(default_factory=dict)

    @classmethod
    def of(cls, powercap: Path) -> Meter:
        """Read now; without packages where there are none, or they may not be read."""
        found = {}
        with suppress(OSError):
            for path in sorted(powercap.iterdir()):
                count = _number(path / "energy_uj") if _PACKAGE.fullmatch(path.name) else None
                if count is not None:
                    found[path] = count
        return cls(found)

    def joules(self) -> float | None:
        """What was used since, joules; a counter that went round once is counted right."""
        if not self.packages:
            return None
        total = 0
        for path, before in self.packages.items():
            now, most = _number(path / "energy_uj"), _number(path / "max_energy_range_uj")
            if now is None or (now < before and most is None):
                return None
            total += now - before if now >= before else now + (most or 0) - before
        return total / 1e6


def _peak_forgotten() -> bool:
    try:
        _FORGET_PEAK.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _memory(name: str) -> int | None:
    """A line of this process's status, bytes."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
