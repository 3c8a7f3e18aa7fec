"""Installs Archivar from the bundle this file lies in, without any network: ``sudo python3.11 install.py [FOLDER]``.

Nothing but the standard library, in a Python that old ones can read too, so that the wrong one is told in a sentence.
First every file is held against the manifest; what is changed, missing or too many ends it before anything is written.
The environment goes into a folder of its own below FOLDER and `.venv` is pointed to it at the end, so that an upgrade
that breaks half-way leaves what was there.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = Path("/opt/archivar")  # where deploy/archivar.service looks
_PIECE_BYTES = 1 << 20
_SHOWN = 10
_COMPILED = 1.2  # bytes on the disk for each unpacked one: pip compiles what it installs (measured: 1.15)


class Refused(Exception):
    """Why it goes no further, as sentences."""


def main(arguments: "list[str]") -> int:
    """Check, install, put the weights in place, let `rag doctor` look; gives the exit code."""
    parser = argparse.ArgumentParser(description="Install Archivar from this bundle, without any network.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help=f"where to ({FOLDER})")
    parser.add_argument("--check", action="store_true", help="only hold the files against the manifest")
    options = parser.parse_args(arguments)
    os.umask(0o022)  # the service's user has to read what root installs
    try:
        manifest, digest = read_manifest()
        fits(manifest["needs"])
        say(f"Checking {len(manifest['files'])} files against manifest.json (sha256 {digest}) …")
        check_files(manifest["files"])
        say("Every file is the one that was packed.")
        return 0 if options.check else install(manifest, digest, options.folder.absolute())
    except Refused as refused:
        print(refused, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'The disk'}: {error.strerror}. Nothing was switched to.", file=sys.stderr)
    return 1


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, flush=True)


def read_manifest() -> "tuple[dict[str, Any], str]":
    """What the bundle is made of, and the sha256 of the file that says so.

    Raises:
        Refused: there is none, or it cannot be read.
    """
    path = HERE / "manifest.json"
    try:
        content = path.read_bytes()
        return json.loads(content.decode("utf-8")), hashlib.sha256(content).hexdigest()
    except (OSError, ValueError) as error:
        raise Refused(
            f"{path} is missing or damaged. Unpack the bundle again, whole, and run its own install.py."
        ) from error


def fits(needs: "dict[str, str]") -> None:
    """Whether this Python and this machine can use the wheels.

    Raises:
        Refused: another Python, processor, system or C library than they were made for.
    """
    here = "{}.{}".format(*sys.version_info[:2])
    name = platform.python_implementation()
    if (name, here) != (needs["implementation"], needs["python"]):
        raise Refused(
            f"This bundle is for {needs['implementation']} {needs['python']}, and this is {name} "
            f"{platform.python_version()}. Run it with that one (python{needs['python']} install.py), or make a bundle "
            f"for this one (make bundle PYTHON=python{here})."
        )
    if (platform.system(), platform.machine()) != (needs["system"], needs["machine"]):
        raise Refused(
            f"This bundle is for {needs['system']} on {needs['machine']}, and this is {platform.system()} on "
            f"{platform.machine()}. Make it on a machine of the same kind as this one."
        )
    library, version = platform.libc_ver()
    if needs["glibc"] and (library != "glibc" or numbers(version) < numbers(needs["glibc"])):
        raise Refused(
            f"This bundle needs the C library glibc {needs['glibc']} or newer, and this system has "
            f"{library or 'another one'} {version}. It takes a newer system (Debian 12, Ubuntu 22.04, RHEL 9 have it), "
            f"or a bundle made on one as old as this."
        )


def numbers(version: str) -> "list[int]":
    """A version, to be compared."""
    return [int(part) for part in version.split(".")]


def check_files(files: "dict[str, dict[str, Any]]") -> None:
    """Whether the bundle is what its manifest says, no more and no less.

    Raises:
        Refused: names what is changed, missing or too many.
    """
    there = {path.relative_to(HERE).as_posix(): path for path in HERE.rglob("*") if is_a_file(path)}
    there.pop("manifest.json", None)
    wrong = [f"missing: {name}" for name in sorted(files.keys() - there.keys())]
    wrong += [f"not in the manifest: {name}" for name in sorted(there.keys() - files.keys())]
    for name in sorted(files.keys() & there.keys()):
        path = there[name]
        if path.is_symlink() or path.stat().st_size != files[name]["bytes"] or sha256(path) != files[name]["sha256"]:
            wrong.append(f"changed: {name}")
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise Refused(
            "Nothing was installed: this bundle is not what was packed.\n  "
            + "\n  ".join(wrong[:_SHOWN] + more)
            + "\nCopy it again, and compare its sha256 with the one told where it was made."
        )


def is_a_file(path: Path) -> bool:
    """Anything but a folder; a link counts, wherever it leads."""
    return path.is_symlink() or not path.is_dir()


def sha256(path: Path) -> str:
    """Of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        for piece in iter(lambda: content.read(_PIECE_BYTES), b""):
            digest.update(piece)
    return digest.hexdigest()


