"""What Chroma's files may say of the collection.

Chroma builds, on a write, whatever embedding function they name: a way to run code from a changed file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def names_code(stored: object) -> bool:
    """Whether an embedding function is named. Ours are written without one, which Chroma notes as "legacy" and
    "unknown"."""
    return any(kind not in ("legacy", "unknown") for kind in _embedding_functions(stored))


def _embedding_functions(stored: object) -> Iterator[object]:
    if isinstance(stored, Mapping):
        for name, value in stored.items():
            if name == "embedding_function" and value is not None:
                yield value.get("type") if isinstance(value, Mapping) else value
            else:
                yield from _embedding_functions(value)
    elif isinstance(stored, (list, tuple)):
        for value in stored:
            yield from _embedding_functions(value)
