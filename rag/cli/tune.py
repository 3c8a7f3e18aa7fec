"""`rag tune`: fit what may be fitted to one's own documents, and take it back."""

from __future__ import annotations

import argparse

from rag.access import OWNER
from rag.cli import OK, output
from rag.cli.door import owned, settings_of
from rag.cli.evaluation import writable
from rag.errors import SettingsError
from rag.evaluate import sets
from rag.evaluate.models.report import interval, keep, lines
from rag.evaluate.tuning import embedder, export
from rag.evaluate.tuning.embedder import Found
from rag.models_in_use import adapting
from rag.service.auditing import reader

_CALIBRATE = (
    "Then fit the evidence anew with `rag eval calibrate FOLDER`: a calibration made without the adapter is left out, "
    "and the shipped one decides what is enough to answer."
)


def tune(options: argparse.Namespace) -> int:
    """Run the action that was typed."""
    actions = {"embedder": _embedder, "export": _export, "revert": _revert}
    return actions[options.action](options)


def _embedder(options: argparse.Namespace) -> int:
    """Fit an adapter; adopt it only where it finds more on what was held back. That it does not is no failure."""
    settings = settings_of(options)
    if settings.embedder.adapter == "none":
        raise SettingsError('embedder.adapter is "none": set it to "auto", or leave it out.', key="embedder.adapter")
    asked = [question for one in sets.read_all(options.folders) for question in one.questions]
    with output.Bar() as bar, owned(settings) as app:
        found = embedder.tune(app, asked, principal=app.person(OWNER), most_held=options.held, progress=bar.one)
        adopted = found.wins and not options.dry_run
        if adopted and found.adapter is not None:
            adapting.adopt(app.ledger, found.adapter)
    if options.json:
        output.print_json(found.as_json() | {"adopted": adopted})
        return OK
    output.out.print(
        f"nDCG@10 on {found.held} questions held back: {interval(found.before)} before, {interval(found.after)} with "
        f"the adapter; gain {found.gain.value:+.3f} ({found.gain.low:+.3f} to {found.gain.high:+.3f})."
    )
    output.out.print(_said(found, adopted))
    return OK


def _said(found: Found, adopted: bool) -> str:
    if not found.wins:
        return f"No gain, not adopted: at least {embedder.LEAST_GAIN:+.2f} is needed, and an interval above 0."
    if not adopted:
        return "Not adopted (--dry-run)."
    return (
        "Adopted. The next `rag ingest` puts it in place; until then the embedder before answers. `rag tune revert` "
        f"takes it back. {_CALIBRATE}"
    )


def _export(options: argparse.Namespace) -> int:
    """Write ``pairs.jsonl`` and a ``Modelfile``, for their owner alone."""
    settings = settings_of(options)
    base = options.base or settings.llm.model or "./base.gguf"
    written = export.modelfile(base, context_tokens=settings.llm.context_tokens)
    writable(options.out)
    with output.Bar() as bar, owned(settings) as app:
        who = reader(app, user=options.user, reason=options.reason, glass=False)
        found = export.export(app, who, seen=lambda done, total: bar.one("answers given again", done, total))
    keep(options.out / "pairs.jsonl", lines([one.as_json() for one in found.examples]))
    keep(options.out / "Modelfile", written)
    if options.json:
        output.print_json({"pairs": len(found.examples), "left_out": found.left_out, "written": str(options.out)})
        return OK
    output.out.print(
        f"{output.counted(len(found.examples), 'pair')} in {output.safe(str(options.out))}, and a Modelfile."
    )
    for reason, number in found.left_out.items():
        output.out.print(f"[dim]left out, {reason}: {number}[/]")
    output.err.print("[dim]The pairs hold text of documents: no erasure here reaches them.[/]")
    return OK


def _revert(options: argparse.Namespace) -> int:
    """Take an adapter back."""
    with owned(settings_of(options)) as app:
        before = adapting.revert(app.ledger)
    if options.json:
        output.print_json({"reverted": before or None})
    elif before:
        output.out.print(
            "Taken back. The next `rag ingest` puts the plain embedder in place; until then the adapted one answers. "
            "A calibration that was fitted without the adapter then holds again."
        )
    else:
        output.out.print("No adapter is adopted; there is nothing to take back.")
    return OK
