"""How often an address may show what is not good: guessing 256 bits leads nowhere, this keeps it from being loud.

Only what is refused counts, and only refusals are answered otherwise: a good credential is never kept waiting by
somebody else behind the same address.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network

_KEPT = 10_000
_SITE_BITS = 64  # one site of IPv6 has as many addresses as it likes


class Failures:
    """Thread-safe. `at_once` refusals of an address, then one every `each_s` seconds."""

    def __init__(self, *, at_once: int = 10, each_s: float = 6.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._each_s, self._clock = at_once, each_s, clock
        self._lock = threading.Lock()
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def note(self, address: str) -> int | None:
        """One more; gives how many seconds to wait, where there were too many, else None."""
        site, now = _site(address), self._clock()
        with self._lock:
            free_at = max(self._free_at.pop(site, now), now)
            wait_s = free_at + self._each_s - now - self._at_once * self._each_s
            if wait_s > 0:
                self._free_at[site] = free_at
                return math.ceil(wait_s)
            self._free_at[site] = free_at + self._each_s
            while len(self._free_at) > _KEPT:
                self._free_at.popitem(last=False)
            return None

    def blocked(self, address: str) -> bool:
        """Whether another refusal would be one too many: what costs much to check can be left unchecked then."""
        with self._lock:
            free_at = self._free_at.get(_site(address), 0.0)
            return free_at + self._each_s - self._clock() > self._at_once * self._each_s


def _site(address: str) -> str:
    try:
        known = ip_address(address)
    except ValueError:
        return address
    return str(ip_network(f"{known}/{_SITE_BITS}", strict=False)) if known.version == 6 else address
