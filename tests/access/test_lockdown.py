"""The kernel guard, in processes of their own, since it cannot be taken off again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.egress.endpoints import Endpoint, endpoint, endpoints
from rag.egress.lockdown import Lockdown, Mode
from rag.kernel import landlock

pytestmark = pytest.mark.skipif(
    landlock.abi() < landlock.PORTS_ABI, reason="this kernel has no Landlock with rules on ports (Linux 6.7)"
)

BEGIN = """
import ctypes, json, os, socket, struct, subprocess, sys, threading
from rag.egress.closing import close_in
from rag.egress.endpoints import Endpoint
from rag.egress.lockdown import Mode
libc = ctypes.CDLL(None, use_errno=True)
def make(*kind):
    found = libc.socket(*kind)
    return os.strerror(ctypes.get_errno()) if found < 0 else "made"
def connect(port, flags=None):
    where = struct.pack("=H", 2) + struct.pack("!H", port) + bytes((127, 0, 0, 1)) + bytes(8)
    held = libc.socket(2, 1, 0)
    done = libc.connect(held, where, 16) if flags is None else libc.sendto(held, b"x", 1, flags, where, 16)
    return "done" if done >= 0 else os.strerror(ctypes.get_errno())
"""
CLOSED = (
    BEGIN + "open_port = int(sys.argv[1])\nnow = close_in(Mode.STRICT, endpoints=[Endpoint('127.0.0.1', open_port)])\n"
)


def run(code: str, *arguments: str, code_wanted: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == code_wanted, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[int, int]]:
    """Two ports of this machine that answer: one that is listed, and one that is not."""
    with socket.create_server(("127.0.0.1", 0)) as listed, socket.create_server(("127.0.0.1", 0)) as other:

        def answer(server: socket.socket) -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        for server in (listed, other):
            threading.Thread(target=answer, args=(server,), daemon=True).start()
        yield listed.getsockname()[1], other.getsockname()[1]
        for server in (listed, other):
            server.shutdown(socket.SHUT_RDWR)


KINDS = {
    "UDP": "2, 2, 0", "UDP over IPv6": "10, 2, 0", "raw": "2, 3, 1", "packet": "17, 3, 0", "MPTCP": "2, 1, 262",
    "SCTP": "2, 1, 132", "vsock": "40, 1, 0", "netfilter": "16, 3, 12", "crypto": "38, 5, 0", "UDP-Lite": "2, 2, 136",
}  # fmt: skip


def test_native_code_can_make_no_socket_but_tcp_and_local_ones(servers: tuple[int, int]) -> None:
    body = "print(json.dumps({" + ", ".join(f"{name!r}: make({kind})" for name, kind in KINDS.items()) + "}))"
    said = json.loads(run(CLOSED + body, str(servers[0])))
    assert said == dict.fromkeys(KINDS, "Operation not permitted")
    allowed = run(CLOSED + "print(make(2, 1, 0), make(10, 1, 6), make(1, 1, 0), make(1, 2, 0))", str(servers[0]))
    assert allowed.split() == ["made"] * 4


def test_tcp_reaches_the_listed_port_and_no_other_in_native_code_and_in_children(servers: tuple[int, int]) -> None:
    listed, other = map(str, servers)
    body = (
        "print(connect(int(sys.argv[1])), '|', connect(int(sys.argv[2])))\nsys.stdout.flush()\n"
        "if os.fork() == 0:\n"
        "    os.execv(sys.executable, [sys.executable, '-c', sys.argv[3], *sys.argv[1:3]])\n"
        "os.wait()"
    )
    child = BEGIN + "print(connect(int(sys.argv[1])), '|', connect(int(sys.argv[2])), '|', make(2, 2, 0))"
    guarded = CLOSED.replace(
        "now = close_in", "from rag.egress.guard import Guard\nGuard.install = lambda self: None\nnow = close_in"
    )
    first, second = run(guarded + body, listed, other, child).splitlines()
    assert first == "done | Permission denied"
    assert second == "done | Permission denied | Operation not permitted"


def test_a_thread_that_starts_later_is_held_too(servers: tuple[int, int]) -> None:
    body = (
        "found = []\none = threading.Thread(target=lambda: found.extend([connect(int(sys.argv[2])), make(2, 2, 0)]))\n"
        "one.start(); one.join(); print(found)"
    )
    assert run(CLOSED + body, *map(str, servers)) == "['Permission denied', 'Operation not permitted']\n"


def test_a_send_that_connects_does_not_pass_by(servers: tuple[int, int]) -> None:
    """Landlock sees `connect`; MSG_FASTOPEN connects without one."""
    body = "print(connect(int(sys.argv[2]), flags=0x20000000), '|', connect(int(sys.argv[1]), flags=0x20000000))"
    assert run(CLOSED + body, *map(str, servers)) == "Operation not permitted | Operation not permitted\n"


def test_io_uring_and_other_processes_are_shut(servers: tuple[int, int]) -> None:
    body = (
        "room = ctypes.create_string_buffer(256)\n"
        "for call in ((425, 8, room), (101, 16, 1, 0, 0), (308, 0, 0)):\n"
        "    print(libc.syscall(*call), os.strerror(ctypes.get_errno()))"
    )
    if os.uname().machine != "x86_64":
        pytest.skip("call numbers of x86_64")
    assert run(CLOSED + body, str(servers[0])).splitlines() == ["-1 Operation not permitted"] * 3


def test_it_listens_at_its_own_port_and_no_other() -> None:
    body = (
        "now = close_in(Mode.STRICT, endpoints=[], listen=[0])\n"
        "print(socket.create_server(('127.0.0.1', 0)).getsockname()[1] > 0)\n"
        "try:\n    socket.create_server(('127.0.0.1', 65123))\n"
        "except PermissionError as error:\n    print(error.strerror[:17])"
    )
    assert run(BEGIN + body).splitlines() == ["True", "Permission denied"]


def test_what_the_kernel_stops_is_counted_and_named_also_in_native_code(servers: tuple[int, int]) -> None:
    body = (
        "connect(int(sys.argv[1])); connect(int(sys.argv[2])); make(2, 2, 0); make(2, 3, 1)\n"
        "connect(open_port, 0x20000000); local = socket.socketpair()\n"
        "print(json.dumps(now.lockdown.stopped()))"
    )
    count, last = json.loads(run(CLOSED + body, *map(str, servers)))
    assert count == 4
    wanted = (f"connection to 127.0.0.1, port {servers[1]} (python", "UDP socket", "raw socket", "by sending")
    assert [what in line for what, line in zip(wanted, last, strict=True)] == [True] * 4


def test_without_its_witness_everything_stays_shut(servers: tuple[int, int]) -> None:
    body = (
        "import signal, time\nwitness = now.lockdown.stopped.__self__\nos.kill(witness.pid, signal.SIGKILL)\n"
        "os.waitid(os.P_PID, witness.pid, os.WEXITED | os.WNOWAIT)\n"
        "print(make(2, 2, 0), '|', connect(int(sys.argv[2])), '|', make(1, 1, 0), '|', now.lockdown.alive())"
    )
    udp, other, local, alive = run(CLOSED + body, *map(str, servers)).strip().split(" | ")
    assert udp != "made" and other != "done" and local == "made" and alive == "False"


def test_the_witness_ends_with_its_process(servers: tuple[int, int]) -> None:
    witness = int(run(CLOSED + "print(now.lockdown.stopped.__self__.pid)", str(servers[0])))
    for _ in range(200):
        state = Path(f"/proc/{witness}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        threading.Event().wait(0.05)
    pytest.fail("it is still there")


REFUSED = """
from rag.errors import SettingsError
threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    now = close_in(Mode(sys.argv[1]), endpoints=[])
    print(now.lockdown.active, now.lockdown)
