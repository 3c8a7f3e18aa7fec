"""Zip-based formats opened with care: sizes, ratios and counts are checked before anything is unpacked."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
from typing import TYPE_CHECKING, Final

from rag.errors import UnreadableDocument
from rag.ingest.parse.charset import decode

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_BYTES: Final = 512 << 20
MAX_RATIO: Final = 200
RATIO_FROM_BYTES: Final = 10 << 20
MAX_MEMBERS: Final = 10_000
_DECLARED: Final = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})")
_DECLARATION: Final = re.compile(r"\A\s*<\?xml[^>]{0,300}\?>")


class Archive:
    """A zip archive in memory, safe to read. Names are keys only: nothing is ever written under them."""

    def __init__(self, body: bytes) -> None:
        if (count := member_count(body)) > MAX_MEMBERS:
            raise UnreadableDocument(f"a zip bomb: {count:,} members, over the limit of {MAX_MEMBERS:,}")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(body))
            members = self._zip.infolist()
        # zipfile says NotImplementedError of an archive that needs a newer version of zip, or a method it does not have
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
            raise UnreadableDocument("damaged: its zip container is broken") from error
        _check(members, len(body))
        self.names = [member.filename for member in members if not member.is_dir()]
        self._members = {member.filename: member for member in members}
        self._left = MAX_BYTES

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """One member.

        Raises:
            UnreadableDocument: damaged, encrypted, or longer than its own directory says.
        """
        member = self._members.get(name)
        if member is None:
            raise UnreadableDocument(f"damaged: its part {name[:60]!r} is missing")
        if member.flag_bits & 1:
            raise UnreadableDocument("encrypted: needs a password")
        try:
            with self._zip.open(member) as stream:
                data = stream.read(min(member.file_size, self._left) + 1)
        # NotImplementedError as above; RuntimeError where a member turns out to be encrypted
        except (zipfile.BadZipFile, RuntimeError, ValueError, NotImplementedError, EOFError, OSError) as error:
            raise UnreadableDocument("damaged: its zip container is broken") from error
        except Exception as error:  # zlib.error, lzma.LZMAError: no common type
            raise UnreadableDocument("damaged: its zip container is broken") from error
        self._left -= len(data)
        if len(data) > member.file_size or self._left < 0:
            raise UnreadableDocument("a zip bomb: it unpacks to more than it says")
        return data

    def xml(self, name: str) -> _Element:
        """One member as XML, without entities, document types or the network."""
        return xml_root(self.read(name))


def member_count(body: bytes) -> int:
    """How many members the directory at the end has room for and names, without taking them apart; 0 if it is not
    found."""
    end = body.rfind(b"PK\x05\x06", max(0, len(body) - (66 << 10)))
    if end < 0 or len(body) < end + 22:
        return 0
    size = int.from_bytes(body[end + 12 : end + 16], "little")
    return body.count(b"PK\x01\x02", max(0, end - size), end)


def xml_root(data: bytes) -> _Element:
    """Parse XML that comes from outside.

    Raises:
        UnreadableDocument: damaged, or it declares entities.
    """
    from lxml import etree

    data = _in_utf8(data)
    if b"<!ENTITY" in data[:100_000]:
        raise UnreadableDocument("it declares XML entities, as bombs do")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableDocument("damaged: its XML is broken") from error
    if root is None:
        raise UnreadableDocument("damaged: its XML is broken")
    return root


def _in_utf8(data: bytes) -> bytes:
    """XML as UTF-8 without its declaration, in whatever encoding it came; unchanged where it is UTF-8 already."""
    declared = _DECLARED.match(data[:300])
    if (declared is None or declared.group(1).lower() == b"utf-8") and 0 not in data[:64]:
        with contextlib.suppress(UnicodeDecodeError):
            data.decode("utf-8")
            return data
    text = decode(data, declared=declared.group(1).decode("ascii") if declared else None)
    return _DECLARATION.sub("", text).encode("utf-8", "replace")


def _check(members: list[zipfile.ZipInfo], size: int) -> None:
    total = sum(member.file_size for member in members)
    if sum(member.compress_size for member in members) > size:
        raise UnreadableDocument("a zip bomb: its members lie over each other")
    if len(members) > MAX_MEMBERS:
        raise UnreadableDocument(f"a zip bomb: {len(members):,} members, over the limit of {MAX_MEMBERS:,}")
    if total > MAX_BYTES:
        raise UnreadableDocument(f"a zip bomb: {total >> 20:,} MB unpacked, over the limit of {MAX_BYTES >> 20} MB")
    if total > RATIO_FROM_BYTES and total > MAX_RATIO * max(1, size):
        raise UnreadableDocument(f"a zip bomb: it unpacks to more than {MAX_RATIO} times its size")
