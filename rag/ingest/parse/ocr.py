"""Reading pictures of text: Tesseract where it is installed with German, else RapidOCR, whose models are in its wheel.

The parent only asks which engine there is; the engine itself is loaded or run in the child. Nothing is downloaded.
Measured on scans of A4 pages at 200 dpi: Tesseract 1.0-1.5 s a page with one thread (with two on a busy machine up to
35 s, they spin), RapidOCR 1.4-6 s with OpenVINO and about twice that with onnxruntime, both with two threads. Both read
ä ö ü ß § €. Tesseract keeps words apart that RapidOCR (PP-OCRv6, one model for many scripts) runs together
("Antragwird"); RapidOCR is the better of the two on units ("Ncm") and ruled tables.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import shutil
import statistics
import subprocess
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, Protocol

from rag.errors import UnreadableDocument
from rag.ingest.parse.page import Page, Segment, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

OFF: Final = "off"
_THREADS: Final = 2
_EXTRA_MB: Final = 1280
_FEW_WORDS, _UNSURE, _SURER = 3, 70.0, 10.0


@functools.cache
def available() -> str:
    """The engine this machine has, with its version: "tesseract/5.3.0", "rapidocr/3.10.0+openvino/2026.4", or "off"."""
    if (binary := shutil.which("tesseract")) is not None:
        languages = _output(binary, "--list-langs").split()
        if {"deu", "eng"} <= set(languages):
            return "tesseract/" + [*_output(binary, "--version").split(), "?", "?"][1]
    for runtime in ("openvino", "onnxruntime"):
        if importlib.util.find_spec("rapidocr") and importlib.util.find_spec(runtime):
            return f"rapidocr/{_version('rapidocr')}+{runtime}/{_version(runtime)}"
    return OFF


def extra_memory_mb(engine: str) -> int:
    """What a loaded engine needs beyond a parser's own memory; Tesseract is a process of its own."""
    return _EXTRA_MB if engine.startswith("rapidocr") else 0


class Ocr:
    """The machine's engine, made when the first picture comes. `tick` is called before each: OCR takes its time.

    `wanted` is whether the document at hand may be read by it: set anew for each.
    """

    def __init__(self, engine: str, *, tick: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._tick = tick
        self._reader: Reader | None = None
        self.wanted = True

    @property
    def on(self) -> bool:
        """Whether pictures are read."""
        return self.wanted and self._engine != OFF

    @property
    def off_because(self) -> str:
        """Why not, in the words that follow "and"."""
        return "this machine has no OCR engine" if self.wanted else "OCR is off"

    def page(self, image: Image, *, number: int, dpi: float, scanned: bool = True) -> Page:
        """A picture of a page as a page, in points; without rows if there is no engine. What is not `scanned` is not
        looked for standing on its head."""
        self._tick()
        if self._reader is None:
            self._reader = _reader(self._engine)
        segments = self._reader.segments(image, scanned=scanned) if self._reader is not None else []
        for segment in segments:
            for edge in ("left", "right", "top", "bottom", "size"):
                setattr(segment, edge, getattr(segment, edge) * 72 / dpi)
        _even_out(segments)
        points = 72 / dpi
        return Page(number=number, width=image.width * points, height=image.height * points, rows=rows_of(segments))


def _even_out(segments: list[Segment]) -> None:
    """Heights of lines on a picture vary with their letters: all that are near the usual are the usual."""
    if not segments:
        return
    usual = statistics.median(segment.size for segment in segments)
    for segment in segments:
        segment.size = round(segment.size if segment.size > 1.38 * usual else usual)
        middle = segment.middle
        segment.top, segment.bottom = middle - segment.size / 2, middle + segment.size / 2


class Reader(Protocol):
    """An OCR engine."""

    def segments(self, image: Image, *, scanned: bool) -> list[Segment]:
        """Lines, or cells of lines, in reading order, in pixels."""


def _reader(engine: str) -> Reader | None:
    if engine.startswith("tesseract"):
        return Tesseract()
    if engine.startswith("rapidocr"):
        return Rapid(runtime="openvino" if "openvino" in engine else "onnxruntime")
    return None


class Tesseract:
    """The `tesseract` program, German and English, fed through pipes. It finds turned pages, but not one that stands on
    its head with little text on it: what it is unsure of is tried that way too.
    """

    def segments(self, image: Image, *, scanned: bool) -> list[Segment]:
        table = self._table(image)
        sure = statistics.mean(_certainties(table) or [0.0])
        if scanned and len(_certainties(table)) >= _FEW_WORDS and sure < _UNSURE:
            other = self._table(image.rotate(180))
            if statistics.mean(_certainties(other) or [0.0]) > sure + _SURER:
                table = other
        words = _words(table)
        turned = sum(
            word.bottom - word.top > word.right - word.left for line in words for word in line if len(word.text) > 3
        )
        if 2 * turned > sum(len(word.text) > 3 for line in words for word in line):
            return [_straightened(line, number) for number, line in enumerate(words)]
        return [segment for line in words for segment in _joined(line)]

    def _table(self, image: Image) -> str:
        buffer = io.BytesIO()
        image.convert("L").save(buffer, format="PPM")
        table = self._read(buffer.getvalue(), "1")
        return table if _words(table) else self._read(buffer.getvalue(), "3")

    def _read(self, picture: bytes, segmentation: str) -> str:
        command = ["tesseract", "stdin", "stdout", "-l", "deu+eng", "--dpi", "200", "--psm", segmentation, "tsv"]
        try:
            done = subprocess.run(command, input=picture, capture_output=True, check=True)  # noqa: S603 - fixed words
        except (OSError, subprocess.CalledProcessError) as error:
            raise UnreadableDocument("the OCR program failed on it") from error
        return done.stdout.decode("utf-8", "replace")


def _certainties(table: str) -> list[float]:
    """How sure Tesseract is of each word of some length, in per cent."""
    rows = (row.split("\t") for row in table.splitlines()[1:])
    return [float(cells[10]) for cells in rows if len(cells) > 11 and cells[0] == "5" and len(cells[11].strip()) > 3]


def _words(table: str) -> list[list[Segment]]:
    """Tesseract's table of words as lines; specks it took for signs are left out."""
    lines: dict[tuple[str, ...], list[Segment]] = {}
    for row in table.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) < 12 or cells[0] != "5" or not cells[11].strip():
            continue
        left, top, width, height = (float(cell) for cell in cells[6:10])
        text, sure = cells[11].strip(), float(cells[10])
        if any(char.isalnum() for char in text) or (sure > 60 and text not in "|_¦:'`\"‘’.,"):
            word = Segment(text, left, left + width, top, top + height, height, False)
            lines.setdefault(tuple(cells[1:5]), []).append(word)
    return list(lines.values())


