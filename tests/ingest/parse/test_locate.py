"""A stretch of indexed text is found among a page's characters, however the page wrote it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ingest.parse.locate import Glyph, locate


def page(*lines: str, left: float = 50, top: float = 100, upright: bool = True) -> list[Glyph]:
    """The characters of lines below each other, 6 points wide and 12 high, spaces left out as pdfium's reader does."""
    found = []
    for row, line in enumerate(lines):
        for column, char in enumerate(line):
            if not char.isspace():
                x, y = left + 6 * column, top + 14 * row
                found.append(Glyph(char, x, y, x + 6, y + 12) if upright else Glyph(char, y, x, y + 12, x + 6))
    return found


def words(glyphs: list[Glyph], quote: str, **more: tuple[str, str]) -> list[str]:
    return [box.char for box in locate(glyphs, quote, **more).boxes]


@pytest.mark.parametrize(
    ("lines", "quote", "boxes"),
    [
        (("Der Urlaub beträgt", "24 Werktage."), "Der Urlaub beträgt 24 Werktage.", ["DerUrlaubbeträgt", "24Werktage"]),
        (("Die Frist ist ein Ver-", "trag über Jahre"), "ein Vertrag über Jahre", ["einVer-", "tragüberJahre"]),
        (("Die ﬁnanzielle Oﬀerte",), "finanzielle Offerte", ["ﬁnanzielleOﬀerte"]),
        (("Der Urlaub betra\u0308gt zwei",), "beträgt zwei", ["betra\u0308gtzwei"]),
        (("• Erster Punkt", "• Zweiter Punkt"), "- Erster Punkt\n- Zweiter Punkt", ["ErsterPunkt", "•ZweiterPunkt"]),
        (("Wert Freigabe", "8.000 Leitung"), "| Wert | Freigabe |\n| --- | --- |\n| 8.000 | Leitung |",
         ["WertFreigabe", "8.000Leitung"]),
        (("Ｆｕｌｌｗｉｄｔｈ ① text",), "Fullwidth 1 text", ["Ｆｕｌｌｗｉｄｔｈ①text"]),
    ],
)  # fmt: skip
def test_it_is_found_as_the_page_wrote_it(lines: tuple[str, ...], quote: str, boxes: list[str]) -> None:
    assert words(page(*lines), quote) == boxes


def test_two_columns_get_boxes_of_their_own() -> None:
    left, right = page("Erste Spalte", "links weiter"), page("zweite Spalte", "rechts", left=300)
    found = locate([*left, *right], "links weiter zweite Spalte")
    assert [box.char for box in found.boxes] == ["linksweiter", "zweiteSpalte"]
    assert found.share == 1


def test_rows_side_by_side_in_another_order_are_found_piece_by_piece() -> None:
    glyphs = [
        *page("Die Reisekosten trägt"),
        *page("Ein ganz anderer Satz", left=300),
        *page("die Firma im Inland", top=114),
    ]
    found = locate(glyphs, "Die Reisekosten trägt die Firma im Inland")
    assert [box.char for box in found.boxes] == ["DieReisekostenträgt", "dieFirmaimInland"]


def test_of_equal_places_the_one_between_the_same_words_is_meant() -> None:
    glyphs = page("Absatz eins: Frist ein Monat. Ende.", "Absatz zwei: Frist ein Monat. Schluss.")
    text = "Absatz eins: Frist ein Monat. Ende. Absatz zwei: Frist ein Monat. Schluss."
    for start in (text.index("Frist"), text.rindex("Frist")):
        end = start + len("Frist ein Monat.")
        (box,) = locate(glyphs, text[start:end], around=(text[:start], text[end:])).boxes
        assert box.top == (100 if start < 30 else 114)


def test_a_page_on_its_side_gets_a_box_a_line() -> None:
    glyphs = page("Der Urlaub beträgt", "24 Werktage im Jahr", upright=False)
    found = locate(glyphs, "Urlaub beträgt 24 Werktage")
    assert [box.char for box in found.boxes] == ["Urlaubbeträgt", "24Werktage"]
    assert all(box.bottom - box.top > box.right - box.left for box in found.boxes)


def test_a_sentence_that_ends_on_the_next_page_is_marked_where_it_begins() -> None:
    quote = "Der Anspruch auf die Leistung verfällt, wenn er nicht binnen drei Monaten schriftlich angemeldet wird."
    found = locate(page("Der Anspruch auf die Leistung verfällt,"), quote)
    assert [box.char for box in found.boxes] == ["DerAnspruchaufdieLeistungverfällt"]
    assert 0.3 < found.share < 0.6


@pytest.mark.parametrize("quote", ["", " – ", "Kündigung", "Der Urlaub beträgt dreißig Tage und nicht vierundzwanzig"])
def test_what_is_not_there_is_not_marked(quote: str) -> None:
    found = locate(page("Der Urlaub ist geregelt.", "Näheres sagt die Leitung."), quote)
    assert (found.boxes, found.share) == ((), 0.0)


def test_no_page_is_no_place() -> None:
    assert locate([], "Urlaub").boxes == ()


def test_a_long_quote_on_a_full_page_takes_no_time() -> None:
    chance = random.Random(1)
    lines = ["".join(chance.choice("abcdefgh ") for _ in range(100)) for _ in range(200)]
    assert locate(page(*lines), "x".join(lines)[:20_000]).boxes is not None


@given(st.text(max_size=80), st.text(max_size=200))
def test_whatever_is_looked_for_boxes_are_of_the_page(quote: str, text: str) -> None:
    glyphs = page(*text.splitlines())
    found = locate(glyphs, quote)
    assert 0 <= found.share <= 1
    for box in found.boxes:
        assert min(g.left for g in glyphs) <= box.left <= box.right <= max(g.right for g in glyphs)
        assert min(g.top for g in glyphs) <= box.top <= box.bottom <= max(g.bottom for g in glyphs)
