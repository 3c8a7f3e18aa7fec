"""What is said in a recording is found by its content, and the citation names the minute. Real speech, real weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import wave
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.ingest.parse.speech import installed
from rag.models.catalogue import default_directory
from rag.models.weights import find
from tests.doors.conftest import Line

SAID = (
    "In dieser Besprechung geht es um die Kantine. Die Kantine ist im August geschlossen.",
    "Jetzt zum Urlaub. Der Antrag auf Urlaub wird drei Wochen vorher bei der Leitung gestellt.",
)
PAUSE_S = 65


@pytest.fixture(scope="module")
def models() -> str:
    """Where the speech model lies."""
    if not installed():
        pytest.skip("the extra `speech` is not installed")
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    directory = default_directory(os.environ)
    try:
        find("whisper-base", directory=directory)
    except ModelUnavailable as missing:
        pytest.skip(str(missing))
    return str(directory)


def speak(text: str, path: Path) -> None:
    subprocess.run(["espeak-ng", "-v", "de", "-s", "130", "-w", str(path), text], check=True, timeout=60)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, models: str) -> Path:
    """Two things said, more than a minute apart."""
    folder = tmp_path_factory.mktemp("said")
    frames, parameters = b"", None
    for number, text in enumerate(SAID):
        speak(text, folder / f"{number}.wav")
        with wave.open(str(folder / f"{number}.wav")) as part:
            parameters = part.getparams()
            rest = PAUSE_S * parameters.framerate - part.getnframes() if number == 0 else 0
            frames += part.readframes(part.getnframes()) + bytes(max(0, rest) * parameters.sampwidth)
    assert parameters is not None
    with wave.open(str(folder / "besprechung.wav"), "wb") as whole:
        whole.setparams(parameters)
        whole.writeframes(frames)
    return folder / "besprechung.wav"


def hearing(line: Line, model: str = "whisper-base") -> Line:
    """The line with a speech model in its settings."""
    settings = line.config.read_text().replace("[ingest]\n", f'[ingest]\nspeech_model = "{model}"\n')
    (line.folder / "hearing.toml").write_text(settings)
    return Line(line.folder, line.folder / "hearing.toml")


def test_a_german_recording_is_found_by_its_content_and_the_citation_names_the_minute(
    fresh: Line, recording: Path, models: str
) -> None:
    (fresh.folder / "papers").mkdir()
    shutil.copy(recording, fresh.folder / "papers")
    line = hearing(fresh)
    done = line.run("ingest", "papers", "--json", RAG_MODELS=models)
    assert done.returncode == 0, done.stdout + done.stderr
    found = line.run("ask", "Wann ist der Antrag auf Urlaub zu stellen?", "--json", RAG_MODELS=models)
    places = [passage["headings"] for passage in json.loads(found.stdout)["passages"]]
    assert ["Transkript (maschinell erstellt)", "1:05"] in places
    assert places.index(["Transkript (maschinell erstellt)", "1:05"]) == 0
    shown = line.run("documents", "--json", RAG_MODELS=models).stdout
    assert "transcribed by whisper-base" in shown


def test_without_a_speech_model_a_recording_says_what_is_lacking(fresh: Line, recording: Path) -> None:
    (fresh.folder / "papers").mkdir()
    shutil.copy(recording, fresh.folder / "papers")
    assert "ingest.speech_model" in fresh.json("ingest", "papers", code=3)["failed"][0]["reason"]


def test_a_speech_model_that_is_not_there_is_named_with_what_to_do(fresh: Line) -> None:
    if not installed():
        pytest.skip("the extra `speech` is not installed")
    (fresh.folder / "papers").mkdir()
    (fresh.folder / "papers" / "a.txt").write_text("Ein Satz.")
    done = hearing(fresh).run("ingest", "papers")
    assert done.returncode == 1 and "rag models fetch whisper-base" in done.stderr
    done = hearing(fresh, "/nowhere").run("ingest", "papers")
    assert done.returncode == 2 and "ingest.speech_model" in done.stderr


def test_questions_are_answered_while_the_speech_model_is_not_there(fresh: Line) -> None:
    (fresh.folder / "papers").mkdir()
    (fresh.folder / "papers" / "a.txt").write_text("Die Kantine ist im August geschlossen.")
    fresh.json("ingest", "papers")
    line = hearing(fresh, "/nowhere")
    (found,) = line.json("search", "Kantine im August")["passages"]
    assert found["text"] == "Die Kantine ist im August geschlossen."
    done = line.run("ingest")
    assert done.returncode in (1, 2) and "ingest.speech_model" in done.stderr


@pytest.mark.parametrize("content", [b"RIFF\x24\x00\x00\x00WAVEfmt nothing of the kind", b"ID3" + bytes(500), b"fLaC"])
def test_what_only_looks_like_a_recording_costs_itself_alone(fresh: Line, models: str, content: bytes) -> None:
    (fresh.folder / "papers").mkdir()
    (fresh.folder / "papers" / "kaputt.wav").write_bytes(content)
    (fresh.folder / "papers" / "a.txt").write_text("Ein Satz.")
    done = hearing(fresh).run("ingest", "papers", "--json", RAG_MODELS=models)
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert [failed["document"] for failed in report["failed"]] == ["papers:kaputt.wav"] and report["added"] == 1


def test_silence_has_no_text(fresh: Line, models: str) -> None:
    (fresh.folder / "papers").mkdir()
    with wave.open(str(fresh.folder / "papers" / "still.wav"), "wb") as still:
        still.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
        still.writeframes(bytes(2 * 16000 * 4))
    done = hearing(fresh).run("ingest", "papers", "--json", RAG_MODELS=models)
    assert "nobody speaks" in done.stdout, done.stderr
