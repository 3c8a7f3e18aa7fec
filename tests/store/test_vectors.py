from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.access import Grant
from rag.documents import ChunkId
from rag.errors import StoreError
from rag.store.rows import Facets
from rag.store.selecting import Shares
from rag.store.vectors import VectorIndex
from tests.store.makers import DIMENSION, chunk, facets, unit

ALL = Grant(acl_classes=frozenset({1, 2}))


def opened(home: Path, fingerprint: str = "model@1") -> VectorIndex:
    return VectorIndex(home / "chroma", fingerprint=fingerprint, dimension=DIMENSION)


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[VectorIndex]:
    index = opened(tmp_path)
    yield index
    index.close()


def put(index: VectorIndex, *numbers: int, acl_class: int = 1, source: str = "docs", language: str = "de") -> None:
    rows = np.concatenate([unit(number) for number in numbers])
    own = [facets(acl_class, source, language)] * len(numbers)
    index.put([chunk(str(number)) for number in numbers], rows, own)


def found(index: VectorIndex, number: int, grant: Grant = ALL, *, language: str = "de", k: int = 100) -> list[str]:
    return [name for name, _ in index.search(unit(number)[0], grant=grant, language=language, k=k)]


def test_the_nearest_comes_first_scored_by_its_cosine(vectors: VectorIndex) -> None:
    put(vectors, *range(20))
    hits = vectors.search(unit(7)[0], grant=ALL, language="de", k=3)
    assert hits[0][0] == "7"
    for name, score in hits:
        assert score == pytest.approx(float(unit(7)[0] @ unit(int(name))[0]), abs=1e-5)
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


def test_an_empty_index_and_an_empty_grant_find_nothing(vectors: VectorIndex) -> None:
    assert found(vectors, 1) == []
    put(vectors, 1)
    assert found(vectors, 1, Grant(acl_classes=frozenset())) == []
    assert found(vectors, 1, Grant(acl_classes=frozenset({1}), sources=frozenset())) == []
    assert found(vectors, 1, k=0) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.frozensets(st.integers(1, 4)),
    st.none() | st.frozensets(st.sampled_from(["docs", "hr", "none"])),
    st.sampled_from(["de", "en", ""]),
)
def test_only_granted_rows_of_the_language_are_found(
    vectors: VectorIndex, classes: frozenset[int], sources: frozenset[str] | None, language: str
) -> None:
    rows = [(c, s, lang) for c in (1, 2, 3) for s in ("docs", "hr") for lang in ("de", "en", "")]
    for number, (acl_class, source, spoken) in enumerate(rows if not len(vectors) else []):
        put(vectors, number, acl_class=acl_class, source=source, language=spoken)
    expected = {
        str(number)
        for number, (acl_class, source, spoken) in enumerate(rows)
        if acl_class in classes and (sources is None or source in sources) and spoken == language
    }
    assert set(found(vectors, 0, Grant(acl_classes=classes, sources=sources), language=language)) == expected


def test_more_rows_than_chroma_takes_at_once_are_written(vectors: VectorIndex) -> None:
    count = 6000
    rows = np.tile(unit(1), (count, 1)) + np.random.default_rng(0).normal(0, 0.01, (count, DIMENSION))
    chunks = [chunk(str(number)) for number in range(count)]
    vectors.put(chunks, np.asarray(rows, np.float32), [facets()] * count)
    assert len(vectors) == count
    vectors.delete([part.id for part in chunks[:5999]])
    assert vectors.ids() == {ChunkId("5999")}


def test_deleted_rows_do_not_come_back(tmp_path: Path) -> None:
    first = opened(tmp_path)
    put(first, 1, 2, 3)
    first.delete([ChunkId("2"), ChunkId("unknown")])
    assert set(found(first, 2)) == {"1", "3"}
    first.close()
    second = opened(tmp_path)
    assert second.ids() == {"1", "3"}
    assert "2" not in found(second, 2)
    second.close()


