"""The offline proof: what it catches, what it says, and that it never says "proven" where nothing is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from rag.govern.proof import certificate
from rag.govern.proof.control import Control
from rag.govern.proof.specimens import specimens
from rag.govern.proof.trial import LEFT, NOT_RUN, PROVEN, verdict
from rag.ingest.parse import media, media_type_of
from rag.ingest.parse.profiles import PROFILES
from rag.kernel import landlock
from rag.models.catalogue import default_directory
from rag.models.weights import find
from rag.text.sentences import texts

ROOT = Path(__file__).parents[2]
MODELS = default_directory(os.environ)


def _namespaces() -> bool:
    code = "from rag.kernel import namespaces as n\nn.leave()\nn.sink()"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0


isolated = pytest.mark.skipif(not _namespaces(), reason="this machine lets nobody make a network namespace: not proven")


def caught(*, missing: int = 0) -> list[Control]:
    return [Control(what="a connection", by="Python", when="before", caught=number >= missing) for number in range(8)]


@pytest.mark.parametrize(
    ("found", "means"),
    [
        ({}, PROVEN),
        ({"contacts": ["TCP 192.0.2.9"]}, LEFT),
        ({"names": ["x.example"]}, LEFT),
        ({"inside": ["TCP 3128"]}, LEFT),
        ({"names": ["x.example"], "problem": "it ended early", "missed": 3, "caught": []}, LEFT),
        ({"problem": "`rag serve` ended with 1"}, NOT_RUN),
        ({"missed": 1}, NOT_RUN),
        ({"caught": caught(missing=1)}, NOT_RUN),
        ({"caught": caught()[:6]}, NOT_RUN),
        ({"caught": []}, NOT_RUN),
    ],
)
def test_nothing_is_proven_but_by_a_whole_trial_whose_controls_were_caught(found: dict[str, Any], means: str) -> None:
    whole = {"contacts": [], "names": [], "inside": [], "caught": caught(), "missed": 0, "problem": ""}
    assert verdict(**(whole | found)) == means


def test_there_is_a_specimen_of_every_kind_that_is_read() -> None:
    kinds = {media_type_of(name, body) for name, body in specimens().items()}
    unseen = set(PROFILES["default"]) - kinds
    assert unseen <= {media.XLSB, "application/x-ole-storage", "application/docbook+xml", "multipart/related"}


CAUGHT = """
import json, subprocess, sys, time
from rag.kernel import namespaces
from rag.govern.proof.sink import NAME_SERVER, Sink
from rag.govern.proof.control import controls
from rag.govern.proof.trial import _name_service
namespaces.leave()
ipv6 = namespaces.sink()
with _name_service():
    sink = Sink()
    sink.start()
    time.sleep(0.3)
    quiet = dict(sink.contacts)
    found = [control.caught for control in controls(sink, when="before", number=1)]
    for code in sys.argv[1:]:
        tried = "import socket\\ntry:\\n    " + code + "\\nexcept OSError: pass"
        subprocess.run([sys.executable, "-I", "-S", "-c", tried])
    until = time.monotonic() + 60
    while time.monotonic() < until and not (sink.inside["UDP 3129"] and any("443" in said for said in sink.said)):
        time.sleep(0.02)  # the last of the packets, and the one who said whom it wanted
    print(json.dumps([quiet, found, list(sink.contacts), sink.names, dict(sink.inside), sink.said, sink.close(), ipv6]))
