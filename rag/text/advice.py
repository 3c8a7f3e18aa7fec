"""What whoever owns a file can do about the reason why it is not searchable.

A reason is written once, in English, where it arises; its kind is told by how it begins. Doors say kind and advice in
the reader's language (`failure.KIND` and `failure.KIND.advice` in the texts).
"""

from __future__ import annotations

_KINDS = (
    ("encrypted: needs a password", "password", "Put a copy without a password in its place."),
    ("encrypted", "encrypted_mail", "Save it decrypted from the mail program, in its place."),
    ("no text: scan and OCR is off", "ocr_off", "Switch OCR on for it: ocr in rag.toml."),
    ("no text: picture and OCR is off", "ocr_off", "Switch OCR on for it: ocr in rag.toml."),
    ("no text: ", "no_ocr", "Install an OCR engine: `rag doctor` tells which."),
    ("no text in it", "no_text", "Nothing, unless you see text in it: then save it as PDF."),
    ("there is no text in it", "no_text", "Nothing, unless you see text in it: then save it as PDF."),
    ("empty", "empty", "Nothing, unless it should not be empty: then restore it."),
    ("damaged", "damaged", "Open it and save it again; if it does not open, restore it from a backup."),
    ("its parser", "damaged", "Open it and save it again; if it does not open, restore it from a backup."),
    ("an old Office file", "old_office", "Rename it with the ending of its program."),
    ("no parser for this kind", "kind", "Save it as PDF, or name it under exclude in rag.toml."),
    ("a zip bomb", "bomb", "Do not open it unless you know who made it."),
    ("a bomb", "bomb", "Do not open it unless you know who made it."),
    ("it declares XML entities", "bomb", "Do not open it unless you know who made it."),
    ("nested too deeply", "nested", "Unpack it, and put what is inside beside it."),
    ("no permission", "permission", "Let the account that runs Archivar read it."),
    ("a link", "link", "Give the folder it points to as a source of its own."),
    ("not a regular file", "no_file", "Nothing: only files are read."),
    ("the file changed while", "changing", "Nothing: it is read at the next run."),
    ("the file cannot be read", "disk", "Check the disk or share it lies on."),
    ("too large a picture", "large_picture", "Save it smaller."),
)
_LIMITS = (
    ("ingest.max_body_mb", "too_large", "Split it, or raise ingest.max_body_mb in rag.toml."),
    ("memory", "memory", "Split it, or raise ingest.memory_mb in rag.toml."),
    (" s limit", "slow", "Split it, or raise ingest.timeout_s in rag.toml."),
)
_LONG = ("too_long", "Split it into smaller files.")
_OTHERWISE = ("other", "Open it and save it again, or save it as PDF.")


def to_install(extra: str) -> str:
    """How an extra gets into the environment: from the clone, for Archivar is in no registry of packages."""
    alone = f"`.venv/bin/pip install '.[{extra}]'`"
    return f"In the clone of Archivar run {alone if extra in _NOT_AMONG_EXTRAS else f'`make extras`, or {alone}'}"


_NOT_AMONG_EXTRAS = frozenset({"torch"})
"""What `make extras` leaves out: its build depends on the machine."""

KINDS = (*dict.fromkeys(kind for _, kind, _ in (*_KINDS, *_LIMITS)), _LONG[0], _OTHERWISE[0])
"""Every kind there is."""


def advice(reason: str) -> str:
    """One sentence: what to do so that the document can be found, or that nothing need be done."""
    return _of(reason)[1]


def kind_of(reason: str) -> str:
    """The kind of a reason, in one word that stays the same from version to version."""
    return _of(reason)[0]


def _of(reason: str) -> tuple[str, str]:
    if reason.startswith("over the"):
        return next(((kind, said) for mark, kind, said in _LIMITS if mark in reason), _LONG)
    return next(((kind, said) for beginning, kind, said in _KINDS if reason.startswith(beginning)), _OTHERWISE)
