"""What the processor drew, from its own counters (RAPL), where the kernel lets us read them.

The counters tell of the package with its memory controller, of everything that runs on it, and of no GPU, disk or
fan. Source: Linux, Documentation/power/powercap (energy_uj, max_energy_range_uj).
"""

from __future__ import annotations

from pathlib import Path

_ROOM = Path("/sys/class/powercap")


class Energy:
    """Counts from its making. `joules` is None where nothing can be read."""

    def __init__(self, root: Path = _ROOM) -> None:
        packages = [zone for zone in sorted(root.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self._began = {zone: value for zone in packages if (value := _read(zone / "energy_uj")) is not None}

    @property
    def joules(self) -> float | None:
        """Drawn since then, by all packages together."""
        if not self._began:
            return None
        total = 0
        for zone, began in self._began.items():
            now = _read(zone / "energy_uj")
            if now is None:
                return None
            range_ = _read(zone / "max_energy_range_uj") or 0
            total += now - began if now >= began else now - began + range_
        return total / 1e6


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
