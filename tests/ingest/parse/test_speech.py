"""A speech model that cannot be loaded is no fault of the recording; weights may be links, as in a hub's cache."""

from __future__ import annotations

import io
import os
import subprocess
import wave
from pathlib import Path

import pytest

from rag.errors import DocumentWaits, EmptyDocument, ModelUnavailable, SettingsError
from rag.ingest.parse import ParserPool
from rag.ingest.parse.media import WAV
from rag.ingest.parse.speech import LANGUAGES, Speech, installed
from rag.ingest.parse.worker import Child, Limits
from rag.models.catalogue import default_directory
from rag.models.weights import find
from rag.models_in_use.perceiving import speech_of
from rag.settings import Settings
from rag.settings.ingest import IngestSettings

if not installed():
    pytest.skip("the extra `speech` is not installed", allow_module_level=True)


def hear(directory: Path) -> None:
    silent = io.BytesIO()
    with wave.open(silent, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
        file.writeframes(bytes(2 * 16000))
    speech = Speech(name="base", directory=directory)
    with ParserPool(profile="recordings", timeout_s=240, memory_mb=3072, ocr=False, speech=speech) as pool:
        pool.parse(silent.getvalue(), media_type=WAV, name="still.wav", ocr=False)


@pytest.mark.parametrize(("threads", "speech"), [("1", None), ("3", Speech(name="b", directory=Path("/b"), threads=3))])
def test_a_child_is_left_as_many_threads_as_what_it_hears_with_counts_on(
    threads: str, speech: Speech | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer, CTranslate2 hears nothing on a processor without MKL, and does not say so."""
    started: dict[str, dict[str, str]] = {}

    def starts(command: list[str], *, env: dict[str, str], **_: object) -> None:
        started["env"] = env
        raise OSError

    monkeypatch.setattr(subprocess, "Popen", starts)
    with pytest.raises(OSError):
        limits = Limits(timeout_s=1, memory_mb=1, extra_memory_mb=0, max_text_chars=1)
        Child(profile="recordings", ocr="", limits=limits, speech=speech)
    assert {started["env"][name] for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT")} == {threads}


def test_weights_that_are_links_into_another_folder_are_read(tmp_path: Path) -> None:
    try:
        weights = find("whisper-base", directory=default_directory(os.environ)).directory
    except ModelUnavailable as missing:
        pytest.skip(str(missing))
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    for number, file in enumerate(sorted(weights.iterdir())):
        blob = tmp_path / "blobs" / str(number)
        os.link(file, blob) if file.stat().st_dev == tmp_path.stat().st_dev else blob.write_bytes(file.read_bytes())
        (tmp_path / "snapshot" / file.name).symlink_to(f"../blobs/{number}")
    with pytest.raises(EmptyDocument, match="nobody speaks"):
        hear(tmp_path / "snapshot")


def test_a_model_that_cannot_be_loaded_leaves_the_recording_for_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no weights")
    with pytest.raises(DocumentWaits, match=r"ingest\.speech_model"):
        hear(tmp_path)


def test_what_the_folder_points_to_is_read_and_no_folder_beside_it(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "blob").write_bytes(b"")
    (tmp_path / "weights" / "model.bin").symlink_to("../blob")
    (tmp_path / "weights" / "up").symlink_to("..")
    speech = Speech(name="any", directory=tmp_path / "weights")
    assert speech.places() == [str(tmp_path / "blob"), str(tmp_path / "weights")]
    assert Speech(name="any", directory=tmp_path / "nowhere").places() == [str(tmp_path / "nowhere")]


def settings(folder: Path, language: str) -> Settings:
    (folder / "model.bin").write_bytes(b"")
    wanted = IngestSettings(speech_model=str(folder), speech_language=language)
    return Settings(home=folder, models=folder, ingest=wanted)


@pytest.mark.parametrize("language", ["Deutsch", "DE", "xx"])
def test_a_language_that_is_none_is_refused_at_the_start(tmp_path: Path, language: str) -> None:
    with pytest.raises(SettingsError, match="such as de or en"):
        speech_of(settings(tmp_path, language))


@pytest.mark.parametrize("language", ["", "de", "yue"])
def test_a_language_that_is_heard_is_taken(tmp_path: Path, language: str) -> None:
    speech = speech_of(settings(tmp_path, language))
    assert speech is not None and speech.language == language


def test_the_languages_are_those_of_the_library() -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert set(_LANGUAGE_CODES) == LANGUAGES
