"""The command as it is typed: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.api.local import LocalDoor
from rag.service.operations import Service
from tests.doors.conftest import QUESTION, TRUE, Line, Writer, owner, papers

pytestmark = pytest.mark.usefixtures("said")


@pytest.fixture(scope="module")
def filled(line: Line) -> Iterator[tuple[Line, dict[str, Any]]]:
    """A home with documents, and the report of how they came in; afterwards an owner answers for it."""
    report = line.json("ingest", papers(line.folder / "papers"), code=3)
    with owner(line):
        yield line, report


@pytest.fixture
def full(filled: tuple[Line, dict[str, Any]]) -> Line:
    return filled[0]


def test_one_file_that_cannot_be_read_is_reported_and_the_rest_is_indexed(
    filled: tuple[Line, dict[str, Any]],
) -> None:
    line, report = filled
    assert (report["added"], [entry["document"] for entry in report["failed"]]) == (2, ["papers:kaputt.pdf"])
    assert report["failed"][0]["reason"]
    failed = line.json("documents", "--failed")["documents"]
    assert [(entry["document_id"], entry["state"]) for entry in failed] == [("papers:kaputt.pdf", "failed")]


def test_an_answer_is_one_object_with_every_part_of_the_contract(full: Line) -> None:
    answer = full.json("ask", QUESTION)
    assert list(answer) == [
        "question", "outcome", "text", "citations", "passages", "model", "receipt", "timing_ms",
        "asked", "left_out", "disagreements", "reason", "unquoted",
    ]  # fmt: skip
    assert (answer["outcome"], answer["text"]) == ("answered", f"{TRUE} [1]")
    (citation,) = answer["citations"]
    start, end = citation["span"]
    assert full.run("show", citation["document_id"]).stdout[start:end] == citation["quote"] == TRUE
    assert answer["model"] == {"name": "writer:latest", "digest": f"sha256:{'1' * 64}"}


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("--type md", {"papers:badges.md"}),
        ("--type text --type md --language other", {"papers:badges.md"}),
        ("--language de", {"papers:urlaub.txt"}),
        ("--path *.TXT", {"papers:urlaub.txt"}),
        ("--path urlaub.txt --path badges.md", {"papers:urlaub.txt", "papers:badges.md"}),
        ("--since 2000 --source papers", {"papers:urlaub.txt", "papers:badges.md"}),
        ("--since 9999-12", set()),
        ("--type pdf", set()),
    ],
)
@pytest.mark.parametrize("command", ["search", "ask"])
def test_a_search_is_narrowed_by_what_is_typed(full: Line, command: str, typed: str, names: set[str]) -> None:
    done = full.run(command, "Urlaub badge", *typed.split(), "--json")
    assert {passage["document_id"] for passage in json.loads(done.stdout)["passages"]} == names
    assert done.returncode == (0 if names else 4)
    assert ("No passage at all under these filters" in done.stderr) is not bool(names)


def test_a_batch_is_narrowed_too(full: Line) -> None:
    line = json.dumps({"id": 1, "text": "Urlaub badge"})
    done = full.run("search", "--batch", "-", "--type", "md", told=line + "\n")
    assert {passage["document_id"] for passage in json.loads(done.stdout)["passages"]} == {"papers:badges.md"}


def test_a_phrase_is_found_word_for_word(full: Line) -> None:
    found = full.json("search", '"in the nowhere of papers"', code=4)
    assert found == {"evidence": 0.0, "passages": [], "unquoted": []}
    (passage,) = full.json("search", "„Übertragene Tage müssen“")["passages"]
    assert passage["document_id"] == "papers:urlaub.txt"


def test_an_answer_for_a_person_names_its_sources(full: Line) -> None:
    done = full.run("ask", QUESTION)
    assert done.returncode == 0
    assert f"{TRUE} [1]" in done.stdout
    assert "[1] papers:urlaub.txt" in done.stdout
    assert f"„{TRUE}“" in done.stdout


def test_nothing_found_ends_with_four_and_says_so_in_the_questions_language(full: Line, said: Writer) -> None:
    said.pieces = ('{"statements": []}',)
    done = full.run("ask", "Wer war der erste Mensch auf dem Mars?")
    assert done.returncode == 4
    assert "nichts gefunden" in done.stdout


def test_a_search_gives_passages_and_their_evidence(full: Line, said: Writer) -> None:
    found = full.json("search", "new badge euros", "-k", "1")
    assert [passage["document_id"] for passage in found["passages"]] == ["papers:badges.md"]
    assert 0 <= found["evidence"] <= 1
    assert said.prompts == []


def test_a_search_without_any_passage_ends_with_four(fresh: Line) -> None:
    assert fresh.json("search", "anything", code=4) == {"evidence": 0.0, "passages": [], "unquoted": []}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("ask",), 2, "Give either a question or --batch FILE."),
        (("ask", "  "), 2, "Give either a question"),
        (("search", "x", "--batch", "y"), 2, "Give either a query"),
        (("show", "papers:nowhere.txt"), 1, "There is no document 'papers:nowhere.txt'"),
        (("ask", "x", "--source", "nowhere"), 2, 'no source called "nowhere". Known sources: papers'),
        (("search", "x", "--language", "fr"), 2, 'no language "fr"; there are de, en, other'),
        (("ask", "x", "--since", "gestern"), 2, '"gestern" is no date; write 2024-03-01'),
        (("search", "x", "--type", "tape"), 2, 'no document type "tape"; this index holds markdown, pdf, text'),
        (("search", "x", "--path", "/"), 2, "no path below a source"),
        (("ask", "x", "--as", ""), 2, "A person's name is needed"),
        (("search", "x", "--as", "a\nb"), 2, "A person's name is needed"),
        (("ingest", "nowhere"), 1, "does not exist"),
        (("ingest", "papers/urlaub.txt"), 1, "is not a folder"),
        (("sources", "remove"), 2, "Which source?"),
        (("sources", "remove", "nowhere"), 2, 'no registered source called "nowhere"'),
        (("ask", "x", "--model", "nowhere"), 1, "ollama pull nowhere"),
        (("--config", "nowhere.toml", "status"), 2, "nowhere.toml cannot be read"),
        (("serve", "--port", "70000"), 2, "must be 0 (any free one) to 65535"),
        (("search", "x", "-k", "0"), 2, "must be at least 1"),
        (("dance",), 2, "invalid choice"),
    ],
)
def test_what_goes_wrong_is_one_sentence_on_stderr_and_nothing_on_stdout(
    full: Line, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = full.run(*arguments, "--json")
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("rag")]) == 1


def test_a_missing_folder_beside_a_good_one_registers_neither(fresh: Line) -> None:
    (fresh.folder / "good").mkdir()
    assert fresh.run("ingest", "good", "missing").returncode == 1
    assert fresh.json("sources") == {"sources": []}


def test_an_unknown_settings_key_ends_with_two_and_names_its_line(full: Line) -> None:
    path = full.folder / "bad.toml"
    path.write_text("[llm]\nmodle = 'x'\n")
    done = full.run("status", "--config", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f'{path}, line 2: unknown key "modle" in [llm]' in done.stderr


def test_an_empty_folder_is_no_failure_but_is_remarked_on(fresh: Line) -> None:
    (fresh.folder / "empty").mkdir()
    done = fresh.run("ingest", "empty")
    assert done.returncode == 0
    assert "There is no document in the folder" in done.stderr


def test_a_dry_run_says_what_would_be_done_and_does_nothing(fresh: Line) -> None:
    plan = fresh.json("ingest", papers(fresh.folder / "papers"), "--dry-run")
    assert plan["add"] == ["papers:badges.md", "papers:kaputt.pdf", "papers:urlaub.txt"]
    assert fresh.json("status")["documents"] == 0
    assert fresh.json("sources") == {"sources": []}


@pytest.mark.parametrize("before", [True, False])
def test_the_general_options_stand_before_or_after_the_command(full: Line, before: bool) -> None:
    general = ("--home", str(full.home), "--json", "--config", str(full.config))
    done = full.run(*general, "documents") if before else full.run("documents", *general)
    assert len(json.loads(done.stdout)["documents"]) == 3


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("status",), "documents"),
        (("sources",), "sources"),
        (("show", "papers:urlaub.txt"), "text"),
        (("why", "anna", "papers:urlaub.txt"), "may_read"),
        (("audit", "show"), "records"),
        (("audit", "verify"), "head"),
        (("models",), "models"),
        (("index", "rebuild"), "chunks"),
    ],
)
def test_every_command_gives_one_object(full: Line, arguments: tuple[str, ...], key: str) -> None:
    assert key in full.json(*arguments)


def test_show_prints_the_text_and_nothing_else(full: Line) -> None:
    done = full.run("show", "papers:urlaub.txt")
    assert done.stdout == (full.folder / "papers/urlaub.txt").read_text() + "\n"
    assert done.stderr == ""


def test_asking_as_somebody_is_done_with_their_rights_and_leaves_a_record(full: Line, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "praemie.txt").write_text("Die Prämie der Leitung beträgt 4711 Euro.")
    config = tmp_path / "rag.toml"
    config.write_text(
        full.config.read_text() + f'\n[[sources]]\nname = "secret"\npath = "{secret}"\nreaders = ["group:hr"]\n'
    )
    own = Line(tmp_path, config)
    assert own.run("ingest").returncode == 0
    for user, found in (("anna", 1), ("berta", 0), (None, 0)):
        chosen = ("--as", user) if user else ()
        result = own.run("search", "Prämie der Leitung", "--json", *chosen)
        assert len(json.loads(result.stdout)["passages"]) == found
    own.json("ask", "Prämie der Leitung", "--as", "anna")
    records = [r for r in own.json("audit", "show")["records"] if r["event"] in ("opened", "searched")]
    told = [(record["event"], record["user_name"], record.get("acting_name")) for record in records]
    assert told == [
        ("searched", "anna", "local"),
        ("searched", "berta", "local"),
        ("searched", "local", None),
        ("opened", "anna", "local"),
    ]
    assert all(b"anna" not in path.read_bytes() for path in (own.home / "audit").iterdir())
    assert own.json("why", "anna", "secret:praemie.txt")["by"] == ["group:hr"]
    assert own.json("why", "berta", "secret:praemie.txt")["may_read"] is False
    assert own.run("why", "anna", "secret:praemie.txt").stdout.splitlines() == [
        "Yes: anna reads it as group:hr.",
        '    The source "secret" in rag.toml says who reads it: group:hr.',
        "    anna is group:hr.",
    ]
    refused = own.run("why", "berta", "secret:praemie.txt").stdout
    assert refused.startswith("No: berta does not read it.") and "berta is none of these." in refused


def test_rights_from_the_file_system_are_asked_explained_and_looked_after(full: Line, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "offen.txt").write_text("Die Prämie der Leitung beträgt 4711 Euro.")
    config = tmp_path / "rag.toml"
    rule = '[[sources.rules]]\npath = "misspelt/"\nreaders = []\n'
    config.write_text(
        full.config.read_text()
        + f'\n[[sources]]\nname = "shared"\npath = "{shared}"\nreaders = "from-filesystem"\n{rule}'
    )
    own = Line(tmp_path, config)
    assert own.run("ingest").returncode == 0
    found = own.json("why", "nobody-is-called-so", "shared:offen.txt")
    assert found["may_read"] is False
    assert any(str(tmp_path.parent) in sentence for sentence in found["because"]), "a closed folder above it is named"
    assert found["because"][0] == 'The source "shared" in rag.toml says who reads it: whom the file system lets read.'
    doctor = own.run("doctor").stdout
    assert 'the rule for "misspelt/" means nothing that is there' in doctor
    assert own.json("sources")["sources"][-1]["readers"] == ["from-filesystem"]


def test_a_batch_answers_line_by_line_under_its_ids(full: Line) -> None:
    lines = [{"id": "a", "text": "new badge\u2028euros"}, {"id": 7, "text": "Urlaub"}]
    told = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n"
    done = full.run("search", "--batch", "-", "-k", "1", told=told)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(entry["id"], entry["passages"][0]["document_id"]) for entry in found] == [
        ("a", "papers:badges.md"),
        (7, "papers:urlaub.txt"),
    ]
    asked = full.run("ask", "--batch", "-", told=told)
    assert [json.loads(line)["outcome"] for line in asked.stdout.splitlines()] == ["answered", "answered"]


@pytest.mark.parametrize("bad", ["{", '{"id": 1}', '["id", "text"]', '{"id": 1, "text": 5}'])
def test_a_bad_batch_line_is_named_and_nothing_is_worked_on(full: Line, bad: str) -> None:
    done = full.run("search", "--batch", "-", told=f'{{"id": 1, "text": "Urlaub"}}\n{bad}\n')
    assert (done.returncode, done.stdout) == (2, "")
    assert "-, line 2: a line is" in done.stderr


@pytest.mark.parametrize("arguments", ["search --batch -", "documents", "show papers:urlaub.txt", "status --json"])
def test_whoever_stops_reading_is_not_told_of_a_broken_pipe(full: Line, arguments: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with full.start(*arguments.split(), stdin=subprocess.PIPE, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        _, told = process.communicate('{"id": 1, "text": "Urlaub"}\n', timeout=60)
    assert (process.returncode, told) == (0, "")


HOSTILE = "Badges \x1b[2J\x1b]0;owned\x07 \u202egnp.exe [red]x[/] \\"


class Hostile(Service):
    """A service whose documents are called and say what could move a terminal's cursor."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self._operations |= {"documents": self.hostile_documents, "show": self.hostile_text}

    def hostile_documents(self, *, failed: bool = False) -> Iterator[dict[str, Any]]:
        yield {"documents": [{"document_id": HOSTILE, "state": "indexed", "chunks": 1, "reason": "", "title": HOSTILE}]}

    def hostile_text(self, document: str, **options: object) -> Iterator[dict[str, Any]]:
        yield {"text": HOSTILE}

    def search(self, query: str, **options: Any) -> Iterator[dict[str, Any]]:
        passage = {"document_id": HOSTILE, "page": 1, "headings": [HOSTILE], "text": HOSTILE, "score": 1.0}
        yield {"evidence": 1.0, "passages": [passage]}

    def ask(self, question: str, **options: Any) -> Iterator[dict[str, Any]]:
        citation = {"marker": 1, "document_id": HOSTILE, "page": 1, "headings": [HOSTILE], "quote": HOSTILE}
        yield {"event": "sentence", "text": HOSTILE, "supported": True, "citations": [citation]}
        yield {
            "event": "done",
            "question": "x",
            "outcome": "answered",
            "citations": [citation],
            "model": {"name": HOSTILE},
            "timing_ms": {},
            "receipt": "",
        }


