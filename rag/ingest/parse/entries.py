"""Calendars (iCalendar) and address cards (vCard): each event or person under a heading, a line for each thing said."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.charset import decode
from rag.ingest.parse.draft import Draft, one_line

_LINE: Final = re.compile(r"(?:[\w-]+\.)?([A-Za-z-]{1,40})((?:;(?:\"[^\"]*\"|[^:;\"])*)*):(.*)", re.S)
_ENTRIES: Final = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VCARD"})
_TITLES: Final = ("SUMMARY", "FN", "N")
_SHOWN: Final = {
    "DTSTART": "Start", "DTEND": "End", "DUE": "Due", "RRULE": "Repeats", "LOCATION": "Location",
    "ORGANIZER": "Organizer", "ATTENDEE": "Attendee", "STATUS": "Status", "CATEGORIES": "Categories",
    "COMMENT": "Comment", "DESCRIPTION": "", "ORG": "Organisation", "TITLE": "Title", "ROLE": "Role", "TEL": "Phone",
    "EMAIL": "Mail", "ADR": "Address", "NOTE": "", "URL": "Web", "BDAY": "Birthday", "NICKNAME": "Nickname",
}  # fmt: skip
_MOMENT: Final = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:T(\d{2}):?(\d{2}):?(\d{2})?(Z?))?")


class EntriesParser:
    """ICS and VCF as every calendar and address book exports them."""

    fingerprint = "entries"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft, found = Draft(), 0
        for entry in _entries(decode(body)):
            found += 1
            title = next((value for wanted in _TITLES for key, _, value in entry if key == wanted and value), "")
            draft.close_headings()
            draft.heading(_flat(title, "; "))
            draft.paragraph("\n".join(_shown(entry)))
        if not found:
            raise UnreadableDocument("damaged: no event and no card in it")
        return draft.parsed()


def _entries(text: str) -> Iterator[list[tuple[str, str, str]]]:
    """The properties (name, parameters, value) of each event, task or card; alarms inside them left out."""
    unfolded = re.sub(r"\n[ \t]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    unfolded = unfolded.replace("=\n", "") if "QUOTED-PRINTABLE" in unfolded.upper() else unfolded
    entry: list[tuple[str, str, str]] | None = None
    inside: list[str] = []
    for line in unfolded.split("\n"):
        if (found := _LINE.fullmatch(line)) is None:
            continue
        key, parameters, value = found.group(1).upper(), found.group(2), found.group(3)
        if key == "BEGIN":
            inside.append(value.strip().upper())
            entry = [] if inside[-1] in _ENTRIES else entry
        elif key == "END":
            if inside and inside.pop() in _ENTRIES and entry is not None:
                yield entry
                entry = None
        elif entry is not None and inside and inside[-1] in _ENTRIES:
            entry.append((key, parameters, _value(parameters, value)))


def _value(parameters: str, value: str) -> str:
    if "QUOTED-PRINTABLE" in parameters.upper():
        charset = re.search(r"CHARSET=([\w-]{2,20})", parameters, re.I)
        raw = quopri.decodestring(value.encode("utf-8", "replace"))
        return decode(raw, declared=charset.group(1) if charset else None)
    return value


def _shown(entry: list[tuple[str, str, str]]) -> Iterator[str]:
    for key, parameters, value in entry:
        if key not in _SHOWN or not value.strip("; "):
            continue
        label = _SHOWN[key]
        text = (
            _moment(parameters, value) if key in ("DTSTART", "DTEND", "DUE", "BDAY") else _said(key, parameters, value)
        )
        yield f"{label}: {text}" if label else text


def _said(key: str, parameters: str, value: str) -> str:
    if key in ("ORGANIZER", "ATTENDEE"):
        name = re.search(r"CN=(?:\"([^\"]*)\"|([^;:\"]*))", parameters, re.I)
        address = re.sub(r"^mailto:", "", value, flags=re.I)
        return f"{name.group(1) or name.group(2)} <{address}>" if name else address
    if key in ("DESCRIPTION", "NOTE"):
        return _plain(value)
    return _flat(value, ", ")


def _moment(parameters: str, value: str) -> str:
    found = _MOMENT.fullmatch(value.strip())
    if found is None:
        return one_line(value)
    year, month, day, hour, minute, _, utc = found.groups()
    try:
        whole = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0))
    except ValueError:
        return one_line(value)
    zone = re.search(r"TZID=\"?([\w/+ -]{1,60})", parameters, re.I)
    place = " UTC" if utc else f" ({zone.group(1)})" if zone else ""
    return f"{whole:%Y-%m-%d %H:%M}{place}" if hour else f"{whole:%Y-%m-%d}"


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found.group(1) in "nN" else found.group(1), value)


def _flat(value: str, between: str) -> str:
    """The filled fields of a structured value on one line."""
    fields = re.split(r"(?<!\\);", value)
    return one_line(between.join(_plain(field).strip() for field in fields if field.strip()))
