"""The parent's end of one child: start it, exchange one document for its text under the clock, put it away."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

from rag.egress import SWITCHES
from rag.errors import ReadingStopped
from rag.ingest.parse.reply import Answer, Reply
from rag.ingest.parse.speech import Speech
from rag.ingest.parse.wire import Garbled, frame

_START_S: Final = 30.0
_TICK_MS: Final = 40
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PACKAGE: Final = Path(__file__).resolve().parents[2]
_CHUNK: Final = 1 << 20
_MAX_PROGRESS: Final = 500  # pictures read in one document, each of which restarts the clock


class ChildEnded(Exception):
    """The child died, was killed at a limit, or broke the protocol. `reason` is for the document's record; `crashed`
    if it ended by itself, which may be the fault of a document it read before."""

    def __init__(self, reason: str, *, crashed: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.crashed = crashed


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one document may cost."""

    timeout_s: float
    memory_mb: int
    extra_memory_mb: int
    """Added for an OCR engine that is loaded into the child."""
    max_text_chars: int
    cpu_s: float | None = None
    """Processor time, with that of the helpers it starts; None: twice the clock's, and a little."""
    max_parts_mb: int = 512
    file_mb: int = 128
    memory_key: str = ""
    """The setting that raises the memory, to be named where it was not enough."""

    @property
    def rss_mb(self) -> int:
        """Where the parent kills."""
        return self.memory_mb + self.extra_memory_mb

    @property
    def data_mb(self) -> int:
        """Where the kernel refuses: above the parent's line, for stacks and pools that are reserved, not used."""
        return self.memory_mb + 3 * self.extra_memory_mb + 512

    @property
    def header_bytes(self) -> int:
        """No honest answer is longer: every character escaped, and the sections."""
        return 16 * self.max_text_chars + (64 << 20)


