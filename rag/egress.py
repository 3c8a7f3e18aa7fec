"""Nothing leaves: the phone-home switches, the outbound allow-list and the guard that enforces it in Python.

The switches are set when `rag` is imported, before any library that reads them. The guard is an audit hook: it stops
and names accidents of Python code. It is not the proof (native code is not seen by it); the kernel guard is.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Any

from rag.errors import EgressDenied

SWITCHES = {
    "ANONYMIZED_TELEMETRY": "False",  # chromadb
    "CHROMA_OTEL_GRANULARITY": "none",
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # transformers posts to a conversion service for .bin weights
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_OFFLINE": "1",
    "OLLAMA_NO_CLOUD": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime >= 1.29 sends by default on Linux
    "OTEL_SDK_DISABLED": "true",
    "SCARF_NO_ANALYTICS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
}
"""Variable → value that keeps a library from calling home."""

_NEVER_IMPORTED = ("openvino_telemetry", "openvino.tools.ovc")
"""Modules that send a usage event on import: `import openvino` alone would do it."""

_BANNED_PREFIXES = ("OTEL_EXPORTER_",)
_BANNED = ("OPENAI_API_KEY", "OLLAMA_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def close_phone_home() -> None:
    """Set every switch and drop the credentials that would let a default reach a cloud."""
    os.environ.update(SWITCHES)
    for name in _NEVER_IMPORTED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None makes an import of it fail, as is meant
    for name in [n for n in os.environ if n in _BANNED or n.startswith(_BANNED_PREFIXES)]:
        del os.environ[name]


class Guard:
    """Denies connections and name look-ups beyond loopback, except to listed hosts.

    Python cannot remove an audit hook, so the guard is installed once for the life of the process and can only be
    told more hosts by the code that holds it. One thing it cannot stop: a name given straight to `socket.connect` is
    looked up by the interpreter before the hook is asked; the connection is stopped, the look-up is not.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allow = {host.lower() for host in allow}
        self._addresses: set[str] = set()
        self._resolving = threading.local()
        self.denied = 0

    def install(self) -> None:
        """Watch this process from now on."""
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
            self._check(arguments[0])
        elif event == "socket.getnameinfo":
            self._check(arguments[0][0], connecting=True)
        elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = arguments[1]
            if isinstance(address, tuple):
                self._check(address[0], connecting=True)

    def _check(self, host: object, *, connecting: bool = False) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if is_local(name) or name in self._addresses:
            return
        if name.lower() in self._allow:
            if not connecting and not self._resolving.__dict__.get("now"):
                self._remember_addresses(name)
            return
        self.denied += 1
        raise EgressDenied(
            f"A connection to {name} was stopped: nothing may leave this machine except to hosts listed under "
            f"egress.allow in rag.toml."
        )

    def _remember_addresses(self, name: str) -> None:
        """A listed host is later connected to by address, so its addresses are admitted, and only they."""
        self._resolving.now = True
        try:
            self._addresses |= {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
        except OSError:
            pass  # the caller's own look-up fails the same way and says so
        finally:
            self._resolving.now = False


def is_local(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host in ("", "localhost", "ip6-localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").split("%")[0]).is_loopback
    except ValueError:
        return False
