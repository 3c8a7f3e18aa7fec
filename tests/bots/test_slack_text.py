"""Words in, words out: nothing that a document, a model or a person writes becomes a link, a call or markup in Slack
(T18), and every limit of Block Kit is kept."""

from __future__ import annotations

import html
import json
import os
import random

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from rag.bots.adapter import Reply, Source, Stage, Verdict
from rag.bots.slack_blocks import blocks, preview
from rag.bots.slack_text import JOINER, mentions, one_line, pieces, shown, typed
from tests.bots.contract import Shown
from tests.bots.slack_platform import seen
from tests.bots.slack_world import BOT, Refused, _said

SEED = int(os.environ.get("RAG_SEED") or random.SystemRandom().randrange(1 << 32))
EVIL = (
    "https://evil.example/p?d=SECRET",
    "http://evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "//evil.example/x",
    "www.evil.example",
    "evil.example",
    "evil.example/p.png",
    "sub.evil.example:8443/x",
    "https://xn--evl-9ma.example",
    "https://еvil.example",
    "https://evil。example",
    "http://1.2.3.4/x",
    "http://[::1]/",
    "1.2.3.4",
    "ftp://evil.example",
    "mailto:a@evil.example",
    "a@evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "tel:+491234567",
    "slack://open?team=T1",
    "file:///etc/passwd",
    "https:\u200b//evil.example",
    "ht\u00adtps://evil.example",
    "https\u2060://evil.example",
    "https://evil\u2024example",
    "!channel",
    "!here",
    "!everyone",
    "@channel",
    "@here",
    "@everyone",
    "@U02",
    "#C01",
    "#general",
    "!subteam^S1",
    "!date^1^{date}^https://evil.example|x",
    ":smile:",
    ":bell::bell:",
    "@anna",
    "\uff20channel",
    "https&#58;//evil.example",
    "https&colon;//evil.example",
    "&lt;!channel&gt;",
    "\u202egnp.live//:sptth",
    "vbscript:x",
    "blob:https://evil.example/1",
    "https:\\\\evil.example",
    "https:/evil.example",
    "http:evil.example",
    "//evil.example",
    "wss://evil.example/s",
    "https://user:pw@evil.example/",
    "https://evil.example#@firma.example",
    "evil.zip",
    "evil.mov",
    "tel:112",
    "callto:anna",
    "magnet:?xt=urn:x",
    "https://evil.example/\n\nx",
    "intent://evil.example#Intent;end",
)
SYNTAXES = (
    "{}",
    "<{}>",
    "<{}|press here>",
    "[press]({})",
    "![x]({})",
    "[press][1]\n\n[1]: {}",
    "<a href='{}'>press</a>",
    '<img src="{}">',
    "*{}*",
    "_{}_",
    "~{}~",
    "`{}`",
    "```{}```",
    "> {}",
    "&lt;{}&gt;",
    "({})",
    '"{}"',
    "a{}",
    "{}.",
    "<<{}>>",
    "<{}",
    "{}>",
    "<!--{}-->",
    "\u200b{}\u200b",
)


def message(reply: Reply) -> Shown:
    """The reply as Slack shows it, after Slack has taken it."""
    flags = {"unfurl_links": False, "unfurl_media": False, "link_names": False, "parse": "none"}
    row = _said({"text": preview(reply), "blocks": blocks(reply), **flags})
    return seen({**row, "ts": "1.1", "channel": "D01"})


def test_there_are_sixty_payloads() -> None:
    assert len(set(EVIL)) >= 60


@pytest.mark.parametrize("evil", EVIL)
def test_no_payload_in_any_syntax_becomes_a_link_a_call_or_markup(evil: str) -> None:
    for syntax in SYNTAXES:
        written = syntax.format(evil)
        source = Source(marker=1, url="https://archivar.firma.example/?document=abc", title=written, place=written)
        reply = Reply(stage=Stage.FINAL, language="de", text=written, notice=written, sources=(source,), receipt="r1")
        for shown_reply in (reply, Reply(stage=Stage.WRITING, language="en", text=written)):
            seen_by_people = message(shown_reply)
            assert set(seen_by_people.links) <= {source.url}, written
            assert seen_by_people.pings == (), written


