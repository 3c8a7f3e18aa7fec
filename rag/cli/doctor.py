"""`rag doctor`: look at everything this installation stands on, and say what to mend."""

from __future__ import annotations

import argparse

from rag.cli import FAILED, OK, output
from rag.cli.commands import single


def doctor(options: argparse.Namespace) -> int:
    """Print the checks; exit 1 if one is not well. Or prove that nothing leaves, or check such a proof."""
    if options.prove_offline or options.check_proof:
        from rag.cli import proof

        return proof.prove(options) if options.prove_offline else proof.check(options)
    found = single(options, "doctor")
    if not options.json:
        output.checks(found["checks"])
    return OK if found["well"] else FAILED
