"""Reading pictures of text: Tesseract where it is installed with German, else RapidOCR, whose models are in its wheel.

The parent only asks which engine there is; the engine itself is loaded or run in the child. Nothing is downloaded.
Measured on the scans at hand (200 dpi, two threads): Tesseract 1.1 s a page, RapidOCR 1.5-3 s with OpenVINO and 3-6 s
with onnxruntime; both read ä ö ü ß § €. RapidOCR (PP-OCRv6, one model for Latin script among others) is the better of
the two on slanted or noisy pages, Tesseract in keeping columns apart.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, Protocol

from rag.errors import UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

OFF: Final = "off"
_THREADS: Final = 2
_EXTRA_MB: Final = 1280
_BULLET: Final = re.compile(r"^(?:[-–•*·▪□☐]|\(?\d{1,3}[.)]|[a-z]\))\s")


@functools.cache
def available() -> str:
    """The engine this machine has, with its version: "tesseract/5.3.0", "rapidocr/3.10.0+openvino/2026.4", or "off"."""
    if (binary := shutil.which("tesseract")) is not None:
        languages = _output(binary, "--list-langs").split()
        if {"deu", "eng"} <= set(languages):
            return "tesseract/" + (_output(binary, "--version").split() + ["?", "?"])[1]
    for runtime in ("openvino", "onnxruntime"):
        if importlib.util.find_spec("rapidocr") and importlib.util.find_spec(runtime):
            return f"rapidocr/{_version('rapidocr')}+{runtime}/{_version(runtime)}"
    return OFF


def extra_memory_mb(engine: str) -> int:
    """What a loaded engine needs beyond a parser's own memory; Tesseract is a process of its own."""
    return _EXTRA_MB if engine.startswith("rapidocr") else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text on a picture, in pixels from the top left."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """How tall it is."""
        return self.bottom - self.top


class Ocr:
    """The machine's engine, made when the first picture comes. `tick` is told before each picture: OCR takes its time."""

    def __init__(self, engine: str, *, tick: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._tick = tick
        self._reader: Reader | None = None

    @property
    def on(self) -> bool:
        """Whether pictures can be read at all."""
        return self._engine != OFF

    def paragraphs(self, image: Image) -> list[str]:
        """The text of a picture in reading order; nothing if there is no engine."""
        self._tick()
        if self._reader is None:
            self._reader = _reader(self._engine)
        return self._reader.paragraphs(image) if self._reader is not None else []


class Reader(Protocol):
    """An OCR engine."""

    def paragraphs(self, image: Image) -> list[str]:
        """The text of a picture in reading order."""


def _reader(engine: str) -> Reader | None:
    if engine.startswith("tesseract"):
        return Tesseract()
    if engine.startswith("rapidocr"):
        return Rapid(runtime="openvino" if "openvino" in engine else "onnxruntime")
    return None


class Tesseract:
    """The `tesseract` program, German and English, fed through pipes."""

    def paragraphs(self, image: Image) -> list[str]:
        import io

        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="PPM")
        found = self._read(buffer.getvalue(), "1")
        return found or self._read(buffer.getvalue(), "3")

    def _read(self, picture: bytes, segmentation: str) -> list[str]:
        command = ["tesseract", "stdin", "stdout", "-l", "deu+eng", "--dpi", "200", "--psm", segmentation]
        try:
            done = subprocess.run(command, input=picture, capture_output=True, check=True)  # noqa: S603: no document text
        except (OSError, subprocess.CalledProcessError) as error:
            raise UnreadableDocument("the OCR program failed on it") from error
        blocks = re.split(r"\n\s*\n", done.stdout.decode("utf-8", "replace").replace("\f", "\n\n"))
        return [text for block in blocks if (text := join_lines(block.splitlines()))]


class Rapid:
    """RapidOCR with the models of its wheel."""

    def __init__(self, *, runtime: str) -> None:
        from rapidocr import EngineType, RapidOCR

        engine = EngineType.OPENVINO if runtime == "openvino" else EngineType.ONNXRUNTIME
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.max_side_len": 2400,
                "Det.engine_type": engine,
                "Cls.engine_type": engine,
                "Rec.engine_type": engine,
                "EngineConfig.openvino.inference_num_threads": _THREADS,
                "EngineConfig.onnxruntime.intra_op_num_threads": _THREADS,
            }
        )

    def paragraphs(self, image: Image) -> list[str]:
        import numpy

        found = self._engine(numpy.asarray(image.convert("RGB"))[:, :, ::-1].copy())
        if found.txts is None or found.boxes is None:
            return []
        lines = []
        for box, text in zip(found.boxes, found.txts, strict=True):
            xs, ys = [float(point[0]) for point in box], [float(point[1]) for point in box]
            lines.append(Line(text=text, left=min(xs), right=max(xs), top=min(ys), bottom=max(ys)))
        return compose(lines)


def compose(lines: list[Line]) -> list[str]:
    """Pieces on one height become a row, rows that follow closely a paragraph."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda each: (each.top + each.bottom) / 2):
        last = rows[-1][-1] if rows else None
        if last and abs((line.top + line.bottom) - (last.top + last.bottom)) / 2 < 0.5 * min(line.height, last.height):
            rows[-1].append(line)
        else:
            rows.append([line])
    paragraphs: list[list[str]] = []
    previous: list[Line] = []
    for row in rows:
        row.sort(key=lambda each: each.left)
        text = " ".join(piece.text.strip() for piece in row)
        if previous and _continues(previous, row, text):
            paragraphs[-1].append(text)
        else:
            paragraphs.append([text])
        previous = row
    return [text for rows_of in paragraphs if (text := join_lines(rows_of))]


def _continues(above: list[Line], row: list[Line], text: str) -> bool:
    height = max(line.height for line in above)
    gap = min(line.top for line in row) - max(line.bottom for line in above)
    similar = 0.7 < max(line.height for line in row) / height < 1.4
    return similar and gap < 0.9 * height and not _BULLET.match(text) and len(above) == len(row) == 1


def join_lines(lines: list[str]) -> str:
    """Lines of one paragraph as one run of text, words hyphenated at a line's end put together."""
    from rag.ingest.parse.lines import join

    return join([line.strip() for line in lines if line.strip()], bullet=_BULLET)


def _output(binary: str, option: str) -> str:
    try:
        done = subprocess.run([binary, option], capture_output=True, timeout=10, check=False)  # noqa: S603: found on PATH
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"
