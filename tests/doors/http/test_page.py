"""The page as Chromium shows it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest

from rag.answers import AnswerEvent, Found, Outcome, Passage, Reason, Thinking
from rag.documents import Hidden, Hiding
from rag.errors import ModelTimeout, StoreFull
from rag.text.sentences import LANGUAGES, texts
from tests.doors.http.conftest import served
from tests.doors.http.house import House, cited, done, ending, sentence

QUESTION = "Wie lang ist der Urlaub?"
QUOTE = "Der Urlaub beträgt 24 Werktage."

Shown = Callable[..., Any]


@pytest.fixture
def shown(house: House, browser: Any) -> Iterator[Callable[..., Any]]:
    """A page of the house in Chromium; keyword arguments go to the browser's context."""
    with served(house) as address:
        contexts = []

        def page(path: str = "/", *, locale: str = "de", **options: Any) -> Any:
            contexts.append(browser.new_context(locale=locale, **options))
            opened = contexts[-1].new_page()
            opened.set_default_timeout(30_000)
            opened.faults = []
            opened.on("pageerror", lambda error: opened.faults.append(str(error)))
            opened.goto(address + path)
            return opened

        yield page
        for context in contexts:
            faults = [fault for opened in context.pages for fault in opened.faults]
            context.close()
            assert faults == []


def ask(page: Any, question: str = QUESTION) -> None:
    page.fill("#question", question)
    page.keyboard.press("Enter")


def answered(page: Any, question: str = QUESTION) -> None:
    ask(page, question)
    page.wait_for_selector("[data-step=done]")


def stand_still(page: Any) -> None:
    """The page's clock goes no further: what it says for some seconds only stays until a test has seen it."""
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))


def copied(page: Any) -> None:
    """Copy the answer: the button says so for a moment."""
    stand_still(page)
    before = page.inner_text(".copy")
    page.click(".copy")
    page.get_by_text("Kopiert").wait_for()
    page.clock.run_for(2_000)
    assert page.inner_text(".copy") == before


def test_what_was_found_is_shown_while_it_is_read_and_then_in_its_final_order(house: House, shown: Shown) -> None:
    seen = threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.0, settled=False)
        assert seen.wait(30)
        found = tuple(reversed(passages))
        yield Found(passages=found, evidence=0.9)
        said = [sentence("Vierundzwanzig Tage.", cited(passages[0], 1))]
        yield said[0]
        yield done(question, found, said)

    house.script = script
    page = shown()
    ask(page)
    page.wait_for_selector(".source")
    assert page.locator(".source .name").all_inner_texts() == ["Urlaubsordnung", "Krankmeldung"]
    assert "gelesen" in page.inner_text(".status")
    seen.set()
    page.wait_for_selector("[data-step=done]")
    assert page.locator(".source .name").all_inner_texts() == ["Krankmeldung", "Urlaubsordnung"]
    assert house.early == [True]


def test_a_session_that_has_ended_leads_to_the_sign_in(shown: Shown) -> None:
    page = shown()
    problem = {"title": "Anmelden", "detail": "Sie sind nicht mehr angemeldet.", "status": 401}
    page.route("**/api/ask", lambda route: route.fulfill(status=401, json=problem))
    ask(page)
    page.wait_for_selector("[data-outcome=broken]")
    link = page.get_by_role("link", name="Neu anmelden")
    assert link.is_visible() and link.get_attribute("href") == "/login"
    page.unroute("**/api/ask")
    page.route("**/api/ask", lambda route: route.fulfill(status=503, json={**problem, "status": 503}))
    ask(page)
    page.locator("[data-outcome=broken]").nth(1).wait_for()
    assert page.get_by_role("link", name="Neu anmelden").count() == 1, "nothing but signing in again helps there"


