"""``python -m deploy.bundle``: everything a machine without internet needs, in one file. `make bundle` runs it.

    archivar-0.1.0-cp311-linux-x86_64.tar
      install.py          checks all of it, then installs it (deploy/install.py)
      manifest.json       each file's sha256 and size, each package's version and licence, what the target has to be
      requirements.txt    the wheels with their hashes, for pip to hold them against
      wheels/  models/    the libraries; the weights
      papers/             README, LICENSE, units and proxies of deploy/, the sample company

It has to run with the Python, the processor and the system of the target. The same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path

from rag.errors import RagError
from rag.models.catalogue import default_directory
from rag.models.weights import find

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ("e5-small", "qwen2.5-1.5b")
"""What the default settings use."""

_DEPLOY = ("archivar.service", "archivar-bot@.service", "nginx.conf", "Caddyfile", "alerts.yaml")
_LICENCE = "Apache-2.0"
_SOURCE = "atomicwrites"  # of the extras; there is no wheel of it, so pip builds one from the source in the lock
_OLD_TAGS = {"manylinux1": "2_5", "manylinux2010": "2_12", "manylinux2014": "2_17"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of the bundle: `name` inside it, where it lies now, and what the manifest tells besides its hash."""

    name: str
    path: Path
    told: Mapping[str, str] = field(default_factory=dict)


def main(arguments: Sequence[str]) -> None:
    """Make the bundle below `--out`."""
    about = "Pack Archivar for a machine without internet."
    parser = argparse.ArgumentParser(prog="python -m deploy.bundle", description=about)
    parser.add_argument("weights", nargs="*", default=WEIGHTS, help=f"models to pack ({' '.join(WEIGHTS)})")
    parser.add_argument("--extras", action="store_true", help="what chat bots, recordings and tracing need, too")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR")
    options = parser.parse_args(arguments)
    lock = ROOT / ("requirements-extras.lock" if options.extras else "requirements.lock")
    try:
        models = list(weights(options.weights, default_directory(os.environ)))
    except RagError as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory() as scratch:
        print("Fetching the wheels …", flush=True)
        libraries, own = Path(scratch) / "wheels", Path(scratch) / "own"
        pip("wheel", "--require-hashes", "--only-binary=:all:", f"--no-binary={_SOURCE}", "-r", lock, "-w", libraries)
        pip("wheel", "--no-build-isolation", "--no-deps", "-w", own, ROOT)
        archivar = next(own.glob("archivar-*.whl"))
        print("Packing …", flush=True)
        made = pack(options.out, [*sorted(libraries.iterdir()), archivar], [*models, *papers()], extras=options.extras)
    sha256 = made.with_name(made.name + ".sha256").read_text(encoding="utf-8").split()[0]
    print(f"{made}, {made.stat().st_size / 1e9:.2f} GB")
    print(f"sha256 {sha256}: take this number along another way, and compare it there.")


