"""What rag.toml may say, and what is said of what it may not."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from rag.access import Confidentiality
from rag.errors import SettingsError
from rag.settings import TABLES, Settings
from rag.settings.file import load
from rag.settings.models import EmbedderSettings, LlmSettings
from rag.settings.sources import SourceSettings
from rag.settings.template import template

ONE = '[[sources]]\nname = "a"\npath = "/srv/a"\n'


def loaded(folder: Path, text: str | bytes, **environ: str) -> Settings:
    path = folder / "rag.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(config=path, home=None, environ=environ)


def refused(folder: Path, text: str | bytes) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "key", "line", "says"),
    [
        ("[llm]\n\nmodle = 'x'", "llm.modle", 3, "known are provider, base_url, model"),
        ("# so\n[lllm]\nmodel = 'x'", "lllm", 2, "known are [[sources]], [groups], [embedder]"),
        ("home = '/x'", "home", 1, 'unknown key "home"'),
        ("[llm]\nmodel = 5", "llm.model", 2, "a text in quotes, not 5"),
        ("[ingest]\nocr = 'yes'", "ingest.ocr", 2, "true or false"),
        ("[retrieval]\npassages = true", "retrieval.passages", 2, "a whole number"),
        ("[retrieval]\npassages = 8.5", "retrieval.passages", 2, "a whole number"),
        ("[retrieval]\npassages = 0", "retrieval.passages", 2, "at least 1, not 0"),
        ("[retrieval]\nevidence = 7", "retrieval.evidence", 2, "between 0 and 1"),
        ("[retrieval]\nevidence = nan", "retrieval.evidence", 2, "between 0 and 1"),
        ("[ingest]\ntimeout_s = -1", "ingest.timeout_s", 2, "at least 1"),
        ("[ingest]\nsettle_s = inf", "ingest.settle_s", 2, "at least 0.1, not inf"),
        (f"[ingest]\nsettle_s = 1{'0' * 400}", "ingest.settle_s", 2, "at least 0.1, not inf"),
        ("[ingest]\nmemory_mb = 9", "ingest.memory_mb", 2, "at least 64"),
        ("[embedder]\ndigest = 'abc'", "embedder.digest", 2, "64 digits"),
        ("[llm]\ndigest = 'sha256:abc'", "llm.digest", 2, "64 digits"),
        ("[[sources]]\nname = 'a'\npath = '~ghost/x'", "sources.path", 3, "write the whole path"),
        ("[audit]\nanchor_file = '~ghost/x'", "audit.anchor_file", 2, "write the whole path"),
        ("[llm]\nprovider = 'cloud'", "llm.provider", 2, "one of auto, ollama, openai-compatible"),
        ("[llm]\nbase_url = 'localhost:11434'", "llm.base_url", 2, "an address such as http://"),
        ("[llm]\nbase_urls = ['http://a:1', 'b:2']", "llm.base_urls", 2, "not 'b:2'"),
        ("[llm]\nbase_urls = ['']", "llm.base_urls", 2, "an address such as http://"),
        ("[llm]\nbase_urls = ['http://anna:pw@a:1']", "llm.base_urls", 2, "no place for a secret"),
        ("[llm]\nbase_url = 'http://a:1'\nbase_urls = ['http://b:1']", "llm.base_urls", 3, "take base_url out"),
        ("[llm]\nbase_urls = ['http://a:1', 'http://a:1']", "llm.base_urls", 2, "one server twice"),
        ("[llm]\nprovider = 'embedded'\nbase_urls = ['http://a:1']", "llm.base_urls", 3, "model on servers"),
        ("[llm]\nprovider = 'openai-compatible'\ndigest = 'sha256:ab'", "llm.digest", 3, "tells no digest"),
        ("[llm]\nchanged = 'ignore'", "llm.changed", 2, "one of refuse, warn"),
        ("[licences]\nallow = ['free', 'gratis']", "licences.allow", 2, '"gratis" is none of them'),
        ("[retrieval]\nreranker = 'ftp://gpu.example'", "retrieval.reranker", 2, "an address such as http://"),
        ("[retrieval]\nreranker = 'http://gpu.example:rank'", "retrieval.reranker", 2, "an address such as http://"),
        ("[llm]\nbase_url = 'http://[::1'", "llm.base_url", 2, "an address such as http://"),
        ("[retrieval]\nreranker_timeout_s = 0", "retrieval.reranker_timeout_s", 2, "at least 0.05"),
        ("[egress]\nallow = 'wiki.example'", "egress.allow", 2, 'a list of texts, such as ["everyone"]'),
        ("[egress]\nallow = ['a', 5]", "egress.allow", 2, "a list of texts"),
        ("[egress]\nallow = ['a', '*.example']", "egress.allow", 2, '"*.example" is no host'),
        ("[egress]\nallow = ['http://wiki.example']", "egress.allow", 2, "is no host"),
        ("[egress]\nallow = ['10.0.0.0/8']", "egress.allow", 2, "is no host"),
        ("[egress]\nlockdown = true", "egress.lockdown", 2, "a text in quotes"),
        ("[egress]\nlockdown = 'on'", "egress.lockdown", 2, "one of off, where-available, strict"),
        ("llm = 'x'", "llm", 1, "a block of keys under [llm]"),
        ("llm = { modle = 'x' }", "llm.modle", 1, "unknown key"),
        ("\nllm.modle = 'x'", "llm.modle", 2, "unknown key"),
        ("[[llm]]\nmodel = 'x'", "llm", 1, "under [llm]"),
        ("[sources]\nname = 'a'", "sources", 1, "under [[sources]]"),
        ("sources = ['a']", "sources", 1, "under [[sources]]"),
        ("[groups]\nhr = 'anna'", "groups.hr", 2, "a list of texts"),
        ("[groups]\nit = ['jo']\nhr = ['user:anna']", "groups.hr", 3, '"user:anna" is no member'),
        ("[groups]\nhr = ['']", "groups.hr", 2, "is no member"),
        (ONE + "confidentiality = 'public'", "sources.confidentiality", 4, 'unknown key "confidentiality"'),
        (ONE + "class = 'secret'", "sources.class", 4, "public, internal, confidential, strict"),
        (ONE + "kind = 'smb'", "sources.kind", 4, "one of folder"),
        (ONE + "readers = ['hr']", "sources.readers", 4, '"hr" is no reader'),
        (ONE + "readers = ['group:']", "sources.readers", 4, "is no reader"),
        ("[[sources]]\nname = 'a b'\npath = '/a'", "sources.name", 2, "letters, digits, - and _"),
        ("[[sources]]\npath = '/a'", "sources.name", 1, "needs a name"),
        ("[[sources]]\nname = 'a'", "sources.path", 1, 'source "a" needs a path'),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_key_and_line(
    tmp_path: Path, text: str, key: str, line: int, says: str
) -> None:
    error = refused(tmp_path, text)
    assert (error.key, error.line) == (key, line)
    assert f"rag.toml, line {line}: " in str(error)
    assert says in str(error)


@pytest.mark.parametrize(
    ("more", "key", "line"),
    [
        ("name = 'b'\npath = '/b'\nreader = ['everyone']", "sources.reader", 7),
        ("name = 'b'\npath = '/b'\nreaders = ['hr']", "sources.readers", 7),
        ("name = 'b'\npath = 5", "sources.path", 6),
        ("path = '/b'", "sources.name", 4),
        ("name = 'a'\npath = '/b'", "sources.name", 5),
    ],
)
def test_the_line_is_that_of_the_second_block_where_the_second_is_wrong(
    tmp_path: Path, more: str, key: str, line: int
) -> None:
    error = refused(tmp_path, f"{ONE}[[sources]]\n{more}\n[[sources]]\nname = 'c'\npath = '/c'")
    assert (error.key, error.line) == (key, line)


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    assert 'two sources are called "a"' in str(refused(tmp_path, ONE + ONE))


def test_text_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    error = refused(tmp_path, "[llm]\nmodel = qwen\n")
    assert error.line == 2
    assert "not valid TOML" in str(error)


@pytest.mark.parametrize(("content", "says"), [(b"\xff\xfe\x00", "not UTF-8"), (None, "No such file")])
def test_a_file_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "rag.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"{re.escape(str(path))} cannot be read: .*{says}"):
        load(config=path, home=None, environ={})


@pytest.mark.parametrize("value", ["[" * 5000 + "]" * 5000, "9" * 5000])
def test_text_that_no_reader_gets_through_is_refused(tmp_path: Path, value: str) -> None:
    assert "cannot be read" in str(refused(tmp_path, f"[llm]\nmodel = {value}"))


@pytest.mark.parametrize("digest", ["a1" * 32, f"sha256:{'A1' * 32}"])
def test_a_whole_digest_is_taken(tmp_path: Path, digest: str) -> None:
    assert loaded(tmp_path, f"[embedder]\ndigest = '{digest}'").embedder.digest == digest


def test_a_home_that_is_known_is_taken(tmp_path: Path) -> None:
    assert loaded(tmp_path, "[[sources]]\nname = 'a'\npath = '~/x'").sources[0].path == "~/x"


@pytest.mark.parametrize(
    ("llm", "where"),
    [
        ("provider = 'openai-compatible'\nbase_url = 'http://vllm:8000'", "http://embeds:11434"),
        ("provider = 'embedded'", "http://embeds:11434"),
        ("provider = 'none'\nbase_url = 'http://gpu:11434'", "http://gpu:11434"),
        ("provider = 'ollama'\nbase_url = 'http://gpu:11434'", "http://gpu:11434"),
        ("provider = 'auto'", "http://localhost:11434"),
    ],
)
def test_a_vision_model_is_asked_for_at_an_ollama(tmp_path: Path, llm: str, where: str) -> None:
    embedder = "[embedder]\nprovider = 'ollama'\nmodel = 'e'\nbase_url = 'http://embeds:11434'\n"
    settings = loaded(tmp_path, f"{embedder}[llm]\n{llm}\n[ingest]\nvision_model = 'seer'")
    assert settings.vision_url() == where
    assert any(f"{one}".startswith(where.removeprefix("http://")) for one in settings.endpoints())


def test_a_mark_an_editor_puts_in_front_of_the_file_does_no_harm(tmp_path: Path) -> None:
    assert loaded(tmp_path, b"\xef\xbb\xbf[llm]\nmodel = 'x'\n").llm.model == "x"


def test_what_is_written_is_what_is_set(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        ONE
        + "class = 'confidential'\nreaders = ['group:hr', 'user:anna']\nexclude = ['**/~*']\n"
        + "[groups]\nhr = ['anna', 'group:managers']\n"
        + "[llm]\ncontext_tokens = 8192\ntotal_timeout_s = 30\n",
    )
    (source,) = settings.sources
    assert (source.readers, source.level) == (("group:hr", "user:anna"), Confidentiality.CONFIDENTIAL)
    assert settings.groups == {"hr": ("anna", "group:managers")}
    assert (settings.llm.context_tokens, settings.llm.total_timeout_s) == (8192, 30.0)
    assert settings.embedder == EmbedderSettings()


def test_a_source_without_readers_or_class_is_read_by_nobody_and_strict(tmp_path: Path) -> None:
    (source,) = loaded(tmp_path, ONE).sources
    assert (source.readers, source.level) == ((), Confidentiality.STRICT)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").llm == LlmSettings()


RULED = (
    ONE
    + """readers = "from-filesystem"