def test_sources_stand_on_the_page_before_the_first_word(house: House, shown: Shown) -> None:
    seen = threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        assert seen.wait(30)
        said = [sentence("Vierundzwanzig Tage.", cited(passages[0], 1))]
        yield said[0]
        yield done(question, passages, said)

    house.script = script
    page = shown()
    stand_still(page)
    ask(page)
    page.wait_for_selector(".source")
    assert page.locator(".source .name").all_inner_texts() == ["Urlaubsordnung", "Krankmeldung"]
    assert page.inner_text(".text") == ""
    assert "2 Fundstellen" in page.inner_text("[role=status] >> visible=true")
    assert page.is_visible("#stop")
    seen.set()
    page.wait_for_selector("[data-step=done]")
    assert page.inner_text(".words") == "Vierundzwanzig Tage."
    assert page.locator(".cited .name").all_inner_texts() == ["Urlaubsordnung"]


@pytest.mark.parametrize(("locale", "thinks"), [("de", "Das Sprachmodell denkt nach"), ("en", "The language model is")])
def test_while_the_model_thinks_the_reader_is_told_so_and_no_longer(
    house: House, shown: Shown, locale: str, thinks: str
) -> None:
    thought, wrote = threading.Event(), threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        yield Thinking()
        assert thought.wait(30)
        yield Thinking(over=True)
        assert wrote.wait(30)
        said = [sentence("Vierundzwanzig Tage.", cited(passages[0], 1))]
        yield said[0]
        yield done(question, passages, said)

    house.script = script
    page = shown(locale=locale)
    stand_still(page)
    ask(page)
    status = page.locator(".answer .status")
    status.filter(has_text=thinks).wait_for()
    assert status.get_attribute("role") == "status"
    assert page.locator(".source .name").all_inner_texts() == ["Urlaubsordnung", "Krankmeldung"]
    thought.set()
    status.filter(has_text=re.compile("^2 (Fundstellen|sources)")).wait_for()
    wrote.set()
    page.wait_for_selector("[data-step=done]")
    assert page.inner_text(".words") == "Vierundzwanzig Tage."


def test_who_waits_for_the_model_sees_the_place_and_then_that_the_turn_has_come(house: House, shown: Shown) -> None:
    first, through = threading.Event(), threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        first.set()
        through.wait(60)
        said = [sentence("Vierundzwanzig Tage.", cited(passages[0], 1))]
        yield said[0]
        yield done(question, passages, said)

    house.script = script
    before, page = shown(), shown()
    ask(before, "Zuerst?")
    assert first.wait(30)
    ask(page)
    page.wait_for_function("document.querySelector('.answer .status').textContent.startsWith('Platz 1 von 1')")
    assert page.locator(".source .name").all_inner_texts() == ["Urlaubsordnung", "Krankmeldung"]
    through.set()
    page.wait_for_selector("[data-step=done]")
    assert page.inner_text(".words") == "Vierundzwanzig Tage."


def test_an_answer_of_a_model_that_was_too_slow_says_so(house: House, shown: Shown) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        last = done(question, passages, [], Outcome.INCOMPLETE)
        yield replace(last, answer=replace(last.answer, reason=Reason.TOO_SLOW))

    house.script = script
    for locale, told in (("de", "war zu langsam"), ("en", "was too slow")):
        page = shown(locale=locale)
        answered(page)
        assert told in page.inner_text(".outcome-title")


def test_a_citation_opens_its_document_at_the_quoted_words(shown: Shown) -> None:
    page = shown()
    answered(page)
    page.click(".cite")
    page.wait_for_selector("mark")
    assert page.inner_text("mark") == QUOTE
    assert page.inner_text("#panel-title") == "Urlaubsordnung"
    assert page.inner_text("#panel-where").startswith("Seite 2 · § 3 Dauer · Stand ")
    assert page.inner_text("#panel-path") == "/srv/dokumente/urlaub.pdf"
    assert "Vorwort 🌞" in page.inner_text("#panel-text")


def test_the_keyboard_goes_into_the_source_and_back_to_the_citation(shown: Shown) -> None:
    page = shown()
    answered(page)
    page.locator(".cite").nth(0).press("Enter")
    page.wait_for_selector("mark")
    assert page.evaluate("document.activeElement.id") == "panel-title"
    page.locator(".cite").nth(1).press("Enter")
    page.keyboard.press("Escape")
    assert not page.is_visible("#panel")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Fundstelle 2: Krankmeldung · Seite 1"


