"""What would make the index equal the folder. Pure: (listed, recorded) → Plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rag.documents import DocumentId, DocumentRef, Plan, Recorded


def plan(listed: Iterable[DocumentRef], recorded: Mapping[DocumentId, Recorded], *, recipe: str) -> Plan:
    """Compare a source's listing with the ledger; both may leave out what is equal in either.

    A reference without a version is content nobody has seen yet: it is added. A document whose content or recipe
    changed is a `replace`; one whose rights changed is a `reprotect`, beside a `replace`: rights do not wait for
    parsing. Content that vanished in one place and appeared in another is a `move`, along a chain or round a circle of
    names too; the same file name is preferred where several could be paired. A copy is no move: the name keeps the
    document. A file whose ending changed is read again beside its `move`, for the ending has a say in how it is read.

    The references of the plan carry the recorded key where there is one. Everything comes in order of document id.
    Removals are carried out first, then moves: a moved document may take the place of one that is removed.
    """
    now = {ref.id: ref for ref in sorted(listed, key=lambda ref: ref.id)}
    moves = _moves(now, recorded, recipe=recipe)
    moved_here = {ref.id for _, ref in moves}
    moved_away = {old for old, _ in moves}
    stayed = [(_keyed(now[name], old), old) for name, old in recorded.items() if name in now and name not in moved_here]
    stayed = [(ref, old) for ref, old in stayed if ref.id not in moved_away]
    moved = [(ref, recorded[old]) for old, ref in moves]
    other_ending = [ref for old, ref in moves if _ending(old) != _ending(ref.id)]
    changed = [ref for ref, old in stayed if ref.version != old.ref.version or old.recipe != recipe]
    known = recorded.keys() - moved_away
    return Plan(
        add=tuple(ref for ref in now.values() if ref.id not in known and ref.id not in moved_here),
        replace=_in_order(changed + other_ending),
        move=tuple(moves),
        reprotect=_in_order(
            ref
            for ref, old in stayed + moved
            if ref.acl != old.ref.acl or ref.confidentiality != old.ref.confidentiality
        ),
        remove=tuple(sorted(name for name in known if name not in now or name in moved_here)),
    )


def _moves(
    now: Mapping[DocumentId, DocumentRef], recorded: Mapping[DocumentId, Recorded], *, recipe: str
) -> list[tuple[DocumentId, DocumentRef]]:
    """Pairs of an old place and a new reference with the same content."""
    left = {name: old for name, old in recorded.items() if old.ref.version and old.recipe == recipe}
    left = {name: old for name, old in left.items() if name not in now or now[name].version != old.ref.version}
    versions = {old.ref.version for old in left.values()}
    sources: dict[str, list[DocumentId]] = defaultdict(list)
    for name in sorted(left):
        if name not in now or now[name].version in versions:  # the new content here came from another place too
            sources[left[name].ref.version].append(name)
    pairs = []
    for ref in now.values():
        candidates = sources.get(ref.version) if ref.id not in recorded or ref.id in left else None
        if candidates:
            best = min(candidates, key=lambda name: _file_name(name) != _file_name(ref.id))
            candidates.remove(best)
            pairs.append((best, _keyed(ref, recorded[best])))
    return pairs


def _keyed(ref: DocumentRef, old: Recorded) -> DocumentRef:
    return replace(ref, key=old.ref.key)


def _in_order(refs: Iterable[DocumentRef]) -> tuple[DocumentRef, ...]:
    return tuple(sorted(refs, key=lambda ref: ref.id))


def _ending(document: DocumentId) -> str:
    stem, dot, ending = _file_name(document).rpartition(".")
    return ending.lower() if stem and dot else ""


def _file_name(document: DocumentId) -> str:
    return document.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
