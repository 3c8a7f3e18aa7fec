"""What is done to the index of a home: it is brought level with the sources, once or as they change, mended, made anew,
and rid of what is to be gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rag.app.index import Index
from rag.app.keeping import Keeping
from rag.documents import DocumentId
from rag.errors import SourceError
from rag.files.sources import Sources
from rag.govern.erase import Premises
from rag.ingest.renewing import Opened
from rag.ingest.report import Report
from rag.ingest.survey import Survey
from rag.ingest.watch import Watch
from rag.ports import IngestProgress, Step
from rag.store.ledger import Ledger


class Indexing:
    """The work on one home; `sources` and `keeping` are made when first needed."""

    def __init__(
        self,
        home: Path,
        ledger: Ledger,
        index: Index,
        *,
        sources: Callable[[], Sources],
        keeping: Callable[[], Keeping],
    ) -> None:
        self._home, self._ledger, self._index = home, ledger, index
        self._sources, self._keeping = sources, keeping

    def ingest(
        self,
        names: frozenset[str] | None = None,
        *,
        confirm_removals: bool = False,
        progress: IngestProgress = lambda step: None,
        reading: Callable[[DocumentId], None] = lambda document: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Bring the index level with the sources, one after the other. A source that cannot be listed is `offline` in
        the report; the others are still brought level. Another embedder then takes its place."""
        total = Report()
        self._sync(total, names, confirm_removals=confirm_removals, progress=progress, reading=reading, stopped=stopped)
        if not self._keep_up(progress, stopped) and self._index.spaces.too_long and not stopped():
            again = Report()  # what was too long for the other embedder is cut anew
            self._sync(again, None, progress=progress, reading=reading, stopped=stopped)
            again.unchanged = 0
            total.add(again)
            self._keep_up(progress, stopped)
        return total

    def survey(self, paths: Sequence[Path] = ()) -> tuple[Mapping[str, Survey], Mapping[str, str]]:
        """What `ingest` of these folders, or of all sources, would do, by source, and which cannot be listed and why;
        nothing is changed or registered."""
        sources = self._sources()
        found: dict[str, Survey] = {}
        offline: dict[str, str] = {}
        for connector in [sources.unregistered(path) for path in paths] if paths else sources.connectors():
            try:
                found[connector.name] = self._keeping().survey(connector)
            except SourceError as error:
                offline[connector.name] = str(error)
        return found, offline

    def watch(self) -> Watch:
        """A loop over all sources; run it in a thread of its own and stop it before closing."""
        self._index.watched()
        return self._keeping().watch(self._sources().connectors())

    def look_through(self) -> Mapping[str, int]:
        """Compare both indexes with the ledger row by row, and mend them; gives what was wrong, by index."""
        self._index.pipeline  # noqa: B018 - opened by being asked for
        return self._index.upkeep.look_through()

    def rebuild(self, progress: IngestProgress = lambda step: None) -> int:
        """Make both indexes anew from the ledger; returns the number of chunks. Questions are answered meanwhile.

        Nothing is embedded, unless the settings name another embedder: then it takes its place.
        """
        pipeline = self._index.pipeline
        with pipeline.writing:
            for space in self._index.spaces.all():
                space.vectors.renew()
            pipeline.words.renew()
        self._keep_up(progress, lambda: False)
        return self._ledger.counts()["chunks"]

    def remove_source(self, name: str) -> int:
        """Forget a registered folder and its documents; returns how many there were."""
        pipeline = self._index.pipeline
        with pipeline.writing:
            documents = [known.id for known in self._ledger.scan(name)]
            with self._ledger.transaction():
                self._ledger.forget_source(name)
                for document in documents:
                    self._ledger.remove(document)
            pipeline.sweep()
        return len(documents)

    @contextmanager
    def premises(self, *, language: str = "en") -> Iterator[Premises]:
        """The home for an erasure, with the indexes this process has open; where it has none, none is opened meanwhile,
        and no embedder is needed. `language` is the certificate's."""
        home, ledger, index = self._home, self._ledger, self._index
        with ExitStack() as alone:
            alone.enter_context(index.opening)
            if not index.begun:
                yield Premises(home=home, ledger=ledger, language=language)
                return
            pipeline, spaces = index.pipeline, index.spaces
            alone.close()
            opened = Opened(
                words=pipeline.words,
                serving=spaces.serving.vectors if spaces.serving else None,
                coming=(spaces.coming.vectors,) if spaces.changing else (),
                writing=pipeline.writing,
            )
            yield Premises(home=home, ledger=ledger, opened=opened, language=language)

    def _sync(self, total: Report, names: frozenset[str] | None, **options: Any) -> None:
        for connector in self._sources().connectors(names):
            try:
                total.add(self._keeping().sync(connector, **options))
            except SourceError as error:
                total.offline[connector.name] = str(error)

    def _keep_up(self, progress: IngestProgress, stopped: Callable[[], bool]) -> bool:
        self._index.pipeline  # noqa: B018 - opened by being asked for
        return self._index.upkeep.run(
            succeed=True, progress=lambda what, done, total: progress(Step(what, done, total)), stopped=stopped
        )