def test_a_document_that_changed_or_went_shows_the_passage_as_it_was(house: House, shown: Shown) -> None:
    page = shown()
    answered(page)
    house.ledger.remove(house.passages[0].chunk.document_id)
    page.click(".cite")
    page.wait_for_selector("mark")
    assert page.inner_text("mark") == QUOTE
    assert "gibt es nicht mehr" in page.inner_text("#panel-note")


@pytest.mark.parametrize(
    ("locale", "age"),
    [
        ("de", "Stand: 23.11.2026, Laufwerk zurzeit nicht erreichbar"),
        ("en", "As of Nov 23, 2026: its drive cannot be reached now"),
    ],
)
def test_what_comes_from_a_drive_out_of_reach_says_how_old_it_is(
    house: House, shown: Shown, locale: str, age: str
) -> None:
    leave, sick = house.passages
    house.passages = (replace(leave, as_of=datetime(2026, 11, 23, 12, tzinfo=UTC)), sick)
    page = shown(locale=locale)
    answered(page)
    assert page.locator(".source .age").all_inner_texts() == [age]
    assert page.locator(".cite").nth(0).get_attribute("aria-label").endswith(age)
    assert age not in page.locator(".cite").nth(1).get_attribute("aria-label")
    page.locator(".cite").nth(0).click()
    page.wait_for_selector("mark")
    assert page.inner_text("#panel-note") == age


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        ("de", "enthält verborgenen Text: in der Farbe seines Untergrunds, außerhalb der Seite"),
        ("en", "contains hidden text: in the colour of what it stands on, outside the page"),
    ],
)
def test_a_passage_with_hidden_text_says_so_and_why(house: House, shown: Shown, locale: str, told: str) -> None:
    leave, sick = house.passages
    whys = (Hiding.SAME_COLOUR, Hiding.OFF_PAGE, Hiding.SAME_COLOUR)
    house.passages = (replace(leave, hidden=tuple(Hidden(span=leave.chunk.span, why=why) for why in whys)), sick)
    page = shown(locale=locale)
    answered(page)
    assert page.locator(".source .age").all_inner_texts() == [told]


def test_a_table_begins_on_its_card_with_its_words_not_its_rules(house: House, shown: Shown) -> None:
    leave, sick = house.passages
    table = "| Länge | Tage |\n| --- | :---: |\n| 2 Jahre | 24 |"
    house.passages = (replace(leave, chunk=replace(leave.chunk, text=table, headings=())), sick)
    page = shown()
    answered(page)
    assert page.locator(".source .snippet").first.inner_text() == "Länge Tage 2 Jahre 24"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_for_hidden_text_has_its_words(language: str) -> None:
    assert all(texts(language)[f"js.hidden_{why}"] for why in Hiding)


def test_a_sentence_without_support_is_marked(house: House, shown: Shown) -> None:
    house.script = ending(Outcome.ANSWERED, sentence("Belegt.", cited(house.passages[0], 1)), sentence("Unbelegt."))
    page = shown()
    answered(page)
    assert page.inner_text(".unsupported .words") == "Unbelegt."
    assert page.inner_text(".unsupported .tag") == "nicht belegt"
    assert "durch keine Fundstelle belegt" in page.inner_text(".notice")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.ANSWERED])
def test_every_other_outcome_says_what_happened_and_what_to_do(
    house: House, shown: Shown, outcome: Outcome, language: str
) -> None:
    house.script = ending(outcome)
    page = shown(locale=language)
    answered(page)
    assert page.inner_text(".outcome-title") == texts(language)[f"outcome.{outcome}.title"]
    assert page.inner_text(".outcome-next") == texts(language)[f"outcome.{outcome}.next"]


def test_nothing_found_still_offers_the_nearest_passages_behind_a_disclosure(house: House, shown: Shown) -> None:
    house.script = ending(Outcome.NOTHING_FOUND)
    page = shown()
    answered(page)
    assert not page.is_visible(".source")
    page.click(".nearest summary")
    assert page.locator(".source:visible").count() == 2


def test_under_each_written_answer_stands_who_wrote_it(shown: Shown) -> None:
    page = shown()
    answered(page)
    assert page.inner_text(".notice") == "Von einem Sprachmodell formuliert, jede Aussage mit Fundstelle geprüft"


