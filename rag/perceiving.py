"""What reads, hears and sees documents, by the settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from rag.advice import to_install
from rag.errors import SettingsError
from rag.ingest.parse import ParserPool
from rag.ingest.parse.speech import Speech, installed
from rag.ingest.perceiving import Perceiving
from rag.models.catalogue import MODELS, Kind
from rag.models.describer import OllamaDescriber
from rag.models.weights import find
from rag.settings import Settings

_HEARING_S = 900.0
"""Between two signs of life: loading a large model and finding where somebody speaks in an hour takes minutes."""


def perceiving_of(
    settings: Settings, *, workers: int, close: Callable[[AbstractContextManager[ParserPool]], ParserPool]
) -> Perceiving:
    """The reader of the pipeline; `close` keeps a pool until the end.

    Raises:
        SettingsError, ModelUnavailable: a model is set that is not there.
    """
    wanted = settings.ingest
    documents = ParserPool(
        profile=wanted.parser,
        timeout_s=wanted.timeout_s,
        memory_mb=wanted.memory_mb,
        ocr=wanted.ocr,
        workers=workers,
    )
    speech, describer = speech_of(settings), describer_of(settings)
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


def speech_of(settings: Settings) -> Speech | None:
    """The speech model, if one is set.

    Raises:
        SettingsError: it is a folder that holds none, or the extra is not installed.
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
        language=settings.ingest.speech_language,
        threads=max(1, (os.cpu_count() or 1) - (os.cpu_count() or 1) // 4),
    )


def describer_of(settings: Settings) -> OllamaDescriber | None:
    """The vision model, if one is set; it is asked for its name with the first picture."""
    if not settings.ingest.vision_model:
        return None
    return OllamaDescriber(
        settings.ollama_url(), model=settings.ingest.vision_model, language=settings.ingest.vision_language
    )
