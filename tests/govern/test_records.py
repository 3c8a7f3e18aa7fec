"""`rag dpia`: the papers say what is configured, name nobody, and name a proof for each measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.govern.records import MEASURES, facts, page
from rag.settings import Settings
from rag.settings.file import load
from rag.store.ledger import Ledger

ROOT = Path(__file__).parents[2]
CLOSED = {"guard": True, "active": True, "kernel": "active (Landlock 7)"}


def settings_of(folder: Path, text: str = "") -> Settings:
    path = folder / "rag.toml"
    path.write_text(text)
    return load(config=path, home=folder / "home", environ={})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def paper(settings: Settings, ledger: Ledger, language: str = "en", **egress: object) -> str:
    return "\n".join(page(facts(settings, ledger, {**CLOSED, **egress}), language))


HOSPITAL = """
[[sources]]
name = "pflege"
path = "/srv/erika.mustermann/pflege"
readers = ["user:erika.mustermann", "user:jo", "group:station3"]
class = "strict"
[groups]
station3 = ["otto.normal"]
[llm]
provider = "ollama"
base_url = "http://gpu.klinik.example:8000/v1"
model = "mistral-small"
digest = "sha256:abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabca"
[egress]
allow = ["wiki.klinik.example"]
"""


@pytest.mark.parametrize("language", ["de", "en"])
def test_it_says_what_is_configured(tmp_path: Path, ledger: Ledger, language: str) -> None:
    said = paper(settings_of(tmp_path, HOSPITAL), ledger, language)
    for fact in ("pflege", "strict", "mistral-small", "sha256:abc", "gpu.klinik.example:8000", "wiki.klinik.example"):
        assert fact in said
    assert ("2 einzelne Personen" if language == "de" else "2 single persons") in said
    assert "Art. 30" in said and "Art. 35" in said and "Landlock 7" in said


@pytest.mark.parametrize("language", ["de", "en"])
def test_it_names_no_person(tmp_path: Path, ledger: Ledger, language: str) -> None:
    settings = settings_of(tmp_path, HOSPITAL)
    said = paper(settings, ledger, language) + str(facts(settings, ledger, CLOSED))
    for name in ("erika", "mustermann", "otto", "user:", "/srv"):
        assert name not in said


def test_another_configuration_is_another_paper(tmp_path: Path, ledger: Ledger) -> None:
    quiet = paper(settings_of(tmp_path, "[llm]\nprovider = 'embedded'\n"), ledger)
    assert "no server outside this process is configured" in quiet
    assert "A model server is a program of its own" not in quiet
    assert "A model server is a program of its own" in paper(settings_of(tmp_path, HOSPITAL), ledger)


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_chat_that_is_set_up_is_a_recipient_and_a_cloud_a_risk(tmp_path: Path, ledger: Ledger, language: str) -> None:
    none = {"de": "Chat-Dienste: in dieser Einstellung keine", "en": "Chat services: none in these settings"}[language]
    left = {"de": "hat das Haus verlassen", "en": "has left the house"}[language]
    quiet = paper(settings_of(tmp_path), ledger, language)
    assert none in quiet and left not in quiet
    slack = paper(settings_of(tmp_path, '[bots.slack]\nteam = "T01"\n'), ledger, language)
    assert "Slack (USA)" in slack and none not in slack and left in slack
    own = paper(settings_of(tmp_path, '[bots.matrix]\nhomeserver = "https://matrix.example"\n'), ledger, language)
    assert "Homeserver" in own.title() and left not in own


@pytest.mark.parametrize("language", ["de", "en"])
def test_models_that_see_and_hear_are_named(tmp_path: Path, ledger: Ledger, language: str) -> None:
    perceiving = '[ingest]\nvision_model = "seer:7b"\nspeech_model = "/srv/erika/whisper-large"\n'
    said = paper(settings_of(tmp_path, HOSPITAL + perceiving), ledger, language)
    assert "seer:7b" in said and "whisper-large" in said and "erika" not in said
    assert "gpu.klinik.example" in next(line for line in said.splitlines() if "seer:7b" in line)


def test_a_guard_that_is_not_active_is_a_risk(tmp_path: Path, ledger: Ledger) -> None:
    settings = settings_of(tmp_path)
    assert "The kernel guard is not active" in paper(settings, ledger, active=False, kernel="off")
    assert "The kernel guard is not active" not in paper(settings, ledger)


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_bot_with_settings_of_its_own_is_known_by_its_key_or_its_accounts(
    tmp_path: Path, ledger: Ledger, language: str
) -> None:
    left = {"de": "hat das Haus verlassen", "en": "has left the house"}[language]
    none = {"de": "in dieser Einstellung keine", "en": "none in these settings"}[language]
    keyed = "\n".join(page(facts(settings_of(tmp_path), ledger, CLOSED, bots={"teams"}), language))
    assert "Microsoft Teams: " in keyed and "Slack (USA)" not in keyed and left in keyed and none not in keyed
    accounts = settings_of(tmp_path, '[bots.accounts]\n"slack:T1:U1" = "erika"\n"teams:a:b" = "otto"\n')
    listed = paper(accounts, ledger, language)
    assert "Microsoft Teams: " in listed and "Slack (USA)" in listed and left in listed and none not in listed
    assert "erika" not in listed and "U1" not in listed


@pytest.mark.parametrize("language", ["de", "en"])
def test_what_is_kept_of_keys_accounts_and_bots_is_told(tmp_path: Path, ledger: Ledger, language: str) -> None:
    keys, ids, inbox = {
        "de": ("API-Schlüssel: ", "Objekt-ID", "Eingang der Bots"),
        "en": ("API keys: ", "object id", "Inbox of the bots"),
    }[language]
    quiet = paper(settings_of(tmp_path), ledger, language)
    assert keys in quiet and ids in quiet and inbox not in quiet
    assert inbox in paper(settings_of(tmp_path, '[bots.slack]\nteam = "T01"\n'), ledger, language)


def test_every_measure_names_tests_that_exist() -> None:
    for measure, proof in MEASURES.items():
        paths = [word.strip(",;") for word in proof.split() if word.startswith("tests/")]
        assert paths or "BENCH" in proof, measure
        for path in paths:
            assert (ROOT / path).is_file(), path
