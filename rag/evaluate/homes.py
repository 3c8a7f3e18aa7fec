"""Where questions are asked: the user's own home, or one made for a corpus or a tree and never mixed with it.

A home that is made lies in a temporary folder, or in a folder that is kept for other runs. A kept one is used again
where corpus, way of reading and embedder are the same; its indexes are made anew from its ledger, so that they are
today's code's, and nothing is embedded. Homes kept in one folder lend each other vectors: a text is embedded once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from rag.access import EVERYONE, Acl, Confidentiality
from rag.app import App
from rag.documents import DocumentId, DocumentRef, Parsed, RawDocument, Section, Span
from rag.errors import EmptyDocument, SettingsError
from rag.evaluate import questions as reading
from rag.evaluate.questions import CorpusLine
from rag.evaluate.sets import Form, QuestionSet
from rag.ingest.draft import Draft
from rag.ingest.one import Pipeline
from rag.ports import Progress, Step, Vector
from rag.settings import Settings
from rag.store.ledger import Ledger
from rag.store.rows import content_hash
from rag.text.language import language_of

Opening: TypeAlias = Callable[[Settings], AbstractContextManager[App]]

_BATCH = 200
_MARK = "made-of.json"
_ACL = Acl(readers=frozenset({EVERYONE}))


@contextmanager
def opened(
    asked: QuestionSet,
    settings: Settings,
    *,
    opening: Opening = App,
    keep: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Iterator[App]:
    """The app over the documents that a set's questions are about, ready to be asked.

    Raises:
        SettingsError: the folder to keep homes in is the user's own home, or a document of a tree cannot be used.
        StoreError, ModelError: as for any ingestion.
    """
    if asked.form is Form.HOME:
        with opening(settings) as app:
            yield app
        return
    with ExitStack() as stack:
        home = _place(stack, asked, settings, keep)
        alone = replace(settings, home=home, sources=(), groups={})
        made = _Made.of(home, asked)
        app = stack.enter_context(opening(alone))
        if made.other_than(app):
            stack.close()
            shutil.rmtree(home)
            app = stack.enter_context(opening(alone))
        made.level(app, progress)
        yield app


def _place(stack: ExitStack, asked: QuestionSet, settings: Settings, keep: Path | None) -> Path:
    if keep is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="archivar-eval-"))) / "home"
    if (keep / "ledger.sqlite").exists() or keep.resolve() == settings.home.resolve():
        raise SettingsError(f"{keep} is a home with an index of its own. Give --keep another folder.")
    where = hashlib.sha256(str(asked.place.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    if asked.form is Form.CORPUS:
        where = _digest(asked.place)[:8]  # the same corpus under several sets of questions is one home
    return keep / f"{asked.form.value}-{where}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A home and what it is, or shall be, made of."""

    home: Path
    asked: QuestionSet

    @classmethod
    def of(cls, home: Path, asked: QuestionSet) -> _Made:
        return cls(home=home, asked=asked)

    def other_than(self, app: App) -> bool:
        """Whether the home was made of another corpus, in another way or with another embedder.

        The embedder is compared first: only where it is the same may the pipeline be opened, which would else put the
        new one in the place of the old.
        """
        mark = self.home / _MARK
        if not mark.exists():
            return app.ledger.counts()["documents"] > 0
        noted = json.loads(mark.read_text(encoding="utf-8"))
        return bool(noted.get("embedder") != app.embedder.fingerprint or noted != self._recipe(app))

    def level(self, app: App, progress: Progress) -> None:
        """Make the home hold the set's documents; what it holds already is not read again."""
        mark = self.home / _MARK
        again = mark.exists()
        mark.write_text(json.dumps(self._recipe(app)), encoding="utf-8")
        if self.asked.form is Form.CORPUS:
            _Corpus(app, lenders=self._lenders(app)).write(self.asked, progress)
        else:
            _ingest(app, self.asked, progress)
        if again:
            app.rebuild(lambda step: progress(f"index of {self.asked.name}", step.done, step.total))

    def _recipe(self, app: App) -> dict[str, str]:
        corpus = self.asked.form is Form.CORPUS
        pipeline = reader_of(app.pipeline) if corpus else app.pipeline
        return {
            "embedder": app.embedder.fingerprint,
            "recipe": pipeline.recipe,
            "documents": _digest(self.asked.place) if corpus else str(self.asked.place.resolve()),
        }

    def _lenders(self, app: App) -> list[Path]:
        """Ledgers of other homes beside this one that the same embedder has filled."""
        found = []
        for mark in sorted(self.home.parent.glob(f"*/{_MARK}")):
            noted = json.loads(mark.read_text(encoding="utf-8"))
            ledger = mark.with_name("ledger.sqlite")
            if mark.parent != self.home and noted.get("embedder") == app.embedder.fingerprint and ledger.exists():
                found.append(ledger)
        return found


