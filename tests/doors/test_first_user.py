"""What a first user met: leftovers of a source, a home with nothing in it, a terminal in another encoding."""

from __future__ import annotations

from tests.doors.conftest import Line


def test_the_documents_of_a_source_taken_out_of_the_settings_can_be_forgotten(fresh: Line) -> None:
    line = Line(fresh.folder, fresh.folder / "own.toml")
    line.config.write_text(fresh.config.read_text(encoding="utf-8"), encoding="utf-8")
    papers = line.folder / "papers"
    papers.mkdir()
    (papers / "code.txt").write_text("Das Tresorkennwort steht im Tresor.", encoding="utf-8")
    before = line.config.read_text(encoding="utf-8")
    source = f'[[sources]]\nname = "eins"\npath = "{papers}"\nreaders = ["everyone"]\nclass = "internal"\n'
    line.config.write_text(f"{before}\n{source}", encoding="utf-8")
    assert line.json("ingest")["added"] == 1
    assert line.run("sources", "remove", "eins").returncode == 2
    line.config.write_text(before, encoding="utf-8")
    assert line.json("sources", "remove", "eins")["removed"] == 1
    assert line.json("search", "Tresorkennwort", code=4)["passages"] == []


def test_a_home_with_nothing_in_it_says_where_it_looked(fresh: Line) -> None:
    for typed, told in (("Urlaub", "rag ingest ORDNER"), ("Who may take leave?", "rag ingest FOLDER")):
        done = fresh.run("search", typed)
        assert done.returncode == 4
        assert "rag status" in done.stderr and told in done.stderr
        assert str(fresh.home) in done.stderr.replace("\n", "")
    status = fresh.run("status").stdout
    assert "rag ingest FOLDER" in status and "the one that is there (ollama)" in status
    unknown = fresh.run("why", "anna", "papers:nirgends.pdf"), fresh.run("show", "papers:nirgends.pdf")
    assert [one.returncode for one in unknown] == [1, 1]


def test_bytes_of_another_encoding_in_a_query_are_no_fault(fresh: Line) -> None:
    done = fresh.run("search", "Urlaub \udcff")
    assert done.returncode == 4
    assert "should not have happened" not in done.stderr
