"""What people said of answers, each under the receipt of its answer; a later word takes the place of the one before.

Nobody's name is here: whose answer it was, the audit's record of the receipt tells, by pseudonym. The reason and the
question are people's own words, kept because they sent them, and go as the audit goes, or when they are erased.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from rag.store.ledger import Ledger
from rag.store.rows import now


class Verdict(StrEnum):
    """What was said."""

    HELPFUL = "helpful"
    WRONG = "wrong"
    OUTDATED = "outdated"
    INCOMPLETE = "incomplete"
    NOT_FOUND = "not_found"  # it said there was nothing, and there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One word on one answer."""

    receipt: str
    verdict: Verdict
    reason: str | None
    question: str | None
    at: str


class Feedback:
    """Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def keep(self, receipt: str, verdict: Verdict, *, reason: str | None = None, question: str | None = None) -> None:
        """Keep it, durably."""
        self._ledger.change(
            "INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?, ?)", (receipt, verdict.value, reason, question, now())
        )

    def all(self) -> Iterator[Judgement]:
        """Every word, the oldest first."""
        for row in self._ledger.rows("SELECT * FROM feedback ORDER BY at, receipt"):
            yield Judgement(
                receipt=row["receipt"],
                verdict=Verdict(row["verdict"]),
                reason=row["reason"],
                question=row["question"],
                at=row["at"],
            )

    def texts(self) -> Iterator[str]:
        """Every text that was kept."""
        for one in self.all():
            yield from (text for text in (one.reason, one.question) if text)

    def forget(self, receipts: Collection[str]) -> int:
        """Erase what was said under these receipts; gives how much it was."""
        return sum(self._ledger.change("DELETE FROM feedback WHERE receipt = ?", (one,)) for one in set(receipts))

    def forget_texts(self, texts: Collection[str]) -> int:
        """Erase what holds one of these texts, wherever it was kept; gives how much it was."""
        return sum(
            self._ledger.change("DELETE FROM feedback WHERE reason = ? OR question = ?", (text, text))
            for text in set(texts)
        )

    def purge(self, *, before: str) -> int:
        """Erase what was said before this day; gives how much it was."""
        return self._ledger.change("DELETE FROM feedback WHERE at < ?", (before,))