class _LineReader:
    """A corpus line as a document: its text as it stands, in the language it is in. Nothing to parse."""

    def recipe(self, *, ocr: bool = True) -> str:
        return "corpus-line-1"

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        title, text = json.loads(body)
        if not text.strip():
            raise EmptyDocument("there is no text in it")
        return Parsed(
            text=text,
            sections=(Section(span=Span(start=0, end=len(text))),),
            title=title or None,
            language=language_of(text),
        )

    def until(self, stopped: Callable[[], bool]) -> _LineReader:
        return self


def corpus_document(name: str) -> DocumentId:
    """The id of a corpus line. It ends like a folder: what follows the last slash counts as a file's name and is
    embedded beside the title, and a number in a corpus is no such name."""
    return DocumentId(f"corpus:{name}/")


def reader_of(pipeline: Pipeline) -> Pipeline:
    """The same pipeline for corpus lines: cut, embedded and indexed as any document is, but not parsed."""
    return replace(pipeline, parser=_LineReader())


class _Corpus:
    """Writes a corpus through the pipeline of an app; vectors are taken from other homes' ledgers where they have
    them."""

    def __init__(self, app: App, *, lenders: Sequence[Path]) -> None:
        self._app, self._lenders = app, lenders
        self._pipeline = reader_of(app.pipeline)

    def write(self, asked: QuestionSet, progress: Progress) -> None:
        """Every line that is not there yet."""
        lines = list(reading.corpus(asked.place))
        there = {entry.id for entry in self._app.ledger.entries()}
        todo = [line for line in lines if corpus_document(line.id) not in there]
        for start in range(0, len(todo), _BATCH):
            progress(f"documents of {asked.name}", len(lines) - len(todo) + start, len(lines))
            drafts = [draft for line in todo[start : start + _BATCH] for draft in self._draft(line)]
            self._pipeline.commit(drafts, self._pipeline.embed(drafts, self._lent(drafts)))
        progress(f"documents of {asked.name}", len(lines), len(lines))

    def _draft(self, line: CorpusLine) -> list[Draft]:
        body = json.dumps([line.title, line.text]).encode()
        ref = DocumentRef(
            id=corpus_document(line.id),
            version=hashlib.sha256(body).hexdigest(),
            acl=_ACL,
            confidentiality=Confidentiality.INTERNAL,
        )
        raw = RawDocument(
            ref=ref,
            title="",
            uri=f"corpus:{line.id}",
            media_type="text/plain",
            modified_at=datetime(2000, 1, 1, tzinfo=UTC),
            body=body,
        )
        return self._pipeline.draft(raw, stamp="1")

    def _lent(self, drafts: Sequence[Draft]) -> Mapping[str, Vector]:
        wanted = {content_hash(chunk) for draft in drafts for chunk in draft.chunks}
        found: dict[str, Vector] = {}
        for path in self._lenders:
            with closing(Ledger(path)) as ledger:
                found |= ledger.known_vectors(wanted - found.keys(), embedder=self._pipeline.embedder.fingerprint)
        return found


def _ingest(app: App, asked: QuestionSet, progress: Progress) -> None:
    """The tree, as `rag ingest` would take it."""

    def step(seen: Step) -> None:
        progress(f"documents of {asked.name}", seen.done, seen.total)

    app.sources.register(asked.place)
    app.ingest(progress=step)
