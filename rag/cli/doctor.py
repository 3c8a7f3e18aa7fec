"""`rag doctor`: look at everything this installation stands on, and say what to mend."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rag.cli import FAILED, OK, output
from rag.cli.door import owned, settings_of
from rag.govern import checks


def doctor(options: argparse.Namespace) -> int:
    """Print the checks; exit 1 if one is not well."""
    settings = settings_of(options)
    with owned(settings) as app:
        found = [
            checks.switches(),
            *checks.home(settings.home),
            *(
                [checks.weights(settings.embedder.model, settings.models)]
                if settings.embedder.provider != "ollama"
                else []
            ),
            checks.language_model(app.language_model, lambda: app.model_problem),
            checks.index(app.ledger),
        ]
    if options.json:
        output.print_json({"well": all(check.well for check in found), "checks": [asdict(check) for check in found]})
    else:
        for check in found:
            sign = "[green]✓[/]" if check.well else "[red]✗[/]"
            output.out.print(f"{sign} {check.name}: {output.safe(check.finding)}")
            if check.advice:
                output.out.print(f"    {output.safe(check.advice)}")
    return OK if all(check.well for check in found) else FAILED
