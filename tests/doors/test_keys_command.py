"""`rag keys`: what an administrator types, what is on the record, and what a backup does not bring back."""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.app import App
from rag.cli import run
from rag.errors import RagError
from rag.service.operations import Service
from tests.doors.conftest import Line, owner, papers
from tests.doors.http.test_tls import pair

EVERYBODY = {"scopes": ["search", "ask", "documents"], "sources": None, "channel": "intranet", "audience": "direct"}


@pytest.fixture(scope="module")
def owned(line: Line) -> Iterator[App]:
    with owner(line) as app:
        line.run("ingest", papers(line.folder / "papers"))
        yield app


def test_a_key_is_made_shown_once_listed_and_revoked_through_the_running_service(line: Line, owned: App) -> None:
    assert not owned.credential_needed
    told = line.run("keys", "add", "Notebook", "--user", "anna")
    assert told.returncode == 0 and told.stdout.startswith("archivar_") and told.stdout.count("\n") == 1
    assert "rag keys revoke" in told.stderr and "until 20" in told.stderr
    shown = told.stdout.strip()
    found = owned.keys.identify(shown)
    assert found is not None and found.user == "anna" and owned.credential_needed
    (listed,) = line.json("keys", "list")["keys"]
    assert listed.items() >= {**EVERYBODY, "name": "Notebook", "user": "anna", "state": "active"}.items()
    secret = shown.split("_")[2]
    assert secret not in line.run("keys").stdout + str(done(owned, "keys_list"))
    assert line.json("keys", "revoke", listed["id"])["revoked"] == listed["id"]
    assert not found.good() and owned.keys.identify(shown) is None
    assert done(owned, "keys_list")["keys"][0]["state"] == "revoked"


def test_the_record_of_processing_knows_a_bot_by_its_key(line: Line, owned: App) -> None:
    made = line.json("keys", "add", "--bot", "teams", "Teams")
    try:
        assert line.json("dpia")["chats"] == ["teams"]
    finally:
        line.json("keys", "revoke", made["id"])
    assert line.json("dpia")["chats"] == []


