"""Erases documents so that no byte of them is left in the home, proves it by a search, and writes a certificate.

    asked     hidden and buried in the ledger: found by nobody, read by no sync       at once
    removed   gone from the ledger, with what else names a person; what the proof will look for is kept as hashes
    cleared   indexes made anew, copies and leftovers gone, every page of the ledger written anew
    proven    every file of the home searched; the certificate stands, the hashes are gone

Each state is durable before the next is begun, and each step may be done again: whoever opens the home after a crash
goes on from there (`finish`).
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rag.documents import DocumentId
from rag.govern import certificate
from rag.govern.byte_search import search
from rag.govern.canaries import name_needles, stretches_of, text_needles, vector_needles
from rag.govern.leftovers import clear_leftovers, scratch_directories
from rag.govern.living import living
from rag.govern.needles import Needle, Needles
from rag.ingest import reconcile
from rag.ingest.renewing import Opened, renew
from rag.store import analysis, journal
from rag.store.contents import Held
from rag.store.heap import overwrite_freed
from rag.store.ledger import Ledger
from rag.store.rows import now
from rag.store.tombstones import Erasure, Tombstone
from rag.store.words import WordIndex

Progress = Callable[[str, int, int], None]
Named = Mapping[str, Sequence[str]]
"""What names a person, by where it stands; all of it is looked for. The ledger keeps it until it has forgotten them."""
Also = Callable[[Sequence[str], Named], Iterable[tuple[str, int]]]
"""Takes out of the ledger what quotes documents (their keys) and what else names a person, and tells step by step how
much of what it was. After a crash all of it is done again."""
_HIDDEN = "it is being erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """A home, and its indexes as far as this process has them open."""

    home: Path
    ledger: Ledger
    opened: Opened = field(default_factory=Opened)
    language: str = "en"
    """Of the certificate's page."""

    @property
    def journal(self) -> Path:
        """Where the erasure journal stands."""
        return self.home / journal.NAME


