"""Whoever changes the audit log is found out: 1,000 tampered logs in the soak, 200 in every run, with another seed.

The forger has the files and knows the program; they do not have the key. A tail that is cut off is found against what
`rag audit head` printed before.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag.access import LOOPBACK, Principal
from rag.errors import StoreError
from rag.store.audit import AuditLog
from rag.store.segments import FIRST, chained, line, segments
from rag.store.verifying import Anchor, Fault, anchors_of, verify
from tests.faults.seeds import chosen

DAYS, A_DAY = 4, 5


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=7)
        return self.at

    def tomorrow(self) -> None:
        self.at += timedelta(days=1)


def ask(log: AuditLog, question: str = "Wie viel Urlaub?", user: str = "anna") -> str:
    receipt = log.open(question=question, principal=Principal(user=user), channel=LOOPBACK, passages=())
    log.close_record(receipt, outcome="answered", model="m", digest="d", cited=["k" * 24])
    return receipt


def first_version(directory: Path, records: int) -> None:
    """A log as versions before segments wrote it."""
    before = "0" * 64
    directory.mkdir()
    with (directory / FIRST).open("wb") as out:
        for number in range(1, records + 1):
            record = {"sequence": number, "at": "2026-11-20T08:00:00+00:00", "event": "opened", "receipt": f"r{number}"}
            record |= {"user": "u", "question": "q", "passages": [["k" * 24, "v1", 0, 23]]}
            record["hash"] = before = chained(before, record, None)
            out.write(line(record))
    (directory / "key").write_bytes(b"k" * 32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Anchor]:
    """The first version's file, four days after it, and the anchor of its end."""
    directory, clock = tmp_path_factory.mktemp("logs") / "audit", Clock()
    first_version(directory, 6)
    log = AuditLog(directory, clock=clock)
    for day in range(DAYS):
        for number in range(A_DAY):
            ask(log, f"{day} {number}")
        clock.tomorrow()
    log.close()
    assert checked(directory) is None
    return directory, log.chain.head


def checked(directory: Path, *anchors: Anchor) -> Fault | None:
    return verify(directory, key=(directory / "key").read_bytes(), sizes={}, anchors=anchors)


