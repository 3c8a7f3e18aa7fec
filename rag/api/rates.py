"""How often somebody may: token buckets, one a name."""

from __future__ import annotations

from dataclasses import dataclass, field

_MANY = 10_000


@dataclass(slots=True, kw_only=True)
class Rates:
    """`burst` in one go, then `per_minute`; 0 a minute is any number."""

    per_minute: float
    burst: int
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)  # name → tokens left, and when (seconds)

    def wait_s(self, name: str, *, now_s: float) -> float:
        """How long until `name` may again; 0: now."""
        if not self.per_minute:
            return 0.0
        return max(0.0, 1.0 - self._tokens(name, now_s)) * 60 / self.per_minute

    def take(self, name: str, *, now_s: float) -> None:
        """Count one."""
        if self.per_minute:
            if len(self._left) >= _MANY:
                self._forget(now_s)
            self._left[name] = (self._tokens(name, now_s) - 1, now_s)

    def _tokens(self, name: str, now_s: float) -> float:
        tokens, at_s = self._left.get(name, (float(self.burst), now_s))
        return min(float(self.burst), tokens + (now_s - at_s) * self.per_minute / 60)

    def _forget(self, now_s: float) -> None:
        """Whoever has all of theirs again is as if they had never come."""
        self._left = {name: kept for name, kept in self._left.items() if self._tokens(name, now_s) < self.burst}
