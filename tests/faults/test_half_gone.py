"""What vanishes while it is listed is no deletion until the next listing says so."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

import pytest

from rag.errors import SourceUnavailable
from rag.ingest.sync import sync
from tests.faults.faulty import Fault, file_system, os_error
from tests.ingest.room import Room, folder


@pytest.mark.parametrize("scope", ["", "unter/"])
@pytest.mark.parametrize("site", ["stat", "scandir step", "is_file"])
def test_a_name_that_is_there_and_then_is_not_is_left_to_the_next_run(
    room: Room, docs: Path, scope: str, site: str
) -> None:
    (docs / "unter").mkdir()
    for name in ("a.txt", "unter/b.txt", "unter/c.txt"):
        (docs / name).write_text(f"Inhalt {name}")
    room.sync(folder(docs))
    with file_system(Fault(1 if scope else 2, os_error(errno.ENOENT), only=site)), suppress(SourceUnavailable):
        report = sync(folder(docs), room.pipeline, scopes=(scope,))
        assert report.removed == 0
    assert len(room.texts()) == 3
    sync(folder(docs), room.pipeline)
    assert len(room.texts()) == 3
    (docs / "a.txt").unlink()
    (docs / "unter" / "b.txt").unlink()
    assert sync(folder(docs), room.pipeline).removed == 2
