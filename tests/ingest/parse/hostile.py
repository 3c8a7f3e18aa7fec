"""Documents that would have their reader reach out, one of every kind; made, not found."""

from __future__ import annotations

import json
from email.message import EmailMessage

from tests.ingest.parse import makers, outlook
from tests.ingest.parse.makers import Line, members_of

_PAGE = """
<html xmlns="http://www.w3.org/1999/xhtml"><head><link rel="stylesheet" href="{0}/a.css"/><base href="{0}/"/>
<meta http-equiv="refresh" content="0;url={0}/r"/></head><body><img src="{0}/a.png"/><iframe src="{0}/f"></iframe>
<object data="{0}/o"></object><script src="{0}/s.js"></script><p>Text der Seite</p></body></html>"""
_STYLED = """<?xml version="1.0"?><?xml-stylesheet href="{0}/a.xsl"?><a xmlns:xi="http://www.w3.org/2001/XInclude">
<xi:include href="{0}/i"/>Text der Seite</a>"""
_TYPED = '<?xml version="1.0"?><!DOCTYPE a PUBLIC "x" "{0}/a.dtd"><a>Text der Seite</a>'
_DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
<image xlink:href="{0}/a"/><text>Text der Seite</text></svg>"""
_MARKDOWN = "![a]({0}/a.png)\n<img src='{0}/b'>\n[c]: {0}/c\n\nText"
_FRAME = """<text:p>Text der Seite<draw:frame><draw:image xmlns:xlink="http://www.w3.org/1999/xlink"
 xlink:href="{0}/a"/></draw:frame></text:p>"""
_BOOK = """<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="a" href="{0}"/></manifest>
<spine><itemref idref="a"/></spine></package>"""
_CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfile full-path="b.opf"/></container>"""
_RICH = r'{{\rtf1 Text{{\field{{\*\fldinst INCLUDEPICTURE "{0}/a"}}}}{{\*\template {0}/t}}}}'
_RST = ".. image:: {0}/a.png\n.. include:: {0}/b\n.. csv-table::\n   :url: {0}/c\n\nText"
_ORG = '#+INCLUDE: "{0}/a"\n#+SETUPFILE: {0}/b\n[[{0}/a.png]]\nText'
_TEX = r"\documentclass{{article}}\begin{{document}}\input{{{0}/a}}\includegraphics{{{0}/b}}Text\end{{document}}"
_EVENT = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Text\nATTACH:{0}/a\nEND:VEVENT\nEND:VCALENDAR\n"
_OUTSIDE = '<Relationship Id="{1}" Type="' + makers.REL + '/{2}" Target="{0}/{1}" TargetMode="External"/>'
_BLIP = (
    f'<w:p xmlns:r="{makers.REL}" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><w:r>'
    '<a:blip r:embed="i" r:link="i"/></w:r></w:p></w:body>'
)


def calling(address: str) -> dict[str, bytes]:
    """By name, a document of every kind that would have its reader open `address`."""
    page = _PAGE.format(address)
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "Text der Seite", "a@x.example"
    mail.set_content(page, subtype="html")
    texts = {
        "a.html": page, "a.md": _MARKDOWN, "a.xml": _TYPED, "b.xml": _STYLED, "a.svg": _DRAWING, "a.rtf": _RICH,
        "a.rst": _RST, "a.org": _ORG, "a.tex": _TEX, "a.ics": _EVENT,
        "a.adoc": "include::{0}/a[]\nimage::{0}/a.png[]\n\nText",
    }  # fmt: skip
    book = {"META-INF/container.xml": _CONTAINER}
    return {name: (text if text is page else text.format(address)).encode() for name, text in texts.items()} | {
        "a.eml": mail.as_bytes(),
        "a.msg": outlook.compound(outlook.message(subject="a", html=page.encode())),
        "a.docx": _word(address),
        "a.pptx": _slides(address),
        "a.odt": makers.odt(body=_FRAME.format(address)),
        "a.epub": makers.zipped(book | {"b.opf": _BOOK.format("a.xhtml"), "a.xhtml": page}),
        "b.epub": makers.zipped(book | {"b.opf": _BOOK.format(f"{address}/a"), "a.xhtml": page}),
        "a.pdf": makers.pdf([[Line("Text der Seite")]], info=f"/Producer ({address})"),
        "a.ipynb": json.dumps({"cells": [{"cell_type": "markdown", "source": f"![a]({address}/a) Text"}]}).encode(),
    }


def _word(address: str) -> bytes:
    members = members_of(makers.docx())
    outside = _OUTSIDE.format(address, "t", "attachedTemplate") + _OUTSIDE.format(address, "i", "image")
    _relate(members, "word/_rels/document.xml.rels", outside)
    members["word/document.xml"] = members["word/document.xml"].replace(b"</w:body>", _BLIP.encode())
    return makers.zipped(members)


def _slides(address: str) -> bytes:
    members = members_of(makers.pptx())
    _relate(members, "ppt/slides/_rels/slide1.xml.rels", _OUTSIDE.format(address, "i", "image"))
    return makers.zipped(members)


def _relate(members: dict[str, bytes], path: str, rows: str) -> None:
    members[path] = members[path].replace(b"</Relationships>", f"{rows}</Relationships>".encode())
