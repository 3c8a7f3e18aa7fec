"""What of the current versions nobody sees who opens them; written with a version, read with a passage."""

from __future__ import annotations

from collections.abc import Iterable

from rag.documents import Document, Hidden, Hiding, Span
from rag.store.database import Database
from rag.store.rows import marks


class HidingPlaces(Database):
    """Stretches of hidden text, by document."""

    def hidden_in(self, keys: Iterable[str]) -> dict[str, list[tuple[str, Hidden]]]:
        """Key of a document → the hidden stretches of its text, in order, each with the version it belongs to."""
        names = list(dict.fromkeys(keys))
        found: dict[str, list[tuple[str, Hidden]]] = {}
        for row in self._all(
            "SELECT document, version, span_start, span_end, why FROM hidden_text"
            f" WHERE document IN ({marks(names)}) ORDER BY document, span_start",
            *names,
        ):
            span = Span(start=row["span_start"], end=row["span_end"])
            found.setdefault(row["document"], []).append((row["version"], Hidden(span=span, why=Hiding(row["why"]))))
        return found

    def _keep_hidden(self, document: Document) -> None:
        """Within a transaction: the stretches of this version in place of those of the version before."""
        key, version = document.ref.key, document.ref.version
        self._db.execute("DELETE FROM hidden_text WHERE document = ?", (key,))
        self._db.executemany(
            "INSERT INTO hidden_text VALUES (?, ?, ?, ?, ?)",
            [(key, version, one.span.start, one.span.end, one.why.value) for one in document.hidden],
        )
