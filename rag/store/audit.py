"""Who was shown what: an append-only, hash-chained log. A record is opened before the prompt, closed with the answer.

It holds opaque document keys and keyed hashes, never a name, a path, a question or an answer; the way back from key to
document is in the ledger, where it can be erased, and so is the way back from pseudonym to person (`rag.store.people`).
No durable record means no answer. The files are `rag.store.segments`', whether they hold `rag.store.verifying` says.

The chain is keyed: who has the files but not `audit/key` cannot write a log that holds. Root has both. What root cannot
change is a hash that was kept elsewhere (`anchor_file`, or what `rag audit head` printed).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.access import Channel, Principal
from rag.answers import Passage
from rag.errors import StoreError
from rag.store import verifying
from rag.store.chain import Chain
from rag.store.people import People
from rag.store.segments import BEGUN, FIRST, SEALED
from rag.store.verifying import Anchor, Fault

_log = logging.getLogger(__name__)

WHO = ("user", "acting", "about")  # where a record names somebody
_DATED = re.compile(r"(\d{4})(\d\d)(\d\d)-")
_RECEIPT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})-[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How an answer was made, so that it can be made again: the prompt without its salt, the fingerprint of its recipe,
    the options of model and rules, how much of the passages the model was given (code points, and whether as extracts),
    and the text."""

    prompt: str = ""
    recipe: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    given_chars: int = 0
    extracted: bool = False
    text: str = ""


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


