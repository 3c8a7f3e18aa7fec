"""What `rag doctor` says of bots in chats: what they carry beyond the defaults, and whether anybody is linked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from rag.access import Audience, ChannelKind
from rag.ask.release import SPELLED, Policy, Release, standard
from rag.govern.checks import Check

_CHATS: Mapping[ChannelKind, str] = {
    ChannelKind.SELF_HOSTED_CHAT: "a chat of your own",
    ChannelKind.CLOUD_CHAT: "a chat in a cloud",
}
_BEFORE: Mapping[Audience, str] = {
    Audience.DIRECT: "direct messages",
    Audience.PRIVATE_CHANNEL: "private channels",
    Audience.PUBLIC_CHANNEL: "public channels",
    Audience.GUESTS: "channels with guests",
}


def release(policy: Policy) -> Iterator[Check]:
    """Each place where a chat carries more than by default, by name."""
    words = {how: word for word, how in SPELLED.items()}
    for (kind, audience, secrecy), how in policy.loosened():
        name = secrecy.name.lower()
        usual = words[standard(kind, audience, secrecy)]
        stays = "It leaves the house and stays with the provider" if kind is ChannelKind.CLOUD_CHAT else "It is shown"
        yield Check(
            name="release",
            well=False,
            finding=f"{_BEFORE[audience]} in {_CHATS[kind]} get {words[how]} of what is {name}; by default {usual}",
            advice=f"{stays} there, {_what(how)}. If that is not meant, take {name} out of [release.{kind.value}].",
        )


def _what(how: Release) -> str:
    return "as text" if how is Release.FULL else "with its title" if how is Release.LINK_ONLY else "as a link"


def accounts(
    platforms: Collection[str],
    *,
    people: Mapping[str, str],
    listed: Sequence[tuple[str, str]],
    emails: int,
    directory: bool,
    provider: bool,
    signed_in: int,
    shut_out: Callable[[str], bool],
) -> Iterator[Check]:
    """Of the platforms whose bots have a key: whether somebody is linked there. `people` is the rule of each,
    `listed` account and person of `[bots.accounts]`, `emails` how many addresses are listed, `signed_in` how many
    people's object ids are known."""
    for platform in sorted(platforms):
        named = sum(account.startswith(f"{platform}:") for account, _ in listed)
        rule = people.get(platform, "accounts")
        works, advice = True, ""
        if rule == "accounts":
            works = named > 0
            advice = "Nobody is linked, so nobody is answered: list accounts in [bots.accounts], or set people."
        elif rule == "email":
            works = directory or emails > 0
            advice = "No address leads to anybody: set up [auth.ldap], or list addresses in [bots.emails]."
        elif rule == "object-id":
            works = provider
            advice = "Object ids come from sign-in at the provider: set up [auth.oidc]."
        known = f", {signed_in} known from sign-in" if rule == "object-id" else ""
        finding = f"linked by {rule}, {named} listed{known}"
        yield Check(name=f"accounts in {platform}", well=works, finding=finding, advice="" if works else advice)
    gone = sorted({user for _, user in listed if shut_out(user)})
    if gone:
        yield Check(
            name="accounts",
            well=False,
            finding=f"[bots.accounts] names {len(gone)} who are shut out",
            advice="They are not answered. Take their accounts out of rag.toml.",
        )


def messages(gone: int) -> Iterator[Check]:
    """Messages that show documents that are no longer there."""
    if gone:
        yield Check(
            name="bot messages",
            well=False,
            finding=f"{gone} still show documents that are gone",
            advice="`rag bot messages --gone` lists them, and with --remove their bots take them back.",
        )
