"""One document through: parse, chunk, embed, write the indexes, then record (the switch), then sweep.

Documents are drafted one by one and written by the batch: a commit of the word index costs a tenth of a second whether
it holds one document or fifty.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np

from rag.documents import Chunk, Document, DocumentRef, Parsed, Part, RawDocument
from rag.errors import DocumentError, DocumentWaits, ModelError
from rag.ingest import chunk as chunking
from rag.ingest import reconcile
from rag.ingest.draft import Draft
from rag.ingest.kept_out import not_erased
from rag.ingest.parts import Allowance, parts_of
from rag.ingest.reader import Reader
from rag.ingest.spaces import Space
from rag.ingest.surrogates import without_surrogates
from rag.ports import Embedder, Vector, Vectors
from rag.store.ledger import Ledger
from rag.store.rows import Facets, Version, content_hash, new_key, source_of
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex
from rag.text.dates import stated_date

_log = logging.getLogger(__name__)

_MAX_DEPTH = 3  # a part of a part of a part is read, the next level is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What a document passes through on its way in. Scans are read unless `ocr` is off; of a document of more than
    `max_chunks` chunks the rest is left out, and said."""

    ledger: Ledger
    vectors: VectorIndex
    words: WordIndex
    parser: Reader
    embedder: Embedder
    media_type_of: Callable[[str, bytes], str]
    before: Callable[[], Space | None] = lambda: None
    """The embedder that still answers while another takes its place: what comes meanwhile is written for both."""
    ocr: bool = True
    max_chunks: int = 5000
    gone: Callable[[], bool] = lambda: False
    """Whether the source is one no more since its documents were listed: nothing of it is recorded."""
    writing: threading.RLock = field(default_factory=threading.RLock)
    """Held while the indexes are written: what one thread has announced, another must not sweep."""

    @property
    def recipe(self) -> str:
        """How documents are read and cut; the embedder's own fingerprint names the collection instead."""
        return f"{self.parser.recipe(ocr=self.ocr)}+{chunking.FINGERPRINT}+{self.max_chunks}"

    def draft(self, raw: RawDocument, *, stamp: str) -> list[Draft]:
        """The document and, after it, the documents inside it. A failure is a draft too."""
        return self._draft(raw, stamp=stamp, parent=None, depth=0, allowance=Allowance())

    def _draft(
        self, raw: RawDocument, *, stamp: str, parent: str | None, depth: int, allowance: Allowance
    ) -> list[Draft]:
        name = raw.ref.id.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        media_type = raw.media_type or self.media_type_of(name, raw.body[:4096])
        raw = replace(raw, media_type=media_type, ref=raw.ref if raw.ref.key else replace(raw.ref, key=new_key()))
        draft = Draft(ref=raw.ref, raw=replace(raw, body=b""), stamp=stamp, parent=parent)
        try:
            parsed = without_surrogates(self.parser.parse(raw.body, media_type=media_type, name=name, ocr=self.ocr))
            document = self._document(raw, parsed)
            chunks = chunking.chunk(document, recipe=self.recipe, fits=self._fits)
        except DocumentError as error:
            return [replace(draft, reason=str(error), unfinished=isinstance(error, DocumentWaits))]
        parts, notes = parsed.parts, parsed.notes
        if parts and depth >= _MAX_DEPTH:
            notes += (f"{len(parts)} documents inside left out: more than {_MAX_DEPTH} levels deep",)
            parts = ()
        fitting, left_out = allowance.within(parts)
        notes += left_out
        if len(chunks) > self.max_chunks:
            notes += (f"only the first {self.max_chunks:,} of {len(chunks):,} chunks are indexed (ingest.max_chunks)",)
            chunks = chunks[: self.max_chunks]
        own = replace(draft, document=document, chunks=chunks, notes=notes)
        drafts = [
            self._draft(part, stamp="", parent=raw.ref.key, depth=depth + 1, allowance=allowance)
            for part in self._inside(raw, fitting)
        ]
        inner = [entry for found in drafts for entry in found]
        return [replace(own, unfinished=parsed.unfinished or any(entry.unfinished for entry in inner)), *inner]

    def write(self, drafts: Sequence[Draft]) -> int:
        """Embed, index, record and sweep a batch; returns how many chunks it holds.

        Raises:
            StoreError, ModelError: nothing of the batch is current; what was half written is swept at the next start.
        """
        return sum(len(draft.chunks) for draft in self.commit(drafts, self.embed(drafts)))

    def embed(self, drafts: Sequence[Draft], also: Mapping[str, Vector] = MappingProxyType({})) -> dict[str, Vector]:
        """Content hash → vector of every chunk; texts that were embedded before are not embedded again, nor are those
        in `also`, which are not recorded yet.

        Raises:
            ModelError: the embedder is not there.
        """
        named = {content_hash(chunk): chunk for draft in drafts for chunk in draft.chunks}
        return self._embedded(named, self.embedder, also)

    def _embedded(
        self, named: Mapping[str, Chunk], embedder: Embedder, also: Mapping[str, Vector] = MappingProxyType({})
    ) -> dict[str, Vector]:
        known = {name: also[name] for name in named if name in also}
        known |= self.ledger.known_vectors(named.keys() - known.keys(), embedder=embedder.fingerprint)
        fresh = {name: chunk.indexed_text for name, chunk in named.items() if name not in known}
        if fresh:
            known |= dict(zip(fresh, embedder.embed_passages(list(fresh.values())), strict=True))
        return known

    def commit(self, drafts: Sequence[Draft], vectors: Mapping[str, Vector]) -> list[Draft]:
        """Index, record and sweep a batch whose texts have been embedded; gives what was recorded: what was erased
        since it was read is left out, and everything where the source is one no more.

        Raises:
            StoreError: nothing of the batch is current; what was half written is swept at the next start.
        """
        with self.writing:
            drafts = [] if self.gone() else not_erased(drafts, self.ledger)
            good = [draft for draft in drafts if draft.document is not None]
            rows = [self._rows(draft.chunks, vectors) for draft in good]
            self._index(good, rows)
            of_before = self._index_before(good)
            with self.ledger.transaction():
                self.ledger.record([self._version(draft, found) for draft, found in zip(good, rows, strict=True)])
                for draft in drafts:
                    if draft.reason is not None:
                        self._fail(draft)
                for fingerprint, found in of_before.items():
                    self.ledger.keep_vectors(fingerprint, found)
                self._drop_vanished_parts(drafts)
            self.sweep()
        return drafts

    def record_unread(self, ref: DocumentRef, *, reason: str, uri: str, title: str) -> None:
        """Remember a file that could not even be opened; without version and stamp the next run looks again. Not even
        the name of one that was erased meanwhile."""
        with self.ledger.transaction():
            if self.gone() or self.ledger.kept_out(ref.id, ref.version):
                return
            self.ledger.record_failure(
                ref,
                reason=reason,
                stamp="",
                recipe=self.recipe,
                title=title,
                uri=uri,
                media_type="",
                modified_at=datetime.now(UTC),
            )

    def sweep(self) -> None:
        """Do for the indexes what the ledger says they owe. Safe to repeat."""
        with self.writing:
            reconcile.sweep(self.ledger, self.indexes(), self.words)

    def reconcile(self) -> dict[str, int]:
        """Make the indexes hold exactly the ledger's chunks; returns what was mended, empty when nothing was."""
        self.sweep()
        mended = {"vectors": 0, "words": reconcile.level_words(self.ledger, self.words, writing=self.writing)}
        for index in self.indexes():
            mended["vectors"] += reconcile.level_vectors(self.ledger, index, writing=self.writing)
        return {name: count for name, count in mended.items() if count}

    def indexes(self) -> list[VectorIndex]:
        """The vector indexes that are written: the one to come, and the one that still answers."""
        before = self.before()
        return [self.vectors, before.vectors] if before else [self.vectors]

    def _document(self, raw: RawDocument, parsed: Parsed) -> Document:
        return Document(
            ref=raw.ref,
            title=" ".join((parsed.title or _file_title(raw.title)).split())[:200],
            uri=raw.uri,
            modified_at=stated_date(parsed.text) or parsed.modified_at or parsed.created_at or raw.modified_at,
            created_at=parsed.created_at,
            author=parsed.author,
            language=parsed.language,
            text=parsed.text,
            sections=parsed.sections,
            hidden=parsed.hidden,
        )

    def _inside(self, raw: RawDocument, parts: Sequence[Part]) -> list[RawDocument]:
        made = parts_of(raw, parts, keys=dict(self.ledger.parts(raw.ref.key)) if parts else {})
        return [part for part in made if not self.ledger.kept_out(part.ref.id, part.ref.version)]

    def _fits(self, text: str) -> bool:
        before = self.before()
        embedders = [self.embedder, before.embedder] if before else [self.embedder]
        return all(embedder.count_tokens(text) <= embedder.max_tokens for embedder in embedders)

    def _rows(self, chunks: Sequence[Chunk], vectors: Mapping[str, Vector]) -> Vectors:
        found = [vectors[content_hash(chunk)] for chunk in chunks]
        return np.asarray(found, dtype=np.float32).reshape(-1, self.embedder.dimension)

    def _index(self, drafts: Sequence[Draft], rows: Sequence[Vectors]) -> None:
        chunks = [chunk for draft in drafts for chunk in draft.chunks]
        if not chunks:
            return
        facets = self._facets(drafts)
        self.ledger.announce(chunk.id for chunk in chunks)
        self.vectors.put(chunks, np.concatenate(rows), facets)
        self.words.put(chunks, facets)
        self.words.commit()

    def _index_before(self, drafts: Sequence[Draft]) -> dict[str, dict[str, Vector]]:
        """Write what was announced for the embedder before, too; gives its fingerprint → its vectors."""
        before = self.before()
        chunks = [chunk for draft in drafts for chunk in draft.chunks]
        if before is None or not chunks:
            return {}
        try:
            found = self._embedded({content_hash(chunk): chunk for chunk in chunks}, before.embedder)
        except ModelError as error:
            _log.warning("The embedder before failed: %s", error, extra={"action": "embedder_before_failed"})
            return {}
        rows = np.asarray([found[content_hash(chunk)] for chunk in chunks], dtype=np.float32)
        before.vectors.put(chunks, rows, self._facets(drafts))
        return {before.embedder.fingerprint: found}

    def _facets(self, drafts: Sequence[Draft]) -> list[Facets]:
        """One a chunk."""
        found: list[Facets] = []
        for draft in drafts:
            facets = Facets(
                acl_class=self.ledger.acl_class(draft.ref.acl),
                source=source_of(draft.ref.id),
                language=(draft.document.language if draft.document else None) or "",
                document=draft.ref.key,
            )
            found += [facets] * len(draft.chunks)
        return found

    def _version(self, draft: Draft, vectors: Vectors) -> Version:
        if draft.document is None:
            raise ValueError("a failed draft has no version")
        return Version(
            document=draft.document,
            chunks=draft.chunks,
            vectors=vectors,
            embedder=self.embedder.fingerprint,
            stamp=draft.remembered,
            recipe=self.recipe,
            media_type=draft.raw.media_type,
            notes=draft.notes,
            parent=draft.parent,
        )

    def _fail(self, draft: Draft) -> None:
        self.ledger.record_failure(
            draft.ref,
            reason=draft.reason or "",
            stamp=draft.remembered,
            recipe=self.recipe,
            title=_file_title(draft.raw.title),
            uri=draft.raw.uri,
            media_type=draft.raw.media_type,
            modified_at=draft.raw.modified_at,
            parent=draft.parent,
        )

    def _drop_vanished_parts(self, drafts: Sequence[Draft]) -> None:
        present = {draft.ref.id for draft in drafts}
        for draft in drafts:
            if draft.document is not None:
                for name, _ in self.ledger.parts(draft.ref.key):
                    if name not in present:
                        self.ledger.remove(name)


def _file_title(name: str) -> str:
    return name.rsplit(".", 1)[0] or name
