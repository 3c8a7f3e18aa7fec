"""Mail (and web archives, which are mail in form): subject and text; attachments come back as parts."""

from __future__ import annotations

import codecs
import email
import email.policy
import re
from email.message import EmailMessage, Message
from typing import Final

from rag.documents import Parsed, Part
from rag.errors import UnreadableDocument
from rag.ingest.parse.archive import part_name
from rag.ingest.parse.charset import decode
from rag.ingest.parse.dates import when
from rag.ingest.parse.draft import Draft, one_line
from rag.ingest.parse.html import read_html
from rag.ingest.parse.media import media_type_of
from rag.ingest.parse.text import read_text

_HEADERS: Final = ("From", "To", "Cc", "Date")
_MAX_PARTS: Final = 1000
_EIGHT_BIT: Final = re.compile("[\udc80-\udcff]")
_SIGNATURES: Final = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_EXTENSIONS: Final = {"message/rfc822": ".eml", "text/html": ".html", "text/plain": ".txt", "application/pdf": ".pdf",
                      "image/png": ".png", "image/jpeg": ".jpg", "text/calendar": ".ics"}  # fmt: skip


class MailParser:
    """RFC 5322 messages with the standard library."""

    fingerprint = "mail"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        if body[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or 0 in body[:64]:
            body = decode(body).encode("utf-8")
        body = body.removeprefix(codecs.BOM_UTF8)
        message = email.message_from_bytes(body, policy=email.policy.default)
        if not any(header in message for header in (*_HEADERS, "Subject", "Received", "Content-Type", "MIME-Version")):
            raise UnreadableDocument("damaged: not a mail message")
        return read_message(message)


def read_message(message: Message) -> Parsed:
    """A message that is already taken apart, as a document with its attachments as parts."""
    draft = Draft()
    subject = _header(message, "Subject")
    draft.title, draft.author = subject or None, _header(message, "From") or None
    draft.created_at = when(_header(message, "Date"))
    draft.heading(subject, 1)
    lines = [f"{header}: {value}" for header in _HEADERS if (value := _header(message, header))]
    draft.paragraph("\n".join(lines))
    _Parts(draft).read(message)
    return draft.parsed()


class _Parts:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._seen = 0

    def read(self, message: Message) -> None:
        """Bodies into the text, everything with a name into parts."""
        self._seen += 1
        if self._seen > _MAX_PARTS:
            raise UnreadableDocument(f"over the limit of {_MAX_PARTS} parts in a mail")
        kind = message.get_content_type()
        if kind == "multipart/encrypted" or message.get_param("smime-type") == "enveloped-data":
            self._draft.notes.append("its text is encrypted and was left out: it needs its recipient's key")
        elif kind == "message/rfc822":
            self._attach(message, _forwarded(message))
        elif message.is_multipart():
            children = [part for part in message.get_payload() if isinstance(part, Message)]
            for part in [_best(children)] if kind == "multipart/alternative" and children else children:
                self.read(part)
        elif kind in ("text/plain", "text/html") and not _is_attachment(message):
            self._write(message, kind)
        elif kind not in _SIGNATURES:
            self._attach(message, _bytes(message))

    def _write(self, message: Message, kind: str) -> None:
        text = decode(_bytes(message), declared=message.get_content_charset())
        if kind == "text/html":
            read_html(self._draft, text, described=False)
        else:
            read_text(self._draft, _without_tracking(text))

    def _attach(self, message: Message, body: bytes) -> None:
        try:
            given = message.get_filename()
        except (ValueError, LookupError, AttributeError, IndexError):
            given = None
        kind = message.get_content_type()
        inline_picture = kind.startswith("image/") and message.get("Content-ID") is not None and not given
        if not body or inline_picture:
            return
        number = len(self._draft.parts) + 1
        name = part_name(given) if given else f"part-{number}{_EXTENSIONS.get(kind, '')}"
        while any(part.name == name for part in self._draft.parts):
            name = f"{number}-{name}"
            number += 1
        guessed = media_type_of(name, body)
        self._draft.parts.append(Part(name=name, media_type=guessed, body=body))


def _best(alternatives: list[Message]) -> Message:
    """The plain text, unless it is a stub beside rich HTML."""
    plain = next((part for part in alternatives if part.get_content_type() == "text/plain"), None)
    rich = next((part for part in alternatives if part.get_content_type() != "text/plain"), None)
    if plain is None or rich is None:
        return plain or rich or alternatives[0]
    return plain if len(_bytes(plain).strip()) > 40 and rich.get_content_type() == "text/html" else rich


def _is_attachment(message: Message) -> bool:
    return str(message.get("Content-Disposition", "")).lower().startswith("attachment") or bool(_filename(message))


def _filename(message: Message) -> str | None:
    try:
        return message.get_filename()
    except (ValueError, LookupError, AttributeError, IndexError):
        return None


def _bytes(message: Message) -> bytes:
    try:
        payload = message.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError) as error:
        raise UnreadableDocument("damaged: a part of the mail cannot be decoded") from error
    return payload if isinstance(payload, bytes) else b""


def _forwarded(message: Message) -> bytes:
    payload = message.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    return inner.as_bytes() if isinstance(inner, EmailMessage) else _bytes(message)


def _header(message: Message, name: str) -> str:
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    if _EIGHT_BIT.search(raw):  # written as it is, in an encoding nobody named
        return one_line(decode(raw.encode("utf-8", "surrogateescape")))[:1000]
    try:
        return one_line(str(message.get(name, "")))[:1000]
    except (ValueError, LookupError, AttributeError, TypeError, IndexError):  # the standard library trips over some
        return one_line(raw)[:1000]


def _without_tracking(text: str) -> str:
    """Angle-bracketed addresses of more than 200 characters are trackers, not words."""
    return re.sub(r"<https?://[^<>\s]{200,4000}>", "", text)
