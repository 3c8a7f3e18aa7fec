"""The command line with every switch unset and no guard in Python: `python -m rag.cli.bare COMMAND …`.

Only for the proof that the kernel guard alone suffices. Importing `rag` has set the switches; nothing that reads one
has been imported yet, so taking them away here is as if they had never been set.
"""

from __future__ import annotations

import sys

from rag.cli import run
from rag.egress.guard import Guard
from rag.egress.switches import open_phone_home


def main() -> int:
    """Run one command, unguarded."""
    open_phone_home()
    Guard.install = lambda self: None  # type: ignore[method-assign]  # on purpose: see above
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
