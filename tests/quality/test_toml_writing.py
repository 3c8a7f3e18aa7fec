"""A value that a command writes into a person's rag.toml: nothing else in it changes."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import SettingsError
from rag.settings.template import template
from rag.settings.toml_writing import with_value, write

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[llm]\ndigest = "old"  # ours\nmodel = "m"\n', f'[llm]\ndigest = "{DIGEST}"  # ours\nmodel = "m"\n'),
        ("[llm]\n  digest='old'# ours\n", f'[llm]\n  digest="{DIGEST}"# ours\n'),
        ('[llm]\nmodel = "m" # why\n', f'[llm]\ndigest = "{DIGEST}"\nmodel = "m" # why\n'),
        ('[llm]\n# digest = ""  # pinned\n', f'[llm]\ndigest = "{DIGEST}"  # pinned\n'),
        ("[llm]", f'[llm]\ndigest = "{DIGEST}"\n'),
        ('llm.model = "m"\n', f'llm.digest = "{DIGEST}"\nllm.model = "m"\n'),
        ("# ours\n", f'# ours\n\n[llm]\ndigest = "{DIGEST}"\n'),
        ("", f'[llm]\ndigest = "{DIGEST}"\n'),
        ('[llm]\r\nmodel = "m"\r\n', f'[llm]\r\ndigest = "{DIGEST}"\r\nmodel = "m"\r\n'),
        ('[embedder]\ndigest = "x"\n[llm]\n', f'[embedder]\ndigest = "x"\n[llm]\ndigest = "{DIGEST}"\n'),
        ('[llm] # a "digest = 1"\n', f'[llm] # a "digest = 1"\ndigest = "{DIGEST}"\n'),
    ],
)
def test_one_line_is_changed_or_added(before: str, after: str) -> None:
    assert with_value(before, "llm", "digest", DIGEST) == after


def test_what_cannot_be_changed_by_a_line_is_said_with_what_to_write() -> None:
    with pytest.raises(SettingsError, match=rf'by hand.*digest = "{DIGEST}"'):
        with_value('llm = { model = "m" }\n', "llm", "digest", DIGEST)


def test_a_header_inside_a_text_of_several_lines_is_no_header() -> None:
    text = 'note = """\n[llm]\n"""\n[llm]\nmodel = "m"\n'
    with pytest.raises(SettingsError, match="by hand"):
        with_value(text, "llm", "digest", DIGEST)


def test_the_commented_file_of_rag_init_keeps_every_comment() -> None:
    made = with_value(template(), "llm", "digest", DIGEST)
    changed = [line for line in made.splitlines() if line not in template().splitlines()]
    assert len(changed) == 1
    assert changed[0].startswith(f'digest = "{DIGEST}"  # pinned digest')
    assert tomllib.loads(made)["llm"] == {"digest": DIGEST}


_KEYS = st.sampled_from(["model", "digest", "base_url"])
_TABLES = st.dictionaries(
    st.sampled_from(["llm", "embedder", "audit"]), st.dictionaries(_KEYS, st.text("ab #=[]'", max_size=8))
)


@given(
    tables=_TABLES,
    comments=st.lists(st.sampled_from(["# note", "#[llm]", '# digest = "x"', ""]), min_size=9, max_size=9),
)
def test_whatever_stands_there_only_that_value_changes(tables: dict[str, dict[str, str]], comments: list[str]) -> None:
    notes, lines = iter(comments * 3), []
    for name, keys in tables.items():
        lines += [next(notes), f"[{name}]", *(f'{key} = "{value}" {next(notes)}' for key, value in keys.items())]
    text = "\n".join(lines)
    before = tomllib.loads(text)
    made = with_value(text, "llm", "digest", DIGEST)
    assert tomllib.loads(made) == {**before, "llm": {**before.get("llm", {}), "digest": DIGEST}}
    assert made.count("# note") == text.count("# note")


def test_the_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "rag.toml"
    real.write_text("[llm]\n", encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to(real)
    write(link, lambda text: with_value(text, "llm", "digest", DIGEST))
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert DIGEST in real.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rag.toml", "real.toml"]


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "rag.toml"
    path.write_text("llm = {}\n", encoding="utf-8")
    with pytest.raises(SettingsError):
        write(path, lambda text: with_value(text, "llm", "digest", DIGEST))
    assert path.read_text(encoding="utf-8") == "llm = {}\n"
    assert list(tmp_path.iterdir()) == [path]
