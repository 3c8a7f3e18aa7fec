from __future__ import annotations

import fcntl
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rag.access import Grant
from rag.documents import ChunkId
from rag.errors import StoreError
from rag.store.fields import FIELDS
from rag.store.terms import analyzer
from rag.store.words import WordIndex, recipe
from tests.ingest.house import House
from tests.ingest.room import ANNA, folder
from tests.store.makers import chunk, facets

ALL = Grant(acl_classes=frozenset({1, 2}))
TEXTS = {
    "leave": "Der Urlaub beträgt 24 Werktage. Gehälter und Kündigungsfristen.",
    "sick": "A medical certificate is required from the third day of sickness.",
    "other": "Reisekosten werden nach Belegen erstattet.",
}


@pytest.fixture
def words(tmp_path: Path) -> Iterator[WordIndex]:
    index = WordIndex(tmp_path / "words")
    index.put([chunk(name, text) for name, text in TEXTS.items()], [facets()] * len(TEXTS))
    index.commit()
    yield index
    index.close()


def found(index: WordIndex, question: str, grant: Grant = ALL) -> list[str]:
    return [name for name, _ in index.search(question, grant=grant, k=100)]


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_composed_and_decomposed_letters_find_each_other(words: WordIndex, form: str) -> None:
    question = unicodedata.normalize(form, "Gehälter")
    assert found(words, question) == ["leave"]
    words.put([chunk("nfd", unicodedata.normalize(form, "Prüfbericht"))], [facets()])
    words.commit()
    assert found(words, "Prüfbericht") == ["nfd"]


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Urlaubs", "leave"),
        ("GEHÄLTER", "leave"),
        ("Gehalter", "leave"),
        ("Kündigungsfrist", "leave"),
        ("certificates", "sick"),
        ("requires", "sick"),
        ("Beleg", "other"),
        ("\uff22\uff45\uff4c\uff45\uff47", "other"),
    ],
)
def test_inflected_words_find_their_text(words: WordIndex, question: str, name: str) -> None:
    assert name in found(words, question)


@pytest.mark.parametrize(
    "question",
    [
        *(
            "",
            "   ",
            "der die das",
            "AND OR NOT",
            "( [ {",
            '"',
            "'; DROP TABLE chunks;--",
            "de:* id:leave",
            "*",
            "?",
            "~",
        ),
        *('+-&&||!(){}[]^"~*?:\\/', "\0", "\ud800", "a" * 100_000, "ﷺ" * 50, "📄🔥", "١٢٣", "x\ny", "Urlaub^9e99"),
    ],
)
def test_no_question_is_too_strange(words: WordIndex, question: str) -> None:
    assert set(found(words, question)) <= set(TEXTS)
    assert all(0 <= share <= 1 for share in words.coverage(question, list(TEXTS.values()), grant=ALL))


def test_ten_thousand_words_are_a_question(words: WordIndex) -> None:
    question = " ".join(f"wort{number}" for number in range(10_000)) + " Urlaub"
    assert found(words, question) == ["leave"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.lists(st.text(max_size=60) | st.sampled_from(sorted(TEXTS.values())), max_size=4))
def test_coverage_is_a_share(words: WordIndex, question: str, passages: list[str]) -> None:
    shares = words.coverage(question, passages, grant=ALL)
    assert len(shares) == len(passages)
    assert all(0 <= share <= 1 for share in shares)


def test_coverage_is_one_where_every_word_stands_and_none_where_no_word_does(words: WordIndex) -> None:
    assert words.coverage("Wie viele Werktage Urlaub?", [TEXTS["leave"], TEXTS["other"]], grant=ALL) == [1.0, 0.0]


def test_coverage_stays_a_share_when_deleted_rows_are_not_merged_away(words: WordIndex) -> None:
    copies = [chunk(f"copy{number}", TEXTS["leave"]) for number in range(30)]
    words.put(copies, [facets()] * 30)
    words.commit()
    words.delete([ChunkId("sick"), ChunkId("other"), *(part.id for part in copies[1:])])
    words.commit()
    shares = words.coverage("Urlaub Werktage Reise", [TEXTS["leave"], "Urlaub", "Reise", ""], grant=ALL)
    assert all(0 <= share <= 1 for share in shares)
    assert shares[0] > shares[1] > 0


@pytest.mark.parametrize(
    "grant", [Grant(acl_classes=frozenset()), Grant(acl_classes=frozenset({1}), sources=frozenset())]
)
def test_an_empty_grant_finds_nothing(words: WordIndex, grant: Grant) -> None:
    assert found(words, "Urlaub", grant) == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(frozenset({1, 2}), frozenset({"hr"}))
@given(st.frozensets(st.integers(1, 4)), st.none() | st.frozensets(st.sampled_from(["docs", "hr", "none"])))
def test_only_granted_chunks_are_found(
    words: WordIndex, classes: frozenset[int], sources: frozenset[str] | None
) -> None:
    rows = [(c, s) for c in (1, 2, 3) for s in ("docs", "hr")]
    for number, (acl_class, source) in enumerate(rows):
        words.put([chunk(str(number), "gemeinsames Stichwort")], [facets(acl_class, source)])
    words.commit()
    expected = {
        str(number)
        for number, (acl_class, source) in enumerate(rows)
        if acl_class in classes and (sources is None or source in sources)
    }
    assert set(found(words, "Stichwort", Grant(acl_classes=classes, sources=sources))) == expected


def test_rights_change_the_filter_not_the_score(words: WordIndex) -> None:
    before = words.search("Urlaub", grant=ALL, k=1)
    assert words.search("Urlaub", grant=Grant(acl_classes=frozenset({1}), sources=frozenset({"docs"})), k=1) == before