@pytest.mark.parametrize("arguments", ["documents", "search badge", "show badge", "ask badge"])
def test_no_text_can_move_the_cursor_of_a_terminal_or_turn_its_letters_round(fresh: Line, arguments: str) -> None:
    app: Any = None
    fresh.home.mkdir(mode=0o700)
    with LocalDoor(Hostile(app), fresh.home):
        seen = on_terminal(fresh, *arguments.split())
    assert "gnp.exe" in seen
    assert "[red]x[/]" in seen
    assert not [mark for mark in ("\x1b[2J", "\x1b]0", "\x07", "\u202e") if mark in seen]


def test_what_is_not_read_by_a_terminal_is_given_as_it_is(fresh: Line) -> None:
    app: Any = None
    fresh.home.mkdir(mode=0o700)
    with LocalDoor(Hostile(app), fresh.home):
        assert fresh.run("show", "badge").stdout == HOSTILE + "\n"


def on_terminal(line: Line, *arguments: str) -> str:
    """What a terminal is sent."""
    ours, theirs = pty.openpty()
    with line.start(*arguments, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end has closed
                break
            if not piece:
                break
            seen += piece
        assert process.wait(60) == 0
    os.close(ours)
    return seen.decode()


def test_a_terminal_that_knows_no_umlaut_is_no_reason_to_fail(full: Line) -> None:
    done = full.run("ask", QUESTION, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "Der Urlaub betr?gt" in done.stdout
    answer = json.loads(full.run("ask", QUESTION, "--json", PYTHONIOENCODING="ascii").stdout)
    assert answer["text"].startswith(TRUE)


def test_init_writes_settings_that_can_be_read_and_does_not_write_over_them(fresh: Line) -> None:
    path = fresh.folder / "own.toml"
    assert fresh.json("init", "--config", path) == {"written": str(path)}
    assert fresh.run("models", "--config", path).returncode == 0
    path.write_text(path.read_text() + "# mine\n")
    again = fresh.run("init", "--config", path)
    assert again.returncode == 2
    assert "exists; --force writes over it" in again.stderr
    assert path.read_text().endswith("# mine\n")
    assert fresh.run("init", "--config", path, "--force").returncode == 0
    assert "# mine" not in path.read_text()


@pytest.mark.parametrize(("host", "told"), [("0.0.0.0", "0.0.0.0"), ("", "every address"), ("192.0.2.1", "192.0.2.1")])
def test_t25_without_any_credential_other_machines_are_not_answered(fresh: Line, host: str, told: str) -> None:
    done = fresh.run("serve", "--host", host, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"this machine only, not on {told}" in done.stderr


def test_the_doctor_names_what_is_not_well_and_ends_with_one(full: Line) -> None:
    found = full.json("doctor", code=1)
    assert {check["name"]: check["well"] for check in found["checks"]} == {
        "phone-home switches": True,
        "home directory": True,
        "disk": True,
        "outbound guard": False,  # a service within the tests' process, which cannot be closed
        "language model": True,
        "model server": True,
        "licence of llm.model": True,
        "licence of embedder.model": True,
        "index": False,
        "index rows": True,
    }
    assert found["well"] is False
