"""The real door over a made-up house, with sign-in at the real provider."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import uvicorn

from rag.api.http import create_app
from rag.settings.auth import AuthSettings
from rag.settings.sign_in import OidcSettings
from tests.credentials.authority import AUDIENCE, PAGE, PATIENCE_S, Authority
from tests.doors.http.house import House, Paper
from tests.ports import free_port

LEAVE = Paper(key="a" * 24, title="Urlaub", text="Der Urlaub dauert 30 Tage.", found="Der Urlaub dauert 30 Tage.")
PAY = Paper(
    key="b" * 24, title="Gehalt", text="Anna verdient 4711 Euro.", found="Anna verdient 4711 Euro.", name="gehalt.txt"
)
NAVIGATES = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FROM_ELSEWHERE = {**NAVIGATES, "sec-fetch-site": "cross-site"}


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def signing_in(authority: Authority, url: str, home: Path, **options: Any) -> Iterator[House]:
    """A house whose people sign in at the provider."""
    secret = home / "secret"
    secret.write_text(authority.secret)
    secret.chmod(0o600)
    wanted = {"audience": AUDIENCE, "client_id": PAGE, "groups_claim": "groups", "client_secret_file": str(secret)}
    oidc = OidcSettings(issuer=authority.issuer, url=url, **{**wanted, **options})
    house = House(home=home, papers=(LEAVE, PAY), auth=AuthSettings(oidc=oidc), clock=Clock())
    try:
        yield house
    finally:
        house.close()


@contextmanager
def served(house: House) -> Iterator[str]:
    """The door at the address of the settings."""
    url = house.auth.oidc.url
    port = urlsplit(url).port or 80
    config = uvicorn.Config(create_app(house), port=port, server_header=False, log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    started = threading.Event()

    async def startup(sockets: Any = None) -> None:
        await uvicorn.Server.startup(server, sockets)
        started.set()

    server.startup = startup
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(30), "the server does not start"
        yield url
    finally:
        server.should_exit = True
        thread.join()


class Browser:
    """What matters of one: cookies by host, followed links, nothing else."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.jars: dict[str, dict[str, str]] = {}
        self.set: list[str] = []

    def get(self, address: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return self.send("GET", address, headers=headers if headers is not None else NAVIGATES, **more)

    def send(self, method: str, address: str, **more: Any) -> httpx.Response:
        address = urljoin(self.url, address)
        jar = self.jars.setdefault(urlsplit(address).netloc, {})
        headers = {**(more.pop("headers", None) or {}), "cookie": "; ".join(f"{k}={v}" for k, v in jar.items())}
        options = {"trust_env": False, "verify": False, "timeout": PATIENCE_S, **more}
        response = httpx.request(method, address, headers=headers, **options)
        for line in response.headers.get_list("set-cookie"):
            self.set.append(line)
            for name, one in SimpleCookie(line).items():
                jar[name] = one.value
                if not one.value:
                    del jar[name]
        return response

    def to_provider(self, page: str = "/") -> str:
        """Opens a page; gives the address at the provider it leads to."""
        login = self.get(page)
        assert login.status_code == 303, login.text
        return str(self.get(login.headers["location"]).headers["location"])

    def back_from_provider(self, address: str, name: str) -> str:
        """Signs in there; gives the address the browser is sent back to."""
        step = self.get(address)
        place = urljoin(address, step.headers["location"])
        if "/sign-in/" in place:
            step = self.send("POST", place, data={"login": name})
            step = self.get(urljoin(address, step.headers["location"]))
            place = step.headers["location"]
        return place

    def sign_in(self, name: str, page: str = "/") -> httpx.Response:
        return self.get(self.back_from_provider(self.to_provider(page), name), headers=FROM_ELSEWHERE)

    @property
    def own(self) -> dict[str, str]:
        """The cookies for us."""
        return self.jars.setdefault(urlsplit(self.url).netloc, {})


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def own_url() -> str:
    return f"http://localhost:{free_port()}"
