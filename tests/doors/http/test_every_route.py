"""Every route of the door × everything that can be shown at it. The routes are asked of the door itself: a new one is
in the table without anybody thinking of it, and fails here until it says what it needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from rag.api.caller import Needs
from rag.api.doorkeeper import ASKED_KINDLY, OPEN, is_open
from rag.api.guard import UPLOADS
from rag.api.http import create_app
from rag.credentials.identified import BOT, INTRANET, PERSONAL
from rag.credentials.keys import utc_now
from tests.doors.http.conftest import CLOSED, LEAVE, SICK
from tests.doors.http.house import House

EVERYBODYS = {"/", "/documents", "/status", "/readyz"}
"""Whoever may come in at all sees these, whatever the credential is good for."""

BODIES: tuple[Any, ...] = (
    {"question": "Urlaub?", "on_behalf_of": {"account": "matrix:@anna:firma.example"}, "audience": "direct"},
    {"question": "Urlaub?"},
    {"query": "Urlaub?"},
    {"model": "archivar", "messages": [{"role": "user", "content": "Urlaub?"}]},
    {"receipt": "20261126-none", "verdict": "helpful"},
    {"receipt": "20261126-none", "verdict": "helpful", "on_behalf_of": {"account": "matrix:@anna:firma.example"}},
    {"receipt": "20261126-none", "audience": "direct", "on_behalf_of": {"account": "matrix:@anna:firma.example"}},
    {"receipt": "20261126-none", "message": "m", "on_behalf_of": {"account": "matrix:@anna:firma.example"}},
    {"message": "m"},
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "search", "arguments": {"query": "Urlaub?"}},
    },
    {},
)
"""One of these is taken by each route that takes one: whoever adds a route with another adds it here."""

_places = itertools.count(2)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A way in: `scopes` of which one is needed, none where any credential will do."""

    method: str
    path: str
    scopes: frozenset[str]

    def ask(self, client: TestClient, *, key: str | None = None, document: str = LEAVE.key, **headers: str) -> Any:
        shown = {"authorization": f"Bearer {key}".encode("latin-1")} if key else {}
        path = self.path.replace("{key}", document)
        for name in ("n", "name", "receipt", "path", "id", "model"):
            path = path.replace(f"{{{name}}}", "1").replace(f"{{{name}:path}}", "1").replace(f"{{{name}:int}}", "1")
        if (self.method, self.path) == ("POST", UPLOADS):  # the one body that is a file
            shown["content-type"] = "application/octet-stream"
            where = {"source": "nowhere", "name": "a.txt"}
            return client.post(path, params=where, content=b"x", headers={**shown, **headers}, follow_redirects=False)
        response = None
        for body in BODIES if self.method in ("POST", "PUT", "PATCH", "DELETE") else (None,):
            content = {} if body is None else {"json": body}
            response = client.request(
                self.method, path, headers={**shown, **headers}, follow_redirects=False, **content
            )
            if response.status_code not in (400, 422):
                break
        return response


@dataclass
class Office:
    """A house where credentials are needed."""

    house: House

    def client(self) -> TestClient:
        """From an address of its own, so that what others were refused does not count."""
        return self.house.at(f"127.0.0.{next(_places)}", headers={"x-request-id": "the-same-one"})

    def key(self, *scopes: str, sources: list[str] | None = None, days: int | None = None, user: str = "anna") -> str:
        return self.house.keys.add(
            "key", user=user, scopes=scopes or PERSONAL, sources=sources, channel=INTRANET, days=days
        )[1]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    house = House(home=tmp_path, papers=(LEAVE, SICK, CLOSED))
    office = Office(house)
    office.key()
    yield office
    house.close()