def split(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def whole_text(directory: Path) -> bytes:
    """All records in their order: what is a beginning of another only lacks its tail."""
    return b"".join(segment.path.read_bytes() for segment in segments(directory))


# ---- what a forger does ----


def flipped(directory: Path, luck: random.Random) -> None:
    """One bit is another."""
    path = luck.choice(segments(directory)).path
    content = bytearray(path.read_bytes())
    content[luck.randrange(len(content))] ^= 1 << luck.randrange(8)
    path.write_bytes(content)


def dropped(directory: Path, luck: random.Random) -> None:
    """A record is gone."""
    path = luck.choice(segments(directory)).path
    lines = split(path)
    del lines[luck.randrange(len(lines))]
    path.write_bytes(b"".join(lines))


def swapped(directory: Path, luck: random.Random) -> None:
    """Two records, of one day or of two, have changed places."""
    one, other = luck.choice(segments(directory)).path, luck.choice(segments(directory)).path
    mine, theirs = split(one), split(other)
    if one == other:
        here, there = luck.sample(range(len(mine)), 2)
        mine[here], mine[there] = mine[there], mine[here]
        one.write_bytes(b"".join(mine))
        return
    here, there = luck.randrange(len(mine)), luck.randrange(len(theirs))
    mine[here], theirs[there] = theirs[there], mine[here]
    one.write_bytes(b"".join(mine))
    other.write_bytes(b"".join(theirs))


def doubled(directory: Path, luck: random.Random) -> None:
    """A record, or what is none, stands where none stood."""
    path = luck.choice(segments(directory)).path
    lines = split(path)
    strange = [b"{}\n", b"[]\n", b"5\n", b"\n", b"\xff\n", b"[" * 5000 + b"\n", b'{"sequence":1}\n']
    lines.insert(luck.randrange(len(lines) + 1), luck.choice(lines + strange))
    path.write_bytes(b"".join(lines))


def cut(directory: Path, luck: random.Random) -> None:
    """A day ends earlier, in the middle of a record or after one."""
    path = luck.choice(segments(directory)).path
    content = path.read_bytes()
    lines = split(path)
    size = luck.choice([luck.randrange(len(content)), sum(map(len, lines[: luck.randrange(1, len(lines))]))])
    path.write_bytes(content[:size])


def day_removed(directory: Path, luck: random.Random) -> None:
    """One day is gone, or the first days, or the last."""
    found = segments(directory)
    here = luck.randrange(len(found))
    some = luck.choice([found[here : here + 1], found[: here + 1], found[here:]])
    for segment in some:
        segment.path.unlink()


def chained_anew(directory: Path, luck: random.Random) -> None:
    """A record says something else, and all after it are chained anew with another key, or with none."""
    found = segments(directory)
    place = luck.randrange(len(found))
    key, before, changed = luck.choice([None, b"x" * 32]), "0" * 64, False
    at = luck.randrange(len(split(found[place].path)))
    for number, segment in enumerate(found):
        lines = split(segment.path)
        for position, written in enumerate(lines):
            record = json.loads(written)
            if (number, position) == (place, at):
                record["user"], changed = "another", True
            if changed:
                if record.get("event") == "begun":
                    record["before"] = before
                if record.get("event") == "sealed":
                    record["last"] = before
                plain = not segment.day and record.get("event") != "sealed"
                record["hash"] = chained(before, record, None if plain else key)
                lines[position] = line(record)
            before = record["hash"]
        segment.path.write_bytes(b"".join(lines))


def clock_moved(directory: Path, luck: random.Random) -> None:
    """A record says another time, or a whole day another date."""
    days = [segment for segment in segments(directory) if segment.day]
    segment = luck.choice(days)
    if luck.random() < 0.3:
        segment.path.rename(directory / f"{luck.choice([2025, 2027])}{segment.day[4:]}.jsonl")
        return
    lines = split(segment.path)
    place = luck.randrange(len(lines))
    record = json.loads(lines[place])
    record["at"] = record["at"].replace("T09", "T10")
    lines[place] = line(record)
    segment.path.write_bytes(b"".join(lines))


def respelled(directory: Path, luck: random.Random) -> None:
    """The same JSON, written otherwise, or with a key that is read over."""
    path = luck.choice(segments(directory)).path
    lines = split(path)
    place = luck.randrange(len(lines))
    twice = lines[place].replace(b"{", b'{"event":"opened",', 1)
    lines[place] = luck.choice([json.dumps(json.loads(lines[place])).encode() + b"\n", twice])
    path.write_bytes(b"".join(lines))


TAMPERS: tuple[Callable[[Path, random.Random], None], ...] = (
    flipped,
    dropped,
    swapped,
    doubled,
    cut,
    day_removed,
    chained_anew,
    clock_moved,
    respelled,
)


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.soak)])
def test_every_tampered_log_is_found(whole: tuple[Path, Anchor], tmp_path: Path, count: int) -> None:
    original, anchor = whole
    luck, missed = chosen("tampered logs"), []
    before = {path.name: path.read_bytes() for path in original.iterdir()}
    for number in range(count):
        tamper = TAMPERS[number % len(TAMPERS)]
        directory = tmp_path / "tampered"
        shutil.copytree(original, directory)
        tamper(directory, luck)
        if {path.name: path.read_bytes() for path in directory.iterdir()} == before:
            continue  # it put back what was there
        tail_only = whole_text(original).startswith(whole_text(directory))
        if checked(directory, *([anchor] if tail_only else [])) is None:
            missed.append((number, tamper.__name__))
        shutil.rmtree(directory)
    assert not missed


def test_what_does_not_hold_is_told_with_number_and_day(whole: tuple[Path, Anchor], tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    shutil.copytree(whole[0], directory)
    path = directory / "2026-11-27.jsonl"
    lines = split(path)
    third = json.loads(lines[2])
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(b"answered", b"extracts"), *lines[3:]]))
    fault = checked(directory)
    assert fault is not None and (fault.record, fault.day) == (third["sequence"], "2026-11-27")
    assert "it was changed" in fault.what
    path.write_bytes(b"".join([lines[0], lines[1], lines[2], *lines[4:]]))
    dropped = checked(directory)
    assert dropped is not None and (dropped.record, dropped.day) == (third["sequence"] + 1, "2026-11-27")
    assert "another stands in its place" in dropped.what
    path.write_bytes(b"".join(lines[:-1]))
    cut_short = checked(directory)
    assert cut_short is not None and "2026-11-27 was cut at its end: its seal is missing" in cut_short.what
    path.unlink()
    gone = checked(directory)
    assert gone is not None and "between the days before and 2026-11-28 is missing" in gone.what


