"""Is this service ready to answer? Part by part: what was looked at, how it is, what to do."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rag.answers import ModelInfo
from rag.app import App
from rag.egress.closing import closed
from rag.errors import RagError
from rag.models.weights import find

LEAST_FREE_BYTES: Final = 64 << 20
"""With less no answer is begun: its record, and what the index still writes, need room."""
_KEPT_S: Final = 1.0
_MODEL_KEPT_S: Final = 15.0
"""Longer: where its server does not answer, asking it takes as long as a connection may."""
_RECORD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part. Where it is `needed` and not `ready`, the service is not; `advice` is empty where nothing is to be
    done."""

    name: str
    ready: bool
    finding: str
    advice: str = ""
    needed: bool = True

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {"ready": self.ready, "needed": self.needed, "finding": self.finding, "advice": self.advice}


class Readiness:
    """What is ready of an App. What takes time is looked at again after a second, the model after fifteen, however
    often it is asked. Thread-safe. `model` is the one that was there then."""

    def __init__(self, app: App, *, draining: Callable[[], bool]) -> None:
        self._app, self._draining = app, draining
        self._looking = threading.Lock()
        self._looked_at, self._found = -math.inf, ()  # type: float, tuple[Part, ...]
        self._asked_at, self._of_model = -math.inf, Part(name="model", ready=False, finding="", needed=False)
        self.model: ModelInfo | None = None

    def parts(self) -> tuple[Part, ...]:
        """Every part."""
        with self._looking:
            if time.monotonic() - self._looked_at >= _KEPT_S:
                self._found, self._looked_at = tuple(self._look()), time.monotonic()
            return (_index(self._app), *self._found, _stopping(self._draining()))

    def _look(self) -> Iterator[Part]:
        app = self._app
        if app.settings.embedder.provider != "ollama":
            yield _embedder(app)
        yield self._model()
        yield audit(app.settings.home / "audit")
        yield disk(shutil.disk_usage(app.settings.home).free)
        yield _guard()

    def _model(self) -> Part:
        """Without one answers are extracts, which is told and no reason to send nobody here."""
        if time.monotonic() - self._asked_at >= _MODEL_KEPT_S:
            self._of_model, self._asked_at = self._ask_model(), time.monotonic()
        return self._of_model

    def _ask_model(self) -> Part:
        self.model = None
        if self._app.settings.llm.provider == "none":
            return Part(name="model", ready=True, finding="none is wanted; answers are extracts", needed=False)
        try:
            model = self._app.language_model()
            self.model = model.info if model is not None else None
            problem = self._app.model_problem
        except RagError as error:
            problem = str(error)
        if self.model is None:
            finding = "it does not answer; answers are extracts meanwhile"
            return Part(name="model", ready=False, finding=finding, advice=problem, needed=False)
        return Part(name="model", ready=True, finding=self.model.name, needed=False)


def ready(parts: tuple[Part, ...]) -> bool:
    """Whether every part is that is needed."""
    return all(part.ready for part in parts if part.needed)


def _index(app: App) -> Part:
    if app.is_open:
        return Part(name="index", ready=True, finding="open")
    problem = app.opening_problem
    return Part(
        name="index",
        ready=False,
        finding=problem or "it is being opened, and mended where the last run was interrupted",
        advice="Mend that; it is tried again with the next question." if problem else "Wait.",
    )


def _embedder(app: App) -> Part:
    name = app.settings.embedder.model
    try:
        find(name, directory=app.settings.models)
    except RagError as error:
        return Part(name="embedder", ready=False, finding=f"the weights of {name} are missing", advice=str(error))
    return Part(name="embedder", ready=True, finding=name)


def audit(directory: Path) -> Part:
    """As much as a record is written and thrown away: it finds full disks, quotas and mounts that became read-only."""
    file, name = -1, ""
    try:
        file, name = tempfile.mkstemp(prefix="probe-", dir=directory)
        os.write(file, b"\0" * _RECORD_BYTES)
        os.fsync(file)
    except OSError as error:
        return Part(
            name="audit",
            ready=False,
            finding=f"it cannot be written ({error.strerror}), and without a record nothing is answered",
            advice=f"Make {directory} writable for this process, or free some space.",
        )
    finally:
        if file >= 0:
            os.close(file)
            with suppress(OSError):
                Path(name).unlink()
    return Part(name="audit", ready=True, finding="writable")


def disk(free_bytes: int) -> Part:
    """Whether there is room for what answering writes."""
    room = free_bytes >= LEAST_FREE_BYTES
    return Part(
        name="disk",
        ready=room,
        finding=f"{free_bytes >> 20:,} MiB free",
        advice="" if room else f"Free some space: {LEAST_FREE_BYTES >> 20} MiB at least; nothing is lost meanwhile.",
    )


def _guard() -> Part:
    now = closed()
    if now is None or not now.lockdown.active:
        finding = f"kernel guard {now.lockdown}" if now is not None else "not on in this process"
        return Part(name="guard", ready=True, finding=finding, needed=False)
    alive = now.lockdown.alive()
    return Part(
        name="guard",
        ready=alive,
        finding="the kernel guard is on" if alive else "what counts for the kernel guard is gone: nothing is reached",
        advice="" if alive else "Restart the service.",
    )


def _stopping(draining: bool) -> Part:
    return Part(
        name="service",
        ready=not draining,
        finding="it is being stopped: open answers end, no new ones begin" if draining else "running",
        advice="Ask the one that is started in its place." if draining else "",
    )
