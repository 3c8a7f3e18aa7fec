"""Memory that is let go of is overwritten, from when something was erased until the process ends.

Chroma's file is a dump of its array, rows that were never set included: what this process once held in that memory, a
vector that was erased for one, would come back to the disk with the next write.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_PERTURB, _BYTE = -6, 0x5A


def overwrite_freed() -> bool:
    """Have the C library fill each block when it is taken and when it is given back; False where it cannot (it is not
    glibc). Costs a pass over each block."""
    with suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).mallopt(_M_PERTURB, _BYTE))
    return False
