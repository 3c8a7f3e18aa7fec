"""What events of a Matrix room are to the bot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.bots.adapter import Verdict
from rag.bots.matrix_events import MOST_CHARS, Message, Reaction, Redaction, Sealed, read, since_invited

BOT = "@archivar:firma.example"
ANNA = "@anna:firma.example"


def said(body: Any, **content: Any) -> dict[str, Any]:
    whole = {"msgtype": "m.text", "body": body, **content}
    return {"type": "m.room.message", "event_id": "$1", "sender": ANNA, "content": whole, "origin_server_ts": 5}


def message(body: Any, **content: Any) -> Message:
    found = read(said(body, **content), bot=BOT, display_name="Archivar")
    assert isinstance(found, Message)
    return found


@pytest.mark.parametrize(
    "body",
    [
        "!frag Wie viele?",
        "!FRAG Wie viele?",
        "!ask Wie viele?",
        "!frag\nWie viele?",
        "@archivar:firma.example: Wie viele?",
        "@archivar:firma.example Wie viele?",
    ],
)
def test_a_command_or_the_whole_id_addresses_the_bot_and_is_left_out(body: str) -> None:
    assert (message(body).text, message(body).addressed) == ("Wie viele?", True)


@pytest.mark.parametrize("body", ["Archivar: Wie viele?", "@Archivar Wie viele?", "archivar, Wie viele?", "Wie viele?"])
def test_a_mention_addresses_the_bot_however_it_is_written(body: str) -> None:
    found = message(body, **{"m.mentions": {"user_ids": [BOT]}})
    assert (found.text, found.addressed) == ("Wie viele?", True)


def test_a_pill_addresses_the_bot_where_the_client_does_not_say_whom_it_mentions() -> None:
    for bot in (BOT, BOT.replace("@", "%40")):
        assert message("Archivar: x", formatted_body=f'<a href="https://matrix.to/#/{bot}">Archivar</a>: x').addressed


def test_a_name_that_anybody_may_have_does_not_address_the_bot() -> None:
    assert not message("Archivar: Wie viele?").addressed
    assert not message("Wie viele?", **{"m.mentions": {"user_ids": [ANNA], "room": True}}).addressed
    assert not message(f"{BOT} Wie viele?", **{"m.mentions": {}}).addressed, "the client says that it mentions nobody"


def test_a_word_that_begins_like_the_name_is_left_whole() -> None:
    assert message("Archivare gesucht").text == "Archivare gesucht"
    assert message("!fragen ist gut").text == "!fragen ist gut"


def test_what_a_reply_quotes_is_left_out() -> None:
    relation = {"m.in_reply_to": {"event_id": "$0"}}
    found = message("> <@ben:firma.example> Geheim\n> noch mehr\n\nWie viele?", **{"m.relates_to": relation})
    assert found.text == "Wie viele?"
    assert message("> ein Zitat\n\nWie viele?").text.startswith("> ein Zitat"), "a quotation of one's own is said"


def test_the_thread_is_the_event_that_it_hangs_on() -> None:
    assert message("x", **{"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}).thread == "$root"
    assert message("x").thread == ""
    for strange in ("$a $b", "root", "$", "$" + "x" * 300, "$a\n", 7, None):
        assert message("x", **{"m.relates_to": {"rel_type": "m.thread", "event_id": strange}}).thread == "", strange


@pytest.mark.parametrize("kind", ["m.notice", "m.emote", "m.key.verification.request", None, 7])
def test_what_machines_write_is_no_question(kind: Any) -> None:
    assert read(said("x", msgtype=kind), bot=BOT) is None


def test_a_correction_is_no_second_question() -> None:
    relation = {"rel_type": "m.replace", "event_id": "$0"}
    assert read(said("* x", **{"m.relates_to": relation, "m.new_content": {"body": "x"}}), bot=BOT) is None


@pytest.mark.parametrize("kind", ["m.image", "m.file", "m.audio"])
def test_a_file_is_a_message_without_text(kind: str) -> None:
    assert message("bild.png", msgtype=kind).text == ""


def test_a_question_is_cut_where_it_is_longer_than_anybody_asks() -> None:
    assert len(message("x" * 60_000).text) == MOST_CHARS


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("👍", Verdict.HELPFUL),
        ("👍🏽", Verdict.HELPFUL),
        ("👍️", Verdict.HELPFUL),
        ("👎", Verdict.WRONG),
        ("🕒", Verdict.OUTDATED),
        ("🕰", None),
        ("🕗", Verdict.OUTDATED),
        ("⏰", Verdict.OUTDATED),
        ("❤️", None),
        ("👍👎", None),
        ("", None),
    ],
)
def test_a_reaction_is_a_verdict_where_it_is_one_of_three(key: str, verdict: Verdict | None) -> None:
    relation = {"rel_type": "m.annotation", "event_id": "$m", "key": key}
    source = {"type": "m.reaction", "event_id": "$2", "sender": ANNA, "content": {"m.relates_to": relation}}
    found = read(source, bot=BOT)
    assert found == (Reaction(event="$2", sender=ANNA, message="$m", verdict=verdict) if verdict else None)


def test_a_redaction_names_what_it_takes_back_in_old_rooms_and_new_ones() -> None:
    source = {"type": "m.room.redaction", "event_id": "$2", "sender": ANNA}
    wanted = Redaction(event="$2", sender=ANNA, redacted="$1")
    assert read(source | {"redacts": "$1", "content": {}}, bot=BOT) == wanted
    assert read(source | {"content": {"redacts": "$1"}}, bot=BOT) == wanted


def test_what_is_still_encrypted_is_told_apart() -> None:
    source = {
        "type": "m.room.encrypted",
        "event_id": "$2",
        "sender": ANNA,
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    assert read(source, bot=BOT) == Sealed(event="$2", sender=ANNA)


def member(membership: str, before: str = "", who: str = BOT) -> dict[str, Any]:
    content = {"membership": membership}
    unsigned = {"prev_content": {"membership": before}} if before else {}
    return {"type": "m.room.member", "state_key": who, "content": content, "unsigned": unsigned}


def test_nothing_said_before_the_invitation_is_answered_and_everything_after_it_is() -> None:
    old, asked, new = said("alt"), said("gefragt"), said("neu")
    timeline = [old, member("invite"), asked, member("join", "invite"), new]
    assert since_invited(timeline, bot=BOT)[:1] == [asked]
    assert new in since_invited(timeline, bot=BOT)
    assert old not in since_invited(timeline, bot=BOT)


def test_without_an_invitation_the_joining_counts_and_a_new_name_is_no_joining() -> None:
    assert since_invited([said("alt"), member("join", "leave"), said("neu")], bot=BOT) == [said("neu")]
    renamed = [said("alt"), member("join", "join"), said("neu")]
    assert since_invited(renamed, bot=BOT) == renamed
    others = [said("alt"), member("join", "invite", ANNA), said("neu")]
    assert since_invited(others, bot=BOT) == others


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(
    ["m.room.message", "m.reaction", "m.room.redaction", "m.room.encrypted", "m.room.member", "m.text"]
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "type": words | odd,
            "event_id": odd,
            "sender": odd,
            "redacts": odd,
            "state_key": odd,
            "unsigned": odd,
            "content": odd
            | st.fixed_dictionaries(
                {},
                optional={
                    "msgtype": words | odd,
                    "body": odd,
                    "m.mentions": odd,
                    "m.relates_to": odd
                    | st.fixed_dictionaries({}, optional={"rel_type": odd, "event_id": odd, "key": odd}),
                },
            ),
        },
    )
    | odd
)
def test_no_event_however_strange_stops_the_reading(source: Any) -> None:
    read(source, bot=BOT, display_name="Archivar")
    since_invited([source, source], bot=BOT)
