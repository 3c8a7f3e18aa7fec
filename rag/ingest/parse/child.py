"""The disposable child: takes bytes over a pipe, gives text back, and may touch nothing else.

Started by `rag.ingest.parse.pool` as ``python -m rag.ingest.parse.child CONFIG``; confines itself before it reads the
first document. Parser libraries are imported here, one family at a time, when the first file of its kind comes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

from rag.documents import Parsed
from rag.errors import DocumentError, EmptyDocument, UnreadableDocument
from rag.ingest.parse.confine import confine
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.profiles import Workbench
from rag.ingest.parse.shown import MARKS, PICTURE
from rag.ingest.parse.speech import Speech
from rag.ingest.parse.wire import PREFIX, encode, frame

T = TypeVar("T")


def main(argv: list[str]) -> int:
    """Serve requests until the pipe closes."""
    config = json.loads(argv[1])
    requests, replies = _take_over_pipes()
    report = confine(
        scratch=config["scratch"], readable=config["readable"], data_mb=config["data_mb"], file_mb=config["file_mb"]
    )
    _send(replies, frame({"ready": True, "confinement": list(report)}))
    ocr = Ocr(config["ocr"], tick=lambda: _send(replies, frame({"progress": True})))
    Draft.max_text_chars = config["max_text_chars"]
    told = config["speech"]
    speech = Speech.from_json(told, tick=lambda: _send(replies, frame({"progress": True}))) if told else None
    bench = Workbench(config["profile"], ocr=ocr, speech=speech)
    while (request := _receive(requests)) is not None:
        header, body = request
        _cap_cpu(config["cpu_s"])
        _send(replies, _answer(bench, header, body, max_text_chars=config["max_text_chars"]))
        del request, body
    return 0


def _answer(bench: Workbench, header: dict[str, Any], body: bytes, *, max_text_chars: int) -> list[bytes]:
    try:
        if header.get("task") in (PICTURE, MARKS):
            return _parse(functools.partial(_show, bench.ocr, header, body), body)
        parsed = _parse(functools.partial(_read, bench, header, body), body)
        if len(parsed.text) > max_text_chars:
            raise UnreadableDocument(f"over the limit of {max_text_chars:,} characters of text")
        return encode(parsed)
    except DocumentError as error:
        return frame({"ok": False, "error": type(error).__name__, "reason": str(error)})


def _read(bench: Workbench, header: dict[str, Any], body: bytes) -> Parsed:
    return bench.parse(body, media_type=header["media_type"], name=header["name"], ocr=header["ocr"] is True)


def _show(ocr: Ocr, header: dict[str, Any], body: bytes) -> list[bytes]:
    from rag.ingest.parse import pdf_show

    ocr.wanted = True
    if header["task"] == PICTURE:
        return pdf_show.picture(body, page=header["page"], width=header["width"])
    before, after = header["around"]
    return pdf_show.marks(body, page=header["page"], quote=header["quote"], around=(before, after), ocr=ocr)


def _parse(work: Callable[[], T], body: bytes) -> T:
    """What the work gives; whatever a library raises as an error of the document's."""
    if not body:
        raise EmptyDocument("empty: the file has 0 bytes")
    try:
        return work()
    except DocumentError:
        raise
    except MemoryError as error:
        raise UnreadableDocument("over the memory limit") from error
    except RecursionError as error:
        raise UnreadableDocument("nested too deeply") from error
    except Exception as error:  # a library's own word for "I cannot": the reason must name no content
        raise UnreadableDocument(f"damaged, or not what its name says ({type(error).__name__})") from error


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the protocol away from descriptors 0 and 1, so that a library that prints cannot break it."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    os.close(null)
    return requests, replies


def _cap_cpu(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, hard))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def _receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    prefix = stream.read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        return None
    header_bytes, body_bytes = PREFIX.unpack(prefix)
    header = json.loads(stream.read(header_bytes))
    return header, stream.read(body_bytes)


def _send(stream: BinaryIO, buffers: list[bytes]) -> None:
    for buffer in buffers:
        stream.write(buffer)
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