@pytest.mark.parametrize("evil", EVIL)
def test_a_class_or_an_address_of_the_services_cannot_carry_a_payload_either(evil: str) -> None:
    source = Source(marker=1, url=f"{evil}", title="Urlaub")
    reply = Reply(stage=Stage.FINAL, language="de", text="Ja.", sources=(source,), sensitivity=evil, receipt=evil)
    seen_by_people = message(reply)
    assert set(seen_by_people.links) <= {evil}
    assert seen_by_people.pings == ()


TEXT = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("<>&@#:/.!|*_~`\n ahtps")), max_size=400)


@seed(SEED)
@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_what_is_shown_reads_as_it_was_written(text: str) -> None:
    back = html.unescape(shown(text)).replace(JOINER, "")
    assert [letter for letter in back if letter.isalnum()] == [letter for letter in text if letter.isalnum()]
    assert "<" not in shown(text)
    assert ">" not in shown(text)


@seed(SEED)
@settings(max_examples=200, deadline=None)
@given(TEXT, st.integers(20, 200))
def test_a_label_is_never_too_long_and_never_cut_within_an_escaped_character(text: str, most: int) -> None:
    label = one_line(text, most=most)
    assert len(label) <= most
    assert "\n" not in label
    assert html.escape(html.unescape(label), quote=False) == label


@seed(SEED)
@settings(max_examples=200, deadline=None)
@given(TEXT, st.integers(20, 200))
def test_pieces_lose_nothing_and_are_never_too_long(text: str, most: int) -> None:
    found = pieces(text, most=most)
    assert all(0 < len(piece) <= most for piece in found)
    kept = "".join(html.unescape(piece) for piece in found)
    assert [one for one in kept if one.isalnum()] == [one for one in shown_back(text) if one.isalnum()]


@seed(SEED)
@settings(max_examples=60, deadline=None)
@given(
    st.text(st.sampled_from("<>&aäß \n"), max_size=9000),
    st.lists(st.text(max_size=300), max_size=60),
    st.one_of(st.text(max_size=500), st.just("&" * 9000), st.just("🙂" * 9000)),
    st.sampled_from(["", "public", "strict", "unheard of"]),
)
def test_no_reply_breaks_a_limit_of_slacks(text: str, titles: list[str], notice: str, sensitivity: str) -> None:
    url = "https://archivar.firma.example/?document=" + "k" * 40
    sources = tuple(Source(marker=at, url=url, title=title, place=title) for at, title in enumerate(titles, 1))
    reply = Reply(
        stage=Stage.FINAL,
        language="de",
        text=text,
        notice=notice,
        sources=sources,
        sensitivity=sensitivity,
        receipt="r1",
    )
    try:
        seen_by_people = message(reply)
    except Refused as refused:
        raise AssertionError(str(refused)) from refused
    assert set(seen_by_people.verdicts) == set(Verdict)
    assert len(json.dumps(blocks(reply), ensure_ascii=False).encode()) <= 12_000


def test_what_notifications_show_never_holds_what_was_said() -> None:
    for stage in Stage:
        assert preview(Reply(stage=stage, language="de", text="Geheim", notice="Geheim")) in (
            "Antwort von Archivar",
            "Archivar sucht …",
        )


@pytest.mark.parametrize(
    ("slack", "words"),
    [
        (f"<@{BOT}> Wie viele?", "Wie viele?"),
        (f"<@{BOT}|archivar>  Wie   viele?", "Wie viele?"),
        ("Was sagt <@U02|ben> dazu?", "Was sagt ben dazu?"),
        ("Was sagt <@U02> dazu?", "Was sagt dazu?"),
        ("siehe <#C01|allgemein> und <#C02>", "siehe #allgemein und"),
        ("<!here> und <!subteam^S1|@team>", "und team"),
        ("<https://firma.example/a|die Seite> <https://firma.example/b>", "die Seite https://firma.example/b"),
        ("<mailto:a@firma.example|a@firma.example>", "a@firma.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
    ],
)
def test_what_a_person_typed_is_read_as_words(slack: str, words: str) -> None:
    assert typed(slack, bot=BOT) == words


def test_mentions_are_ids_in_their_order() -> None:
    assert mentions("<@U02> und <@U01|anna>, <#C01|x> <!here>") == ["U02", "U01"]


def shown_back(text: str) -> str:
    return html.unescape(shown(text))
