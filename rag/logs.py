"""Structured logging on stderr: one line a record, a stable `action`, never a text, a question or a token."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        line = f"{self.formatTime(record)} {record.levelname.lower()} {record.getMessage()}"
        if extra:
            line += " " + " ".join(f"{name}={_value(value)}" for name, value in extra.items())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "text": record.getMessage(),
        }
        entry |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def set_up(*, level: str = "WARNING", as_json: bool = False) -> None:
    """Log to stderr; called once by the command line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if as_json else _Line())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "chromadb", "watchdog", "rapidocr", "RapidOCR"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _value(value: object) -> str:
    text = str(value).replace("\n", "\\n").replace("\r", "\\r")
    return json.dumps(text, ensure_ascii=False) if " " in text else text
