"""What a bot is told: the forms of everybody, less whatever names a place in the house, and with addresses instead.

A bot posts what it is given. So a document is named by its key, opened by the address of the internal page, and a link
carries no title where the channel may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from rag.answers import Answer, Done, Outcome, Pointer
from rag.api.caller import Caller
from rag.api.forms import Event, answer_form, event_form
from rag.app import App
from rag.documents import Span

_SHOWS_NOTHING = frozenset({Outcome.NOTHING_FOUND, Outcome.LINK_ONLY})


@dataclass(frozen=True, slots=True, kw_only=True)
class BotForms:
    """The forms for one bot; `page` is where people open the page."""

    page: str

    def event(self, event: Event) -> tuple[str, dict[str, Any]]:
        """An event's name, and its data."""
        name, form = event_form(event)
        if isinstance(event, Done):
            return name, self.answer(event.answer)
        for many in ("passages", "citations"):
            if many in form:
                form[many] = [self._place(one) for one in form[many]]
        return name, form

    def answer(self, answer: Answer) -> dict[str, Any]:
        """The answer at the end; `links` are what may only be pointed at, `sensitivity` the highest class shown."""
        form = answer_form(answer)
        for many in ("passages", "citations"):
            form[many] = [self._place(one) for one in form[many]]
        form["disagreements"] = [[self._place(side) for side in sides] for sides in form["disagreements"]]
        return {**form, "links": [self._link(one) for one in answer.links], "sensitivity": _sensitivity(answer)}

    def _place(self, form: Mapping[str, Any]) -> dict[str, Any]:
        url = self.address(form["key"], Span(start=form["span"][0], end=form["span"][1]))
        newer = {"superseded_by": ""} if form["superseded_by"] else {}
        return {**form, "document_id": form["key"], "uri": url, "url": url, **newer}

    def _link(self, pointer: Pointer) -> dict[str, str]:
        url = self.address(pointer.key, pointer.span)
        return {"url": url, "title": pointer.title} if pointer.title else {"url": url}

    def address(self, key: str, span: Span | None) -> str:
        """Where a person opens the document at that place, once they have signed in."""
        at = f"&span={span.start}-{span.end}" if span is not None else ""
        return f"{self.page}/?document={quote(key, safe='')}{at}"


def forms_of(app: App, caller: Caller) -> BotForms | None:
    """The forms for this caller; None where it is no bot's."""
    bots = app.settings.bots
    return BotForms(page=(bots.page or bots.service).rstrip("/")) if caller.bot else None


def _sensitivity(answer: Answer) -> str:
    if answer.outcome in _SHOWS_NOTHING or not answer.passages:
        return ""
    return max(passage.confidentiality for passage in answer.passages).name.lower()
