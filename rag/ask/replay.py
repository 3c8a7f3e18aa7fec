"""An answer given again from its receipt, or what has changed since. The rights of today apply.

Nothing is searched for: the passages that the receipt (`rag.ask.receipt`) names are fetched from where they stood.
Where all of it is as it was, the model is asked again with the same seed, and must say the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from rag.access import Channel, Principal
from rag.answers import Answer, Done, Passage
from rag.ask import prompt
from rag.ask.answer import Answerer
from rag.ask.evidence import Features
from rag.ask.lineage import described
from rag.ask.long_question import question_vector
from rag.ask.receipt import Receipt
from rag.ask.recheck import Recheck
from rag.ask.release import Release, divide, release, within
from rag.ask.rules import Unsupported
from rag.ask.searched import Retrieved
from rag.documents import Span
from rag.errors import ModelError, SettingsError
from rag.filters import NONE
from rag.ports import Generation
from rag.store.audit import AuditLog
from rag.text.house_prompts import labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is not as it was: ``removed`` (or no longer readable), ``unreadable``, ``version``, ``class``,
    ``cut``, ``superseded``, ``house`` (the prompt of a source), ``model``, ``recipe``, ``options``, ``prompt`` or
    ``words``. `document` is a key, "" where it is about none; `said` the sentence for it."""

    what: str
    said: str
    document: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of it. `answer` is None where something changed before the model was asked; `also` are the ids of
    documents that a search would find today and did not then, none where filters narrowed the question. `named` are the
    keys of all documents whose ids stand in `changes` and `also`: whoever shows these records it first."""

    changes: tuple[Change, ...]
    answer: Answer | None = None
    also: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether the same answer was given again."""
        return not self.changes


def replay(
    receipt: Receipt,
    question: str,
    answerer: Answerer,
    *,
    principal: Principal,
    acting: str | None = None,
    reason: str | None = None,
) -> Replay:
    """Give the answer again, or say what has changed. An answer is recorded as every answer is; `acting` and `reason`
    as `AuditLog.open` takes them.

    Raises:
        SettingsError: this is not the question.
        StoreError: no durable record could be made; nothing was shown.
    """
    _refuse_another(receipt, question, answerer.audit)
    rules = replace(
        answerer.rules,
        prompt_passages=receipt.options["prompt_passages"],
        unsupported=Unsupported(receipt.options["unsupported"]),
        max_answer_tokens=receipt.options.get("max_tokens", answerer.rules.max_answer_tokens),
    )
    again = replace(answerer, rules=rules, model=answerer.model if receipt.model else None)
    passages, changes = _passages(receipt, again, principal)
    changes += _making(receipt, again)
    if not changes:
        changes += _house(receipt, labels(again.giving.house(again.giving.first(passages, question))))
    new = _new(receipt, question, again, principal)
    also = tuple(dict.fromkeys(passage.chunk.document_id for passage in new))
    named = tuple(dict.fromkeys([*_named(changes, passages, again), *(passage.key for passage in new)]))
    if changes:
        return Replay(changes=tuple(changes), also=also, named=named)
    answer = _answer(receipt, question, again, passages, principal, acting, reason)
    changes += _differences(receipt, answer, answerer.audit)
    return Replay(changes=tuple(changes), answer=answer, also=also, named=named)


def _refuse_another(receipt: Receipt, question: str, audit: AuditLog) -> None:
    found = audit.hash(question)
    if found == receipt.asked:
        return
    if found == receipt.question:
        raise SettingsError(
            "That question followed on another and was read as one that stands alone. Give it as it was read: `asked` "
            "in the answer."
        )
    raise SettingsError("That is not the question of this receipt. It must be given letter by letter.")


def _passages(receipt: Receipt, answerer: Answerer, principal: Principal) -> tuple[list[Passage], list[Change]]:
    """The passages as they were, and what is in the way of that."""
    kept: list[Passage] = []
    changes: list[Change] = []
    for shown in receipt.passages:
        found = _passage(shown, receipt.channel, answerer, principal)
        (kept if isinstance(found, Passage) else changes).append(found)  # type: ignore[arg-type]  # each into its own
    for key in receipt.links:
        entry = answerer.retriever.ledger.entry(key)
        if entry is None or not entry.acl.admits(principal):
            changes.append(_gone(key))
    whole = described(kept, answerer.retriever.ledger, principal)
    superseded = {shown["document"] for shown in receipt.passages if shown.get("superseded")}
    for passage in whole:
        if (passage.superseded_by is not None) != (passage.key in superseded):
            newer = f"is superseded by {passage.superseded_by}" if passage.superseded_by else "is no longer superseded"
            said = f"{passage.chunk.document_id} {newer}."
            changes.append(Change(what="superseded", document=passage.key, said=said))
    return list(whole), list({(change.what, change.document): change for change in changes}.values())


def _passage(shown: Mapping[str, Any], channel: Channel, answerer: Answerer, principal: Principal) -> Passage | Change:
    ledger, key = answerer.retriever.ledger, shown["document"]
    entry, document = ledger.entry(key), ledger.document(key)
    if entry is None or not entry.acl.admits(principal):
        return _gone(key)
    if release(entry.confidentiality, channel, answerer.policy) is not Release.FULL:
        said = f"The document with the key {key} is of another class now, and this channel may not carry that."
        return Change(what="class", document=key, said=said)
    if document is None:
        return Change(what="unreadable", document=key, said=f"{entry.id} cannot be read now: {entry.reason}.")
    if document.ref.version != shown["version"]:
        then, today = str(shown["version"])[:12], document.ref.version[:12]
        said = f"{entry.id} has another version: {today}…, it was {then}…."
        return Change(what="version", document=key, said=said)
    span = Span(start=shown["span"][0], end=shown["span"][1])
    for first in ledger.chunks_from(key, span.start):
        chunk = replace(first, span=span, text=span.of(document.text))
        if answerer.audit.hash(chunk.indexed_text) == shown["hash"]:
            return Passage(
                chunk=chunk,
                title=document.title,
                uri=document.uri,
                score=0.0,
                key=key,
                confidentiality=document.ref.confidentiality,
                modified=document.modified_at,
                admitted_by=tuple(sorted(document.ref.acl.readers & principal.tokens)),
            )
    said = f"{entry.id} was read or cut otherwise since, or has another title; its content is the same."
    return Change(what="cut", document=key, said=said)


