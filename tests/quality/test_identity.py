"""From a name to a principal, groups inside groups included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.access import Acl, Token
from rag.errors import UnknownPrincipal
from rag.identity import person

NAMES = st.sampled_from("abcdef")
GROUPS = st.dictionaries(NAMES, st.lists(NAMES.map(lambda name: f"group:{name}") | st.just("anna"), max_size=3))


def test_a_person_is_in_every_group_that_lists_them() -> None:
    assert person("anna", {"hr": ["anna"], "it": ["jo"], "all": ["jo", "anna"]}).groups == {"hr", "all"}


def test_a_group_in_a_group_brings_its_members_along() -> None:
    groups = {"staff": ["group:hr"], "hr": ["group:hr-north"], "hr-north": ["anna"], "it": ["jo"]}
    assert person("anna", groups).groups == {"hr-north", "hr", "staff"}


def test_a_circle_of_groups_ends() -> None:
    assert person("anna", {"a": ["group:b"], "b": ["group:a", "anna"]}).groups == {"a", "b"}
    assert person("jo", {"a": ["group:b"], "b": ["group:a"]}).groups == frozenset()


@given(GROUPS)
def test_whoever_is_in_a_group_is_in_every_group_around_it_and_in_no_other(groups: dict[str, list[str]]) -> None:
    held = person("anna", groups).groups
    for name, inside in groups.items():
        through = "anna" in inside or any(member.removeprefix("group:") in held for member in inside if ":" in member)
        assert (name in held) == through


def test_nobody_is_let_into_a_group_by_being_called_like_one() -> None:
    assert person("group:hr", {"staff": ["group:hr"], "hr": ["anna"]}).groups == frozenset()
    impostor = person("group:hr", {"hr": ["anna"]})
    assert not Acl(readers=frozenset({Token("group:hr")})).admits(impostor)


def test_a_name_is_taken_letter_by_letter() -> None:
    assert person("Anna", {"hr": ["anna"]}).groups == frozenset()
    assert person("everyone", {"hr": ["anna"]}).tokens == {"everyone", "user:everyone"}


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x1b[2J", "x" * 201, "\u202eanna"])
def test_what_cannot_be_a_name_is_nobody(name: str) -> None:
    with pytest.raises(UnknownPrincipal):
        person(name, {"hr": [name]})
