"""`rag tune export`: answers that people found helpful as examples for training a model elsewhere, in chat form.

An answer's text is not kept, so each is given again from its receipt, by the model that gave it, for the person who
exports: what they may not read today, and what has changed since, is left out, and each example is recorded as shown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rag.access import LOOPBACK
from rag.answers import Answer, Outcome
from rag.app import App
from rag.ask.answer import Answerer
from rag.ask.receipt import receipt_of
from rag.ask.replay import replay
from rag.ask.statements import Statement, StatementStream
from rag.errors import ModelError, SettingsError
from rag.models.wrapped import Wrapped
from rag.ports import Delta, Generation, LanguageModel, Message
from rag.service.auditing import Reader
from rag.store.feedback import Judgement, Verdict
from rag.text.sentences import LANGUAGES, texts

_SALT = re.compile(r"\A\([^()\n]*\)\n")
_BASE = re.compile(r"[\w./:@-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One conversation to learn from: what the model was told, and what it said."""

    messages: tuple[Message, ...]
    said: str

    def as_json(self) -> dict[str, Any]:
        """A line of ``pairs.jsonl``."""
        turns = [{"role": one.role, "content": one.content} for one in self.messages]
        return {"messages": [*turns, {"role": "assistant", "content": self.said}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The examples, and why others are none: reason → how many."""

    examples: tuple[Example, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


class _Heard(Wrapped):
    """A language model of which is remembered what it was told last and what it said; else the model itself."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(model)
        self.told: tuple[Message, ...] = ()
        self.said = ""

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        self.told, self.said = tuple(messages), ""
        for delta in self._model.stream(messages, generation):
            self.said += delta.text
            yield delta


def export(app: App, who: Reader, *, seen: Callable[[int, int], None] = lambda done, total: None) -> Exported:
    """Every helpful answer that can be given again to this person word for word, with nothing unsupported in it.

    Raises:
        SettingsError: there is no language model.
        StoreError: what is shown could not be recorded.
    """
    answerer = app.answerer()
    if answerer.model is None:
        raise SettingsError(f"No language model can give the answers again: {app.model_problem}")
    helpful = [one for one in app.feedback.all() if one.verdict is Verdict.HELPFUL]
    app.audit.note(
        "exported",
        user=who.principal.user,
        channel=LOOPBACK,
        acting=who.acting,
        reason=who.reason,
        answers=len(helpful),
    )
    examples: list[Example] = []
    left_out: Counter[str] = Counter()
    for number, one in enumerate(helpful, 1):
        found = _again(app, answerer, answerer.model, one, who)
        if isinstance(found, Example):
            examples.append(found)
        else:
            left_out[found] += 1
        seen(number, len(helpful))
    return Exported(examples=tuple(examples), left_out=dict(sorted(left_out.items())))


def modelfile(base: str, *, context_tokens: int) -> str:
    """A Modelfile for Ollama: the base with the adapter that was trained on the pairs.

    Raises:
        SettingsError: the base is no name of a model or file.
    """
    if not _BASE.fullmatch(base):
        raise SettingsError(f"{base!r} is no name of a model; write it as Ollama has it, or the path of a GGUF file.")
    return (
        "# Train a LoRA on pairs.jsonl over exactly this base, save it as adapter.gguf beside this file, then:\n"
        "#   ollama create NAME -f Modelfile\n"
        f"FROM {base}\n"
        "ADAPTER ./adapter.gguf\n"
        f"PARAMETER num_ctx {context_tokens}\n"
        "PARAMETER temperature 0\n"
    )


def _again(app: App, answerer: Answerer, model: LanguageModel, one: Judgement, who: Reader) -> Example | str:
    """The example, or why there is none."""
    kept = {entry.kind: entry.text for entry in app.people.texts(one.receipt)}
    question = kept.get("asked", one.question or kept.get("question"))
    if question is None:
        return "the question is not kept"
    heard = _Heard(model)
    try:
        receipt = receipt_of(app.audit, one.receipt)
        if receipt.outcome != Outcome.ANSWERED.value:
            return "no answer was given"
        made = replay(
            receipt,
            question,
            replace(answerer, model=heard),
            principal=who.principal,
            acting=who.acting,
            reason=who.reason,
        )
    except SettingsError:
        return "the receipt is gone, or its question was another"
    except ModelError:
        return "the model cannot be asked"
    if not made.same or made.answer is None:
        return _why(made.changes[0].what)
    return _example(heard, made.answer)


def _example(heard: _Heard, answer: Answer) -> Example | str:
    if any(texts(language)["not_supported_mark"] in answer.text for language in LANGUAGES):
        return "part of it was not supported"
    statements: list[Statement] = StatementStream().feed(heard.said)
    if not statements or not heard.told:
        return "no answer was given"
    said = {"statements": [{"source": one.source, "text": one.text} for one in statements]}
    *before, last = heard.told
    asked = replace(last, content=_SALT.sub("", last.content))  # it stands for a person
    return Example(messages=(*before, asked), said=json.dumps(said, ensure_ascii=False))


def _why(what: str) -> str:
    kinds = {"removed": "a document is gone, or you may not read it", "model": "another model answers now"}
    return kinds.get(what, "something has changed since")
