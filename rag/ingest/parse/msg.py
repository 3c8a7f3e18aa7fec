"""Outlook mail: its properties put together as the mail that was sent, and read as such; attachments are parts.

Source: Microsoft's open specifications [MS-OXMSG], [MS-OXPROPS], [MS-OXRTFCP].
"""

from __future__ import annotations

import struct
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.charset import decode
from rag.ingest.parse.compound import Compound, codec, filetime
from rag.ingest.parse.draft import one_line
from rag.ingest.parse.mail import read_message
from rag.ingest.parse.rtf import rtf_text

_CLASS, _SUBJECT, _BODY, _HTML, _RTF, _SENT, _DELIVERED = 0x1A, 0x37, 0x1000, 0x1013, 0x1009, 0x39, 0xE06
_FROM_NAMES, _FROM_ADDRESSES = (0x0C1A, 0x42), (0x5D01, 0x5D02, 0x0C1F, 0x65)
_NAME, _SMTP, _ADDRESS, _ROLE = 0x3001, 0x39FE, 0x3003, 0x0C15
_DATA, _LONG_NAME, _SHORT_NAME, _MIME, _HIDDEN = 0x3701, 0x3707, 0x3704, 0x370E, 0x7FFE
_CODE_PAGES: Final = (0x3FFD, 0x3FDE)
_ROLES: Final = {1: "To", 2: "Cc", 3: "Bcc"}
_MAX_DEPTH: Final = 8
_MAX_PARTS: Final = 1000


class MsgParser:
    """MSG, with the mails attached to it."""

    fingerprint = "msg"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        store = Compound(body)
        if not any(path[0] == "__properties_version1.0" for path in store.paths):
            raise UnreadableDocument("damaged: not an Outlook message")
        return read_message(_message(store, (), 0))


class _Object:
    """The properties of one storage: a message, a recipient or an attachment."""

    def __init__(self, store: Compound, path: tuple[str, ...], header: int) -> None:
        self._store, self._path = store, path
        rows = store.read(*path, "__properties_version1.0")[header:]
        self._fixed = {
            struct.unpack_from("<I", rows, at)[0]: rows[at + 8 : at + 16] for at in range(0, len(rows) - 15, 16)
        }
        pages = (self.number(place) for place in _CODE_PAGES)
        self._codec = codec(next((page for page in pages if page), 1252))

    def text(self, *places: int) -> str:
        """The first of these that is there."""
        for place in places:
            if wide := self._store.read(*self._path, f"__substg1.0_{place:04X}001F"):
                return wide.decode("utf-16-le", "replace").rstrip("\x00")
            if narrow := self._store.read(*self._path, f"__substg1.0_{place:04X}001E"):
                return narrow.decode(self._codec, "replace").rstrip("\x00")
        return ""

    def data(self, place: int) -> bytes:
        """Bytes."""
        return self._store.read(*self._path, f"__substg1.0_{place:04X}0102")

    def number(self, place: int) -> int:
        """A whole number or a truth; 0 where it is not there."""
        raw = self._fixed.get(place << 16 | 3) or self._fixed.get(place << 16 | 11) or bytes(8)
        return int(struct.unpack_from("<i", raw)[0])

    def moment(self, *places: int) -> datetime | None:
        """The first of these times that is there."""
        return next((at for place in places if (at := filetime(self._fixed.get(place << 16 | 0x40, b"")))), None)


def _message(store: Compound, path: tuple[str, ...], depth: int) -> EmailMessage:
    found = _Object(store, path, 24 if path else 32)
    kind = found.text(_CLASS).lower()
    if kind == "ipm.note.smime":
        raise UnreadableDocument("encrypted: needs its recipient's key")
    mail = EmailMessage()
    mail["Subject"] = one_line(found.text(_SUBJECT))
    mail["From"] = _person(found.text(*_FROM_NAMES), found.text(*_FROM_ADDRESSES))
    for role, people in _recipients(store, path).items():
        mail[role] = ", ".join(people)
    if (sent := found.moment(_SENT, _DELIVERED)) is not None:
        mail["Date"] = format_datetime(sent)
    _write_body(mail, found)
    storages = {step[len(path)] for step in store.paths if step[: len(path)] == path and len(step) > len(path) + 1}
    attached = sorted(name for name in storages if name.startswith("__attach_version1.0"))
    if len(attached) > _MAX_PARTS:
        raise UnreadableDocument(f"over the limit of {_MAX_PARTS} parts in a mail")
    for name in attached:
        _attach(mail, store, (*path, name), depth)
    return mail


