"""`rag models`: which weights are here, and fetching those that are not."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rag.cli import OK, output
from rag.cli.door import settings_of
from rag.errors import ModelUnavailable
from rag.models.catalogue import MODELS
from rag.models.weights import fetch, find

_SMALL_MEMORY_BYTES = 6 * 1024**3


def models(options: argparse.Namespace) -> int:
    """List, or fetch by name; without a name what this machine needs."""
    if options.action == "vote":
        from rag.cli.vote import vote

        return vote(options)
    if options.action == "compare":
        from rag.cli.compare import compare

        return compare(options)
    directory = settings_of(options).models
    if options.action != "fetch":
        return _list(options, directory)
    fetched = {}
    with output.Bar(bytes_counted=True) as bar:
        for name in options.names or needed():
            fetched[name] = str(
                fetch(name, directory=directory, progress=bar.many, allow_packages=options.from_packages)
            )
    if options.json:
        output.print_json(fetched)
    else:
        for name, path in fetched.items():
            quality = find(name, directory=directory).quality.value
            output.out.print(f"{name}: {quality}, in {output.safe(path)}")
    return OK


def needed() -> tuple[str, str]:
    """The embedder and the language model that fits this machine's memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return "e5-small", "qwen2.5-0.5b" if memory < _SMALL_MEMORY_BYTES else "qwen2.5-1.5b"


def _list(options: argparse.Namespace, directory: Path) -> int:
    rows = []
    for name, model in MODELS.items():
        try:
            quality = find(name, directory=directory).quality.value
        except ModelUnavailable:
            quality = "not here"
        rows.append(
            {"name": name, "title": model.title, "kind": model.kind.value, "licence": model.licence}
            | {"weights": quality}
        )
    if options.json:
        output.print_json({"directory": str(directory), "models": rows})
    else:
        output.table(tuple(rows[0]), [tuple(row.values()) for row in rows])
        output.err.print(f"[dim]{output.safe(str(directory))}[/]")
    return OK
