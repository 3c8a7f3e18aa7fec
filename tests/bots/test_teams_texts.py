"""No text makes a link, a mention, formatting or a part of a card in Teams: 68 payloads in seven places of a sentence
and in every field of a reply, read as a client reads them, and the laws that hold for every text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.bots.adapter import Reply, Source, Stage
from rag.bots.teams_card import VERB, drawn
from rag.bots.teams_text import GAP, label, message, plain
from tests.bots.teams_cloud import Message, rendered, shown

PAGE = "https://archivar.firma.example/?document=abc"
EVIL = "evil.example"
PAYLOADS: dict[str, tuple[str, ...]] = {
    "links": (
        f"[press](https://{EVIL}/x)",
        f"[press](<https://{EVIL}/x> 'title')",
        f"[press]( https://{EVIL} )",
        f"![](https://{EVIL}/p.png)",
        f"![x][y]\n\n[y]: https://{EVIL}/p.png",
        f"[press][1]\n\n[1]: https://{EVIL}",
        f"[1]\n\n[1]: https://{EVIL}",
        f"[1]: https://{EVIL}\n\n[1]",
        f"[1](https://{EVIL})",
        f"[1][1]\n\n[1]:https://{EVIL}",
        f"[^1]\n\n[^1]: https://{EVIL}",
        f"<https://{EVIL}/x>",
        f"<a@{EVIL}>",
        f"[[press]](https://{EVIL})",
        f"[a](//{EVIL})",
        "[a](javascript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](msteams:/l/chat/0/0?users=eve)",
        f"[a\n](https://{EVIL})",
    ),
    "bare addresses": (
        f"https://{EVIL}/x?y=z",
        f"HTTP://{EVIL.upper()}/",
        f"www.{EVIL}",
        f"//{EVIL}/x",
        f"{EVIL}/x",
        f"eve@{EVIL}",
        f"mailto:eve@{EVIL}",
        "tel:+491234",
        f"\\\\{EVIL}\\share",
        f"ftp://{EVIL}",
        "file:///etc/passwd",
        f"https:\u200d//{EVIL}",
        f"ht\u00adtps://{EVIL}",
        f"https://user:word@{EVIL}",
        "https://127.0.0.1:8088/",
        "https://xn--evl-ioa.example/",
    ),
    "html": (
        f"<a href='https://{EVIL}'>press</a>",
        f'<img src="https://{EVIL}/p.png">',
        f"<img src=x onerror=fetch('https://{EVIL}')>",
        "<script>alert(1)</script>",
        f"<iframe src=//{EVIL}>",
        "<b>bold</b> <u>line</u> <h1>head</h1>",
        "<!-- gone --> <br/> <hr>",
        "&lt;a href=x&gt; &#60;b&#62; &amp;lt;",
        "<table><tr><td>x</td></tr></table>",
        '<attachment id="1"></attachment>',
        '<quoted messageId="17"/>',
    ),
    "mentions": (
        "<at>Anna</at>",
        "<at id='0'>Everyone</at>",
        "@everyone @channel @team @Anna",
        "&lt;at&gt;Anna&lt;/at&gt;",
    ),
    "formatting": (
        "*thin* **bold** ***both***",
        "_thin_ __bold__ ~~gone~~",
        "`code` ``more``",
        "```\nfence\n```",
        "# Head\n## Lower",
        "> quote",
        "- one\n- two\n* three\n+ four",
        "1. one\n2) two",
        "a | b\n--|--\nc | d",
        "Head\n====\nHead\n----",
        "    code by four blanks",
        "---\n***\n___",
        "\\*not\\* \\[this\\](x)",
        "\u202egnp.exe\u202c \u2066x\u2069 \U000e0041",
    ),
    "cards": (
        "${secret} ${if(true, 'a', 'b')} $${x}",
        "{{DATE(2026-01-01T00:00:00Z, LONG)}} {{TIME(2026-01-01T00:00:00Z)}}",
        '"},{"type":"Action.OpenUrl","title":"press","url":"https://evil.example"},{"x":"',
        '{"type":"Action.Submit","data":{"msteams":{"type":"messageBack"}}}',
    ),
}
EVERY = [payload for family in PAYLOADS.values() for payload in family]
PLACES: dict[str, Callable[[str], str]] = {
    "alone": lambda text: text,
    "in a sentence": lambda text: f"Es sind {text} Tage. [1]",
    "behind a marker": lambda text: f"Es sind 30. [1]{text}",
    "before a marker": lambda text: f"Es sind 30. {text}[1]",
    "on a line of its own": lambda text: f"Es sind 30. [1]\n{text}\nMehr.",
    "twice": lambda text: f"{text}{text}",
    "cut in two": lambda text: f"{text[: len(text) // 2]}\n\n{text[len(text) // 2 :]}",
}
SOURCE = Source(marker=1, url=PAGE, title="Urlaub", place="S. 2")
GOOD = Reply(
    stage=Stage.FINAL,
    language="de",
    text="Es sind 30. [1]",
    notice="Von einer Maschine.",
    sources=(SOURCE,),
    receipt="r",
)


def replies(text: str) -> list[Reply]:
    """The text in every field that holds words."""
    return [
        replace(GOOD, text=text),
        replace(GOOD, notice=text),
        replace(GOOD, sources=(replace(SOURCE, title=text),)),
        replace(GOOD, sources=(replace(SOURCE, place=text),)),
        replace(GOOD, stage=Stage.WRITING, text=text, sources=()),
    ]


def form(reply: Reply) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(drawn(reply).model_dump_json(by_alias=True, exclude_none=True))
    return content


def shape(content: Any) -> Any:
    """Everything but the words: keys, kinds, addresses and what a press sends."""
    if isinstance(content, dict):
        kept = ("type", "@type", "url", "verb", "data", "contentType", "position")
        return {name: value if name in kept else shape(value) for name, value in content.items()}
    return [shape(value) for value in content] if isinstance(content, list) else type(content).__name__


def letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


def test_there_are_sixty_of_them() -> None:
    assert len(set(EVERY)) >= 60


@pytest.mark.parametrize("place", list(PLACES))
def test_no_payload_opens_pings_formats_or_adds_anything(place: str) -> None:
    for payload in EVERY:
        text = PLACES[place](payload)
        for reply in replies(text):
            content = form(reply)
            seen = shown(Message("1", "19:team@thread.tacv2", [content]))
            opens = {PAGE} if reply.sources else set()
            assert set(seen.links) == opens, (text, seen.links)
            assert seen.pings == (), text
            assert set(rendered(content["text"]).tags) <= {"p"}, text
            assert letters(plain(text)) in letters(seen.text), text


@pytest.mark.parametrize("place", list(PLACES))
def test_no_payload_changes_the_shape_of_a_message(place: str) -> None:
    wanted = shape(form(GOOD))
    for payload in EVERY:
        for reply in replies(PLACES[place](payload))[:4]:
            assert shape(form(reply)) == wanted, payload


@pytest.mark.parametrize("payload", PAYLOADS["cards"])
def test_no_expression_of_a_card_stands_in_one(payload: str) -> None:
    for reply in replies(payload):
        written = json.dumps(form(reply), ensure_ascii=False)
        assert "${" not in written
        assert "{{" not in written


def test_the_only_press_that_comes_back_is_ours() -> None:
    [card] = [one["content"] for one in form(GOOD)["attachments"]]
    assert card["actions"] == [
        {
            "type": "Action.Execute",
            "title": "Veraltet",
            "tooltip": "Der Inhalt ist nicht mehr aktuell",
            "verb": VERB,
            "data": {"receipt": "r", "verdict": "outdated"},
        }
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Der Mindesturlaub beträgt 24 Werktage. [1]",
        "Am 24.12.2026 um 10:30 Uhr, 1.234,56 €, § 3 Abs. 2, 50 % (Größe: 3/4).",
        "z. B. „Handbuch“ – S. 2; A & B < C > D",
    ],
)
def test_an_ordinary_sentence_reads_as_it_was_written(text: str) -> None:
    page = rendered(message(text))
    assert "".join(page.words).strip().replace(GAP, "") == text


def test_a_marker_stays_one_and_other_words_in_brackets_do_not() -> None:
    written = message("Es sind 30. [1][12] [x] [1 ] [[2]]")
    assert re.findall(r"\[.*?\]", written) == ["[1]", "[12]", "[2]"]


def test_an_account_can_be_copied_from_what_a_stranger_is_told() -> None:
    account = "teams:11111111-2222-3333-4444-555555555555:99999999-8888-7777-6666-555555555555"
    assert account in "".join(rendered(message(f"Ihr Konto ist {account}.")).words)


def test_dates_and_numbers_are_not_broken() -> None:
    assert GAP not in plain("Am 24.12.2026 waren es 1.234.567 und 3.5 um 10:30")


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(words)
def test_every_text_reads_as_it_is_and_is_nothing_else(text: str) -> None:
    page = rendered(message(text))
    assert set(page.tags) <= {"p"}
    assert page.links == []
    assert re.sub(r"\s", "", "".join(page.words)) == re.sub(r"\s", "", plain(text))


@given(words, st.integers(10, 160))
def test_every_label_is_one_line_of_its_length_and_opens_nothing(text: str, most: int) -> None:
    line = label(text, most=most)
    assert "\n" not in line
    assert len(line.encode("utf-16-le")) // 2 <= most
    assert set(rendered(line).tags) <= {"p"}
    assert rendered(line).links == []


@given(words, words)
def test_what_was_streamed_stays_the_beginning_of_what_follows(first: str, more: str) -> None:
    """Teams takes a step of a stream only where it begins with the step before; sentences are whole."""
    sentence = f"{letters(first)}. [1] "
    assert message(f"{sentence}{more}").startswith(message(sentence))