def install(manifest: "dict[str, Any]", digest: str, folder: Path) -> int:
    """Everything that is written; gives the exit code of `rag doctor`.

    Raises:
        Refused: a clone is there, the disk is too small, Python or pip cannot do it.
    """
    current = folder / ".venv"
    if current.exists() and not current.is_symlink():
        raise Refused(f"{current} was not made by this program (a clone's?). Name another folder, or move it away.")
    environment = folder / "venvs" / f"{manifest['version']}-{digest[:12]}"
    there = current.is_symlink() and current.resolve() == environment.resolve() and environment.is_dir()
    check_room(folder, manifest, environment_is_there=there)
    if there:
        say(f"The program of this bundle is installed in {folder} already; looking at the rest.")
    else:
        make_environment(environment)
    place(folder, manifest["files"])
    names = sorted({name.split("/")[1] for name in manifest["files"] if name.startswith("models/")})
    with tempfile.TemporaryDirectory() as home:
        if names and rag(environment, folder, home, ["models", "fetch", *names]):
            raise Refused("The weights are not those the program knows, so nothing was switched to.")
        point(current, environment)
        said = rag(environment, folder, home, ["doctor"])
    say(f"\nInstalled in {folder}. Go on with:\n  export RAG_MODELS={folder}/models\n  {current}/bin/rag ingest FOLDER")
    say(f'  {current}/bin/rag ask "…"\nAs a service: "Under systemd" in {folder}/README.md.')
    if said:
        print("`rag doctor` has found something to mend (above, marked ✗).", file=sys.stderr)
    return said


def check_room(folder: Path, manifest: "dict[str, Any]", *, environment_is_there: bool) -> None:
    """Whether the disk holds it.

    Raises:
        Refused: it does not; says how much it takes.
    """
    weights = [one for one in manifest["files"] if one.startswith("models/") and not (folder / one).exists()]
    wanted = sum(manifest["files"][one]["bytes"] for one in weights)
    wanted += 0 if environment_is_there else int(manifest["unpacked_bytes"] * _COMPILED)
    above = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(str(above)).free
    if free < wanted:
        raise Refused(
            f"{above} has {free / 1e9:.1f} GB free, and this takes {wanted / 1e9:.1f} GB. Make room, or name another "
            f"folder: install.py FOLDER"
        )


def make_environment(environment: Path) -> None:
    """A virtual environment with the bundle's wheels, each held against its hash by pip.

    Raises:
        Refused: this Python has no venv, or pip refused.
    """
    try:
        import ensurepip  # noqa: F401  # only whether it is there
    except ImportError as error:
        raise Refused(
            "This Python cannot make environments: its module ensurepip is missing. Install the system's package for "
            "it from its own medium (Debian and Ubuntu: python{}.{}-venv).".format(*sys.version_info[:2])
        ) from error
    if environment.exists():  # an attempt that broke
        shutil.rmtree(str(environment))
    environment.parent.mkdir(parents=True, exist_ok=True)
    say(f"Installing into {environment} (a minute or two) …")
    python = str(environment / "bin" / "python")
    run([sys.executable, "-I", "-m", "venv", str(environment)])
    pip = [python, "-I", "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "install"]
    held = ["--no-index", "--find-links", str(HERE / "wheels"), "--require-hashes", "--only-binary=:all:"]
    run([*pip, "--quiet", *held, "-r", str(HERE / "requirements.txt")])


def run(command: "list[str]") -> None:
    """Run a program that says nothing when it is well; no setting of pip's reaches it.

    Raises:
        Refused: it failed; carries the end of what it said.
    """
    done = subprocess.run(
        command,
        check=False,
        env=dict(os.environ, PIP_CONFIG_FILE=os.devnull),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-_SHOWN:]
        raise Refused("Nothing was switched to: {} failed.\n  {}".format(" ".join(command[2:5]), "\n  ".join(said)))


def place(folder: Path, files: "dict[str, dict[str, Any]]") -> None:
    """The weights below FOLDER/models, the papers (README, deploy/, data/) below FOLDER."""
    for name in sorted(files):
        if not name.startswith(("models/", "papers/")):
            continue
        path = folder / (name if name.startswith("models/") else name.split("/", 1)[1])
        if path.is_file() and path.stat().st_size == files[name]["bytes"] and sha256(path) == files[name]["sha256"]:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        shutil.copyfile(str(HERE / name), str(part))
        part.replace(path)


def rag(environment: Path, folder: Path, home: str, arguments: "list[str]") -> int:
    """Run the installed program away from anybody's home and settings; gives its exit code."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "PYTHON"))}
    environ = dict(own, HOME=home, RAG_HOME=str(Path(home) / "rag"), RAG_MODELS=str(folder / "models"))
    command = [str(environment / "bin" / "rag"), *arguments]
    return subprocess.run(command, check=False, cwd=home, env=environ).returncode


def point(link: Path, environment: Path) -> None:
    """Let `.venv` be this environment, from one moment to the next."""
    draft = link.with_name(".venv.part")
    if draft.is_symlink():
        draft.unlink()
    draft.symlink_to(os.path.relpath(str(environment), str(link.parent)))
    draft.replace(link)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
