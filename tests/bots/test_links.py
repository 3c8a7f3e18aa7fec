"""No address but the internal page's comes out of a bot."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.bots.links import JOINER, defused, is_internal

PAGE = "https://archivar.firma.example/wissen"

ADDRESSES = """
https://evil.example/p.png?q=secret http://evil.example HTTPS://EVIL.EXAMPLE
https:\\\\evil.example https:/\\evil.example
//evil.example/x www.evil.example WWW.evil.example ftp://evil.example mailto:x@evil.example data:text/html;base64,AAAA
javascript:alert(1) file:///etc/passwd tel:+4930123 matrix:u/anna slack://user matrix:roomid/x https://1.2.3.4/x
https://archivar.firma.example@evil.example/ https://archivar.firma.example.evil.example/wissen
https://archivar.firma.example:444/wissen http://archivar.firma.example/wissen https://archivar.firma.example/wissens
https://archivar.firma.example/ https://archivar.firma.example/wissen/../admin https://evil。example/x
https://archivar.firma.example\\@evil.example/wissen view-source:https://evil.example xn--p1b6ci4b4b3a://evil.example
""".split()
NAMES = "evil.example t.co anna@evil.example evil.co.uk/x?y=1 еvil.example evil。example evil．example pfad.zip 1.2.3.4"


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("around", ["{}", "siehe {} dort", "[da]({})", "<{}|x>", "[1]: {}", "<img src='{}'>", "({})."])
def test_no_address_but_the_pages_stays(address: str, around: str) -> None:
    shown = defused(around.format(address), page=PAGE, taken="[Link entfernt]")
    assert "[Link entfernt]" in shown
    assert not re.search(r"evil[.。．｡]\w", shown)
    assert "://" not in shown


@pytest.mark.parametrize("name", NAMES.split())
def test_a_name_that_programs_take_for_an_address_stays_readable_but_is_none(name: str) -> None:
    shown = defused(f"laut {name} gilt", page=PAGE, taken="[Link entfernt]")
    assert shown.replace(JOINER, "") == f"laut {name} gilt"
    assert not re.search(r"\w[.。．｡]\w", shown)


@pytest.mark.parametrize(
    "text", ["Es sind 30 Tage [1], z. B. 3,5 Std. am 24. Dezember.", "Seite 2/3: §§ 3 ff. BUrlG", "bis 1.000,50 €"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert defused(text, page=PAGE, taken="[Link entfernt]") == text


@pytest.mark.parametrize("address", [PAGE, f"{PAGE}/", f"{PAGE}/?document=a&span=1-2", f"{PAGE}?document=a"])
def test_the_internal_page_stays(address: str) -> None:
    assert is_internal(address, page=PAGE)
    assert defused(f"siehe {address}.", page=PAGE, taken="[Link entfernt]") == f"siehe {address}."


@given(st.text(st.sampled_from("aé1.。:/\\w@ \n[]()<>|htps\u200b\u202e\u2060\ud800"), max_size=40))
@example("ht\u200btp://a.aa")
@example("a//a.a1.aa")
def test_whatever_is_written_no_other_address_comes_out(text: str) -> None:
    shown = defused(text, page=PAGE, taken="X")
    assert not re.search(r"https?:|www\.", shown, re.IGNORECASE) or re.search(r"(?i)https?:(?!\S)|www\.$", shown)
    assert not re.search(r"//[^\s/]+\.\w", shown)
    assert not re.search(r"[a-zé]\.[a-zé]{2}", shown)
    assert not set(shown) & set("\u200b\u202e\ud800")
