"""From `[auth.oidc]`, `[auth.ldap]` and `[bots]` to what signs people in and knows them, in `rag.credentials`."""

from __future__ import annotations

import time
from collections.abc import Callable

from rag import system_accounts
from rag.credentials.accounts import Accounts, Links
from rag.credentials.ldap import Directory, Plan
from rag.credentials.ldap_connection import Connection
from rag.credentials.oidc import Trust
from rag.credentials.sign_in import Registration, SignIn, sign_in
from rag.identity import Memberships
from rag.settings import Settings
from rag.store.ledger import Ledger


def sign_in_of(settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> SignIn | None:
    """Sign-in at the provider of the settings; None where they name none.

    Raises:
        SettingsError: the client's secret cannot be read.
    """
    oidc = settings.auth.oidc
    if not oidc.issuer:
        return None
    trust = Trust(
        audience=oidc.audience,
        client_id=oidc.client_id,
        clients=frozenset(oidc.clients),
        algorithms=frozenset(oidc.algorithms),
        user_claim=oidc.user_claim,
        groups_claim=oidc.groups_claim,
        domain=oidc.domain,
        longest_s=oidc.longest_token_s,
    )
    client = None
    if oidc.client_id:
        client = Registration(
            secret=settings.client_secret(),
            url=oidc.url,
            scopes=oidc.scopes,
            idle_s=oidc.idle_s,
            longest_s=oidc.longest_s,
            checked_otherwise=bool(settings.auth.ldap.url),
        )
    return sign_in(oidc.issuer, trust, allowed=settings.endpoints(), ca_file=oidc.ca_file, client=client, clock=clock)


def memberships_of(settings: Settings) -> Memberships:
    """Who is in which group: by the settings, the operating system and the directory, as the settings say.

    Raises:
        SettingsError: as `directory_of`.
    """
    directory = directory_of(settings)
    asked = [system_accounts.account] if settings.system_groups else []
    asked += [directory.account] if directory else []
    oidc = settings.auth.oidc
    return Memberships(
        settings.groups,
        system=system_accounts.every(asked) if asked else None,
        keep_s=settings.identity.groups_s,
        strangers=directory is None,
        claimed=bool(oidc.issuer and oidc.groups_claim) and directory is None,
    )


def directory_of(settings: Settings) -> Directory | None:
    """The directory of the settings; None where they name none.

    Raises:
        SettingsError: the account's password cannot be read.
    """
    ldap = settings.auth.ldap
    if not ldap.url:
        return None
    password = settings.directory_password()

    def connect() -> Connection:
        return Connection(
            ldap.url, ca_file=ldap.ca_file, bind_dn=ldap.bind_dn, password=password, timeout_s=ldap.timeout_s
        )

    plan = Plan(
        user_base=ldap.user_base,
        user_filter=ldap.user_filter,
        names=ldap.names,
        group_base=ldap.group_base or ldap.user_base,
        group_filter=ldap.group_filter,
        group_name=ldap.group_name,
        mail=ldap.mail,
    )
    return Directory(connect, plan)


def accounts_of(settings: Settings, ledger: Ledger) -> Accounts:
    """Whose accounts in chats are, by the settings.

    Raises:
        SettingsError: as `directory_of`.
    """
    bots = settings.bots
    directory = directory_of(settings) if bots.slack.people == "email" else None
    links = Links(
        listed=bots.accounts,
        emails=bots.emails,
        team=bots.slack.team if bots.slack.people == "email" else "",
        tenant=bots.teams.tenant if bots.teams.people == "object-id" else "",
        server=bots.matrix.user.partition(":")[2] if bots.matrix.people == "localpart" else "",
        by_mail=directory.named if directory is not None else None,
    )
    return Accounts(ledger, links, keep_s=settings.identity.groups_s)
