"""The whole way in a real browser: from the page to the provider, back, asking, and out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.api.browser_sessions import SESSION_COOKIE
from rag.api.sign_in import ATTEMPT_COOKIE
from tests.credentials.authority import Authority
from tests.credentials.site import own_url, served, signing_in
from tests.doors.http.house import House
from tests.doors.http.test_accessibility import axe, barriers

__all__ = ["axe"]  # a fixture


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    url = own_url()
    with (
        Authority(f"{url}/login/callback") as authority,
        signing_in(authority, url, tmp_path) as one,
        served(one),
    ):
        yield one


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    opened = browser.new_context(locale="de-DE", reduced_motion="reduce")
    yield opened
    opened.close()


def sign_in(page: Any, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Sign in").click()


def follow_a_link(context: Any, url: str, *, until: str) -> Any:
    """As from a wiki: from a page of another site."""
    page = context.new_page()
    page.set_content(f'<a href="{url}">Archivar</a>')
    page.get_by_role("link").click()
    page.wait_for_url(until)
    return page


def test_a_person_signs_in_asks_and_signs_out(house: House, context: Any, axe: str) -> None:
    url, page, faults = house.auth.oidc.url, context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{url}/?lang=de")
    assert page.title() == "Provider"
    sign_in(page, "anna")
    page.wait_for_url(f"{url}/?lang=de")
    cookies = {cookie["name"]: cookie for cookie in context.cookies(url)}
    assert ATTEMPT_COOKIE not in cookies
    session = cookies[SESSION_COOKIE]
    assert session["httpOnly"] and session["secure"] and session["sameSite"] == "Lax" and session["path"] == "/"
    assert SESSION_COOKIE not in page.evaluate("document.cookie")

    page.get_by_label("Ihre Frage").fill("Wie lange dauert der Urlaub?")
    page.keyboard.press("Enter")
    page.get_by_text("Der Urlaub dauert 30 Tage.").first.wait_for()
    assert house.asked[-1][1].user == "anna"
    assert page.locator(".account").inner_text().startswith("anna")
    page.evaluate(axe)
    assert barriers(page) == []

    other = follow_a_link(context, f"{url}/documents", until=f"{url}/documents")  # no further sign-in
    assert other.locator(".account").inner_text().startswith("anna")

    page.get_by_role("button", name="Abmelden").click()
    page.wait_for_url("**/session/end?**")
    assert SESSION_COOKIE not in {cookie["name"] for cookie in context.cookies(url)}
    page.get_by_role("button").first.click()
    page.wait_for_url(f"{url}/login/ended**")
    assert page.get_by_role("heading").inner_text() == "Sie sind abgemeldet"
    page.evaluate(axe)
    assert barriers(page) == []
    away = follow_a_link(context, f"{url}/documents?lang=de", until=f"{house.auth.oidc.issuer}/**")
    sign_in(away, "bernd")
    away.wait_for_url(f"{url}/documents?lang=de")
    assert away.locator(".account").inner_text().startswith("bernd")
    assert not faults


def test_whom_the_provider_refuses_stands_before_a_page_that_says_so(house: House, context: Any) -> None:
    page = context.new_page()
    page.goto(house.auth.oidc.url)
    sign_in(page, "nobody")
    page.get_by_role("heading", name="Kein Zugang").wait_for()
    assert SESSION_COOKIE not in {cookie["name"] for cookie in context.cookies(house.auth.oidc.url)}
