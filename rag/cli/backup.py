"""`rag backup DIR` and `rag restore DIR`."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path

from rag.cli import OK, output
from rag.cli.commands import single
from rag.cli.door import settings_of


def backup(options: argparse.Namespace) -> int:
    """Write a backup, through the owner where there is one, and say what it holds."""
    found = single(options, "backup", directory=str(options.directory.expanduser().absolute()))
    if not options.json:
        size = sum(entry["bytes"] for entry in found["files"].values())
        output.out.print(
            f"Backed up and read back: {found['documents']} documents, {found['chunks']} chunks, {size / 1e6:,.1f} MB. "
            f"To use it: rag restore {output.safe(str(options.directory))} --home NEW"
        )
    return OK


def restore(options: argparse.Namespace) -> int:
    """Make a home of a backup, with both indexes made anew. Needs no model and embeds nothing."""
    from rag.ingest.reconcile import level_vectors, level_words
    from rag.store import backup as backups
    from rag.store import opening
    from rag.store.owner import Ownership
    from rag.store.vectors import VectorIndex
    from rag.store.words import WordIndex

    began, home = time.monotonic(), settings_of(options).home
    source = options.directory.expanduser().absolute()
    backups.verify(source)
    with Ownership(home), output.Bar() as bar:
        ledger = backups.restore(source, home, force=options.force)
        alone = threading.RLock()
        words = WordIndex(home / "words")
        level_words(ledger, words, writing=alone, progress=lambda done, total: bar.one("words", done, total))
        opening.close(words, ledger)
        dimension = ledger.dimension()
        if ledger.embedder and dimension:
            vectors = VectorIndex(home / ledger.vectors_directory, fingerprint=ledger.embedder, dimension=dimension)
            level_vectors(ledger, vectors, writing=alone, progress=lambda done, total: bar.one("vectors", done, total))
            opening.close(vectors, ledger)
        counts = ledger.counts()
        ledger.close()
    result = {"home": str(home), **counts, "seconds": round(time.monotonic() - began, 1)}
    if options.json:
        output.print_json(result)
    else:
        output.out.print(
            f"Restored into {output.safe(str(home))}: {counts['documents']} documents, {counts['chunks']} chunks, in "
            f"{result['seconds']} s, nothing embedded."
        )
        if (source / backups.SETTINGS).exists():
            output.err.print(f"Its settings are in {output.safe(str(Path(source) / backups.SETTINGS))}; look at paths.")
    return OK
