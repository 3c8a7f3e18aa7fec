"""Which parser reads which kind of file: one explicit table a profile, and nothing loaded before it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from rag.documents import Parsed
from rag.errors import UnsupportedFormat
from rag.ingest.parse import media
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.speech import Speech

if TYPE_CHECKING:
    from rag.ports import Parser

REVISION: Final = 3
"""Raised whenever this room reads a file differently than before: every document is then parsed anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a parser is (``module:Class`` in this room) and which distributions' versions decide what it reads."""

    parser: str
    distributions: tuple[str, ...] = ()
    ocr: bool = False
    """Whether it reads pictures, and is made with the OCR engine's name."""
    speech: bool = False
    """Whether it hears, and is made with the speech model."""


_PLAIN: Final = Entry(parser="text:TextParser", distributions=("charset-normalizer",))
_MARKDOWN: Final = Entry(parser="markdown:MarkdownParser", distributions=("charset-normalizer",))
_MARKUP: Final = Entry(parser="markup:MarkupParser", distributions=("charset-normalizer",))
_HTML: Final = Entry(parser="html:HtmlParser", distributions=("lxml", "charset-normalizer", "pillow"), ocr=True)
_DELIMITED: Final = Entry(parser="sheets:DelimitedParser", distributions=("charset-normalizer",))
_WORKBOOK: Final = Entry(parser="sheets:WorkbookParser", distributions=("python-calamine",))
_PICTURE: Final = Entry(parser="pictures:PictureParser", distributions=("pillow",), ocr=True)
_ODF: Final = Entry(parser="odf:OdfParser", distributions=("lxml", "pillow"), ocr=True)
_XML: Final = Entry(parser="structured:XmlParser", distributions=("lxml",))
_ENTRIES: Final = Entry(parser="entries:EntriesParser", distributions=("charset-normalizer",))
_XBERG: Final = Entry(parser="xberg_profile:XbergParser", distributions=("xberg",))

FALLBACK: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        media.PDF: Entry(parser="pdf:PdfParser", distributions=("pypdfium2",), ocr=True),
        media.DOCX: Entry(parser="docx:DocxParser", distributions=("lxml", "pillow"), ocr=True),
        media.PPTX: Entry(parser="pptx:PptxParser", distributions=("lxml", "pillow"), ocr=True),
        media.XLSX: Entry(parser="xlsx:XlsxParser", distributions=("lxml",)),
        media.XLS: _WORKBOOK,
        media.XLSB: _WORKBOOK,
        media.ODS: Entry(parser="ods:OdsParser", distributions=("lxml",)),
        media.ODT: _ODF,
        media.ODP: _ODF,
        media.EML: Entry(parser="mail:MailParser", distributions=("lxml",)),
        media.HTML: _HTML,
        media.MHTML: Entry(parser="mail:MailParser", distributions=("lxml",)),
        media.MARKDOWN: _MARKDOWN,
        media.CSV: _DELIMITED,
        media.TSV: _DELIMITED,
        media.TEXT: _PLAIN,
        media.RST: _MARKUP,
        media.ORG: _MARKUP,
        media.ASCIIDOC: _MARKUP,
        media.TEX: _MARKUP,
        media.RTF: Entry(parser="rtf:RtfParser"),
        media.JSON: Entry(parser="structured:JsonParser"),
        media.NOTEBOOK: Entry(parser="structured:NotebookParser"),
        media.DOCBOOK: _XML,
        media.XML: _XML,
        media.EPUB: Entry(parser="epub:EpubParser", distributions=("lxml",)),
        media.MSG: Entry(parser="msg:MsgParser", distributions=("lxml", "charset-normalizer")),
        media.SVG: Entry(parser="structured:SvgParser", distributions=("lxml",)),
        media.CALENDAR: _ENTRIES,
        media.CARD: _ENTRIES,
        media.GZIP: Entry(parser="archive:GzipParser"),
        media.OLE: Entry(parser="ole:OleParser"),
        media.ZIP: Entry(parser="archive:ZipParser"),
        **dict.fromkeys(media.PICTURES, _PICTURE),
    }
)
"""Every format through a library that does that one format, or through the standard library."""

DEFAULT: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        **FALLBACK,
        **dict.fromkeys(
            (
                media.DOC,
                media.PPT,
                media.RTF,
                media.DOCBOOK,
            ),
            _XBERG,
        ),
    }
)
"""The fallback, and xberg for what it alone reads or reads better (see `xberg_profile` for what was measured)."""

PROBE: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        f"application/x-probe-{name}": Entry(parser=f"probe:{name.title()}")
        for name in (
            "hang",
            "spin",
            "bomb",
            "crash",
            "socket",
            "read",
            "write",
            "print",
            "flood",
            "echo",
            "lie",
            "taint",
            "swell",
        )
    }
)
"""Parsers that misbehave on purpose: the proof that the walls stand (tests, `rag doctor`)."""

RECORDINGS: Final[Mapping[str, Entry]] = MappingProxyType(
    dict.fromkeys(
        media.RECORDINGS,
        Entry(parser="recording:RecordingParser", distributions=("faster-whisper", "ctranslate2"), speech=True),
    )
)
"""What is heard, in children of its own: they hold a speech model, and take their time."""

PROFILES: Final[Mapping[str, Mapping[str, Entry]]] = MappingProxyType(
    {"default": DEFAULT, "fallback": FALLBACK, "probe": PROBE, "recordings": RECORDINGS}
)


def fingerprint(profile: str, *, ocr: str) -> str:
    """Profile, revision, library versions and OCR engine: part of the recipe."""
    names = sorted({name for entry in PROFILES[profile].values() for name in entry.distributions})
    return " ".join([f"{profile}/{REVISION}", *(f"{name}={_version(name)}" for name in names), f"ocr={ocr}"])


@cache
def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"


class Workbench:
    """The parsers of one profile, each made when its first file comes."""

    def __init__(self, profile: str, *, ocr: Ocr, speech: Speech | None = None) -> None:
        self._entries = PROFILES[profile]
        self.ocr, self._speech = ocr, speech
        self._made: dict[str, Parser] = {}

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool) -> Parsed:
        """Parse with the profile's parser for `media_type`; pictures of text are read only with `ocr`.

        Raises:
            UnsupportedFormat: the profile has none.
        """
        if media_type == media.ZIP:  # a head may not tell which kind
            media_type = media.zip_kind(body)
        entry = self._entries.get(media_type)
        if entry is None:
            raise UnsupportedFormat(f"no parser for this kind of file ({media_type})")
        self.ocr.wanted = ocr
        if entry.parser not in self._made:
            self._made[entry.parser] = self._make(entry)
        return self._made[entry.parser].parse(body, media_type=media_type, name=name)

    def _make(self, entry: Entry) -> Parser:
        module_name, class_name = entry.parser.split(":")
        parser = getattr(importlib.import_module(f"rag.ingest.parse.{module_name}"), class_name)
        options = {"ocr": self.ocr} if entry.ocr else {"speech": self._speech} if entry.speech else {}
        made: Parser = parser(**options)
        return made
