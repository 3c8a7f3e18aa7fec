"""The file behind a document: given to whoever may read it now, as it was indexed, to be saved and nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from rag.access import Channel, ChannelKind
from rag.api.ranges import Unsatisfiable, disposition, part_of, shown_name
from rag.credentials.identified import INTRANET
from tests.doors.http.archive import HANDBOOK, LEAVE, Archive, mail, packed, pdf
from tests.doors.http.conftest import served

OFFER = pdf("Das Angebot gilt bis zum 31. Mai.")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with Archive(tmp_path_factory.mktemp("archive")) as opened:
        opened.put("haus/urlaub.pdf", LEAVE.read_bytes())
        opened.put("haus/handbook.docx", HANDBOOK.read_bytes())
        opened.put("haus/seite.html", "<html><script>alert(1)</script><p>Urlaub für alle.</p></html>")
        inner = packed(angebot__pdf=OFFER, notiz__txt=b"Eine Notiz im Archiv.")
        opened.put("haus/post.eml", mail(("angebot.pdf", OFFER), ("alles.zip", inner)))
        opened.put("haus/leer.pdf", b"")
        opened.put("tresor/geheim.txt", "Das Gehalt beträgt 4711 Euro.")
        opened.sync()
        yield opened


@pytest.mark.parametrize("name", ["urlaub.pdf", "handbook.docx", "seite.html", "post.eml"])
def test_the_original_is_the_file_byte_for_byte(archive: Archive, name: str) -> None:
    response = archive.as_("anna").get(f"/api/documents/{archive.key(f'haus:{name}')}/original")
    content = (archive.base / "haus" / name).read_bytes()
    assert response.status_code == 200
    assert response.content == content
    assert response.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'


@pytest.mark.parametrize(
    ("document", "content"),
    [
        ("post.eml!/angebot.pdf", OFFER),
        ("post.eml!/alles.zip!/angebot.pdf", OFFER),
        ("post.eml!/alles.zip!/notiz.txt", b"Eine Notiz im Archiv."),
    ],
)
def test_a_document_inside_another_is_taken_out_of_it(archive: Archive, document: str, content: bytes) -> None:
    response = archive.as_("anna").get(f"/api/documents/{archive.key(f'haus:{document}')}/original")
    assert (response.status_code, response.content) == (200, content)
    assert f'filename="{document.rsplit("/", 1)[1]}"' in response.headers["content-disposition"]


def test_nothing_is_ever_opened_as_a_page_of_this_site(archive: Archive) -> None:
    response = archive.as_("anna").get(f"/api/documents/{archive.key('haus:seite.html')}/original")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith("attachment;")
    assert response.headers["content-security-policy"].startswith("sandbox;")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def test_a_head_tells_the_size_and_sends_nothing(archive: Archive) -> None:
    address = f"/api/documents/{archive.key('haus:urlaub.pdf')}/original"
    head, whole = archive.as_("anna").head(address), archive.as_("anna").get(address)
    assert head.content == b""
    for name in ("content-length", "etag", "content-type", "content-disposition", "last-modified", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]


def test_a_version_that_is_had_already_is_not_sent_again(archive: Archive) -> None:
    client, address = archive.as_("anna"), f"/api/documents/{archive.key('haus:urlaub.pdf')}/original"
    tag = client.get(address).headers["etag"]
    for header in (tag, f'"other", W/{tag}', "*"):
        assert client.get(address, headers={"if-none-match": header}).status_code == 304
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), ("bytes=-7", -7, None), ("bytes=10-", 10, None),
        ("bytes=0-99999999999", 0, None), ("bytes=-99999999999", 0, None),
    ],
)  # fmt: skip
def test_one_range_is_given(archive: Archive, header: str, start: int, end: int | None) -> None:
    address = f"/api/documents/{archive.key('haus:urlaub.pdf')}/original"
    response = archive.as_("anna").get(address, headers={"range": header})
    content = LEAVE.read_bytes()
    first = start if start >= 0 else len(content) + start
    assert response.status_code == 206
    assert response.content == content[first:end]
    assert response.headers["content-range"] == f"bytes {first}-{first + len(response.content) - 1}/{len(content)}"


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0", "bytes=0-1,2-3", "bytes=" + "0-0," * 5000])
def test_a_range_that_cannot_be_given_is_refused_at_once(archive: Archive, header: str) -> None:
    address = f"/api/documents/{archive.key('haus:urlaub.pdf')}/original"
    response = archive.as_("anna").get(address, headers={"range": header})
    assert (response.status_code, response.json()["code"]) == (416, "range_not_satisfiable")
    assert response.headers["content-range"] == f"bytes */{LEAVE.stat().st_size}"


def test_a_range_of_another_version_is_the_whole_file(archive: Archive) -> None:
    client, address = archive.as_("anna"), f"/api/documents/{archive.key('haus:urlaub.pdf')}/original"
    tag = client.get(address).headers["etag"]
    part = {"range": "bytes=0-0"}
    assert client.get(address, headers={**part, "if-range": tag}).status_code == 206
    assert client.get(address, headers={**part, "if-range": '"other"'}).status_code == 200
    assert client.get(address, headers={**part, "if-range": "Tue, 05 Mar 2024 09:30:00 GMT"}).status_code == 200


@settings(max_examples=400)
@given(header=st.one_of(st.text(max_size=60), st.from_regex(r"bytes=[0-9\-, ]{0,40}", fullmatch=True)),
       size=st.integers(0, 10_000))  # fmt: skip
def test_whatever_is_asked_for_is_a_part_of_the_file_the_whole_or_nothing(header: str, size: int) -> None:
    try:
        part = part_of(header, size)
    except Unsatisfiable:
        return
    assert part is None or 0 <= part[0] < part[1] <= size


@settings(max_examples=400)
@given(name=st.text(st.characters(codec=None), max_size=300))
def test_a_name_in_a_header_breaks_nothing_and_turns_nothing_round(name: str) -> None:
    header = disposition(name)
    header.encode("latin-1")
    assert header.isprintable() and header.isascii()
    assert header.startswith('attachment; filename="') and header.count('"') == 2
    shown = unquote(header.partition("filename*=UTF-8''")[2])
    assert shown == shown_name(name) and shown
    assert not set(shown) & set('/\\\r\n\x00"\u202e\u2066\u200f')


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("angebot.pdf", "angebot.pdf"), ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie x=1.pdf"),
        ("\u202efdp.exe", "fdp.exe"), ("Löhne & Gehälter.xlsx", "Löhne & Gehälter.xlsx"),
        ("../../etc/passwd", "etcpasswd"), ("", "document"), ("...", "document"),
        ("a" * 400 + ".pdf", "a" * 146 + ".pdf"),
    ],
)  # fmt: skip
def test_names_are_shown_as_they_are_or_without_tricks(name: str, shown: str) -> None:
    assert shown_name(name).replace("..", "") == shown


def test_a_file_that_was_replaced_since_is_not_given_under_its_name(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        path = archive.put("haus/blatt.txt", "Erste Fassung.")
        archive.sync()
        client, address = archive.as_("anna"), f"/api/documents/{archive.key('haus:blatt.txt')}/original"
        assert client.get(address).content == b"Erste Fassung."
        path.write_text("Zweite Fassung, noch nicht gelesen.")
        changed = client.get(address)
        assert (changed.status_code, changed.json()["code"]) == (409, "document_changed")
        archive.sync()
        assert client.get(address).content.startswith(b"Zweite")
        path.unlink()
        assert client.get(address).json()["code"] == "document_changed"


def test_a_key_for_a_cloud_is_not_told_what_there_is_beyond_what_it_carries(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.put("haus/urlaub.pdf", LEAVE.read_bytes())
        archive.put("tresor/plan.docx", HANDBOOK.read_bytes())
        archive.sync()
        for channel, models, counted in (
            (INTRANET, ["archivar", "archivar/haus", "archivar/tresor"], 2),
            (Channel(kind=ChannelKind.CLOUD_CHAT), ["archivar", "archivar/haus"], 0),
        ):
            key = archive.app.keys.add("k", user="boss", scopes=["ask", "search"], channel=channel, days=None)[1]
            client = TestClient(archive.web, base_url="http://localhost", client=("127.0.0.1", 50000))
            client.headers["authorization"] = f"Bearer {key}"
            assert [one["id"] for one in client.get("/v1/models").json()["data"]] == models
            assert client.get("/api/filters").json()["sources"] == [one[9:] for one in models[1:]]
            assert client.get("/readyz").json()["index"]["documents"] == counted, "what it carries whole"
        wrong = {"model": "archivar/tresor", "messages": [{"role": "user", "content": "Urlaub?"}]}
        refused, unknown = (
            client.post("/v1/chat/completions", json=wrong | {"model": name})
            for name in ("archivar/tresor", "archivar/x")
        )
        assert refused.status_code == unknown.status_code == 404


def test_a_download_ends_with_the_credential(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.put("haus/plan.pdf", LEAVE.read_bytes() + b"\n%" + b"x" * (32 << 20))
        archive.sync()
        with (
            served(archive.app) as url,
            httpx.Client(trust_env=False, timeout=30, headers={"x-remote-user": "anna"}) as client,
        ):
            address = f"{url}/api/documents/{archive.key('haus:plan.pdf')}/original"
            with client.stream("GET", address) as response:
                pieces = response.iter_bytes()
                taken = len(next(pieces))
                archive.app.suspensions.suspend("anna")
                with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
                    taken += sum(map(len, pieces))
            assert taken < 16 << 20, "what was on its way, and no more"


def test_a_file_that_was_only_touched_is_given(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        path = archive.put("haus/blatt.txt", "Erste Fassung.")
        archive.sync()
        os.utime(path, (1, 1))
        address = f"/api/documents/{archive.key('haus:blatt.txt')}/original"
        assert archive.as_("anna").get(address).content == b"Erste Fassung."


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        path = archive.put("haus/blatt.txt", "Erste Fassung.")
        secret = archive.put("tresor/geheim.txt", "Erste Fassung.")
        archive.sync("haus")
        address = f"/api/documents/{archive.key('haus:blatt.txt')}/original"
        path.unlink()
        path.symlink_to(secret)
        assert archive.as_("anna").get(address).status_code in (409, 503)


def test_a_share_that_is_gone_is_said_with_what_to_do(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.put("haus/blatt.txt", "Erste Fassung.")
        archive.sync()
        (tmp_path / "haus").rename(tmp_path / "weg")
        response = archive.as_("anna", language="de").get(f"/api/documents/{archive.key('haus:blatt.txt')}/original")
        assert (response.status_code, response.json()["code"]) == (503, "source_unavailable")
        assert "später" in response.json()["detail"]
        assert str(tmp_path) not in response.text


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to somebody else")
def test_a_right_that_was_taken_away_at_the_source_counts_before_any_sync(tmp_path: Path) -> None:
    more = f'[[sources]]\nname = "akten"\npath = "{tmp_path}/akten"\nreaders = "from-filesystem"\nclass = "internal"\n'
    (tmp_path / "akten").mkdir()
    for folder in (tmp_path, *tmp_path.parents[:-1]):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    with Archive(tmp_path, more=more) as archive:
        path = archive.put("akten/blatt.txt", "Erste Fassung.")
        path.chmod(0o644)
        archive.sync()
        key = archive.key("akten:blatt.txt")
        entry = archive.app.ledger.entry(key)
        assert entry is not None
        client = archive.as_("nobody")
        assert client.get(f"/api/documents/{key}/original").status_code == 200
        path.chmod(0o600)
        refused, unknown = (client.get(f"/api/documents/{one}/original") for one in (key, "f" * 24))
        assert refused.status_code == 404
        assert (refused.content, refused.headers) == (unknown.content, unknown.headers)


def test_what_could_not_be_indexed_can_still_be_opened(archive: Archive) -> None:
    response = archive.as_("anna").get(f"/api/documents/{archive.key('haus:leer.pdf')}/original")
    assert (response.status_code, response.content) == (200, b"")
    assert "etag" not in response.headers


def test_who_opened_a_file_is_recorded_before_its_first_byte(archive: Archive) -> None:
    key = archive.key("haus:handbook.docx")
    archive.as_("carla").get(f"/api/documents/{key}/original")
    record = [one for one in archive.app.audit.records() if one["event"] == "opened_original"][-1]
    assert (record["user"], record["document"]) == (archive.app.audit.pseudonym("carla"), key)


@pytest.mark.parametrize("end", ["/original", "/pages/1", "/pages/1/marks", "/text", ""])
@pytest.mark.parametrize("user", ["anna", "stranger"])
def test_somebody_elses_file_is_byte_for_byte_what_does_not_exist(archive: Archive, end: str, user: str) -> None:
    client, closed = archive.as_(user), archive.key("tresor:geheim.txt")
    for method in ("GET", "HEAD"):
        for headers in ({}, {"range": "bytes=0-1"}, {"if-none-match": "*"}):
            looks = [
                client.request(method, f"/api/documents/{one}{end}", headers=headers) for one in (closed, "f" * 24)
            ]
            assert looks[0].status_code in (404, 405)
            assert (looks[0].content, looks[0].headers) == (looks[1].content, looks[1].headers)