def pip(*arguments: str | Path) -> None:
    """Run pip with the user's own configuration; what it says on failure is what there is to say."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", *map(str, arguments)]
    if subprocess.run(command, check=False).returncode:
        sys.exit("The bundle was not made: pip could not fetch or build what is named above.")


def weights(names: Iterable[str], directory: Path) -> Iterator[Entry]:
    """The files of models that are whole here, every byte read again.

    Raises:
        ModelUnavailable: one is not; names the command that fetches it.
    """
    for name in names:
        found = find(name, directory=directory, verify=True)
        model = found.model
        listed = model.files if found.sha256 == model.weights.sha256 else model.packaged
        told = {"model": model.title, "licence": model.licence, "quality": found.quality.value}
        for file in (*(file.name for file in listed), *model.written):
            yield Entry(name=f"models/{name}/{file}", path=found.directory / file, told=told)


def papers() -> Iterator[Entry]:
    """What is read beside the program, or tried with it."""
    files = [ROOT / name for name in ("README.md", "CHANGELOG.md", "LICENSE")]
    files += [ROOT / "deploy" / name for name in _DEPLOY]
    files += sorted(
        path for name in ("sample", "golden") for path in (ROOT / "data" / name).rglob("*") if path.is_file()
    )
    for path in files:
        yield Entry(name=f"papers/{path.relative_to(ROOT).as_posix()}", path=path, told={"licence": _LICENCE})


def pack(out: Path, wheels: Sequence[Path], others: Iterable[Entry], *, extras: bool = False) -> Path:
    """Write the bundle and, beside it, its sha256; gives its path. The last of the wheels is Archivar's own; with
    `extras` the name says so."""
    own = metadata(wheels[-1])
    needs = wanted(wheels)
    runs_on = f"cp{needs['python'].replace('.', '')}-{needs['system'].lower()}-{needs['machine']}"
    stem = "-".join(["archivar", own["version"], *(["extras"] if extras else []), runs_on])
    entries = [Entry(name=f"wheels/{path.name}", path=path, told=metadata(path)) for path in wheels]
    texts = {"requirements.txt": "".join(map(_pinned, entries)).encode()}
    entries += [*others, Entry(name="install.py", path=ROOT / "deploy" / "install.py", told={"licence": _LICENCE})]
    files = {one.name: {"sha256": _sha256(one.path), "bytes": one.path.stat().st_size, **one.told} for one in entries}
    files |= {name: {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)} for name, text in texts.items()}
    manifest = {
        "version": own["version"],
        "needs": needs,
        "unpacked_bytes": sum(map(_unpacked, wheels)),
        "files": files,
    }
    texts["manifest.json"] = (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    out.mkdir(parents=True, exist_ok=True)
    made = out / f"{stem}.tar"
    _write(made, stem, entries, texts)
    made.with_name(made.name + ".sha256").write_text(f"{_sha256(made)}  {made.name}\n", encoding="utf-8")
    return made


def wanted(wheels: Iterable[Path]) -> dict[str, str]:
    """What the target has to be: as this machine, with a C library new enough for every wheel."""
    versions = [glibc(path.name) for path in wheels]
    return {
        "implementation": platform.python_implementation(),
        "python": "{}.{}".format(*sys.version_info[:2]),
        "system": platform.system(),
        "machine": platform.machine(),
        "glibc": ".".join(map(str, max(versions))) if any(versions) else "",
    }


def glibc(wheel: str) -> tuple[int, ...]:
    """The oldest glibc a wheel runs with, by its name's tags; empty where it needs none."""
    tags = wheel.removesuffix(".whl").rsplit("-", 1)[-1]
    for old, new in _OLD_TAGS.items():
        tags = tags.replace(f"{old}_", f"manylinux_{new}_")
    return min(((int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)_", tags)), default=())


def metadata(wheel: Path) -> dict[str, str]:
    """Name, version and licence of a package, as its wheel tells them."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        told = HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))
    classified = [
        line.rsplit(" :: ", 1)[-1] for line in told.get_all("Classifier", []) if line.startswith("License ::")
    ]
    licence = told["License-Expression"] or ", ".join(classified) or (told["License"] or "").strip().partition("\n")[0]
    return {"package": told["Name"], "version": told["Version"], "licence": licence or "not told"}


def _pinned(wheel: Entry) -> str:
    return f"{wheel.told['package']}=={wheel.told['version']} --hash=sha256:{_sha256(wheel.path)}\n"


def _unpacked(wheel: Path) -> int:
    with zipfile.ZipFile(wheel) as archive:
        return sum(member.file_size for member in archive.infolist())


def _write(made: Path, stem: str, entries: Iterable[Entry], texts: Mapping[str, bytes]) -> None:
    """One tar, without times, owners or anything else of this machine; its name only once it is whole."""
    part = made.with_name(made.name + ".part")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in texts.items():
            tar.addfile(_member(f"{stem}/{name}", len(text)), io.BytesIO(text))
        for entry in entries:
            with entry.path.open("rb") as content:
                tar.addfile(_member(f"{stem}/{entry.name}", entry.path.stat().st_size), content)
    part.replace(made)


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:])
