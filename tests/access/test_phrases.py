"""What stands in quotation marks is found word for word, or nothing is; a whole sentence is searched without the marks
then. Real ledger, Chroma and tantivy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.access import Principal
from rag.text.phrases import fold, holds, phrases_of
from tests.standins import Shelf

ANNA = Principal(user="anna")
TEXTS = {
    "urlaub.txt": "Der Urlaub beträgt dreißig Tage nach § 3 Abs. 2 der Richtlinie RL-2024-07.",
    "antrag.txt": "Ein Urlaubsantrag wird nach § 3 Abs. 21 gestellt, siehe RL-2024-071.",
    "tage.txt": "Dreißig Tage beträgt die Frist. Der Urlaub ist davon ausgenommen.",
    "müller.txt": "Frau Mu\u0308ller leitet\n   die  Straßen\u00adreinigung.",
    "geheim.txt": "Der Urlaub beträgt für die Leitung vierzig Tage.",
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Shelf(tmp_path_factory.mktemp("shelf")) as opened:
        for name, text in TEXTS.items():
            opened.put(name, text, readers=("user:chef",) if name == "geheim.txt" else ("everyone",))
        yield opened


def found(shelf: Shelf, question: str, who: Principal = ANNA) -> set[str]:
    passages = shelf.retriever.retrieve(question, principal=who, k=10).passages
    return {passage.chunk.document_id.removeprefix("house:") for passage in passages}


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ('"Der Urlaub beträgt"', {"urlaub.txt"}),
        ("Was heißt „der urlaub  BETRÄGT“ genau?", {"urlaub.txt"}),
        ("»Urlaub beträgt«", {"urlaub.txt"}),
        ("“Urlaub”", {"urlaub.txt", "tage.txt"}),
        ('"beträgt Urlaub"', set()),
        ('"Urlaub"', {"urlaub.txt", "tage.txt"}),
        ('"RL-2024-07"', {"urlaub.txt"}),
        ('"RL 2024 07"', set()),
        ('"RL\u20112024\u201107"', {"urlaub.txt"}),
        ('"§ 3 Abs. 2"', {"urlaub.txt"}),
        ('"§ 3 Abs. 21"', {"antrag.txt"}),
        ('"3 Abs, 2"', set()),
        ('"dreissig Tage"', {"urlaub.txt", "tage.txt"}),
        ('"Frau Müller leitet die Strassenreinigung"', {"müller.txt"}),
        ('"Frau Mueller"', {"müller.txt"}),
        ('"Muller"', set()),
        ('"dreißig Tage" "davon ausgenommen"', {"tage.txt"}),
        ('"der die das"', set()),
        ('"für die Leitung"', set()),
        ('"Antrag"', {"antrag.txt"}),
    ],
)
def test_only_what_holds_the_phrase_is_found(shelf: Shelf, question: str, names: set[str]) -> None:
    assert found(shelf, question) == names


def test_a_sentence_whose_phrase_stands_nowhere_is_searched_without_the_marks_and_says_so(shelf: Shelf) -> None:
    result = shelf.retriever.retrieve("Wie lang ist „der Jahresurlaub“?", principal=ANNA, k=10)
    assert result.unquoted == ("Jahresurlaub",)
    without = shelf.retriever.retrieve("Wie lang ist der Jahresurlaub?", principal=ANNA, k=10)
    assert {one.chunk.id for one in result.passages} == {one.chunk.id for one in without.passages} != set()
    assert shelf.retriever.retrieve("„Jahresurlaub“?", principal=ANNA, k=10).passages == ()


def test_of_two_phrases_the_one_that_stands_somewhere_still_narrows(shelf: Shelf) -> None:
    result = shelf.retriever.retrieve('Was sagt "RL-2024-07" zum "Jahresurlaub"?', principal=ANNA, k=10)
    assert {passage.chunk.document_id for passage in result.passages} == {"house:urlaub.txt"}
    assert result.unquoted == ("Jahresurlaub",)


def test_phrases_that_stand_nowhere_together_are_all_named(shelf: Shelf) -> None:
    result = shelf.retriever.retrieve('Was hat "RL-2024-07" mit "Frau Müller" zu tun?', principal=ANNA, k=10)
    assert result.unquoted == ("RL-2024-07", "Frau Müller")
    assert len(result.passages) > 1


def test_what_may_not_be_read_counts_as_what_is_not_there(shelf: Shelf) -> None:
    question = "Was gilt „für die Leitung“ im Urlaub?"
    result = shelf.retriever.retrieve(question, principal=ANNA, k=10)
    assert result.unquoted == ("für die Leitung",)
    assert "house:geheim.txt" not in {passage.chunk.document_id for passage in result.passages}
    assert shelf.retriever.retrieve(question, principal=Principal(user="chef"), k=10).unquoted == ()


def test_a_phrase_in_what_may_not_be_read_finds_nothing(shelf: Shelf) -> None:
    assert found(shelf, '"für die Leitung"', Principal(user="chef")) == {"geheim.txt"}
    result = shelf.retriever.retrieve('"für die Leitung"', principal=ANNA, k=10)
    assert (result.passages, result.evidence) == ((), 0.0)


def test_what_may_not_be_read_takes_no_place_among_what_holds_a_phrase(shelf: Shelf) -> None:
    grant = shelf.ledger.grant(ANNA)
    (name,) = shelf.words.holding(["Urlaub beträgt"], "Leitung vierzig", grant=grant, k=9)
    assert shelf.ledger.chunk_texts([name])[name][1] == TEXTS["urlaub.txt"]


def test_marks_without_their_other_half_are_text(shelf: Shelf) -> None:
    assert found(shelf, 'Was heißt "Urlaub?') == found(shelf, "Was heißt Urlaub?") != set()
    assert found(shelf, '"" „§“ Urlaub') == found(shelf, "Urlaub") != set()


def test_a_phrase_is_checked_on_the_ledgers_own_text(shelf: Shelf) -> None:
    """The word index knows words in their order, not what stands between them."""
    names = shelf.words.holding(["3 Abs, 2"], "x", grant=shelf.ledger.grant(ANNA), k=9)
    assert len(names) == 1
    assert found(shelf, '"3 Abs, 2"') == set()


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ('Was ist "ein Test"?', ("ein Test",)),
        ("„ein Test“ und „zwei”", ("ein Test", "zwei")),
        ('„gemischt"', ("gemischt",)),
        ("Warum heißen sie „die Methodisten“?", ("Methodisten",)),
        ('Who are "the Methodists"?', ("Methodists",)),
        ("„die Methodisten“", ("die Methodisten",)),
        ('Wo steht "die"?', ("die",)),
        ("«deux mots» »zwei Worte«", ("deux mots", "zwei Worte")),
        ('"a" "a"', ("a",)),
        ('ein 5" und ein 6" Rohr', ()),
        ('"offen', ()),
        ('""', ()),
        ('" "', ()),
        ('"§"', ()),
        ("it's o'clock", ()),
    ],
)
def test_what_stands_in_quotation_marks_is_a_phrase(question: str, phrases: tuple[str, ...]) -> None:
    assert phrases_of(question) == phrases


@pytest.mark.parametrize(
    ("text", "phrase", "held"),
    [
        ("Urlaubsantrag", "Urlaub", False),
        ("Urlaubsantrag, Urlaub", "Urlaub", True),
        ("Jahresurlaub", "Urlaub", False),
        ("(Urlaub)", "Urlaub", True),
        ("RL-2024-071", "RL-2024-07", False),
        ("x § 3 y", "§ 3", True),
        ("§§ 3", "§ 3", True),
        ("\ufb01nden", "finden", True),
        ("café", "cafe", True),
        ("", "a", False),
        ("aa", "a", False),
    ],
)
def test_a_phrase_begins_and_ends_where_words_do(text: str, phrase: str, held: bool) -> None:
    assert holds(text, phrase) is held


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_is_too_strange_and_every_text_holds_itself(text: str, other: str) -> None:
    assert phrases_of(text + '"' + other) is not None
    assert not fold(text) or holds(text, text)
    holds(text, other)
