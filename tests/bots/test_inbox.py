"""What a bot has taken is not lost, not answered twice, and forgotten once it is answered."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.access import Audience
from rag.bots.adapter import Account, Asked, Judged, MessageRef, Place, Verdict, Withdrawn
from rag.bots.inbox import KEPT_S, Bounds, Inbox, TakenBack
from rag.errors import StoreError, StoreOwned

ASKED = Asked(
    event="e1", account=Account(id="room:anna", email="anna@firma.de"), text="Wie viele Urlaubstage?",
    place=Place(conversation="c1", thread="t1", audience=Audience.PRIVATE_CHANNEL), earlier=("vorher",), language="de",
)  # fmt: skip
WITHDRAWN = Withdrawn(event="e3", place=Place(conversation="c1"), question="e1")
JUDGED = Judged(event="e2", account=ASKED.account, place=ASKED.place, receipt="r1", verdict=Verdict.WRONG)


def test_what_was_taken_is_there_after_a_restart(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        inbox.take(ASKED)
        inbox.take(JUDGED)
    with Inbox(tmp_path) as inbox:
        assert [entry.said for entry in inbox.open()] == [ASKED, JUDGED]


def test_what_was_taken_is_there_after_the_process_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from tests.bots.test_inbox import ASKED; "
        "from rag.bots.inbox import Inbox; Inbox(Path(sys.argv[1])).take(ASKED); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environ = os.environ | {"PYTHONPATH": str(Path.cwd())}
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env=environ, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with Inbox(tmp_path) as inbox:
        assert [entry.said for entry in inbox.open()] == [ASKED]


def test_a_redelivery_is_known_over_restarts_and_after_the_end(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        entry = inbox.take(ASKED)
        assert entry is not None
        assert inbox.take(replace(ASKED, text="anders")) is None
        inbox.end(inbox.begin(entry), "answered")
    with Inbox(tmp_path) as inbox:
        assert inbox.take(ASKED) is None
        assert inbox.open() == ()
        assert inbox.ends() == {"answered": 1}


def test_an_id_is_forgotten_after_ninety_days_and_not_before(tmp_path: Path) -> None:
    now = [1e9]
    with Inbox(tmp_path, clock=lambda: now[0]) as inbox:
        entry = inbox.take(ASKED)
        assert entry is not None
        inbox.end(entry, "answered")
        now[0] += KEPT_S - 1
        inbox.tidy()
        assert inbox.take(ASKED) is None
        now[0] += 2
        inbox.tidy()
        assert inbox.take(ASKED) is not None


def test_what_is_taken_back_is_ended_and_forgotten_with_the_same_write(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        taken = inbox.take(ASKED)
        assert taken is not None
        entry = inbox.take(WITHDRAWN)
        assert entry is not None
        assert inbox.open() == (entry,)
        assert inbox.take(WITHDRAWN) is None
        with pytest.raises(TakenBack):
            inbox.begin(taken)
    with Inbox(tmp_path) as inbox:
        assert inbox.open() == (entry,)
        inbox.end(entry, "removed")
        assert inbox.ends() == {"withdrawn": 1, "removed": 1}
    assert ASKED.text.encode() not in b"".join(one.read_bytes() for one in tmp_path.iterdir())


def test_what_is_taken_back_before_it_comes_is_not_taken_any_more(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        assert inbox.take(WITHDRAWN) is None
        assert inbox.take(ASKED) is None
        assert inbox.open() == ()


def test_what_was_never_asked_is_remembered_for_a_day_and_no_longer(tmp_path: Path) -> None:
    now = [1e9]
    with Inbox(tmp_path, clock=lambda: now[0]) as inbox:
        inbox.take(WITHDRAWN)
        now[0] += 23 * 3600
        inbox.tidy()
        assert inbox.take(ASKED) is None
        now[0] += 2 * 3600
        inbox.tidy()
        assert inbox.ends() == {}


def test_what_was_said_in_another_conversation_cannot_be_taken_back(tmp_path: Path) -> None:
    elsewhere = replace(WITHDRAWN, place=Place(conversation="c2"))
    with Inbox(tmp_path) as inbox:
        taken = inbox.take(ASKED)
        assert taken is not None
        inbox.posted(taken, MessageRef("m1"))
        inbox.take(elsewhere)
        assert ASKED in [entry.said for entry in inbox.open()]
        assert inbox.replies(elsewhere) == ()
        assert [one.message for one in inbox.replies(WITHDRAWN)] == ["m1"]


def test_every_message_about_a_question_is_found_the_one_of_an_earlier_release_too(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        taken = inbox.take(ASKED)
        assert taken is not None
        inbox._run("UPDATE event SET message = 'm0'")  # as it was written before messages had a table of their own
        assert [one.message for one in inbox.replies(WITHDRAWN)] == ["m0"]
        other = inbox.anew(inbox.posted(taken, MessageRef("m1")))
        inbox.posting(other)
        assert [(one.message, one.place) for one in inbox.replies(WITHDRAWN)] == [("m1", None), ("", ASKED.place)]
        inbox.end(inbox.posted(other, MessageRef("m2")), "answered")
        assert [(one.message, one.place) for one in inbox.replies(WITHDRAWN)] == [("m1", None), ("m2", None)]


def test_it_is_known_where_a_message_may_stand_that_nobody_knows_the_name_of(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        entry = inbox.take(ASKED)
        assert entry is not None
        inbox.posting(entry)
    with Inbox(tmp_path) as inbox:
        [entry] = inbox.open()
        assert entry.doubtful
        inbox.posted(entry, MessageRef("m1"))
        assert inbox.open()[0].doubtful, "also once another one stands there"
        other = inbox.anew(entry)
        inbox.posting(other)
        inbox.unposted(other)
        assert not inbox.open()[0].doubtful


def test_what_waits_is_kept_however_old_it_is(tmp_path: Path) -> None:
    now = [1e9]
    with Inbox(tmp_path, clock=lambda: now[0]) as inbox:
        inbox.take(ASKED)
        now[0] += 2 * KEPT_S
        inbox.tidy()
        assert len(inbox.open()) == 1


def test_an_attempt_and_the_message_are_remembered(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        taken = inbox.take(ASKED)
        assert taken is not None
        posted = inbox.posted(inbox.begin(taken), MessageRef("m1"))
    with Inbox(tmp_path) as inbox:
        assert inbox.open() == (posted,)
        assert (posted.attempts, posted.message, posted.nonce) == (1, "m1", taken.nonce)
        other = inbox.anew(posted)
        assert (other.message, other.nonce != posted.nonce) == ("", True)
        assert inbox.open() == (other,)


def test_no_byte_of_a_question_stays_once_it_is_answered(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        entry = inbox.take(replace(ASKED, text="CANARY-" * 400, earlier=("CANARY-earlier",)))
        assert entry is not None
        inbox.posted(inbox.begin(entry), MessageRef("m1"))
        assert any(b"CANARY" in file.read_bytes() for file in tmp_path.iterdir()), (
            "or this test looks in the wrong place"
        )
        inbox.end(entry, "answered")
        assert not any(b"CANARY" in file.read_bytes() for file in tmp_path.iterdir())


def test_its_files_are_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "bots" / "room"
    with Inbox(folder) as inbox:
        inbox.take(ASKED)
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_processes_do_not_share_it(tmp_path: Path) -> None:
    with Inbox(tmp_path), pytest.raises(StoreOwned, match="runs this bot already"):
        Inbox(tmp_path)


def test_a_damaged_file_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "inbox.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        Inbox(tmp_path)
    assert (tmp_path / "inbox.sqlite").read_bytes().startswith(b"no database")


def test_too_many_waiting_are_marked_here_and_in_all(tmp_path: Path) -> None:
    def asked(number: int, conversation: str) -> Asked:
        return replace(ASKED, event=f"e{number}", place=Place(conversation=conversation))

    with Inbox(tmp_path, bounds=Bounds(waiting=5, waiting_here=3)) as inbox:
        marks = [entry.crowded for number in range(5) if (entry := inbox.take(asked(number, "a")))]
        assert marks == ["", "", "", "here", "here"]
        marks = [entry.crowded for number in range(5, 9) if (entry := inbox.take(asked(number, f"b{number}")))]
        assert marks == ["", "", "all", "all"]
        inbox.end(inbox.open()[0], "answered")
        freed = inbox.take(asked(9, "c"))
        assert freed is not None
        assert freed.crowded == ""


def test_one_person_does_not_take_all_places(tmp_path: Path) -> None:
    def asked(number: int, who: str) -> Asked:
        place = Place(conversation=f"c{number}")
        return replace(ASKED, event=f"e{number}", place=place, account=Account(id=who))

    with Inbox(tmp_path, bounds=Bounds(waiting=9, waiting_here=9, waiting_each=2)) as inbox:
        marks = [entry.crowded for number in range(4) if (entry := inbox.take(asked(number, "room:anna")))]
        assert marks == ["", "", "each", "each"]
        other = inbox.take(asked(5, "room:ben"))
        assert other is not None
        assert other.crowded == ""


def test_it_writes_with_full_synchronisation(tmp_path: Path) -> None:
    with Inbox(tmp_path) as inbox:
        assert inbox._run("PRAGMA synchronous").fetchone() == (2,)
        assert inbox._run("PRAGMA journal_mode").fetchone() == ("wal",)


@settings(max_examples=25)
@given(text=st.text(max_size=50), event=st.text(min_size=1, max_size=20), thread=st.text(max_size=9))
@example(text="\ud83d", event="e\ud83d", thread="")
def test_every_event_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, text: str, event: str, thread: str
) -> None:
    said = replace(ASKED, event=event, text=text, place=Place(conversation=thread, thread=thread))
    with Inbox(tmp_path_factory.mktemp("inbox")) as inbox:
        inbox.take(said)
        assert inbox.take(said) is None
        assert [entry.said for entry in inbox.open()] == [said]
