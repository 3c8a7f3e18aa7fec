"""Recordings: what is said in them, as text that says where. Runs in the child; the weights are local.

A machine hears names and figures wrongly, and now and then what nobody said, so everything stands under a heading that
says so and names the minute: ``Transkript (maschinell erstellt) › 12:40``. The heading is what a citation shows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from rag.documents import Parsed, Section, Span
from rag.errors import DocumentWaits, EmptyDocument, UnreadableDocument
from rag.ingest.parse.draft import clean
from rag.ingest.parse.sound import RATE, slices
from rag.ingest.parse.speech import Speech
from rag.text.language import language_of

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

HEADINGS: Final = {"de": "Transkript (maschinell erstellt)", "": "Transcript (made by a machine)"}
_BLOCK_CHARS, _BLOCK_S = 300, 60.0
"""A stretch under one heading ends beyond either."""
_SPEECH: Final = 0.6
"""What is more likely no speech than this, and heard without confidence, was not said."""
_DOUBT: Final = -1.0
_TICK_S: Final = 20.0
"""A sign of life so often at most: the parent counts them, and nine hours of speech are to fit."""


class RecordingParser:
    """faster-whisper over the sound of a file."""

    fingerprint = "recording"

    def __init__(self, *, speech: Speech) -> None:
        self._speech = speech
        self._model: WhisperModel | None = None
        self._told_s = time.monotonic()

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        """
        Raises:
            EmptyDocument: nobody speaks.
            DocumentWaits: the speech model cannot be loaded.
            UnreadableDocument: it has no sound that can be decoded, or hearing it takes more memory than is set.
        """
        try:
            heard, spoken, ends_s = self._heard(body)
        except MemoryError as error:
            raise UnreadableDocument("over the memory limit (ingest.speech_memory_mb)") from error
        if not heard:
            raise EmptyDocument("no text: a recording in which nobody speaks, or none that could be understood")
        return _written(heard, spoken=spoken, seconds=ends_s, model=self._speech.name)

    def _heard(self, body: bytes) -> tuple[list[tuple[float, str]], str, float]:
        """(begins at, what is said) of each sentence; the language of the first slice in which somebody speaks, which
        the others are heard in; where it ends, seconds."""
        heard: list[tuple[float, str]] = []
        spoken, ends_s = self._speech.language, 0.0
        for begins_s, sound in slices(body):
            ends_s = begins_s + sound.size / RATE
            self._tick()
            segments, told = self._loaded().transcribe(
                sound,
                language=spoken or None,
                vad_filter=True,
                condition_on_previous_text=False,  # one misheard sentence would be said again and again
            )
            for segment in segments:
                self._tick()
                if (said := clean(segment.text)) and not _doubtful(segment):
                    heard.append((begins_s + float(segment.start), said))
                    spoken = spoken or str(told.language)
        return heard, spoken, ends_s

    def _tick(self) -> None:
        if time.monotonic() - self._told_s > _TICK_S:
            self._speech.tick()
            self._told_s = time.monotonic()

    def _loaded(self) -> WhisperModel:
        if self._model is None:
            from faster_whisper import WhisperModel

            try:
                self._model = WhisperModel(
                    str(self._speech.directory),
                    device="cpu",
                    compute_type="int8",
                    cpu_threads=self._speech.threads,
                    local_files_only=True,
                )
            except MemoryError as error:
                raise DocumentWaits(
                    f"the speech model {self._speech.name} takes more memory than is set (ingest.speech_memory_mb)"
                ) from error
            except Exception as error:  # a library's own words; it is no fault of the recording's
                raise DocumentWaits(
                    f"the speech model {self._speech.name} cannot be loaded ({type(error).__name__}): see that its "
                    f"folder is whole (ingest.speech_model); the next run tries again"
                ) from error
        return self._model


def _doubtful(segment: Any) -> bool:
    return bool(segment.no_speech_prob > _SPEECH and segment.avg_logprob < _DOUBT)


def _written(heard: list[tuple[float, str]], *, spoken: str, seconds: float, model: str) -> Parsed:
    heading = HEADINGS.get(spoken, HEADINGS[""])
    text, sections = "", []
    for start_s, said in _blocks(heard):
        begins = len(text) + 2 if text else 0
        text = f"{text}\n\n{said}" if text else said
        sections.append(Section(span=Span(start=begins, end=len(text)), headings=(heading, clock(start_s))))
    return Parsed(
        text=text,
        sections=tuple(sections),
        language=spoken if spoken in ("de", "en") else language_of(text),
        notes=(f"{clock(seconds)} minutes of speech transcribed by {model}",),
    )


def _blocks(heard: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """(begins at, what is said in one go)."""
    blocks: list[tuple[float, str]] = []
    for start_s, said in heard:
        if blocks and len(blocks[-1][1]) < _BLOCK_CHARS and start_s - blocks[-1][0] < _BLOCK_S:
            blocks[-1] = (blocks[-1][0], f"{blocks[-1][1]} {said}")
        else:
            blocks.append((start_s, said))
    return blocks


def clock(seconds: float) -> str:
    """``12:40``, or ``1:02:40``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
