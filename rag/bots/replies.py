"""What stands in the chat at each moment, from what the service told. Pure.

A reply carries the model's words only in `text`, and every sentence of ours in `notice`. What leaves here holds no
address but the internal page's, and no more than the platform's message does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rag.access import Audience
from rag.bots.adapter import Asked, Reply, Source, Stage
from rag.bots.links import defused, is_internal
from rag.bots.told import Finished, Proof, Written
from rag.text.language import language_of_question, told_by_question
from rag.text.sentences import LANGUAGES, texts, unquoted_line

_SHOWING: Final = frozenset({"answered", "extracts", "unsupported", "incomplete"})
"""Outcomes whose text is shown. Whatever else there is, also one that this version does not know, shows no text."""
_WRITTEN_BY_MODEL: Final = frozenset({"answered", "unsupported", "incomplete"})
_NEAREST: Final = 3
_CUT: Final = " …"


def language_of_asked(asked: Asked) -> str:
    """The language an asker is answered in: that of the question where it is plain, else the platform's for them."""
    told = told_by_question(asked.text)
    platform = asked.language if asked.language in LANGUAGES else None
    return told or platform or language_of_question(asked.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """The replies to one question. `page` is the internal page's address, `most_chars` what a message holds."""

    language: str
    audience: Audience
    page: str
    most_chars: int

    def working(self, key: str = "working", **values: object) -> Reply:
        """There is work going on: a sentence of ours."""
        return Reply(stage=Stage.WORKING, language=self.language, notice=self.said(key, **values))

    def writing(self, written: Sequence[Written], key: str = "", **values: object) -> Reply:
        """The sentences so far."""
        text, _ = self._fitting(" ".join(self._sentence(one) for one in written))
        return Reply(
            stage=Stage.WRITING, language=self.language, text=text, notice=self.said(key, **values) if key else ""
        )

    def ended(self, key: str, **values: object) -> Reply:
        """No answer, and why."""
        return Reply(stage=Stage.FINAL, language=self.language, notice=self.said(key, **values))

    def final(self, finished: Finished, *, wrote: bool = True) -> Reply:
        """The end of an answer; `wrote` tells whether any of it was a model's own."""
        showing = finished.outcome in _SHOWING
        said = "\n".join(filter(None, (finished.text, unquoted_line(finished.unquoted, self.language))))
        text, cut = self._fitting(said) if showing else ("", False)
        return Reply(
            stage=Stage.FINAL,
            language=self.language,
            text=text,
            notice=" ".join(self._notices(finished, cut=cut, wrote=wrote)),
            sources=tuple(self._sources(finished if showing else replace(finished, proofs=(), nearest=()))),
            sensitivity=finished.sensitivity if text else "",
            receipt=finished.receipt,
        )

    def said(self, key: str, **values: object) -> str:
        """A sentence of ours."""
        return texts(self.language, "bots")[key].format(**values)

    def _notices(self, finished: Finished, *, cut: bool, wrote: bool) -> Iterable[str]:
        if finished.outcome not in _SHOWING:
            yield self.said("link_only" if finished.links else "nothing_found")
            if self.audience is not Audience.DIRECT and not finished.links:
                yield self.said("here_all_read")
            return
        if cut:
            yield self.said("cut")
        if finished.links:
            yield self.said("more_inside")
        if wrote and finished.outcome in _WRITTEN_BY_MODEL:
            yield self.said("machine")

    def _sentence(self, written: Written) -> str:
        marks = "".join(f"[{marker}]" for marker in written.markers)
        return f"{written.text} {marks or texts(self.language)['not_supported_mark']}"

    def _sources(self, finished: Finished) -> Iterable[Source]:
        """Each proof once, by its marker; after them what may only be opened, and where nothing could be proven the
        nearest passages."""
        shown = {proof.marker: self._source(proof) for proof in reversed(finished.proofs) if self._opens(proof.url)}
        yield from (source for _, source in sorted(shown.items()))
        opening = {url: Source(marker=0, url=url, title=self._line(title)) for url, title in finished.links}
        if finished.outcome == "unsupported" and not shown:
            opening |= {one.url: self._source(one) for one in finished.nearest[:_NEAREST]}
        others = [source for url, source in opening.items() if self._opens(url)]
        for number, source in enumerate(others, max(shown, default=0) + 1):
            yield replace(source, marker=number)

    def _source(self, proof: Proof) -> Source:
        place = texts(self.language)["page"].format(page=proof.page) if proof.page else proof.heading
        return Source(marker=proof.marker, url=proof.url, title=self._line(proof.title), place=self._line(place))

    def _opens(self, url: str) -> bool:
        return is_internal(url, page=self.page)

    def _line(self, text: str) -> str:
        return " ".join(self._defused(text).split())

    def _defused(self, text: str) -> str:
        return defused(text, page=self.page, taken=self.said("link_taken"))

    def _fitting(self, text: str) -> tuple[str, bool]:
        """The text as a message holds it, cut between words where it must be; and whether it was."""
        whole = self._defused(text)
        if len(whole) <= self.most_chars:
            return whole, False
        room = whole[: self.most_chars - len(_CUT) + 1]
        kept = room[: max(room.rfind(" "), room.rfind("\n"))] if " " in room or "\n" in room else room[:-1]
        return kept.rstrip() + _CUT, True
