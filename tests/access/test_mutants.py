"""Each guard against a leak is removed in turn, and the walk through the house must notice. A third of them, another
each run; all in the soak, with the table printed."""

from __future__ import annotations

import pytest

from tests.access.looks import Leak
from tests.access.mutants import MUTANTS, Mutant
from tests.access.walk import walk
from tests.faults.seeds import chosen

LEAST = 0.95


def test_with_every_guard_in_place_the_walk_finds_nothing_to_complain_of() -> None:
    assert walk() > 500, "it is shown what it may see"


def caught(mutants: list[Mutant]) -> dict[str, str]:
    """What removing each guard was noticed by; "" where it was not."""
    found: dict[str, str] = {}
    for mutant in mutants:
        with mutant.alive():
            try:
                walk()
            except Leak as leak:
                found[mutant.what] = str(leak).splitlines()[0][:90]
            except AssertionError as error:
                raise AssertionError(f"{mutant.what}: the walk broke down") from error
            else:
                found[mutant.what] = ""
        print(f"{mutant.what:52} {found[mutant.what] or 'NOT CAUGHT'}", flush=True)
    return found


@pytest.mark.timeout(3600)
def test_t07_removing_a_guard_is_noticed_of_a_third_of_them() -> None:
    chance = chosen("mutants")
    found = caught(chance.sample([mutant for mutant in MUTANTS if not mutant.backed], len(MUTANTS) // 3))
    assert sum(map(bool, found.values())) >= len(found) - 1, found


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_t07_removing_any_guard_is_noticed_nearly_always() -> None:
    found = caught(list(MUTANTS))
    print(f"{sum(map(bool, found.values()))} of {len(found)} mutants caught")
    assert sum(map(bool, found.values())) >= LEAST * len(found), found
