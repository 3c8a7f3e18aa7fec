"""HTML as a reader sees it: headings, paragraphs, lists, tables. Scripts, styles and what an element says is not
displayed are left out; what is displayed so that nobody sees it (white on white, size 0) stays, marked as hidden."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final

from rag.documents import Parsed
from rag.errors import EmptyDocument
from rag.ingest.parse.charset import decode
from rag.ingest.parse.concealed import concealed
from rag.ingest.parse.dates import when
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.html_look import Look, Rules
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.pictures import PicturesInside

if TYPE_CHECKING:
    from lxml.etree import _Element

_SKIPPED: Final = frozenset(
    ("script style template noscript head svg math object embed iframe canvas audio video select datalist").split()
)
_BLOCKS: Final = frozenset(
    (
        "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure "
        "footer form header hgroup hr html legend main nav p search section summary table tbody td tfoot th thead tr"
    ).split()
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_LISTS: Final = frozenset({"ul", "ol", "menu", "dir"})
_DECLARED: Final = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{0,200}encoding=[\"']([\w.:-]+)", re.I)
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_AUTHORS: Final = ("author", "dc.creator", "dcterms.creator", "article:author")
_CREATED: Final = tuple(
    "dcterms.created dc.date.created article:published_time datepublished date dc.date dcterms.date created".split()
)
_MODIFIED: Final = tuple(
    "dcterms.modified dc.date.modified article:modified_time datemodified last-modified revised modified".split()
)
_CARRIED: Final = re.compile(r"\s*data:image/[\w.+-]{1,40}(?:;[\w=.-]{1,60})*;base64,", re.I)
_LAYOUT: Final = frozenset(("table h1 h2 h3 h4 h5 h6 form ul ol").split())


class HtmlParser:
    """HTML and XHTML through lxml; nothing is fetched."""

    fingerprint = "html"

    def __init__(self, *, ocr: Ocr) -> None:
        self._ocr = ocr

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        found = _DECLARED.search(body[:4096])
        declared = (found.group(1) or found.group(2)).decode("ascii", "replace") if found else None
        draft, pictures = Draft(), PicturesInside(self._ocr)
        read_html(draft, decode(body, declared=declared), pictures=pictures)
        pictures.finish(draft)
        return draft.parsed()


def read_html(draft: Draft, text: str, *, described: bool = True, pictures: PicturesInside | None = None) -> None:
    """Write HTML into a draft; its title, author and dates too if it is `described` by its own head, and what is in
    the pictures it carries in itself.

    Raises:
        EmptyDocument: no element in it.
    """
    from lxml import etree

    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=False)
    root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    if root is None:
        raise EmptyDocument("no text in it")
    if described:
        _describe(draft, root)
    walk = _Walk(draft, Rules(root), pictures)
    walk.over(root)
    if walk.left_out:
        draft.notes.append(f"text left out that the page does not show: {walk.left_out:,} characters")


def _describe(draft: Draft, root: _Element) -> None:
    said: dict[str, str] = {}
    for meta in root.iterfind(".//head//meta"):
        key = meta.get("name") or meta.get("property") or meta.get("http-equiv") or ""
        said.setdefault(key.strip().lower(), meta.get("content") or "")
    draft.title = draft.title or root.findtext(".//head/title")
    draft.author = draft.author or next((said[key] for key in _AUTHORS if said.get(key)), None)
    draft.created_at = draft.created_at or next((at for key in _CREATED if (at := when(said.get(key)))), None)
    draft.modified_at = draft.modified_at or next((at for key in _MODIFIED if (at := when(said.get(key)))), None)


class _Walk:
    """One pass over the tree, without recursion: depth is the document's choice, the stack is ours."""

    def __init__(self, draft: Draft, rules: Rules, pictures: PicturesInside | None) -> None:
        self._draft = draft
        self._rules = rules
        self._looks = [Look()]
        self.left_out = 0
        """Letters and digits of elements that are not displayed."""
        self._pictures = pictures
        self._inline: list[str] = []
        self._items: list[str] = []
        self._lists: list[list[Any]] = []  # [ordered, next number]

    def over(self, root: _Element) -> None:
        from lxml import etree

        walk = etree.iterwalk(root, events=("start", "end"))
        for event, element in walk:
            tag = _tag(element)
            if event == "end":
                self._looks.pop()
                self._end(tag)
                self._say(element.tail)
                continue
            self._looks.append(self._rules.look(element, self._looks[-1]))
            if self._left_out(element, tag):
                walk.skip_subtree()
                element.text = None
            elif tag == "pre":
                self._flush()
                self._draft.verbatim(self._text_of(element, gap=""))
                walk.skip_subtree()
            elif tag == "table" and _is_data(element):
                self._flush_list()
                self._table(element)
                walk.skip_subtree()
            else:
                self._start(tag, element)
        self._flush_list()

    def _start(self, tag: str, element: _Element) -> None:
        if tag in _LISTS:
            self._flush()
            self._lists.append([tag == "ol", int(element.get("start") or 1) if _is_int(element.get("start")) else 1])
        elif tag == "li":
            self._flush()
            self._inline.append(self._mark())
        elif tag in _HEADINGS:
            self._flush_list()
        elif tag in _BLOCKS:
            self._flush()
        elif tag == "br":
            self._inline.append("\v")
        elif tag == "img":
            self._inline.append(f" {element.get('alt') or ''} ")
            self._show(element.get("src") or "")
        self._say(element.text)

    def _say(self, text: str | None) -> None:
        """Running text, marked where it is not seen."""
        if text:
            self._inline.append(concealed(text, self._looks[-1].hiding))

    def _left_out(self, element: _Element, tag: str) -> bool:
        """Whether an element is not displayed; how much that is, is counted."""
        if tag in _SKIPPED:
            return True
        if not _hidden(element):
            return False
        self.left_out += _letters(element)
        return True

    def _text_of(self, element: _Element, *, gap: str = " ") -> str:
        """All text of an element in one piece; a `gap` where a block begins and ends."""
        from lxml import etree

        pieces, looks = list[str](), [self._looks[-1]]
        walk = etree.iterwalk(element, events=("start", "end"))
        for event, inner in walk:
            tag = _tag(inner)
            if event == "end":
                looks.pop()
                if inner is not element:
                    pieces += [gap if tag in _BLOCKS else "", concealed(inner.tail or "", looks[-1].hiding)]
                continue
            looks.append(self._rules.look(inner, looks[-1]))
            if inner is not element and self._left_out(inner, tag):
                walk.skip_subtree()
                continue
            pieces += [gap if tag in _BLOCKS or tag == "br" else "", concealed(inner.text or "", looks[-1].hiding)]
        return "".join(pieces)

    def _end(self, tag: str) -> None:
        if tag in _HEADINGS:
            text, self._inline = _flat(self._inline).replace("\n", " "), []
            self._draft.heading(text, _HEADINGS[tag])
        elif tag in _LISTS:
            self._flush()
            if self._lists:
                self._lists.pop()
            if not self._lists:
                self._flush_list()
        elif tag in _BLOCKS or tag == "li":
            self._flush()

    def _mark(self) -> str:
        if not self._lists or not self._lists[-1][0]:
            return "- "
        self._lists[-1][1] += 1
        return f"{self._lists[-1][1] - 1}. "

    def _show(self, source: str) -> None:
        found = _CARRIED.match(source[:200])
        if found is None or self._pictures is None:
            return
        try:
            body = base64.b64decode(source[found.end() :], validate=False)
        except ValueError:
            return
        self._flush()
        self._pictures.write(self._draft, body)

    def _flush(self) -> None:
        text, self._inline = _flat(self._inline), []
        if not text or text == "-":
            return
        if self._lists:
            self._items.append(text)
        else:
            self._flush_items()
            self._draft.paragraph(text)

    def _flush_items(self) -> None:
        self._draft.paragraph("\n".join(self._items))
        self._items = []

    def _flush_list(self) -> None:
        self._flush()
        self._flush_items()

    def _table(self, table: _Element) -> None:
        caption = table.find("caption")
        if caption is not None:
            self._draft.paragraph(self._text_of(caption))
        self._draft.table([self._cells(row) for row in table.iter("tr") if not self._left_out(row, "tr")])

    def _cells(self, row: _Element) -> list[str]:
        """The texts of a row's cells; it, and the part of the table it is in, may have a look of their own."""
        before = len(self._looks)
        above = row.getparent()
        for element in (above, row) if above is not None and _tag(above) in ("thead", "tbody", "tfoot") else (row,):
            self._looks.append(self._rules.look(element, self._looks[-1]))
        cells = [cell for cell in row if _tag(cell) in ("td", "th")]
        texts = [self._text_of(cell) for cell in cells if not self._left_out(cell, _tag(cell))]
        del self._looks[before:]
        return texts


