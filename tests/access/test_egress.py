"""The Python guard and the switches. An audit hook cannot be taken off again: each test asks a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.egress import SWITCHES, is_local

TRIES = """
import json, socket, sys
from rag.egress import Guard
from rag.errors import EgressDenied
guard = Guard(json.loads(sys.argv[1]))
guard.install()
def udp(): return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def tcp(): return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
tries = {
    "getaddrinfo": lambda: socket.getaddrinfo("example.com", 443),
    "gethostbyname": lambda: socket.gethostbyname("example.com"),
    "gethostbyaddr": lambda: socket.gethostbyaddr("192.0.2.7"),
    "getnameinfo": lambda: socket.getnameinfo(("192.0.2.7", 80), 0),
    "connect": lambda: tcp().connect(("192.0.2.7", 443)),
    "connect_ex": lambda: tcp().connect_ex(("192.0.2.7", 443)),
    "create_connection": lambda: socket.create_connection(("example.com", 443)),
    "connect v6": lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::7", 443)),
    "connect mapped": lambda: socket.socket(socket.AF_INET6).connect(("::ffff:192.0.2.7", 443)),
    "sendto": lambda: udp().sendto(b"x", ("192.0.2.7", 53)),
    "sendmsg": lambda: udp().sendmsg([b"x"], [], 0, ("192.0.2.7", 53)),
    "loopback": lambda: udp().sendto(b"x", ("127.0.0.1", 9)),
    "localhost": lambda: socket.getaddrinfo("localhost", 80),
    "127.8.8.8": lambda: udp().connect(("127.8.8.8", 9)),
    "listed address": lambda: udp().connect(("192.0.2.99", 9)),
}
for name, attempt in tries.items():
    try:
        attempt()
        said = "passed"
    except EgressDenied as error:
        said = str(error)
    except OSError:
        said = "passed"
    print(name, "|", said)
print("denied", guard.denied)
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())} | environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    lines = run(TRIES, '["192.0.2.99"]').splitlines()
    told = dict(line.split(" | ") for line in lines[:-1])
    return {**told, "count": lines[-1]}


DENIED = [
    *("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo", "connect", "connect_ex", "create_connection"),
    *("connect v6", "connect mapped", "sendto", "sendmsg"),
]


@pytest.mark.parametrize("way", DENIED)
def test_a_way_out_is_closed_in_words(said: dict[str, str], way: str) -> None:
    assert said[way].startswith("A connection to ")
    assert said[way].endswith("except to hosts listed under egress.allow in rag.toml.")


@pytest.mark.parametrize("way", ["loopback", "localhost", "127.8.8.8", "listed address"])
def test_this_machine_and_listed_hosts_are_open(said: dict[str, str], way: str) -> None:
    assert said[way] == "passed"


def test_every_denial_is_counted(said: dict[str, str]) -> None:
    assert said["count"] == f"denied {len(DENIED)}"


LISTED = """
import socket
from rag.egress import Guard
from rag.errors import EgressDenied
def connects(address):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect((address, 9))
    except EgressDenied:
        return "closed"
    except OSError:
        pass
    return "open"
real = socket.getaddrinfo
def resolver(host, *rest, **more):  # a name server at the edge of the machine
    import sys
    sys.audit("socket.getaddrinfo", host, None, 0, 0, 0)
    return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.5", 9))]
socket.getaddrinfo = resolver
guard = Guard(["Models.Example.com"])
guard.install()
print(connects("192.0.2.5"))
socket.getaddrinfo("models.example.COM", 9)
print(connects("192.0.2.5"), connects("192.0.2.6"))
"""


def test_a_listed_host_is_reached_at_its_addresses_and_only_there() -> None:
    assert run(LISTED).split() == ["closed", "open", "closed"]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("", True), ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True)),
        *(("::1%lo", True), ("0.0.0.0", False), ("10.0.0.1", False), ("localhost.example.com", False)),
        *(("127.0.0.1.example.com", False), ("::ffff:192.0.2.1", False), ("2130706433", False), ("example.com", False)),
    ],
)
def test_it_knows_which_addresses_are_this_machine(host: str, local: bool) -> None:
    assert is_local(host) == local


def test_importing_the_product_sets_every_switch_and_drops_cloud_credentials() -> None:
    code = "import rag, os, json; print(json.dumps(dict(os.environ)))"
    banned = dict.fromkeys(("OPENAI_API_KEY", "OLLAMA_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), "secret")
    banned["OTEL_EXPORTER_OTLP_ENDPOINT"] = "https://collector.example.com"
    found = json.loads(run(code, ANONYMIZED_TELEMETRY="True", HF_HUB_OFFLINE="0", **banned))
    assert {name: found.get(name) for name in SWITCHES} == SWITCHES
    assert not found.keys() & banned.keys()


@pytest.mark.parametrize("module", ["openvino_telemetry", "openvino.tools.ovc"])
def test_a_module_that_calls_home_on_import_cannot_be_imported(module: str) -> None:
    code = f"import rag\ntry:\n    import {module}\nexcept ImportError:\n    print('closed')"
    assert run(code) == "closed\n"
