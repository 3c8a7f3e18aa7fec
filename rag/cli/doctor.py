"""`rag doctor`: look at everything this installation stands on, and say what to mend."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rag.cli import FAILED, OK, output
from rag.cli.door import settings_of, single
from rag.errors import StoreError

_LATE_S: Final = 3600.0


def doctor(options: argparse.Namespace) -> int:
    """Print the checks; exit 1 if one is not well. Or prove that nothing leaves, or check such a proof."""
    if options.prove_offline or options.check_proof:
        from rag.cli import proof

        return proof.prove(options) if options.prove_offline else proof.check(options)
    found = single(argparse.Namespace(**{**vars(options), "json": False}), "doctor")
    found["checks"] += _inboxes(settings_of(options).home / "bots")
    found["well"] = all(check["well"] for check in found["checks"])
    if options.json:
        output.print_json(found)
    else:
        output.checks(found["checks"])
    return OK if found["well"] else FAILED


def _inboxes(folder: Path) -> Iterator[dict[str, Any]]:
    """What waits in the inboxes of the bots that run over this home."""
    from rag.bots.inbox import waiting_in

    for path in sorted(folder.glob("*/inbox.sqlite")):
        name = path.parent.name
        try:
            count, first = waiting_in(path)
        except StoreError as error:
            yield {"name": f"bot {name}", "well": False, "finding": "its inbox cannot be read", "advice": str(error)}
            continue
        late = count > 0 and time.time() - first > _LATE_S
        finding = f"{count} waiting in its inbox, which holds the text of questions until they are answered, no longer"
        advice = (
            f"The first has waited for over an hour. Is it running? Start it with `rag bot {name}`." if late else ""
        )
        yield {"name": f"bot {name}", "well": not late, "finding": finding, "advice": advice}
