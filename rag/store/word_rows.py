"""The rows of the word index: their fields, and how a chunk becomes some of them."""

from __future__ import annotations

from collections.abc import Iterator

import tantivy

from rag.documents import Chunk
from rag.store.fields import FIELDS
from rag.store.lengths import BLANK, MEANS, blanks
from rag.store.rarity import ROW, marks
from rag.store.rows import Facets
from rag.store.terms import Terms
from rag.text.phrases import fold


def schema() -> tantivy.Schema:
    """The fields of a row."""
    builder = tantivy.SchemaBuilder()
    for name, options in FIELDS.items():
        builder.add_text_field(name, **options)
    builder.add_unsigned_field("acl_class", stored=False, indexed=True, fast=True)
    return builder.build()


def rows_of(chunk: Chunk, facet: Facets, terms: Terms) -> Iterator[tantivy.Document]:
    """A chunk's own row, and those of blanks beside it, which go when it goes."""
    found = terms.of_text(chunk.indexed_text)
    even = blanks(**{field: len(found[field]) for field in MEANS})
    filled = {field: " ".join([*own, *[BLANK] * even.own.get(field, 0)]) for field, own in found.items()}
    row = tantivy.Document(
        id=chunk.id,
        source=facet.source,
        document=facet.document,
        language=facet.language,
        exact=fold(chunk.indexed_text),
        marks=marks(found, facet.acl_class),
        **filled,
    )
    row.add_unsigned("acl_class", facet.acl_class)
    yield row
    for lacking in even.beside:
        beside = {field: " ".join([BLANK] * number) for field, number in lacking.items()}
        yield tantivy.Document(id=chunk.id, marks=ROW, **beside)
