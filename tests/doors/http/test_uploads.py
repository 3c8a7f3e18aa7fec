"""Files that come in over HTTP: whole or not at all, under a harmless name, and nobody's file is ever overwritten."""

from __future__ import annotations

import os
import socket
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.names import no_document
from rag.errors import SettingsError
from rag.files.upload_names import file_name
from rag.settings.file import load
from tests.doors.http.archive import HANDBOOK, Archive, pdf, until
from tests.doors.http.conftest import served

TEXT = "Das Angebot gilt bis zum 31. Mai."


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path) as opened:
        yield opened


def files(archive: Archive) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((archive.base / "eingang").iterdir())}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("angebot.txt", TEXT.encode(), TEXT), ("angebot.pdf", pdf(TEXT), TEXT), ("buch.docx", HANDBOOK.read_bytes(), "")],
)
def test_a_file_that_was_sent_becomes_a_document(archive: Archive, name: str, content: bytes, words: str) -> None:
    anna = archive.as_("anna")
    sent = archive.send(anna, name, content)
    assert sent.status_code == 202
    assert sent.json()["document_id"] == f"eingang:{name}"
    assert sent.headers["location"] == sent.json()["status"]
    assert files(archive) == {name: content}
    assert anna.get(sent.json()["status"]).json()["state"] == "waiting"
    archive.sync("eingang")
    became = anna.get(sent.json()["status"]).json()
    assert became["state"] == "indexed"
    assert words in anna.get(f"/api/documents/{became['key']}/text").json()["text"]
    assert archive.as_("carla").get(f"/api/documents/{became['key']}").status_code == 200, (
        "its readers are the source's"
    )


def test_a_file_that_cannot_be_read_says_why(archive: Archive) -> None:
    anna = archive.as_("anna", language="de")
    sent = archive.send(anna, "kaputt.pdf", b"%PDF-1.4 nothing").json()
    archive.sync("eingang")
    became = anna.get(sent["status"]).json()
    assert became["state"] == "failed"
    assert "beschädigt" in became["failure"]["said"]


@pytest.mark.parametrize("source", ["haus", "tresor", "gibtesnicht", "eingang:", "../eingang", "%2e"])
def test_where_nothing_is_taken_is_what_does_not_exist(archive: Archive, source: str) -> None:
    anna = archive.as_("anna")
    refused, unknown = (archive.send(anna, "a.txt", "x", source=one) for one in (source, "nirgends"))
    assert refused.status_code == 404
    assert (refused.content, refused.headers) == (unknown.content, unknown.headers)


@pytest.mark.parametrize("user", ["carla", "nobody", "stranger"])
def test_whoever_is_no_uploader_or_no_reader_sends_nothing(archive: Archive, user: str) -> None:
    """`stranger` is an uploader and no reader: a name that is taken would tell what is there."""
    assert archive.send(archive.as_(user), "a.txt", "x").status_code == 404
    assert files(archive) == {}
    assert archive.as_(user).get("/api/uploads").json()["sources"] == []
    assert archive.as_("anna").get("/api/uploads").json() == {"sources": ["eingang"], "max_bytes": 1 << 20}


def test_a_name_that_is_taken_is_refused_whoever_asks(archive: Archive) -> None:
    anna, boss = archive.as_("anna"), archive.as_("boss")
    archive.put("eingang/alt.txt", "Stand schon da.")
    archive.send(anna, "neu.txt", "von Anna")
    for client, name, more in (
        (anna, "alt.txt", {}), (anna, "alt.txt", {"replace": True}), (anna, "neu.txt", {}), (boss, "neu.txt", {}),
        (boss, "neu.txt", {"replace": True}),
    ):  # fmt: skip
        refused = archive.send(client, name, "anderes", **more)
        assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    assert files(archive) == {"alt.txt": b"Stand schon da.", "neu.txt": b"von Anna"}


