"""Build ``data/sample`` from the source texts in ``tests/sample/texts``.

A development tool, not part of the product: it needs reportlab, python-docx, python-pptx, openpyxl, pillow and
pypdfium2 (all BSD, MIT, HPND or Apache), and is run by hand after a text was changed::

    python tests/sample/build_sample.py            # writes every document again
    python -m pytest tests/sample                  # the questions still match the documents

``texts/personal/x.pdf.md`` becomes ``data/sample/personal/x.pdf``; ``texts/vertrieb/y.eml.d/z.docx.md`` becomes the
attachment ``z.docx`` of ``data/sample/vertrieb/y.eml``. Front matter: ``title``, ``lang``, ``date`` always; ``font``,
``header``, ``footer``, ``scan``, ``encoding`` and mail headers where they apply. The built files are committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import write_flow
import write_office
from source_text import Source, load_source

HERE = Path(__file__).parent
TEXTS = HERE / "texts"
SAMPLE = HERE.parents[1] / "data" / "sample"

WRITERS = {
    ".pdf": write_flow.pdf,
    ".txt": write_flow.text,
    ".md": write_flow.text,
    ".html": write_flow.web_page,
    ".docx": write_office.word,
    ".pptx": write_office.slides,
    ".xlsx": write_office.workbook,
    ".odt": write_office.open_document,
    ".csv": write_office.table_text,
}


def build(texts: Path = TEXTS, target: Path = SAMPLE) -> int:
    """Write every document below ``target``; returns how many."""
    sources = [load_source(path) for path in sorted(texts.glob("*/*.md"))]
    for source in sources:
        name = source.path.relative_to(texts).with_suffix("")  # drops the outer .md
        out = target / name
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(_content(source))
    return len(sources)


def _content(source: Source) -> bytes:
    suffix = source.path.with_suffix("").suffix
    if suffix != ".eml":
        return WRITERS[suffix](source)
    folder = source.path.parent / (source.path.with_suffix("").name + ".d")
    attachments = {path.with_suffix("").name: _content(load_source(path)) for path in folder.glob("*.md")}
    return write_flow.mail(source, attachments)


if __name__ == "__main__":
    print(f"{build()} documents below {SAMPLE}", file=sys.stderr)
