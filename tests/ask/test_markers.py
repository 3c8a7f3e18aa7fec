"""Source numbers a model writes itself are taken out; other figures in brackets stay."""

from __future__ import annotations

import pytest

from rag.ask.markers import without_markers


@pytest.mark.parametrize(
    "mark",
    [
        "[7]",
        "[1, 2]",
        "[1][2]",
        "[1-3]",
        "(Quelle 2)",
        "(Quellen 1, 2)",
        "[Quelle: 3]",
        "(siehe Passage 1)",
        "(source 2)",
        "【3】",
        "【3†source】",
        "[^1]",
        "(Dokument [4])",
    ],
)
def test_a_source_number_is_taken_out(mark: str) -> None:
    assert without_markers(f"Der Urlaub beträgt 30 Tage {mark}.") == "Der Urlaub beträgt 30 Tage."


@pytest.mark.parametrize(
    "text",
    ["Die Richtlinie (2024) gilt.", "Punkt (1) ist neu.", "Nach § 3 [Abs. 2].", "Er sagt [sic] ja.", "Art. [hier](x)"],
)
def test_what_is_no_source_number_stays(text: str) -> None:
    assert without_markers(text) == text
