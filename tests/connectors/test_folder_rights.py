"""What the operating system denies. Root may read everything, so root's rights are laid down while a test looks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.folder import Folder
from rag.access import NOBODY, Confidentiality
from rag.documents import Listing, Shut
from rag.errors import SourceDenied, UnreadableDocument

OTHER_UID = 65534


@contextmanager
def few_rights() -> Iterator[None]:
    own = os.geteuid()
    if own == 0:
        os.seteuid(OTHER_UID)
    try:
        yield
    finally:
        os.seteuid(own)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        (made / "sub").mkdir()
        (made / "a.txt").write_text("a")
        (made / "sub" / "b.txt").write_text("b")
        yield made
        (made / "sub").chmod(0o755)


def folder(root: Path, *exclude: str) -> Folder:
    return Folder(name="docs", root=root, acl=NOBODY, confidentiality=Confidentiality.STRICT, exclude=exclude)


def test_a_file_without_permission_gives_the_reason(root: Path) -> None:
    (root / "a.txt").chmod(0)
    source = folder(root)
    with few_rights():
        first = next(source.listings())
        with pytest.raises(UnreadableDocument, match="no permission to read the file"):
            source.version(first)


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_that_may_not_be_looked_into_is_shut_and_the_others_are_listed(root: Path, mode: int) -> None:
    (root / "sub").chmod(mode)
    (root / "z.txt").write_text("z")
    with few_rights():
        found = list(folder(root).listings())
    assert found[1] == Shut("docs:sub/", "no permission to look into the folder sub")
    assert [entry.id for entry in found if isinstance(entry, Listing)] == ["docs:a.txt", "docs:z.txt"]


def test_a_root_that_may_not_be_looked_into_is_denied(root: Path) -> None:
    (root / "sub").chmod(0)
    with few_rights(), pytest.raises(SourceDenied):
        list(folder(root / "sub").listings())


def test_an_excluded_folder_is_not_looked_into(root: Path) -> None:
    (root / "sub").chmod(0)
    with few_rights():
        assert [listing.id for listing in folder(root, "sub/**").listings()] == ["docs:a.txt"]
