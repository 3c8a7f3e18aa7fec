"""What reads, hears and sees documents, by the settings: for the index, and for a reader who does not wait for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from rag.documents import Parsed
from rag.errors import SettingsError
from rag.ingest.parse import ParserPool
from rag.ingest.parse.speech import LANGUAGES, Speech, installed
from rag.ingest.perceiving import Perceiving
from rag.ingest.reader import Reader
from rag.models.catalogue import MODELS, Kind
from rag.models.describer import OllamaDescriber
from rag.models.licences import Policy
from rag.models.weights import find
from rag.settings import Settings
from rag.text.advice import to_install

_HEARING_S = 900.0
"""Between two signs of life: loading a large model and finding where somebody speaks in an hour takes minutes."""

_SHOWING_S, _SHOWN_AT_ONCE = 30.0, 2


class Opening:
    """A reader that is opened when an ingest first needs it: questions need none, and are answered while a model that
    reads is not there.

    Every method raises, as opening does, until it can be opened:
        SettingsError, ModelUnavailable: a model is set that is not there.
    """

    def __init__(self, open_reader: Callable[[], Reader]) -> None:
        self._open, self._alone = open_reader, threading.Lock()
        self._reader: Reader | None = None

    def recipe(self, *, ocr: bool = True) -> str:
        """See `rag.ingest.reader.Reader`."""
        return self._opened().recipe(ocr=ocr)

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        """See `rag.ports.Parser`."""
        return self._opened().parse(body, media_type=media_type, name=name, ocr=ocr)

    def until(self, stopped: Callable[[], bool]) -> Reader:
        """See `rag.ingest.reader.Reader`."""
        return self._opened().until(stopped)

    def _opened(self) -> Reader:
        with self._alone:
            if self._reader is None:
                self._reader = self._open()
            return self._reader


def perceiving_of(
    settings: Settings,
    *,
    workers: int,
    close: Callable[[AbstractContextManager[ParserPool]], ParserPool],
    policy: Policy,
) -> Reader:
    """The reader of the pipeline, not opened yet; `close` keeps a pool until the end, `policy` says which models are
    let in."""
    return Opening(lambda: _perceiving(settings, workers=workers, close=close, policy=policy))


def _perceiving(
    settings: Settings,
    *,
    workers: int,
    close: Callable[[AbstractContextManager[ParserPool]], ParserPool],
    policy: Policy,
) -> Perceiving:
    wanted = settings.ingest
    speech, describer = speech_of(settings), describer_of(settings, policy=policy)
    documents = ParserPool(
        profile=wanted.parser,
        timeout_s=wanted.timeout_s,
        memory_mb=wanted.memory_mb,
        ocr=wanted.ocr,
        workers=workers,
    )
    recordings = (
        ParserPool(
            profile="recordings", timeout_s=_HEARING_S, memory_mb=wanted.speech_memory_mb, ocr=False, speech=speech
        )
        if speech
        else None
    )
    return Perceiving(
        documents=close(documents), recordings=close(recordings) if recordings else None, describer=describer
    )


def showing_of(settings: Settings) -> ParserPool:
    """What draws pages and takes documents out of containers for a reader, who does not wait for an ingest."""
    wanted = settings.ingest
    return ParserPool(
        profile=wanted.parser,
        timeout_s=min(wanted.timeout_s, _SHOWING_S),
        memory_mb=wanted.memory_mb,
        ocr=wanted.ocr,
        workers=_SHOWN_AT_ONCE,
    )


def speech_of(settings: Settings) -> Speech | None:
    """The speech model, if one is set.

    Raises:
        SettingsError: it is a folder that holds none, its language is none, or the extra is not installed.
        ModelUnavailable: the catalogue's weights are not there; says how to fetch them.
    """
    name = settings.ingest.speech_model
    if not name:
        return None
    if not installed():
        raise SettingsError(
            f"ingest.speech_model needs faster-whisper. {to_install('speech')}.",
            key="ingest.speech_model",
        )
    language = settings.ingest.speech_language
    if language and language not in LANGUAGES:
        raise SettingsError(
            f"ingest.speech_language: {language!r} is no language that is heard; write its code, such as de or en, or "
            f"leave it empty to have it found out.",
            key="ingest.speech_language",
        )
    if name in MODELS and MODELS[name].kind is Kind.SPEECH:
        directory, label = find(name, directory=settings.models).directory, name
    else:
        directory = Path(name).expanduser().absolute()
        label = directory.name
        if not (directory / "model.bin").is_file():
            known = ", ".join(one.name for one in MODELS.values() if one.kind is Kind.SPEECH)
            raise SettingsError(
                f"ingest.speech_model: {name} is neither a model of the catalogue ({known}) nor a folder with "
                f"weights for faster-whisper (a model.bin and what belongs to it).",
                key="ingest.speech_model",
            )
    return Speech(
        name=label,
        directory=directory,
        language=language,
        threads=max(1, (os.cpu_count() or 1) - (os.cpu_count() or 1) // 4),
    )


def describer_of(settings: Settings, *, policy: Policy) -> OllamaDescriber | None:
    """The vision model, if one is set; it is looked at with each picture."""
    if not settings.ingest.vision_model:
        return None
    return OllamaDescriber(
        settings.vision_url(),
        model=settings.ingest.vision_model,
        language=settings.ingest.vision_language,
        policy=policy,
    )