deny = ["user:x y"]
[[sources.rules]]
path = "hr/"
readers = ["group:Domain Users"]
deny = ["user:x"]
[[sources]]
name = "b"
path = "/b"
[[sources.rules]]
path = "offen"
readers = "from-filesystem"
[[sources.rules]]
path = "zu/"
deny = ["group:z"]
[identity]
groups_s = 5
[identity.sids]
"S-1-5-21-1-2-3-4" = "group:hr"
"""
)


def test_rules_belong_to_the_source_above_them(tmp_path: Path) -> None:
    settings = loaded(tmp_path, RULED)
    one, other = settings.sources
    assert (one.readers, one.deny, one.from_filesystem) == (("from-filesystem",), ("user:x y",), True)
    assert [(rule.path, rule.readers, rule.deny) for rule in one.rules] == [
        ("hr/", ("group:Domain Users",), ("user:x",))
    ]
    assert [(rule.path, rule.readers) for rule in other.rules] == [
        ("offen", ("from-filesystem",)),
        ("zu/", ("inherited",)),
    ]
    assert other.from_filesystem
    assert settings.sids == {"S-1-5-21-1-2-3-4": "group:hr"}
    assert settings.system_groups, "the file system's groups are the system's"
    assert not loaded(tmp_path, ONE).system_groups
    assert loaded(tmp_path, ONE + "[identity]\nsystem_groups = true").system_groups


@pytest.mark.parametrize(
    ("old", "new", "key", "line"),
    [
        ('path = "hr/"', 'path = "/hr/"', "sources.rules.path", 7),
        ('path = "hr/"', 'path = "../hr"', "sources.rules.path", 7),
        ('path = "offen"', 'path = ""', "sources.rules.path", 14),
        ('path = "zu/"', 'path = "zu/"\nreaders = ["inherited", "everyone"]', "sources.rules.readers", 18),
        ('deny = ["group:z"]', 'deny = ["everyone"]', "sources.rules.deny", 18),
        ('deny = ["group:z"]', "", "sources.rules.path", 17),
        ('deny = ["group:z"]', 'class = "public"', "sources.rules.class", 18),
        ('deny = ["user:x y"]', 'deny = ["x"]', "sources.deny", 5),
        ('readers = "from-filesystem"\ndeny', 'readers = ["inherited"]\ndeny', "sources.readers", 4),
        ("groups_s = 5", "groups_s = 61", "identity.groups_s", 20),
        ('"S-1-5-21-1-2-3-4"', '"hr"', "identity.sids.hr", 22),
        ('"group:hr"', '"hr"', "identity.sids.S-1-5-21-1-2-3-4", 22),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, key: str, line: int
) -> None:
    assert old in RULED
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, RULED.replace(old, new, 1))
    assert (refused.value.key, refused.value.line) == (key, line)


def test_the_template_as_written_means_the_defaults(tmp_path: Path) -> None:
    settings = loaded(tmp_path, template())
    assert all(getattr(settings, name) == kind() for name, kind in TABLES.items())
    assert settings.sources == ()


def test_the_template_with_every_key_put_in_force_still_means_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (\[|\w+ = )", r"\1", template())
    text = text.replace('name = ""', 'name = "a"').replace('path = ""', 'path = "/srv/a"')
    settings = loaded(tmp_path, text)
    assert all(getattr(settings, name) == kind() for name, kind in TABLES.items())
    assert settings.sources == (SourceSettings(name="a", path="/srv/a"),)
    assert settings.groups == {"hr": ("anna", "group:managers")}
    written = tomllib.loads(text)
    assert all(len(written[name]) == len(fields(kind)) for name, kind in TABLES.items())
    assert len(written["sources"][0]) == len(fields(SourceSettings)) - 1, "rules are blocks of their own"


def test_every_key_of_the_template_says_what_it_means() -> None:
    keys = [line for line in template().splitlines() if re.match(r"# \w+ = ", line) and "hr = " not in line]
    assert keys
    assert all(re.search(r"  # \w.{8}", line) for line in keys)


def test_the_file_here_comes_before_the_one_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "named.toml"
    named.write_text("[llm]\nmodel = 'named'")
    monkeypatch.chdir(tmp_path)
    environ = {"RAG_CONFIG": str(named)}
    assert load(config=None, home=None, environ=environ).llm.model == "named"
    Path("rag.toml").write_text("[llm]\nmodel = 'here'")
    assert load(config=None, home=None, environ=environ).llm.model == "here"
    assert load(config=named, home=None, environ={}).llm.model == "named"


def test_the_home_given_comes_before_the_environments_before_the_default(tmp_path: Path) -> None:
    environ = {"RAG_HOME": "/srv/environment", "RAG_MODELS": "/srv/models"}
    assert load(config=None, home=tmp_path, environ=environ).home == tmp_path
    assert load(config=None, home=None, environ=environ).home == Path("/srv/environment")
    assert load(config=None, home=None, environ=environ).models == Path("/srv/models")
    assert load(config=None, home=None, environ={}).home == Path.cwd() / "data/var"


def test_the_model_servers_are_the_only_hosts_reached_unlisted(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "[egress]\nallow = ['wiki.example']\n[llm]\nbase_url = 'https://gpu.example:8443/v1'\n")
    assert set(settings.allowed_hosts()) == {"wiki.example", "gpu.example"}


@pytest.mark.parametrize(
    ("named", "hosts"),
    [("https://rank.example:8443/v1", {"rank.example"}), ("/srv/models/reranker", set()), ("", set())],
)
def test_a_reranker_that_is_a_server_is_reached_too(tmp_path: Path, named: str, hosts: set[str]) -> None:
    settings = loaded(tmp_path, f"[retrieval]\nreranker = '{named}'\n")
    assert set(settings.allowed_hosts()) == {"localhost", *hosts}


def test_the_rerankers_key_is_read_from_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    (tmp_path / "key").chmod(0o600)
    settings = loaded(tmp_path, f"[retrieval]\nreranker_api_key_file = '{tmp_path}/key'")
    assert (settings.reranker_api_key(), settings.api_key()) == ("s3cret", "")


def test_the_servers_key_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    (tmp_path / "key").chmod(0o600)
    assert loaded(tmp_path, f"[llm]\napi_key_file = '{tmp_path}/key'").api_key() == "s3cret"
    with pytest.raises(SettingsError, match="cannot be read"):
        loaded(tmp_path, "[llm]\napi_key_file = '/nowhere/key'").api_key()
    assert loaded(tmp_path, "").api_key() == ""


def test_every_model_server_may_be_reached_and_has_its_own_seats(tmp_path: Path) -> None:
    found = loaded(tmp_path, "[llm]\nbase_urls = ['http://gpu1:11434', 'http://gpu2:11434']\n[server]\nslots = 3")
    assert {"gpu1:11434", "gpu2:11434"} <= {str(one) for one in found.endpoints()}
    assert (found.slots_per_host, found.slots) == (3, 6)
    assert found.ollama_url() == "http://gpu1:11434"