def erase(
    premises: Premises,
    keys: Sequence[str],
    *,
    person: Named | None = None,
    also: Also = lambda keys, person: (),
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Erase these documents and everything inside them, and `also` what else names the person; returns the certificate.

    Raises:
        StoreError: it could not be finished; what was done holds, and `finish` goes on.
    """
    began = time.perf_counter()
    with premises.opened.writing:  # what a sync is about to record is recorded before this, or not at all
        held = premises.ledger.held(premises.ledger.with_parts(keys))
        erasure = _ask(premises, held, person or {})
    erasure = _noted(erasure, hidden_s=round(time.perf_counter() - began, 3))
    erasure = _remove(premises, _forget(premises, erasure, also), held)
    texts = [text for document in held for text in (*document.chunks, *document.contexts)]
    return _go_on(premises, erasure, texts, progress)


def finish(
    premises: Premises, *, also: Also, progress: Progress = lambda what, done, total: None
) -> list[dict[str, Any]]:
    """Bring erasures to their end that a crash interrupted; returns their certificates.

    Raises:
        StoreError: as `erase`.
    """
    certificates = []
    for interrupted in premises.ledger.erasures(unfinished=True):
        erasure = _noted(interrupted, interrupted=True)
        if erasure.state == "asked":
            erasure = _remove(premises, _forget(premises, erasure, also), premises.ledger.held(erasure.keys))
        certificates.append(_go_on(premises, erasure, None, progress))
    return certificates


def _go_on(premises: Premises, erasure: Erasure, texts: Sequence[str] | None, progress: Progress) -> dict[str, Any]:
    if erasure.state == "removed":
        erasure = _clear(premises, erasure, progress)
    return _prove(premises, erasure, texts, progress)


def _ask(premises: Premises, held: Sequence[Held], person: Named) -> Erasure:
    """From here on nothing of these documents is found, and no sync reads them again."""
    ledger, key, at = premises.ledger, premises.ledger.home_key, now()
    documents = [{"key": document.key, "part_of": document.parent, "chunks": len(document.chunks)} for document in held]
    erasure = Erasure(
        id=secrets.token_hex(8),
        asked_at=at,
        state="asked",
        keys=tuple(document.key for document in held),
        facts={
            **({"how": "person", "person": dict(person)} if person else {"how": "documents"}),
            "documents": documents,
            "vectors": sum(len(document.vectors) for document in held),
        },
    )
    with ledger.transaction():
        ledger.hide([document.id for document in held], _HIDDEN)
        ledger.bury(
            Tombstone(
                path=key.hashed(document.id),
                erasure=erasure.id,
                documents=(document.key,),
                contents=tuple(key.hashed(version) for version in document.versions),
                erased_at=at,
            )
            for document in held
        )
        ledger.keep_erasure(erasure)
    return erasure


def _forget(premises: Premises, erasure: Erasure, also: Also) -> Erasure:
    """What else is to go. Nothing is held meanwhile: it takes locks of its own, whose holders wait for the ledger."""
    gone = Counter(erasure.facts.get("audit", {}))
    for what, count in also(erasure.keys, erasure.facts.get("person", {})):
        gone[what] += count
        erasure = _noted(erasure, audit=dict(gone))
        premises.ledger.keep_erasure(erasure)
    return erasure


def _remove(premises: Premises, erasure: Erasure, held: Sequence[Held]) -> Erasure:
    ledger = premises.ledger
    units: list[int] = [0]
    named = [text for texts in erasure.facts.get("person", {}).values() for text in texts]
    needles = Needles.of(_needles(held, named, units))
    erasure = replace(erasure, facts={name: fact for name, fact in erasure.facts.items() if name != "person"})
    removed = replace(
        _noted(erasure, needles=len(needles), stretches=units[-1], units=units),
        state="removed",
        needles=needles.as_bytes(),
    )
    with ledger.transaction():
        ledger.forget_stretches(document.id for document in held)
        for document in held:
            ledger.remove(DocumentId(document.id))
        ledger.keep_erasure(removed)
    journal.keep(premises.journal, ledger.home_key, ledger.tombstones())
    return removed


def _needles(held: Sequence[Held], names: Sequence[str], units: list[int]) -> Iterator[Needle]:
    """Everything to look for, stretch by stretch; `units` gets the borders of the texts among the stretches."""
    number = 0
    for document in held:
        for chunk in document.chunks or ((document.text,) if document.text else ()):
            for stretch in stretches_of(chunk):
                yield from text_needles(stretch, number)
                number += 1
            units.append(number)
    for context in dict.fromkeys(context for document in held for context in document.contexts):
        for stretch in stretches_of(context):
            yield from text_needles(stretch, number)
            number += 1
    for name in dict.fromkeys((*(name for document in held for name in document.names), *names)):
        yield from name_needles(name, number)
        number += 1
    for document in held:
        for vector in document.vectors:
            yield from vector_needles(vector, number)
            number += 1


def _clear(premises: Premises, erasure: Erasure, progress: Progress) -> Erasure:
    """No byte of it anywhere in the home."""
    ledger, opened, began = premises.ledger, premises.opened, time.perf_counter()
    journal.keep(premises.journal, ledger.home_key, ledger.tombstones())
    _settle(premises)
    _forget_in_memory(premises)
    overwrite_freed()
    with opened.writing:
        ledger.scrub()  # before anybody else reads it, who might write down what its pages held
    renew(premises.home, ledger, opened, progress=progress)
    _settle(premises)
    _forget_in_memory(premises)
    progress("leftovers", 0, 1)
    in_use = {index.directory.name for index in (*opened.coming, opened.serving) if index is not None}
    left = clear_leftovers(premises.home, ledger, in_use=in_use | {ledger.vectors_directory})
    cleared = replace(_noted(erasure, leftovers=left, cleared_s=round(time.perf_counter() - began, 3)), state="cleared")
    ledger.keep_erasure(cleared)
    return cleared


def _settle(premises: Premises) -> None:
    """What the indexes owe is done where they are open, and made needless where they are about to be made anew."""
    ledger, opened = premises.ledger, premises.opened
    with opened.writing:
        if opened.words is None:
            ledger.settle(ledger.take_owed())
            return
        indexes = [index for index in (opened.serving, *opened.coming) if index is not None]
        reconcile.sweep(ledger, indexes, opened.words)


def _forget_in_memory(premises: Premises) -> None:
    opened = premises.opened
    for index in (opened.serving, *opened.coming):
        if index is not None and index.mirror is not None:
            index.mirror.forget_dead()
    analysis.forget()


def _prove(premises: Premises, erasure: Erasure, texts: Sequence[str] | None, progress: Progress) -> dict[str, Any]:
    """Search every byte; what is found is said, not hidden."""
    ledger, began = premises.ledger, time.perf_counter()
    needles = Needles.from_bytes(erasure.needles or b"")
    ledger.empty_log()
    searched = search(
        premises.home,
        needles,
        also=scratch_directories(),
        progress=lambda done: progress("bytes searched", done, 0),
    )
    lives = living(ledger, needles, found=searched.stretches(needles), units=erasure.facts["units"])
    terms = _terms_left(premises, texts)
    remains = searched.remains(needles, lives.stretches)
    _bury_again(ledger, erasure, lives.documents)
    facts = {name: value for name, value in erasure.facts.items() if name != "units"}
    proven = replace(
        erasure,
        state="proven",
        needles=None,
        facts={
            **facts,
            "proven_at": now(),
            "search_s": round(time.perf_counter() - began, 3),
            "searched": {
                "files": searched.files,
                "bytes": searched.bytes,
                "unread": searched.unread,
                "passed_over": searched.passed_over,
            },
            "remains": remains,
            "terms": terms,
            "lives_on": {"stretches": len(lives.stretches), "documents": lives.documents},
            "erased": not remains and not searched.unread and not (terms or {}).get("left"),
        },
    )
    stones = [stone for stone in ledger.tombstones() if stone.erasure == erasure.id]
    written = certificate.write(premises.home, proven, stones, ledger.home_key, language=premises.language)
    journal.keep(premises.journal, ledger.home_key, ledger.tombstones())
    ledger.keep_erasure(proven)
    ledger.empty_log()
    return written


def _terms_left(premises: Premises, texts: Sequence[str] | None) -> dict[str, int] | None:
    """What the word index still has of the words: its dictionary is no text that bytes could be searched for. None
    where the words are not known any more."""
    if texts is None:
        return None
    if premises.opened.words is not None:
        looked_up, left = premises.opened.words.orphans(texts)
    else:
        words = WordIndex(premises.home / "words")
        try:
            looked_up, left = words.orphans(texts)
        finally:
            words.close()
    return {"looked_up": looked_up, "left": left}


def _bury_again(ledger: Ledger, erasure: Erasure, stays: Mapping[str, int]) -> None:
    """The tombstones learn which documents were left, so that a backup's are left, too."""
    own = [stone for stone in ledger.tombstones() if stone.erasure == erasure.id]
    ledger.bury(replace(stone, stays=tuple(sorted({*stone.stays, *stays}))) for stone in own)


def _noted(erasure: Erasure, **facts: Any) -> Erasure:
    return replace(erasure, facts={**erasure.facts, **facts})
