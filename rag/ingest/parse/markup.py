"""reStructuredText, Org, AsciiDoc and LaTeX: headings, tables, lists and code made Markdown, and read as that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from rag.documents import Parsed
from rag.ingest.parse import media
from rag.ingest.parse.charset import decode
from rag.ingest.parse.draft import Draft, pipe_table
from rag.ingest.parse.front_matter import read_fields
from rag.ingest.parse.markdown import read_markdown

_ADORNMENT: Final = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[ \t]*")
_RST_RULE: Final = re.compile(r"=+(?:[ \t]+=+)+[ \t]*")
_GRID_RULE: Final = re.compile(r"\+(?:[-=]+\+)+[ \t]*")
_RST_DIRECTIVE: Final = re.compile(
    r"\.\. (?:(?:code|code-block|sourcecode|highlight|contents|toctree)::.*|[\w-]+::[ \t]*(.*)|_.*|\[.*\][ \t]*(.*))"
)
_RST_LINK: Final = re.compile(r"`([^`<>]{1,500}?)[ \t]*<[^<>]{1,1000}>`__?")
_ORG_LINK: Final = re.compile(r"\[\[[^\[\]]{1,1000}\]\[([^\[\]]{1,500})\]\]")
_ADOC_MACRO: Final = re.compile(r"(?:image::?|link:|xref:|mailto:|https?://)[^\s\[\]]{0,1000}\[([^\[\]]{0,500})\]")
_ADOC_CELL: Final = re.compile(r"(?:^|[ \t])(?:\d{0,3}(?:\.\d{1,3})?\+|\d{1,3}\*)?[<^>.]{0,3}[aehlmdsv]?\|")
_TEX_LEVELS: Final = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5}
_TEX_HEADING: Final = re.compile(r"\\(part|chapter|section|subsection|subsubsection|paragraph)\*?(?:\[[^\[\]]*\])?\{")
_TEX_TABLE: Final = re.compile(
    r"\\begin\{(tabular[xy*]?|longtable)\}(?:\[[^\[\]]*\])?(?:\{[^{}]*\}){1,2}(.{0,50000}?)\\end\{\1\}", re.S
)
_TEX_ACCENTS: Final = {
    f"{mark}{letter}": char for mark in ('"', '\\"') for letter, char in zip("aouAOUs", "äöüÄÖÜß", strict=True)
}
_TEX_ACCENT: Final = re.compile(r"\\\"\{?([aouAOU])\}?|(?<!\w)\"([aouAOUs])|(?<=\w)\"([aous])|\{?\\ss\}?(?:\{\}|\b)")
_TEX_COMMAND: Final = re.compile(
    r"\\(?:begin|end)\{[^{}]{0,60}\}(?:\[[^\[\]]{0,200}\])?|\\[a-zA-Z]+\*?(?:\[[^\[\]]{0,200}\])?"
)
_TEX_PREAMBLE: Final = re.compile(r"\A.{0,200000}?\\begin\{document\}", re.S)


class MarkupParser:
    """The light markup languages of documentation and science."""

    fingerprint = "markup"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft, text = Draft(), decode(body).replace("\r\n", "\n").replace("\r", "\n").expandtabs(8)
        read_fields(draft, text, media_type)
        read_markdown(draft, "\n".join(_READERS[media_type](text)))
        return draft.parsed()


def _rst(text: str) -> Iterator[str]:
    lines, levels, at = _RST_LINK.sub(r"\1", text).split("\n"), dict[str, int](), 0
    while at < len(lines):
        line, following = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
        if _RST_RULE.fullmatch(line) and (rows := _ruled(lines, at)):
            yield from ("", *_table(rows[0]), "")
            at = rows[1]
        elif _GRID_RULE.fullmatch(line):
            end = next((i for i in range(at, len(lines)) if lines[i][:1] not in ("+", "|")), len(lines))
            yield from ("", *_table(_gridded(lines[at:end])), "")
            at = end
        elif (
            _ADORNMENT.fullmatch(line)
            and following.strip()
            and at + 2 < len(lines)
            and lines[at + 2].rstrip() == line.rstrip()
        ):
            yield from ("", "#" * levels.setdefault(2 * line[0], len(levels) + 1) + " " + following.strip(), "")
            at += 3
        elif line.strip() and _ADORNMENT.fullmatch(following) and len(following.rstrip()) >= len(line.rstrip()) > 0:
            yield from ("", "#" * levels.setdefault(following[0], len(levels) + 1) + " " + line.strip(), "")
            at += 2
        else:
            directive = _RST_DIRECTIVE.fullmatch(line)
            yield (directive.group(1) or directive.group(2) or "") if directive else line
            at += 1


def _ruled(lines: Sequence[str], at: int) -> tuple[list[list[str]], int] | None:
    """A simple table, its cells cut where its rule has gaps, and the line after it."""
    spans = [found.span() for found in re.finditer("=+", lines[at])]
    ends = [i for i in range(at + 1, min(len(lines), at + 5000)) if _RST_RULE.fullmatch(lines[i])][:2]
    if not ends:
        return None
    last = ends[-1]
    cuts = [start for start, _ in spans] + [100_000]
    rows: list[list[str]] = []
    for line in (line for line in lines[at + 1 : last] if line.strip() and not _RST_RULE.fullmatch(line)):
        cells = [line[one:two].strip() for one, two in pairwise(cuts)]
        if rows and not cells[0]:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    return rows, last + 1


def _gridded(lines: Sequence[str]) -> list[list[str]]:
    rows: list[list[str]] = []
    fresh = True
    for line in lines:
        if line.startswith("+"):
            fresh = True
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if fresh or len(cells) != len(rows[-1]):
            rows.append(cells)
        else:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
        fresh = False
    return rows


def _org(text: str) -> Iterator[str]:
    rows: list[list[str]] = []
    text = re.sub(r"(?<![\w~=])([~=])(\S(?:[^~=\n]{0,200}\S)?)\1(?![\w~=])", r"`\2`", _ORG_LINK.sub(r"\1", text))
    for line in [*text.split("\n"), ""]:
        if line.lstrip().startswith("|"):
            if not re.fullmatch(r"\s*\|[-+|]*", line):
                rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
            continue
        if rows:
            yield from ("", *_table(rows), "")
            rows = []
        stars = re.match(r"(\*{1,6}) +(?:TODO |DONE )?", line)
        block = re.match(r"\s*#\+(begin|end)_(?:src|example|quote)", line, re.I)
        if stars is not None:
            yield from ("", "#" * len(stars.group(1)) + " " + line[stars.end() :], "")
        elif block is not None:
            yield "```" if "quote" not in line.lower() else ""
        elif not re.match(r"\s*(?:#\+\w+:|:[A-Z_]+:|# )", line):
            yield line


def _asciidoc(text: str) -> Iterator[str]:
    table: list[str] | None = None
    for line in _ADOC_MACRO.sub(r"\1", text).split("\n"):
        if re.fullmatch(r"[|,]={3,}\s*", line):
            if table is not None:
                yield from ("", *_table(_celled(table)), "")
            table = [] if table is None else None
        elif table is not None:
            table.append(line)
        elif (title := re.fullmatch(r"(={1,6})\s+(\S.*?)(?:\s+=+)?", line)) is not None:
            yield from ("", "#" * len(title.group(1)) + " " + title.group(2), "")
        elif re.fullmatch(r"(?:-{4,}|\.{4,})\s*", line):
            yield "```"
        elif (item := re.match(r"\s*([*.-]+)\s+(?=\S)", line)) is not None and set(item.group(1)) != {"-", "*"}:
            yield ("1. " if item.group(1)[0] == "." else "- ") + line[item.end() :]
        elif not re.match(r":[\w-]+!?:|//|\[.*\]\s*$|={4,}\s*$|\*{4,}\s*$|_{4,}\s*$", line):
            yield line[1:] if re.match(r"\.[A-Za-z]", line) else line
    if table:
        yield from ("", *_table(_celled(table)))


def _celled(lines: Sequence[str]) -> list[list[str]]:
    """Cells to rows: as many a row as stand on the first line with any, whether rows have a line each or cells do."""
    cells: list[str] = []
    width = 0
    for line in lines:
        parts = [part.strip() for part in _ADOC_CELL.split(line)]
        if len(parts) == 1:
            if cells and parts[0]:
                cells[-1] = f"{cells[-1]} {parts[0]}".strip()
            continue
        cells += parts[1:]
        width = width or len(parts) - 1
    return [cells[at : at + width] for at in range(0, len(cells), width)] if width else []


def _latex(text: str) -> Iterator[str]:
    text = re.sub(r"(?<!\\)%.*", "", text)
    text = _TEX_PREAMBLE.sub("", text) if "\\begin{document}" in text else text
    text = _TEX_ACCENT.sub(
        lambda found: _TEX_ACCENTS['"' + (found.group(1) or found.group(2) or found.group(3) or "s")], text
    )
    text = _TEX_TABLE.sub(lambda found: "\n\n" + "\n".join(_table(_tabular(found.group(2)))) + "\n\n", text)
    text = _TEX_HEADING.sub(lambda found: "\n\n" + "#" * _TEX_LEVELS[found.group(1)] + " {", text)
    text = re.sub(r"\\item(?:\[([^\[\]]*)\])?[ \t]*", r"\n- \1 ", text)
    text = re.sub(
        r"\\(?:usepackage|hypertarget|label|ref|cite|includegraphics|input|bibliography\w*)(?:\[[^\[\]]*\])?\{[^{}]*\}",
        " ",
        text,
    )
    text = _TEX_COMMAND.sub(" ", text.replace("\\\\", "\n").replace("~", " "))
    text = re.sub(
        r"\\([%&_#$ {}])|[{}]", lambda found: found.group(1) if found.group(1) not in (None, "{", "}") else "", text
    )
    yield from (line.strip() for line in text.replace("``", "“").replace("''", "”").split("\n"))


def _tabular(inner: str) -> list[list[str]]:
    rows = re.split(
        r"\\\\(?:\[[^\[\]]*\])?", re.sub(r"\\(?:[hc]line|toprule|midrule|bottomrule)(?:\{[^{}]*\})?", "", inner)
    )
    return [[" ".join(cell.split()) for cell in re.split(r"(?<!\\)&", row)] for row in rows if row.strip()]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    return pipe_table(rows).split("\n")


_READERS: Final[dict[str, Callable[[str], Iterator[str]]]] = {
    media.RST: _rst,
    media.ORG: _org,
    media.ASCIIDOC: _asciidoc,
    media.TEX: _latex,
}
