"""Signing in to the page with an API key: a browser sends none, so a form takes it, and a session stands for it."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from rag.access import Audience, Channel, ChannelKind
from rag.api.browser_sessions import BARE_COOKIE, SESSION_COOKIE
from rag.credentials.identified import PERSONAL
from rag.settings.auth import AuthSettings
from tests.doors.http.conftest import CLOSED, LEAVE, SICK, served
from tests.doors.http.house import House
from tests.doors.http.test_accessibility import axe, barriers
from tests.doors.http.test_credentials import ASK, ENDS, HTTPS, PROXY, at, at_one_moment, bearer, code, made, slowly

__all__ = ["axe"]  # a fixture

OPENS = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "none"}
SENT = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with ExitStack() as stack:
        house = House(home=tmp_path, papers=(LEAVE, SICK, CLOSED))
        stack.callback(house.close)
        yield house


def sign_in(client: TestClient, key: str, **headers: str) -> httpx.Response:
    return client.post("/api/login", json={"key": key}, headers=headers)


def opened(client: TestClient, path: str, **headers: str) -> httpx.Response:
    return client.get(path, headers={**OPENS, **headers}, follow_redirects=False)


def flags(response: httpx.Response) -> dict[str, set[str]]:
    """Cookie that is set → its flags."""
    lines = response.headers.get_list("set-cookie")
    return {line.split("=")[0]: {flag.strip().lower() for flag in line.split(";")[1:]} for line in lines}


# ---- the way in ----


def test_a_page_leads_to_the_form_and_from_there_back_to_itself(house: House) -> None:
    key, client = made(house), at(house)
    led = opened(client, "/documents?q=plan&lang=de")
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=%2Fdocuments%3Fq%3Dplan%26lang%3Dde")
    form = opened(client, led.headers["location"])
    assert form.status_code == 200 and 'type="password"' in form.text
    assert 'data-next="/documents?q=plan&amp;lang=de"' in form.text
    assert not re.search(r"<input[^>]* name=", form.text), "nothing to be put into an address"
    assert sign_in(client, f" {key}\n", **SENT).json() == {"signed_in": "anna"}
    assert opened(client, "/").status_code == 200
    assert client.post("/api/ask", json=ASK).status_code == 200
    assert house.asked[-1][1].user == "anna"


def test_without_keys_there_is_no_form_and_with_one_programs_are_not_led_to_it(house: House) -> None:
    client = at(house)
    assert opened(client, "/").status_code == 200
    for response in (
        opened(client, "/login"), opened(client, "/login/key"), opened(client, "/login/ended"),
        sign_in(client, "x"), client.post("/api/logout", json={}),
    ):  # fmt: skip
        assert code(response) == (404, "not_found")
    made(house)
    assert code(client.get("/api/filters", headers=OPENS)) == (401, "who_is_asking")
    assert code(client.get("/", headers={"accept": "application/json"})) == (401, "who_is_asking")


def test_nobody_is_sent_elsewhere_by_the_form(house: House) -> None:
    made(house)
    for place in ("//evil.example", "https://evil.example", "javascript:alert(1)", "/\\evil", "/login", "/api/ask"):
        form = at(house).get("/login", params={"next": place}, headers=OPENS)
        assert 'data-next="/"' in form.text and "evil" not in form.text


def test_the_form_keeps_its_language_and_where_it_leads(house: House) -> None:
    made(house)
    client = at(house)
    assert "Ihr Schlüssel" in opened(client, "/login?next=/status", **{"accept-language": "de"}).text
    other = opened(client, "/login?next=/status&lang=en")
    assert "Your key" in other.text and 'data-next="/status"' in other.text
    assert 'href="/login?next=%2Fstatus&amp;lang=de"' in other.text
    assert "Your key" in opened(client, "/login", **{"accept-language": "de"}).text, "it was chosen"


def test_from_another_site_only_a_link_comes_to_the_form_and_nothing_signs_in(house: House) -> None:
    key, client = made(house), at(house)
    for place in ("/login", "/login/key"):
        assert opened(client, place, **{"sec-fetch-site": "cross-site"}).status_code == 200
        framed = opened(client, place, **{"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe"})
        assert code(framed) == (403, "foreign_origin")
    for foreign in (
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        for response in (sign_in(client, key, **foreign), client.post("/api/logout", json={}, headers=foreign)):
            assert code(response) == (403, "foreign_origin") and "set-cookie" not in response.headers
    sent = client.post(
        "/api/login", content=f"key={key}", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert code(sent) == (415, "not_json")


# ---- the session ----


def test_over_https_the_cookie_is_for_this_host_alone_and_for_no_script(house: House) -> None:
    key = made(house)
    client = at(house, "192.168.7.9", scheme="https")
    assert flags(sign_in(client, key)) == {SESSION_COOKIE: {"secure", "httponly", "samesite=lax", "path=/"}}
    assert len(client.cookies[SESSION_COOKIE]) == 43
    assert opened(client, "/").status_code == 200


def test_behind_a_listed_proxy_that_speaks_https_it_is_the_same(tmp_path: Path) -> None:
    house = House(home=tmp_path, papers=(LEAVE,), auth=PROXY)
    key, client = made(house), at(house, "10.0.0.5")
    signed = sign_in(client, key, **HTTPS)
    assert set(flags(signed)) == {SESSION_COOKIE}
    shown = {**HTTPS, "cookie": f"{SESSION_COOKIE}={signed.cookies[SESSION_COOKIE]}"}
    assert opened(client, "/", **shown).status_code == 200
    assert code(client.get("/api/filters", headers={**shown, "x-remote-user": "otto"})) == (400, "two_credentials")
    house.close()


def test_on_this_machine_it_goes_unencrypted_under_another_name_and_nowhere_else(house: House) -> None:
    key, client = made(house), at(house)
    assert flags(sign_in(client, key)) == {BARE_COOKIE: {"httponly", "samesite=lax", "path=/"}}
    shown = {"cookie": f"{BARE_COOKIE}={client.cookies[BARE_COOKIE]}"}
    assert at(house).get("/api/filters", headers=shown).status_code == 200
    far = at(house, "192.168.7.9")
    assert code(far.get("/api/filters", headers=shown)) == (403, "tls_needed")
    encrypted = at(house, "192.168.7.9", scheme="https").get("/api/filters", headers=shown)
    assert code(encrypted) == (401, "who_is_asking"), "whoever is on the way could have set it"


def test_where_a_key_would_be_heard_there_is_no_field_and_none_is_taken(house: House) -> None:
    key = made(house)
    for client, headers in ((at(house, "192.168.7.9"), {}), (at(house), {"x-forwarded-for": "192.168.7.9"})):
        form = opened(client, "/login?lang=de", **headers)
        assert form.status_code == 403 and "<input" not in form.text and "https://" in form.text
        for shown in (key, "archivar_wrong"):
            refused = sign_in(client, shown, **headers)
            assert code(refused) == (403, "tls_needed") and "set-cookie" not in refused.headers


def test_a_session_speaks_with_exactly_the_scopes_sources_and_channel_of_its_key(house: House) -> None:
    cloud = Channel(kind=ChannelKind.CLOUD_CHAT, audience=Audience.PUBLIC_CHANNEL)
    client = at(house)
    sign_in(client, made(house, scopes=["ask"], sources=["elsewhere"], channel=cloud))
    client.post("/api/ask", json=ASK)
    (_, principal, channel, filters) = house.asked[-1]
    assert (principal.user, channel, filters.sources) == ("anna", cloud, {"elsewhere"})
    assert code(client.get("/api/documents")) == (403, "scope_missing")
    closed = opened(client, "/status")
    assert closed.status_code == 403 and "sign-out" in closed.text
    assert opened(client, "/").status_code == 200


def test_the_first_administrators_key_opens_every_page_and_what_they_ask_for(house: House) -> None:
    client = at(house, "192.168.7.9", scheme="https")
    sign_in(client, made(house, "otto", scopes=PERSONAL))
    for path in ("/", "/documents", "/status"):
        page = opened(client, path)
        assert page.status_code == 200 and "otto" in page.text
    for path in ("/api/filters", "/api/documents", "/api/status", "/api/recent"):
        assert client.get(path).status_code == 200, path


def test_a_session_fixed_beforehand_is_not_taken_over_and_the_one_before_ends(house: House) -> None:
    key, client = made(house), at(house)
    first = sign_in(client, key, cookie=f"{BARE_COOKIE}={'x' * 43}").cookies[BARE_COOKIE]
    second = sign_in(client, made(house, "otto")).cookies[BARE_COOKIE]
    assert len({first, second, "x" * 43}) == 3
    assert client.post("/api/ask", json=ASK).status_code == 200 and house.asked[-1][1].user == "otto"
    for old in (first, "x" * 43):
        assert code(at(house).get("/api/filters", headers={"cookie": f"{BARE_COOKIE}={old}"})) == (401, "who_is_asking")


def test_a_session_and_a_key_together_are_refused_but_an_ended_session_hides_no_key(house: House) -> None:
    key, client = made(house), at(house)
    sign_in(client, key)
    assert code(client.get("/readyz", headers=bearer(key))) == (400, "two_credentials")
    ended = {"cookie": f"{BARE_COOKIE}={'x' * 43}"}
    assert at(house).get("/readyz", headers={**ended, **bearer(key)}).status_code == 200


def test_signing_out_ends_it_here_and_asks_for_the_key_again(house: House) -> None:
    client = at(house)
    sign_in(client, made(house))
    shown = {"cookie": f"{BARE_COOKIE}={client.cookies[BARE_COOKIE]}"}
    left = client.post("/api/logout", json={}, headers=SENT)
    assert left.json() == {"location": "/login/ended"} and "max-age=0" in flags(left)[BARE_COOKIE]
    assert BARE_COOKIE not in client.cookies
    assert code(at(house).get("/api/filters", headers=shown)) == (401, "who_is_asking")
    assert "signed out" in opened(client, "/login/ended").text
    assert opened(client, "/").status_code == 303
    assert client.post("/api/logout", json={}).status_code == 200, "once more does no harm"


@pytest.mark.parametrize("how", ENDS)
def test_it_ends_at_once_with_its_key_or_its_person_and_so_does_an_answer(house: House, how: str) -> None:
    gate = threading.Event()
    house.script = slowly(gate)
    key = made(house, days=30)
    made(house, "otto")  # so that there are keys when hers is erased
    with served(house) as url, httpx.Client(trust_env=False, timeout=30) as client:
        assert client.post(f"{url}/api/login", json={"key": key}).status_code == 200
        with client.stream("POST", f"{url}/api/ask", json={**ASK, "stream": True}) as response:
            lines = response.iter_lines()
            while next(lines) != "event: sentence":
                pass
            ended_at = time.monotonic()
            ENDS[how](house, key)
            rest = list(lines)
            took_s = time.monotonic() - ended_at
        assert "event: error" in rest and "event: done" not in rest
        assert "credential_ended" in "".join(rest) and took_s < 1.0, f"{took_s:.2f} s"
        assert client.post(f"{url}/api/ask", json=ASK).status_code == 401
        assert client.get(f"{url}/status", headers=OPENS).headers["location"] == "/login?next=%2Fstatus"
        gate.set()


def test_signing_out_ends_an_answer_on_its_way(house: House) -> None:
    gate = threading.Event()
    house.script = slowly(gate)
    with served(house) as url, httpx.Client(trust_env=False, timeout=30) as client:
        client.post(f"{url}/api/login", json={"key": made(house)})
        with client.stream("POST", f"{url}/api/ask", json={**ASK, "stream": True}) as response:
            lines = response.iter_lines()
            while next(lines) != "event: sentence":
                pass
            client.post(f"{url}/api/logout", json={})
            assert "credential_ended" in "".join(lines)
        gate.set()


def test_whom_was_shut_out_shows_the_key_again_once_they_are_back(house: House) -> None:
    key, client = made(house), at(house)
    sign_in(client, key)
    house.suspensions.suspend("ANNA")
    assert code(client.get("/api/filters")) == (401, "credential_refused")
    assert code(client.get("/api/filters")) == (401, "who_is_asking"), "and is no guesser for looking again"
    assert code(sign_in(client, key)) == (401, "credential_refused")
    house.suspensions.resume("anna")
    assert code(client.get("/api/filters")) == (401, "who_is_asking")
    assert sign_in(client, key).status_code == 200


# ---- keys that are not good ----


def test_a_key_that_is_not_good_is_refused_as_in_a_header_and_guessing_is_told_to_wait(house: House) -> None:
    expired, revoked, good = made(house, days=1), made(house), made(house)
    house.keys.revoke(revoked)
    house.now = lambda: datetime(2999, 1, 1, tzinfo=UTC)
    same = {"x-request-id": "the-same-one"}
    keys = [expired, revoked, good[:-1] + "!", good[:-2], "", "ä", "\ud800", "eyJhbGciOiJub25lIn0.e30.", "a" * 40_000]
    bodies = [json.dumps({"key": key}) for key in keys]
    client = at_one_moment(at(house))
    found = [
        client.post("/api/login", content=body, headers={**same, "content-type": "application/json"}) for body in bodies
    ]
    shown = client.get("/readyz", headers={**bearer(revoked), **same})  # the tenth
    assert {(one.status_code, one.content, str(sorted(one.headers.items()))) for one in (*found, shown)} == {
        (401, shown.content, str(sorted(shown.headers.items())))
    }
    assert shown.json()["code"] == "credential_refused"
    late = sign_in(client, "archivar_wrong")
    assert code(late) == (429, "too_many_refused") and int(late.headers["retry-after"]) >= 1
    assert sign_in(client, good).status_code == 200, "a good key from the same address"


def test_what_is_no_key_at_all_is_not_repeated(house: House) -> None:
    made(house)
    for body in ({"key": ["secret-1"]}, {"other": "secret-2"}, {"key": "x", "secret-3": 1}, ["secret-4"]):
        refused = at(house).post("/api/login", json=body)
        assert code(refused) == (422, "invalid") and not re.search(r"secret-[124]", refused.text)


def test_neither_key_nor_session_stands_in_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    key, client = made(house), at(house)
    with caplog.at_level(logging.DEBUG):
        sign_in(client, key)
        sign_in(client, key[:-1])
        opened(client, "/")
        shown = client.cookies[BARE_COOKIE]
        client.post("/api/logout", json={})
    ours = [record for record in caplog.records if record.name.startswith("rag")]
    told = " ".join(str(record.__dict__) for record in ours)
    assert "signed in with a key" in told and key.split("_")[1] in told
    assert key.split("_")[2][:-1] not in told and shown not in told


# ---- beside other ways ----


def test_where_this_machine_is_open_others_are_led_to_the_form(tmp_path: Path) -> None:
    house = House(home=tmp_path, papers=(LEAVE,), auth=AuthSettings(mode="off"))
    far = at(house, "192.168.7.9", scheme="https")
    assert code(opened(far, "/")) == (403, "this_machine_only"), "while there is no key"
    key = made(house)
    assert opened(at(house), "/").status_code == 200
    assert opened(far, "/").headers["location"] == "/login?next=%2F"
    sign_in(far, key)
    assert opened(far, "/").status_code == 200
    house.close()


# ---- in a real browser ----

SAID = {
    "de": ("Ihr Schlüssel", "Anmelden", "Dieser Schlüssel wird nicht", "Ihre Frage", "Abmelden", "Sie sind abgemeldet"),
    "en": ("Your key", "Sign in", "This key is not accepted.", "Your question", "Sign out", "You are signed out"),
}  # fmt: skip


@pytest.mark.parametrize("language", SAID)
def test_a_person_opens_the_page_with_a_key_asks_sees_the_status_and_signs_out(
    house: House, browser: Any, axe: str, language: str
) -> None:
    label, button, refused, question, leave, left = SAID[language]
    key, faults, requests = made(house, "otto", scopes=PERSONAL), [], []
    context = browser.new_context(locale=language, reduced_motion="reduce", viewport={"width": 420, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    with served(house) as url:
        page.goto(f"{url}/documents")
        page.wait_for_url(f"{url}/login?next=%2Fdocuments")
        field = page.get_by_label(label, exact=True)
        assert field.get_attribute("type") == "password" and field.evaluate("(it) => it === document.activeElement")
        page.evaluate(axe)
        assert barriers(page) == []

        field.fill(key[:-1])
        page.keyboard.press("Enter")
        page.get_by_role("alert").filter(has_text=refused).wait_for()
        assert field.input_value() == ""
        assert barriers(page) == [], "with a key that was refused"

        field.fill(key)
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_url(f"{url}/documents")
        cookie = next(one for one in context.cookies(url) if one["name"] == BARE_COOKIE)
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["expires"] == -1
        kept = page.evaluate(
            "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.length])"
        )
        assert key not in kept and cookie["value"] not in kept

        page.goto(url)
        page.get_by_label(question).fill("Wie lange dauert der Urlaub?")
        page.keyboard.press("Enter")
        page.wait_for_selector(".answer:first-child[data-outcome=answered]")
        assert house.asked[-1][1].user == "otto"
        page.goto(f"{url}/status")
        page.locator(".account").get_by_text("otto").wait_for()
        page.wait_for_function("() => document.querySelector('main').innerText.length > 40")

        page.get_by_role("button", name=leave).click()
        page.wait_for_url(f"{url}/login/ended")
        assert page.get_by_role("heading").inner_text() == left
        assert BARE_COOKIE not in {one["name"] for one in context.cookies(url)}
        page.goto(f"{url}/status")
        page.wait_for_url(f"{url}/login?next=%2Fstatus")
    context.close()
    assert not faults and not any(key.split("_")[2] in address for address in requests)


def test_without_scripts_the_form_says_what_to_do_and_offers_no_field(house: House, browser: Any) -> None:
    made(house)
    context = browser.new_context(locale="en", java_script_enabled=False)
    page = context.new_page()
    with served(house) as url:
        page.goto(url)
        assert "Switch it on for this address" in page.locator("main").inner_text()
        assert not page.locator("#key").is_visible()
    context.close()