def _gone(key: str) -> Change:
    """What may no longer be read is not told from what is no longer there, nor by what name it goes today."""
    return Change(what="removed", document=key, said=f"The document with the key {key} is no longer there to be read.")


def _making(receipt: Receipt, answerer: Answerer) -> Iterator[Change]:
    """What is not as it was of model, recipe and options."""
    if receipt.recipe and receipt.recipe != prompt.recipe():
        yield Change(what="recipe", said="This version of Archivar instructs the model otherwise.")
    embedder = answerer.retriever.embedder.fingerprint
    if embedder != receipt.options["embedder"]:
        yield Change(what="options", said=f"The embedder is {embedder}, it was {receipt.options['embedder']}.")
    usual = Generation()
    now: dict[str, Any] = {"temperature": usual.temperature, "seed": usual.seed}
    if receipt.model:
        try:
            info = answerer.model.info if answerer.model is not None else None
        except ModelError as error:
            yield Change(what="model", said=f"{receipt.model} cannot be asked: {error}")
            return
        if info is None or (info.name, info.digest) != (receipt.model, receipt.digest):
            today = f"{info.name} {info.digest[:19]}" if info else "none"
            yield Change(what="model", said=f"The model is {today}, it was {receipt.model} {receipt.digest[:19]}.")
            return
        now["context_tokens"] = answerer.model.context_tokens if answerer.model else 0
    for name, value in now.items():
        if name in receipt.options and receipt.options[name] != value:
            yield Change(what="options", said=f"{name} is {value}, it was {receipt.options[name]}.")


def _house(receipt: Receipt, now: str) -> list[Change]:
    """Whether the house says something else besides. Without a model nothing was said."""
    then = str(receipt.options.get("house", ""))
    if not receipt.model or now == then:
        return []
    said = f"The prompts of the sources are {now or 'none'}, they were {then or 'none'}."
    return [Change(what="house", said=said)]


def _named(changes: Sequence[Change], passages: Sequence[Passage], answerer: Answerer) -> Iterator[str]:
    """Keys of the documents whose ids the changes tell: not of those that are told by their keys alone."""
    yield from (change.document for change in changes if change.document and change.what not in ("removed", "class"))
    superseded = {change.document for change in changes if change.what == "superseded"}
    for passage in passages:
        if passage.key in superseded and passage.superseded_by:
            entry = answerer.retriever.ledger.entry(passage.superseded_by)
            yield from [entry.key] if entry is not None else []


def _new(receipt: Receipt, question: str, answerer: Answerer, principal: Principal) -> list[Passage]:
    """What a search would show today of documents that the answer was not made of. Within filters nobody can tell: the
    receipt does not say which they were."""
    if receipt.narrowed:
        return []
    filters = within(NONE, receipt.channel, answerer.policy)
    found = answerer.retriever.retrieve(question, principal=principal, k=answerer.rules.passages, filters=filters)
    then = {shown["document"] for shown in receipt.passages}
    carried = divide(found.passages, receipt.channel, answerer.policy).full
    return [passage for passage in carried if passage.key not in then]


def _answer(
    receipt: Receipt,
    question: str,
    answerer: Answerer,
    passages: Sequence[Passage],
    principal: Principal,
    acting: str | None,
    reason: str | None,
) -> Answer:
    narrowed: dict[str, Any] = {"narrowed": True} if receipt.narrowed else {}
    course = answerer.course(question, question, began=time.perf_counter(), before=receipt.before)
    course.receipt = answerer.audit.open(
        question=question,
        principal=principal,
        channel=receipt.channel,
        passages=passages,
        acting=acting,
        reason=reason,
        enough=receipt.enough,
        links=list(receipt.links),
        replays=receipt.name,
        **narrowed,
    )
    found = Retrieved(
        passages=tuple(passages),
        evidence=0.0,
        question_vector=question_vector(answerer.retriever.embedder, question),
        features=Features(**{entry.name: 0.0 for entry in fields(Features)}),
        grant=answerer.retriever.ledger.grant(principal),
    )
    shown, links = tuple(passages), bool(receipt.links)
    recheck = Recheck(
        ledger=answerer.retriever.ledger, principal=principal, channel=receipt.channel, policy=answerer.policy
    )
    events = answerer.told(course, found, shown, links=links, enough=receipt.enough, recheck=recheck)
    return next(event.answer for event in list(events) if isinstance(event, Done))


def _differences(receipt: Receipt, answer: Answer, audit: AuditLog) -> Iterator[Change]:
    if audit.hash(answer.text) == receipt.answer and answer.outcome.value == receipt.outcome:
        return
    (closed,) = [record for record in audit.records(receipt=answer.receipt) if record["event"] == "closed"]
    if closed["prompt"] != receipt.prompt:
        yield Change(what="prompt", said="The prompt is another: passages are put before the model otherwise.")
        return
    yield Change(
        what="words",
        said="The model says it otherwise although nothing it was given has changed: its runtime or machine has.",
    )