def test_a_chunk_written_again_is_there_once_with_its_new_rights(words: WordIndex) -> None:
    words.put([chunk("leave", TEXTS["leave"])], [facets(acl_class=2)])
    words.commit()
    assert len(words) == 3
    assert found(words, "Urlaub", Grant(acl_classes=frozenset({1}))) == []
    assert found(words, "Urlaub", Grant(acl_classes=frozenset({2}))) == ["leave"]


def test_ids_tells_what_was_committed_and_what_was_deleted_is_gone(tmp_path: Path, words: WordIndex) -> None:
    words.put([chunk("late")], [facets()])
    assert words.ids() == set(TEXTS)
    words.delete([ChunkId("sick"), ChunkId("unknown")])
    words.commit()
    assert words.ids() == {"leave", "other", "late"}
    words.drop()
    assert (words.ids(), len(words), found(words, "Urlaub")) == (set(), 0, [])


def test_what_was_committed_is_there_after_reopening_and_nothing_else(tmp_path: Path) -> None:
    first = WordIndex(tmp_path / "w")
    first.put([chunk("kept", "bleibt")], [facets()])
    first.commit()
    first.put([chunk("lost", "fehlt")], [facets()])
    first.close()
    second = WordIndex(tmp_path / "w")
    assert second.ids() == {"kept"}
    second.close()


def test_the_context_is_searched_with_the_text(words: WordIndex) -> None:
    words.put([chunk("ctx", "Betrag 5", context="Reisekosten › Kilometergeld")], [facets()])
    words.commit()
    assert "ctx" in found(words, "Kilometergeld")


def test_stems_leave_out_stop_words_and_figures(words: WordIndex) -> None:
    assert words.stems("Der Urlaub und die 24 Urlaube") == words.stems("Urlaub")
    assert words.stems("24 der die") == frozenset()


def test_an_index_that_cannot_be_opened_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "meta.json").write_text("no index")
    with pytest.raises(StoreError, match=r"could not be read.*made anew from the ledger"):
        WordIndex(tmp_path / "w")


def test_a_child_that_holds_the_old_lock_for_a_moment_does_not_fail_the_write(
    words: WordIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its start and its program a child holds copies of all that is open, the writer's lock as well."""
    words.close()
    waited: list[float] = []
    with (words.directory / ".tantivy-writer.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 5:
                fcntl.flock(held, fcntl.LOCK_UN)

        monkeypatch.setattr("rag.store.words.time.sleep", wait)
        words.put([chunk("new", "Prüfbericht")], [facets()])
        assert len(waited) == 5
    words.commit()
    assert found(words, "Prüfbericht") == ["new"]


def test_an_index_that_is_open_elsewhere_is_told_in_words(words: WordIndex) -> None:
    words.close()
    with (words.directory / ".tantivy-writer.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="is open already"):
            words.put([chunk("new", "Prüfbericht")], [facets()])


@pytest.mark.parametrize("other", ["fields", "stems"])
def test_an_index_of_another_version_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    home = tmp_path / "home"
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("Der Urlaub beträgt 24 Tage.")
    with monkeypatch.context() as older:
        if other == "fields":
            older.setitem(FIELDS, "more", FIELDS["de"])
        else:
            older.setattr("rag.store.terms.analyzer", lambda name: analyzer("exact"))
        with House(home) as house:
            house.sync(folder(tmp_path / "docs"))  # type: ignore[arg-type]
            grant = house.ledger.grant(ANNA)
            assert house.words.search("Tagen", grant=grant, k=5) == [] or other == "fields"
    with House(home) as house:
        house.upkeep.run(succeed=False)
        assert house.level()
        assert len(house.words.search("Tagen", grant=house.ledger.grant(ANNA), k=5)) == 1
        kept = house.words.directory.stat().st_ino
    with House(home) as house:
        assert house.words.level and house.words.directory.stat().st_ino == kept


def test_other_stems_make_an_index_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe()
    monkeypatch.setattr("rag.store.terms.analyzer", lambda name: analyzer("english" if name == "german" else name))
    assert recipe() != before


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Urlaub", "Der Erholungsurlaub ist zu beantragen."),
        ("Urlaub", "Ein Urlaubsantrag liegt bei."),
        ("Mueller", "Frau Müller leitet die Abteilung."),
        ("Müller", "Frau Mueller leitet die Abteilung."),
        ("RL-2024-07", "Es gilt die RL-2024-07 vom März."),
        ("BUrlG", "Nach dem BUrlG gilt das."),
        ("Universitätsklinik", "the university clinic"),
    ],
)
def test_spellings_compounds_and_identifiers_are_found(words: WordIndex, question: str, text: str) -> None:
    words.put([chunk("new", text)], [facets()])
    words.commit()
    assert "new" in found(words, question)


def test_a_whole_identifier_beats_its_pieces(words: WordIndex) -> None:
    words.put(
        [chunk("right", "Richtlinie RL-2024-07"), chunk("pieces", "RL 07 2024, RL 2024, RL 07, 2024, 07")],
        [facets()] * 2,
    )
    words.commit()
    assert found(words, "RL-2024-07")[0] == "right"


def test_what_the_parts_of_a_compound_cover_counts(words: WordIndex) -> None:
    words.put([chunk("more", "Tage und Antrag auf Urlaub")], [facets()])
    words.commit()
    whole, parts, within, none = words.coverage(
        "Urlaubsantrag", ["ein Urlaubsantrag", "Antrag auf Urlaub", "Antrag auf Geld", "Kantine"], grant=ALL
    )
    assert whole == parts == 1.0
    assert 0.0 == none < within < 1.0
