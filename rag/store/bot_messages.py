"""Which message of a bot's shows which documents, so that it can be taken back when a document is.

A message is an opaque text of its platform's bot, a document its key, which outlives it. Whose answer it was only the
audit's record of the receipt tells, by pseudonym.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from rag.store.ledger import Ledger
from rag.store.rows import marks, now


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One message; `documents` are keys, `gone` those of them that are no longer there. Moments are ISO 8601."""

    platform: str
    message: str
    receipt: str
    at: str
    documents: tuple[str, ...]
    gone: tuple[str, ...] = ()
    withdraw_at: str | None = None


class BotMessages:
    """Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def keep(self, platform: str, message: str, *, receipt: str, documents: Collection[str]) -> None:
        """Remember, durably, what the message shows; in place of what it showed before. Whoever posts it again has not
        seen that it is to be taken back: that stays."""
        moment = now()
        with self._ledger.transaction():
            rows = self._ledger.rows(
                "SELECT max(withdraw_at) FROM bot_messages WHERE platform = ? AND message = ?", platform, message
            )
            wanted = rows[0][0] if rows else None
            self._ledger.change("DELETE FROM bot_messages WHERE platform = ? AND message = ?", (platform, message))
            for document in dict.fromkeys(documents):
                self._ledger.change(
                    "INSERT INTO bot_messages VALUES (?, ?, ?, ?, ?, ?)",
                    (platform, message, document, receipt, moment, wanted),
                )

    def all(self, *, document: str | None = None, gone: bool = False) -> list[Posted]:
        """The messages, the oldest first: all, those that show this document, or one that is no longer there."""
        rows = self._ledger.rows(
            "SELECT b.*, d.version AS standing FROM bot_messages b LEFT JOIN documents d ON d.key = b.document"
            " ORDER BY b.at, b.platform, b.message, b.document"
        )
        found: dict[tuple[str, str], list[sqlite3.Row]] = {}
        for row in rows:
            found.setdefault((row["platform"], row["message"]), []).append(row)
        made = [_posted(theirs) for theirs in found.values()]
        return [one for one in made if (document is None or document in one.documents) and (not gone or one.gone)]

    def count(self, documents: Collection[str]) -> int:
        """How many messages show one of these documents, and are not taken back yet."""
        wanted = list(dict.fromkeys(documents))
        found: set[tuple[str, str]] = set()
        for start in range(0, len(wanted), 500):
            batch = wanted[start : start + 500]
            sql = f"SELECT DISTINCT platform, message FROM bot_messages WHERE document IN ({marks(batch)})"
            found |= {(row["platform"], row["message"]) for row in self._ledger.rows(sql, *batch)}
        return len(found)

    def withdraw(self, messages: Collection[Posted]) -> int:
        """Have these taken back by their bots; gives how many that were not to be before."""
        moment = now()
        with self._ledger.transaction():
            fresh = [one for one in messages if one.withdraw_at is None]
            for one in fresh:
                self._ledger.change(
                    "UPDATE bot_messages SET withdraw_at = ? WHERE platform = ? AND message = ?",
                    (moment, one.platform, one.message),
                )
        return len(fresh)

    def withdrawals(self, platform: str, *, most: int = 100, skip: int = 0) -> list[str]:
        """What a bot is to take back, the oldest wish first, without the first `skip`."""
        rows = self._ledger.rows(
            "SELECT message, min(withdraw_at) AS wish FROM bot_messages WHERE platform = ? AND withdraw_at IS NOT NULL"
            " GROUP BY message ORDER BY wish, message LIMIT ? OFFSET ?",
            platform,
            most,
            skip,
        )
        return [str(row["message"]) for row in rows]

    def withdrawn(self, platform: str, message: str) -> None:
        """It is taken back: nothing is remembered of it."""
        self._ledger.change("DELETE FROM bot_messages WHERE platform = ? AND message = ?", (platform, message))

    def receipts(self) -> frozenset[str]:
        """The receipts of the answers they show."""
        return frozenset(row["receipt"] for row in self._ledger.rows("SELECT DISTINCT receipt FROM bot_messages"))

    def forget(self, receipts: Collection[str]) -> int:
        """Erase what is remembered of these answers; gives how many messages it was."""
        gone = 0
        for receipt in set(receipts):
            rows = self._ledger.rows(
                "SELECT count(*) FROM (SELECT DISTINCT platform, message FROM bot_messages WHERE receipt = ?)", receipt
            )
            gone += int(rows[0][0])
            self._ledger.change("DELETE FROM bot_messages WHERE receipt = ?", (receipt,))
        return gone

    def purge(self, *, before: str) -> int:
        """Erase what was posted before this day; gives how much it was."""
        return self._ledger.change("DELETE FROM bot_messages WHERE at < ?", (before,))


def _posted(rows: list[sqlite3.Row]) -> Posted:
    first = rows[0]
    return Posted(
        platform=first["platform"],
        message=first["message"],
        receipt=first["receipt"],
        at=first["at"],
        documents=tuple(row["document"] for row in rows),
        gone=tuple(row["document"] for row in rows if row["standing"] is None),
        withdraw_at=first["withdraw_at"],
    )