def test_a_cut_tail_is_found_against_an_anchor_and_against_nothing_else(
    whole: tuple[Path, Anchor], tmp_path: Path
) -> None:
    directory = tmp_path / "audit"
    shutil.copytree(whole[0], directory)
    path = segments(directory)[-1].path
    path.write_bytes(b"".join(split(path)[:-1]))
    assert checked(directory) is None, "nothing in the log itself can tell"
    fault = checked(directory, whole[1])
    assert fault is not None and f"knows of record {whole[1].record}" in fault.what
    alone = Anchor(None, whole[1].hash)
    assert checked(directory, alone) is not None
    assert checked(whole[0], alone) is None


def test_a_log_that_was_written_anew_with_the_key_is_found_against_an_anchor(tmp_path: Path) -> None:
    clock = Clock()
    log = AuditLog(tmp_path / "audit", clock=clock)
    ask(log)
    anchor = log.chain.head
    log.close()
    (tmp_path / "audit" / "2026-11-26.jsonl").unlink()
    forged = AuditLog(tmp_path / "audit", clock=clock)
    ask(forged, "etwas anderes")
    ask(forged)
    assert forged.verify() is None, "root, who has the key, writes a log that holds"
    fault = forged.verify([anchor])
    assert fault is not None and "another log is here" in fault.what
    forged.close()


def test_a_log_from_before_segments_is_taken_over_as_the_first(tmp_path: Path) -> None:
    first_version(tmp_path / "audit", 5)
    log = AuditLog(tmp_path / "audit", clock=Clock())
    assert len(list(log.records())) == 5 and log.verify() is None
    ask(log)
    assert [segment.day for segment in segments(tmp_path / "audit")] == ["", "2026-11-26"]
    assert log.verify() is None
    assert [record["sequence"] for record in log.records()] == [1, 2, 3, 4, 5, 8, 9]
    sealed = json.loads(split(tmp_path / "audit" / FIRST)[-1])
    begun = json.loads(split(tmp_path / "audit" / "2026-11-26.jsonl")[0])
    assert (sealed["event"], sealed["count"], begun["before"]) == ("sealed", 5, sealed["hash"])
    log.close()


def test_a_day_is_sealed_with_its_count_and_the_next_carries_its_seal(tmp_path: Path) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, clock=clock)
    ask(log)
    clock.tomorrow()
    log.turn()
    sealed = json.loads(split(tmp_path / "2026-11-26.jsonl")[-1])
    assert (sealed["event"], sealed["count"]) == ("sealed", 3)
    log.close()
    again = AuditLog(tmp_path, clock=clock)
    ask(again)
    assert json.loads(split(tmp_path / "2026-11-27.jsonl")[0])["before"] == sealed["hash"]
    assert again.verify() is None
    again.close()


@pytest.mark.parametrize("back", [timedelta(hours=3), timedelta(days=3)])
def test_a_clock_that_goes_back_is_noted_and_the_order_is_kept(tmp_path: Path, back: timedelta) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, clock=clock)
    ask(log)
    clock.tomorrow()
    ask(log)
    clock.at -= back
    ask(log)
    noted = [record for record in log.records() if "clock_back_s" in record]
    assert len(noted) == 1 and noted[0]["clock_back_s"] == pytest.approx(back.total_seconds(), abs=1)
    assert [segment.day for segment in segments(tmp_path)] == ["2026-11-26", "2026-11-27"]
    assert log.verify() is None
    log.close()


def test_a_machine_that_stopped_while_a_day_turned_goes_on(tmp_path: Path) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, clock=clock)
    ask(log)
    log.close()
    clock.tomorrow()
    (tmp_path / "2026-11-27.jsonl").write_bytes(b"")
    for rest in (b"", b'{"sequence":4,"at":"2026'):
        (tmp_path / "2026-11-27.jsonl").write_bytes(rest)
        again = AuditLog(tmp_path, clock=clock)
        assert not (tmp_path / "2026-11-27.jsonl").exists()
        assert again.verify() is None
        again.close()
    again = AuditLog(tmp_path, clock=clock)
    ask(again)
    assert again.verify() is None and len(list(again.records())) == 4
    again.close()


