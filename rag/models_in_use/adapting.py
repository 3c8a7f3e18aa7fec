"""The embedder's adapter in use. It is kept in the ledger, so that it goes where the home goes, backups too."""

from __future__ import annotations

import logging

from rag.models.adapter import Adapted, Adapter, adapter_of
from rag.ports import Embedder
from rag.store.ledger import Ledger

_log = logging.getLogger(__name__)

_USED = "embedder adapter"


def adopted(ledger: Ledger) -> str:
    """The name of the adapter that is adopted; "" where none is."""
    return ledger.meta(_USED) or ""


def adopt(ledger: Ledger, adapter: Adapter) -> None:
    """Have it used from the next start on: the embedder with it takes the place of the one without."""
    with ledger.transaction():
        ledger.remember(f"{_USED} {adapter.name}", adapter.as_json())
        ledger.remember(_USED, adapter.name)


def revert(ledger: Ledger) -> str:
    """Have none used any more; gives the name of the one that was. It is kept, for it answers until the other does."""
    before = adopted(ledger)
    ledger.remember(_USED, "")
    return before


def adapted(embedder: Embedder, name: str, ledger: Ledger) -> Embedder:
    """The embedder with the adapter of this name; without, where it has none or was fitted for another embedder."""
    text = ledger.meta(f"{_USED} {name}") if name else None
    if text is None:
        return embedder
    adapter = adapter_of(text)
    if adapter.base != embedder.fingerprint:
        _log.warning(
            "The adapter was fitted for another embedder and is not used; fit it anew with `rag tune embedder`",
            extra={"action": "adapter_left_out", "adapter": name},
        )
        return embedder
    return Adapted(embedder, adapter)
