"""Every guard against a leak, each with a way to remove it. What outlives its guard is a hole in the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import connectors.folder_rights as folder_rights
import rag.app.asking as asking
import rag.ask.answer as answer
import rag.ask.release as releasing
import rag.ask.replay as replay
import rag.ask.writing as writing
import rag.ingest.one as one
import rag.ingest.sync as sync
from connectors.rules import Rules
from rag.access import EVERYONE, LOOPBACK, Acl, Gate, Grant, Principal
from rag.answers import Outcome
from rag.api import rights
from rag.api.problems import Problem, Refused
from rag.ask.course import Course
from rag.ask.recheck import Recheck
from rag.ask.release import Release
from rag.ask.retrieve import Retriever
from rag.identity import Memberships
from rag.service.lookup import Lookup
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger
from rag.store.places import Places
from rag.store.readable import Readable
from rag.store.words import WordIndex

ALL = Acl(readers=frozenset({EVERYONE}))


@dataclass(frozen=True)
class Mutant:
    """`owner.name` is replaced by what `made` makes of it. `backed`: another guard behind it stops the same, so that
    nothing is seen without this one alone; it counts against the whole all the same."""

    what: str
    owner: Any
    name: str
    made: Callable[[Any], Any]
    backed: bool = False

    @contextmanager
    def alive(self) -> Iterator[None]:
        """The guard is gone meanwhile."""
        inherited = self.name not in vars(self.owner)
        own = getattr(self.owner, self.name)
        setattr(self.owner, self.name, self.made(own))
        try:
            yield
        finally:
            delattr(self.owner, self.name) if inherited else setattr(self.owner, self.name, own)


def always(value: Any) -> Callable[[Any], Any]:
    return lambda own: lambda *_, **__: value


def glassy(principal: Principal) -> Principal:
    """Somebody before whom every right gives way."""
    return replace(principal, breaks_glass=True) if type(principal) is Principal else principal


def seeing_all(place: int) -> Callable[[Any], Any]:
    """The argument at this place is a principal; it is one who may read everything."""

    def made(own: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            changed = list(arguments)
            if len(changed) > place:
                changed[place] = glassy(changed[place])
            return own(*changed, **named)

        return call

    return made


def _everything(self: Ledger, principal: Principal) -> frozenset[int]:
    return frozenset(int(row[0]) for row in self._all("SELECT id FROM acl_classes"))


def _classes_only(own: Any) -> Any:
    """Gates and denials are left to the ledger."""

    def classes(self: Readable, person: Principal, **named: Any) -> frozenset[int]:
        own(self, person, **named)
        return frozenset[int]().union(*(self._classes.get(token, ()) for token in person.tokens))

    return classes


def _without(name: str) -> Callable[[Any], Any]:
    """Words found without one of the clauses of a grant."""

    def made(own: Any) -> Any:
        def under(self: WordIndex, grant: Grant) -> Any:
            return own(self, replace(grant, **{name: frozenset(range(1, 500))}))

        return under

    return made


def _holding(own: Any) -> Any:
    def holding(self: WordIndex, phrases: Any, question: str, *, grant: Grant, k: int) -> Any:
        return own(self, phrases, question, grant=replace(grant, acl_classes=frozenset(range(1, 500))), k=k)

    return holding


def _grant_admits(own: Any) -> Any:
    return lambda self, *, acl_class, source, language: self.sources is None or source in self.sources


def _remembered(own: Any) -> Any:
    """One cache for everybody, by question alone."""
    kept: dict[str, Any] = {}
    return lambda self, question, **named: kept.setdefault(question, own(self, question, **named))


def _cut(own: Any) -> Any:
    return lambda self: self.done(Outcome.INCOMPLETE, ())


def _forbidden(own: Any) -> Any:
    def may_open(document: Any, acl: Acl, secrecy: Any, caller: Any) -> bool:
        if not own(document, acl, secrecy, caller):
            raise Refused(Problem(status=403, code="forbidden"))
        return True

    return may_open


def _parts_for_all(own: Any) -> Any:
    def inside(self: Any, raw: Any, parts: Any) -> Any:
        return [replace(part, ref=replace(part.ref, acl=ALL)) for part in own(self, raw, parts)]

    return inside


def _only_the_whole(own: Any) -> Any:
    """Longer rules are not looked at."""
    return lambda self, path: replace(
        own(self, path), denied=self._whole.denied, readers=self._whole.readers or frozenset()
    )


def _no_deny(own: Any) -> Any:
    return lambda self, path: replace(own(self, path), denied=frozenset())


def _file_alone(own: Any) -> Any:
    """What stands above a file is not asked."""
    return lambda gates, *, denied=frozenset(): own(list(gates)[-1:], denied=denied)


def _kept_for_ever(own: Any) -> Any:
    known: dict[str, Any] = {}
    return lambda self, name: known.setdefault(name, own(self, name))


def _in_every_group(own: Any) -> Any:
    return lambda self, name, **named: replace(own(self, name, **named), groups=frozenset(self._groups))


def _with_title(own: Any) -> Any:
    return lambda self, passage: {**own(self, passage), "title": passage.title, "id": passage.chunk.document_id}


def _chatty(own: Any) -> Any:
    def opened(self: AuditLog, **named: Any) -> str:
        for passage in named["passages"]:
            writing._log.info("Shown", extra={"action": "shown", "text": passage.chunk.text})
        return str(own(self, **named))

    return opened


def _sure(own: Any) -> Any:
    return lambda self, name, **named: replace(own(self, name, **named), unsure=False)


def _old_for_new(own: Any) -> Any:
    return lambda old, new: (new.acl, new.confidentiality)


def _as_it_was(own: Any) -> Any:
    return lambda old, new: (old.acl, old.confidentiality)


def _kinds(self: Ledger, principal: Principal) -> list[str]:
    return [row[0] for row in self._all("SELECT DISTINCT media_type FROM documents")]


MUTANTS = (
    Mutant("rights classes of a person", Ledger, "readable_classes", lambda own: _everything),
    Mutant("rights beside the readers, in the query", Readable, "classes", _classes_only),
    Mutant("rights filter in memory and ledger scan", Grant, "admits", _grant_admits),
    Mutant("rights filter in words and phrases", WordIndex, "_under", _without("acl_classes")),
    Mutant("rights filter in phrases", WordIndex, "holding", _holding),
    Mutant("ledger re-check of every hit", Ledger, "passages", seeing_all(2)),
    Mutant("re-check before each event", Recheck, "insist", always(None)),
    Mutant("the ledger's word in that re-check", Ledger, "standing", seeing_all(2)),
    Mutant("what is left before it is shown", Recheck, "left", lambda own: lambda self, passages: tuple(passages)),
    Mutant("nothing is told again after a cut", Course, "cut", _cut),
    Mutant("release by channel", releasing, "release", always(Release.FULL)),
    Mutant("release in answers", answer, "divide", lambda own: lambda found, *_: own(found, LOOPBACK), True),
    Mutant("release in searches", asking, "divide", lambda own: lambda found, *_: own(found, LOOPBACK)),
    Mutant("release in the search itself", answer, "within", lambda own: lambda filters, *_: filters),
    Mutant("document view", rights, "may_open", always(True)),
    Mutant("one answer for not there and not for you", rights, "may_open", _forbidden),
    Mutant("newer versions by name", Ledger, "named_like", seeing_all(2)),
    Mutant("counts of what may be read", Ledger, "counts_for", lambda own: lambda self, _, **named: self.counts()),
    Mutant("an empty page where nothing may be read", Ledger, "may_ask", always(True)),
    Mutant("kinds of documents", Ledger, "media_types", lambda own: _kinds),
    Mutant("rag show", Lookup, "show", lambda own: _shown_to_all),
    Mutant("rag show in the same words", Lookup, "show", lambda own: _shown_with_name),
    Mutant("a receipt is its owner's, and rights are today's", replay, "_passage", seeing_all(3)),
    Mutant("answers shared across rights", Retriever, "retrieve", _remembered),
    Mutant("deny wins", Acl, "admits", lambda own: lambda self, who: own(replace(self, denied=frozenset()), who)),
    Mutant("gates", Acl, "admits", lambda own: lambda self, who: own(replace(self, gates=()), who)),
    Mutant("no readers means nobody", Acl, "admits", lambda own: lambda self, who: not self.readers or own(self, who)),
    Mutant("the first step decides", Gate, "passes", lambda own: lambda self, held, **_: True),
    Mutant("an unsure person is shut out", Memberships, "person", _sure),
    Mutant("groups of a person", Memberships, "person", _in_every_group),
    Mutant("groups are looked up again", Memberships, "_account", _kept_for_ever),
    Mutant("parts have their container's rights", one.Pipeline, "_inside", _parts_for_all),
    Mutant("rules by path", Rules, "_at", _only_the_whole),
    Mutant("deny of a rule", Rules, "_at", _no_deny),
    Mutant("folders above a file", folder_rights, "through", _file_alone),
    Mutant("rights change", Places, "reprotect", always([])),
    Mutant("revoked before anything is read", sync, "_narrower", _as_it_was, True),
    Mutant("the old text is not for new readers", sync, "_narrower", _old_for_new),
    Mutant("no names in the audit", AuditLog, "_shown", _with_title),
    Mutant("no text in the log", AuditLog, "open", _chatty),
)


def _shown_to_all(self: Lookup, document: str, *, user: str | None = None, **_: Any) -> Iterator[Any]:
    entry = self._app.ledger.entry(document)
    yield {"text": "\n\n".join(self._texts(entry)) if entry else ""}


def _shown_with_name(self: Lookup, document: str, *, user: str | None = None, **_: Any) -> Iterator[Any]:
    entry = self._app.ledger.entry(document)
    yield {"text": f"{entry.id} is not for {user} to read." if entry else f"There is no document {document!r}."}
