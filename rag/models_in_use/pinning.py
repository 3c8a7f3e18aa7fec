"""Whether the models in use are the pinned versions: asked of every server, for the doctor, the page and the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ModelError
from rag.models import inventory
from rag.models.catalogue import MODELS
from rag.models.inventory import Listed
from rag.models.pins import Pin
from rag.settings import Settings

_log = logging.getLogger(__name__)

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One pinned model at one place. `digest` is what is there now, without "sha256:", empty where nobody could tell;
    `problem` says what is wrong and what to do; `changed`: it is another version."""

    pin: Pin
    model: str
    place: str
    digest: str = ""
    problem: str = ""
    changed: bool = False


def looked(settings: Settings) -> Iterator[Looked]:
    """Every pinned model, at every place it is used from."""
    llm, embedder = settings.llm, settings.embedder
    pin = Pin.of(llm.digest, key="llm.digest", changed=llm.changed)
    if pin.digest and llm.provider in ("ollama", "auto", "embedded"):
        on_disk = llm.provider == "embedded" or (
            llm.provider == "auto" and not llm.addresses and _in_catalogue(llm.model)
        )
        places = () if on_disk else llm.addresses or (settings.ollama_url(),)
        yield from _at(pin, llm.model, places, settings.models)
    pin = Pin.of(embedder.digest, key="embedder.digest", changed=llm.changed)
    if pin.digest:
        places = (embedder.base_url,) if embedder.provider == "ollama" else ()
        yield from _at(pin, embedder.model, places, settings.models)


def _in_catalogue(name: str) -> bool:
    return name in MODELS


def _at(pin: Pin, model: str, places: tuple[str, ...], directory: Path) -> Iterator[Looked]:
    if not places:
        yield _one(pin, model, str(directory), lambda: inventory.of_catalogue(directory))
    for url in places:
        yield _one(pin, model, url, lambda url=url: inventory.of_ollama(url, only=model))  # type: ignore[misc]  # bound now


def _one(pin: Pin, model: str, place: str, ask: Callable[[], list[Listed]]) -> Looked:
    try:
        there = ask()
    except ModelError as error:
        return Looked(pin=pin, model=model, place=place, problem=str(error))
    found = inventory.called(model, there) if model else next((one for one in there if not one.embeds_only), None)
    if found is None or found.weights == "not here":
        return Looked(pin=pin, model=model, place=place, problem=f"{model or 'the model'} is not there.")
    if pin.holds(found.digest):
        return Looked(pin=pin, model=found.name, place=place, digest=found.digest)
    problem = pin.broken(found.digest, model=found.name, place=place)
    return Looked(pin=pin, model=found.name, place=place, digest=found.digest, problem=problem, changed=True)


class PinWatch:
    """Looks at the pinned models at once and then every hour, in a thread of its own, until closed. A change is logged,
    and once more when the pinned version is seen to be back. `last` is what was seen last."""

    def __init__(self, settings: Settings, *, every_s: float = HOUR_S) -> None:
        self._settings, self._every_s = settings, every_s
        self.last: tuple[Looked, ...] = ()
        self._told: set[tuple[str, str]] = set()  # (key, place) of changes that were logged
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="pins")
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def changed(self) -> tuple[Looked, ...]:
        """Those that are another version."""
        return tuple(one for one in self.last if one.changed)

    def look(self) -> tuple[Looked, ...]:
        """Look now."""
        self.last = tuple(looked(self._settings))
        for one in self.last:
            place = (one.pin.key, one.place)
            extra = {"key": one.pin.key, "place": one.place}
            if one.changed and place not in self._told:
                self._told.add(place)
                _log.error(
                    "A pinned model is another version: %s", one.problem, extra={"action": "model_changed", **extra}
                )
            elif one.digest and not one.changed and place in self._told:
                self._told.discard(place)
                _log.warning("A pinned model is as pinned again", extra={"action": "model_as_pinned", **extra})
        return self.last

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(self._every_s)