except SettingsError as error:
    print(error)
"""


def test_strict_refuses_to_start_where_it_cannot_hold_all_threads() -> None:
    said = run(BEGIN + REFUSED, "strict")
    assert said.startswith('egress.lockdown is "strict", but the kernel guard cannot be had: it must be put on before')
    assert "where-available" in said


def test_where_available_goes_on_without_and_says_so() -> None:
    assert run(BEGIN + REFUSED, "where-available").startswith(
        "False not active: it must be put on before other threads"
    )


@pytest.mark.parametrize(("abi", "says"), [(0, "has no Landlock"), (3, "rules on ports came with 4")])
def test_strict_refuses_to_start_on_a_kernel_without_it(abi: int, says: str) -> None:
    code = f"from rag.kernel import landlock\nlandlock.abi = lambda: {abi}\n"
    tried = REFUSED.replace("threading.Thread(target=threading.Event().wait, daemon=True).start()", "")
    said = run(BEGIN + code + tried, "strict")
    assert says in said and said.startswith("egress.lockdown is")
    assert run(BEGIN + code + tried, "where-available").startswith("False not active: Linux")


def test_off_closes_nothing_in_the_kernel() -> None:
    assert run(BEGIN + "print(close_in(Mode.OFF, endpoints=[]).lockdown, make(2, 2, 0))") == "off made\n"


NAMES = """
real = socket.getaddrinfo
def resolver(host, *rest, **more):  # a name server at the edge of the machine
    asked.append(host)
    if host == "gpu.example":
        return [(2, 1, 6, "", ("127.0.0.1", 0))]
    if host == "gone.example":
        raise socket.gaierror(-2, "unknown")
    return real(host, *rest, **more)
