"""Everything that is read, heard and seen: documents by the parsers, recordings by a speech model, pictures without
words by a vision model, where there are such. What machines heard or saw stands under a heading that says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import Final, Protocol

from rag.documents import Parsed, Section, Span
from rag.errors import (
    ContextOverflow,
    DocumentError,
    DocumentWaits,
    EmptyDocument,
    ModelError,
    ReadingStopped,
    UnsupportedFormat,
)
from rag.ingest.parse import ParserPool
from rag.ingest.parse.media import PDF, PICTURES, RECORDINGS

_log = logging.getLogger(__name__)

HEADINGS: Final = {"de": "Bildbeschreibung (maschinell erstellt)", "en": "Picture described (by a machine)"}
_FEW_CHARS: Final = 200
"""A picture with less text than this is described besides."""
_MOST_PAGES: Final = 20
_WIDTH: Final = 1280
_BEAT_S: Final = 0.2


class Describer(Protocol):
    """Says in words what a picture shows."""

    @property
    def name(self) -> str:
        """The model's."""

    @property
    def language(self) -> str:
        """Of its descriptions, de or en."""

    @property
    def fingerprint(self) -> str:
        """Part of the recipe."""

    def describe(self, picture: bytes) -> tuple[str, bool]:
        """What is on it, and whether that was cut short. Raises ModelError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perceiving:
    """The one reader of the pipeline. `recordings` is a pool of the profile of that name; None, as `describer`: there
    is no such model, and what needs it says so."""

    documents: ParserPool
    recordings: ParserPool | None = None
    describer: Describer | None = None
    stopped: Callable[[], bool] = lambda: False

    def until(self, stopped: Callable[[], bool]) -> Perceiving:
        """See `rag.ingest.reader.Reader`."""
        return replace(self, stopped=stopped)

    def recipe(self, *, ocr: bool = True) -> str:
        """The parsers' fingerprint with those of the models."""
        parts = [self.documents.recipe(ocr=ocr)]
        parts += [self.recordings.recipe()] if self.recordings else []
        parts += [self.describer.fingerprint] if self.describer else []
        return " + ".join(parts)

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        """See `rag.ports.Parser`."""
        if media_type in RECORDINGS:
            if self.recordings is None:
                raise UnsupportedFormat(
                    "a recording, and no speech model is set to write down what is said (ingest.speech_model)"
                )
            return self.recordings.parse(body, media_type=media_type, name=name, ocr=False, stopped=self.stopped)
        try:
            parsed = self.documents.parse(body, media_type=media_type, name=name, ocr=ocr, stopped=self.stopped)
        except EmptyDocument as error:
            if self.describer is None or not body or media_type not in (PDF, *PICTURES):
                raise
            return self._described(body, media_type, because=error)
        if self.describer is not None and media_type in PICTURES and len(parsed.text) < _FEW_CHARS:
            return self._described(body, media_type, read=parsed)
        return parsed

    def _described(
        self, body: bytes, media_type: str, *, read: Parsed | None = None, because: EmptyDocument | None = None
    ) -> Parsed:
        """What was read, and then what is seen. Raises `because` where nothing is; DocumentWaits where the model
        failed, which another time need not happen."""
        describer = self.describer
        if describer is None:
            raise ValueError("there is nobody to describe it")
        text, sections = (read.text, list(read.sections)) if read else ("", [])
        seen, cut, left, failed, waits = 0, 0, 0, "", False
        for page, pages, picture in self._pictures(body, media_type):
            left = pages - (page or 1)
            try:
                found, short = self._unless_stopped(describer.describe, picture)
            except ModelError as error:
                failed, waits = str(error), not isinstance(error, ContextOverflow)
                _log.warning("A picture was not described: %s", error, extra={"action": "picture_not_described"})
                break
            cut += short
            if said := " ".join(found.split()):
                begins = len(text) + 2 if text else 0
                text = f"{text}\n\n{said}" if text else said
                heading = HEADINGS.get(describer.language, HEADINGS["en"])
                sections.append(Section(span=Span(start=begins, end=len(text)), headings=(heading,), page=page))
                seen += 1
        if not seen and because is not None:
            raise _nothing(because, failed=failed, waits=waits, cut=cut)
        notes = tuple(
            _notes(describer.name, seen, cut=cut, left=left, failed=failed, waits=waits, media_type=media_type)
        )
        language = read.language if read and read.language else describer.language
        return Parsed(
            text=text,
            sections=tuple(sections),
            title=read.title if read else None,
            language=language,
            notes=((*read.notes, *notes) if read else notes),
            unfinished=waits,
        )

    def _unless_stopped(self, describe: Callable[[bytes], tuple[str, bool]], picture: bytes) -> tuple[str, bool]:
        """A model may take minutes for a picture, and cannot be interrupted: nobody waits for it once the run ends.

        Raises:
            ReadingStopped: it ends.
        """
        asked: Future[tuple[str, bool]] = Future()

        def ask() -> None:
            try:
                asked.set_result(describe(picture))
            except BaseException as error:
                asked.set_exception(error)

        threading.Thread(target=ask, name="describe", daemon=True).start()
        while not wait([asked], timeout=_BEAT_S).done:
            if self.stopped():
                raise ReadingStopped("the run ends")
        return asked.result()

    def _pictures(self, body: bytes, media_type: str) -> Iterator[tuple[int | None, int, bytes]]:
        """(page, how many there are, picture); of a PDF its first pages."""
        if media_type in PICTURES:
            yield None, 1, body
            return
        for page in range(1, _MOST_PAGES + 1):
            try:
                drawn = self.documents.picture(body, page=page, width=_WIDTH)
            except DocumentError:
                return
            if not drawn.png:
                return
            yield page, drawn.pages, drawn.png


def _nothing(because: EmptyDocument, *, failed: str, waits: bool, cut: int) -> DocumentError:
    """Why there is no text in it, although a model was asked."""
    if failed:
        return (DocumentWaits if waits else EmptyDocument)(f"{because}; and it was not described: {failed}")
    return EmptyDocument(f"{because}; the vision model used up its words and said nothing") if cut else because


def _notes(model: str, seen: int, *, cut: int, left: int, failed: str, waits: bool, media_type: str) -> Iterator[str]:
    """What a reader should know of the descriptions. `cut`: how many were cut short; `left`: pages never looked at."""
    if seen:
        yield f"{seen} {'picture' if media_type in PICTURES else 'pages'} described by {model}"
    if cut:
        yield f"{cut} of the descriptions cut short by the model's limit"
    if failed:
        yield f"not described whole: the vision model failed{'; the next run tries again' if waits else ''}"
    elif left > 0:
        yield f"the last {left} pages not described: the first {_MOST_PAGES} are, none after one that cannot be drawn"