def every_route(house: House) -> list[Route]:
    found = []
    for route in _flat(create_app(house).routes):
        path = getattr(route, "path", "")
        if isinstance(route, Mount) or not isinstance(route, APIRoute):
            found += [Route(method=method, path=f"{path}/x", scopes=frozenset()) for method in ("GET", "POST")]
            continue
        scopes = frozenset().union(*(need.scopes for need in _needs(route.dependant)))
        found += [Route(method=method, path=path, scopes=scopes) for method in sorted(route.methods - {"HEAD"})]
    return [route for route in found if not is_open(route.path.removesuffix("/x") or "/") and not is_open(route.path)]


def _flat(routes: Any) -> Iterator[Any]:
    for route in routes:
        below = getattr(getattr(route, "original_router", route), "routes", None)  # newer FastAPI keeps them apart
        if isinstance(route, (APIRoute, Mount)) or not below:
            yield route
        else:
            yield from _flat(below)


def _needs(dependant: Any) -> Iterator[Needs]:
    if isinstance(dependant.call, Needs):
        yield dependant.call
    for below in dependant.dependencies:
        yield from _needs(below)


def test_the_table_holds_the_routes_that_are_known_to_be_there(office: Office) -> None:
    found = {(route.method, route.path) for route in every_route(office.house)}
    assert {("POST", "/api/ask"), ("POST", "/api/search"), ("GET", "/api/documents/{key}/text"), ("GET", "/")} <= found


def test_every_route_says_what_it_needs(office: Office) -> None:
    for route in every_route(office.house):
        assert route.scopes or route.path in EVERYBODYS or route.path.endswith("/x"), f"{route} takes any credential"


def test_open_paths_are_few_and_tell_nothing_of_anybody(office: Office) -> None:
    sign_in = {"/login", "/login/key", "/login/callback", "/login/ended", "/api/login", "/api/logout"}
    assert set(OPEN) == {"/healthz", "/api/openapi.json", "/static/", *sign_in}
    assert set(ASKED_KINDLY) == {"/readyz"}
    found = {path: opened(office, path) for path in sign_in}
    assert found.pop("/login/callback") == 404, "no provider is set up"
    assert found.pop("/api/login") == 401, "no good key is shown"
    assert set(found.values()) == {200}
    office.house.keys.forget(lambda name: name == "anna")
    assert opened(office, "/login/key") == 200, "the door stays shut when the last key is erased"


def test_where_there_never_was_a_key_there_is_no_sign_in(client: TestClient) -> None:
    for path in ("/login", "/login/key", "/login/callback", "/login/ended"):
        assert client.get(path).status_code == 404
    for path in ("/api/login", "/api/logout"):
        assert client.post(path, json={"key": "archivar_none"}).status_code == 404


def opened(office: Office, path: str) -> int:
    method = "POST" if path.startswith("/api/") else "GET"
    body = {"key": "archivar_none"} if path == "/api/login" else {}
    return office.client().request(method, path, json=body if method == "POST" else None).status_code


def test_without_a_credential_every_route_asks_for_one(office: Office) -> None:
    for route in every_route(office.house):
        response = route.ask(office.client())
        if route.path in ASKED_KINDLY:
            assert response.json() == {"status": "ready"}
            continue
        assert (response.status_code, code_of(response)) == (401, "who_is_asking"), route
        assert response.headers["www-authenticate"] == "Bearer"
    assert office.client().get("/no/such/path").status_code == 401, "nor is told what there is"
    for path in ("/healthz", "/api/openapi.json", "/static/page.js"):
        assert office.client().get(path).status_code == 200


def test_no_other_kind_of_connection_comes_past_the_door(office: Office) -> None:
    for path in ("/", "/api/ask", "/static/page.js"):
        with pytest.raises(WebSocketDisconnect), office.client().websocket_connect(path):
            pass


def code_of(response: Any) -> str:
    """The code of a problem, in either of its forms."""
    said = response.json()
    return str(said.get("error", said)["code"])


