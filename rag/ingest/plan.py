"""What has to happen so that the index equals the folder. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from rag.documents import DocumentId, DocumentRef, Plan, Recorded


def plan(listed: Iterable[DocumentRef], recorded: Mapping[DocumentId, Recorded], *, recipe: str) -> Plan:
    """Compare what is there with what is remembered.

    A changed version, or a recipe other than `recipe`, means `replace`; other readers or another class mean
    `reprotect`, also beside a `replace` (rights do not wait for parsing). Content that vanished in one place and
    appeared in another is a `move`; the same file name is preferred where several could be paired. A file whose ending
    changed is read again beside its `move`, because the ending has a say in how it is read. The references of the plan
    carry the recorded key where there is one. Everything comes in order of document id.
    """
    now = {ref.id: ref for ref in listed}
    gone = {name: recorded[name] for name in sorted(recorded.keys() - now.keys())}
    fresh = [now[name] for name in sorted(now.keys() - recorded.keys())]
    moves = _moves(fresh, gone, recipe=recipe)
    moved_here = {ref.id for _, ref in moves}
    moved_away = {old for old, _ in moves}
    kept = [(_keyed(now[name], recorded[name]), recorded[name]) for name in sorted(now.keys() & recorded.keys())]
    moved = [(ref, recorded[old]) for old, ref in moves]
    other_ending = [ref for old, ref in moves if _ending(old) != _ending(ref.id)]
    changed = [ref for ref, old in kept if ref.version != old.ref.version or old.recipe != recipe]
    return Plan(
        add=tuple(ref for ref in fresh if ref.id not in moved_here),
        replace=_in_order(changed + other_ending),
        move=tuple(moves),
        reprotect=_in_order(
            ref for ref, old in kept + moved if ref.acl != old.ref.acl or ref.confidentiality != old.ref.confidentiality
        ),
        remove=tuple(name for name in gone if name not in moved_away),
    )


def _moves(
    fresh: Iterable[DocumentRef], gone: Mapping[DocumentId, Recorded], *, recipe: str
) -> list[tuple[DocumentId, DocumentRef]]:
    by_version: dict[str, list[DocumentId]] = defaultdict(list)
    for name, old in gone.items():
        if old.ref.version and old.recipe == recipe:
            by_version[old.ref.version].append(name)
    pairs = []
    for ref in fresh:
        candidates = by_version.get(ref.version)
        if candidates:
            best = min(candidates, key=lambda name: _file_name(name) != _file_name(ref.id))
            candidates.remove(best)
            pairs.append((best, _keyed(ref, gone[best])))
    return pairs


def _keyed(ref: DocumentRef, old: Recorded) -> DocumentRef:
    return DocumentRef(
        id=ref.id, key=old.ref.key, version=ref.version, acl=ref.acl, confidentiality=ref.confidentiality
    )


def _in_order(refs: Iterable[DocumentRef]) -> tuple[DocumentRef, ...]:
    return tuple(sorted(refs, key=lambda ref: ref.id))


def _ending(document: DocumentId) -> str:
    stem, dot, ending = _file_name(document).rpartition(".")
    return ending.lower() if stem and dot else ""


def _file_name(document: DocumentId) -> str:
    return document.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