def test_an_answer_is_copied_with_its_sources(shown: Shown) -> None:
    page = shown(permissions=["clipboard-read", "clipboard-write"])
    answered(page)
    copied(page)
    text = page.evaluate("navigator.clipboard.readText()")
    assert f"{QUOTE} [1]" in text
    assert f"[1] Urlaubsordnung, Seite 2 · § 3 Dauer: „{QUOTE}“\n    /srv/dokumente/urlaub.pdf" in text


HTML_COPIED = """async () => {
  const [item] = await navigator.clipboard.read();
  return (await item.getType("text/html")).text();
}"""


def test_an_answer_is_copied_as_html_whose_texts_are_no_tags(house: House, shown: Shown) -> None:
    evil = "Der <b onclick=alert(1)>Urlaub</b> & mehr."
    house.script = ending(Outcome.ANSWERED, sentence(evil, cited(house.passages[0], 1)), sentence("Unbelegt."))
    page = shown(permissions=["clipboard-read", "clipboard-write"])
    answered(page)
    copied(page)
    html = page.evaluate(HTML_COPIED)
    assert "Der &lt;b onclick=alert(1)&gt;Urlaub&lt;/b&gt; &amp; mehr.<sup>[1]</sup>" in html
    assert "<em>[nicht belegt]</em>" in html
    assert "[1] Urlaubsordnung, Seite 2 · § 3 Dauer: „" in html
    assert "/srv/dokumente/urlaub.pdf" in html
    assert "<b onclick" not in html


def test_where_there_is_no_clipboard_the_browsers_own_copy_takes_both_forms(shown: Shown) -> None:
    page = shown(permissions=["clipboard-read", "clipboard-write"])
    page.evaluate("() => { navigator.clipboard.write = () => Promise.reject(new Error('none')); }")
    answered(page)
    copied(page)
    assert f"{QUOTE}<sup>[1]</sup>" in page.evaluate(HTML_COPIED)
    assert f"{QUOTE} [1]" in page.evaluate("navigator.clipboard.readText()")


def test_what_was_searched_stands_under_the_answer(house: House, shown: Shown) -> None:
    page = shown()
    answered(page)
    page.click(".searched summary")
    said = page.inner_text(".searched dl").split("\n")
    assert said == [
        "Gesucht nach", QUESTION, "Ablagen", "alle, die Sie lesen dürfen", "Eingegrenzt auf", "nichts",
        "Gefunden", "2 Stellen in 2 Dokumenten", "Sie beantworten die Frage", "mit 93 % Wahrscheinlichkeit",
    ]  # fmt: skip


def test_nothing_found_says_how_to_ask_differently_and_leads_to_the_documents(house: House, shown: Shown) -> None:
    house.script = ending(Outcome.NOTHING_FOUND)
    page = shown()
    answered(page)
    assert page.locator(".outcome-ways li").count() == 3
    assert page.is_visible(".searched dl")
    page.locator(".outcome-ways").get_by_role("link", name="Dokumente").click()
    page.wait_for_selector("#list tbody tr")


@pytest.mark.parametrize("error", [StoreFull("x"), ModelTimeout("x")])
def test_a_failure_is_a_sentence_and_can_be_tried_again(house: House, shown: Shown, error: Exception) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        raise error
        yield done(question, passages, [])

    house.script = script
    page = shown()
    answered(page)
    assert page.inner_text("[role=alert].outcome .outcome-next").endswith(".")
    house.script = None
    page.click(".again")
    page.wait_for_selector(".answer:first-child .cite")


def test_a_service_that_is_gone_is_a_sentence(shown: Shown) -> None:
    page = shown()
    page.route("**/api/ask", lambda route: route.abort())
    answered(page)
    assert page.inner_text(".outcome-title") == "Der Dienst ist nicht erreichbar"


def test_stopping_frees_the_model_and_keeps_what_was_checked(house: House, shown: Shown) -> None:
    gone = threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        yield sentence("Erstens.", cited(passages[0], 1))
        while True:
            gone.wait(0.01)
            yield sentence("Und weiter.", cited(passages[0], 1))

    house.script = script
    page = shown()
    ask(page)
    page.wait_for_selector(".cite")
    page.click("#stop")
    page.wait_for_selector("[data-outcome=broken]")
    assert page.inner_text(".words >> nth=0") == "Erstens."
    assert house.closed.wait(30)