def bad_keys(office: Office) -> dict[str, str]:
    expired, revoked, good = office.key(days=1), office.key(), office.key()
    office.house.keys.revoke(revoked.split("_")[1])
    office.house.now = lambda: utc_now() + timedelta(days=2)
    return {
        "expired": expired,
        "revoked": revoked,
        "wrong secret": good[:-1] + ("0" if good[-1] != "0" else "1"),
        "unknown id": "archivar_00000000_" + good.split("_")[2],
        "no key at all": "archivar_",
        "another kind": "eyJhbGciOiJub25lIn0.e30.",
        "too long": "archivar_" + "a" * 40_000,
        "letters nobody has": "archivar_\u00e4".encode().decode("latin-1"),
        "shortened": good[:-2],
    }


def test_unknown_expired_and_revoked_are_told_in_the_same_words_on_every_route(office: Office) -> None:
    keys = bad_keys(office)
    for route in every_route(office.house):
        client = office.client()
        found = {why: route.ask(client, key=key) for why, key in keys.items()}
        assert {response.status_code for response in found.values()} == {401}, route
        assert len({response.content for response in found.values()}) == 1, route
        assert len({str(sorted(response.headers.items())) for response in found.values()}) == 1, route
        assert code_of(found["revoked"]) == "credential_refused"


def test_every_route_is_closed_to_every_scope_it_does_not_name(office: Office) -> None:
    keys = {scope: office.key(scope) for scope in PERSONAL}
    keys[BOT] = office.house.keys.add_bot("bot", platform="matrix", days=None)[1]
    for route in (route for route in every_route(office.house) if route.scopes):
        client = office.client()
        for scope, key in keys.items():
            response = route.ask(client, key=key)
            if scope in route.scopes:
                assert response.status_code not in (401, 403), (route, scope)
            else:
                assert (response.status_code, code_of(response)) == (403, "scope_missing"), (route, scope)


def test_a_person_who_is_suspended_is_refused_on_every_route(office: Office) -> None:
    key = office.key()
    office.house.suspensions.suspend("ANNA")
    for route in every_route(office.house):
        response = route.ask(office.client(), key=key)
        assert (response.status_code, code_of(response)) == (401, "credential_refused"), route


@pytest.mark.parametrize("path", ["{key}", ":path"])
def test_a_key_for_another_source_is_told_of_a_document_what_is_told_of_none(office: Office, path: str) -> None:
    key, client = office.key(sources=["elsewhere"]), office.client()
    routes = [route for route in every_route(office.house) if path in route.path]
    assert routes or path != "{key}"
    for route in routes:
        there, nowhere = (route.ask(client, key=key, document=name) for name in (LEAVE.key, "f" * 24))
        assert there.status_code == 404, route
        assert (there.content, there.headers) == (nowhere.content, nowhere.headers), route


def test_whatever_a_key_for_another_source_asks_is_narrowed_to_it(office: Office) -> None:
    narrow, wide = office.key(sources=["elsewhere"]), office.key()
    asking = 0
    for route in every_route(office.house):
        office.house.filters.clear()
        route.ask(office.client(), key=wide)
        asking += bool(office.house.filters)
        office.house.filters.clear()
        response = route.ask(office.client(), key=narrow)
        assert response.status_code not in (400, 422), f"{route}: none of BODIES is taken"
        assert all(filters.sources == {"elsewhere"} for filters in office.house.filters), route
    assert asking >= 2, "nothing asked the house at all"


def test_somebody_elses_document_is_the_same_404_with_a_credential(office: Office) -> None:
    key, client = office.key(), office.client()
    for route in [route for route in every_route(office.house) if "{key}" in route.path]:
        closed, nowhere = (route.ask(client, key=key, document=name) for name in (CLOSED.key, "f" * 24))
        assert closed.status_code == 404, route
        assert (closed.content, closed.headers) == (nowhere.content, nowhere.headers), route


def test_this_machine_gets_no_free_pass_once_there_is_a_key(tmp_path: Path) -> None:
    office = Office(House(home=tmp_path, papers=(LEAVE,)))
    client = office.client()
    assert client.get("/readyz").status_code == 200
    office.house.keys.revoke(office.key())
    assert client.get("/api/filters").status_code == 401, "nor when it is revoked"
    office.house.close()