class Child:
    """One running child. Not thread-safe: the pool hands it to one thread at a time."""

    def __init__(self, *, profile: str, ocr: str, limits: Limits, speech: Speech | None = None) -> None:
        self._limits = limits
        self._scratch = tempfile.mkdtemp(prefix="archivar-parse-")
        self.documents = 0
        self.body_bytes = 0
        config = {
            "profile": profile, "ocr": ocr, "scratch": self._scratch,
            "readable": [*_readable(), *(speech.places() if speech else [])],
            "data_mb": limits.data_mb, "file_mb": limits.file_mb, "cpu_s": limits.cpu_s or 2 * limits.timeout_s + 5,
            "max_text_chars": limits.max_text_chars, "speech": speech.as_json() if speech else None,
        }  # fmt: skip
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-s", "-P", "-B", "-m", "rag.ingest.parse.child", json.dumps(config)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, close_fds=True,
            cwd=self._scratch, env=_environment(self._scratch, threads=speech.threads if speech else 1),
            start_new_session=True,
        )  # fmt: skip
        self.confinement: tuple[str, ...] = ()

    def wait_until_ready(self) -> None:
        """Wait for it to have closed itself in.

        Raises:
            ChildEnded: it does not start; it is dead then.
        """
        try:
            ready, _ = self._exchange([], timeout_s=_START_S, stopped=lambda: False)
            self.confinement = tuple(map(str, ready.get("confinement", ())))
        except BaseException:
            self.close()
            raise

    @property
    def swollen(self) -> bool:
        """Whether what earlier documents left in its memory could bring down a harmless next one."""
        return self._rss_mb() > self._limits.memory_mb // 4 + self._limits.extra_memory_mb

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ask(self, header: Mapping[str, Any], body: bytes, *, stopped: Callable[[], bool] = lambda: False) -> Answer:
        """Send one document, wait for the answer.

        Raises:
            ChildEnded: it crashed or ran over a limit; the child is dead then.
            ReadingStopped: `stopped` said so; the child still works on it, and is to be closed.
        """
        self.documents += 1
        self.body_bytes += len(body)
        return self._exchange(frame(header, body), timeout_s=self._limits.timeout_s, stopped=stopped)

    def close(self) -> None:
        """Kill it and whatever it started, remove its scratch folder."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _exchange(self, message: list[bytes], *, timeout_s: float, stopped: Callable[[], bool]) -> Answer:
        try:
            return self._pump(message, deadline=time.monotonic() + timeout_s, stopped=stopped)
        except (Garbled, BrokenPipeError, ValueError, RecursionError) as error:
            raise self._ended() from error

    def _pump(self, message: list[bytes], *, deadline: float, stopped: Callable[[], bool]) -> Answer:
        """Write and read at once, so that neither side waits for ever on a full pipe; watch clock and scales."""
        source, sink = self._process.stdout, self._process.stdin
        if source is None or sink is None:
            raise Garbled("no pipes")
        pending = [memoryview(part) for part in message if part]
        reply = Reply(header_bytes=self._limits.header_bytes, body_bytes=self._limits.max_parts_mb << 20)
        for descriptor in (source.fileno(), sink.fileno()):
            os.set_blocking(descriptor, False)
        watch = select.poll()
        watch.register(source.fileno(), select.POLLIN)
        if pending:
            watch.register(sink.fileno(), select.POLLOUT)
        allowance = _MAX_PROGRESS
        while not reply.complete:
            for descriptor, _ in watch.poll(_TICK_MS):
                if descriptor == source.fileno():
                    self._read(descriptor, reply)
                elif pending and self._write(descriptor, pending):
                    watch.unregister(descriptor)
            while reply.progressed() and (allowance := allowance - 1) > 0:
                deadline = time.monotonic() + self._limits.timeout_s
            self._check(inf if reply.complete else deadline)  # one that is there counts, however late it is looked at
            if stopped():
                raise ReadingStopped("the run ends")
        return reply.message()

    def _read(self, descriptor: int, reply: Reply) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise Garbled("the pipe closed")
        reply.feed(data)

    def _write(self, descriptor: int, pending: list[memoryview]) -> bool:
        """Write what the pipe takes; whether all is out."""
        try:
            written = os.write(descriptor, pending[0][:_CHUNK])
        except BlockingIOError:
            return False
        pending[0] = pending[0][written:]
        if not pending[0]:
            del pending[0]
        return not pending

    def _check(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise ChildEnded(f"over the {self._limits.timeout_s:g} s limit")
        if self._rss_mb() > self._limits.rss_mb:
            key = f" ({self._limits.memory_key})" if self._limits.memory_key else ""
            raise ChildEnded(f"over the {self._limits.memory_mb} MB memory limit{key}")

    def _rss_mb(self) -> int:
        """Its memory, with that of the OCR program it runs."""
        own = Path(f"/proc/{self._process.pid}")
        try:
            helpers = (own / f"task/{self._process.pid}/children").read_text().split()
        except OSError:  # no /proc (macOS), or it just ended
            helpers = []
        return sum(_resident_bytes(folder) for folder in (own, *(own.parent / pid for pid in helpers))) >> 20

    def _ended(self) -> ChildEnded:
        """Why a child whose pipe broke is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        code = self._process.returncode
        if code == -signal.SIGXCPU:
            return ChildEnded(f"over the {self._limits.timeout_s:g} s limit (of CPU time)")
        if code == -signal.SIGKILL:
            return ChildEnded("its parser was killed, most likely for want of memory", crashed=True)
        return ChildEnded("its parser crashed on it: damaged, or made to do harm", crashed=True)


def _resident_bytes(process: Path) -> int:
    try:
        return int((process / "statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _readable() -> list[str]:
    """Where the interpreter, its libraries and this package lie; not the project's root, which may hold the state."""
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values(), str(_PACKAGE)}
    paths |= {entry for entry in sys.path if entry.rstrip("/").endswith(("site-packages", "dist-packages"))}
    paths |= {str(Path(sys.executable).resolve().parent)}
    paths |= {os.environ["TESSDATA_PREFIX"]} if "TESSDATA_PREFIX" in os.environ else set()
    return sorted({path for path in paths if path not in ("", "/")})


def _environment(scratch: str, *, threads: int) -> dict[str, str]:
    """Only what a parser needs: none of the service's own settings or secrets. `threads` of OpenMP are let be: a speech
    model that is refused some of those it counts on hears nothing, and does not say so (CTranslate2 4.8 without MKL).
    """
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TESSDATA_PREFIX") if name in os.environ}
    sites = [entry for entry in sys.path if entry.rstrip("/").endswith(("site-packages", "dist-packages"))]
    return {
        **SWITCHES,
        **kept,
        "PYTHONPATH": os.pathsep.join([str(_PACKAGE.parent), *sites]),
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        "HOME": scratch,
        "TMPDIR": scratch,
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": str(threads),  # one: Tesseract's threads spin against each other on a busy machine
        "OMP_THREAD_LIMIT": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
    }