def test_ones_own_file_is_replaced_where_that_is_asked_for(archive: Archive) -> None:
    anna = archive.as_("anna")
    archive.send(anna, "neu.txt", "Erste Fassung.")
    archive.sync("eingang")
    key = archive.key("eingang:neu.txt")
    sent = archive.send(anna, "neu.txt", "Zweite Fassung.", replace=True)
    assert sent.status_code == 202
    assert anna.get(sent.json()["status"]).json()["state"] == "waiting"
    archive.sync("eingang")
    assert anna.get(sent.json()["status"]).json() == {
        "document_id": "eingang:neu.txt", "key": key, "failure": None, "state": "indexed",
    }  # fmt: skip
    assert files(archive) == {"neu.txt": b"Zweite Fassung."}


def test_ones_own_file_that_somebody_else_has_changed_is_not_replaced(archive: Archive) -> None:
    anna = archive.as_("anna")
    archive.send(anna, "neu.txt", "Erste Fassung.")
    archive.put("eingang/neu.txt", "Auf der Freigabe berichtigt.")
    assert archive.send(anna, "neu.txt", "Zweite.", replace=True).status_code == 409
    archive.sync("eingang")
    removed = anna.request("DELETE", f"/api/documents/{archive.key('eingang:neu.txt')}", json={})
    assert (removed.status_code, removed.json()["code"]) == (409, "not_your_upload")
    assert files(archive) == {"neu.txt": b"Auf der Freigabe berichtigt."}


def test_who_takes_a_file_away_is_told_how_many_chat_messages_show_it(archive: Archive) -> None:
    anna = archive.as_("anna")
    archive.send(anna, "neu.txt", TEXT)
    archive.put("eingang/alt.txt", "Stand schon da.")
    archive.sync("eingang")
    key, other = archive.key("eingang:neu.txt"), archive.key("eingang:alt.txt")
    for message, documents in (("m1", [key]), ("m2", [other, key]), ("m3", [other])):
        archive.app.posted.keep("matrix", message, receipt="r", documents=documents)
    removed = anna.request("DELETE", f"/api/documents/{key}", json={})
    assert removed.json() == {"document_id": "eingang:neu.txt", "state": "removing", "messages": 2}


def test_ones_own_file_can_be_taken_away_and_nobody_elses(archive: Archive) -> None:
    anna, boss, carla = archive.as_("anna"), archive.as_("boss"), archive.as_("carla")
    archive.send(anna, "neu.txt", TEXT)
    archive.put("eingang/alt.txt", "Stand schon da.")
    archive.sync("eingang")
    for client, name in ((boss, "neu.txt"), (carla, "neu.txt"), (anna, "alt.txt"), (boss, "alt.txt")):
        refused = client.request("DELETE", f"/api/documents/{archive.key(f'eingang:{name}')}", json={})
        assert refused.status_code == 409
    assert anna.request("DELETE", f"/api/documents/{archive.key('eingang:neu.txt')}", json={}).status_code == 202
    assert files(archive) == {"alt.txt": b"Stand schon da."}
    archive.sync("eingang")
    assert archive.app.ledger.entry("eingang:neu.txt") is None
    assert archive.app.ledger.rows("SELECT * FROM uploads") == [], "who sent it is forgotten with it"


def test_what_became_of_an_upload_only_its_sender_learns(archive: Archive) -> None:
    sent = archive.send(archive.as_("anna"), "neu.txt", TEXT).json()
    for user in ("boss", "carla", "stranger"):
        client = archive.as_(user)
        refused, unknown = client.get(sent["status"]), client.get("/api/uploads/" + "x" * 24)
        assert refused.status_code == 404
        assert (refused.content, refused.headers) == (unknown.content, unknown.headers)


