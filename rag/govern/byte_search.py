"""Searches the raw bytes of every file below some directories for a set of needles, in one pass.

In a process of its own, ``python -m rag.govern.byte_search DIRECTORY…``: to open and close a file that SQLite has open
in this process would drop its locks (POSIX), and questions are answered meanwhile.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.errors import StoreError
from rag.govern.needles import LONGEST, Kind, Needles, Table

_BLOCK_BYTES = 1 << 22
_THREADS = 2
_TOLD_BYTES = 1 << 26


@dataclass(slots=True, kw_only=True)
class Searched:
    """What was looked at and what was found. Names are paths below the directory.

    `found`: file → the numbers of the needles that stand in it. `unread` are files that could not be read, with
    the reason; `passed_over` are sockets, links and devices.
    """

    files: int = 0
    bytes: int = 0
    found: dict[str, set[int]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)

    def stretches(self, needles: Needles) -> set[int]:
        """The numbers of the stretches that were found in some form."""
        numbers = sorted(set().union(*self.found.values()))
        return set(needles.stretches[numbers].tolist())

    def remains(self, needles: Needles, living: Collection[int]) -> dict[str, dict[str, int]]:
        """File → kind of needle → how many different needles stand there, of stretches that do not live on."""
        left: dict[str, dict[str, int]] = {}
        for name, numbers in self.found.items():
            own = [number for number in numbers if int(needles.stretches[number]) not in living]
            if own:
                left[name] = dict(Counter(Kind(needles.kinds[number]).name.lower() for number in own))
        return left


def search(
    directory: Path,
    needles: Needles,
    *,
    also: Sequence[Path] = (),
    progress: Callable[[int], None] = lambda done: None,
) -> Searched:
    """Look through every file of a directory, and of others, hidden ones included; links are not followed. `progress`
    is told the bytes so far.

    A file that goes away meanwhile is no finding; one that grows is read as far as it was when its turn came.

    Raises:
        StoreError: the search came to no end.
    """
    command = [sys.executable, "-m", "rag.govern.byte_search", str(directory), *map(str, also)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as child:  # noqa: S603  # ours
        last = b""
        with suppress(BrokenPipeError):
            child.stdin.write(needles.as_bytes())  # type: ignore[union-attr]  # it is a pipe
            child.stdin.close()  # type: ignore[union-attr]
        for last in child.stdout or ():
            if last.strip().isdigit():
                progress(int(last))
        code = child.wait()
    if code:
        raise StoreError(f"The search of the files came to no end (it ended with {code}). Run it again.")
    found = json.loads(last)
    return Searched(**found | {"found": {name: set(numbers) for name, numbers in found["found"].items()}})


def main(arguments: Sequence[str]) -> int:
    """Search for the needles on standard input; the bytes so far and then the finding, as JSON, go to stdout."""
    needles = Needles.from_bytes(sys.stdin.buffer.read())
    searched = Searched()
    directory, *others = map(Path, arguments)
    for place in (directory, *others):
        _search(place, "" if place == directory else f"{place.name}/", needles, searched)
    found = asdict(searched) | {"found": {name: sorted(numbers) for name, numbers in searched.found.items()}}
    sys.stdout.write(f"{json.dumps(found)}\n")
    return 0


def _search(directory: Path, prefix: str, needles: Needles, searched: Searched) -> None:
    table, told = needles.table(), 0
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="search") as pool:
        for short, path in _files(directory, searched):
            name = prefix + short
            seen: set[int] = set()
            try:
                size = path.stat().st_size
                look = partial(_looked, path, needles, table)
                for done, hits in pool.map(look, range(0, size, _BLOCK_BYTES)):
                    searched.bytes += done
                    seen.update(hits)
                    if searched.bytes > told + _TOLD_BYTES:
                        told = searched.bytes
                        sys.stdout.write(f"{told}\n")
                        sys.stdout.flush()
            except FileNotFoundError:
                continue
            except OSError as error:
                searched.unread[name] = error.strerror or str(error)
                continue
            searched.files += 1
            if seen:
                searched.found[name] = seen


def standing_in(texts: Iterable[tuple[str, bytes]], needles: Needles) -> dict[int, set[str]]:
    """Stretch → the names under which it stands in the texts; for texts that live on."""
    table = needles.table()
    found: dict[int, set[str]] = {}
    for names, starts, content in _joined(texts):
        hits = needles.hits(content, table)
        owners = np.searchsorted(starts, hits.places, "right") - 1
        pairs = np.unique(np.stack([needles.stretches[hits.needles], owners], axis=1), axis=0)
        for stretch, owner in pairs.tolist():
            found.setdefault(stretch, set()).add(names[owner])
    return found


def _joined(texts: Iterable[tuple[str, bytes]]) -> Iterator[tuple[list[str], NDArray[np.intp], NDArray[np.uint8]]]:
    """Some megabytes of texts at a time, apart from each other; where each begins."""
    names: list[str] = []
    parts: list[bytes] = []
    size = 0
    for name, content in texts:
        names.append(name)
        parts.append(content + b"\0" * LONGEST)
        size += len(parts[-1])
        if size >= _BLOCK_BYTES:
            yield _together(names, parts)
            names, parts, size = [], [], 0
    if parts:
        yield _together(names, parts)


def _together(names: list[str], parts: list[bytes]) -> tuple[list[str], NDArray[np.intp], NDArray[np.uint8]]:
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return names, starts, np.frombuffer(b"".join(parts), np.uint8)


def _files(directory: Path, searched: Searched) -> Iterator[tuple[str, Path]]:
    for above, folders, names in os.walk(directory, onerror=lambda error: _unlisted(searched, directory, error)):
        folders.sort()
        for name in sorted(names):
            path = Path(above) / name
            short = str(path.relative_to(directory))
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            if stat.S_ISREG(mode):
                yield short, path
            else:
                searched.passed_over.append(short)
        searched.passed_over += [
            str((Path(above) / name).relative_to(directory)) for name in folders if (Path(above) / name).is_symlink()
        ]


def _unlisted(searched: Searched, directory: Path, error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        searched.unread[os.path.relpath(error.filename, directory)] = error.strerror or str(error)


def _looked(path: Path, needles: Needles, table: Table, start: int) -> tuple[int, set[int]]:
    """One block of a file, with as much of the one before as a needle may reach into it: how many bytes are new, and
    the needles in it."""
    before = min(start, LONGEST - 1)
    with path.open("rb", buffering=0) as file:
        content = os.pread(file.fileno(), _BLOCK_BYTES + before, start - before)
    hits = needles.hits(np.frombuffer(content, np.uint8), table)
    return max(0, len(content) - before), set(np.unique(hits.needles).tolist())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
