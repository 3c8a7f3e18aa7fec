"""Signing in with a browser at a certified provider: what comes of it, and what nobody can make of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import pytest
from starlette.testclient import TestClient

from rag.api.browser_sessions import BARE_COOKIE, SESSION_COOKIE
from rag.api.http import create_app
from rag.api.sign_in import ATTEMPT_COOKIE
from rag.credentials.identified import INTRANET
from rag.credentials.login import safe_path
from tests.credentials.authority import PAGE, PATIENCE_S, Authority
from tests.credentials.site import FROM_ELSEWHERE, NAVIGATES, Browser, own_url, query_of, served, signing_in
from tests.doors.http.house import House

ASK = {"question": "Wie lange dauert der Urlaub?"}


@pytest.fixture(scope="module")
def url() -> str:
    return own_url()


@pytest.fixture(scope="module")
def authority(url: str) -> Iterator[Authority]:
    with Authority(f"{url}/login/callback") as running:
        yield running


@pytest.fixture(scope="module")
def house(authority: Authority, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with signing_in(authority, url, tmp_path_factory.mktemp("home")) as one, served(one):
        yield one


@pytest.fixture
def browser(house: House) -> Browser:
    return Browser(house.auth.oidc.url)


def asked(browser: Browser) -> httpx.Response:
    return browser.send("POST", "/api/ask", json=ASK)


def test_a_page_leads_to_the_provider_and_back_to_itself(browser: Browser, house: House) -> None:
    there = browser.to_provider("/?lang=de")
    wanted = query_of(there)
    assert there.startswith(f"{house.auth.oidc.issuer}/auth?")
    assert wanted["code_challenge_method"] == "S256" and wanted["response_type"] == "code"
    assert all(len(wanted[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    done = browser.get(browser.back_from_provider(there, "anna"), headers=FROM_ELSEWHERE)
    assert done.status_code == 200 and 'content="0;url=/?lang=de"' in done.text
    assert browser.get("/?lang=de").status_code == 200
    assert asked(browser).status_code == 200
    principal = house.asked[-1][1]
    assert principal.user == "anna" and principal.groups == {"hr", "staff"} and not principal.unsure


def test_its_cookies_are_for_this_host_alone_and_for_no_script(browser: Browser) -> None:
    browser.sign_in("anna")
    ours = [line for line in browser.set if line.startswith("__Host-archivar")]
    assert {line.split("=")[0] for line in ours} == {SESSION_COOKIE, ATTEMPT_COOKIE}
    for line in ours:
        flags = {flag.strip().lower() for flag in line.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= flags and "domain" not in line.lower()
    assert len(base64.urlsafe_b64decode(browser.own[SESSION_COOKIE] + "=")) == 32
    assert ATTEMPT_COOKIE not in browser.own


def test_a_program_is_told_and_not_led_elsewhere(browser: Browser) -> None:
    for answer in (
        browser.send("POST", "/api/ask", json=ASK),
        browser.get("/api/filters"),
        browser.get("/", headers={"accept": "application/json"}),
        browser.get("/", headers={"accept": "text/html", "sec-fetch-mode": "cors"}),
    ):
        assert answer.status_code == 401 and answer.json()["code"] == "who_is_asking"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_session_fixed_beforehand_is_not_taken_over(browser: Browser) -> None:
    browser.own[SESSION_COOKIE] = "x" * 43
    browser.sign_in("anna")
    first = browser.own[SESSION_COOKIE]
    assert first != "x" * 43
    there = query_of(browser.get("/login").headers["location"]) and browser.get("/login").headers["location"]
    browser.get(browser.back_from_provider(there, "anna"), headers=FROM_ELSEWHERE)
    second = browser.own[SESSION_COOKIE]
    assert second != first and asked(browser).status_code == 200
    browser.own[SESSION_COOKIE] = first
    assert asked(browser).status_code == 401


def test_an_answer_begun_in_another_browser_signs_nobody_in(browser: Browser) -> None:
    attacker = Browser(browser.url)
    planted = attacker.back_from_provider(attacker.to_provider(), "bernd")
    for victim in (Browser(browser.url), browser):
        if victim is browser:
            victim.to_provider()
        answer = victim.get(planted, headers=FROM_ELSEWHERE)
        assert answer.status_code == 400 and SESSION_COOKIE not in victim.own
    assert attacker.get(planted, headers=FROM_ELSEWHERE).status_code == 200


def test_an_answer_serves_once(browser: Browser) -> None:
    address = browser.back_from_provider(browser.to_provider(), "anna")
    kept = browser.own[ATTEMPT_COOKIE]
    assert browser.get(address, headers=FROM_ELSEWHERE).status_code == 200
    assert browser.get(address, headers=FROM_ELSEWHERE).status_code == 400  # its attempt is gone
    again = Browser(browser.url)
    again.own[ATTEMPT_COOKIE] = kept  # and where somebody kept it, the provider gives nothing for the code
    assert again.get(address, headers=FROM_ELSEWHERE).status_code == 403
    assert SESSION_COOKIE not in again.own


def test_several_tabs_sign_in_at_the_same_time(browser: Browser) -> None:
    addresses = [browser.to_provider(f"/?lang={language}") for language in ("de", "en")]
    for address, language in zip(addresses, ("de", "en"), strict=True):
        done = browser.get(browser.back_from_provider(address, "anna"), headers=FROM_ELSEWHERE)
        assert f'content="0;url=/?lang={language}"' in done.text
    for _ in range(10):
        browser.get("/login")
    assert len(browser.own[ATTEMPT_COOKIE]) < 4000


def attempt(browser: Browser) -> list[str]:
    padded = browser.own[ATTEMPT_COOKIE] + "=="
    return list(json.loads(base64.urlsafe_b64decode(padded))[-1])


def tampered(browser: Browser, place: int, value: str) -> None:
    rows = [attempt(browser)]
    rows[0][place] = value
    browser.own[ATTEMPT_COOKIE] = base64.urlsafe_b64encode(json.dumps(rows).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(("place", "value"), [(1, "another-nonce"), (1, ""), (2, "v" * 64)])
def test_nonce_and_verifier_must_be_those_of_the_beginning(browser: Browser, place: int, value: str) -> None:
    address = browser.back_from_provider(browser.to_provider(), "anna")
    tampered(browser, place, value)
    assert browser.get(address, headers=FROM_ELSEWHERE).status_code == 403
    assert SESSION_COOKIE not in browser.own


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"}, {"iss": None}, {"iss": ""}, {"code": None}, {"code": ""}, {"code": "made-up"},
        {"code": "a\r\nb"}, {"code": "x" * 9000}, {"error": "access_denied"}, {"error": "<script>alert(1)</script>"},
        {"state": None}, {"state": ""}, {"state": "x" * 43}, {"state": "ä"},
    ],
)  # fmt: skip
def test_an_answer_with_one_wrong_part_signs_nobody_in(browser: Browser, change: dict[str, str | None]) -> None:
    address = browser.back_from_provider(browser.to_provider(), "anna")
    parts = {**query_of(address), **change}
    told = urlencode({name: value for name, value in parts.items() if value is not None})
    answer = browser.get(f"/login/callback?{told}", headers=FROM_ELSEWHERE)
    assert answer.status_code in (400, 403) and SESSION_COOKIE not in browser.own
    assert "<script>alert" not in answer.text and "evil" not in answer.text
    assert asked(browser).status_code == 401


def test_a_part_given_twice_signs_nobody_in(browser: Browser) -> None:
    address = browser.back_from_provider(browser.to_provider(), "anna")
    assert browser.get(f"{address}&code=x", headers=FROM_ELSEWHERE).status_code == 400


@pytest.mark.parametrize("cookie", ["", "x", "W10", "bnVsbA", "W1sxXV0", "Ww" * 3000, "eyJhIjoxfQ", "\u00e4"])
def test_a_broken_cookie_is_an_interrupted_sign_in(house: House, cookie: str) -> None:
    raw = f"{ATTEMPT_COOKIE}={cookie}".encode("latin-1")
    address = f"{house.auth.oidc.url}/login/callback?state=&code=x"
    answer = httpx.get(address, headers={b"cookie": raw}, trust_env=False, timeout=PATIENCE_S)
    assert answer.status_code == 400


def test_whom_the_provider_does_not_know_gets_a_page_that_says_so(browser: Browser) -> None:
    answer = browser.sign_in("nobody")
    assert answer.status_code == 403 and SESSION_COOKIE not in browser.own
    assert "no access" in answer.text.lower() and "no such person" not in answer.text


def test_whose_account_the_directory_has_shut_is_not_signed_in_round_and_round(browser: Browser, house: House) -> None:
    house.shut.add("bernd")
    try:
        answer = browser.sign_in("bernd")
        assert answer.status_code == 403 and SESSION_COOKIE not in browser.own
    finally:
        house.shut.clear()


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "evil.example", "", "/a\nb",
     "/%0d%0a/..//x\r\n", "/\t/evil", "/" + "x" * 400, "/login?next=/login", "/login/callback", "/api/ask",
     "/ä", "/a b"],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(browser: Browser, path: str) -> None:
    assert safe_path(path) == "/"
    address = browser.get(f"/login?next={quote(path)}").headers["location"]
    done = browser.get(browser.back_from_provider(address, "anna"), headers=FROM_ELSEWHERE)
    assert re.findall(r'content="0;url=([^"]*)"', done.text) == ["/"]


def test_only_a_link_that_opens_its_page_comes_back_from_another_site(browser: Browser) -> None:
    for place in ("/login", "/login/callback?state=x", "/login/ended"):
        assert browser.get(place, headers=FROM_ELSEWHERE).status_code in (200, 303, 400)
        for change in (
            {"sec-fetch-dest": "iframe"}, {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
            {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}, {"origin": "https://evil.example"},
        ):  # fmt: skip
            refused = browser.get(place, headers={**FROM_ELSEWHERE, **change})
            assert refused.status_code == 403 and refused.json()["code"] == "foreign_origin"
    for place in ("/login/callback/x", "/login/", "/api/filters", "/static/page.js"):
        assert browser.get(place, headers=FROM_ELSEWHERE).status_code == 403
    form = {**FROM_ELSEWHERE, "origin": "https://evil.example", "content-type": "application/x-www-form-urlencoded"}
    assert browser.send("POST", "/login/callback", headers=form, content=b"state=x").status_code == 403
    for change in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert browser.send("POST", "/api/logout", json={}, headers=change).status_code == 403


def test_signing_out_ends_the_session_here_and_leads_to_the_provider_s_end(browser: Browser, house: House) -> None:
    browser.sign_in("anna")
    shown = browser.own[SESSION_COOKIE]
    answer = browser.send("POST", "/api/logout", json={})
    there = answer.json()["location"]
    assert there.startswith(f"{house.auth.oidc.issuer}/session/end?") and query_of(there)["client_id"] == PAGE
    assert query_of(there)["post_logout_redirect_uri"] == f"{house.auth.oidc.url}/login/ended"
    assert len(query_of(there)["id_token_hint"].split(".")) == 3
    assert SESSION_COOKIE not in browser.own
    browser.own[SESSION_COOKIE] = shown
    assert asked(browser).status_code == 401
    assert browser.send("POST", "/api/logout", json={}).json() == {"location": "/login/ended"}
    assert browser.get("/login/ended", headers=FROM_ELSEWHERE).status_code == 200


def test_beside_the_provider_a_key_signs_in_too_and_a_browser_has_one_session_at_a_time(
    browser: Browser, house: House
) -> None:
    assert browser.get("/login/key").status_code == 404
    _, secret = house.keys.add("key", user="otto", scopes=["ask"], channel=INTRANET, days=None)
    try:
        assert browser.get("/login").headers["location"].startswith(house.auth.oidc.issuer)
        assert '<a href="/login/key">' in browser.get("/login/ended").text
        assert browser.get("/login/key").status_code == 200
        browser.sign_in("anna")
        provided = browser.own[SESSION_COOKIE]
        assert browser.send("POST", "/api/login", json={"key": secret}).status_code == 200
        assert SESSION_COOKIE not in browser.own and asked(browser).status_code == 200
        assert house.asked[-1][1].user == "otto"
        keyed = dict(browser.own)
        there = str(browser.get("/login").headers["location"])
        browser.get(browser.back_from_provider(there, "anna"), headers=FROM_ELSEWHERE)
        assert BARE_COOKIE not in browser.own and asked(browser).status_code == 200
        assert house.asked[-1][1].user == "anna"
        browser.own.clear()
        for old in ({SESSION_COOKIE: provided}, keyed):
            browser.own.update(old)
            assert asked(browser).status_code == 401
            browser.own.clear()
        browser.send("POST", "/api/login", json={"key": secret})
        assert browser.send("POST", "/api/logout", json={}).json() == {"location": "/login/ended"}
        assert asked(browser).status_code == 401
    finally:
        house.keys.forget(lambda name: name == "otto")


def test_a_session_and_a_token_together_are_refused_but_an_ended_session_hides_no_token(
    browser: Browser, authority: Authority
) -> None:
    token = {"authorization": f"Bearer {authority.forge()}"}
    browser.sign_in("anna")
    assert browser.send("POST", "/api/ask", json=ASK, headers=token).json()["code"] == "two_credentials"
    browser.own[SESSION_COOKIE] = "x" * 43
    assert browser.send("POST", "/api/ask", json=ASK, headers=token).status_code == 200


def test_a_browser_that_came_by_another_name_is_led_to_the_one_the_cookies_are_for(house: House) -> None:
    other = Browser(house.auth.oidc.url.replace("localhost", "127.0.0.1"))
    moved = other.get("/login?next=/%3Flang=de")
    assert moved.headers["location"] == f"{house.auth.oidc.url}/login?moved=1&next=%2F%3Flang%3Dde"
    assert other.get("/login?moved=1").headers["location"].startswith(house.auth.oidc.issuer)


def test_a_browser_that_came_unencrypted_is_led_to_where_its_cookies_count(tmp_path: Path) -> None:
    with (
        signing_in(Authority(), "https://archivar.firma.example", tmp_path) as house,
        TestClient(create_app(house), base_url="http://archivar.firma.example", client=("10.0.0.9", 1)) as client,
    ):
        led = client.get("/login?next=/", follow_redirects=False)
        assert led.headers["location"] == "https://archivar.firma.example/login?moved=1&next=%2F"
        assert "set-cookie" not in led.headers
        assert client.get("/login?moved=1", follow_redirects=False).status_code == 503  # and not round and round


def test_a_real_token_asks_and_a_forged_one_does_not(browser: Browser, house: House, authority: Authority) -> None:
    for token, status in ((authority.sign_in("anna")["access_token"], 200), (authority.forge(), 200),
                          (authority.forge(aud="another"), 401), (authority.sign_in("anna")["id_token"], 401),
                          (authority.forge(groups=7), 401)):  # fmt: skip
        answer = browser.send("POST", "/api/ask", json=ASK, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status, answer.text
    browser.send("POST", "/api/ask", json=ASK, headers={"authorization": f"Bearer {authority.forge(groups=None)}"})
    assert house.asked[-1][1].unsure
    page = browser.get("/", headers={**NAVIGATES, "authorization": f"Bearer {authority.forge(aud='x')}"})
    assert page.status_code == 303  # a person would have a page in front of them: it leads to the sign-in


def test_while_the_provider_was_never_there_it_is_said_so(tmp_path: Path) -> None:
    nowhere = Authority()
    with signing_in(nowhere, own_url(), tmp_path) as house, served(house):
        browser = Browser(house.auth.oidc.url)
        token = {"authorization": "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.AA"}
        for answer in (browser.send("POST", "/api/ask", json=ASK, headers=token), browser.get("/login")):
            assert answer.status_code == 503 and answer.json()["code"] == "sign_in_unavailable"
        assert browser.get("/healthz").status_code == 200


def test_the_provider_s_secrets_are_in_no_answer_and_no_log(
    browser: Browser, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    address = browser.back_from_provider(browser.to_provider(), "anna")
    browser.get(address, headers=FROM_ELSEWHERE)
    browser.send("POST", "/api/ask", json=ASK, headers={"authorization": f"Bearer {authority.forge(aud='x')}"})
    ours = [record for record in caplog.records if record.name.startswith("rag")]
    said = " ".join(f"{record.getMessage()} {record.__dict__}" for record in ours)
    assert ours
    for secret in (authority.secret, query_of(address)["code"], browser.own[SESSION_COOKIE], "eyJ"):
        assert secret not in said


def test_whose_object_id_it_is_is_kept_when_they_sign_in(house: House, authority: Authority) -> None:
    tenant, person = "7f0c1d3e-9a7b-4c2d-8e6f-1a0b5f0c1d3e", "0A0B1C2D-0000-4c2d-8e6f-1a0b5f0c1d3e"
    for more in ({}, {"oid": person}, {"tid": tenant}, {"tid": tenant, "oid": 7}, {"tid": tenant, "oid": "a:b"}):
        ask_with(house, authority.forge(**more))
    assert not house.ledger.rows("SELECT * FROM provider_accounts")
    ask_with(house, authority.forge(tid=tenant, oid=person))
    (row,) = house.ledger.rows("SELECT account, user FROM provider_accounts")
    assert tuple(row) == (f"{tenant}:{person.lower()}", "anna")


def ask_with(house: House, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"}
    address = f"{house.auth.oidc.url}/api/ask"
    answered = httpx.post(address, json=ASK, headers=headers, trust_env=False, timeout=PATIENCE_S)
    assert answered.status_code == 200
