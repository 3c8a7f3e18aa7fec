"""Bytes and a media type in, text with sections, pages and tables out; always in a disposable child process.

`ParserPool` is the door. `media_type_of` says what a file is. What follows runs in the child only:

    child → profiles (which parser for which type) → one file a family of formats → draft (the promises of `Parsed`)

`confine` closes the child in, `wire` carries bytes and JSON between the two, `pool` keeps the clock and the scales.
Importing this package loads no parser library. Containers (mail, zip) give their members back as parts; opening those
is the caller's business, as are documents' identities and rights.
"""

from rag.ingest.parse.media import media_type_of
from rag.ingest.parse.pool import ParserPool

__all__ = ["ParserPool", "media_type_of"]
