"""The bundle for machines without internet: packed and installed as it is, but with a wheel of a few lines and weights
of a few bytes. The whole one is made and installed by hand, in an empty network (README, "Without internet")."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy import bundle, install
from rag.errors import ModelUnavailable
from rag.models.catalogue import default_directory

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys, os\ndef main():\n    print('rag', *sys.argv[1:], os.environ['RAG_MODELS'])\n    return {code}\n"
NEEDS = {
    "implementation": platform.python_implementation(),
    "python": "{}.{}".format(*sys.version_info[:2]),
    "system": platform.system(),
    "machine": platform.machine(),
    "glibc": "2.17",
}


def wheel(folder: Path, *, version: str = "1.0", code: int = 0, told: str = "License-Expression: MIT") -> Path:
    """A package `archivar` whose `rag` says how it was called, and ends with `code`."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"archivar-{version}-py3-none-any.whl", f"archivar-{version}.dist-info"
    members = {
        "said.py": PROGRAM.format(code=code),
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: archivar\nVersion: {version}\n{told}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nrag = said:main\n",
    }
    record = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (members | {f"{info}/RECORD": record}).items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return path


def packed(folder: Path, **built: object) -> Path:
    """A small bundle."""
    weights = folder / "tiny.gguf"
    weights.write_bytes(b"weights")
    entry = bundle.Entry(name="models/tiny/tiny.gguf", path=weights, told={"licence": "MIT"})
    own = wheel(folder / "own", **built)  # type: ignore[arg-type]  # the keywords of `wheel`
    return bundle.pack(folder / "out", [own], [entry, *bundle.papers()])


def unpacked(tar: Path, folder: Path) -> Path:
    """The folder with its install.py, as the administrator has it."""
    with tarfile.open(tar) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


