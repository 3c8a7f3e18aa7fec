"""What stands in the chat, made of what the service told."""

from __future__ import annotations

import json
import string
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.access import Audience
from rag.bots.adapter import Account, Asked, Place, Stage
from rag.bots.links import is_internal
from rag.bots.replies import Replies, language_of_asked
from rag.bots.told import Finished, Proof, Written
from rag.text.sentences import texts

PAGE = "https://archivar.firma.example"
DIRECT = Replies(language="de", audience=Audience.DIRECT, page=PAGE, most_chars=200)


def finished(outcome: str, text: str = "", **more: object) -> Finished:
    return Finished(outcome=outcome, text=text, receipt="r1", **more)  # type: ignore[arg-type]


def proof(marker: int, title: str = "T", **more: object) -> Proof:
    return Proof(marker=marker, url=f"{PAGE}/?document=k{marker}", title=title, **more)  # type: ignore[arg-type]


def test_both_languages_say_the_same_things_with_the_same_blanks() -> None:
    folder = files("rag.web").joinpath("locales")
    de, en = (json.loads(folder.joinpath(f"bots.{one}.json").read_text(encoding="utf-8")) for one in ("de", "en"))
    assert list(de) == list(en)
    for key in de:
        assert [name for _, name, _, _ in string.Formatter().parse(de[key])] == [
            name for _, name, _, _ in string.Formatter().parse(en[key])
        ]


def test_every_reason_of_the_runner_has_a_sentence() -> None:
    said = texts("de", "bots")
    for key in (
        "crowded",
        "crowded_here",
        "crowded_each",
        "counts",
        "taken_back",
        "failed",
        "stale",
        "empty",
        "unknown",
        "room_unclear",
        "busy",
        "away",
    ):
        assert len(said[key]) > 20
    waits = {"busy_waiting", "away_waiting", "still", "queued", "reading", "thinking"}
    assert {"gone", "too_long", "refused", *waits} <= set(said)


@pytest.mark.parametrize("outcome", ["nothing_found", "link_only", "refused", "something new", ""])
def test_an_outcome_that_shows_nothing_shows_no_text_of_the_answer(outcome: str) -> None:
    reply = DIRECT.final(finished(outcome, "CANARY", proofs=(proof(1, "CANARY"),), sensitivity="internal"))
    assert "CANARY" not in repr(reply)
    assert (reply.sources, reply.sensitivity) == ((), "")
    assert reply.notice == texts("de", "bots")["nothing_found"]


def test_what_was_searched_for_without_its_quotation_marks_is_told_below_what_is_shown() -> None:
    shown = DIRECT.final(finished("answered", "A. [1]", proofs=(proof(1),), unquoted=("Jahresurlaub",)))
    assert shown.text == (
        "A. [1]\nKeine Stelle enthält wörtlich „Jahresurlaub“. Gesucht wurde ohne die Anführungszeichen."
    )
    assert "Jahresurlaub" not in repr(DIRECT.final(finished("nothing_found", unquoted=("Jahresurlaub",))))


def test_what_a_model_wrote_is_said_to_be_and_what_it_did_not_is_not() -> None:
    machine = texts("de", "bots")["machine"]
    assert machine in DIRECT.final(finished("answered", "A. [1]", proofs=(proof(1),))).notice
    assert machine not in DIRECT.final(finished("extracts", "A. [1]", proofs=(proof(1),))).notice
    assert machine not in DIRECT.final(finished("nothing_found")).notice


def test_links_are_numbered_after_the_proofs_and_each_thing_is_once() -> None:
    links = ((f"{PAGE}/?document=k7", ""), (f"{PAGE}/?document=k8", "Gehälter"), (f"{PAGE}/?document=k7", ""))
    reply = DIRECT.final(
        finished(
            "answered", "A. [1] B. [2] [1]", proofs=(proof(1, page=3), proof(2, heading="§ 3"), proof(1)), links=links
        )
    )
    assert [(one.marker, one.title, one.place) for one in reply.sources] == [
        (1, "T", "S. 3"), (2, "T", "§ 3"), (3, "", ""), (4, "Gehälter", ""),
    ]  # fmt: skip
    assert texts("de", "bots")["more_inside"] in reply.notice


def test_where_nothing_could_be_proven_the_nearest_passages_are_given_and_no_model_is_blamed() -> None:
    nearest = tuple(
        Proof(marker=0, url=f"{PAGE}/?document=k{number}", title=f"T{number}", page=2) for number in range(5)
    )
    reply = DIRECT.final(finished("unsupported", "Die nächsten Stellen:", nearest=nearest), wrote=False)
    assert [(one.marker, one.title, one.place) for one in reply.sources] == [
        (1, "T0", "S. 2"), (2, "T1", "S. 2"), (3, "T2", "S. 2"),
    ]  # fmt: skip
    assert texts("de", "bots")["machine"] not in reply.notice
    assert DIRECT.final(finished("answered", "A. [1]", proofs=(proof(1),), nearest=nearest)).sources[1:] == ()
    assert DIRECT.final(finished("nothing_found", nearest=nearest)).sources == ()


def test_a_sentence_that_nothing_supports_is_marked() -> None:
    reply = DIRECT.writing(
        [Written(text="A.", markers=(1, 2), supported=True), Written(text="B.", markers=(), supported=False)]
    )
    assert reply.text == "A. [1][2] B. [nicht belegt]"
    assert (reply.stage, reply.sources, reply.receipt) == (Stage.WRITING, (), "")


@pytest.mark.parametrize(
    ("text", "platform", "language"),
    [
        ("How many days of leave do I have?", "de", "en"), ("Wie viele Tage habe ich?", "en", "de"),
        ("Urlaub", "en", "en"), ("Urlaub", "", "de"), ("Kantine", "en", "en"), ("XK-2000", "fr", "de"),
    ],
)  # fmt: skip
def test_an_asker_is_answered_in_the_language_of_the_question_or_else_of_the_platform(
    text: str, platform: str, language: str
) -> None:
    place = Place(conversation="c", audience=Audience.DIRECT)
    asked = Asked(event="e", account=Account(id="room:a"), place=place, text=text, language=platform)
    assert language_of_asked(asked) == language


@given(text=st.text(max_size=600), most=st.integers(40, 300), title=st.text(max_size=30), url=st.text(max_size=30))
def test_whatever_is_told_a_reply_fits_and_opens_the_page_alone(text: str, most: int, title: str, url: str) -> None:
    replies = Replies(language="de", audience=Audience.DIRECT, page=PAGE, most_chars=most)
    reply = replies.final(
        finished(
            "answered", text, proofs=(proof(1, title), Proof(marker=2, url=url, title=title)), links=((url, title),)
        )
    )
    assert len(reply.text) <= most
    assert all(is_internal(source.url, page=PAGE) for source in reply.sources)
    assert (texts("de", "bots")["cut"] in reply.notice) == reply.text.endswith(" …") or "…" in text
    assert all("\n" not in source.title for source in reply.sources)
