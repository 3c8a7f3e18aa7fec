"""The guard in Python names what it stops, with its stack; and it stops what would start another program (T20)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import json, logging, os, socket, subprocess, sys
from rag import logs
from rag.egress import Guard
from rag.errors import EgressDenied
logs.set_up(level="ERROR", as_json=True)
guard = Guard(["192.0.2.9:8443", "192.0.2.8"])
guard.install()
def tried(attempt):
    try:
        attempt()
        return "passed"
    except EgressDenied as error:
        return str(error)
    except OSError:
        return "passed"
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEGIN + code, *arguments],
        capture_output=True, text=True, check=False, timeout=60, env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_a_denial_is_logged_with_the_calls_that_led_to_it() -> None:
    code = (
        "def phone_home():\n    socket.create_connection(('192.0.2.7', 443), 1)\n"
        "tried(phone_home)\nprint(guard.denied, guard.last[-1].stack)"
    )
    done = run(code)
    logged = json.loads(done.stderr)
    assert (logged["action"], logged["event"], logged["target"]) == ("egress_denied", "socket.getaddrinfo", "192.0.2.7")
    assert "phone_home" in logged["stack"] and "create_connection" in logged["stack"]
    assert done.stdout.startswith("1 (") and "phone_home" in done.stdout


def test_a_stack_holds_no_argument() -> None:
    done = run("def send(secret):\n    socket.getaddrinfo('x.example', 443)\ntried(lambda: send('s3cret'))")
    assert "s3cret" not in done.stderr and "send" in done.stderr


@pytest.mark.parametrize(
    ("family", "kind", "passed"),
    [
        ("AF_INET", "SOCK_RAW", False), ("AF_INET6", "SOCK_RAW", False), ("AF_PACKET", "SOCK_RAW", False),
        ("AF_NETLINK", "SOCK_RAW", False), ("AF_INET", "SOCK_SEQPACKET", False), ("AF_VSOCK", "SOCK_STREAM", False),
        ("AF_INET", "SOCK_STREAM", True), ("AF_INET6", "SOCK_STREAM", True), ("AF_UNIX", "SOCK_STREAM", True),
        ("AF_INET", "SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC", True),
    ],
)  # fmt: skip
def test_sockets_of_other_kinds_are_not_opened(family: str, kind: str, passed: bool) -> None:
    said = run(f"print(tried(lambda: socket.socket(socket.{family}, socket.{kind})))").stdout
    assert (said == "passed\n") is passed


def test_a_listed_port_is_the_only_one() -> None:
    code = (
        "def to(host, port):\n    found = socket.socket()\n    found.settimeout(0.01)\n"
        "    return tried(lambda: found.connect((host, port)))[:6]\n"
        "print(to('192.0.2.9', 8443), to('192.0.2.9', 443), to('192.0.2.8', 1), to('192.0.2.8', 443))"
    )
    assert run(code).stdout == "passed A conn passed passed\n"


STARTS = {
    "subprocess": "subprocess.run(['curl', 'https://x.example'])",
    "a shell": "subprocess.run('curl x', shell=True)",
    "our interpreter with other code": "subprocess.run([sys.executable, '-c', 'pass'])",
    "another module": "subprocess.run([sys.executable, '-m', 'http.server'])",
    "code before a module of ours": "subprocess.run([sys.executable, '-c', 'pass', '-m', 'rag'])",
    "os.system": "os.system('true')",
    "os.popen": "os.popen('true')",
    "os.execv": "os.execv('/bin/true', ['true'])",
    "os.posix_spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "os.spawnv": "os.spawnv(os.P_WAIT, '/bin/true', ['true'])",
    "tesseract with a file": "subprocess.run(['tesseract', '/etc/passwd', '-'])",
}


@pytest.mark.parametrize("way", [way for way in STARTS if way != "os.spawnv"])
def test_t20_another_program_is_not_started(way: str) -> None:
    said = run(f"print(tried(lambda: {STARTS[way]}))").stdout
    assert said.startswith("The program ") and said.endswith("Archivar runs no other than its own.\n")


def test_t20_another_program_is_not_started_by_a_fork_either() -> None:
    code = f"print(tried(lambda: {STARTS['os.spawnv']}) == '0')\nprint(guard.denied)"
    assert "0" in run(code).stdout  # the fork's exec is what is stopped: the child ends with an error


def test_our_own_children_are_started() -> None:
    code = "print(tried(lambda: subprocess.run([sys.executable, '-P', '-m', 'rag', '--version'], check=True)))"
    assert run(code).stdout.splitlines()[-1] == "passed"
