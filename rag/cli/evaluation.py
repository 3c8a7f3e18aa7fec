"""`rag eval`: figures for a folder of golden questions, over what is indexed."""

from __future__ import annotations

import argparse

from rag.cli import OK, output
from rag.cli.door import owned, settings_of
from rag.evaluate import golden
from rag.service import OWNER


def evaluation(options: argparse.Namespace) -> int:
    """Run the questions and print the figures as JSON."""
    questions = golden.read(options.folder)[: options.limit]
    with owned(settings_of(options)) as app, output.Bar() as bar:
        results = golden.run(
            app,
            questions,
            principal=app.person(OWNER),
            answers=options.answers,
            seen=lambda number: bar.one("questions", number, len(questions)),
        )
    output.print_json(golden.figures(results)) if options.json else output.out.print_json(data=golden.figures(results))
    return OK
