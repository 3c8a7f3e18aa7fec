"""Parsers that do harm on purpose, each what a hostile file might bring one to: the proof that the walls stand.

Reached only through the profile "probe"; used by the tests and by `rag doctor`.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from rag.documents import Parsed, Section, Span


def _said(text: str) -> Parsed:
    return Parsed(text=text, sections=(Section(span=Span(start=0, end=len(text))),))


class _Probe:
    fingerprint = "probe"


class Echo(_Probe):
    """Gives the bytes back: the well-behaved one between two others."""

    tainted = False

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        if Echo.tainted:
            os.abort()
        return _said(body.decode("utf-8"))


class Taint(_Probe):
    """Leaves the child in a state that crashes it on the next document."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        Echo.tainted = True
        return _said("tainted")


class Swell(_Probe):
    """Leaves so many MB of memory behind."""

    kept = b""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        Swell.kept = b"x" * (int(body) << 20)
        return _said("swollen")


class Hang(_Probe):
    """Waits for ever."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        while True:
            time.sleep(3600)


class Spin(_Probe):
    """Computes for ever."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        while True:
            pass


class Bomb(_Probe):
    """Takes memory, and touches it; the body says how many MB at once, over and over."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        taken = []
        while True:
            taken.append(bytearray(b"x" * (int(body) << 20)))
            time.sleep(0.02)  # slow enough for the parent's scales, which look every 40 ms


class Crash(_Probe):
    """Ends as a library with a memory error does."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        os.abort()


class Socket(_Probe):
    """Tries to open a connection to the address in the body ("host:port"), in every way there is."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        host, port = body.decode("ascii").rsplit(":", 1)
        said = []
        for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM),
                             (socket.AF_INET6, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_STREAM)):  # fmt: skip
            try:
                with socket.socket(family, kind) as opened:
                    opened.settimeout(2)
                    opened.connect((host, int(port)))
                said.append("connected")
            except OSError as error:
                said.append(f"{error.errno} {error.strerror}")
        return _said("\n".join(said))


class Read(_Probe):
    """Tries to read the file named in the body."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        try:
            return _said("read: " + Path(body.decode("utf-8")).read_text("utf-8", "replace"))
        except OSError as error:
            return _said(f"refused: {error.errno}")


class Write(_Probe):
    """Tries to write the file named in the body, then one in its scratch folder."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        said = []
        for path in (Path(body.decode("utf-8")), Path("scratch.txt")):
            try:
                path.write_text("written", "utf-8")
                said.append("written")
            except OSError as error:
                said.append(f"refused: {error.errno}")
        return _said("\n".join(said))


class Print(_Probe):
    """Prints where the protocol used to be, as chatty libraries do."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        os.write(1, b"noise on descriptor 1\n")
        sys.stdout.write("noise on stdout\n")
        sys.stdout.flush()
        return _said("printed")


class Flood(_Probe):
    """Gives back more text than anyone asked for; the body says how many MB."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        return _said("x" * (int(body) << 20))


class Lie(_Probe):
    """Gives back a section that is not in the text."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        return Parsed(text="short", sections=(Section(span=Span(start=0, end=5000)),))