"""
TRIES = {
    "socket.create_connection(('leak.example', 443), 2).sendall(b'GET / HTTP/1.1\\r\\nHost: leak.example')":
        "TCP 198.18.0.3 (leak.example), port 443",
    "socket.create_connection(('8.8.8.8', 4444), 2)": "TCP 8.8.8.8, port 4444",
    "socket.socket(2, 2).sendto(b'x', ('239.255.255.250', 1900))": "UDP 239.255.255.250, port 1900",
    "socket.socket(2, 2).sendto(b'x', ('10.1.2.3', 53))": "UDP 10.1.2.3, port 53",
}  # fmt: skip


@isolated
def test_the_sink_catches_and_names_every_way_out_and_hears_nothing_where_nothing_is() -> None:
    more = ["socket.create_connection(('2001:db8::9', 25), 2)", "socket.socket(2, 2).sendto(b'x', ('127.0.0.1', 3129))"]
    done = subprocess.run(
        [sys.executable, "-c", CAUGHT, *TRIES, *more],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    quiet, found, contacts, names, inside, said, missed, ipv6 = json.loads(done.stdout)
    assert quiet == {}
    assert found == [True] * 4
    assert set(TRIES.values()) <= set(contacts)
    assert "TCP 2001:db8::9, port 25" in contacts or not ipv6
    assert "leak.example" in names and "port 443: leak.example" in said
    assert inside["UDP 3129"] == 1 and missed == 0


def prove(home: Path, *arguments: str, **environ: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, certificate, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "rag", "doctor", "--prove-offline", "--quick", "--json", "--home", home, *arguments],
        capture_output=True, text=True, check=False, cwd=home.parent, timeout=1500,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environ,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stderr


def _weights() -> bool:
    try:
        find("e5-small", directory=MODELS)
    except Exception:
        return False
    return True


weighty = pytest.mark.skipif(not _weights(), reason="the embedder's weights are not here: `rag models fetch`")


@isolated
@weighty
@pytest.mark.models
@pytest.mark.timeout(1600)
def test_nothing_leaves_while_the_real_stack_works(tmp_path: Path) -> None:
    code, found, said = prove(tmp_path / "home", "--out", str(tmp_path / "out"), "--language", "de")
    assert (code, found["verdict"], found["problem"]) == (0, PROVEN, ""), said
    assert (found["packets"], found["names"], found["inside"]["unexpected"]) == (0, [], [])
    assert [control["caught"] for control in found["controls"]] == [True] * 8
    assert found["stopped"]["stopped_in_python"] == 0
    assert {"rag ingest", "rag ask", "rag search", "stop"} <= {step["what"] for step in found["steps"]}
    assert found["listeners"] == ["tcp port 18088"]
    assert sum(state == "indexed" for state in found["documents"].values()) > 20
    (written,) = (tmp_path / "out").glob("*.json")
    assert certificate.holds(written, tmp_path / "home")
    (readable,) = (tmp_path / "out").glob("*.txt")
    assert "NACHGEWIESEN" in readable.read_text()


LEAK = """
import sys
def watch(event, arguments):
    if event == "import" and arguments[0] == "chromadb" and not done:
        done.append(1)
        import ctypes, struct, threading
        def leak():
            libc, found = ctypes.CDLL(None), ctypes.c_void_p()
            libc.getaddrinfo(b"planted.example", b"80", None, ctypes.byref(found))
            where = struct.pack("=H", 2) + struct.pack("!H", 443) + bytes((192, 0, 2, 200)) + bytes(8)
            libc.connect(libc.socket(2, 1, 0), where, len(where))
        threading.Thread(target=leak, daemon=True).start()
done = []
sys.addaudithook(watch)
"""


@isolated
@weighty
@pytest.mark.models
@pytest.mark.timeout(3200)
@pytest.mark.skipif(landlock.abi() < landlock.PORTS_ABI, reason="no kernel guard here (Linux 6.7)")
def test_a_planted_leak_in_native_code_is_found_and_the_kernel_guard_alone_stops_it(tmp_path: Path) -> None:
    plant = tmp_path / "plant"
    plant.mkdir()
    (plant / "sitecustomize.py").write_text(LEAK)
    paths = {"PYTHONPATH": f"{plant}:{ROOT}"}
    code, found, _ = prove(tmp_path / "home", **paths)
    assert (code, found["verdict"]) == (1, LEFT)
    assert "planted.example" in found["names"] and "TCP 192.0.2.200, port 443" in found["contacts"]
    code, found, said = prove(tmp_path / "home", "--without-switches", **paths)
    assert (code, found["verdict"], found["problem"]) == (0, PROVEN, ""), said
    assert found["switches"] == {} and not found["guard_in_python"]
    assert (found["packets"], found["names"]) == (0, [])
    assert found["stopped"]["stopped_by_kernel"] >= 1


def test_where_it_cannot_be_run_it_says_so_and_proves_nothing(tmp_path: Path) -> None:
    plant = tmp_path / "plant"
    plant.mkdir()
    (plant / "sitecustomize.py").write_text(
        "import sys\nif 'rag.govern.proof.trial' in sys.orig_argv:\n"
        "    from rag.kernel import namespaces\n"
        "    def leave():\n        raise OSError(1, 'Operation not permitted')\n    namespaces.leave = leave\n"
    )
    code, found, _ = prove(tmp_path / "home", PYTHONPATH=f"{plant}:{ROOT}")
    assert (code, found["verdict"]) == (2, NOT_RUN)
    assert found["problem"] == "this machine gives no network namespace to try it in (Operation not permitted)"
    assert "packets" not in found


@isolated
def test_a_stack_that_does_not_run_proves_nothing(tmp_path: Path) -> None:
    code, found, _ = prove(tmp_path / "home", RAG_MODELS=str(tmp_path / "none"))
    assert (code, found["verdict"]) == (2, NOT_RUN)
    assert "rag ingest" in found["problem"]


NOBODY = """
set -e
mount -t tmpfs -o mode=755 none {room}  # in this namespace only
mkdir {room}/root {room}/python {room}/libraries {room}/state
mount --bind {libraries} {room}/libraries
mount --bind {root} {room}/root
mount --bind {python} {room}/python
chown 65534:65534 {room}/state
mount -t tmpfs -o mode=755 none {hidden}
mkdir -p {python}
mount --bind {room}/python {python}
cd {room}/root
export PYTHONPATH={room}/libraries
exec setpriv --reuid 65534 --regid 65534 --clear-groups {program} -c "$1"
"""
ONE_USER = """
import sys
sys.path[:0] = ["."]
from rag.kernel import namespaces
from rag.govern.proof.sink import Sink
from rag.govern.proof.control import controls
from rag.govern.proof.trial import _name_service
import os, tempfile
tempfile.tempdir = "/mnt/state" if os.path.exists("/mnt/state") else None
namespaces.leave(); namespaces.sink()
with _name_service():
    sink = Sink(); sink.start()
    print(os.getuid(), [one.caught for one in controls(sink, when="before", number=1)], sink.close())
