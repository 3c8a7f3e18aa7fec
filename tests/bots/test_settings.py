"""`[bots]` of rag.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.bots.inbox import Bounds
from rag.errors import SettingsError
from rag.settings import Settings
from rag.settings.file import load
from rag.settings.template import template


def read(folder: Path, text: str) -> Settings:
    path = folder / "rag.toml"
    path.write_text(text, encoding="utf-8")
    return load(config=path, home=folder, environ={})


def test_the_tables_below_bots_are_read(tmp_path: Path) -> None:
    text = '[bots]\npage = "https://archivar.firma.de"\n[bots.slack]\nteam = "T01"\n[bots.matrix]\nencryption = false\n'
    bots = read(tmp_path, text).bots
    assert (bots.page, bots.slack.team, bots.matrix.encryption) == ("https://archivar.firma.de", "T01", False)
    assert bots.service == "http://127.0.0.1:8088"


def test_limits_are_read_and_have_defaults(tmp_path: Path) -> None:
    bots = read(tmp_path, "[bots]\nmost_members = 50\nwaiting_each = 3\nanswer_chars = 1500\n").bots
    assert (bots.most_members, bots.waiting, bots.waiting_here, bots.waiting_each) == (50, 200, 10, 3)
    assert bots.answer_chars == 1500
    usual = Bounds()
    plain = read(tmp_path, "").bots
    assert (plain.waiting, plain.waiting_here, plain.waiting_each) == (
        usual.waiting, usual.waiting_here, usual.waiting_each,
    )  # fmt: skip


def test_accounts_name_people(tmp_path: Path) -> None:
    text = '[bots.accounts]\n"slack:T01:U02" = "anna"\n"matrix:@ben:firma.de" = "ben"\n'
    assert read(tmp_path, text).bots.accounts == {"slack:T01:U02": "anna", "matrix:@ben:firma.de": "ben"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[bots]\nservices = "http://x"\n', 2),
        ('[bots.slack]\nteam = "T1"\ntokens = "x"\n', 3),
        ('[bots.irc]\nserver = "x"\n', 1),
        ('[bots.accounts]\n"slack:T1:U1" = "anna"\n"irc:anna" = "anna"\n', 3),
        ('[bots.accounts]\n"slack:T1:U1" = "group:hr"\n', 2),
        ('[bots.accounts]\n"slack:T1:U1" = "everyone"\n', 2),
        ('[bots.accounts]\n"slack:T1:U1" = 7\n', 2),
        ('[bots.slack]\nmode = "carrier pigeon"\n', 2),
        ('[bots.matrix]\nhomeserver = "matrix.firma.de"\n', 2),
        ('[bots]\nservice = "http://user:word@host"\n', 2),
        ("[bots]\nwaiting = 0\n", 2),
        ("[bots]\nmost_members = 1000000\n", 2),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    assert refused.value.line == line


def test_the_template_shows_every_key_and_can_be_read(tmp_path: Path) -> None:
    written = template()
    for block in ("[bots]", "[bots.slack]", "[bots.teams]", "[bots.matrix]", "[bots.accounts]"):
        assert block in written
    assert read(tmp_path, written).bots == Settings(home=tmp_path, models=tmp_path).bots