def test_who_sent_a_file_is_kept_as_a_hash_that_is_another_for_each(archive: Archive) -> None:
    for name in ("a.txt", "b.txt"):
        archive.send(archive.as_("anna"), name, name)
    owners = [row["owner"] for row in archive.app.ledger.rows("SELECT owner FROM uploads")]
    assert len(set(owners)) == 2
    assert not any("anna" in owner for owner in owners)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\fakepath\\angebot.pdf", "angebot.pdf"), ("a\r\nb\x00.txt", "ab.txt"),
        ("CON", "_CON"), ("com1.txt", "_com1.txt"), ("\u202etxt.exe.pdf", "txt.exe.pdf"),
        ("a<b>:c|?.txt", "a_b__c__.txt"),
        ("name.txt. . ", "name.txt"), ("A\u0308rger.txt", "Ärger.txt"),
    ],
)  # fmt: skip
def test_a_name_is_kept_without_its_tricks(archive: Archive, sent: str, kept: str) -> None:
    assert archive.send(archive.as_("anna"), sent, "x").status_code == 202
    assert list(files(archive)) == [kept]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("..", "name_not_possible"), (".versteckt.txt", "name_not_possible"), ("~$angebot.docx", "name_not_possible"),
        ("x.tmp", "name_not_possible"), ("/", "name_not_possible"), ("programm.exe", "kind_not_taken"),
        (".upload-00.part", "name_not_possible"),
    ],
)  # fmt: skip
def test_a_name_that_no_document_has_is_refused(archive: Archive, name: str, code: str) -> None:
    refused = archive.send(archive.as_("anna"), name, "x")
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert files(archive) == {}


@settings(max_examples=500)
@given(st.text(st.characters(codec=None), max_size=400))
def test_every_name_that_is_kept_is_one_that_a_folder_takes(sent: str) -> None:
    kept = file_name(sent)
    if kept is None:
        return
    assert not set(kept) & set('/\\\0\r\n<>:"|?*\u202e') and kept not in (".", "..")
    assert len(kept.encode()) <= 220 and kept == unicodedata.normalize("NFC", kept)
    assert not no_document(kept) and file_name(kept) == kept


def test_a_long_name_keeps_its_ending() -> None:
    kept = file_name("ä" * 500 + ".pdf")
    assert kept is not None and kept.endswith("ä.pdf") and len(kept.encode()) <= 200


def test_a_file_over_the_limit_is_refused_and_leaves_nothing(archive: Archive) -> None:
    anna, large = archive.as_("anna"), b"x" * ((1 << 20) + 1)

    def pieces() -> Iterator[bytes]:  # nothing announces how much it will be
        for start in range(0, len(large), 100_000):
            yield large[start : start + 100_000]

    for content in (large, pieces()):
        refused = archive.send(anna, "gross.bin", content)
        assert (refused.status_code, refused.json()["code"]) == (413, "upload_too_large")
    assert list((archive.base / "eingang").iterdir()) == []
    assert archive.send(anna, "voll.txt", b"x" * (1 << 20)).status_code == 202


def test_an_empty_file_is_no_upload(archive: Archive) -> None:
    assert archive.send(archive.as_("anna"), "leer.txt", b"").json()["code"] == "upload_broken"
    assert list((archive.base / "eingang").iterdir()) == []


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", "application/json", ""],
)
def test_what_a_form_of_another_site_could_send_is_refused(archive: Archive, kind: str) -> None:
    where = {"source": "eingang", "name": "a.txt"}
    refused = archive.as_("anna").post("/api/documents", params=where, content="x", headers={"content-type": kind})
    assert (refused.status_code, refused.json()["code"]) == (415, "not_a_file")
    foreign = {"content-type": "application/octet-stream", "origin": "https://evil.example"}
    assert archive.as_("anna").post("/api/documents", params=where, content="x", headers=foreign).status_code == 403
    assert files(archive) == {}