"""


@isolated
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")
def test_it_needs_no_root() -> None:
    base = Path(sys.base_prefix)
    script = NOBODY.format(
        room="/mnt",
        root=ROOT,
        libraries=sysconfig.get_paths()["purelib"],
        python=base,
        hidden=f"/{base.parts[1]}",
        program=base / "bin" / "python3",
    )
    if base.parts[1] == "usr":  # open to all already
        script = f'cd {ROOT} && exec setpriv --reuid 65534 --regid 65534 --clear-groups {sys.executable} -c "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", ONE_USER],
        capture_output=True, text=True, check=False, timeout=120, env={"PATH": os.environ["PATH"], "TMPDIR": "/tmp"},
    )  # fmt: skip
    assert done.stdout == "65534 [True, True, True, True] 0\n", done.stderr


FOUND: dict[str, Any] = {
    "verdict": PROVEN, "problem": "", "began": "2026-11-26T01:02:03Z", "seconds": 41.0, "archivar": "0.1.0",
    "kernel": "Linux", "versions": {"python": "3.11"}, "program_sha256": "ab", "configured": [],
}  # fmt: skip


def test_a_certificate_that_was_changed_does_not_hold(tmp_path: Path) -> None:
    home = tmp_path / "home"
    data, _ = certificate.write(certificate.signed(FOUND, home), tmp_path / "out", language="en")
    assert certificate.holds(data, home)
    assert (home / "proof.key").stat().st_mode & 0o777 == 0o600
    whole = data.read_text()
    for old, new in ((PROVEN, LEFT), ("41.0", "41.1"), ("Linux", "linux")):
        data.write_text(whole.replace(old, new, 1))
        assert not certificate.holds(data, home)
    data.write_text(whole)
    assert not certificate.holds(data, tmp_path / "another")


def test_a_signature_says_what_it_is_worth(tmp_path: Path) -> None:
    signed = certificate.signed(FOUND, tmp_path / "home")
    assert "shows nothing against the machine's administrator" in signed["signature"]["worth"]
    for language, word in (("de", "gilt nicht gegen"), ("en", "holds nothing against")):
        assert word in "\n".join(certificate.page(signed, language))


@pytest.mark.parametrize("paper", ["proof", "records"])
def test_a_paper_says_the_same_in_both_languages(paper: str) -> None:
    german, english = texts("de", paper), texts("en", paper)
    assert german.keys() == english.keys()
    assert all(german.values()) and all(english.values())
    marks = {key: sorted(part.split("}")[0] for part in text.split("{")[1:]) for key, text in german.items()}
    assert marks == {key: sorted(part.split("}")[0] for part in text.split("{")[1:]) for key, text in english.items()}
