"""`rag eval feedback`: what people said of answers, and the questions of it that can be measured."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.cli import OK, output
from rag.cli.door import single
from rag.errors import SettingsError

_MEASURED = "helpful"


def feedback(options: argparse.Namespace) -> int:
    """List it; with ``--out`` also write ``feedback.jsonl``, all of it, and ``questions.jsonl``: the questions whose
    answers were helpful, with the documents cited, as `rag eval` takes them."""
    if len(options.folders) > 1:
        raise SettingsError("`rag eval feedback` takes no folder: it is about the answers of this home.")
    found: Sequence[Mapping[str, Any]] = single(options, "feedback")["feedback"]
    if options.out:
        _write(options.out, found)
    if not options.json:
        output.table(
            ("when", "verdict", "outcome", "question", "reason", "receipt"),
            [
                (
                    output.moment(one["at"]),
                    one["verdict"],
                    one["outcome"] or "",
                    one["question"] or "(not kept)",
                    one["reason"] or "",
                    one["receipt"],
                )
                for one in found
            ],
        )
    return OK


def questions(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What can be measured, in the form of `rag.evaluate.questions.golden`."""
    return [
        {
            "id": one["receipt"],
            "text": one["question"],
            "answerable": True,
            "kind": "feedback",
            "gold": [{"document": document} for document in one["cited"]],
        }
        for one in found
        if one["verdict"] == _MEASURED and one["question"] and one["cited"]
    ]


def _write(folder: Path, found: Sequence[Mapping[str, Any]]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in (("feedback.jsonl", found), ("questions.jsonl", questions(found))):
            (folder / name).write_text(
                "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
            )
    except OSError as error:
        raise SettingsError(f"The folder {folder} cannot be written to: {error.strerror}.") from error
    output.err.print(f"[dim]Written: {output.safe(str(folder / 'feedback.jsonl'))} and questions.jsonl beside it.[/]")
