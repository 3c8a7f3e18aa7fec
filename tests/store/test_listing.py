"""Listings stay quick: what is found, counted and sorted is found in one index, and no document's text is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.access import EVERYONE, Acl, Principal
from rag.store import listing
from rag.store.ledger import Ledger
from rag.store.listing import Order, Place, Wanted

ANYBODY = Principal(user="anna")
WANTED = (
    Wanted(),
    Wanted(sources=frozenset({"s1"}), types=frozenset({"text/plain"})),
    Wanted(states=frozenset({"failed", "outdated"})),
    Wanted(text="Übersicht"),
)


class Explained(Ledger):
    """Remembers how SQLite goes about each question of a listing."""

    plans: list[str]

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        if "documents_listed" in sql:
            self.plans.append(
                " / ".join(row["detail"] for row in super().rows(f"EXPLAIN QUERY PLAN {sql}", *parameters))
            )
        return super().rows(sql, *parameters)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Explained]:
    opened = Explained(tmp_path / "ledger.sqlite")
    opened.plans = []
    opened.acl_class(Acl(readers=frozenset({EVERYONE})))
    yield opened
    opened.close()


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("order", Order)
def test_a_page_is_found_in_the_index_alone(ledger: Explained, order: Order, wanted: Wanted) -> None:
    listing.page(ledger, ANYBODY, wanted, order=order, after=Place("m", "k"))
    assert ledger.plans
    for plan in ledger.plans:
        assert "USING COVERING INDEX documents_listed" in plan, plan


@pytest.mark.parametrize("wanted", WANTED)
def test_counts_are_made_in_the_index_alone(ledger: Explained, wanted: Wanted) -> None:
    listing.counts(ledger, ANYBODY, wanted)
    listing.sources_of(ledger, ANYBODY, wanted)
    assert len(ledger.plans) == 2
    for plan in ledger.plans:
        assert "USING COVERING INDEX documents_listed" in plan, plan