def _joined(line: list[Segment]) -> list[Segment]:
    """The words of one line as segments, cut where a gap is wider than a space."""
    joined: list[Segment] = []
    height = max(word.bottom for word in line) - min(word.top for word in line)
    for word in line:
        if joined and word.left - joined[-1].right < 1.4 * statistics.median(each.size for each in line):
            last = joined[-1]
            last.text, last.right = f"{last.text} {word.text}", max(last.right, word.right)
            last.top, last.bottom = min(last.top, word.top), max(last.bottom, word.bottom)
        else:
            joined.append(replace(word))
    for segment in joined:
        segment.size = min(height, segment.bottom - segment.top)
    return joined


def _straightened(line: list[Segment], number: int) -> Segment:
    """A line of a turned page, as if it stood where its number says."""
    height = statistics.median(word.right - word.left for word in line)
    text = " ".join(word.text for word in line)
    return Segment(text, 0, len(text) * height / 2, number * height * 1.2, (number + 1) * height * 1.2, height, False)


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

    def segments(self, image: Image, *, scanned: bool) -> list[Segment]:
        import numpy

        found = self._engine(numpy.asarray(image.convert("RGB"))[:, :, ::-1].copy())
        if found.txts is None or found.boxes is None:
            return []
        segments = []
        for box, text in zip(found.boxes, found.txts, strict=True):
            xs, ys = [float(point[0]) for point in box], [float(point[1]) for point in box]
            segments.append(Segment(text.strip(), min(xs), max(xs), min(ys), max(ys), max(ys) - min(ys), False))
        return _in_lines(segments)


def _in_lines(segments: list[Segment]) -> list[Segment]:
    """From top to bottom, and on one height from left to right."""
    lines: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda each: each.middle):
        last = lines[-1][-1] if lines else None
        if last is not None and abs(segment.middle - last.middle) < 0.5 * min(segment.size, last.size):
            lines[-1].append(segment)
        else:
            lines.append([segment])
    return [segment for line in lines for segment in sorted(line, key=lambda each: each.left)]


def _output(binary: str, option: str) -> str:
    try:
        done = subprocess.run([binary, option], capture_output=True, timeout=10, check=False)  # noqa: S603 - found on PATH
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"
