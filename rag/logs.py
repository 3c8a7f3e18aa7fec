"""Structured logging on stderr: one line a record, a stable `action`, never a text, a question or a token.

Every record of a request carries its id. Of an error nobody expected the kind and the places are told, and its words
only where whoever runs the command asked for them (``--verbose``): they may hold what somebody typed.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, TypeAlias

REQUEST: Final[ContextVar[str]] = ContextVar("request", default="")
"""The id of the request that is being answered; "" outside of one. Threads get it by `contextvars.copy_context`."""

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_HEARD = ("rag.models.resting",)
"""Whoever runs a command or the service hears their warnings at any level: something is worse, and they can mend it."""

_OURS = ("rag", "connectors")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_Caught: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)  # as logging has it


class _Formatter(logging.Formatter):
    def __init__(self, *, words: bool = True) -> None:
        super().__init__()
        self._words = words

    def formatException(self, ei: _Caught) -> str:  # noqa: N802 - logging's name
        """The trace; without the words of the errors unless they were asked for."""
        if self._words or ei[1] is None:
            return super().formatException(ei)
        lines: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None and len(lines) < _MOST_LINES:
            lines += [f"{type(error).__module__}.{type(error).__qualname__}", *_places(error)]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(lines)

    def beside(self, record: logging.LogRecord) -> dict[str, Any]:
        """What stands beside the sentence."""
        found = {name: value for name, value in vars(record).items() if name not in _OWN}
        return found | ({"request": request} if (request := REQUEST.get()) else {})


class _Line(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = self.beside(record)
        line = f"{self.formatTime(record)} {record.levelname.lower()} {_visible(record.getMessage())}"
        if extra:
            line += " " + " ".join(f"{name}={_value(value)}" for name, value in extra.items())
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join(f"\n    {_visible(one)}" for one in trace.splitlines())
        return line


class _Json(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "text": record.getMessage(),
        }
        entry |= self.beside(record)
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def set_up(*, level: str = "WARNING", as_json: bool = False, words: bool = True) -> None:
    """Log to stderr; called by the command line. `level` is for what is ours; of libraries only warnings are heard.
    Without `words` the words of unexpected errors are left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(words=words) if as_json else _Line(words=words))
    logging.basicConfig(level=max(logging.WARNING, _number(level)), handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    for noisy in ("httpx", "httpcore", "chromadb", "watchdog", "rapidocr", "RapidOCR", "mcp"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for name in _HEARD:
        logging.getLogger(name).setLevel(min(logging.WARNING, _number(level)))


_MOST_LINES = 200


def _places(error: BaseException) -> list[str]:
    """Where it was raised, the innermost place last; no line of source code is text of a user."""
    return [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level]


def _visible(text: str) -> str:
    """Control characters, which could begin another line or repaint a terminal, as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _value(value: object) -> str:
    text = str(value)
    return _visible(json.dumps(text, ensure_ascii=False) if set(text) & set(' "=') else text)