# ---- retention ----


def filled(directory: Path, days: int) -> tuple[AuditLog, Clock]:
    clock = Clock()
    log = AuditLog(directory, clock=clock)
    for _ in range(days):
        ask(log)
        clock.tomorrow()
    return log, clock


def test_a_purge_drops_whole_days_and_the_rest_still_holds(tmp_path: Path) -> None:
    log, _ = filled(tmp_path, 6)
    anchor = log.chain.head
    assert log.purge(before="2026-11-29") == 3 * 4, "begun, asked, answered, sealed"
    assert [segment.day for segment in segments(tmp_path)][:2] == ["2026-11-29", "2026-11-30"]
    assert log.verify([anchor]) is None
    assert log.purge(before="2026-11-29") == 0
    assert log.purge(before="2026-12-01") == 2 * 4
    assert log.verify([anchor]) is None
    assert log.purge(before="2099-01-01") > 0
    assert log.verify() is None, "the day that is written to stays, whatever the clock says"
    log.close()
    again = AuditLog(tmp_path)
    assert again.verify() is None
    again.close()


def test_days_that_are_missing_without_a_purge_are_found(tmp_path: Path) -> None:
    log, _ = filled(tmp_path, 5)
    log.purge(before="2026-11-27")
    (tmp_path / "2026-11-27.jsonl").unlink()
    fault = log.verify()
    assert fault is not None and "no purge recorded that" in fault.what
    log.close()


def test_a_purge_that_was_killed_is_carried_out_by_the_next(tmp_path: Path) -> None:
    log, _ = filled(tmp_path, 5)
    kept = {segment.path.name: segment.path.read_bytes() for segment in segments(tmp_path)}
    log.purge(before="2026-11-29")
    for name in ("2026-11-27.jsonl", "2026-11-28.jsonl"):  # the first was gone already
        (tmp_path / name).write_bytes(kept[name])
    assert log.verify() is None
    assert log.purge(before="2026-11-29") == 8
    purges = [record for record in log.records() if record["event"] == "purged"]
    assert len(purges) == 1, "it was recorded already"
    assert log.verify() is None
    log.close()


# ---- anchors ----


def test_the_anchor_file_is_told_each_seal_and_checked(tmp_path: Path) -> None:
    clock, outside = Clock(), tmp_path / "outside.txt"
    log = AuditLog(tmp_path / "audit", anchor_file=outside, clock=clock)
    for _ in range(3):
        ask(log)
        clock.tomorrow()
    log.turn()
    lines = outside.read_text().splitlines()
    assert [entry.split()[0] for entry in lines] == ["2026-11-26", "2026-11-27", "2026-11-28"]
    assert log.verify() is None
    log.close()
    (tmp_path / "audit" / "2026-11-28.jsonl").unlink()
    again = AuditLog(tmp_path / "audit", anchor_file=outside, clock=clock)
    fault = again.verify()
    assert fault is not None and "the anchor file knows of record 12" in fault.what
    again.close()


def test_an_anchor_file_that_cannot_be_written_is_told_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    log = AuditLog(tmp_path / "audit", anchor_file=tmp_path / "nowhere" / "a.txt", clock=clock)
    ask(log)
    clock.tomorrow()
    ask(log)
    assert "anchor_not_written" in {record.__dict__.get("action") for record in caplog.records}
    assert log.verify() is None
    log.close()


def test_what_is_no_anchor_is_refused_in_words() -> None:
    with pytest.raises(Exception, match="holds no anchor"):
        anchors_of("2026-11-26", kept="the file")


def test_a_record_in_the_middle_of_a_forged_day_does_not_crash_the_check(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    for content in (b"\x00" * 9, b'{"event":"begun","day":"2026-11-26"}\n', b'{"sequence":"x"}\n'):
        (tmp_path / "2026-11-26.jsonl").write_bytes(content)
        assert checked(tmp_path) is not None
    with pytest.raises(StoreError):
        AuditLog(tmp_path)
