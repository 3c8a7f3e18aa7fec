"""Without a language model the terminal says first that what follows is quoted, and only then quotes."""

from __future__ import annotations

from tests.doors.conftest import QUESTION, TRUE, Line, papers


def test_a_terminal_is_told_what_extracts_are_before_the_first(fresh: Line) -> None:
    config = fresh.folder / "none.toml"
    text = fresh.config.read_text(encoding="utf-8")
    config.write_text(text.replace('[llm]\nprovider = "ollama"', '[llm]\nprovider = "none"'), encoding="utf-8")
    line = Line(fresh.folder, config)
    line.run("ingest", papers(fresh.folder / "papers"))
    done = line.run("ask", QUESTION)
    assert done.returncode == 0
    assert done.stdout.startswith("Auszüge aus den Dokumenten (kein Sprachmodell verfügbar):\n")
    assert TRUE in " ".join(done.stdout.split()).partition("„")[0]
