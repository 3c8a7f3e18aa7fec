"""A real homeserver for the tests of the Matrix bot: Synapse, in an environment of its own, on loopback, alone.

It is a tool of the tests and never a dependency (AGPL). ``python -m tests.bots.synapse`` installs it, once; where it
cannot be installed, what needs it is skipped and says so.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from tests.ports import kept_port

VERSION: Final = "1.163.2"
SERVER: Final = "firma.example"
_SECRET: Final = "only-for-tests"
_START_S: Final = 120.0

_SETTINGS: Final = """
server_name: {server}
public_baseurl: http://127.0.0.1:{port}/
listeners:
  - {{port: {port}, bind_addresses: ["127.0.0.1"], type: http, tls: false, resources: [{{names: [client]}}]}}
database: {{name: sqlite3, args: {{database: {place}/homeserver.db}}}}
media_store_path: {place}/media
pid_file: {place}/pid
report_stats: false
trusted_key_servers: []
suppress_key_server_warning: true
federation_domain_whitelist: []
registration_shared_secret: {secret}
bcrypt_rounds: 4
presence: {{enabled: false}}
url_preview_enabled: false
rc_message: {{per_second: 10000, burst_count: 10000}}
rc_registration: {{per_second: 10000, burst_count: 10000}}
rc_joins: {{local: {{per_second: 10000, burst_count: 10000}}, remote: {{per_second: 10000, burst_count: 10000}}}}
rc_joins_per_room: {{per_second: 10000, burst_count: 10000}}
rc_invites: {{per_room: {{per_second: 10000, burst_count: 10000}}, per_user: {{per_second: 10000, burst_count: 10000}},
  per_issuer: {{per_second: 10000, burst_count: 10000}}}}
rc_admin_redaction: {{per_second: 10000, burst_count: 10000}}
rc_room_creation: {{per_second: 10000, burst_count: 10000}}
rc_login: {{address: {{per_second: 10000, burst_count: 10000}}, account: {{per_second: 10000, burst_count: 10000}}}}
"""


class NotInstalled(Exception):
    """Synapse is not here and cannot be installed."""


def environment() -> Path:
    """Where Synapse's own environment is kept between runs."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache_home) / "archivar-tests" / f"synapse-{VERSION}"


@cache
def python() -> Path:
    """The interpreter that has Synapse; installs it where it is missing.

    Raises:
        NotInstalled: there is no registry to install it from.
    """
    place = environment()
    if not (place / "installed").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        pip = (str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q")
        for command in ((sys.executable, "-m", "venv", str(place)), (*pip, f"matrix-synapse=={VERSION}")):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise NotInstalled(f"Synapse {VERSION} cannot be installed: {done.stderr.strip()[-300:]}")
        (place / "installed").touch()
    return place / "bin" / "python"


@dataclass(frozen=True, kw_only=True)
class Member:
    """An account of the homeserver, signed in on one device."""

    id: str
    token: str
    device: str
    url: str

    def call(self, method: str, path: str, body: object = None, *, version: str = "v3") -> Any:
        """What the homeserver answers; an error of its own fails the test."""
        headers = {"Authorization": f"Bearer {self.token}"}
        address = f"{self.url}/_matrix/client/{version}{path}"
        json = None if method == "GET" else body or {}
        answer = httpx.request(method, address, json=json, headers=headers, trust_env=False, timeout=30)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def say(self, room: str, content: dict[str, Any], kind: str = "m.room.message") -> str:
        """The id of the event that this content became."""
        path = f"/rooms/{quote(room)}/send/{kind}/{secrets.token_hex(8)}"
        return str(self.call("PUT", path, content)["event_id"])

    def create(self, *invited: Member, **options: Any) -> str:
        """A room of this account's, others invited; its id."""
        body = {"preset": "private_chat", "invite": [one.id for one in invited], **options}
        return str(self.call("POST", "/createRoom", body)["room_id"])

    def timeline(self, room: str) -> list[dict[str, Any]]:
        """Everything this account can read there, oldest first."""
        page = self.call("GET", f"/rooms/{quote(room)}/messages?dir=b&limit=500")
        return list(reversed(page["chunk"]))

    def joined(self, room: str) -> set[str]:
        """Who is in a room."""
        return set(self.call("GET", f"/rooms/{quote(room)}/joined_members")["joined"])


@dataclass(frozen=True, kw_only=True)
class Homeserver:
    """A running one."""

    url: str

    def member(self, name: str, *, admin: bool = False, display_name: str = "") -> Member:
        """A new account; the name is made unique."""
        where = f"{self.url}/_synapse/admin/v1/register"
        nonce = httpx.get(where, trust_env=False, timeout=30).json()["nonce"]
        user, password = f"{name}-{secrets.token_hex(4)}", secrets.token_hex(8)
        signed = "\0".join((nonce, user, password, "admin" if admin else "notadmin"))
        mac = hmac.new(_SECRET.encode(), signed.encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": user, "password": password, "admin": admin, "mac": mac}
        told = httpx.post(where, json=body, trust_env=False, timeout=30).json()
        made = Member(id=told["user_id"], token=told["access_token"], device=told["device_id"], url=self.url)
        if display_name:
            made.call("PUT", f"/profile/{quote(made.id)}/displayname", {"displayname": display_name})
        return made


@contextmanager
def homeserver(place: Path) -> Iterator[Homeserver]:
    """A homeserver that runs until the block ends. Raises NotInstalled."""
    with kept_port() as port:
        yield from _running(place, port)


def _running(place: Path, port: int) -> Iterator[Homeserver]:
    interpreter = str(python())
    module = (interpreter, "-m", "synapse.app.homeserver", "-c", str(place / "base.yaml"))
    generate = (*module, "--generate-config", "--server-name", SERVER, "--report-stats", "no")
    subprocess.run(generate, cwd=place, check=True, capture_output=True)
    own = place / "own.yaml"
    own.write_text(_SETTINGS.format(server=SERVER, port=port, place=place, secret=_SECRET))
    with (place / "log").open("wb") as log:
        running = subprocess.Popen((*module, "-c", str(own)), cwd=place, stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}/_matrix/client/versions", running, place / "log")
            yield Homeserver(url=f"http://127.0.0.1:{port}")
        finally:
            running.terminate()
            running.wait(120)


def _wait(address: str, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and running.poll() is None:
        try:
            if httpx.get(address, trust_env=False, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"Synapse did not start: {log.read_text(errors='replace')[-2000:]}")


if __name__ == "__main__":
    try:
        print(f"Synapse {VERSION} is at {python().parent.parent}")
    except NotInstalled as error:
        print(f"{error}\nThe tests that need a homeserver are left out.")