asked = []
socket.getaddrinfo = resolver
import logging; logging.disable(logging.CRITICAL)
now = close_in(Mode.STRICT, endpoints=[Endpoint("gpu.example", int(sys.argv[1])), Endpoint("gone.example", 443)])
before = list(asked)
socket.create_connection(("GPU.example.", int(sys.argv[1]))).close()
print(before, now.lost, "gpu.example" in asked[len(before):], now.lockdown.stopped()[0])
for host in ("gone.example", "other.example"):
    try:
        socket.getaddrinfo(host, 443)
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_listed_names_are_looked_up_before_and_never_again(servers: tuple[int, int]) -> None:
    first, gone, other = run(BEGIN + NAMES, str(servers[0])).splitlines()
    assert first == "['gpu.example', 'gone.example'] ('gone.example',) False 0"
    assert gone.startswith("gaierror") and "was not found when this process started" in gone
    assert other.startswith("EgressDenied")


def test_localhost_is_no_question_for_a_name_server(servers: tuple[int, int]) -> None:
    """The system's look-up of it makes UDP sockets, which would be counted as attempts to leave."""
    body = "socket.create_connection(('localhost', open_port)).close(); print(now.lockdown.stopped()[0])"
    assert run(CLOSED + body, str(servers[0])) == "0\n"


@pytest.mark.parametrize(
    "text",
    ["*", "*.example", "http://x.example", "10.0.0.0/8", "a b", "", "x:0", "x:65536", "a..b", "-x", "2130706433"],
)
def test_the_allow_list_takes_hosts_only(text: str) -> None:
    with pytest.raises(ValueError):
        endpoint(text)


def test_an_endpoint_is_read_with_its_port() -> None:
    assert endpoint("Wiki.Example.") == Endpoint("wiki.example", None)
    assert endpoint("[2001:db8::1]:8443") == Endpoint("2001:db8::1", 8443)
    assert endpoint("::1") == Endpoint("::1", None)
    found = endpoints(allow=["a.example:1", "a.example:1"], servers=["https://b.example/v1", "http://c.example"])
    assert list(map(str, found)) == ["a.example:1", "b.example:443", "c.example:80"]


def test_a_lockdown_says_of_itself_what_holds() -> None:
    assert str(Lockdown(mode=Mode.OFF)) == "off"
    assert not Lockdown(mode=Mode.OFF).active
    assert "TCP to ports: none; listening at: any free one" in str(Lockdown(mode=Mode.STRICT, bind=(0,), landlock=7))


def test_a_listed_host_that_moves_is_followed_by_a_process_that_knows_no_other_name(
    servers: tuple[int, int], tmp_path: Path
) -> None:
    where = tmp_path / "where"
    where.write_text("192.0.2.1")
    body = """
where, port = sys.argv[1], int(sys.argv[2])
ask = socket.getaddrinfo
def moving(host, *rest, **more):
    if host in ("wiki.example", "evil.example"):
        host = open(where).read()
    return ask(host, *rest, **more)
socket.getaddrinfo = moving
from rag.egress import closing
closing.Following.__init__.__kwdefaults__["kept_s"] = 0.0
made = []
class Kept(closing.Lookups):
    def __init__(self, names):
        super().__init__(names)
        made.append(self)
closing.Lookups = Kept
now = close_in(Mode.STRICT, endpoints=[Endpoint("wiki.example", port)], follow=True)
found = {"followed": now.followed, "before": [entry[4][0] for entry in socket.getaddrinfo("wiki.example", port)]}
open(where, "w").write("127.0.0.1")
found["after"] = [entry[4][0] for entry in socket.getaddrinfo("wiki.example", port)]
with socket.create_connection(("wiki.example", port), 5):
    found["reached"] = True
open(where, "w").write("192.0.2.7")
socket.getaddrinfo("wiki.example", port)
found["admitted"] = sorted(address for address in now.guard._ports if address[0] == "1")
found["other"] = made[0].ask("evil.example")
made[0]._channel.send(bytes([7]))
found["beyond"] = json.loads(made[0]._channel.recv(1000))["addresses"]
made[0]._channel.send(b"evil.example")
found["text"] = json.loads(made[0]._channel.recv(1000))["addresses"]
found["children"] = len(open(f"/proc/self/task/{os.getpid()}/children").read().split())
print(json.dumps(found))
"""
    said = json.loads(run(BEGIN + body, str(where), str(servers[0])))
    assert said["followed"] is True
    assert set(said["before"]) == {"192.0.2.1"}
    assert set(said["after"]) == {"127.0.0.1"}
    assert said["reached"] is True
    assert said["admitted"] == ["127.0.0.1", "192.0.2.1", "192.0.2.7"]
    assert said["other"] == said["beyond"] == said["text"] == []
    assert said["children"] == 2, "the witness, and the one that looks names up"
