"""What must hold of a home whose process was killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.access import Principal
from tests.faults import scenario
from tests.faults.scenario import OLD, Round
from tests.ingest.room import ANNA, Room

BERTA = Principal(user="berta")
RECOVERY_S = 5.0


@dataclass(slots=True)
class Acks:
    """What the child told before it died."""

    done: int = 0  # the last round that ended
    under_way: int = 0  # the last round that began
    recorded: set[str] = field(default_factory=set)  # in the round under way
    keys: dict[str, str] = field(default_factory=dict)  # when the last round ended
    killed: str = ""
    passed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def acks(directory: Path) -> Acks:
    """Everything told so far, by every child that ran there."""
    found = Acks(keys=json.loads((directory / "keys").read_text()))
    lines = (directory / "acks").read_text().splitlines() if (directory / "acks").exists() else []
    for line in lines:
        told: dict[str, Any] = json.loads(line)
        if "round" in told:
            found.under_way, found.recorded = told["round"], set()
        found.recorded |= {told["recorded"]} if told.get("recorded") else set()
        if "done" in told:
            found.done, found.keys, found.recorded = told["done"], told["keys"], set()
        found.killed = told.get("killed", found.killed)
        found.passed, found.seconds = told.get("passed", found.passed), told.get("seconds", found.seconds)
    return found


def check(directory: Path, rounds: Sequence[Round]) -> Acks:
    """Open the home that a child left, in time, and see that nothing is lost, mixed or double; then finish."""
    told = acks(directory)
    before = rounds[told.done]
    now = rounds[max(told.under_way, told.done)]
    with recovered(directory / "home") as room:
        whole(room)
        _versions(room, told, before, now)
        _keys(room, told, now)
        last = rounds[-1]
        scenario.force(directory / "docs", last)
        scenario.run(room, directory / "docs", last)
        whole(room)
        level(room, last)
        again = scenario.keys(room)
        scenario.run(room, directory / "docs", last)
        assert scenario.keys(room) == again
        level(room, last)
    return told


@contextmanager
def recovered(home: Path) -> Iterator[Room]:
    """The home opened and mended in time: by the processor's clock, and by the wall's where others leave it free."""
    wall, own = time.monotonic(), time.process_time()
    with Room(home) as room:
        took_s, worked_s = time.monotonic() - wall, time.process_time() - own
        print(f"recovered in {took_s:.2f} s, {worked_s:.2f} s of work")
        busy = os.getloadavg()[0] > (os.cpu_count() or 1) / 2
        assert worked_s < RECOVERY_S and (busy or took_s < RECOVERY_S)
        yield room


def whole(room: Room) -> None:
    """No index holds too much or too little, and every document's chunks are of its one version."""
    wanted = sorted(room.ledger.chunk_ids())
    assert sorted(room.vectors._rows.get(include=[])["ids"]) == wanted, "the vectors are the ledger's, each once"
    assert len(room.words) == len(wanted) and sorted(room.words.ids()) == wanted, "the words are the ledger's"
    assert not room.ledger.owed()
    rows = room.ledger._all(
        "SELECT d.id, d.key, d.text, d.version, d.hidden_version, c.version AS of, c.span_start, c.span_end,"
        " c.text AS part, c.ordinal FROM chunks c JOIN documents d ON d.key = c.document ORDER BY d.key, c.ordinal"
    )
    ordinals: dict[str, list[int]] = {}
    ends: dict[str, int] = {}
    for row in rows:
        assert row["of"] == (row["version"] or row["hidden_version"]), f"{row['id']} mixes versions"
        assert row["text"][row["span_start"] : row["span_end"]] == row["part"]
        gap = row["text"][ends.get(row["key"], 0) : row["span_start"]]
        assert not gap.strip(), f"{row['id']} has lost a piece of its text"
        ends[row["key"]] = max(row["span_end"], ends.get(row["key"], 0))
        ordinals.setdefault(row["key"], []).append(row["ordinal"])
    assert all(found == list(range(len(found))) for found in ordinals.values())
    texts = room.ledger._all("SELECT key, id, text FROM documents WHERE version IS NOT NULL")
    lost = [row["id"] for row in texts if row["text"][ends.get(row["key"], 0) :].strip()]
    assert not lost, f"{lost} have lost the end of their text"


def _versions(room: Room, told: Acks, before: Round, now: Round) -> None:
    """Each document is as before the round under way or as after it, after it if that was acknowledged."""
    old, new, found = before.texts(), now.texts(), room.texts()
    for name in old.keys() | new.keys() | found.keys():
        allowed = [new] if name in told.recorded else [old, new]
        if not any(_is(state, name, found) for state in allowed):
            raise AssertionError(f"{name} is {found.get(name, 'not there')!r}, {[s.get(name, '-') for s in allowed]}")
    stay = {text for text in old.values() if text} & {text for text in new.values() if text}
    assert stay <= set(found.values()), "a text that was there before and is there after is there now"
    shown = {str(passage.chunk.document_id) for who in (ANNA, BERTA) for passage in room.search("Fassung Akte", who)}
    assert shown == {name for name, text in found.items() if text}, "what is recorded is found, and nothing else"
    readers = {frozenset(entry.acl.readers) for entry in room.ledger.entries()}
    assert readers <= {frozenset(before.readers), frozenset(now.readers)}


def _is(state: dict[str, str | None], name: str, found: dict[str, str | None]) -> bool:
    if name not in state:
        return name not in found
    return state[name] == OLD or (name in found and found[name] == state[name])


def _keys(room: Room, told: Acks, now: Round) -> None:
    """A document keeps its key wherever it stands."""
    found = scenario.keys(room)
    for name, key in told.keys.items():
        if name in found and name.split("!/")[0] not in {f"docs:{path}" for pair in now.moved.items() for path in pair}:
            assert found[name] == key, f"{name} has another key"
    for new, old in now.moved.items():
        places = {found.get(f"docs:{new}"), found.get(f"docs:{old}")}
        assert told.keys.get(f"docs:{old}", told.keys.get(f"docs:{new}")) in places, f"{old} lost its key on its way"


def level(room: Room, step: Round) -> None:
    """The index equals the folder."""
    wanted, found = step.texts(), room.texts()
    assert found.keys() == wanted.keys(), f"{found.keys() ^ wanted.keys()} are in one of folder and index"
    for name, text in wanted.items():
        assert text == OLD or found[name] == text
    assert room.level()


__all__ = ["RECOVERY_S", "Acks", "acks", "check", "level", "recovered", "whole"]
