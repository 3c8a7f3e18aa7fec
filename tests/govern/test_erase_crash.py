"""An erasure that was killed is finished by whoever opens the home next."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rag.govern.erase import Also, Premises, finish
from rag.store.ledger import Ledger
from tests.govern.dwelling import Canary, Dwelling, traces
from tests.ingest.room import Room

_MOST = 40
NOTHING: Also = lambda keys, person: ()  # noqa: E731  # nobody is named here


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Canary]]:
    """Six documents, of which three are to go."""
    root = tmp_path_factory.mktemp("prepared")
    with Dwelling(root, seed=7) as dwelling:
        for number in range(5):
            dwelling.put(f"{number}.txt", dwelling.canary())
        dwelling.put("post.eml", dwelling.canary(), part="anlage.txt")
        dwelling.sync()
        names = ["docs:0.txt", "docs:1.txt", "docs:post.eml!/anlage.txt"]
        dwelling.learn(names)
        return root, {name: dwelling.canaries[name] for name in (*names, "docs:2.txt")}


def killed(root: Path, step: int) -> str:
    """The step it died before."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.govern.crash", str(root), str(step), "docs:0.txt", "docs:1.txt", "docs:post.eml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert done.returncode in (0, 9), done.stderr
    return done.stdout


def chosen() -> list[int]:
    """Six of the steps, others each time; SEED repeats them."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    print(f"SEED={seed}")
    return sorted(random.Random(seed).sample(range(2, 28), 6))


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.soak)])
@pytest.mark.timeout(3600)
def test_an_erasure_killed_before_any_step_is_completed_at_the_next_start(
    prepared: tuple[Path, dict[str, Canary]], tmp_path: Path, every: bool
) -> None:
    root, canaries = prepared
    stays = canaries["docs:2.txt"]
    gone = [canary for name, canary in canaries.items() if name != "docs:2.txt"]
    died = []
    for step in range(1, _MOST) if every else chosen():
        copy = tmp_path / str(step)
        shutil.copytree(root, copy)
        died.append(killed(copy, step))
        if died[-1] == "done":
            break
        with closing(Ledger(copy / "home" / "ledger.sqlite")) as ledger:
            begun = bool(ledger.erasures())
            made = finish(Premises(home=copy / "home", ledger=ledger), also=NOTHING)
            if begun:
                assert all(one["erased"] for one in made), (died[-1], made)
                assert not ledger.erasures(unfinished=True) and len(ledger.erasures()) == 1, died[-1]
                assert not traces(copy / "home", gone), died[-1]
                assert ledger.erasures()[0].needles is None
        with Room(copy / "home") as room:
            assert room.level() and room.found(stays.token) == {"docs:2.txt"}
            assert begun or room.found(gone[0].token), "before it began, nothing has happened"
        shutil.rmtree(copy)
    print(died)
    assert not every or died[-1] == "done", "every step was killed at, and at last none"


def test_a_proof_after_a_crash_still_knows_what_to_look_for(
    prepared: tuple[Path, dict[str, Canary]], tmp_path: Path
) -> None:
    """The texts are gone with the process that had them; hashes of them outlive it."""
    root, canaries = prepared
    shutil.copytree(root, tmp_path / "copy")
    home = tmp_path / "copy" / "home"
    step = next(step for step in range(8, _MOST) if killed_at(tmp_path / "copy", root, step) == "make_vectors")
    assert step
    (home / "notiz.txt").write_text(canaries["docs:0.txt"].text)
    with closing(Ledger(home / "ledger.sqlite")) as ledger:
        (made,) = finish(Premises(home=home, ledger=ledger), also=NOTHING)
    assert not made["erased"] and set(made["remains"]) == {"notiz.txt"}
    assert made["interrupted"] and made["terms"] is None


def killed_at(copy: Path, root: Path, step: int) -> str:
    shutil.rmtree(copy)
    shutil.copytree(root, copy)
    return killed(copy, step)
