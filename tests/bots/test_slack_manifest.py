"""The manifest: what Slack takes, what the settings need, and nothing more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from rag.bots.slack_manifest import manifest, scopes
from rag.settings.bots import BotsSettings, SlackSettings

ROOT = Path(__file__).parents[2]


def made(**slack: str) -> dict[str, dict[str, dict[str, object]]]:
    loaded: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(
        manifest(BotsSettings(slack=SlackSettings(**slack)))
    )
    return loaded


def test_in_socket_mode_it_names_no_address() -> None:
    assert "request_url" not in manifest(BotsSettings())
    assert made()["settings"]["socket_mode_enabled"] is True


def test_over_http_it_names_the_public_address_alone() -> None:
    whole = manifest(BotsSettings(slack=SlackSettings(mode="http", public_url="https://bot.firma.example/")))
    found = set(re.findall(r"https://[^\s\"]+", "\n".join(line for line in whole.splitlines() if line[0] != "#")))
    assert found == {"https://bot.firma.example/slack/events"}
    assert yaml.safe_load(whole)["settings"]["socket_mode_enabled"] is False


def test_it_asks_for_no_more_than_the_settings_need() -> None:
    assert "users:read.email" not in scopes(SlackSettings())
    assert "users:read.email" in scopes(SlackSettings(people="email"))
    events = made(threads="mention")["settings"]["event_subscriptions"]["bot_events"]
    assert events == ["app_mention", "message.im"]
    writing = {scope for scope in scopes(SlackSettings(people="email")) if "write" in scope}
    assert writing == {"chat:write", "im:write"}


@pytest.mark.parametrize("people", ["accounts", "email"])
def test_each_scope_and_each_event_has_its_reason(people: str) -> None:
    whole = manifest(BotsSettings(slack=SlackSettings(people=people)))
    listed = [line for line in whole.splitlines() if line.lstrip().startswith('- "')]
    assert len(listed) == len(scopes(SlackSettings(people=people))) + 5
    assert all(re.search(r"  # .{10,}", line) for line in listed)
    assert made(people=people)["oauth_config"]["scopes"]["bot"] == list(scopes(SlackSettings(people=people)))


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_set_up_pages_show_the_manifest_as_it_is_made(language: str) -> None:
    page = (ROOT / f"docs/bots/slack.{language}.md").read_text(encoding="utf-8")
    assert manifest(BotsSettings(slack=SlackSettings(people="email"))).strip() in page


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_set_up_pages_name_every_key_of_the_settings(language: str) -> None:
    page = (ROOT / f"docs/bots/slack.{language}.md").read_text(encoding="utf-8")
    for key in SlackSettings.__dataclass_fields__:
        assert key in page, key
    for host in ("slack.com", "wss-primary.slack.com", "wss-backup.slack.com"):
        assert host in page
