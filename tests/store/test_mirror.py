"""The rows in memory give exactly what looking at every row would, whoever writes meanwhile. Real ledger and Chroma."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.access import Grant
from rag.documents import ChunkId
from rag.ports import Vectors
from rag.store import opening, snapshot
from rag.store.ledger import Ledger
from rag.store.loading import Loading
from rag.store.mirror import Mirror
from rag.store.rows import Facets, Version
from rag.store.vectors import VectorIndex
from tests.store.makers import DIMENSION, EMBEDDER, acl, unit, version

LANGUAGES = ("de", "en", "")
LARGE = 1 << 30
PATIENCE_S = 60
"""How long a thread may take that works: the machine may be busy."""
ALL = Grant(acl_classes=frozenset(range(10)))


def facets(number: int) -> Facets:
    return Facets(
        acl_class=number % 4,
        source=("docs", "hr")[number % 2],
        language=LANGUAGES[number % 3],
        document=f"d{number % 5}",
    )


def names(*numbers: int) -> list[ChunkId]:
    return [ChunkId(f"c{number}") for number in numbers]


def rows(*numbers: int) -> Vectors:
    return np.concatenate([unit(number) for number in numbers])


def put(mirror: Mirror, *numbers: int, moved: int = 0) -> None:
    """Rows; `moved` gives them other vectors and facets."""
    mirror.put(names(*numbers), rows(*(n + moved for n in numbers)), [facets(n + moved) for n in numbers])


def following(*, most_bytes: int = LARGE) -> Mirror:
    mirror = Mirror(DIMENSION, most_bytes=most_bytes)
    mirror.gather()
    mirror.finish()
    return mirror


def brute(held: dict[int, int], asked: int, grant: Grant, language: str, k: int) -> list[str]:
    """Looking at every row: `held` is number → what it was moved by."""
    scores = {}
    for number, moved in held.items():
        own = facets(number + moved)
        if (
            own.language == language
            and own.acl_class in grant.acl_classes
            and (grant.sources is None or own.source in grant.sources)
            and (grant.languages is None or language in grant.languages)
            and (grant.documents is None or own.document in grant.documents)
            and (grant.chunks is None or f"c{number}" in grant.chunks)
        ):
            scores[f"c{number}"] = float(unit(number + moved)[0] @ unit(asked)[0])
    return sorted(scores, key=lambda name: -scores[name])[:k]


numbers = st.integers(0, 30)
steps = st.lists(st.tuples(st.sampled_from(["put", "again", "delete"]), st.lists(numbers, max_size=6)), max_size=12)
grants = st.builds(
    Grant,
    acl_classes=st.frozensets(st.integers(0, 4)),
    sources=st.none() | st.frozensets(st.sampled_from(["docs", "hr", "none"])),
    languages=st.none() | st.frozensets(st.sampled_from(LANGUAGES)),
    documents=st.none() | st.frozensets(st.sampled_from([f"d{n}" for n in range(6)])),
    chunks=st.none() | st.frozensets(numbers.map(lambda n: f"c{n}")),
)


@settings(max_examples=150, deadline=None)
@given(steps, grants, numbers, st.integers(1, 8))
def test_it_finds_what_looking_at_every_row_finds(
    steps: Sequence[tuple[str, list[int]]], grant: Grant, asked: int, k: int
) -> None:
    mirror, held = following(), {}
    for what, these in steps:
        mirror.search(unit(asked)[0], grant=grant, languages=LANGUAGES, k=k)  # keeps what it can
        if what == "delete":
            mirror.delete(names(*these))
            held = {n: moved for n, moved in held.items() if n not in these}
        elif these:
            moved = 100 if what == "again" else 0
            put(mirror, *these, moved=moved)
            held |= dict.fromkeys(these, moved)
    found = mirror.search(unit(asked)[0], grant=grant, languages=LANGUAGES, k=k)
    assert found is not None
    assert len(mirror) == len(held)
    for language in LANGUAGES:
        assert [name for name, _ in found[language]] == brute(held, asked, grant, language, k)
    vectors = mirror.vectors_of(names(*range(31)))
    assert {name: row.tolist() for name, row in vectors.items()} == {
        f"c{n}": unit(n + moved)[0].tolist() for n, moved in held.items()
    }


@pytest.mark.parametrize("count", [100, 3000, snapshot.BLOCK + 500])
@pytest.mark.parametrize("share", [1, 3, 100])
def test_few_or_many_rows_of_several_blocks_are_scored_alike(count: int, share: int) -> None:
    matrix = np.random.default_rng(1).standard_normal((count, DIMENSION)).astype(np.float32)
    mirror = following()
    own = [Facets(acl_class=int(n % share == 0), source="docs", language="de") for n in range(count)]
    mirror.put([ChunkId(str(n)) for n in range(count)], matrix, own)
    found = mirror.search(matrix[7], grant=Grant(acl_classes=frozenset({1})), languages=("de",), k=20)
    assert found is not None
    seen = np.arange(0, count, share)
    best = seen[np.argsort(-(matrix[seen] @ matrix[7]), kind="stable")][:20]
    assert [int(name) for name, _ in found["de"]] == best.tolist()


def test_dead_rows_go_and_the_living_stay_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("snapshot", "mirror"):
        monkeypatch.setattr(f"rag.store.{module}.BLOCK", 16)
    mirror = following()
    put(mirror, *range(40))
    before = mirror.nbytes
    for _ in range(20):
        put(mirror, *range(40))
    mirror.delete(names(*range(30)))
    assert mirror.nbytes <= 2 * before
    found = mirror.search(unit(35)[0], grant=ALL, languages=LANGUAGES, k=50)
    assert found is not None
    assert {name for hits in found.values() for name, _ in hits} == set(names(*range(30, 40)))


def test_a_search_under_way_sees_its_own_moment() -> None:
    mirror = following()
    put(mirror, *range(20))
    before = mirror._now
    held = before.cells.copy()
    mirror.delete(names(3))
    put(mirror, *range(20), moved=100)
    assert (before.cells == held).all() and before.count == 20
    assert before.scores(np.arange(20), unit(3)[0]) == pytest.approx(rows(*range(20)) @ unit(3)[0], abs=1e-5)


def test_a_row_that_is_written_again_and_again_is_never_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("snapshot", "mirror"):
        monkeypatch.setattr(f"rag.store.{module}.BLOCK", 64)
    mirror = following()
    put(mirror, *range(30))
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            put(mirror, *range(30))
            mirror.delete(names(99))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        narrow = Grant(acl_classes=ALL.acl_classes, chunks=frozenset(names(7)))
        for number in range(600):
            grant = narrow if number % 2 else ALL
            found = mirror.search(unit(7)[0], grant=grant, languages=LANGUAGES, k=1)
            assert found is not None
            assert found[facets(7).language] == [("c7", pytest.approx(1.0, abs=1e-5))]
            assert list(mirror.vectors_of(names(7))) == ["c7"]
    finally:
        ended.set()
        writer.join()


def test_a_row_is_found_at_every_step_of_writing_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = following()
    put(mirror, *range(30))
    narrow = Grant(acl_classes=ALL.acl_classes, chunks=frozenset(names(7)))
    seen: list[list[str]] = []
    real = mirror._publish

    def look() -> None:
        found = mirror.search(unit(7)[0], grant=narrow, languages=LANGUAGES, k=1)
        seen.append([name for hits in (found or {}).values() for name, _ in hits])

    def publish(now: snapshot.Snapshot) -> None:
        before = threading.Thread(target=look)
        before.start()
        before.join(0.2)  # it may wait for what is being written
        real(now)
        before.join(PATIENCE_S)
        look()

    monkeypatch.setattr(mirror, "_publish", publish)
    put(mirror, *range(30))
    assert seen == [["c7"], ["c7"]]


def test_more_than_it_may_hold_is_not_held() -> None:
    mirror = following(most_bytes=20 * 332)
    put(mirror, *range(20))
    assert mirror.complete
    put(mirror, *range(20), moved=100)
    assert mirror.complete and len(mirror) == 20
    put(mirror, 20)
    assert mirror.too_large and not mirror.complete and mirror.nbytes == 0
    assert mirror.search(unit(1)[0], grant=ALL, languages=LANGUAGES, k=1) is None


# ---- loaded from the ledger ----


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def recorded(ledger: Ledger, *keys: str) -> None:
    ledger.record([version(key, f"Text {key}") for key in keys])


def loaded(ledger: Ledger, *, most_bytes: int = LARGE) -> tuple[Mirror, Loading]:
    mirror = Mirror(DIMENSION, most_bytes=most_bytes)
    return mirror, Loading(mirror, ledger, embedder=EMBEDDER)


def held(mirror: Mirror) -> set[str]:
    found = mirror.search(unit(1)[0], grant=ALL, languages=LANGUAGES, k=100)
    assert found is not None
    return {name for hits in found.values() for name, _ in hits}


def test_it_is_loaded_at_the_second_search_and_holds_what_the_ledger_does(ledger: Ledger) -> None:
    recorded(ledger, "a", "b", "c")
    mirror, loading = loaded(ledger)
    loading.asked()
    assert not loading.wait(PATIENCE_S) and not mirror.gathering
    loading.asked()
    assert loading.wait(PATIENCE_S)
    assert held(mirror) == {"a-v1", "b-v1", "c-v1"}
    assert mirror.vectors_of([ChunkId("a-v1")])["a-v1"].tolist() == unit(len("Text a"))[0].tolist()
    loading.close()


def test_what_was_announced_before_it_looked_and_recorded_after_is_not_missed(ledger: Ledger) -> None:
    recorded(ledger, "a")
    ledger.announce([ChunkId("b-v1"), ChunkId("never")])
    mirror, loading = loaded(ledger)
    loading.start()
    assert not loading.wait(0.3)
    recorded(ledger, "b")
    assert not loading.wait(0.5)
    ledger.settle([ChunkId("never")])
    assert loading.wait(PATIENCE_S)
    assert held(mirror) == {"a-v1", "b-v1"}


def test_what_changes_while_it_loads_is_newer_than_what_is_loaded(ledger: Ledger) -> None:
    recorded(ledger, "a", "b")
    mirror = Mirror(DIMENSION, most_bytes=LARGE)
    mirror.gather()
    mirror.delete([ChunkId("a-v1")])
    mirror.put([ChunkId("b-v1")], unit(77), [Facets(acl_class=3, source="hr", language="en")])
    with ledger.every_vector(EMBEDDER) as (_, pages):
        for page in pages:
            mirror.fill(*page)
    assert mirror.search(unit(1)[0], grant=ALL, languages=LANGUAGES, k=5) is None
    mirror.finish()
    found = mirror.search(unit(77)[0], grant=ALL, languages=LANGUAGES, k=5)
    assert found == {"de": [], "en": [("b-v1", pytest.approx(1.0, abs=1e-5))], "": []}


def test_an_index_too_large_for_memory_is_not_even_read(ledger: Ledger) -> None:
    recorded(ledger, "a", "b", "c")
    mirror, loading = loaded(ledger, most_bytes=2 * 332)
    loading.start()
    assert not loading.wait(PATIENCE_S)
    assert mirror.too_large and not mirror.gathering


def opened(home: Path, ledger: Ledger, **options: int) -> VectorIndex:
    index = opening.open_vectors(home / "chroma", ledger, fingerprint=EMBEDDER, dimension=DIMENSION, **options)
    index.level = True  # an empty one
    return index


def found(index: VectorIndex, number: int = 6) -> set[str]:
    hits = index.search_each(unit(number)[0], grant=ALL, languages=LANGUAGES, k=9)
    assert hits is not None
    return {name for own in hits.values() for name, _ in own}


def written(index: VectorIndex, ledger: Ledger, *keys: str) -> None:
    for key in keys:
        write(index, ledger, version(key, f"Text {key}"))


def write(index: VectorIndex, ledger: Ledger, own: Version) -> None:
    ledger.record([own])
    (row,) = ledger.indexed([own.chunks[0].id], embedder=EMBEDDER)
    index.put(own.chunks, own.vectors, [row[1]])


@pytest.mark.parametrize("scan_bytes", [0, LARGE])
def test_with_and_without_memory_the_same_is_found(tmp_path: Path, ledger: Ledger, scan_bytes: int) -> None:
    index = opened(tmp_path, ledger, scan_bytes=scan_bytes)
    written(index, ledger, "a", "b")
    for _ in range(2):
        assert found(index) == {"a-v1", "b-v1"}
    if index.loading is not None:
        assert index.loading.wait(PATIENCE_S)
    index.delete([ChunkId("a-v1")])
    written(index, ledger, "c")
    assert found(index) == {"b-v1", "c-v1"}
    assert (index.mirror is not None and index.mirror.complete) == bool(scan_bytes)
    opening.close(index, ledger)


def test_while_the_files_are_made_anew_the_rows_in_memory_answer(tmp_path: Path, ledger: Ledger) -> None:
    index = opened(tmp_path, ledger, scan_bytes=LARGE)
    written(index, ledger, "a", "b")
    assert index.loading is not None
    index.loading.start()
    assert index.loading.wait(PATIENCE_S)
    index.renew()
    assert (len(index), index.level, index.ready) == (0, False, True)
    assert found(index) == {"a-v1", "b-v1"}
    index.close()


def test_closing_ends_a_load_under_way(tmp_path: Path, ledger: Ledger) -> None:
    recorded(ledger, "a")
    ledger.announce([ChunkId("never recorded")])
    index = opened(tmp_path, ledger, scan_bytes=LARGE)
    assert index.loading is not None
    index.loading.start()
    assert not index.loading.wait(0.3)
    index.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "mirror"]


def test_a_large_index_that_is_not_in_memory_leaves_few_rows_to_the_ledger_and_fetches_many_in_excess(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.store.selecting._FEW", 3)
    monkeypatch.setattr("rag.store.selecting._LARGE", 10)
    index = opened(tmp_path, ledger)
    for number in range(1, 14):
        readers = ["group:many"] if number <= 10 else ["group:few"]
        write(index, ledger, version(f"c{number}", "x" * number, readers=readers))
    few, many = (Grant(acl_classes=frozenset({ledger.acl_class(acl(f"group:{name}"))})) for name in ("few", "many"))
    assert index.search_each(unit(1)[0], grant=few, languages=LANGUAGES, k=3) is None
    asked: list[object] = []
    real = index._query
    monkeypatch.setattr(
        index, "_query", lambda vector, k, filters: (asked.append(filters), real(vector, k, filters))[1]
    )
    hits = index.search_each(unit(1)[0], grant=many, languages=("de",), k=3)
    assert hits is not None
    best = sorted(range(1, 11), key=lambda n: -float(unit(n)[0] @ unit(1)[0]))[:3]
    assert [name for name, _ in hits["de"]] == [f"c{n}-v1" for n in best]
    assert asked == [None]
    asked.clear()
    monkeypatch.setattr("rag.store.selecting._EXCESS", 0.1)
    everything = index.search_each(unit(1)[0], grant=many, languages=("de",), k=9)
    assert everything is not None and len(everything["de"]) == 9  # too few were fetched: asked again by filter
    assert len(asked) == 2
    opening.close(index, ledger)
