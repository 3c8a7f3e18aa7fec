"""What kind of file is this? By its first bytes where they tell, else by its name. The one place that guesses."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterator
from typing import Final

from rag.ingest.parse.zipped import MAX_MEMBERS, member_count

_OOXML: Final = "application/vnd.openxmlformats-officedocument."
_ODF: Final = "application/vnd.oasis.opendocument."

PDF: Final = "application/pdf"
DOCX: Final = _OOXML + "wordprocessingml.document"
PPTX: Final = _OOXML + "presentationml.presentation"
XLSX: Final = _OOXML + "spreadsheetml.sheet"
XLSB: Final = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
DOC: Final = "application/msword"
PPT: Final = "application/vnd.ms-powerpoint"
XLS: Final = "application/vnd.ms-excel"
MSG: Final = "application/vnd.ms-outlook"
ODT: Final = _ODF + "text"
ODS: Final = _ODF + "spreadsheet"
ODP: Final = _ODF + "presentation"
EML: Final = "message/rfc822"
MHTML: Final = "multipart/related"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
TEXT: Final = "text/plain"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
RTF: Final = "application/rtf"
JSON: Final = "application/json"
NOTEBOOK: Final = "application/x-ipynb+json"
XML: Final = "application/xml"
DOCBOOK: Final = "application/docbook+xml"
SVG: Final = "image/svg+xml"
EPUB: Final = "application/epub+zip"
RST: Final = "text/x-rst"
ORG: Final = "text/org"
ASCIIDOC: Final = "text/asciidoc"
TEX: Final = "application/x-latex"
ZIP: Final = "application/zip"
GZIP: Final = "application/gzip"
CALENDAR: Final = "text/calendar"
CARD: Final = "text/vcard"
OLE: Final = "application/x-ole-storage"
BINARY: Final = "application/octet-stream"
MP3: Final = "audio/mpeg"
WAV: Final = "audio/wav"
OGG: Final = "audio/ogg"
FLAC: Final = "audio/flac"
AAC: Final = "audio/aac"
M4A: Final = "audio/mp4"
MP4: Final = "video/mp4"
MATROSKA: Final = "video/x-matroska"
RECORDINGS: Final = (MP3, WAV, OGG, FLAC, AAC, M4A, MP4, MATROSKA)
"""What is heard; of a film only its sound."""
PICTURES: Final = ("image/png", "image/jpeg", "image/tiff", "image/webp", "image/bmp", "image/gif")

_CAMERAS: Final = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "image/heic"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    b"crx ": "image/x-canon-cr3",
}
"""Photos in the container that films come in, by its brand; nothing here reads them."""

_BY_EXTENSION: Final = {
    "pdf": PDF, "docx": DOCX, "docm": DOCX, "dotx": DOCX, "dotm": DOCX, "pptx": PPTX, "pptm": PPTX, "ppsx": PPTX,
    "potx": PPTX, "xlsx": XLSX, "xlsm": XLSX, "xltx": XLSX, "xlsb": XLSB, "doc": DOC, "dot": DOC, "ppt": PPT,
    "pps": PPT, "xls": XLS, "xlt": XLS, "msg": MSG, "odt": ODT, "ott": ODT, "ods": ODS, "odp": ODP, "otp": ODP,
    "eml": EML, "mht": MHTML, "mhtml": MHTML, "html": HTML, "htm": HTML, "xhtml": HTML, "md": MARKDOWN,
    "markdown": MARKDOWN, "mdx": MARKDOWN, "txt": TEXT, "text": TEXT, "log": TEXT, "csv": CSV, "tsv": TSV, "tab": TSV,
    "rtf": RTF, "json": JSON, "ipynb": NOTEBOOK, "xml": XML, "rss": XML, "atom": XML, "svg": SVG, "epub": EPUB,
    "rst": RST, "org": ORG, "adoc": ASCIIDOC, "asciidoc": ASCIIDOC, "tex": TEX, "latex": TEX, "zip": ZIP, "gz": GZIP,
    "tgz": GZIP, "yaml": TEXT, "yml": TEXT, "toml": TEXT, "ini": TEXT, "cfg": TEXT, "conf": TEXT, "properties": TEXT,
    "py": TEXT, "js": TEXT, "ts": TEXT, "java": TEXT, "c": TEXT, "h": TEXT, "cpp": TEXT, "cs": TEXT, "go": TEXT,
    "rs": TEXT, "sh": TEXT, "bat": TEXT, "ps1": TEXT, "sql": TEXT, "php": TEXT, "rb": TEXT, "srt": TEXT, "vtt": TEXT,
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "tif": "image/tiff", "tiff": "image/tiff",
    "webp": "image/webp", "bmp": "image/bmp", "gif": "image/gif", "ics": CALENDAR, "ical": CALENDAR, "vcf": CARD,
    "vcard": CARD, "mp3": MP3, "wav": WAV, "ogg": OGG, "oga": OGG, "opus": OGG, "flac": FLAC, "aac": AAC, "m4a": M4A,
    "mp4": MP4, "m4v": MP4, "mov": MP4, "webm": MATROSKA, "mkv": MATROSKA, "mka": MATROSKA,
}  # fmt: skip
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"GIF8", "image/gif"),
    (b"{\\rtf", RTF),
    (b"\x1f\x8b", GZIP),
    (b"BZh", "application/x-bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!", "application/vnd.rar"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x7fELF", "application/x-executable"),
    (b"ID3", MP3),
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"\x1aE\xdf\xa3", MATROSKA),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_ZIPPED: Final = frozenset({DOCX, PPTX, XLSX, XLSB, ODT, ODS, ODP, EPUB, ZIP})
_OLE: Final = frozenset({DOC, PPT, XLS, MSG})
_TEXTUAL: Final = frozenset(
    {HTML, MARKDOWN, TEXT, CSV, TSV, JSON, NOTEBOOK, XML, SVG, RST, ORG, ASCIIDOC, TEX, EML, MHTML, CALENDAR, CARD}
)
_LITTER: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_HEADER_LINE: Final = re.compile(rb"(?:received|from|to|subject|date|mime-version|message-id|return-path): ?\S", re.I)


def media_type_of(name: str, body_head: bytes) -> str:
    """The media type by name and first bytes (a few KB are enough); `application/octet-stream` for what is no document.

    Given the whole body, a zip container is known by its directory and not by its first members.

    The bytes win over the name: a picture called ``.docx`` is a picture. Text formats have no such bytes; there the
    name decides, and binary content under a text name is no text.
    """
    bare = name.replace("\\", "/").rsplit("/", 1)[-1].lower()
    if bare in _LITTER or bare.startswith(("~$", "._", ".~lock.")):
        return BINARY
    named = _BY_EXTENSION.get(bare.rsplit(".", 1)[-1]) if "." in bare else None
    return _by_bytes(body_head, named) or _by_name(body_head, named)


def _by_bytes(head: bytes, named: str | None) -> str | None:
    if head.startswith(b"%PDF-"):
        return PDF
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return named if named in _ZIPPED and named != ZIP else zip_kind(head)
    if head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        return named if named in _OLE else OLE
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": WAV}.get(head[8:12], "audio/x-riff")
    if head[4:8] == b"ftyp":
        if photo := _CAMERAS.get(head[8:12]):
            return photo
        return named if named in (M4A, MP4) else M4A if head[8:11] == b"M4A" else MP4
    if head[:1] == b"\xff" and named in (MP3, AAC):
        return named
    if head[:2] == b"BM" and named == "image/bmp":
        return "image/bmp"
    if (found := next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)) is not None:
        return found
    return PDF if b"%PDF-" in head[:1024] and named not in _TEXTUAL else None  # with junk before it


def zip_kind(body: bytes) -> str:
    """What a zip container is, by the names in its directory; by its first members where only its head is given.

    What is packed inside counts for nothing: an archive with a Word file in it is an archive.
    """
    if body[30:38] == b"mimetype":
        for kind in (ODT, ODS, ODP, EPUB):
            if body[38:].startswith(kind.encode("ascii")):
                return kind
    if member_count(body) > MAX_MEMBERS:
        return ZIP
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = archive.namelist()
    # zipfile says NotImplementedError of an archive that needs a newer version of zip, or a method it does not have
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError):
        names = list(_first_members(body))
    if "[Content_Types].xml" in names or "_rels/.rels" in names:
        for folder, kind in (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX)):
            if any(name.startswith(folder) for name in names):
                return kind
    return ZIP


def _first_members(head: bytes) -> Iterator[str]:
    """The names in the local headers, as far as each says where the next one begins."""
    at = 0
    while head[at : at + 4] == b"PK\x03\x04" and at + 30 <= len(head):
        flags, packed, name_length, extra_length = struct.unpack_from("<6xH10xI4xHH", head, at)
        yield head[at + 30 : at + 30 + name_length].decode("utf-8", "replace")
        if flags & 8:  # its size stands behind it
            return
        at += 30 + name_length + extra_length + packed


def _by_name(head: bytes, named: str | None) -> str:
    if named is not None and named not in _TEXTUAL:
        if not head:
            return named
        return _sniffed(head) if named in _ZIPPED | _OLE | {PDF, RTF} else named if named != RTF else TEXT
    if _looks_binary(head):
        return BINARY
    if named == XML and b"docbook.org/ns/docbook" in head[:2000]:
        return DOCBOOK
    return named or _sniffed(head)


def _sniffed(head: bytes) -> str:
    if _looks_binary(head):
        return BINARY
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return HTML
    if start.startswith(b"<?xml"):
        return HTML if b"<html" in head.lower() else SVG if b"<svg" in head.lower() else XML
    for mark, kind in ((b"<svg", SVG), (b"begin:vcalendar", CALENDAR), (b"begin:vcard", CARD)):
        if start.startswith(mark):
            return kind
    if len(_HEADER_LINE.findall(head[:2000])) >= 3 and _HEADER_LINE.match(head):
        return EML
    return TEXT


def _looks_binary(head: bytes) -> bool:
    """Control bytes that no text has; UTF-16 and UTF-32 have NULs, but in step.

    A tenth of control bytes is too much for any text; a twentieth is, where the high bytes are no letters either:
    random and compressed bytes have 11 % of the one and 50 % of the other, a terminal's log has the first alone.
    """
    if not head or head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:4] == b"\x00\x00\xfe\xff":
        return False
    sample = head[:4096]
    nuls = sample.count(0)
    if nuls and _in_step(sample):
        return False
    odd = sum(byte < 32 and byte not in b"\t\n\r\f\x1b\x00" for byte in sample)
    share = (odd + nuls) / len(sample)
    high = len(sample.decode("utf-8", "ignore").encode()) < 0.8 * len(sample)
    return share > (0.05 if high else 0.10) and set(sample) != {0}


def _in_step(sample: bytes) -> bool:
    """Whether the NULs stand at every second place, as in UTF-16 of European text (or at three of four: UTF-32)."""
    for width in (4, 2):
        for keep in range(width):
            rest = b"".join(sample[i::width] for i in range(width) if i != keep)
            if sample[keep::width].count(0) < 0.1 * len(sample) / width and rest.count(0) > 0.7 * len(rest):
                return True
    return False