class AuditLog:
    """The log in one directory and the key of its hashes. Safe to use from several threads.

    `people` keeps names and texts where they can be erased; without it nobody's name is kept anywhere. `anchor_file` is
    appended to whenever a day is sealed.
    """

    def __init__(
        self,
        directory: Path,
        *,
        people: People | None = None,
        anchor_file: Path | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._directory, self._people, self._anchor_file = directory, people, anchor_file
        self.chain = Chain(directory, clock=clock, sealed=self._sealed)

    # ---- what is recorded ----

    def open(
        self,
        *,
        question: str,
        principal: Principal,
        channel: Channel,
        passages: Sequence[Passage],
        acting: str | None = None,
        event: str = "opened",
        reason: str | None = None,
        **more: Any,
    ) -> str:
        """Write, durably, that these passages are about to be shown or answered from; returns the receipt.

        `acting` names who asked on the principal's behalf, `reason` why, where one is needed. `more` may hold nothing
        that names a person, a place or a text. Raises StoreError where the record cannot be made durable.
        """
        shown = [self._shown(passage) for passage in passages]
        more |= {"glass": True} if reason is not None and acting is None else {}
        return self._told(event, principal.user, channel, acting, reason, question=question, passages=shown, **more)

    def note(
        self,
        event: str,
        *,
        user: str,
        channel: Channel,
        acting: str | None = None,
        about: str | None = None,
        reason: str | None = None,
        glass: bool = False,
        **more: Any,
    ) -> str:
        """Write, durably, that somebody is about to see something else than passages, or to do something; `about` names
        another person it is about, `more` is as in `open`, the key of a document in ``document``. Returns the receipt.
        """
        told: dict[str, Any] = {"about": self._who(about)} if about else {}
        told |= {"glass": True} if glass else {}
        return self._told(event, user, channel, acting, reason, **told, **more)

    def close_record(
        self,
        receipt: str,
        *,
        outcome: str,
        model: str,
        digest: str,
        cited: Sequence[str],
        making: Making | None = None,
    ) -> None:
        """Write, durably, how the answer ended; `cited` are document keys."""
        made = {} if making is None else self._made(making)
        entry = {"outcome": outcome, "model": model, "digest": digest, "cited": list(cited), **made}
        self.chain.append({"event": "closed", "receipt": receipt, **entry})

    def _told(
        self,
        event: str,
        user: str,
        channel: Channel,
        acting: str | None,
        reason: str | None,
        *,
        question: str | None = None,
        asked: str | None = None,
        **more: Any,
    ) -> str:
        receipt = f"{self.chain.now():%Y%m%d}-{secrets.token_urlsafe(12)}"
        hashed = {"question": question, "asked": asked if asked != question else None, "reason": reason}
        self.chain.append(
            {
                "event": event,
                "receipt": receipt,
                "user": self._who(user),
                **({"acting": self._who(acting)} if acting else {}),
                "channel": channel.kind.value,
                "audience": channel.audience.value,
                **{name: self.hash(text) for name, text in hashed.items() if text is not None},
                **more,
            }
        )
        if "glass" in more:
            _log.warning(
                "The glass was broken: somebody reads what is not theirs",
                extra={"action": "break_glass", "receipt": receipt},
            )
        if self._people is not None:
            self._people.keep_texts(receipt, {name: text for name, text in hashed.items() if text is not None})
        return receipt

    def _shown(self, passage: Passage) -> dict[str, Any]:
        chunk = passage.chunk
        return {
            "document": passage.key,
            "version": chunk.version,
            "span": [chunk.span.start, chunk.span.end],
            "hash": self.hash(chunk.indexed_text),
            "rule": sorted(self.rule(token) for token in passage.admitted_by),
            **({"superseded": True} if passage.superseded_by else {}),
        }

    def rule(self, token: str) -> str:
        """A reader's token as it is recorded: ``everyone``, ``user`` for the person's own, else a keyed hash; in
        works-council mode its kind only, for a small group is as good as a name."""
        kind, _, name = token.partition(":")
        if not name or kind == "user" or (self._people is not None and self._people.council):
            return kind
        return f"{kind}:{self.hash(token)}"

    def _made(self, making: Making) -> dict[str, Any]:
        return {
            "prompt": self.hash(making.prompt) if making.prompt else "",
            "recipe": making.recipe,
            "options": dict(making.options),
            "given": [making.given_chars, making.extracted],
            "answer": self.hash(making.text),
        }

    # ---- who ----

    def pseudonym(self, user: str) -> str:
        """A name that stays the same within this home and tells nothing without its key."""
        return self.hash(user)

    def hash(self, text: str) -> str:
        """The keyed hash that stands for a text: 128 bits, in hex."""
        return hmac.new(self.chain.key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]

    def _who(self, user: str) -> str:
        if self._people is None:
            return self.pseudonym(user)
        return self._people.pseudonym(user, day=f"{self.chain.now():%Y-%m-%d}", keyed=self.pseudonym)

    # ---- what was recorded ----

    def records(self, *, receipt: str | None = None) -> Iterator[dict[str, Any]]:
        """Every record, oldest first, without those that only frame a day; with `receipt`, those of it.

        Raises:
            StoreError: one is damaged.
        """
        dated = _DATED.match(receipt or "")
        for record in self.chain.records(since="-".join(dated.groups()) if dated else ""):
            if record.get("event") in (BEGUN, SEALED) or receipt not in (None, record.get("receipt")):
                continue
            yield record
            if receipt and record["event"] != "opened":
                return

    def own(self, receipt: str, user: str) -> dict[str, Any] | None:
        """What was recorded under this receipt when an answer was begun, if it was for this person; None where it was
        for another, as where there is no such receipt, after the same work.

        In works-council mode a person is known by their pseudonym for the rest of the day, while the service runs.
        """
        dated = _RECEIPT.fullmatch(receipt)
        if dated is None:
            return None
        day = "-".join(dated.groups())
        keyed = self.pseudonym(user)
        known = keyed if self._people is None else self._people.known_as(user, day=day, keyed=keyed)
        found = [record for record in self.chain.holding(receipt, day=day) if record.get("receipt") == receipt]
        begun = next((record for record in found if record["event"] == "opened"), None)
        return begun if begun is not None and known is not None and begun["user"] == known else None

    def ended(self, receipt: str) -> dict[str, Any] | None:
        """What was recorded when the answer of this receipt had ended; None where it has not, or there is none."""
        dated = _RECEIPT.fullmatch(receipt)
        if dated is None:
            return None
        found = self.chain.holding(receipt, day="-".join(dated.groups()))
        return next((one for one in found if one.get("receipt") == receipt and one["event"] == "closed"), None)

    def verify(self, anchors: Iterable[Anchor] = ()) -> Fault | None:
        """The first fault, or None where all is well; see `rag.store.verifying`. Also compared with the anchor file,
        and with what the ledger remembers."""
        known = [*anchors, *(self._people.anchors() if self._people is not None else ())]
        if self._anchor_file is not None and self._anchor_file.exists():
            text = self._anchor_file.read_text(encoding="ascii", errors="replace")
            known += verifying.anchors_of(text, kept="the anchor file") if text.strip() else []
        with self.chain.still() as sizes:
            return verifying.verify(self._directory, key=self.chain.key, sizes=sizes, anchors=known)

    @property
    def head(self) -> str:
        """The hash of the newest record: print it, and keep it elsewhere."""
        return self.chain.head.hash

    def turn(self) -> None:
        """Seal the day before, if it is over and has records."""
        self.chain.turn()

    def purge(self, *, before: str) -> int:
        """See `Chain.purge`; names and reasons that no record left points to go with it."""
        gone = self.chain.purge(before=before)
        if gone and self._people is not None:
            self._people.keep_only({str(record[who]) for record in self.records() for who in WHO if who in record})
        return gone

    def copy_to(self, directory: Path) -> dict[str, str]:
        """See `Chain.copy_to`."""
        return self.chain.copy_to(directory)

    def close(self) -> None:
        """Close the file; the ledger remembers the last record."""
        if self._people is not None and self.chain.head.record:
            with suppress(StoreError):
                self._people.remember_anchor(self.chain.head)
        self.chain.close()

    def _sealed(self, anchor: Anchor, day: str) -> None:
        if self._people is not None:
            self._people.remember_anchor(anchor)
        if self._anchor_file is None:
            return
        try:
            with self._anchor_file.open("a", encoding="ascii") as out:
                out.write(f"{day or FIRST} {anchor}\n")
        except OSError as error:
            extra = {"action": "anchor_not_written", "reason": error.strerror}
            _log.warning("The audit's anchor could not be written to its file", extra=extra)
