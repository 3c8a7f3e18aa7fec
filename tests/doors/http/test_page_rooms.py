"""The pages of documents and of the service's state as Chromium shows them, and who may see which."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.settings.auth import AuthSettings
from tests.doors.http.conftest import CLOSED, LEAVE, SICK, served
from tests.doors.http.house import House, Paper

Shown = Callable[..., Any]

SOURCE = {"path": "/srv/dokumente/personal", "documents": 420, "failed": 2, "problem": None, "watched": "events"}
HELD = {**SOURCE, "name": "personal", "reached_at": "2026-01-01T08:00:00Z", "offline_since": None, "held": 390}
AWAY = {**SOURCE, "name": "vertrieb", "reached_at": None, "offline_since": "2026-01-01T08:00:00Z", "held": 0}
STATUS: dict[str, Any] = {
    "model": {"name": "qwen2.5-1.5b", "digest": "sha256:6a1a", "licence": "Apache-2.0", "runtime": "embedded"},
    "embedder": {"model": "e5-small", "licence": "MIT", "coming": "another", "embedded": 1200, "texts": 20412},
    "index": {"documents": 1240, "failed": 7, "chunks": 20412},
    "queue": {"running": 1, "waiting": 3, "slots": 1},
    "guard": {"guard": True, "active": True, "stopped_in_python": 2, "stopped_by_kernel": 1, "endpoints": ["a:11434"]},
    "sources": [HELD, {**AWAY, "problem": "Host is down"}],
    "failures": [{"kind": "password", "said": "Gesperrt.", "advice": "Entsperren.", "documents": 4}],
}
QUANTILES = {"total_s": {"p50": 2.5, "p95": 12.0}, "found_s": {"p50": 0.1, "p95": 0.2}}
EMPTY_HOUR = {"outcomes": {}, "total_s": None, "found_s": None}
HOURS = [
    {"began": f"2026-01-01T{hour:02}:00:00Z", **EMPTY_HOUR}
    if hour != 9
    else {"began": "2026-01-01T09:00:00Z", "outcomes": {"answered": 7, "nothing_found": 2}, **QUANTILES}
    for hour in range(24)
]


@pytest.fixture
def shown(many: House, browser: Any) -> Iterator[Shown]:
    """A page of the house; `status` is what the service is to say of itself."""
    with served(many) as address:
        contexts = []

        def page(path: str, *, status: dict[str, Any] | None = None, **options: Any) -> Any:
            contexts.append(browser.new_context(**{"locale": "de", "timezone_id": "UTC", **options}))
            opened = contexts[-1].new_page()
            opened.set_default_timeout(60_000)
            opened.faults = []
            opened.on("pageerror", lambda error: opened.faults.append(str(error)))
            if status is not None:
                opened.route("**/api/status", lambda route: route.fulfill(json=status))
                opened.route("**/api/recent", lambda route: route.fulfill(json={"since": "", "hours": HOURS}))
            opened.goto(address + path)
            return opened

        yield page
        for context in contexts:
            faults = [fault for opened in context.pages for fault in opened.faults]
            context.close()
            assert faults == []


# ---- documents ----


def listed(page: Any) -> list[str]:
    page.wait_for_selector("#list tbody tr")
    return list(page.locator("#list tbody .title").all_inner_texts())


def test_the_list_is_turned_page_by_page_and_holds_each_document_once(shown: Shown) -> None:
    page = shown("/documents")
    seen = listed(page)
    assert page.inner_text("#count") == "123 Dokumente, 1 davon konnten nicht gelesen werden"
    assert page.inner_text("#place") == "1 bis 50 von 123"
    for place in ("51 bis 100 von 123", "101 bis 123 von 123"):
        page.get_by_role("button", name="Weiter").click()
        page.wait_for_function("(place) => document.getElementById('place').textContent === place", arg=place)
        seen += listed(page)
    assert page.is_disabled("#after")
    assert len(seen) == len(set(seen)) == 123
    assert "Gehälter" not in seen
    page.get_by_role("button", name="Zurück").click()
    page.wait_for_function("() => document.getElementById('place').textContent === '51 bis 100 von 123'")


def test_titles_sources_and_states_narrow_the_list_and_the_address_can_be_sent_on(shown: Shown) -> None:
    page = shown("/documents")
    listed(page)
    page.get_by_label("Ablage", exact=True).select_option("einkauf")
    page.get_by_label("Titel oder Pfad enthält").fill("vermerk 11")
    page.wait_for_function("() => document.getElementById('count').textContent.startsWith('5 ')")
    assert listed(page) == ["Vermerk 111", "Vermerk 113", "Vermerk 115", "Vermerk 117", "Vermerk 119"]
    other = shown("/documents" + page.evaluate("location.search"))
    other.wait_for_function("() => document.getElementById('count').textContent.startsWith('5 ')")
    assert other.input_value("#wanted-source") == "einkauf"
    page.get_by_label("Titel oder Pfad enthält").fill("gibt es nicht")
    page.get_by_role("button", name="Alles zeigen").click()
    page.wait_for_function("() => document.getElementById('count').textContent.startsWith('123 ')")


def test_what_failed_says_why_and_what_to_do_and_opens_nothing(shown: Shown) -> None:
    page = shown("/documents?state=failed")
    assert listed(page) == ["geschuetzt.pdf"]
    assert page.inner_text(".failure") == (
        "Die Datei ist mit einem Kennwort geschützt. Legen Sie eine Kopie ohne Kennwort an ihre Stelle."
    )
    assert page.locator("#list button").count() == 0


def test_who_may_read_nothing_reads_the_words_of_an_empty_index(house: House, browser: Any) -> None:
    for entry in list(house.ledger.entries()):
        if entry.title != CLOSED.title:
            house.ledger.remove(entry.id)
    said = []
    for _ in range(2):
        with served(house) as address:
            context = browser.new_context(locale="de")
            page = context.new_page()
            page.goto(address + "/documents")
            page.wait_for_selector("#nothing:visible")
            said.append(page.inner_text("main"))
            context.close()
        for entry in list(house.ledger.entries()):
            house.ledger.remove(entry.id)
    assert said[0] == said[1]
    assert CLOSED.title not in said[0]


def test_how_far_a_source_is_being_read_is_told_while_it_is_and_the_list_can_then_be_renewed(
    many: House, shown: Shown
) -> None:
    page = shown("/documents")
    listed(page)
    told: dict[str, Any] = {"name": "einkauf", "reached": None, "offline_since": None, "reading": {"share": 0.4}}
    page.route("**/api/progress", lambda route: route.fulfill(json={"sources": [told]}))
    page.wait_for_selector("#progress:visible")
    assert page.inner_text("#progress-list .figure") == "40 %"
    told["reading"] = {"share": 0.5, "done": 6, "total": 12, "failed": 0}
    page.wait_for_function("() => document.querySelector('#progress-list .figure').textContent === '6 von 12'")
    assert page.evaluate("document.querySelector('progress').value") == 0.5
    told["reading"] = None
    page.get_by_role("button", name="Es gibt Neues: Liste erneuern").click()
    page.wait_for_selector("#renew", state="hidden")


def test_a_drive_out_of_reach_is_told_on_the_list_of_documents(many: House, shown: Shown) -> None:
    many.ledger.source_reached("einkauf", None, held=0)
    many.ledger.source_offline("einkauf", "Host is down: //secret-server/share")
    page = shown("/documents")
    page.wait_for_selector("#progress:visible")
    assert "Laufwerk zurzeit nicht erreichbar, zuletzt gelesen: " in page.inner_text("#progress-list")
    assert "secret-server" not in page.inner_text("main")


# ---- the state of the service ----


def test_an_administrator_sees_model_index_queue_guard_sources_and_failures(shown: Shown) -> None:
    page = shown("/status", status=STATUS)
    page.wait_for_selector("#sources tbody tr")
    said = {name: page.inner_text(f"#{name}").split("\n") for name in ("model", "index", "queue", "egress")}
    assert said["model"] == "Name;qwen2.5-1.5b;Prüfsumme;sha256:6a1a;Lizenz;Apache-2.0;Läuft in;embedded".split(";")
    assert "1.200 von 20.412 neu eingebettet" in said["index"]
    assert said["queue"] == ["In Arbeit", "1 / 1", "Warten", "3"]
    assert said["egress"][-4:] == ["Verhindert", "3", "Server", "a:11434"]
    assert page.locator("#sources .state").all_inner_texts() == ["wird beobachtet", "nicht erreichbar"]
    assert page.locator("#sources .failure").all_inner_texts() == ["Host is down"]
    assert page.locator("#failures-list td.number").all_inner_texts() == ["4"]


def test_an_administrator_sees_what_the_licence_allows_the_pin_and_each_model_server(shown: Shown) -> None:
    host = {"number": 1, "url": "http://gpu1:11434", "problem": "", "running": 1, "seats": 2}
    gone = {**host, "number": 2, "url": "http://gpu2:11434", "problem": "does not answer"}
    model = {**STATUS["model"], "licence": "Gemma Terms of Use", "use": "conditions", "hosts": [host, gone]}
    pins = [{"key": "llm.digest", "problem": None}, {"key": "embedder.digest", "problem": "another version"}]
    page = shown("/status", status={**STATUS, "model": model, "pins": pins})
    page.wait_for_selector("#sources tbody tr")
    said = page.inner_text("#model").split("\n")
    assert "Gemma Terms of Use · frei unter Bedingungen" in said
    assert said[-8:] == [
        *("Festlegung", "wie festgelegt (llm.digest)", "Festlegung", "another version"),
        *("Modellserver", "1. http://gpu1:11434: schreibt 1 von 2"),
        *("Modellserver", "2. http://gpu2:11434: does not answer"),
    ]
    assert page.locator("#model .bad").all_inner_texts() == ["another version", "2. http://gpu2:11434: does not answer"]
    assert page.faults == []


def test_the_charts_are_read_as_tables_too(shown: Shown) -> None:
    page = shown("/status", status=STATUS)
    page.wait_for_selector("#outcomes svg rect")
    assert page.get_by_role("img", name="Balken je Stunde, zusammen 9 Fragen.").count() == 1
    assert page.locator("#outcomes .canvas rect").count() == 2
    for summary in page.locator("figure summary").all():
        summary.click()
    rows = [row.inner_text().split("\t") for row in page.locator("#outcomes tr").all()]
    assert rows == [["Stunde", "beantwortet", "nichts gefunden"], ["09:00", "7", "2"]]
    rows = [row.inner_text().split("\t") for row in page.locator("#latency tr").all()]
    assert rows[1] == ["09:00", "2,5 s", "12 s", "0,2 s"]


def test_held_removals_are_carried_out_only_after_the_number_and_the_source_were_read_and_agreed_to(
    shown: Shown,
) -> None:
    sent: list[Any] = []

    def confirmed(route: Any) -> None:
        sent.append((route.request.url.rpartition("/api/")[2], json.loads(route.request.post_data)))
        route.fulfill(status=202, json={})

    page = shown("/status", status=STATUS)
    page.route("**/confirm-removals", confirmed)
    look = page.get_by_role("button", name="Ansehen und entscheiden: personal")
    look.click()
    assert page.inner_text("#confirm-title") == "390 Dokumente aus „personal“ entfernen?"
    assert "390 von 420 Dokumenten" in page.inner_text("#confirm-says")
    assert page.evaluate("document.activeElement.id") == "confirm-no"
    page.keyboard.press("Enter")
    page.wait_for_selector("#confirm", state="hidden")
    look.click()
    page.keyboard.press("Escape")
    page.wait_for_selector("#confirm", state="hidden")
    assert sent == []
    look.click()
    page.get_by_role("button", name="390 Dokumente entfernen").click()
    page.wait_for_selector("#confirm", state="hidden")
    assert sent == [("sources/personal/confirm-removals", {"held": 390})]


def test_a_number_that_has_changed_meanwhile_is_not_agreed_to(many: House, client: Any) -> None:
    many.ledger.register_source("einkauf", many.home)
    many.ledger.source_reached("einkauf", None, held=12)
    refused = client.post("/api/sources/einkauf/confirm-removals", json={"held": 11})
    assert (refused.status_code, refused.json()["code"]) == (409, "held_changed")
    assert many.ledger.source_state("einkauf").held == 12


# ---- who may see what ----


@pytest.fixture
def signed(tmp_path: Path) -> Iterator[House]:
    auth = AuthSettings(proxy_header="X-Remote-User", proxy_addresses=("127.0.0.1", "::1"), admins=("boss",))
    opened = House(home=tmp_path, papers=(LEAVE, SICK), auth=auth)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("user", "rooms"), [("anna", ["Fragen", "Dokumente"]), ("boss", ["Fragen", "Dokumente", "Zustand"])]
)
def test_the_head_leads_only_where_the_caller_may_go(signed: House, browser: Any, user: str, rooms: list[str]) -> None:
    with served(signed) as address:
        context = browser.new_context(locale="de", extra_http_headers={"X-Remote-User": user})
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.removeprefix(address)))
        page.goto(address)
        assert page.locator(".rooms a").all_inner_texts() == rooms
        response = page.goto(address + "/status")
        if user == "anna":
            assert response.status == 403
            assert "nicht freigegeben" in page.inner_text("main")
            assert [path for path in asked if path.startswith("/api/")] == []
        context.close()


@pytest.mark.parametrize("path", ["/", "/documents", "/status"])
def test_a_link_from_elsewhere_opens_each_page_and_frames_none(client: Any, path: str) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get(path, headers=link).status_code == 200
    assert client.get(path, headers={**link, "Sec-Fetch-Dest": "iframe"}).status_code == 403


def test_without_javascript_each_page_says_what_to_do_and_shows_nothing_dead(many: House, browser: Any) -> None:
    options = {"executable_path": os.environ.get("CHROMIUM") or shutil.which("chromium")}
    arguments = ["--no-sandbox", "--disable-gpu", "--blink-settings=scriptEnabled=false"]
    without = browser.browser_type.launch(args=arguments, **{name: path for name, path in options.items() if path})
    with served(many) as address:
        page = without.new_context(locale="de").new_page()
        for path in ("/", "/documents", "/status"):
            page.goto(address + path)
            tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
            there = [node for node in tree if not node["ignored"]]
            said = " ".join(str(node.get("name", {}).get("value", "")) for node in there)
            assert "Schalten Sie es für diese Adresse ein" in said, path
            roles = {node["role"]["value"] for node in there}
            assert not roles & {"button", "textbox", "searchbox", "combobox", "checkbox", "DisclosureTriangle"}, path
    without.close()


@pytest.mark.parametrize("path", ["/documents", "/status"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_of_the_other_pages(many: House, shown: Shown, path: str, width: int) -> None:
    long = "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrik" * 3
    many.add(Paper(key="e" * 24, title=long, name=f"a{long}.txt", text=long, found=long), source="a" * 90)
    sources = [{**HELD, "name": long, "path": long}, {**AWAY, "problem": long}]
    page = shown(path, status={**STATUS, "sources": sources}, viewport={"width": width, "height": 740})
    page.wait_for_selector(".list tbody tr")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