def test_a_sender_who_goes_away_half_way_leaves_nothing(archive: Archive) -> None:
    folder = archive.base / "eingang"
    with served(archive.app) as address:
        port = int(address.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as wire:
            wire.sendall(
                b"POST /api/documents?source=eingang&name=halb.txt HTTP/1.1\r\nHost: localhost\r\n"
                b"X-Remote-User: anna\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Length: 5000\r\n\r\n" + b"x" * 999
            )
            until(lambda: any(path.name.startswith(".upload-") for path in folder.iterdir()))
        until(lambda: not any(folder.iterdir()))


def test_a_half_written_file_is_no_document(archive: Archive) -> None:
    """What stands in the folder while it comes is passed over by every listing."""
    anna = archive.app.person("anna")
    incoming = archive.app.uploads.begin("eingang", "neu.txt", anna)
    assert incoming is not None
    incoming.write(b"Das halbe Ange")
    archive.sync("eingang")
    assert archive.app.ledger.size("eingang") == 0
    incoming.write(b"bot.")
    archive.app.uploads.finish(incoming, anna, replace=False)
    archive.sync("eingang")
    assert archive.app.ledger.size("eingang") == 1


def test_two_who_send_the_same_name_at_once_do_not_overwrite_each_other(archive: Archive) -> None:
    clients, done = [archive.as_(user) for user in ("anna", "boss") * 4], []
    threads = [
        threading.Thread(target=lambda c=client, n=number: done.append(archive.send(c, "a.txt", f"{n}").status_code))
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done.count(202) == 1, done
    assert set(done) <= {202, 409, 503}


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_to_is_said(archive: Archive) -> None:
    (archive.base / "eingang").chmod(0o500)
    try:
        assert archive.send(archive.as_("anna"), "a.txt", "x").status_code == 503
    finally:
        (archive.base / "eingang").chmod(0o700)


def test_a_folder_that_is_gone_is_said(archive: Archive) -> None:
    (archive.base / "eingang").rmdir()
    refused = archive.send(archive.as_("anna"), "a.txt", "x")
    assert (refused.status_code, refused.json()["code"]) == (503, "source_unavailable")


def test_what_was_erased_here_before_is_told_and_does_not_come_back(archive: Archive) -> None:
    from rag.service.erasing import Erasing

    anna = archive.as_("anna")
    archive.send(anna, "neu.txt", TEXT)
    archive.sync("eingang")
    list(Erasing(archive.app).erase(documents=["eingang:neu.txt"], really=True))
    (archive.base / "eingang" / "neu.txt").unlink()
    sent = archive.send(anna, "anders.txt", TEXT).json()
    archive.sync("eingang")
    assert anna.get(sent["status"]).json()["state"] == "kept_out"


def test_who_uploaded_is_recorded_without_a_name_or_a_place(archive: Archive) -> None:
    archive.send(archive.as_("anna"), "neu.txt", TEXT)
    (record,) = [one for one in archive.app.audit.records() if one["event"] == "uploaded"]
    assert record["user"] == archive.app.audit.pseudonym("anna")
    assert "neu" not in str(record)


@pytest.mark.parametrize(
    "more",
    ['readers = "from-filesystem"', 'readers = ["everyone"]\n[[sources.rules]]\npath = "hr/"\nreaders = ["group:hr"]'],
)
def test_a_source_with_rights_of_its_own_takes_no_uploads(tmp_path: Path, more: str) -> None:
    config = tmp_path / "rag.toml"
    config.write_text(f'[[sources]]\nname = "a"\npath = "{tmp_path}"\nuploaders = ["everyone"]\n{more}\n')
    with pytest.raises(SettingsError, match="uploads in a source of their own"):
        load(config=config, home=tmp_path, environ={})


def test_a_watched_folder_takes_an_upload_by_itself(tmp_path: Path) -> None:
    with Archive(tmp_path, ingest="settle_s = 0.2") as archive:
        loop = archive.app.watch()
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            anna = archive.as_("anna")
            sent: dict[str, Any] = archive.send(anna, "neu.txt", TEXT).json()
            assert sent["watched"] is True
            until(lambda: anna.get(sent["status"]).json()["state"] == "indexed")
        finally:
            loop.stop()
            thread.join()
