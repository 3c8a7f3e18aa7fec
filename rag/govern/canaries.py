"""Stretches of what is erased, in every form in which bytes may hold them: text in its encodings, vectors as rows.

Nothing here looks at a file; `rag.govern.byte_search` does. A stretch that another, living document holds too proves
nothing and is taken out by `rag.govern.living` before the search.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote

import numpy as np

from rag.govern.needles import Kind, Needle
from rag.ports import Vector

STRETCH = 28
"""Code points: long enough for 24 bytes in every form, base64 without its ends included."""

_PER_CHUNK = 4
_STEPS = (0, -9, 9, -18, 18)
_PER_VECTOR = 3
_FLOATS = 12  # of a vector a needle is made of: 24 bytes as float16, cut to six as float32
_ULPS = 3
_LEAST_NAME = 12  # bytes; a shorter title would be found by chance
_TELLING = re.compile(r"[^\W_]")


def stretches_of(text: str) -> list[str]:
    """Up to four distinctive stretches of a text, spread over it, each the one of most different letters round about;
    all of it where it is short."""
    if len(text) <= STRETCH:
        return [text] if _tells(text) else []
    last = len(text) - STRETCH
    found: dict[str, None] = {}
    for number in range(_PER_CHUNK):
        place = last * number // (_PER_CHUNK - 1)
        near = {min(last, max(0, place + step)) for step in _STEPS}
        best = max((text[start : start + STRETCH] for start in sorted(near)), key=lambda stretch: len(set(stretch)))
        if _tells(best):
            found[best] = None
    return list(found)


def text_needles(stretch: str, number: int) -> Iterator[Needle]:
    """A stretch in every form it may stand in; forms that are the same bytes come once."""
    forms: dict[bytes, Kind] = {}
    for kind, form in _forms(stretch):
        forms.setdefault(form, kind)
    return (Needle(form, kind, number) for form, kind in forms.items())


def name_needles(name: str, number: int) -> Iterator[Needle]:
    """A title, a path or a person's name, as far as it is long enough to be told from chance; the end of a long one,
    for it is the end in which paths differ."""
    if len(name.encode("utf-8", "surrogatepass")) < _LEAST_NAME:
        return iter(())
    own = text_needles(name[-STRETCH:] if len(name) > STRETCH else name, number)
    return (Needle(content, Kind.NAME, number) for content, kind, _ in own if kind not in (Kind.BASE64, Kind.HEX))


def vector_needles(vector: Vector, number: int) -> Iterator[Needle]:
    """Parts of a vector as float32, as it is and brought to length 1 by whoever stored it, float64 and float16."""
    last = max(0, len(vector) - _FLOATS)
    for place in sorted({last * part // max(1, _PER_VECTOR - 1) for part in range(_PER_VECTOR)}):
        part = vector[place : place + _FLOATS].astype("<f4")
        if np.count_nonzero(part) < len(part) // 2:
            continue  # mostly zeros: it would be found by chance
        for form in _scaled(part, float(np.linalg.norm(vector.astype(np.float64)))):
            yield Needle(form.tobytes(), Kind.FLOAT32, number)
        yield Needle(part.astype("<f8").tobytes(), Kind.FLOAT64, number)
        yield Needle(part.astype("<f2").tobytes(), Kind.FLOAT16, number)


def _scaled(part: Vector, length: float) -> Iterable[Vector]:
    """The same, and divided by the vector's length, however the last bit of that was rounded."""
    whole = {part.tobytes(): part}
    factor = np.float32(1.0 / length) if length else np.float32(1.0)
    for _ in range(_ULPS):
        factor = np.nextafter(factor, np.float32(0))
    for _ in range(2 * _ULPS + 1):
        scaled = (part * factor).astype("<f4")
        whole.setdefault(scaled.tobytes(), scaled)
        factor = np.nextafter(factor, np.float32(2))
    return whole.values()


def _forms(stretch: str) -> Iterator[tuple[Kind, bytes]]:
    plain = stretch.encode("utf-8", "surrogatepass")
    yield Kind.TEXT, plain
    for kind, form in ((Kind.TEXT_NFC, "NFC"), (Kind.TEXT_NFC, "NFKC"), (Kind.TEXT_NFD, "NFD")):
        yield kind, unicodedata.normalize(form, stretch).encode("utf-8", "surrogatepass")  # type: ignore[arg-type]  # one of the three
    for lowered in (stretch.lower(), stretch.casefold(), unicodedata.normalize("NFC", stretch).lower()):
        yield Kind.LOWERED, lowered.encode("utf-8", "surrogatepass")
    yield Kind.UTF_16_LE, stretch.encode("utf-16-le", "surrogatepass")
    yield Kind.UTF_16_BE, stretch.encode("utf-16-be", "surrogatepass")
    for narrow in ("latin-1", "cp1252"):
        try:
            yield Kind.LATIN_1, stretch.encode(narrow)
        except UnicodeEncodeError:
            continue
    yield Kind.JSON, json.dumps(stretch)[1:-1].encode("ascii")
    yield Kind.JSON, json.dumps(stretch, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
    yield from _base64(plain)
    yield Kind.HEX, plain.hex().encode("ascii")
    yield Kind.HEX, plain.hex().upper().encode("ascii")
    yield Kind.PERCENT, quote(plain).encode("ascii")


def _base64(plain: bytes) -> Iterator[tuple[Kind, bytes]]:
    """At its three offsets, without the letters that hang on what stands before and after; both alphabets."""
    encoders: Sequence[Callable[[bytes], bytes]] = (base64.b64encode, base64.urlsafe_b64encode)
    for encode in encoders:
        for offset in range(3):
            whole = encode(bytes(offset) + plain)
            yield Kind.BASE64, whole[4 if offset else 0 : -4]


def _tells(stretch: str) -> bool:
    """Whether it is told from blanks, rules and rows of one letter."""
    return len({letter for letter in stretch if _TELLING.match(letter)}) >= 5