def test_an_empty_question_is_not_asked(house: House, shown: Shown) -> None:
    page = shown()
    page.keyboard.press("Enter")
    assert page.inner_text("#fault") == "Bitte schreiben Sie zuerst eine Frage."
    assert house.asked == []


def test_the_page_speaks_the_browsers_language_until_another_is_chosen(shown: Shown) -> None:
    page = shown(locale="de-AT")
    assert page.inner_text("h1") == "Was möchten Sie wissen?"
    page.click("text=English")
    assert page.inner_text("h1") == "What would you like to know?"
    page.goto(page.url.split("?")[0])
    assert page.get_attribute("html", "lang") == "en"
    assert shown(locale="fr").get_attribute("html", "lang") == "en"


def test_the_page_loads_nothing_from_elsewhere(shown: Shown) -> None:
    page = shown("/healthz")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    address = page.url.removesuffix("/healthz")
    page.goto(address + "/")
    answered(page)
    page.click(".cite")
    page.wait_for_selector("mark")
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith(address + "/")] == []


@pytest.mark.parametrize("width", [360, 380, 768, 1280])
def test_nothing_sticks_out_of_a_narrow_screen(shown: Shown, width: int) -> None:
    page = shown(viewport={"width": width, "height": 740})
    answered(page, "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrik" * 3)
    page.click(".cite")
    page.wait_for_selector("mark")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.getElementById('panel').scrollWidth <= window.innerWidth")


def test_the_first_stop_of_the_keyboard_skips_to_the_question(shown: Shown) -> None:
    page = shown()
    assert page.evaluate("document.querySelector('a, button, textarea').className") == "skip"
    page.focus(".skip")
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "question"


def test_every_part_has_a_role_and_a_name(shown: Shown) -> None:
    page = shown()
    answered(page)
    assert page.get_by_role("textbox", name="Ihre Frage").count() == 1
    assert page.get_by_role("button", name="Fundstelle 1: Urlaubsordnung").count() == 1
    assert page.get_by_role("heading", name=QUESTION).count() == 1
    assert page.get_by_role("heading", name="Fundstellen").count() == 1
    assert page.get_by_role("navigation", name="Sprache").count() == 1
    assert page.locator("[aria-live=polite]").count() == 1
    unnamed = "[...document.querySelectorAll('button')].filter((b) => !b.textContent.trim() && !b.ariaLabel).length"
    assert page.evaluate(unnamed) == 0


def test_the_page_holds_no_inline_script_or_style(client: Any) -> None:
    for path in ("/", "/?lang=en"):
        html = client.get(path).text
        assert re.findall(r"<script(?![^>]* src=)", html) == []
        assert re.findall(r"<style|\sstyle=|\son[a-z]+\s*=|javascript:", html) == []


def test_the_scripts_never_read_a_text_as_html() -> None:
    for file in files("rag.web").joinpath("static").iterdir():
        source = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", source)


@pytest.mark.parametrize("path", ["/", "/documents", "/status"])
def test_a_whole_page_with_styles_scripts_and_texts_is_smaller_than_100_kb(shown: Shown, path: str) -> None:
    page = shown(path)
    page.wait_for_load_state("load")
    brought = page.evaluate(
        """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter((one) => !one.name.includes("/api/")).map((one) => [one.name, one.decodedBodySize])"""
    )
    scripts = [name for name, _ in brought if name.endswith(".js")]
    assert len(scripts) > 2
    assert sum(size for _, size in brought) < 100_000


def test_both_languages_say_everything() -> None:
    assert texts("de").keys() == texts("en").keys()
    said = "".join(file.read_text(encoding="utf-8") for file in files("rag.web").joinpath("static").iterdir())
    for key in re.findall(r'say\("([\w.]+)"', said):
        assert f"js.{key}" in texts("de")


def test_an_empty_index_says_how_to_fill_it(client: Any, house: House) -> None:
    assert "rag ingest" not in client.get("/").text
    for entry in house.ledger.entries():
        house.ledger.remove(entry.id)
    assert "rag ingest" in client.get("/").text
