"""What whoever owns a file can do about the reason why it is not searchable."""

from __future__ import annotations

_ADVICE = (
    ("encrypted: needs a password", "Put a copy without a password in its place."),
    ("encrypted", "Save it decrypted from the mail program, in its place."),
    ("no text: scan and OCR is off", "Switch OCR on for it: ocr in rag.toml."),
    ("no text: picture and OCR is off", "Switch OCR on for it: ocr in rag.toml."),
    ("no text: ", "Install an OCR engine: `rag doctor` tells which."),
    ("no text in it", "Nothing, unless you see text in it: then save it as PDF."),
    ("empty", "Nothing, unless it should not be empty: then restore it."),
    ("damaged", "Open it and save it again; if it does not open, restore it from a backup."),
    ("its parser", "Open it and save it again; if it does not open, restore it from a backup."),
    ("an old Office file", "Rename it with the ending of its program."),
    ("no parser for this kind", "Save it as PDF, or name it under exclude in rag.toml."),
    ("a zip bomb", "Do not open it unless you know who made it."),
    ("a bomb", "Do not open it unless you know who made it."),
    ("it declares XML entities", "Do not open it unless you know who made it."),
    ("nested too deeply", "Unpack it, and put what is inside beside it."),
    ("no permission", "Let the account that runs Archivar read it."),
    ("a link", "Give the folder it points to as a source of its own."),
    ("not a regular file", "Nothing: only files are read."),
    ("the file changed while", "Nothing: it is read at the next run."),
    ("the file cannot be read", "Check the disk or share it lies on."),
    ("too large a picture", "Save it smaller."),
)
_LIMITS = (
    ("ingest.max_body_mb", "Split it, or raise ingest.max_body_mb in rag.toml."),
    ("memory", "Split it, or raise ingest.memory_mb in rag.toml."),
    (" s limit", "Split it, or raise ingest.timeout_s in rag.toml."),
)
_OTHERWISE = "Open it and save it again, or save it as PDF."


def advice(reason: str) -> str:
    """One sentence: what to do so that the document can be found, or that nothing need be done."""
    if reason.startswith("over the"):
        return next((said for mark, said in _LIMITS if mark in reason), "Split it into smaller files.")
    return next((said for beginning, said in _ADVICE if reason.startswith(beginning)), _OTHERWISE)