def _write_body(mail: EmailMessage, found: _Object) -> None:
    html = found.data(_HTML)
    text = found.text(_BODY) or (_rich_text(found.data(_RTF)) if not html else "")
    mail.set_content(text)
    if html:
        mail.add_alternative(decode(html), subtype="html")


def _recipients(store: Compound, path: tuple[str, ...]) -> dict[str, list[str]]:
    people: dict[str, list[str]] = {}
    steps = sorted({step[len(path)] for step in store.paths if step[: len(path)] == path and len(step) > len(path) + 1})
    for name in [step for step in steps if step.startswith("__recip_version1.0")][:_MAX_PARTS]:
        one = _Object(store, (*path, name), 8)
        if person := _person(one.text(_NAME), one.text(_SMTP, _ADDRESS)):
            people.setdefault(_ROLES.get(one.number(_ROLE), "To"), []).append(person)
    return people


def _person(name: str, address: str) -> str:
    """A name and address as a mail shows them; an address inside the company's directory (X.500) is none."""
    name, address = one_line(name).strip("'\""), one_line(address)
    if not address or address.startswith("/") or "@" not in address or address == name:
        return name or address
    return f"{name} <{address}>" if name else address


def _attach(mail: EmailMessage, store: Compound, path: tuple[str, ...], depth: int) -> None:
    found, inner = _Object(store, path, 8), (*path, "__substg1.0_3701000D")
    name = found.text(_LONG_NAME, _SHORT_NAME)
    if any(step[: len(inner)] == inner for step in store.paths) and (*inner, "__properties_version1.0") in store:
        if depth >= _MAX_DEPTH:
            raise UnreadableDocument("nested too deeply")
        mail.add_attachment(_message(store, inner, depth + 1), filename=_label(name) or None)
        return
    body, mime = found.data(_DATA), found.text(_MIME).lower()
    if mime in ("application/pgp-encrypted", "multipart/encrypted"):
        raise UnreadableDocument("encrypted: needs its recipient's key")
    if body and not (found.number(_HIDDEN) and mime.startswith("image/")):
        signed = mime == "multipart/signed"
        mail.add_attachment(
            body, maintype="application", subtype="octet-stream", filename="signed.eml" if signed else _label(name)
        )


def _label(name: str) -> str:
    return one_line(name)[:4096]


def _rich_text(data: bytes) -> str:
    """The text of compressed RTF."""
    if len(data) < 16:
        return ""
    size, kind = struct.unpack_from("<I4s", data, 4)
    source = _unpacked(data[16:], min(size, 64 << 20)) if kind == b"LZFu" else data[16:]
    return rtf_text(source.decode("latin-1"))


_PRESET: Final = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20"
    b"\\b\\i\\u\\tab\\tx"
)


def _unpacked(data: bytes, size: int) -> bytes:
    """Outlook's LZ: runs of eight tokens, each a byte or a reference into the last 4,096 bytes."""
    ring, at, out, place = bytearray(_PRESET.ljust(4096, b"\x00")), len(_PRESET), bytearray(), 0
    while place < len(data) and len(out) < size:
        control, place = data[place], place + 1
        for bit in range(8):
            if place >= len(data) or len(out) >= size:
                break
            if not control >> bit & 1:
                taken, place = data[place : place + 1], place + 1
            elif place + 1 < len(data):
                reference, place = data[place] << 8 | data[place + 1], place + 2
                if reference >> 4 == at:
                    return bytes(out)
                taken = _referred(ring, reference >> 4, (reference & 15) + 2, at)
            else:
                return bytes(out)
            for byte in taken:
                ring[at] = byte
                at = (at + 1) % 4096
            out += taken
    return bytes(out)


def _referred(ring: bytearray, start: int, length: int, at: int) -> bytes:
    """`length` bytes from `start`, of which the last may be those that are written meanwhile."""
    distance = (at - start) % 4096
    return bytes(ring[(start + step % distance) % 4096] for step in range(length))