def test_a_row_written_again_has_its_new_rights_and_is_there_once(vectors: VectorIndex) -> None:
    put(vectors, 1, acl_class=1)
    put(vectors, 1, acl_class=2)
    assert len(vectors) == 1
    assert found(vectors, 1, Grant(acl_classes=frozenset({1}))) == []
    assert found(vectors, 1, Grant(acl_classes=frozenset({2}))) == ["1"]


def test_a_row_without_facets_as_one_that_is_being_removed_is_nobodys(vectors: VectorIndex) -> None:
    put(vectors, 1)
    vectors._rows.upsert(ids=["2"], embeddings=unit(2))
    vectors.shares = Shares(lambda: {Facets(acl_class=1, source="docs", language="de"): 1})
    assert found(vectors, 2) == ["1"]
    assert vectors.facets()[ChunkId("2")].acl_class == -1


def test_after_a_drop_the_index_is_empty_and_can_be_filled_again(vectors: VectorIndex) -> None:
    put(vectors, 1, 2)
    vectors.drop()
    assert (len(vectors), found(vectors, 1)) == (0, [])
    put(vectors, 2)
    assert vectors.ids() == {"2"}


def test_two_embedders_do_not_share_rows(tmp_path: Path) -> None:
    first = opened(tmp_path, "model@1")
    put(first, 1)
    first.close()
    second = opened(tmp_path, "model@2")
    assert len(second) == 0
    second.close()


def test_the_directory_is_closed_to_other_accounts(tmp_path: Path) -> None:
    index = opened(tmp_path)
    index.close()
    assert (tmp_path / "chroma").stat().st_mode & 0o777 == 0o700


def test_settings_lying_about_in_the_working_directory_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ALLOW_RESET=TRUE\nMIGRATIONS=none\nCHROMA_MEMORY_LIMIT_BYTES=77\n")
    monkeypatch.chdir(tmp_path)
    index = opened(tmp_path)
    held = index._client.get_settings()
    index.close()
    assert (held.allow_reset, held.migrations, held.chroma_memory_limit_bytes) == (False, "apply", 0)


EVIL = {
    "type": "known",
    "name": "sentence_transformer",
    "config": {"model_name": "evil/model", "device": "cpu", "normalize_embeddings": False,
               "kwargs": {"trust_remote_code": True}},
}  # fmt: skip


@pytest.mark.parametrize("where", ["configuration", "dense schema", "sparse schema"])
def test_a_changed_index_that_names_code_to_run_is_refused_in_words(tmp_path: Path, where: str) -> None:
    index = opened(tmp_path)
    put(index, 1)
    index.close()
    with sqlite3.connect(tmp_path / "chroma" / "chroma.sqlite3") as raw:
        (schema,) = raw.execute("SELECT schema_str FROM collections").fetchone()
        changed = json.loads(schema)
        if where == "configuration":
            text = json.dumps({"hnsw": {"space": "cosine"}, "spann": None, "embedding_function": EVIL})
            raw.execute("UPDATE collections SET config_json_str = ?, schema_str = NULL", (text,))
        else:
            kind, place = ("float_list", "vector_index") if where == "dense schema" else ("sparse_vector",) * 2
            index_of = changed["defaults"][kind][place if kind == "float_list" else "sparse_vector_index"]
            index_of["config"]["embedding_function"] = EVIL
            raw.execute("UPDATE collections SET schema_str = ?", (json.dumps(changed),))
    raw.close()
    with pytest.raises(StoreError, match="names an embedding function, which Archivar never writes"):
        opened(tmp_path)


def test_an_index_that_cannot_be_opened_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "chroma").mkdir()
    (tmp_path / "chroma" / "chroma.sqlite3").write_text("no database " * 500)
    with pytest.raises(StoreError, match=r"could not be read.*made anew from the ledger"):
        opened(tmp_path)