def test_a_key_is_limited_as_it_was_asked_for(line: Line, owned: App) -> None:
    wanted = ("--scope", "search", "--scope", "documents", "--source", "papers", "--channel", "cloud_chat")
    made = line.json("keys", "add", "Kanal", *wanted, "--audience", "public_channel", "--expires", "never")
    assert (made["user"], made["sources"], made["expires_at"]) == ("service:Kanal", ["papers"], None)
    found = owned.keys.identify(made["key"])
    assert found is not None and found.scopes == {"search", "documents"} and found.sources == {"papers"}
    assert (found.channel.kind, found.channel.audience) == ("cloud_chat", "public_channel")
    admin = line.json("keys", "add", "Verwaltung", "--scope", "all", "--expires", "1")
    assert admin["scopes"] == ["search", "ask", "documents", "admin"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "x", "--scope", "everything"), "invalid choice"),
        (("add", "x", "--expires", "0"), "at least 1"),
        (("add", "x", "--channel", "loopback"), "invalid choice"),
    ],
)
def test_what_cannot_be_meant_is_said_in_words(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("operation", "arguments", "said"),
    [
        ("keys_add", {"sources": ["nirgends"]}, "nirgends"),
        ("keys_add", {"user": "service:y"}, "leave --user away"),
        ("keys_add", {"user": "a\u202eb"}, "person's name"),
        ("keys_add", {"name": "a\nb"}, "A key needs a name"),
        ("keys_add", {"scopes": ["everything"]}, "good for one or more of search"),
        ("keys_add", {"channel": "pigeon"}, "no channel pigeon"),
        ("keys_revoke", {"id": "00000000"}, "There is no key with this id"),
        ("keys_suspend", {"user": " "}, "Whom?"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(owned: App, operation: str, arguments: dict[str, Any], said: str) -> None:
    usual = {"name": "x", "user": None, "scopes": ["ask"], "sources": None, "channel": "intranet", "audience": "direct"}
    given = {**usual, "days": 1, **arguments} if operation == "keys_add" else arguments
    with pytest.raises(RagError, match=re.escape(said)):
        done(owned, operation, **given)


def done(app: App, operation: str, **arguments: Any) -> dict[str, Any]:
    """What an operation comes to, as the command line and the owner's socket run it."""
    *_, last = Service(app).call(operation, arguments)
    return last


def key(app: App, name: str, user: str) -> dict[str, Any]:
    wanted = {"scopes": ["ask"], "sources": None, "channel": "intranet", "audience": "direct", "days": 1}
    return done(app, "keys_add", name=name, user=user, **wanted)


def test_a_person_is_shut_out_and_let_in_again(line: Line, owned: App) -> None:
    found = owned.keys.identify(key(owned, "Telefon", "Otto")["key"])
    assert line.json("keys", "suspend", "otto") == {"suspended": "otto", "before": False}
    assert found is not None and owned.suspensions.hold({found.user})
    assert "otto" in line.run("keys").stdout
    assert "--all that are held" in line.run("keys", "release").stderr
    assert line.json("keys", "resume", "Otto") == {"resumed": "Otto", "before": False}
    assert not owned.suspensions.hold({"otto"})


def test_every_change_is_on_the_record_with_whom_it_is_about(owned: App) -> None:
    made = key(owned, "Merkzettel", "berta")
    done(owned, "keys_revoke", id=made["id"])
    done(owned, "keys_suspend", user="berta")
    done(owned, "keys_resume", user="berta")
    records = done(owned, "audit_show")["records"]
    found = [(record["event"], record.get("key")) for record in records if record.get("about_name") == "berta"]
    assert found == [
        ("key_added", made["id"]),
        ("key_revoked", made["id"]),
        ("user_suspended", None),
        ("user_resumed", None),
    ]
    assert made["key"].split("_")[2] not in str(records)
    assert owned.audit.verify() is None


def test_what_is_kept_of_a_person_at_the_door_is_told_and_erased(line: Line, owned: App) -> None:
    name = "Wolfhard Grünspecht"
    made = key(owned, "Notebook", name)
    done(owned, "keys_suspend", user=name)
    assert [one["id"] for one in done(owned, "subject", name=name, reason="a test")["keys"]] == [made["id"]]
    assert done(owned, "erase", person=name)["admitted"] == [name]
    erased = line.json("erase", "--person", name, "--yes")["certificate"]
    assert erased["erased"] and erased["audit"].items() >= {"keys": 1, "suspended": 1}.items()
    for path in line.home.rglob("*"):
        if path.is_file() and path.name != "socket":
            assert "Grünspecht".encode() not in path.read_bytes(), path
    assert owned.keys.identify(made["key"]) is None
    assert owned.suspensions.hold({"wolfhard grünspecht"}), "shut out for good"


def test_a_backup_does_not_bring_a_revoked_key_back(line: Line, owned: App, tmp_path: Path) -> None:
    ended, good = (key(owned, name, "anna") for name in ("alt", "neu"))
    done(owned, "backup", directory=str(tmp_path / "kept"))
    done(owned, "keys_revoke", id=ended["id"])
    elsewhere = line.run("restore", tmp_path / "kept", "--home", tmp_path / "blind")
    assert "rag keys release --all" in elsewhere.stderr
    states = {key["id"]: key["state"] for key in line.json("keys", "--home", tmp_path / "blind")["keys"]}
    assert states[ended["id"]] == states[good["id"]] == "held"
    knowing = line.json("restore", tmp_path / "kept", "--home", tmp_path / "knowing", "--journal", line.home)
    assert knowing["keys_held"] == 0 and knowing["ended_again"] >= 1
    states = {key["id"]: key["state"] for key in line.json("keys", "--home", tmp_path / "knowing")["keys"]}
    assert (states[ended["id"]], states[good["id"]]) == ("revoked", "active")


def test_without_a_key_nobody_beyond_this_machine_is_answered_and_how_to_change_it_is_said(fresh: Line) -> None:
    refused = fresh.run("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2 and "rag keys add" in refused.stderr
    assert "give both" in fresh.run("serve", "--tls-cert", "x.pem").stderr


def test_with_a_key_the_service_listens_beyond_this_machine_by_tls(fresh: Line) -> None:
    files, made = pair(fresh.folder), fresh.json("keys", "add", "Notebook", "--user", "anna")
    tls = ("--tls-cert", files.cert, "--tls-key", files.key)
    serve = ("serve", "--host", "0.0.0.0", "--port", "0", "--no-watch", *tls)
    with fresh.start(*serve, stderr=subprocess.PIPE) as process:
        said = ""
        while "answers at" not in said:
            assert process.poll() is None, said
            said += process.stderr.readline()
        assert "Not encrypted" not in said
        port = said.split("https://0.0.0.0:")[1].split("/")[0]
        trusting, shown = ssl.create_default_context(cafile=str(files.cert)), f"Bearer {made['key']}"
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trusting, trust_env=False, timeout=60) as client:
            assert client.get("/api/filters").status_code == 401, "this machine too"
            forwarded = {"x-forwarded-proto": "http", "x-forwarded-for": "192.168.7.9"}
            for more in ({}, forwarded):  # what nobody listed says of the way is not believed
                assert client.get("/api/filters", headers={"authorization": shown, **more}).status_code == 200
            assert fresh.json("keys", "revoke", made["id"])
            assert client.get("/readyz", headers={"authorization": shown}).status_code == 401
        process.terminate()
        assert process.wait(30) == 0
