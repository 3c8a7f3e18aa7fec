"""An answer in the forms of OpenAI's chat completions: one object, or chunks of a stream.

Chat programs show the text as Markdown. What stands in documents and answers must not become a picture that is loaded,
a link that misleads or a tag, so a space parts the signs that begin them (a backslash could be undone by one before
it); citations are plain ``[1]``. The citations as `/api/ask` gives them stand in the extra field ``archivar``, letter
by letter. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from rag.answers import Answer, Citation, Outcome, Sentence
from rag.api.chat_request import SOURCES_MARK
from rag.api.forms import citation_form
from rag.ask.course import printed
from rag.text.sentences import texts, unquoted_line

_ACTIVE: Final = re.compile(r"(?<=!)(?=\[)|(?<=\])(?=[(:])|(?<=<)(?=[a-zA-Z/!?])")


class Said:
    """What of an answer was sent already, as it grows sentence by sentence; `language` is that of its marks."""

    def __init__(self, language: str) -> None:
        self._language, self._text = language, ""

    def more(self, sentence: Sentence) -> str:
        """The next sentence, with its markers."""
        piece = (" " if self._text else "") + printed(sentence, self._language)
        self._text += piece
        return plain(piece)

    def rest(self, answer: Answer) -> str:
        """What the answer says beyond its sentences, and its sources."""
        left = answer.text.removeprefix(self._text)
        if left == answer.text and self._text:  # said in another order: the sentences are there, what they are is not
            words = texts(self._language)
            outcome = answer.outcome.value
            said = words.get(f"{outcome}.{answer.reason}", words.get(outcome, ""))
            left = "" if answer.outcome is Outcome.ANSWERED else "\n" + said.rstrip(":")
        return plain(left) + _unquoted(answer, self._language) + sources_list(answer, self._language)


def plain(text: str) -> str:
    """Text in which no Markdown picture, link or tag begins."""
    return _ACTIVE.sub(" ", text)


def whole_text(answer: Answer, language: str) -> str:
    """The text, and the list of its sources."""
    return plain(answer.text) + _unquoted(answer, language) + sources_list(answer, language)


def _unquoted(answer: Answer, language: str) -> str:
    line = unquoted_line(answer.unquoted, language)
    return f"\n{plain(line)}" if line else ""


def sources_list(answer: Answer, language: str) -> str:
    """A line for each source: marker, title, page or headings."""
    if not answer.citations:
        return ""
    shown = {citation.marker: citation for citation in reversed(answer.citations)}
    return SOURCES_MARK + "\n".join(
        f"[{marker}] {plain(_place(shown[marker], language))}  " for marker in sorted(shown)
    )


def _place(citation: Citation, language: str) -> str:
    where = [" ".join(citation.title.split())]
    if citation.page is not None:
        where.append(texts(language)["page"].format(page=citation.page))
    where += [" ".join(citation.headings[-1].split())] if citation.headings else []
    return ", ".join(where)


def extra(answer: Answer) -> dict[str, Any]:
    """The field ``archivar``: how the question ended, the proofs, the receipt."""
    return {
        "outcome": answer.outcome.value,
        "asked": answer.asked or answer.question,
        "citations": [citation_form(citation) for citation in answer.citations],
        "model": answer.model.as_json(),
        "receipt": answer.receipt,
        "unquoted": list(answer.unquoted),
    }


def ended(answer: Answer) -> str:
    """``stop``, or ``length`` where the model was cut short."""
    return "length" if answer.outcome is Outcome.INCOMPLETE else "stop"


def completion(
    identity: str, *, model: str, created: int, text: str, finish: str = "stop", archivar: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The whole answer as one object. There is no ``usage``: tokens are not counted here, and none are made up."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": identity,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        **({"archivar": archivar} if archivar is not None else {}),
    }


class Chunks:
    """The chunks of one stream. `counted`: usage was asked for, and is told as unknown."""

    def __init__(self, identity: str, *, model: str, created: int, counted: bool) -> None:
        self._form = {"id": identity, "object": "chat.completion.chunk", "created": created, "model": model}
        self._usage: dict[str, Any] = {"usage": None} if counted else {}

    def begin(self) -> dict[str, Any]:
        """The first chunk: whose words follow."""
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, piece: str) -> dict[str, Any]:
        """More of the text."""
        return self._chunk({"content": piece})

    def end(self, finish: str, archivar: dict[str, Any] | None = None) -> dict[str, Any]:
        """The last chunk."""
        return self._chunk({}, finish) | ({"archivar": archivar} if archivar is not None else {})

    def whole(self, text: str) -> Iterator[dict[str, Any]]:
        """A text that is there already."""
        yield self.begin()
        yield self.text(text)
        yield self.end("stop")

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._form, "choices": [choice], **self._usage}
