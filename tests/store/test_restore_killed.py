"""A restore that was killed, wherever it was, loses nothing of the home that was there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rag.errors import StoreError
from rag.store import backup, copies
from rag.store.audit import AuditLog
from rag.store.backup import CALIBRATION, LEDGER, back_up, restore
from rag.store.ledger import Ledger


class Killed(BaseException):
    """As if the power went."""


def made(home: Path, name: str) -> bytes:
    """A home with a ledger that bears a name, an audit log and more; gives the log's key."""
    home.mkdir()
    with closing(Ledger(home / LEDGER)) as ledger:
        ledger.remember("name", name)
    AuditLog(home / "audit").close()
    (home / CALIBRATION).write_text(name)
    (home / "words").mkdir()
    (home / "words" / "index").write_text(name)
    return (home / "audit" / "key").read_bytes()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A backup of a home that is not the one restored into."""
    made(tmp_path / "other", "backup")
    with closing(Ledger(tmp_path / "other" / LEDGER)) as ledger, closing(AuditLog(tmp_path / "other" / "audit")) as log:
        back_up(ledger, log, None, tmp_path / "backup")
    return tmp_path / "backup"


def dying_at(patch: pytest.MonkeyPatch, step: int) -> None:
    """Every rename, removal and sync is a step; nothing is done from this one on."""
    left = step

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def one(*given: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return real(*given, **options)

        return one

    patch.setattr(Path, "rename", counted(Path.rename))
    patch.setattr(Path, "unlink", counted(Path.unlink))
    patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
    patch.setattr(copies, "sync", counted(copies.sync))


def test_begun_again_it_leaves_the_old_home_whole_and_the_backup_in_its_place(kept: Path, tmp_path: Path) -> None:
    ended, step = False, 0
    while not ended:
        home = tmp_path / f"home-{step}"
        key = made(home, "old")
        try:
            with pytest.MonkeyPatch.context() as patch:
                dying_at(patch, step)
                restore(kept, home, force=True).close()
            ended = True
        except Killed:
            restore(kept, home, force=True).close()
        with closing(Ledger(home / LEDGER)) as ledger:
            assert ledger.meta("name") == "backup", step
        asides = list(home.glob("before-restore-*"))
        assert key in [path.read_bytes() for aside in asides for path in aside.glob("audit/key")], step
        for name in (LEDGER, CALIBRATION, "words/index"):
            assert any((aside / name).exists() for aside in asides), (step, name)
        step += 1
    assert step > 8


def test_a_mount_in_the_home_is_said_before_anything_is_moved(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = made(tmp_path / "home", "old")
    real = Path.is_mount
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "words" or real(path))
    with pytest.raises(StoreError, match="words is a mount and cannot be set aside"):
        restore(kept, tmp_path / "home", force=True)
    assert (tmp_path / "home" / "audit" / "key").read_bytes() == key
    with closing(Ledger(tmp_path / "home" / LEDGER)) as ledger:
        assert ledger.meta("name") == "old"
    assert not list((tmp_path / "home").glob("before-restore-*"))
    assert backup.verify(kept)
