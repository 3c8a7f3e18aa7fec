"""Read the sample's documents with the standard library, so that a test can look for a quote.

`read_pages` gives (page, text) pairs with white space normalised; the page is None where the format has none.
It is deliberately not the product's parser: what both read alike is a safe quote. Text PDFs need pypdfium2.
"""

from __future__ import annotations

import email
import email.policy
import html
import io
import re
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

Pages = list[tuple[int | None, str]]

XML_PARTS = {
    ".docx": r"word/document\.xml",
    ".odt": r"content\.xml",
    ".xlsx": r"xl/(sharedStrings|worksheets/sheet\d+)\.xml",
}


def normalised(text: str) -> str:
    """One space for each run of white space, no-break spaces included."""
    return " ".join(text.split())


def attachments(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    """Each attachment of a mail as (file name, content)."""
    for part in message.iter_attachments():
        yield part.get_filename() or "", part.get_payload(decode=True)


def load_mail(path: Path) -> EmailMessage:
    """Parse an ``.eml`` file."""
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError(f"{path} is no mail")
    return message


def load_document(root: Path, name: str) -> tuple[str, bytes]:
    """The (suffix, content) of ``folder/file.ext`` or of an attachment ``folder/mail.eml!/file.ext``.

    Raises:
        FileNotFoundError: if there is no such file or the mail has no such attachment.
    """
    outer, _, inner = name.partition("!/")
    path = root / outer
    if not inner:
        return path.suffix, path.read_bytes()
    for found, content in attachments(load_mail(path)):
        if found == inner:
            return Path(inner).suffix, content
    raise FileNotFoundError(f"{outer} has no attachment {inner}")


def read_pages(root: Path, name: str) -> Pages:
    """The text of one document, page by page; a scan yields pages of empty text."""
    suffix, data = load_document(root, name)
    if suffix == ".pdf":
        return _pdf_pages(data)
    if suffix == ".pptx":
        return _slides(data)
    return [(None, normalised(_flat_text(suffix, data)))]


def _flat_text(suffix: str, data: bytes) -> str:
    if suffix in XML_PARTS:
        return _zipped_text(data, XML_PARTS[suffix])
    if suffix == ".eml":
        message = email.message_from_bytes(data, policy=email.policy.default)
        headers = " ".join(str(message.get(key, "")) for key in ("Subject", "From", "To", "Cc"))
        body = message.get_body(("plain",))
        return headers + " " + (body.get_content() if body else "")
    text = _decoded(data)
    if suffix == ".html":
        return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"</(p|li|td|th|h\d|tr)>", " ", text)))
    return text


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _zipped_text(data: bytes, parts: str) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = sorted(name for name in archive.namelist() if re.fullmatch(parts, name))
        return " ".join(_xml_text(archive.read(name).decode("utf-8")) for name in names)


def _xml_text(xml: str) -> str:
    ends = re.sub(r"</(w:p|a:p|text:p|text:h|t|v)>|<w:tab/>", " ", xml)
    return html.unescape(re.sub(r"<[^>]*>", "", ends))


def _slides(data: bytes) -> Pages:
    """Each slide with its speaker notes; slide and notes are paired through the slide's relations."""
    pages: Pages = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        count = sum(bool(re.fullmatch(r"ppt/slides/slide\d+\.xml", name)) for name in archive.namelist())
        for number in range(1, count + 1):
            text = _xml_text(archive.read(f"ppt/slides/slide{number}.xml").decode("utf-8"))
            relations = archive.read(f"ppt/slides/_rels/slide{number}.xml.rels").decode("utf-8")
            for notes in re.findall(r"notesSlides/notesSlide\d+\.xml", relations):
                text += " " + _xml_text(archive.read(f"ppt/{notes}").decode("utf-8"))
            pages.append((number, normalised(text)))
    return pages


def _pdf_pages(data: bytes) -> Pages:
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    try:
        return [(n, normalised(page.get_textpage().get_text_range())) for n, page in enumerate(document, start=1)]
    finally:
        document.close()
