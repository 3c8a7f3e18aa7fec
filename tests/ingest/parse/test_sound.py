"""A long recording is heard in slices, which hold all of its sound and are cut where it is quiet."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rag.errors import UnreadableDocument
from rag.ingest.parse.speech import Speech, installed

if not installed():
    pytest.skip("the extra `speech` is not installed", allow_module_level=True)

from rag.ingest.parse.recording import RecordingParser
from rag.ingest.parse.sound import RATE, slices

QUIET = (28.0, 57.5)
"""Seconds at which the hum pauses for a second."""


def hum(seconds: float) -> bytes:
    at = np.arange(round(seconds * RATE)) / RATE
    loud = 8000 * np.sin(2 * np.pi * 220 * at)
    for pause in QUIET:
        loud[(at >= pause) & (at < pause + 1)] = 0
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        file.writeframes(loud.astype(np.int16).tobytes())
    return made.getvalue()


def test_slices_hold_all_of_the_sound_and_are_cut_where_it_is_quiet() -> None:
    found = list(slices(hum(70), slice_s=30))
    begins = [begin for begin, _ in found]
    assert begins[0] == 0 and len(begins) == 3
    for begin, pause in zip(begins[1:], QUIET, strict=True):
        assert pause <= begin <= pause + 1
    ends = [begin + sound.size / RATE for begin, sound in found]
    assert ends[:-1] == pytest.approx(begins[1:]) and ends[-1] == pytest.approx(70, abs=0.1)
    assert max(abs(sound).max() for _, sound in found) == pytest.approx(8000 / 32768, abs=0.01)


def test_a_short_recording_is_one_slice() -> None:
    assert [begin for begin, _ in slices(hum(5))] == [0]


@pytest.mark.parametrize("content", [b"", b"RIFF\x24\x00\x00\x00WAVEfmt nothing", b"fLaC", b"ID3" + bytes(500)])
def test_what_has_no_sound_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="no sound that can be decoded"):
        list(slices(content))


class Hearing:
    """A speech model that hears a word in each slice but the first, and says how much it was given at once."""

    def __init__(self) -> None:
        self.given: list[tuple[float, str | None]] = []

    def transcribe(self, sound: Any, *, language: str | None, **told: Any) -> tuple[list[Any], Any]:
        self.given.append((sound.size / RATE, language))
        segment = SimpleNamespace(start=1.0, text=" ein Wort", no_speech_prob=0.0, avg_logprob=0.0)
        return ([segment] if len(self.given) > 1 else []), SimpleNamespace(language="de")


def test_a_long_recording_is_heard_in_slices_and_each_sentence_has_its_minute(tmp_path: Path) -> None:
    parser, hearing = RecordingParser(speech=Speech(name="any", directory=tmp_path)), Hearing()
    parser._model = hearing
    silent = io.BytesIO()
    with wave.open(silent, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        file.writeframes(bytes(2 * RATE * 45 * 60))
    parsed = parser.parse(silent.getvalue(), media_type="audio/wav", name="sitzung.wav")
    assert len(hearing.given) == 5 and max(seconds for seconds, _ in hearing.given) < 601
    assert [language for _, language in hearing.given] == [None, None, "de", "de", "de"]
    minutes = [section.headings[1] for section in parsed.sections]
    assert minutes[0].startswith("9:") and minutes[-1].startswith("39:") and len(minutes) == 4
    assert "45:00 minutes" in parsed.notes[0] and parsed.language == "de"


def test_too_little_memory_names_the_setting(tmp_path: Path) -> None:
    class Greedy(Hearing):
        def transcribe(self, sound: Any, *, language: str | None, **told: Any) -> tuple[list[Any], Any]:
            raise MemoryError

    parser = RecordingParser(speech=Speech(name="any", directory=tmp_path))
    parser._model = Greedy()
    with pytest.raises(UnreadableDocument, match=r"ingest\.speech_memory_mb"):
        parser.parse(hum(5), media_type="audio/wav", name="sitzung.wav")
