"""`rag backup DIR` and `rag restore DIR`."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rag.cli import OK, output
from rag.cli.door import settings_of, single
from rag.errors import SettingsError

if TYPE_CHECKING:
    from rag.store.ledger import Ledger


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
    from rag.credentials import revocations
    from rag.govern.restored_keys import RestoredKeys
    from rag.govern.restoring import Journals
    from rag.ingest.reconcile import level_vectors, level_words
    from rag.store import backup as backups
    from rag.store import journal, opening
    from rag.store.owner import Ownership
    from rag.store.vectors import VectorIndex
    from rag.store.words import WordIndex

    began, home = time.monotonic(), settings_of(options).home
    source = options.directory.expanduser().absolute()
    erased, ended = _named(options.journal, erasures=journal.NAME, revocations=revocations.NAME)
    backups.verify(source)
    with Ownership(home), output.Bar() as bar:
        journals, keys = Journals(home, erased), RestoredKeys(home, ended)

        def prepare(coming: Ledger, staged: Path) -> None:
            journals.reapply(coming, staged)
            keys.reapply(coming, staged)

        ledger = backups.restore(source, home, force=options.force, prepare=prepare)
        journals.keep(ledger)
        keys.keep(ledger)
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
    result = {
        "home": str(home),
        **counts,
        "erased_again": journals.erased,
        "ended_again": keys.again,
        "keys_held": keys.held,
        "seconds": round(time.monotonic() - began, 1),
    }
    if options.json:
        output.print_json(result)
    else:
        output.out.print(
            f"Restored into {output.safe(str(home))}: {counts['documents']} documents, {counts['chunks']} chunks, in "
            f"{result['seconds']} s, nothing embedded."
        )
        if journals.erased:
            output.out.print(f"Erased again by the erasure journal: {journals.erased} documents.")
        if keys.again:
            output.out.print(f"Ended again: {output.counted(keys.again, 'key or person')} that had been shut out.")
        if keys.held:
            output.err.print(
                f"Which keys were revoked since this backup was made is not known: {output.counted(keys.held, 'key')} "
                "held. Look at `rag keys list`, revoke what has ended, then `rag keys release --all`."
            )
        if not journals.known:
            output.err.print(
                "No erasure journal was found. If something was erased since this backup was made, restore it again "
                "with --journal FILE."
            )
        if (source / backups.SETTINGS).exists():
            output.err.print(f"Its settings are in {output.safe(str(Path(source) / backups.SETTINGS))}; look at paths.")
    return OK


def _named(given: Path | None, *, erasures: str, revocations: str) -> tuple[Path | None, Path | None]:
    """What `--journal` means: an erasure journal, whatever it is called, and the revocations beside it; those alone; or
    both in a folder.

    Raises:
        SettingsError: it holds neither, or is not there.
    """
    if given is None:
        return None, None
    path = given.expanduser().absolute()
    folder = path if path.is_dir() else path.parent
    erased, ended = ((folder / name) if (folder / name).exists() else None for name in (erasures, revocations))
    if (path.is_dir() and not (erased or ended)) or (path.name == revocations and not ended):
        raise SettingsError(f"{folder} holds no {revocations}, and no {erasures} was named.")
    if not path.is_dir() and path.name != revocations:
        erased = path
    return erased, ended
