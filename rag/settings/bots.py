"""`[bots]` of rag.toml: doors in chat. Read by the service, for whom it believes, and by each bot's own process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rag.settings.option import option as _option


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """`[bots.slack]`: the Slack bot; Slack is a cloud, and what is said there has left the house."""

    team: str = _option("", "id of the one workspace it serves, T…; empty: the bot does not start")
    mode: str = _option(
        "socket", "socket needs no port open to the outside; http takes signed events", choices=("socket", "http")
    )
    listen: str = _option(
        "127.0.0.1:8090", "where signed events arrive, for mode http, behind a reverse proxy with TLS"
    )
    people: str = _option(
        "accounts",
        "who somebody is: only by [bots.accounts], or by the e-mail address that the workspace has verified",
        choices=("accounts", "email"),
    )
    threads: str = _option(
        "asked",
        "who is heard in a channel's thread: who has asked there before, or only who calls the bot by name each time",
        choices=("asked", "mention"),
    )
    public_url: str = _option(
        "", "https address under which Slack reaches the bot, for mode http; it goes into the manifest", address=True
    )
    token_file: str = _option("", "file that holds the bot's token, xoxb-…; others than its owner must not read it")
    app_token_file: str = _option("", "file that holds the app's token for mode socket, xapp-…")
    signing_secret_file: str = _option("", "file that holds the secret that events are signed with, for mode http")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsSettings:
    """`[bots.teams]`: the Teams bot; Teams is a cloud, and what is said there has left the house."""

    tenant: str = _option("", "id of the one tenant it serves; empty: the bot does not start")
    app_id: str = _option("", "id of the bot's app registration")
    client_secret_file: str = _option("", "file that holds that registration's secret; others must not read it")
    listen: str = _option("127.0.0.1:8091", "where the relay delivers, behind a reverse proxy with TLS")
    service_hosts: tuple[str, ...] = _option(
        ("smba.trafficmanager.net",), "hosts the bot may answer to; an event that names another is refused", hosts=True
    )
    people: str = _option(
        "accounts",
        "who somebody is: only by [bots.accounts], or the Entra object id as sign-in at the provider names it",
        choices=("accounts", "object-id"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixSettings:
    """`[bots.matrix]`: the Matrix bot; what is said there stays on the homeserver, which should be your own."""

    homeserver: str = _option("", "address of the homeserver; empty: the bot does not start", address=True)
    user: str = _option("", "the bot's own name there, @archivar:example.org")
    token_file: str = _option("", "file that holds its access token; others than its owner must not read it")
    servers: tuple[str, ...] = _option((), "names of homeservers whose people are heard; empty: the bot's own alone")
    people: str = _option(
        "accounts",
        "who somebody is: only by [bots.accounts], or the name before the colon of the bot's own homeserver",
        choices=("accounts", "localpart"),
    )
    encryption: bool = _option(True, "take part in encrypted rooms; needs the extra `matrix`")


@dataclass(frozen=True, slots=True, kw_only=True)
class BotsSettings:
    """`[bots]`: doors in chat, each a process of its own, started by `rag bot NAME`."""

    service: str = _option("http://127.0.0.1:8088", "address of the service, as the bot reaches it", address=True)
    page: str = _option("", "address of the page, as people open it from the chat; empty: that of the service")
    key_file: str = _option("", "file that holds the bot's key, from `rag keys add --bot NAME`")
    ca_file: str = _option(
        "", "certificates of your own authority, PEM, where the service answers by https; empty: the system's"
    )
    most_members: int = _option(
        200, "people in a channel whose rights are looked up for an answer there; where there are more none is given,"
        " and in Slack where there are more than 100", least=1, most=2000,
    )  # fmt: skip
    waiting: int = _option(
        200, "questions that may wait in one bot; whoever asks then is told so", least=1, most=10_000
    )
    waiting_here: int = _option(10, "questions that may wait in one conversation", least=1, most=1000)
    waiting_each: int = _option(10, "questions of one person that may wait, wherever they ask", least=1, most=1000)
    answer_chars: int = _option(
        0, "characters that an answer has in a chat before it is cut; 0: what a message holds there", most=10_000
    )
    accounts: Mapping[str, str] = field(default_factory=dict)
    emails: Mapping[str, str] = field(default_factory=dict)
    slack: SlackSettings = field(default_factory=SlackSettings)
    teams: TeamsSettings = field(default_factory=TeamsSettings)
    matrix: MatrixSettings = field(default_factory=MatrixSettings)


BOTS_TABLES: Final[dict[str, type[Any]]] = {"slack": SlackSettings, "teams": TeamsSettings, "matrix": MatrixSettings}
"""The tables below `[bots]`; besides them `[bots.accounts]` maps an account to a person, and
`[bots.emails]` an e-mail address, where no directory knows it."""

_ACCOUNT: Final = re.compile(rf"(?:{'|'.join(BOTS_TABLES)}):\S+")
_EMAIL: Final = re.compile(r"[^@\s]+@[A-Za-z0-9.-]+")
_PERSON: Final = re.compile(r"(?!user:|group:|everyone$)\S(?:.*\S)?")


def email_problem(emails: Mapping[str, Any]) -> tuple[str, str]:
    """The first key of `[bots.emails]` that cannot be used, and why; both "" where all can."""
    for email, person in emails.items():
        if not _EMAIL.fullmatch(email):
            return email, f'"{email}" is no e-mail address such as "anna@firma.de"'
        if not isinstance(person, str) or not _PERSON.fullmatch(person):
            return email, f'the address "{email}" takes a person\'s name in quotes, such as "anna"'
    folded = [email.casefold() for email in emails]
    twice = next((email for email in emails if folded.count(email.casefold()) > 1), "")
    return twice, f'the address "{twice}" stands there twice; it is one person\'s' if twice else ""


def account_problem(accounts: Mapping[str, Any]) -> tuple[str, str]:
    """The first key of `[bots.accounts]` that cannot be used, and why; both "" where all can."""
    for account, person in accounts.items():
        if not _ACCOUNT.fullmatch(account):
            return (
                account,
                f'"{account}" is no account; write "slack:T…:U…", "teams:TENANT:OBJECT" or "matrix:@NAME:SERVER"',
            )
        if not isinstance(person, str) or not _PERSON.fullmatch(person):
            return account, f'the account "{account}" takes a person\'s name in quotes, such as "anna"'
    return "", ""
