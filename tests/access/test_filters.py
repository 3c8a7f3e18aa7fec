"""Filters take away and never add: what is found under them is what looking at the ledger finds, within what may be
read. Real ledger, Chroma and tantivy, with the rows in memory and without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rag.access import Acl, Principal
from rag.ask.neutral import Languages
from rag.ask.retrieve import Retriever
from rag.documents import ChunkId, DocumentId
from rag.errors import SettingsError
from rag.filters import NONE, TYPES, Filters, parse
from rag.ingest.parse import media
from rag.store import opening
from rag.store.ledger import Ledger
from rag.store.rows import Version
from rag.text.patterns import within
from tests.standins import DIMENSION, WordEmbedder
from tests.store.makers import version

ANNA, BERTA = Principal(user="anna"), Principal(user="berta", groups=frozenset({"hr"}))
PDF, MAIL, TEXT = "application/pdf", "message/rfc822", "text/plain"
READERS = (("everyone",), ("group:hr",), ("user:anna",), ())
PLACES = ("hr/urlaub.pdf", "hr/Protokolle/märz.txt", "protokolle/juni.pdf", "it/post.eml", "HR2/x.txt", "hr/hr")
LANGUAGES = ("de", "en", None)


def document(number: int) -> Version:
    """Every document holds the same word, and differs in all that can be filtered by. Some are parts of a mail."""
    source, place = ("docs", "archiv")[number % 2], PLACES[number % len(PLACES)]
    inside = place.endswith(".eml") and number % 4 == 1
    folder, _, file = place.rpartition("/")
    name = f"{source}:{number % 3}/{folder}/{number}-{file}" + ("!/anlage.pdf" if inside else "")
    own = version(f"k{number}", f"Stichwort nummer{number}", name=name, readers=READERS[number % 4])
    shaped = replace(
        own.document,
        language=LANGUAGES[number % 3],
        modified_at=datetime(2022 + number % 4, 1 + number % 12, 1, tzinfo=UTC),
    )
    rows = WordEmbedder().embed_passages([own.chunks[0].indexed_text])
    media_type = (PDF, MAIL, TEXT)[number % 3]
    return replace(own, document=shaped, vectors=rows, embedder=WordEmbedder.fingerprint, media_type=media_type)


DOCUMENTS = [document(number) for number in range(48)]


class Home:
    def __init__(self, home: Path, *, scan_bytes: int) -> None:
        self.ledger = Ledger(home / "ledger.sqlite")
        self.vectors = opening.open_vectors(
            home / "chroma", self.ledger, fingerprint="words@1", dimension=DIMENSION, scan_bytes=scan_bytes
        )
        self.vectors.level = True
        self.words = opening.open_words(home / "words", self.ledger)
        none = np.zeros(DIMENSION, np.float32)
        self.retriever = Retriever(
            ledger=self.ledger,
            vectors=self.vectors,
            words=self.words,
            embedder=WordEmbedder(),
            languages=Languages(means=dict.fromkeys(("de", "en", ""), none), width=0.2),
        )

    def put(self, *versions: Version) -> None:
        self.ledger.record(versions)
        rows = list(self.ledger.indexed([chunk.id for own in versions for chunk in own.chunks], embedder="words@1"))
        chunks, facets = [chunk for chunk, _, _ in rows], [own for _, own, _ in rows]
        self.vectors.put(chunks, np.asarray([vector for _, _, vector in rows], np.float32), facets)
        self.words.put(chunks, facets)
        self.words.commit()

    def close(self) -> None:
        self.vectors.close()
        self.words.close()
        self.ledger.close()


@pytest.fixture(scope="module", params=[0, 1 << 28], ids=["files", "memory"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    opened = Home(tmp_path_factory.mktemp("home"), scan_bytes=request.param)
    opened.put(*DOCUMENTS)
    if opened.vectors.loading is not None:
        opened.vectors.loading.start()
        assert opened.vectors.loading.wait(60)
    yield opened
    opened.close()


def left(who: Principal, filters: Filters) -> set[str]:
    """Looking at every document, without any of the code that is tested."""
    found = set()
    for own in DOCUMENTS:
        ref, shaped = own.document.ref, own.document
        source, path = ref.id.split(":", 1)
        if (
            Acl(readers=ref.acl.readers).admits(who)
            and (filters.sources is None or source in filters.sources)
            and (not filters.languages or (shaped.language or "") in filters.languages)
            and (not filters.types or own.media_type in filters.types)
            and (filters.since is None or shaped.modified_at.date() >= filters.since)
            and (not filters.paths or within(filters.paths)(path.split("!/")[0]))
        ):
            found.add(str(own.chunks[0].id))
    return found


narrowings = st.builds(
    Filters,
    sources=st.none() | st.frozensets(st.sampled_from(["docs", "archiv", "none"])),
    languages=st.frozensets(st.sampled_from(["de", "en", ""])),
    types=st.frozensets(st.sampled_from([PDF, MAIL, TEXT, "image/png"])),
    since=st.none() | st.dates(date(2021, 1, 1), date(2027, 1, 1)),
    paths=st.frozensets(st.sampled_from(["0/", "1/HR/", "**/protokolle/*", "**/it/*.eml", "*.PDF", "9/"]), max_size=2),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(Filters(paths=frozenset({"**/it/*.eml"})), BERTA)
@example(Filters(paths=frozenset({"*.PDF"})), BERTA)
@given(narrowings, st.sampled_from([ANNA, BERTA, Principal(user="carl")]))
def test_under_filters_both_searches_find_exactly_what_they_leave(home: Home, filters: Filters, who: Principal) -> None:
    grant = home.ledger.grant(who, filters)
    vector = home.retriever.embedder.embed_question("Stichwort")
    expected = left(who, filters)
    assert {name for name, _ in home.retriever.dense(vector, grant, 50)} == expected
    assert {name for name, _ in home.words.search("Stichwort", grant=grant, k=100)} == expected
    shown = home.retriever.retrieve("Stichwort", principal=who, k=100, filters=filters).passages
    assert {passage.chunk.id for passage in shown} == expected
    assert expected <= left(who, NONE)


def test_filters_see_a_change_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path, scan_bytes=1 << 28)
    wanted = Filters(types=frozenset({PDF}))

    def found() -> list[str]:
        shown = home.retriever.retrieve("Stichwort", principal=BERTA, k=9, filters=wanted).passages
        return [passage.chunk.document_id for passage in shown]

    first, second = (version(key, f"Stichwort {key}") for key in "ab")
    rows = WordEmbedder().embed_passages(["Stichwort"])
    made = [replace(own, vectors=rows, embedder="words@1", media_type=PDF) for own in (first, second)]
    home.put(made[0])
    assert [found() for _ in range(3)] == [["docs:a.txt"]] * 3
    assert home.vectors.loading is not None and home.vectors.loading.wait(60)
    home.put(made[1])
    assert sorted(found()) == ["docs:a.txt", "docs:b.txt"]
    with home.ledger.transaction():
        home.ledger._db.execute("UPDATE documents SET media_type = 'text/plain' WHERE key = 'a'")
    assert found() == ["docs:b.txt"]
    home.ledger.remove(DocumentId("docs:b.txt"))
    assert found() == []
    home.close()


def test_the_same_filters_are_resolved_once_until_something_changes(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    real = home.ledger._candidates
    monkeypatch.setattr(home.ledger, "_candidates", lambda: (looks.append(1), real())[1])
    wanted = Filters(paths=frozenset({"1/", "zzz/"}))
    kept = [home.ledger.grant(ANNA, wanted).documents for _ in range(3)]
    assert len(looks) == 1 and kept[0] is kept[1] is kept[2]
    home.ledger.remember("anything", "else")
    home.ledger.grant(ANNA, wanted)
    assert len(looks) == 2


@pytest.mark.parametrize(
    ("place", "path", "inside"),
    [
        ("hr/", "hr/urlaub.pdf", True),
        ("HR/", "hr/a/b.pdf", True),
        ("hr/", "hr2/x.pdf", False),
        ("hr/", "a/hr/x.pdf", False),
        ("hr", "hr/x.pdf", True),
        ("hr", "hr", True),
        ("hr/", "hr", False),
        ("**/protokolle/*", "protokolle/x.txt", True),
        ("**/protokolle/*", "a/b/Protokolle/x.txt", True),
        ("*.pdf", "a/b.PDF", True),
        ("*.pdf", "a/b.txt", False),
        ("März/", "ma\u0308rz/x.txt", True),
        ("a.b/", "axb/c", False),
    ],
)
def test_a_place_is_a_folder_a_file_or_a_pattern(place: str, path: str, inside: bool) -> None:
    assert within(frozenset({place}))(path) is inside


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("2024-03-01", date(2024, 3, 1)),
        ("2024-3", date(2024, 3, 1)),
        ("2024", date(2024, 1, 1)),
        ("24.12.2024", date(2024, 12, 24)),
        ("1. 3. 2024", date(2024, 3, 1)),
        ("03.2024", date(2024, 3, 1)),
    ],
)
def test_since_takes_a_day_a_month_or_a_year(typed: str, day: date) -> None:
    assert parse(since=typed).since == day


@pytest.mark.parametrize(
    "typed", ["gestern", "2024-13", "2024-02-30", "24", "2024-03-01T10:00", "0000", "31.02.2024", "12.24.2024"]
)
def test_what_is_no_date_is_refused(typed: str) -> None:
    with pytest.raises(SettingsError, match="is no date; write 2024-03-01"):
        parse(since=typed)


@pytest.mark.parametrize(("typed", "names"), [("MAIL", "mail"), (".pdf", "pdf"), ("md", "markdown"), ("eml", "mail")])
def test_a_type_is_known_by_its_usual_names(typed: str, names: str) -> None:
    assert parse(types=[typed]).types == frozenset(TYPES[names])


def test_an_unknown_type_is_told_what_the_index_holds() -> None:
    held = ["application/pdf", "message/rfc822", "application/x-odd", ""]
    with pytest.raises(SettingsError, match='no document type "tape"; this index holds application/x-odd, mail, pdf'):
        parse(types=["tape"], there=lambda: held)
    assert parse(types=["application/x-odd"], there=lambda: held).types == {"application/x-odd"}
    with pytest.raises(SettingsError, match="there are pdf, docx"):
        parse(types=["tape"])


@pytest.mark.parametrize("typed", ["", " ", "/", "./"])
def test_a_path_that_names_nothing_is_refused(typed: str) -> None:
    with pytest.raises(SettingsError, match="no path below a source"):
        parse(paths=[typed])


def test_a_leading_slash_means_the_sources_root() -> None:
    assert parse(paths=["/hr/", "./it/"]).paths == {"hr/", "it/"}


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(SettingsError, match='no language "fr"; there are de, en, other'):
        parse(languages=["fr"])


def test_every_format_that_can_be_read_has_a_name() -> None:
    named = {kind for kinds in TYPES.values() for kind in kinds}
    assert set(media._BY_EXTENSION.values()) | {media.DOCBOOK} <= named


def test_words_score_given_chunks_as_the_search_does(home: Home) -> None:
    grant = home.ledger.grant(BERTA)
    found = dict(home.words.search("nummer8 nummer12 Stichwort", grant=grant, k=100))
    asked = [*dict.fromkeys([*list(found)[:5], ChunkId("k1-v1"), ChunkId("unknown")])]
    scores = home.words.scores("nummer8 nummer12 Stichwort", asked, grant=grant)
    assert list(scores) == asked
    assert {name: score for name, score in scores.items() if name in found} == pytest.approx(
        {name: found[name] for name in asked if name in found}
    )
    assert scores[ChunkId("unknown")] == 0 < scores[ChunkId("k1-v1")]
    assert home.words.scores("der die das", asked, grant=grant) == dict.fromkeys(asked, 0.0)


def test_vectors_of_chunks_come_from_memory_or_ledger_alike(home: Home) -> None:
    asked = [ChunkId("k3-v1"), ChunkId("unknown"), ChunkId("k9-v1")]
    rows = home.retriever.vectors_of(asked)
    assert rows.shape == (3, DIMENSION)
    assert np.allclose(rows[[0, 2]], [DOCUMENTS[3].vectors[0], DOCUMENTS[9].vectors[0]], atol=1e-6)
    assert not rows[1].any()
