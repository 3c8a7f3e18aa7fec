"""Statements out of JSON that is still being written."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ask.statements import Statement, StatementStream

STATEMENTS = st.lists(
    st.builds(
        lambda source, text: {"source": source, "text": text},
        st.integers(0, 9),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(lambda text: text.strip()),
    ),
    max_size=4,
)


def fed(*pieces: str) -> list[Statement]:
    stream = StatementStream()
    return [statement for piece in pieces for statement in stream.feed(piece)]


def split(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@given(STATEMENTS, st.lists(st.integers(0, 10_000), max_size=12), st.booleans())
def test_however_the_stream_is_cut_the_statements_are_the_same(
    entries: list[dict[str, object]], places: list[int], ascii_only: bool
) -> None:
    text = json.dumps({"statements": entries}, ensure_ascii=ascii_only)
    wanted = [Statement(source=entry["source"], text=str(entry["text"]).strip()) for entry in entries]  # type: ignore[arg-type]
    assert fed(*split(text, places)) == wanted
    assert fed(*text) == wanted


@given(STATEMENTS.filter(bool), st.integers(1, 10_000))
def test_a_stream_that_breaks_off_gives_whole_statements_only(entries: list[dict[str, object]], place: int) -> None:
    text = json.dumps({"statements": entries})
    whole = fed(text)
    broken = fed(text[: place % len(text)])
    assert broken == whole[: len(broken)]


def test_a_statement_comes_with_its_closing_brace_and_not_before() -> None:
    stream = StatementStream()
    assert stream.feed('{"statements": [{"source": 1, "text": "Ja."') == []
    assert stream.feed("}") == [Statement(source=1, text="Ja.")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"Er sagt \"ja\" und {\"nein\"}.", 'Er sagt "ja" und {"nein"}.'),
        (r"Gr\u00f6\u00dfe \ud83d\ude00", "Größe 😀"),
        ("[1] steht in {Klammern}]", "[1] steht in {Klammern}]"),
        (r"Pfad C:\\Temp\\", "Pfad C:\\Temp\\"),
    ],
)
def test_quotes_escapes_and_braces_inside_a_text_belong_to_it(written: str, meant: str) -> None:
    assert [entry.text for entry in fed(*f'{{"statements": [{{"source": 1, "text": "{written}"}}]}}')] == [meant]


def test_half_a_surrogate_pair_becomes_a_character_that_can_be_written() -> None:
    (statement,) = fed(r'{"statements": [{"source": 1, "text": "Gut \ud83d."}]}')
    assert statement.text.encode() == "Gut �.".encode()


@pytest.mark.parametrize(
    "text",
    [
        "Ich weiß es nicht.",
        '{"statements": []}',
        '{"statements": [{"source": 1, "text": ""}]}',
        '{"statements": [{"source": 1}]}',
        '{"statements": [{"source": 1, "text": 5}]}',
        '{"statements": [{"source": 1, "text": "ja" "nein"}]}',
        '{"statements": [' + '{"a":' * 100_000,
        '{"statements": [{"source": ' + "1" * 5000 + ', "text": "ja"}]}',
        '{"statements": []} {"source": 1, "text": "Danach kommt nichts mehr."}',
    ],
)
def test_what_is_no_statement_gives_none(text: str) -> None:
    assert fed(text) == []


def test_a_source_that_is_no_number_is_none() -> None:
    assert fed('{"statements": [{"source": "2", "text": "a"}, {"source": true, "text": "b"}]}') == [
        Statement(source=0, text="a"),
        Statement(source=0, text="b"),
    ]


@pytest.mark.parametrize(
    "wrapping",
    [
        "```json\n{}\n```",
        "```\n{}```",
        "Here is the answer [as JSON]:\n{}",
        "Ich sehe zwei Passagen [1] und [2].\n\n```json\n{}\n```\nDas war's.",
        'Hm, {{"a": 1}}. </think>\n{}',
        'Maybe {{"statements": [{{"source": 1, "text": "draft</think>\n{}',
    ],
)
def test_what_is_written_around_the_json_is_no_answer(wrapping: str) -> None:
    said = wrapping.format('{"statements": [{"source": 2, "text": "Ja [1]."}]}')
    whole = StatementStream().feed(said)
    assert [(statement.source, statement.text) for statement in whole] == [(2, "Ja [1].")]


def test_a_bare_list_is_read_too() -> None:
    assert [one.text for one in StatementStream().feed('[{"source": 1, "text": "Ja."}]')] == ["Ja."]
