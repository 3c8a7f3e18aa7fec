"""Folders as sources: what `rag ingest PATH` registers and what rag.toml lists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.access import EVERYONE, Confidentiality, Token
from rag.errors import SettingsError, SourceUnavailable
from rag.files.sources import Sources
from rag.settings import Settings
from rag.settings.sources import SourceSettings
from rag.store.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def sources(ledger: Ledger, tmp_path: Path, *configured: SourceSettings) -> Sources:
    return Sources(Settings(home=tmp_path, models=tmp_path, sources=configured), ledger)


def made(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_a_registered_folder_is_internal_and_read_by_everyone(ledger: Ledger, tmp_path: Path) -> None:
    found = sources(ledger, tmp_path)
    name = found.register(made(tmp_path / "Verträge 2026"))
    (made(tmp_path / "Verträge 2026" / "x") / "a.txt").write_text("a")
    (connector,) = found.connectors()
    listing = next(connector.listings())
    assert (name, listing.acl.readers, listing.confidentiality) == (
        "Vertr-ge-2026",
        {EVERYONE},
        Confidentiality.INTERNAL,
    )


def test_a_configured_folder_without_readers_or_class_is_for_nobody_and_strict(ledger: Ledger, tmp_path: Path) -> None:
    (made(tmp_path / "hr") / "a.txt").write_text("a")
    found = sources(ledger, tmp_path, SourceSettings(name="hr", path=str(tmp_path / "hr")))
    listing = next(found.connectors()[0].listings())
    assert (listing.acl.readers, listing.confidentiality) == (frozenset(), Confidentiality.STRICT)


def test_a_configured_folder_has_the_readers_it_names(ledger: Ledger, tmp_path: Path) -> None:
    (made(tmp_path / "hr") / "a.txt").write_text("a")
    configured = SourceSettings(name="hr", path=str(tmp_path / "hr"), readers=("group:hr",), confidentiality="public")
    listing = next(sources(ledger, tmp_path, configured).connectors()[0].listings())
    assert (listing.acl.readers, listing.confidentiality) == ({Token("group:hr")}, Confidentiality.PUBLIC)


def test_a_known_folder_keeps_its_name_and_another_of_that_name_gets_a_number(ledger: Ledger, tmp_path: Path) -> None:
    first, second = made(tmp_path / "a" / "docs"), made(tmp_path / "b" / "docs")
    found = sources(ledger, tmp_path)
    assert [found.register(path) for path in (first, second, first)] == ["docs", "docs-2", "docs"]
    assert found.register(first / ".." / "docs") == "docs"


def test_a_name_of_the_settings_is_not_given_again(ledger: Ledger, tmp_path: Path) -> None:
    found = sources(ledger, tmp_path, SourceSettings(name="docs", path="/elsewhere"))
    assert found.register(made(tmp_path / "docs")) == "docs-2"


def test_looking_at_a_folder_registers_nothing(ledger: Ledger, tmp_path: Path) -> None:
    found = sources(ledger, tmp_path)
    assert found.unregistered(made(tmp_path / "docs")).name == "docs"
    assert ledger.sources() == {}


@pytest.mark.parametrize(
    ("path", "advice"),
    [("missing", "Give the path of a folder that holds documents"), ("ledger.sqlite", "Give the folder that holds it")],
)
def test_what_is_no_folder_is_not_registered(ledger: Ledger, tmp_path: Path, path: str, advice: str) -> None:
    with pytest.raises(SourceUnavailable, match=advice):
        sources(ledger, tmp_path).register(tmp_path / path)
    assert ledger.sources() == {}


def test_a_path_that_cannot_be_stored_is_refused_in_words(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="is not UTF-8 and cannot be remembered"):
        sources(ledger, tmp_path).register(made(tmp_path / os.fsdecode(b"latin1_\xe4")))


def test_an_unknown_source_is_told_with_those_there_are(ledger: Ledger, tmp_path: Path) -> None:
    found = sources(ledger, tmp_path)
    with pytest.raises(SettingsError, match="There is no source yet"):
        found.connectors()
    found.register(made(tmp_path / "docs"))
    with pytest.raises(SettingsError, match=r'no source called "hr". Known sources: docs'):
        found.connectors(["hr"])
