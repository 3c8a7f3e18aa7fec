"""`rag models`: which of its actions, and fetching weights that are not here."""

from __future__ import annotations

import argparse
import os

from rag.cli import OK, output
from rag.cli.door import settings_of
from rag.errors import LicenceRefused
from rag.models.licences import named
from rag.models.weights import fetch, find, known
from rag.models_in_use.writers import policy_of

_SMALL_MEMORY_BYTES = 6 * 1024**3


def models(options: argparse.Namespace) -> int:
    """One of the actions; without one, list."""
    if options.action in ("pin", "update"):
        from rag.cli import model_pins

        return model_pins.pin(options) if options.action == "pin" else model_pins.update(options)
    if options.action == "fit":
        from rag.cli.fit import fit

        return fit(options)
    if options.action == "vote":
        from rag.cli.vote import vote

        return vote(options)
    if options.action == "compare":
        from rag.cli.compare import compare

        return compare(options)
    if options.action != "fetch":
        from rag.cli import model_list

        return model_list.show(options) if options.action == "show" else model_list.listed(options)
    return _fetch(options)


def _fetch(options: argparse.Namespace) -> int:
    """By name; without a name what this machine needs."""
    settings = settings_of(options)
    directory = settings.models
    names = options.names or needed()
    for name in names:
        if refusal := policy_of(settings).refusal(name, named(known(name).licence)):
            raise LicenceRefused(refusal)
    fetched = {}
    with output.Bar(bytes_counted=True) as bar:
        for name in names:
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
