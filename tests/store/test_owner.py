from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag.errors import StoreError, StoreOwned
from rag.store.owner import Ownership, owner_pid

OWNER = """
import sys
from pathlib import Path
from rag.store.owner import Ownership
with Ownership(Path(sys.argv[1])):
    print("owned", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_owner(home: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    with process:
        assert process.stdout and process.stdout.readline() == "owned\n"
        yield process
        process.kill()


def test_a_second_owner_is_refused_and_told_the_pid_of_the_first(tmp_path: Path) -> None:
    with another_owner(tmp_path) as first:
        with pytest.raises(StoreOwned, match=f"pid {first.pid}") as refused:
            Ownership(tmp_path)
        assert refused.value.pid == first.pid
        assert owner_pid(tmp_path) == first.pid


def test_a_second_owner_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with Ownership(tmp_path), pytest.raises(StoreOwned, match=f"pid {os.getpid()}"):
        Ownership(tmp_path)


def test_a_killed_owner_leaves_the_home_free(tmp_path: Path) -> None:
    with another_owner(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / "owner.lock").read_text() == str(first.pid)
        assert owner_pid(tmp_path) is None
        Ownership(tmp_path).close()


def test_a_closed_owner_leaves_the_home_free_and_no_pid(tmp_path: Path) -> None:
    with Ownership(tmp_path):
        assert owner_pid(tmp_path) == os.getpid()
    assert owner_pid(tmp_path) is None
    assert (tmp_path / "owner.lock").read_text() == ""


def test_a_copied_home_is_not_owned(tmp_path: Path) -> None:
    with Ownership(tmp_path / "home"):
        shutil.copytree(tmp_path / "home", tmp_path / "copy")
        assert owner_pid(tmp_path / "copy") is None
        Ownership(tmp_path / "copy").close()


@pytest.mark.parametrize("before", ["closed", "killed"])
def test_somebody_asking_for_the_owner_does_not_keep_a_new_one_out(tmp_path: Path, before: str) -> None:
    if before == "closed":
        Ownership(tmp_path).close()
    else:
        with another_owner(tmp_path) as first:
            first.kill()
    asking = (tmp_path / "owner.lock").open("rb")
    fcntl.flock(asking, fcntl.LOCK_SH)
    answered = threading.Timer(0.4, asking.close)
    answered.start()
    Ownership(tmp_path).close()
    answered.join()


def test_a_home_that_was_never_used_is_owned_by_nobody(tmp_path: Path) -> None:
    assert owner_pid(tmp_path / "missing") is None


def test_a_new_home_is_closed_to_other_accounts(tmp_path: Path) -> None:
    with Ownership(tmp_path / "deep" / "home"):
        assert (tmp_path / "deep" / "home").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "deep" / "home" / "owner.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("home", ["/proc/no", "file", "file/home"])
def test_a_home_that_cannot_be_made_is_told_in_words(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"The home directory .* cannot be written: "):
        Ownership(tmp_path / home)