def run_install(
    unpacked: Path, *arguments: str | Path, proxy: str = "http://127.0.0.1:9"
) -> subprocess.CompletedProcess[str]:
    """With nobody's home, and a proxy through which every way out leads."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "HTTPS_PROXY": proxy, "PIP_INDEX_URL": proxy}
    command = [sys.executable, str(unpacked / "install.py"), *map(str, arguments)]
    return subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True)


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("packed"))


@pytest.fixture
def there(tar: Path, tmp_path: Path) -> Path:
    return unpacked(tar, tmp_path / "unpacked")


def test_a_bundle_installs_without_an_index_and_an_upgrade_that_breaks_leaves_it(there: Path, tmp_path: Path) -> None:
    folder = tmp_path / "archivar"
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        done = run_install(there, folder, proxy=f"http://127.0.0.1:{proxy.getsockname()[1]}")
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("rag ")] == [
        f"rag models fetch tiny {folder}/models",
        f"rag doctor {folder}/models",
    ]
    assert (folder / "models/tiny/tiny.gguf").read_bytes() == b"weights"
    assert (folder / "deploy/archivar.service").is_file()
    assert (folder / "data/sample").is_dir()
    asked = subprocess.run(
        [folder / ".venv/bin/rag", "ask"], env={"RAG_MODELS": "here"}, capture_output=True, text=True, check=True
    )
    assert asked.stdout == "rag ask here\n"

    again = run_install(there, folder)
    assert (again.returncode, "is installed" in again.stdout) == (0, True)

    (tmp_path / "next").mkdir()
    newer = unpacked(packed(tmp_path / "next", version="2.0", code=1), tmp_path / "newer")
    failed = run_install(newer, folder)
    assert failed.returncode == 1
    assert "nothing was switched to" in failed.stderr
    assert (folder / ".venv").resolve().name.startswith("1.0-")


def change(there: Path) -> str:
    (there / "models/tiny/tiny.gguf").write_bytes(b"weighty")
    return "changed: models/tiny/tiny.gguf"


def take_away(there: Path) -> str:
    (there / "wheels/archivar-1.0-py3-none-any.whl").unlink()
    return "missing: wheels/archivar-1.0-py3-none-any.whl"


def add(there: Path) -> str:
    (there / "wheels/more-1.0-py3-none-any.whl").write_bytes(b"")
    return "not in the manifest: wheels/more-1.0-py3-none-any.whl"


def replace_by_a_link(there: Path) -> str:
    path = there / "papers/LICENSE"
    path.rename(there.parent / "LICENSE")
    path.symlink_to(there.parent / "LICENSE")
    return "changed: papers/LICENSE"


def add_a_link_to_a_folder(there: Path) -> str:
    (there / "wheels/more").symlink_to("/usr")
    return "not in the manifest: wheels/more"


def lose_the_manifest(there: Path) -> str:
    (there / "manifest.json").unlink()
    return "manifest.json is missing or damaged"


@pytest.mark.parametrize(
    "tamper", [change, take_away, add, replace_by_a_link, add_a_link_to_a_folder, lose_the_manifest]
)
def test_a_bundle_that_is_not_what_was_packed_is_refused_by_the_file_s_name(
    tamper: Callable[[Path], str], there: Path, tmp_path: Path
) -> None:
    named = tamper(there)
    done = run_install(there, tmp_path / "archivar")
    assert done.returncode == 1
    assert named in done.stderr
    assert not (tmp_path / "archivar").exists()


def test_an_unharmed_bundle_can_be_checked_without_installing(there: Path, tmp_path: Path) -> None:
    done = run_install(there, tmp_path / "archivar", "--check")
    assert done.returncode == 0
    assert hashlib.sha256((there / "manifest.json").read_bytes()).hexdigest() in done.stdout
    assert not (tmp_path / "archivar").exists()


def repack(there: Path, name: str, content: bytes) -> None:
    """As somebody who knows about the manifest would change a file."""
    (there / name).write_bytes(content)
    manifest = json.loads((there / "manifest.json").read_text())
    manifest["files"][name] |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (there / "manifest.json").write_text(json.dumps(manifest))


def another_wheel(there: Path) -> str:
    other = wheel(there.parent / "other", told="License-Expression: Apache-2.0")
    repack(there, f"wheels/{other.name}", other.read_bytes())
    return "DO NOT MATCH THE HASHES"


def a_line_without_a_hash(there: Path) -> str:
    repack(there, "requirements.txt", b"archivar==1.0\n")
    return "require-hashes"


@pytest.mark.parametrize("tamper", [another_wheel, a_line_without_a_hash])
def test_pip_installs_nothing_but_what_is_locked_whatever_the_manifest_says(
    tamper: Callable[[Path], str], there: Path, tmp_path: Path
) -> None:
    named = tamper(there)
    done = run_install(there, tmp_path / "archivar")
    assert done.returncode == 1
    assert named in done.stderr
    assert not (tmp_path / "archivar" / ".venv").exists()


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"python": "3.9"}, r"is for CPython 3\.9, and this is CPython .*python3\.9 install\.py.*make bundle PYTHON="),
        ({"implementation": "PyPy"}, r"is for PyPy"),
        ({"machine": "riscv64"}, r"on riscv64, and this is"),
        ({"glibc": "99.1"}, r"needs the C library glibc 99\.1 or newer, and this system has"),
    ],
)
def test_another_python_or_machine_is_told_in_a_sentence(other: dict[str, str], sentence: str) -> None:
    install.fits(NEEDS)
    with pytest.raises(install.Refused, match=sentence):
        install.fits(NEEDS | other)


def test_old_pythons_can_read_the_installer_to_be_told() -> None:
    source = (ROOT / "deploy/install.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"pathlib", "typing"}  # no `from __future__`: 3.6 does not know what there is now


def test_a_clone_s_own_environment_is_left_alone(there: Path, tmp_path: Path) -> None:
    (tmp_path / "archivar/.venv").mkdir(parents=True)
    done = run_install(there, tmp_path / "archivar")
    assert done.returncode == 1
    assert ".venv was not made by this program" in done.stderr
    assert [path.name for path in (tmp_path / "archivar").iterdir()] == [".venv"]


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.loads((there / "manifest.json").read_text())
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))  # type: ignore[attr-defined]
    with pytest.raises(install.Refused, match=r"0\.0 GB free, and this takes"):
        install.install(manifest, "d" * 64, tmp_path / "archivar")
    assert not (tmp_path / "archivar").exists()


def test_the_unit_starts_what_the_installer_installs() -> None:
    unit = (ROOT / "deploy/archivar.service").read_text()
    assert f"ExecStart={install.FOLDER}/.venv/bin/rag serve" in unit
    assert f"RAG_MODELS={install.FOLDER}/models " in unit


def test_the_same_parts_give_the_same_bundle(tar: Path, tmp_path: Path) -> None:
    again = packed(tmp_path)
    assert again.read_bytes() == tar.read_bytes()
    assert (
        again.with_name(f"{again.name}.sha256").read_text()
        == f"{hashlib.sha256(tar.read_bytes()).hexdigest()}  {tar.name}\n"
    )


def test_a_bundle_with_extras_does_not_take_the_place_of_a_plain_one(tmp_path: Path) -> None:
    own = wheel(tmp_path / "own")
    plain, more = (bundle.pack(tmp_path / "out", [own], [], extras=extras) for extras in (False, True))
    assert more.name.startswith("archivar-1.0-extras-cp3")
    assert unpacked(more, tmp_path / "there").name == more.name.removesuffix(".tar")
    assert plain.exists() and plain != more


def test_the_manifest_tells_versions_and_licences(there: Path) -> None:
    manifest = json.loads((there / "manifest.json").read_text())
    own, model = (manifest["files"][name] for name in ("wheels/archivar-1.0-py3-none-any.whl", "models/tiny/tiny.gguf"))
    assert (own["package"], own["version"], own["licence"], model["licence"]) == ("archivar", "1.0", "MIT", "MIT")
    assert manifest["needs"] == NEEDS | {"glibc": ""}


@pytest.mark.parametrize(
    ("told", "licence"),
    [
        ("Classifier: License :: OSI Approved :: BSD License", "BSD License"),
        ("License: MIT\n  and some words", "MIT"),
        ("Summary: none", "not told"),
    ],
)
def test_a_licence_is_read_where_the_package_tells_it(told: str, licence: str, tmp_path: Path) -> None:
    assert bundle.metadata(wheel(tmp_path, told=told))["licence"] == licence


@pytest.mark.parametrize(
    ("name", "oldest"),
    [
        ("a-1-cp311-cp311-manylinux_2_34_x86_64.whl", (2, 34)),
        ("a-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl", (2, 17)),
        ("a-1-cp311-cp311-manylinux1_x86_64.manylinux_2_5_x86_64.whl", (2, 5)),
        ("a-1-py3-none-any.whl", ()),
    ],
)
def test_a_wheel_s_name_tells_the_oldest_system_it_runs_on(name: str, oldest: tuple[int, ...]) -> None:
    assert bundle.glibc(name) == oldest


def test_weights_that_are_not_whole_are_not_packed(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="rag models fetch e5-small"):
        list(bundle.weights(["e5-small"], tmp_path))


@pytest.mark.models
def test_weights_come_with_what_their_loader_reads() -> None:
    names = {entry.name for entry in bundle.weights(["e5-small"], default_directory(os.environ))}
    read = ("model.safetensors", "tokenizer.json", "config.json", "1_Pooling/config.json", "modules.json")
    assert names >= {f"models/e5-small/{file}" for file in read}
