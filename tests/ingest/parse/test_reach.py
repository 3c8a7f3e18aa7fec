"""Rows T14 and T15 of the threat list: a parser fetches nothing and writes nothing, whatever a document asks for."""

from __future__ import annotations

import gzip
import io
import socket
import subprocess
import sys
import threading
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.documents import Parsed
from rag.errors import EmptyDocument
from rag.ingest.parse import ParserPool, media_type_of
from tests.ingest.parse import outlook
from tests.ingest.parse.hostile import calling

linux = pytest.mark.skipif(sys.platform != "linux", reason="walls of the Linux kernel")


@pytest.fixture(scope="module", params=["default", "fallback"])
def pool(request: pytest.FixtureRequest) -> Iterator[ParserPool]:
    with ParserPool(profile=request.param) as opened:
        yield opened


def parse(pool: ParserPool, body: bytes, name: str) -> Parsed:
    return pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name)


# T14: nothing is fetched


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[str, list[object]]]:
    """A server on this machine, and who called it."""
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, who = server.accept()
                except OSError:
                    return
                calls.append(who)
                connection.close()

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", calls
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", calling(""))
def test_t14_a_document_that_would_have_something_fetched_is_read_without(
    pool: ParserPool, listener: tuple[str, list[object]], name: str
) -> None:
    address, calls = listener
    try:
        text = parse(pool, calling(address)[name], name).text
    except EmptyDocument:
        assert name == "b.epub"  # its only chapter is elsewhere
    else:
        assert "Text" in text or "Urlaub" in text or "Umsatz" in text
    assert calls == []


_UNWALLED = """
import sys
from rag.errors import DocumentError
from rag.ingest.parse import confine, media_type_of
from rag.ingest.parse.ocr import OFF, Ocr
from rag.ingest.parse.profiles import Workbench
from rag.kernel import seccomp
from rag.kernel.calls import no_new_privileges
from tests.ingest.parse.hostile import calling
profile, addresses = sys.argv[1], sys.argv[2:]
bench, documents = Workbench(profile, ocr=Ocr(OFF)), [calling(address) for address in addresses]
assert no_new_privileges() and confine._seccomp(deny=seccomp.KILL)
for forms in documents:
    for name, body in forms.items():
        try:
            bench.parse(body, media_type=media_type_of(name, body[:4096]), name=name, ocr=False)
        except DocumentError:
            pass
print("none tried")
if addresses == ["control"]:
    import socket
    socket.socket()
"""


@linux
@pytest.mark.parametrize("profile", ["default", "fallback"])
def test_t14_no_parser_even_tries_to_open_a_socket(profile: str) -> None:
    """Without the child's walls, in a process that dies of the first attempt."""
    addresses = [
        "http://127.0.0.1:9",
        "file:///etc",
        "//host/share",
        "\\\\host\\share",
        "http://169.254.169.254/latest",
    ]
    command = [sys.executable, "-c", _UNWALLED, profile]
    done = subprocess.run([*command, *addresses], capture_output=True, text=True, cwd=Path.cwd(), timeout=120)
    assert (done.stdout.strip(), done.returncode) == ("none tried", 0), done.stderr
    control = subprocess.run([*command, "control"], capture_output=True, text=True, cwd=Path.cwd(), timeout=120)
    assert control.returncode == -31  # SIGSYS: the trap is real


# T15: names are labels

NAMES = [
    "../../x.txt", "/etc/cron.d/x.txt", "..\\..\\x.txt", "C:\\Windows\\x.txt", "\\\\host\\share\\x.txt",
    "a/../../x.txt", "x\x00.txt", "CON", "CON.txt", "n" * 4096 + ".txt", "rechnung\u202etxt.exe",
    "\u2066x\u2069.txt", "..", ".", "", " ",
    "~/x.txt", "$(touch x).txt", "%2e%2e%2fx.txt", "a\nb.txt", "x\x1b[31m.txt",
]  # fmt: skip


def as_eml(names: list[str]) -> bytes:
    quoted = ["".join(f"%{byte:02X}" for byte in name.encode()) for name in names]
    parts = "".join(
        "--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
        f"Content-Disposition: attachment; filename*=utf-8''{name}\n\neA==\n"
        for name in quoted
    )
    return f"From: a@x.example\nSubject: Post\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n".encode()


def as_msg(names: list[str]) -> bytes:
    return outlook.compound(outlook.message(subject="Post", attachments=[(name, b"x") for name in names]))


def as_zip(names: list[str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, name in enumerate(names):
            info = zipfile.ZipInfo(f"{number:04}" + "_" * (len(name.encode()) - 4))
            archive.writestr(info, b"x")
    body = out.getvalue()
    for number, name in enumerate(names):  # the library would clean them
        placed = (f"{number:04}" + "_" * (len(name.encode()) - 4)).encode()
        body = body.replace(placed, name.encode().ljust(len(placed), b"_"))
    return body


@pytest.mark.parametrize("pack", [as_eml, as_msg, as_zip], ids=["eml", "msg", "zip"])
def test_t15_hostile_names_become_harmless_labels_and_nothing_is_written(
    pack: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in NAMES if pack is not as_zip or len(name) > 4]
    suffix = {as_eml: "eml", as_msg: "msg", as_zip: "zip"}[pack]  # type: ignore[index]  # one of the three
    (tmp_path / "scratch").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    monkeypatch.chdir(tmp_path / "home")
    for profile in ("default", "fallback"):
        with ParserPool(profile=profile) as pool:
            parts = parse(pool, pack(names), f"a.{suffix}").parts  # type: ignore[operator]  # a function
            inside = [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]
            assert inside == []  # not even into its own scratch folder
        assert len(parts) == len(names)
        assert len({part.name for part in parts}) == len(parts) or suffix == "zip"
        for part in parts:
            assert part.name and len(part.name) <= 260
            assert not part.name.startswith("/") and "\\" not in part.name
            assert ".." not in part.name.split("/") and "." not in part.name.split("/")
            assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in part.name)
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "scratch"]


def test_t15_a_gzip_s_name_is_a_label_too(pool: ParserPool) -> None:
    out = io.BytesIO()
    with gzip.GzipFile(filename="../../../etc/passwd", fileobj=out, mode="wb") as packed:
        packed.write(b"x")
    for name in ("../../x.txt.gz", "a\u202ex.gz", ".gz", "/etc/x.gz"):
        label = pool.parse(out.getvalue(), media_type="application/gzip", name=name).parts[0].name
        assert label and "/" not in label and "\u202e" not in label
