"""What the bot sends to a Matrix room: text, and links to the internal page alone."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.bots.adapter import Reply, Source, Stage
from rag.bots.matrix_text import MOST_BYTES, apart, content, edit, threaded
from rag.text.sentences import texts

URL = "https://archivar.firma.example/?document=k7Qx&page=2#s=1"
SOURCE = Source(marker=1, url=URL, title="Urlaub", place="S. 2")

PAYLOADS = """
https://evil.example/x
http://evil.example
HTTPS://EVIL.EXAMPLE
ftp://evil.example
https:\\\\evil.example
//evil.example/x
www.evil.example
WWW.EVIL.DE
evil.example
evil.com
evil.com/path?x=1
evil.zip/x
evil.pdf.com
evil.рф
evil。com
evil．com
evil｡com
xn--e1awd7f.xn--p1ai.com
mailto:a@evil.example
MAILTO:a@evil.example
a@evil.example
a+b@evil.example
tel:+4930123456
sip:x@evil.example
matrix:u/eve:evil.example
matrix:r/room:evil.example
https://matrix.to/#/@eve:evil.example
matrix.to/#/@eve:evil.example
mxc://evil.example/abc
magnet:?xt=urn:btih:abc
geo:52.5,13.4
javascript:alert(1)
data:text/html,<script>x</script>
@eve:evil.example
(@eve:evil.example)
#room:evil.example
!abc:evil.example
+group:evil.example
$event:evil.example
@room
@ROOM
@here @all @channel
<a href="https://evil.example">press</a>
<a href='//evil.example'>press</a>
<img src="mxc://evil.example/abc">
<img src=x onerror=alert(1)>
<b>bold</b><h1>big</h1><blockquote>x</blockquote>
<mx-reply>quoted</mx-reply>
<span data-mx-spoiler>secret</span><font color="red">x</font>
<span data-mx-maths="x">x</span>
</p></em><script>alert(1)</script>
&lt;a href=&quot;https://evil.example&quot;&gt;
&#60;a href=x&#62;
[press](https://evil.example)
![x](https://evil.example/p.png)
<https://evil.example>
127.0.0.1:8080
10.0.0.1/admin
http://[::1]/x
http://0x7f.1/
localhost:8088/x
ht\u200btps://evil.example
https\u200b://evil.example
https:/\u2060/evil.example
evil\u200b.com
evil.\u200bcom
evil.\u00adcom
evil.\u2060com
\u202emoc.live//:sptth
@\u200broom
@eve\u200b:evil.example
evil.com\u0000
`evil.com` ```evil.com``` **evil.com** ~~evil.com~~ > evil.com
""".strip("\n").split("\n")  # fmt: skip

SYNTAXES = ("{}", "Siehe {} bitte.", "({})", "„{}“", "{}, {}", "a\n{}\nb", "*{}*", "[x]({})", "<{}>", "x{}", "{}.")

_FILES = {"pdf", "doc", "docx", "xlsx", "csv", "txt", "html", "json", "xml", "png"}
_SIGNS = (
    re.compile(r"[a-z][a-z0-9+.-]*:(//|\\\\)", re.I),
    re.compile(r"(?<![^\W_])(mailto|tel|sip|matrix|magnet|geo|urn|javascript|data|xmpp|bitcoin|sms|news|im):\S", re.I),
    re.compile(r"\bwww\.\S", re.I),
    re.compile(r"\S@[\w-]+[.。．｡][\w-]{2}", re.I),
    re.compile(r"(?<!\w)[@#!+$][^\s:]+:\S"),
    re.compile(r"(?<!\w)@(room|here|all|channel)\b", re.I),
    re.compile(r"(?<![\d.])\d{1,3}(\.\d{1,3}){3}"),
    re.compile(r"\blocalhost[.:/]", re.I),
)
_DOMAIN = re.compile(r"[\w-]+[.。．｡]([^\W\d_]{2,})(\.?[\w/?#:@-]?)")


def linked(text: str) -> list[str]:
    """What the boldest of clients would make a link or a mention of; what a browser leaves out of an address, it does
    not see either."""
    seen = "".join(one for one in text if unicodedata.category(one) not in ("Cf", "Cc") or one == "\n")
    found = [match[0] for sign in _SIGNS for match in sign.finditer(seen)]
    return found + [one[0] for one in _DOMAIN.finditer(seen) if one[1].lower() not in _FILES or one[2] not in ("", ".")]


class Strict(HTMLParser):
    """Every element and attribute of a formatted message, and its text."""

    def __init__(self, formatted: str) -> None:
        super().__init__()
        self.text, self.elements = "", list[tuple[str, dict[str, str | None]]]()
        self.feed(formatted)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += "\n"

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", {}))


def checked(reply: Reply) -> None:
    """Nothing but our own links and plain elements; nobody is mentioned."""
    made = content(reply)
    assert set(made) <= {"msgtype", "body", "m.mentions", "format", "formatted_body"}
    assert made["m.mentions"] == {}
    assert made["msgtype"] == "m.notice"
    assert linked(made["body"].replace(URL, "")) == []
    markup = Strict(made.get("formatted_body", ""))
    for tag, attributes in markup.elements:
        assert (tag, attributes) in [("p", {}), ("br", {}), ("em", {}), ("code", {}), ("a", {"href": URL})], (
            tag,
            attributes,
        )
    assert linked(markup.text) == []


FIELDS = ("text", "notice", "title", "place", "sensitivity")


def test_there_are_sixty_payloads() -> None:
    assert len(set(PAYLOADS)) >= 60


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_text_becomes_a_link_a_mention_or_markup(field: str, syntax: str) -> None:
    for payload in PAYLOADS:
        hostile = syntax.replace("{}", payload)
        source = replace(SOURCE, **{field: hostile}) if field in ("title", "place") else SOURCE
        reply = Reply(stage=Stage.FINAL, language="de", text="Es sind 30. [1]", sources=(source,), receipt="r")
        checked(replace(reply, **{field: hostile}) if source is SOURCE else reply)


def test_the_check_itself_would_see_each_payload() -> None:
    blind = {one for one in PAYLOADS if not linked(one) and "<" not in one and "&" not in one and "\u202e" not in one}
    assert blind == set()


@given(st.text(st.sampled_from("ab.:/@#!<>&\"'wW1 \n\u200b\u2060。-_[]()comroom"), max_size=60))
def test_no_mixture_of_signs_becomes_a_link_a_mention_or_markup(text: str) -> None:
    checked(Reply(stage=Stage.FINAL, language="en", text=text, notice=text, sources=(replace(SOURCE, title=text),)))


@pytest.mark.parametrize(
    "text",
    [
        "Der Mindesturlaub beträgt 24 Werktage, z.B. 1.234,50 €. [1]",
        "Siehe urlaub.pdf, angebot.docx und § 3 Abs. 2 Nr. 1.",
        "Um 10:30 Uhr, am 1.2.2026; Verhältnis 3:4! #1 $5 a+b",
        "Zeile eins\nZeile zwei\tTab",
    ],
)
def test_ordinary_words_stay_as_they_are(text: str) -> None:
    assert apart(text) == text


@given(st.text(max_size=200))
def test_no_letter_or_figure_is_lost(text: str) -> None:
    assert [one for one in apart(text) if one.isalnum()] == [one for one in text if one.isalnum()]


def test_a_source_is_a_link_to_the_internal_page_in_both_forms() -> None:
    made = content(Reply(stage=Stage.FINAL, language="de", text="30. [1]", sources=(SOURCE,)))
    assert f"[1] Urlaub, S. 2: {URL}" in made["body"]
    assert Strict(made["formatted_body"]).elements.count(("a", {"href": URL})) == 1


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "mxc://x/y", "https://x y", 'https://x"y', "", "//x", "http:/x"]
)
def test_what_is_no_address_of_a_page_is_no_link(url: str) -> None:
    made = content(Reply(stage=Stage.FINAL, language="de", sources=(replace(SOURCE, url=url),)))
    assert "<a" not in made["formatted_body"]
    assert "[1] Urlaub" in made["body"]


def test_only_a_final_reply_carries_sources_the_class_and_how_to_judge() -> None:
    reply = Reply(stage=Stage.WRITING, language="de", text="30", sources=(SOURCE,), sensitivity="internal", receipt="r")
    assert "Urlaub" not in content(reply)["body"]
    assert "intern" not in content(reply)["body"]
    assert "👍" not in content(reply)["body"]
    final = content(replace(reply, stage=Stage.FINAL))
    assert "Höchste Einstufung der gezeigten Quellen: intern." in final["body"]
    assert "👍" in final["body"]
    assert "👍" not in content(replace(reply, stage=Stage.FINAL, receipt=""))["body"]


def test_an_edit_carries_the_whole_new_text_and_mentions_nobody() -> None:
    new = content(Reply(stage=Stage.WRITING, language="de", text="x" * 5_000))
    made = edit(new, of="$m")
    assert made["m.new_content"] == new
    assert made["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$m"}
    assert made["m.mentions"] == {}
    assert len(made["body"]) < 500


def test_an_answer_in_a_thread_shows_below_the_question_where_threads_are_not_known() -> None:
    relation = threaded(content(Reply(stage=Stage.FINAL, language="de", text="x")), thread="$q")["m.relates_to"]
    assert relation == {
        "rel_type": "m.thread",
        "event_id": "$q",
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$q"},
    }


def test_what_is_to_be_copied_from_a_sentence_of_ours_stays_as_it_is() -> None:
    notice = "Bitte eintragen ([bots.accounts]): matrix:@anna.b:firma.example"
    made = content(Reply(stage=Stage.FINAL, language="de", notice=notice))
    assert notice in made["body"]
    assert "<code>matrix:@anna.b:firma.example</code>" in made["formatted_body"], "clients make no link in code"
    assert "matrix:@" not in content(Reply(stage=Stage.FINAL, language="de", text=notice))["body"]


@pytest.mark.parametrize(
    "text", ["xmatrix:@a:b.de", "matrix:@a:b.de/x", "(matrix:@a:b.de)", "matrix:@<b>:b.de", "[bots.x.de]"]
)
def test_nothing_else_of_a_sentence_of_ours_does(text: str) -> None:
    checked(Reply(stage=Stage.FINAL, language="de", notice=text))


def test_both_languages_have_every_sentence() -> None:
    assert set(texts("de", "matrix")) == set(texts("en", "matrix"))


def size(made: dict[str, Any]) -> int:
    return len(json.dumps(made, ensure_ascii=False).encode())


@pytest.mark.parametrize("letter", ["a", "ä", '"', "<", "\n", "😀", "&", "\\"])
def test_no_content_is_larger_than_an_event_may_be_even_encrypted(letter: str) -> None:
    sources = tuple(replace(SOURCE, marker=number, title=letter * 300) for number in range(1, 60))
    made = content(Reply(stage=Stage.FINAL, language="de", text=letter * 20_000 + "E", sources=sources, notice=letter))
    assert size(made) <= MOST_BYTES
    assert size(edit(made, of="$" + "m" * 43)) * 4 / 3 < 60_000
    assert made["body"].endswith(" …") or "E" in made["body"]