def _tag(element: _Element) -> str:
    return element.tag.rsplit("}", 1)[-1].lower() if isinstance(element.tag, str) else ""


def _hidden(element: _Element) -> bool:
    if element.get("hidden") is not None or _tag(element) == "input":
        return True
    style = element.get("style")
    return bool(style) and _HIDDEN.search(style or "") is not None


def _is_data(table: _Element) -> bool:
    """Whether a table holds data and not the page's layout: rows of several cells, nothing structured inside them."""
    if table.get("role") == "presentation" or any(_tag(inner) in _LAYOUT for inner in table.iterdescendants()):
        return False
    rows = [sum(_tag(cell) in ("td", "th") for cell in row) for row in table.iter("tr")]
    return len(rows) >= 2 and max(rows) >= 2


def _letters(element: _Element) -> int:
    """How many letters and digits stand in an element, scripts and styles not counted."""
    texts = [inner.text or "" for inner in element.iter() if _tag(inner) not in _SKIPPED]
    texts += [inner.tail or "" for inner in element.iterdescendants()]
    return sum(char.isalnum() for text in texts for char in text)


def _flat(pieces: list[str]) -> str:
    """Inline pieces as one run: white space collapsed as a browser does, only <br> breaks a line."""
    lines = "".join(pieces).split("\v")
    return "\n".join(" ".join(line.split()) for line in lines).strip()


def _is_int(value: str | None) -> bool:
    return value is not None and value.isascii() and value.isdigit() and len(value) < 7
