"""The reverse proxies of `deploy/`, before the real service: nginx and Caddy as they are installed, or $CADDY, with our
own files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from rag.access import Audience, Channel, ChannelKind
from rag.answers import AnswerEvent, Found, Passage
from rag.settings.auth import AuthSettings
from tests.deploy.server import certificate
from tests.doors.http.conftest import LEAVE, served
from tests.doors.http.house import House, done, sentence
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CADDY = os.environ.get("CADDY") or shutil.which("caddy") or "caddy"
HOST = {"host": "archivar.example"}


def changed(name: str, **changes: tuple[str, str]) -> str:
    """A file of `deploy/` with only its addresses and files changed."""
    site = (ROOT / "deploy" / name).read_text()
    for there, here in changes.values():
        assert there in site, there
        site = site.replace(there, here)
    return site


def caddy(folder: Path, *, service: str, port: int) -> list[str]:
    """The command that runs `deploy/Caddyfile`, with a certificate at hand instead of one it makes."""
    cert, key = certificate(folder)
    site = changed(
        "Caddyfile",
        service=("127.0.0.1:8088", service),
        listen=("archivar.example {", f"https://archivar.example:{port} {{\n\tbind 127.0.0.1"),
        tls=("tls internal\n", f"tls {cert} {key}\n"),
    )
    path = folder / "Caddyfile"
    path.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_sni archivar.example\n}\n" + site)
    return [CADDY, "run", "--adapter", "caddyfile", "--config", str(path)]


def nginx(folder: Path, *, service: str, port: int) -> list[str]:
    """The command that runs `deploy/nginx.conf`, in a main file of its own."""
    cert, key = certificate(folder)
    site = changed(
        "nginx.conf",
        service=("127.0.0.1:8088", service),
        listen=("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        cert=("/etc/ssl/archivar/cert.pem", str(cert)),
        key=("/etc/ssl/archivar/key.pem", str(key)),
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    as_root = "user root;" if os.geteuid() == 0 else ""  # else its workers cannot enter a test's folder
    path = folder / "nginx.conf"
    path.write_text(
        f"{as_root} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{ worker_connections 64; }}\nhttp {{ {temporary}\n{site} }}\n"
    )
    return [NGINX, "-p", str(folder), "-c", str(path)]


@pytest.fixture
def read() -> threading.Event:
    """Set once a test has read the first sentence."""
    return threading.Event()


@pytest.fixture
def slow(tmp_path: Path, read: threading.Event) -> Iterator[House]:
    """Answers with a sentence at once, and the end once that is read; believes the proxy on this machine."""

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.93)
        yield sentence("Erst dies.")
        assert read.wait(20), "it was kept until the end"
        yield done(question, passages, [])

    auth = AuthSettings(
        mode="required", hosts=("archivar.example",), proxy_header="X-Remote-User", proxy_addresses=("127.0.0.1",)
    )
    (tmp_path / "home").mkdir()
    opened = House(home=tmp_path / "home", papers=(LEAVE,), script=script, auth=auth)
    yield opened
    opened.close()


@pytest.fixture(params=["nginx", "caddy"])
def proxy(slow: House, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of a proxy, which stands before the service."""
    program, made = {"nginx": (NGINX, nginx), "caddy": (CADDY, caddy)}[request.param]
    if not Path(program).exists():
        pytest.skip(f"{request.param} is not installed")
    with served(slow) as address:
        port = free_port()
        command = made(tmp_path, service=address.removeprefix("http://").replace("localhost", "127.0.0.1"), port=port)
        home = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "caddy")}
        said = (tmp_path / "said").open("w+b")
        process = subprocess.Popen(command, stdout=said, stderr=said, env=home)
        try:
            with httpx.Client(
                base_url=f"https://127.0.0.1:{port}", verify=False, trust_env=False, headers=HOST, timeout=30
            ) as client:
                until = time.monotonic() + 30
                while True:
                    assert process.poll() is None, (tmp_path / "said").read_text()
                    try:
                        client.get("/healthz")
                        break
                    except httpx.TransportError:
                        assert time.monotonic() < until, "the proxy does not start"
                        time.sleep(0.05)
                yield client
        finally:
            process.terminate()
            process.wait(20)
            said.close()


@pytest.fixture
def key(slow: House) -> dict[str, str]:
    way = Channel(kind=ChannelKind.INTRANET, audience=Audience.DIRECT)
    _, shown = slow.keys.add("anna", user="anna", scopes=["ask", "search", "documents"], channel=way, days=1)
    return {"authorization": f"Bearer {shown}"}


def test_an_answer_comes_through_a_proxy_as_it_is_written(
    proxy: httpx.Client, key: dict[str, str], read: threading.Event
) -> None:
    came = []
    with proxy.stream("POST", "/api/ask", json={"question": "Urlaub?", "stream": True}, headers=key) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("event: "):
                came.append(line.removeprefix("event: "))
                if came[-1] == "sentence":
                    read.set()
    assert came == ["passages", "sentence", "done"]


def test_a_key_counts_behind_a_proxy_because_it_came_encrypted(proxy: httpx.Client, key: dict[str, str]) -> None:
    assert proxy.post("/api/search", json={"query": "Urlaub"}, headers=key).status_code == 200
    assert proxy.post("/api/search", json={"query": "Urlaub"}).status_code == 401


@pytest.mark.parametrize("name", ["X-Remote-User", "x-remote-user", "X-REMOTE-USER"])
def test_nobody_can_say_through_a_proxy_who_they_are(proxy: httpx.Client, name: str) -> None:
    answer = proxy.post("/api/search", json={"query": "Urlaub"}, headers={name: "anna"})
    assert answer.status_code == 401


def test_nobody_can_say_through_a_proxy_where_they_come_from(proxy: httpx.Client, key: dict[str, str]) -> None:
    forged = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1;proto=https", "X-Real-IP": "127.0.0.1"}
    assert proxy.post("/api/search", json={"query": "Urlaub"}, headers=forged).status_code == 401


def test_the_proxy_names_the_request_and_hides_the_figures(proxy: httpx.Client, key: dict[str, str]) -> None:
    answer = proxy.get("/healthz", headers={"x-request-id": "of-a-stranger"})
    assert re.fullmatch("[0-9a-f-]{32,36}", answer.headers["x-request-id"])
    assert answer.headers["strict-transport-security"]
    assert proxy.get("/metrics", headers=key).status_code == 404


def test_the_files_for_both_proxies_say_the_same() -> None:
    """What one strips, hides and waits for, the other does too."""
    nginx, caddy = ((ROOT / "deploy" / name).read_text() for name in ("nginx.conf", "Caddyfile"))
    for header in ("Forwarded", "X-Real-IP", "X-Remote-User"):
        assert re.search(rf'proxy_set_header {header}\s+""', nginx)
        assert f"header_up -{header}" in caddy
    for header in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id"):
        assert f"proxy_set_header {header}" in nginx and f"header_up {header}" in caddy
    assert "proxy_buffering off" in nginx and "flush_interval -1" in caddy
    assert "700s" in nginx and "700s" in caddy
    assert json.dumps("/metrics")[1:-1] in nginx and "/metrics" in caddy
