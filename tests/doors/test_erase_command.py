"""`rag erase`, `rag subject find` and `rag restore --journal`, as a clerk types them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from rag.store.backup import restore as restored
from tests.doors.conftest import Line, owner
from tests.govern.dwelling import Canary, traces

NAME = "Erika Müller-Lüdenscheidt"
CLEAN = Canary("Lüdenscheidt", "")


def company(folder: Path) -> Path:
    """Letters about one person in several spellings, and one about somebody else."""
    folder.mkdir()
    (folder / "gehalt.txt").write_text(
        f"Das Gehalt von {NAME} beträgt 4711 Euro im Monat.\n\nDie Kantine öffnet um elf, das bestätigt Peter Weber."
    )
    (folder / "liste.txt").write_text(unicodedata.normalize("NFD", "Müller-Lüdenscheidt, Erika: Büro 12, Telefon 40"))
    (folder / "notiz.txt").write_text(
        "Herr Thomas Weber traf Erika Mueller-\nLuedenscheidt am Montag; seine Adresse ist t.weber@firma.example."
    )
    (folder / "mueller-luedenscheidt_erika_foto.txt").write_text("Das Bild liegt im Archiv bei den anderen Bildern.")
    (folder / "anderer.txt").write_text("Der Vertrag mit Herrn Müller-Lüdenscheidt aus Bonn ist abgelaufen.")
    (folder / "urlaub.txt").write_text("Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage für alle.")
    return folder


def keeping_questions(office: Line) -> Line:
    settings = office.folder / "keeping.toml"
    settings.write_text(office.config.read_text() + "\n[audit]\nquestion_text = true\n")
    return replace(office, config=settings)


@pytest.fixture
def office(fresh: Line) -> Line:
    fresh.run("ingest", company(fresh.folder / "personal"))
    return fresh


def test_nothing_is_erased_without_yes_and_everything_found_is_shown(office: Line) -> None:
    found = office.json("erase", "--person", NAME)
    assert {document["document_id"].split(":")[1] for document in found["found"]} == {
        "gehalt.txt",
        "liste.txt",
        "notiz.txt",
        "mueller-luedenscheidt_erika_foto.txt",
    }
    assert found["only_surname"] == 1, "anderer.txt is said, and left"
    said = office.run("erase", "--person", NAME).stdout
    assert "Nothing was erased" in said and "--yes" in said and "1 other document" in said
    assert len(office.json("documents")["documents"]) == 6
    assert not (office.home / "certificates").exists()


def test_who_is_shown_what_would_be_erased_of_a_person_is_recorded_before(office: Line) -> None:
    found = office.json("erase", "--person", NAME)["found"]
    recorded = office.json("audit", "show", "--user", NAME)["records"]
    (shown,) = [one for one in recorded if one["event"] == "erasure_shown"]
    assert {document["key"] for document in found} == {document["document"] for document in shown["links_documents"]}
    office.run("erase", "--person", "Niemand Nirgendwo")
    everything = office.json("audit", "show")["records"]
    assert len([one for one in everything if one["event"] == "erasure_shown"]) == 1, "what shows nothing keeps no name"


def test_a_person_is_erased_and_nothing_names_them_afterwards(office: Line) -> None:
    office.run("ask", f"Was verdient {NAME}?")
    done = office.json("erase", "--person", NAME, "--alias", "Herrn Müller-Lüdenscheidt", "--yes", "--language", "de")
    assert done["certificate"]["erased"] and done["certificate"]["how"] == "person"
    assert done["certificate"]["counts"]["documents"] == 5
    assert not traces(office.home, [CLEAN, Canary("Luedenscheidt", ""), Canary("luedenscheidt", "")])
    assert office.json("search", "Gehalt Müller-Lüdenscheidt")["passages"][0]["document_id"] == "personal:urlaub.txt"
    again = office.json("ingest")
    assert again["added"] == 0 and again["kept_out"] == 5
    documents = office.json("documents")
    assert len(documents["documents"]) == 1 and documents["erased"]["kept_out"] == 5
    assert office.json("status")["erased"]["kept_out"] == 5
    assert "5 places kept out" in office.run("status").stdout
    listed = office.json("erase")
    assert [one["state"] for one in listed["erasures"]] == ["proven"] and len(listed["tombstones"]) == 5
    assert office.run("erase", "--verify", done["certificate"]["files"]["json"]).returncode == 0
    assert office.run("erase", "--person", NAME).returncode == 4


def test_questions_that_are_kept_and_names_of_pseudonyms_go_with_the_person(office: Line) -> None:
    office = keeping_questions(office)
    office.run("ask", "Was steht im Vertrag mit Erika Müller-Lüdenscheidt und Herrn Peter Weber?")
    office.run("search", "Urlaub", "--as", NAME)
    shown = office.json("subject", "find", NAME, "--reason", "Auskunftsersuchen vom 3. März")
    assert len(shown["kept"]) == 1 and "Erika" in shown["kept"][0] and "Peter Weber" not in shown["kept"][0]
    assert office.json("erase", "--person", NAME)["audit"] == {"texts": 1, "names": 1}
    done = office.json("erase", "--person", NAME, "--alias", "Herrn Müller-Lüdenscheidt", "--yes")
    assert done["certificate"]["erased"] and done["certificate"]["audit"] == {"texts": 1, "names": 1}
    assert not traces(office.home, [CLEAN])
    assert office.run("audit", "verify").returncode == 0
    assert office.run("erase", "--person", NAME).returncode == 4


def test_a_person_whom_only_the_audit_names_is_erased_too(office: Line) -> None:
    office = keeping_questions(office)
    office.run("search", "Wo sitzt Wolfhard Grünspecht?")
    done = office.json("erase", "--person", "Wolfhard Grünspecht", "--yes")
    assert done["certificate"]["erased"] and done["certificate"]["counts"]["documents"] == 0
    assert not traces(office.home, [Canary("Grünspecht", ""), Canary("grunspecht", "")])


def test_it_goes_through_the_service_that_owns_the_home_and_is_hidden_within_a_second(office: Line) -> None:
    with owner(office) as app:
        assert office.json("search", "Gehalt", "-k", "9")["passages"]
        assert app.pipeline.words.level
        done = office.json("erase", "personal:gehalt.txt", "--yes")
        assert done["certificate"]["erased"] and done["certificate"]["hidden_s"] < 1
        found = {passage["document_id"] for passage in office.json("search", "Gehalt 4711", "-k", "9")["passages"]}
        assert found and "personal:gehalt.txt" not in found
        assert not traces(office.home, [Canary("Gehalt von", ""), Canary("4711 Euro", "")])
        assert not app.look_through() or not any(app.look_through().values())


def test_it_comes_back_only_when_changed_and_allowed(office: Line) -> None:
    office.json("erase", "personal:gehalt.txt", "--yes")
    (office.folder / "personal" / "gehalt.txt").write_text("Das Gehalt ist jetzt vertraulich und steht woanders.")
    assert office.json("ingest")["added"] == 0
    office.run("erase", "--allow", "personal:gehalt.txt")
    assert office.json("ingest")["added"] == 1
    assert office.run("erase", "--allow", "personal:nie.txt").returncode == 2


def test_wrong_use_is_said_in_words(office: Line) -> None:
    unknown = office.run("erase", "personal:nie.txt", "--yes")
    assert (unknown.returncode, "There is no document" in unknown.stderr) == (1, True)
    assert "Name documents" in office.run("erase", "personal:gehalt.txt", "--person", NAME).stderr
    assert "Which documents" in office.run("erase", "--allow").stderr


def test_an_access_request_shows_the_person_and_nobody_else(office: Line, tmp_path: Path) -> None:
    why = ("--reason", "Auskunftsersuchen vom 3. März")
    found = office.json("subject", "find", NAME, *why, "--out", tmp_path / "auskunft", "--language", "de")
    assert len(found["documents"]) == 4 and found["places"] >= 4
    for name in ("subject.json", "subject.html"):
        path = tmp_path / "auskunft" / name
        content = path.read_text()
        assert "beträgt 4711 Euro" in content
        for other in ("Weber", "Thomas", "t.weber", "Kantine", "Urlaub", "Bonn"):
            assert other not in content, (name, other)
        assert path.stat().st_mode & 0o077 == 0
    page = (tmp_path / "auskunft" / "subject.html").read_text()
    assert "Auskunft nach Artikel 15" in page and "Zweck der Verarbeitung" in page
    assert office.run("subject", "find", "Niemand Hier", *why).returncode == 4
    assert office.run("subject", "find", NAME).returncode == 2, "no reason, nothing shown"
    assert "stands in every text" in office.run("subject", "find", "ist", *why).stderr
    shown = office.run("audit", "show").stdout
    assert "looked where a person stands" in shown and "Auskunftsersuchen" in shown and "personal:gehalt.txt" in shown


def test_a_restored_older_backup_is_erased_again_by_the_journal(office: Line, tmp_path: Path) -> None:
    older = tmp_path / "older"
    office.json("backup", older)
    journal = Path(office.json("erase", "--person", NAME, "--yes")["journal"])
    kept = tmp_path / "elsewhere.jsonl"
    shutil.copy(journal, kept)
    assert "rlaub" in older.joinpath("ledger.sqlite").read_bytes().decode("utf-8", "ignore")
    names = [CLEAN, Canary("4711 Euro", ""), Canary("Luedenscheidt", "")]
    assert traces(older, names)
    done = office.json("restore", older, "--home", tmp_path / "new", "--journal", kept)
    assert done["erased_again"] == 4 and done["documents"] == 2
    assert not traces(tmp_path / "new", names[1:])
    assert office.json("ingest", "--home", tmp_path / "new")["added"] == 0
    in_place = office.json("restore", older, "--force")
    assert in_place["erased_again"] == 4, "the journal of the home that is replaced counts, unasked"
    assert not traces(office.home, names[1:])
    assert (office.home / "erasures.jsonl").exists()


def test_a_restore_without_any_journal_says_what_it_cannot_know(office: Line, tmp_path: Path) -> None:
    office.json("backup", tmp_path / "b")
    assert "--journal" in office.run("restore", tmp_path / "b", "--home", tmp_path / "new").stderr


def test_a_journal_of_another_home_is_refused_before_anything_changes(office: Line, tmp_path: Path) -> None:
    office.json("backup", tmp_path / "b")
    (tmp_path / "j").write_text(json.dumps({"format": 1, "home": "0" * 32}) + "\n")
    done = office.run("restore", tmp_path / "b", "--home", tmp_path / "new", "--journal", tmp_path / "j")
    assert done.returncode == 2 and "another home" in done.stderr
    assert not (tmp_path / "new" / "ledger.sqlite").exists()
    (tmp_path / "plain").mkdir()
    restored(tmp_path / "b", tmp_path / "plain", force=False).close()
    assert traces(tmp_path / "plain", [CLEAN])


def killed(office: Line, where: str, *arguments: str) -> None:
    """`rag erase`, gone as if killed when it comes there: ``package.module:name``."""
    module, _, name = where.partition(":")
    script = (
        f"import os, {module} as room\n"
        f"room.{name} = lambda *a, **k: os._exit(9)\n"
        "from rag.__main__ import main\n"
        f"import sys; sys.argv = ['rag', 'erase', *{arguments!r}, '--yes']; main()\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", script], cwd=office.folder, env=office.environ, capture_output=True, check=False
    )
    assert died.returncode == 9, died.stderr


def test_an_interrupted_erasure_is_finished_by_the_next_command(office: Line) -> None:
    """Killed while the indexes are made anew."""
    killed(office, "rag.ingest.renewing:make_vectors", "personal:gehalt.txt")
    done = office.run("search", "Gehalt 4711")
    assert "brought to its end" in done.stderr and "4711 Euro" not in done.stdout
    assert not traces(office.home, [Canary("4711 Euro", "")])
    assert office.json("erase")["erasures"][0]["erased"] is True


@pytest.mark.parametrize("where", ["rag.store.people:People.forget_texts", "rag.govern.erase:_remove"])
def test_an_interrupted_erasure_of_a_person_takes_all_that_names_them(office: Line, where: str) -> None:
    """Killed once the documents are hidden, before questions, names and keys are gone, and just after."""
    office = keeping_questions(office)
    office.run("ask", f"Was verdient {NAME}?")
    office.run("keys", "add", "notebook", "--user", NAME)
    killed(office, where, "--person", NAME, "--alias", "Herrn Müller-Lüdenscheidt")
    assert "brought to its end" in office.run("status").stderr
    assert not traces(office.home, [CLEAN, Canary("Luedenscheidt", ""), Canary("luedenscheidt", "")])
    assert office.json("keys", "list")["keys"] == []
    (made,) = [json.loads(path.read_text()) for path in (office.home / "certificates").glob("*.json")]
    assert made["erased"] and made["interrupted"] and (made["audit"]["texts"], made["audit"]["keys"]) == (1, 1)
