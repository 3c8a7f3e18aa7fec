"""A page that a person keeps or prints: one file of HTML, with no script and nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2.5rem auto;padding:0 1rem;color:#1d2126}"
    "h1{font-size:1.6rem}h2{font-size:1.1rem;margin-top:1.8rem}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #dcdfe3}"
    "code,td{overflow-wrap:anywhere}.verdict{font-size:1.2rem;font-weight:600}.erased{color:#1b6b36}.remains{color:#a3231b}"
    "blockquote{margin:.4rem 0;padding-left:.8rem;border-left:3px solid #dcdfe3}@media print{body{margin:0}}"
)


def page(title: str, body: str, *, language: str) -> str:
    """The whole page; `body` is HTML."""
    head = '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    head += "style-src 'unsafe-inline'\">"
    return (
        f'<!doctype html>\n<html lang="{escape(language)}"><head>{head}<title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def table(rows: Iterable[Sequence[object]], *, head: Sequence[str] = ()) -> str:
    """Rows of plain values; `head` is HTML."""
    first = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{f'<tr>{first}</tr>' if head else ''}{lines}</table>"


def listed(rows: Iterable[str]) -> str:
    """Plain texts as a list."""
    return f"<ul>{''.join(f'<li>{escape(row)}</li>' for row in rows)}</ul>"
