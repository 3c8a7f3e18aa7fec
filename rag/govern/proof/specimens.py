"""A document of every kind that is read, small, and where the format can: asking its reader to fetch something.

The old binary formats are headers only: their parsers run and refuse them, which the certificate says.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Final

ADDRESS: Final = "http://specimen.archivar.example"
"""What the specimens would have fetched."""

_TEXT: Final = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
_PAGE: Final = f"""<html><head><link rel="stylesheet" href="{ADDRESS}/a.css"><script src="{ADDRESS}/s.js"></script>
</head><body><img src="{ADDRESS}/a.png"><iframe src="{ADDRESS}/f"></iframe><p>{_TEXT}</p></body></html>"""
_W: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_P: Final = "http://schemas.openxmlformats.org/presentationml/2006/main"
_A: Final = "http://schemas.openxmlformats.org/drawingml/2006/main"
_S: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OUTSIDE: Final = f'<Relationship Id="x" Type="{_R}/{{}}" Target="{ADDRESS}/t" TargetMode="External"/>'
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1528)


def specimens() -> Mapping[str, bytes]:
    """Name → bytes."""
    return {
        **{name: text.encode() for name, text in _texts().items()},
        "seite.docx": _docx(), "folie.pptx": _pptx(), "tabelle.xlsx": _xlsx(), "tabelle.xlsm": _xlsx(),
        "brief.odt": _odf("text", f"<text:p>{_TEXT}</text:p>"),
        "blatt.ods": _odf("spreadsheet", f"<table:table>{_ROW}</table:table>"),
        "vortrag.odp": _odf("presentation", f"<draw:page><draw:frame>{_BOX}</draw:frame></draw:page>"),
        "buch.epub": _zipped({"META-INF/container.xml": _BOOK_AT, "b.opf": _BOOK, "a.xhtml": _PAGE}),
        "ordner.zip": _zipped({"innen.html": _PAGE, "notiz.txt": _TEXT}), "notiz.txt.gz": gzip.compress(_TEXT.encode()),
        "urkunde.pdf": _pdf(), "bild.png": _png(), **_pictures(),
        "alt.doc": _OLE, "alt.ppt": _OLE, "alt.xls": _OLE, "alt.msg": _OLE,
    }  # fmt: skip


def _texts() -> dict[str, str]:
    cells = {"cells": [{"cell_type": "markdown", "source": f"![a]({ADDRESS}/a) {_TEXT}"}], "metadata": {}}
    return {
        "seite.html": _PAGE,
        "seite.md": f"# Urlaub\n\n![a]({ADDRESS}/a.png)\n\n{_TEXT}\n",
        "seite.rst": f".. image:: {ADDRESS}/a.png\n.. include:: {ADDRESS}/b\n\n{_TEXT}\n",
        "seite.adoc": f"include::{ADDRESS}/a[]\nimage::{ADDRESS}/a.png[]\n\n{_TEXT}\n",
        "seite.org": f'#+INCLUDE: "{ADDRESS}/a"\n{_TEXT}\n',
        "seite.tex": rf"\documentclass{{article}}\begin{{document}}\input{{{ADDRESS}/a}}{_TEXT}\end{{document}}",
        "notiz.txt": _TEXT,
        "liste.csv": f"Was,Wert\nUrlaub,30 Arbeitstage\nBild,{ADDRESS}/a.png\n",
        "liste.tsv": "Was\tWert\nUrlaub\t30 Arbeitstage\n",
        "daten.json": json.dumps({"$ref": f"{ADDRESS}/schema.json", "urlaub": _TEXT}),
        "daten.xml": f'<?xml version="1.0"?><!DOCTYPE a PUBLIC "x" "{ADDRESS}/a.dtd"><a>{_TEXT}</a>',
        "zeichnung.svg": f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<image xlink:href="{ADDRESS}/a"/><text>{_TEXT}</text></svg>',
        "heft.ipynb": json.dumps(cells),
        "post.eml": f"From: a@x.example\nSubject: Urlaub\nContent-Type: text/html; charset=utf-8\n\n{_PAGE}",
        "termin.ics": f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:{_TEXT}\n"
        f"ATTACH:{ADDRESS}/a\nEND:VEVENT\nEND:VCALENDAR\n",
        "karte.vcf": f"BEGIN:VCARD\nVERSION:3.0\nFN:Muster\nNOTE:{_TEXT}\nPHOTO;VALUE=uri:{ADDRESS}/p\nEND:VCARD\n",
        "brief.rtf": rf'{{\rtf1 Urlaub 30 Tage{{\field{{\*\fldinst INCLUDEPICTURE "{ADDRESS}/a"}}}}}}',
    }


_ROW: Final = "".join(f"<table:table-row><table:table-cell><text:p>{t}</text:p></table:table-cell></table:table-row>"
                      for t in ("Urlaub", _TEXT))  # fmt: skip
_BOX: Final = f"<draw:text-box><text:p>{_TEXT}</text:p></draw:text-box>"
_BOOK_AT: Final = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
_BOOK: Final = f"""<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="a" href="a.xhtml"
media-type="application/xhtml+xml"/><item id="b" href="{ADDRESS}/b"/></manifest><spine><itemref idref="a"/></spine>
</package>"""


def _zipped(members: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _office(main: str, kind: str, members: Mapping[str, str]) -> bytes:
    types = f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
    types += '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    types += (
        f'<Override PartName="/{main}" ContentType="application/vnd.openxmlformats-officedocument.{kind}"/></Types>'
    )
    root = f'<Relationship Id="r" Type="{_R}/officeDocument" Target="{main}"/>'
    return _zipped({"[Content_Types].xml": types, "_rels/.rels": _related(root), **members})


def _related(rows: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def _docx() -> bytes:
    body = f'<w:document xmlns:w="{_W}"><w:body><w:p><w:r><w:t>{_TEXT}</w:t></w:r></w:p></w:body></w:document>'
    rows = _related(_OUTSIDE.format("attachedTemplate"))
    members = {"word/document.xml": body, "word/_rels/document.xml.rels": rows}
    return _office("word/document.xml", "wordprocessingml.document.main+xml", members)


def _pptx() -> bytes:
    shape = f"<p:sp><p:txBody><a:p><a:r><a:t>{_TEXT}</a:t></a:r></a:p></p:txBody></p:sp>"
    slide = f'<p:sld xmlns:p="{_P}" xmlns:a="{_A}"><p:cSld><p:spTree>{shape}</p:spTree></p:cSld></p:sld>'
    show = f'<p:presentation xmlns:p="{_P}" xmlns:r="{_R}"><p:sldIdLst><p:sldId id="256" r:id="s"/></p:sldIdLst>'
    members = {
        "ppt/presentation.xml": show + "</p:presentation>",
        "ppt/_rels/presentation.xml.rels": _related(f'<Relationship Id="s" Type="{_R}/slide" Target="slides/s1.xml"/>'),
        "ppt/slides/s1.xml": slide,
        "ppt/slides/_rels/s1.xml.rels": _related(_OUTSIDE.format("image")),
    }
    return _office("ppt/presentation.xml", "presentationml.presentation.main+xml", members)


def _xlsx() -> bytes:
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>{text}</t></is></c></row>'
                   for n, text in ((1, "Urlaub"), (2, _TEXT)))  # fmt: skip
    book = (
        f'<workbook xmlns="{_S}" xmlns:r="{_R}"><sheets><sheet name="Urlaub" sheetId="1" r:id="s"/></sheets></workbook>'
    )
    sheet = f'<Relationship Id="s" Type="{_R}/worksheet" Target="worksheets/s1.xml"/>'
    members = {
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": _related(sheet + _OUTSIDE.format("externalLink")),
        "xl/worksheets/s1.xml": f'<worksheet xmlns="{_S}"><sheetData>{rows}</sheetData></worksheet>',
    }
    return _office("xl/workbook.xml", "spreadsheetml.sheet.main+xml", members)


def _odf(kind: str, body: str) -> bytes:
    space = "urn:oasis:names:tc:opendocument:xmlns"
    names = " ".join(f'xmlns:{name}="{space}:{uri}:1.0"' for name, uri in
                     (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing")))  # fmt: skip
    content = f"<office:document-content {names}><office:body><office:{kind}>{body}</office:{kind}></office:body>"
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    return _zipped({"mimetype": mimetype, "content.xml": content + "</office:document-content>"})


def _pdf() -> bytes:
    text = b"BT /F1 12 Tf 72 700 Td (Der Urlaub betraegt im Kalenderjahr 30 Arbeitstage.) Tj ET"
    objects = [
        f"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/URI/URI({ADDRESS}/o)>>>>".encode(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%sendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n" + table
    return out + head + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(out)


def _png() -> bytes:
    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body))

    head = struct.pack("!IIBBBBB", 64, 32, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", zlib.compress((b"\0" + b"\xff" * 64) * 32))
        + part(b"IEND", b"")
    )


def _pictures() -> dict[str, bytes]:
    """The other kinds of pictures, a white area each."""
    from PIL import Image

    found = {}
    for suffix, form in (("jpg", "JPEG"), ("tiff", "TIFF"), ("webp", "WEBP"), ("bmp", "BMP"), ("gif", "GIF")):
        out = io.BytesIO()
        Image.new("L", (64, 32), 255).save(out, form)
        found[f"bild.{suffix}"] = out.getvalue()
    return found
