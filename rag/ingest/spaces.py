"""Which embedder answers, and how another one takes its place.

Vectors of two models are never in one index. When the settings name another embedder than the ledger, a second index is
filled beside the first, in a directory of its own (a collection that Chroma deletes leaves its vectors on the disk, a
directory does not), while the first goes on answering. Once the second holds exactly the ledger's chunks, one
transaction of the ledger makes it the one in use, and the first goes. Killed at any point, the next start goes on:
vectors are kept in the ledger by the batch, and no text is embedded twice.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rag.errors import RagError
from rag.ingest.reconcile import level_vectors
from rag.models.adapter import passages_of
from rag.ports import Embedder
from rag.store import opening
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex

_log = logging.getLogger(__name__)

_BATCH = 256
_DIRECTORY = re.compile(r"chroma(-[0-9a-f]{8})?(\.damaged)?")


@dataclass(frozen=True, slots=True)
class Space:
    """One embedder and the index of its vectors."""

    embedder: Embedder
    vectors: VectorIndex


class Spaces:
    """The vector spaces of an open home.

    `coming` is the settings' embedder: everything new is embedded by it. `serving` answers questions: the same, or
    while another takes its place the one before; None where that cannot be opened any more, then questions are answered
    by words alone, and `problem` says why. `made_by` tells `reopen` how to open an embedder again; `scan_bytes` bounds
    what an index holds in memory.
    """

    def __init__(
        self,
        home: Path,
        ledger: Ledger,
        embedder: Embedder,
        *,
        made_by: str,
        reopen: Callable[[str], Embedder],
        scan_bytes: int = 0,
    ) -> None:
        self._home, self._ledger, self._made_by, self._scan_bytes = home, ledger, made_by, scan_bytes
        self.problem = ""
        self.too_long = 0
        self._adopt(embedder)
        used = ledger.embedder
        if used == embedder.fingerprint and ledger.embedder_made_by != made_by:
            ledger.remember("embedder made by", made_by)
        if used == embedder.fingerprint:
            self.coming = Space(embedder, self._open(ledger.vectors_directory, embedder))
            self.serving: Space | None = self.coming
        else:
            self.serving = self._reopened(used or "", reopen)
            self.coming = Space(embedder, self._open(self._directory(embedder), embedder))
            self.coming.vectors.level = False
            _log.warning(
                "The settings name another embedder: its vectors are made by the next ingest, or by `rag index "
                "rebuild`; until then %s.",
                f"questions are answered by words alone ({self.problem})" if self.problem else "the one before answers",
                extra={"action": "embedder_changing", "from": used, "to": embedder.fingerprint},
            )
        self._forget_others()

    @property
    def changing(self) -> bool:
        """Whether another embedder is taking the place of the one in use."""
        return self.serving is not self.coming

    def before(self) -> Space | None:
        """The one that still answers while another takes its place."""
        return self.serving if self.changing else None

    def all(self) -> tuple[Space, ...]:
        """The one that everything new is embedded by, then the one before, while it answers."""
        before = self.before()
        return (self.coming, before) if before else (self.coming,)

    def succeed(
        self,
        *,
        writing: AbstractContextManager[object],
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        stopped: Callable[[], bool] = lambda: False,
        switched: Callable[[], None] = lambda: None,
    ) -> bool:
        """Let the coming embedder take its place: embed what it has not embedded, fill its index, and switch. False:
        stopped, or a text is too long for it and must first be cut anew by the next ingest (`too_long` counts them).

        Raises:
            ModelError, StoreError: what was done is kept.
        """
        if not self.coming.vectors.level:
            self._embed(progress, stopped)
            level_vectors(
                self._ledger,
                self.coming.vectors,
                writing=writing,
                stopped=stopped,
                progress=lambda done, total: progress("vectors written", done, total),
            )
        if not self.changing:
            return self.coming.vectors.level
        with writing:
            if not self._complete():
                return False
            before, self.serving = self.serving, self.coming
            self._ledger.switch(
                self.coming.embedder.fingerprint,
                made_by=self._made_by,
                directory=self.coming.vectors.directory.name,
            )
            self.problem = ""
        switched()
        _log.info(
            "Another embedder answers from now on",
            extra={"action": "embedder_changed", "to": self.coming.embedder.fingerprint},
        )
        if before is not None:
            before.vectors.close()
        self._forget_others()
        return True

    def close(self) -> None:
        """Close the indexes; those that are level are sealed."""
        for space in self.all():
            opening.close(space.vectors, self._ledger)

    def _embed(self, progress: Callable[[str, int, int], None], stopped: Callable[[], bool]) -> None:
        """Each text once, some hundred at a time; each batch is kept."""
        embedder, after, self.too_long = self.coming.embedder, "", 0
        before = self._ledger.embedder or ""
        if self.changing and passages_of(before) == passages_of(embedder.fingerprint):
            self._ledger.lend_vectors(before, embedder.fingerprint)
        done, total = self._ledger.embedded(embedder.fingerprint), self._ledger.texts()
        while not stopped() and (rows := self._ledger.unembedded(embedder.fingerprint, after=after, limit=_BATCH)):
            after = rows[-1][0]
            fitting = {
                name: chunk.indexed_text
                for name, chunk in rows
                if embedder.count_tokens(chunk.indexed_text) <= embedder.max_tokens
            }
            if len(fitting) < len(rows):
                self.too_long += len(rows) - len(fitting)
                self._ledger.read_again([chunk.document_id for name, chunk in rows if name not in fitting])
            if fitting:
                made = embedder.embed_passages(list(fitting.values()))
                self._ledger.keep_vectors(embedder.fingerprint, dict(zip(fitting, made, strict=True)))
            done += len(fitting)
            progress("texts embedded", done, max(done, total))

    def _complete(self) -> bool:
        """Whether the coming index holds exactly the ledger's chunks, looked at row by row."""
        index = self.coming.vectors
        return index.level and not self._ledger.owed() and index.facets() == self._ledger.facets()

    def _adopt(self, embedder: Embedder) -> None:
        """The first embedder of a home; version 1 did not name it, but its index bears its name."""
        if self._ledger.embedder is not None:
            return
        own = False
        if self._ledger.embedded(""):
            index = self._open(self._ledger.vectors_directory, embedder)
            own = self._ledger.chunk_ids() <= index.ids()
            index.close()
        self._ledger.adopt(embedder.fingerprint, made_by=self._made_by, own=own)

    def _reopened(self, fingerprint: str, reopen: Callable[[str], Embedder]) -> Space | None:
        try:
            embedder = reopen(self._ledger.embedder_made_by or "")
        except (RagError, ValueError) as error:
            self.problem = f"the embedder before, {fingerprint}, cannot be opened: {error}"
            return None
        if embedder.fingerprint != fingerprint:
            embedder.close()
            self.problem = f"the weights of the embedder before, {fingerprint}, are no longer there"
            return None
        return Space(embedder, self._open(self._ledger.vectors_directory, embedder))

    def _open(self, name: str, embedder: Embedder) -> VectorIndex:
        return opening.open_vectors(
            self._home / name,
            self._ledger,
            fingerprint=embedder.fingerprint,
            dimension=embedder.dimension,
            scan_bytes=self._scan_bytes,
        )

    def _directory(self, embedder: Embedder) -> str:
        return f"chroma-{hashlib.sha256(embedder.fingerprint.encode()).hexdigest()[:8]}"

    def _forget_others(self) -> None:
        """What embedders before left: their directories, and their vectors in the ledger."""
        named = {self._ledger.vectors_directory, *(space.vectors.directory.name for space in self.all())}
        for path in self._home.iterdir():
            if _DIRECTORY.fullmatch(path.name) and path.name.removesuffix(".damaged") not in named:
                shutil.rmtree(path, ignore_errors=True)
        self._ledger.forget_vectors(but={self._ledger.embedder or "", self.coming.embedder.fingerprint})
