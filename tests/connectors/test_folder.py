"""What a folder lists, and what it does not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.folder import Folder
from rag.access import NOBODY, Acl, Confidentiality, Token
from rag.documents import DocumentRef
from rag.errors import ChangingDocument, DocumentVanished, SourceUnavailable, UnreadableDocument

HOSTILE = Path("../shared/testdata/hostile/make_tree.py")


def folder(root: Path, **options: object) -> Folder:
    return Folder(name="docs", root=root, acl=NOBODY, confidentiality=Confidentiality.STRICT, **options)  # type: ignore[arg-type]


def names(source: Folder) -> list[str]:
    return [listing.id.removeprefix("docs:") for listing in source.listings()]


def fetched(source: Folder, name: str) -> bytes:
    (listing,) = [listing for listing in source.listings() if listing.id == f"docs:{name}"]
    return source.fetch(listing, DocumentRef(id=listing.id, version=source.version(listing))).body


def fill(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_every_file_is_listed_with_the_rights_and_class_of_its_source(tmp_path: Path) -> None:
    fill(tmp_path, "b.txt", "sub/a.txt", "a.txt")
    readers = Acl(readers=frozenset({Token("group:hr")}))
    source = Folder(name="docs", root=tmp_path, acl=readers, confidentiality=Confidentiality.CONFIDENTIAL)
    assert names(source) == ["a.txt", "b.txt", "sub/a.txt"]
    assert {(found.acl, found.confidentiality) for found in source.listings()} == {
        (readers, Confidentiality.CONFIDENTIAL)
    }
    first = next(source.listings())
    assert (source.uri(first.id), first.size_bytes) == ((tmp_path / "a.txt").as_uri(), 5)


def test_a_fetched_file_carries_its_bytes_title_and_time(tmp_path: Path) -> None:
    (tmp_path / "Rabatt 10%.txt").write_bytes(b"\x00\xff")
    os.utime(tmp_path / "Rabatt 10%.txt", (0, 86400))
    listing = next(folder(tmp_path).listings())
    ref = DocumentRef(id=listing.id, version=folder(tmp_path).version(listing))
    raw = folder(tmp_path).fetch(listing, ref)
    assert (raw.body, raw.title, raw.modified_at.isoformat()) == (
        b"\x00\xff",
        "Rabatt 10%.txt",
        "1970-01-02T00:00:00+00:00",
    )


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    fill(outside, "secret.txt")
    root = tmp_path / "root"
    fill(root, "real.txt", "sub/real.txt")
    (root / "to_file.txt").symlink_to(outside / "secret.txt")
    (root / "to_dir").symlink_to(outside)
    (root / "inside.txt").symlink_to("real.txt")
    (root / "loop").symlink_to(".")
    (root / "sub" / "up").symlink_to("../..")
    (root / "dangling.txt").symlink_to("missing.txt")
    assert names(folder(root)) == ["real.txt", "sub/real.txt"]


def test_a_file_that_became_a_link_after_the_listing_is_not_followed(tmp_path: Path) -> None:
    fill(tmp_path / "root", "a.txt", "sub/b.txt")
    fill(tmp_path / "outside", "secret.txt", "b.txt")
    source = folder(tmp_path / "root")
    a, b = source.listings()
    (tmp_path / "root/a.txt").unlink()
    (tmp_path / "root/a.txt").symlink_to(tmp_path / "outside/secret.txt")
    (tmp_path / "root/sub/b.txt").unlink()
    (tmp_path / "root/sub").rmdir()
    (tmp_path / "root/sub").symlink_to(tmp_path / "outside")
    with pytest.raises(UnreadableDocument, match="links are not followed"):
        source.version(a)
    with pytest.raises(DocumentVanished):
        source.version(b)


def test_a_root_that_is_a_link_is_looked_into(tmp_path: Path) -> None:
    fill(tmp_path / "real", "a.txt")
    (tmp_path / "root").symlink_to("real")
    assert fetched(folder(tmp_path / "root"), "a.txt") == b"a.txt"


def test_pipes_sockets_and_devices_are_passed_over_without_waiting(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "fifo.txt")
    (tmp_path / "null.txt").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.txt"))
        assert names(folder(tmp_path)) == ["a.txt"]


def test_a_file_that_became_a_pipe_after_the_listing_does_not_block(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    listing = next(folder(tmp_path).listings())
    (tmp_path / "a.txt").unlink()
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(UnreadableDocument, match="not a regular file"):
        folder(tmp_path).version(listing)


@pytest.mark.parametrize(
    "name",
    [
        *(".hidden", ".git/x.txt", "~$Vertrag.docx", ".~lock.a.odt#", "a.tmp", "a.part", "a.crdownload", "a.swp", "a~"),
        *("Thumbs.db", "desktop.ini", "lost+found/x", "$RECYCLE.BIN/x.pdf", "System Volume Information/x"),
    ],
)
def test_hidden_and_temporary_files_are_passed_over(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name, "a.txt")
    assert names(folder(tmp_path)) == ["a.txt"]


@pytest.mark.parametrize(
    ("include", "exclude", "wanted"),
    [
        ([], [], ["a.pdf", "a.txt", "hr/pay.pdf", "hr/x/pay.txt"]),
        (["*.pdf"], [], ["a.pdf", "hr/pay.pdf"]),
        (["**/*.pdf"], [], ["a.pdf", "hr/pay.pdf"]),
        (["hr/**/pay.*"], [], ["hr/pay.pdf", "hr/x/pay.txt"]),
        ([], ["hr/*"], ["a.pdf", "a.txt"]),
        ([], ["hr/**"], ["a.pdf", "a.txt"]),
        ([], ["hr"], ["a.pdf", "a.txt"]),
        ([], ["**/x"], ["a.pdf", "a.txt", "hr/pay.pdf"]),
        (["*.pdf"], ["hr/*"], ["a.pdf"]),
        ([], ["*"], []),
    ],
)
def test_patterns_choose_what_is_listed(
    tmp_path: Path, include: list[str], exclude: list[str], wanted: list[str]
) -> None:
    fill(tmp_path, "a.pdf", "a.txt", "hr/pay.pdf", "hr/x/pay.txt")
    assert names(folder(tmp_path, include=tuple(include), exclude=tuple(exclude))) == wanted


def test_an_excluded_name_is_excluded_however_its_umlauts_are_written(tmp_path: Path) -> None:
    fill(tmp_path, "Geha\u0308lter/liste.txt", "Geh\u00e4lter.txt", "a.txt")
    assert names(folder(tmp_path, exclude=("Geh\u00e4lter*",))) == ["a.txt"]


@pytest.mark.parametrize("when", ["version", "fetch"])
def test_a_file_that_is_gone_is_told_as_vanished(tmp_path: Path, when: str) -> None:
    fill(tmp_path, "a.txt")
    source = folder(tmp_path)
    listing = next(source.listings())
    ref = DocumentRef(id=listing.id, version=source.version(listing))
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DocumentVanished):
        source.version(listing) if when == "version" else source.fetch(listing, ref)


def test_a_file_changed_between_version_and_fetch_is_refused_with_the_reason(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    source = folder(tmp_path)
    listing = next(source.listings())
    ref = DocumentRef(id=listing.id, version=source.version(listing))
    (tmp_path / "a.txt").write_text("b.txt")
    with pytest.raises(ChangingDocument, match="taken at the next run"):
        source.fetch(listing, ref)


def test_a_file_over_the_limit_is_refused_unopened(tmp_path: Path) -> None:
    with (tmp_path / "sparse.txt").open("wb") as file:
        file.truncate(5 << 30)
    source = folder(tmp_path)
    with pytest.raises(UnreadableDocument, match="over the limit of 200 MiB"):
        source.version(next(source.listings()))


def test_a_file_that_grew_over_the_limit_is_read_no_further(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    source = folder(tmp_path, max_body_bytes=2 << 20)
    listing = next(source.listings())
    os.truncate(tmp_path / "a.txt", 5 << 30)
    with pytest.raises(UnreadableDocument, match="over the limit of 2 MiB"):
        source.version(listing)


def test_a_missing_root_and_a_root_that_is_a_file_are_unavailable(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    for root in (tmp_path / "missing", tmp_path / "a.txt"):
        with pytest.raises(SourceUnavailable, match="cannot be listed"):
            list(folder(root).listings())


@pytest.mark.parametrize("change", ["content", "touch", "replace", "mode"])
def test_the_stamp_tells_every_change(tmp_path: Path, change: str) -> None:
    fill(tmp_path, "a.txt")
    os.utime(tmp_path / "a.txt", ns=(1, 1))
    before = next(folder(tmp_path).listings()).stamp
    if change == "content":
        (tmp_path / "a.txt").write_text("b.txt")
        os.utime(tmp_path / "a.txt", ns=(1, 1))
    elif change == "touch":
        os.utime(tmp_path / "a.txt", ns=(1, 2))
    elif change == "replace":
        (tmp_path / "b.txt").write_text("a.txt")
        os.utime(tmp_path / "b.txt", ns=(1, 1))
        (tmp_path / "b.txt").rename(tmp_path / "a.txt")
    else:
        (tmp_path / "a.txt").chmod(0)
    assert next(folder(tmp_path).listings()).stamp != before


def test_a_tree_deeper_than_any_path_may_be_is_listed_and_read(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_DIRECTORY)
    for _ in range(110):
        os.mkdir("tief" * 10, dir_fd=here)
        below = os.open("tief" * 10, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("unten.txt", os.O_CREAT | os.O_WRONLY, dir_fd=here)
    os.write(file, b"ganz unten")
    os.close(file)
    os.close(here)
    (name,) = names(folder(tmp_path))
    assert name.endswith("/unten.txt")
    assert fetched(folder(tmp_path), name) == b"ganz unten"
    subprocess.run(["rm", "-rf", str(tmp_path / ("tief" * 10))], check=True)


@pytest.mark.skipif(not HOSTILE.exists(), reason="the shared hostile files are not here")
def test_a_hostile_tree_is_listed_whole_and_nothing_outside_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    subprocess.run([sys.executable, str(HOSTILE.resolve()), str(tree)], check=True, stdout=subprocess.DEVNULL)
    (tree / "noperm_dir").chmod(0o700)
    source = folder(tree, exclude=("viele",))
    found = {listing.id.removeprefix("docs:"): listing for listing in source.listings()}
    plain = {"real.txt", "hardlink.txt", "noperm.txt", "sparse_5GB.txt"}
    assert {name for name in found if "/" not in name} == plain
    assert len([name for name in found if name.startswith("namen/")]) == 19
    assert len(found) == len(plain) + 19 + 1
    for name, listing in found.items():
        if name.startswith("namen/"):
            body = source.fetch(listing, DocumentRef(id=listing.id, version=source.version(listing))).body
            assert b"Quittungsnummer 4711" in body
    assert len(names(folder(tree))) == len(found) + 5000
