"""The app manifest that Slack makes an app of: what the app may do, each scope with its reason, and nothing that the
settings do not need."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from rag.bots.slack_http import PATH
from rag.settings.bots import BotsSettings, SlackSettings

COMMAND: Final = "/frag"

_SCOPES: Final = {
    "app_mentions:read": "to be called by name in a channel",
    "chat:write": "to answer, to let the answer grow, and to take it back",
    "commands": f"for the command {COMMAND}",
    "im:history": "to read what is asked in a direct message, and to find its own answer again after a crash",
    "im:read": "to know a direct message for one",
    "im:write": f"to open the direct message that {COMMAND} is answered in",
    "channels:read": "to know who can read an answer in a public channel",
    "groups:read": "to know who can read an answer in a private channel",
    "mpim:read": "to know who can read an answer in a group message",
    "channels:history": "to read what the asking person said before in a thread, and to find its own answer again",
    "groups:history": "the same in a private channel",
    "mpim:history": "the same in a group message",
    "users:read": "to know guests and people of other organisations, and the language somebody has chosen",
}
_EMAIL: Final = {
    "users:read.email": 'to know who somebody is in the house, by the confirmed address (people = "email")'
}

_EVENTS: Final = {
    "app_mention": "somebody calls the bot by name",
    "message.im": "somebody writes to the bot directly",
}
_FOLLOWING: Final = {
    "message.channels": 'somebody goes on in a thread without calling it again (threads = "asked")',
    "message.groups": "the same in a private channel",
    "message.mpim": "the same in a group message",
}


def scopes(settings: SlackSettings) -> tuple[str, ...]:
    """What the bot's token must be allowed, with these settings."""
    return tuple(_reasons(settings))


def manifest(settings: BotsSettings) -> str:
    """The manifest as YAML, to be pasted at api.slack.com/apps under “Create New App”, “From a manifest”.

    In mode http the addresses are those of `bots.slack.public_url`; without it a line says what to put there.
    """
    slack = settings.slack
    http = slack.mode == "http"
    address = (slack.public_url.rstrip("/") or "https://PUT-YOUR-ADDRESS-HERE.example") + PATH if http else ""
    events = _EVENTS | (_FOLLOWING if slack.threads == "asked" else {})
    at = {"request_url": address} if http else {}
    command = {"command": COMMAND, "description": "Die Dokumente der Firma fragen", "usage_hint": "Ihre Frage"}
    command |= {"url": address} if http else {}
    lines = [
        "# Made by `rag bot slack manifest`. Paste it at https://api.slack.com/apps: Create New App, From a manifest.",
        *_mapping("display_information", {"name": "Archivar", "description": "Fragt die Dokumente der Firma"}),
        "features:",
        "  app_home:",
        "    home_tab_enabled: false",
        "    messages_tab_enabled: true",
        "    messages_tab_read_only_enabled: false",
        *_mapping("  bot_user", {"display_name": "Archivar", "always_online": False}),
        "  slash_commands:",
        *_item("    ", command | {"should_escape": True}),
        "oauth_config:",
        "  scopes:",
        "    bot:",
        *_listed("      ", _reasons(slack).items()),
        "settings:",
        "  event_subscriptions:",
        *(f"    {key}: {json.dumps(value)}" for key, value in at.items()),
        "    bot_events:",
        *_listed("      ", events.items()),
        *_mapping("  interactivity", {"is_enabled": True, **at}),
        "  org_deploy_enabled: false",
        f"  socket_mode_enabled: {json.dumps(not http)}",
        "  token_rotation_enabled: false",
    ]
    return "\n".join(lines) + "\n"


def _reasons(settings: SlackSettings) -> dict[str, str]:
    return _SCOPES | (_EMAIL if settings.people == "email" else {})


def _mapping(name: str, rows: dict[str, Any]) -> list[str]:
    indent = " " * (len(name) - len(name.lstrip()) + 2)
    return [f"{name}:", *(f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in rows.items())]


def _item(indent: str, rows: dict[str, Any]) -> list[str]:
    lines = [f"{indent}  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in rows.items()]
    return [f"{indent}- {lines[0].strip()}", *lines[1:]]


def _listed(indent: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    """A list, each entry with the reason for it as a comment."""
    return [f"{indent}- {json.dumps(name)}  # {reason}" for name, reason in rows]
