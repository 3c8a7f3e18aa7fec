"""What may be said where. Pure: (class of each passage, channel, audience) → full, a link, or nothing.

What may not be released in full never enters a prompt. Unknown means most secret, farthest, widest; a policy that fails
releases nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from rag.access import Audience, Channel, ChannelKind, Confidentiality
from rag.answers import Passage
from rag.filters import Filters

_log = logging.getLogger(__name__)


class Release(IntEnum):
    """How much of a passage a channel may carry; a larger figure is more. A bare link has no title."""

    REFUSE = 0
    BARE_LINK = 1
    LINK_ONLY = 2
    FULL = 3

    @property
    def is_link(self) -> bool:
        """Whether it may be pointed at, and not shown."""
        return self in (Release.BARE_LINK, Release.LINK_ONLY)


Cell = tuple[ChannelKind, Audience, Confidentiality]
"""Where, before whom, how secret."""

_NO, _BARE, _LINK, _FULL = Release
_CLASSES: Final = frozenset(Confidentiality)
_AUDIENCES: Final = (Audience.DIRECT, Audience.PRIVATE_CHANNEL, Audience.PUBLIC_CHANNEL, Audience.GUESTS)
"""From one person to whoever may be a stranger."""
_CHATS: Final[Mapping[ChannelKind, Mapping[Confidentiality, tuple[Release, ...]]]] = {
    ChannelKind.SELF_HOSTED_CHAT: {
        Confidentiality.PUBLIC: (_FULL, _FULL, _FULL, _FULL),
        Confidentiality.INTERNAL: (_FULL, _FULL, _LINK, _BARE),
        Confidentiality.CONFIDENTIAL: (_LINK, _NO, _NO, _NO),
        Confidentiality.STRICT: (_BARE, _NO, _NO, _NO),
    },
    ChannelKind.CLOUD_CHAT: {
        Confidentiality.PUBLIC: (_FULL, _FULL, _FULL, _FULL),
        Confidentiality.INTERNAL: (_LINK, _LINK, _NO, _NO),
        Confidentiality.CONFIDENTIAL: (_BARE, _NO, _NO, _NO),
        Confidentiality.STRICT: (_NO, _NO, _NO, _NO),
    },
}
"""Kind of chat → class → what it carries by audience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What chats carry. `said` is what the settings say otherwise than the defaults, cell by cell.

    Three laws hold whatever they say: a wider audience is told no more than a narrower one, of a more secret class no
    more than of a less secret one, and a cloud is never told of what is strict.
    """

    said: Mapping[Cell, Release] = field(default_factory=dict)

    def decide(self, confidentiality: Confidentiality, channel: Channel) -> Release:
        """How much of a document of this class this channel may carry.

        Inside the house everything a person may read is shown.
        """
        if channel.kind in (ChannelKind.LOOPBACK, ChannelKind.INTRANET):
            return Release.FULL
        kind = channel.kind if channel.kind in _CHATS else ChannelKind.CLOUD_CHAT
        secrecy = confidentiality if confidentiality in _CLASSES else Confidentiality.STRICT
        if (kind, secrecy) == (ChannelKind.CLOUD_CHAT, Confidentiality.STRICT):
            return Release.REFUSE
        widest = _AUDIENCES.index(channel.audience) if channel.audience in _AUDIENCES else len(_AUDIENCES) - 1
        return min(
            self._said(kind, audience, less)
            for audience in _AUDIENCES[: widest + 1]
            for less in Confidentiality
            if less <= secrecy
        )

    def _said(self, kind: ChannelKind, audience: Audience, confidentiality: Confidentiality) -> Release:
        return self.said.get((kind, audience, confidentiality), standard(kind, audience, confidentiality))

    def loosened(self) -> Sequence[tuple[Cell, Release]]:
        """Where more is carried than by default, and how much."""
        cells = [(kind, audience, one) for kind in _CHATS for one in Confidentiality for audience in _AUDIENCES]
        decided = [(cell, self.decide(cell[2], Channel(kind=cell[0], audience=cell[1]))) for cell in cells]
        return [(cell, how) for cell, how in decided if how > standard(*cell)]


def standard(kind: ChannelKind, audience: Audience, confidentiality: Confidentiality) -> Release:
    """What a chat carries by default."""
    return _CHATS[kind][confidentiality][_AUDIENCES.index(audience)]


SPELLED: Final = dict(zip(("nothing", "bare-link", "link", "full"), Release, strict=True))
"""How much, as rag.toml writes it."""


def release_policy(cells: Mapping[tuple[str, str, str], str]) -> Policy:
    """The policy of the settings: (chat, audience, class) → how much, each as rag.toml writes it."""
    return Policy(
        said={
            (ChannelKind(chat), Audience(audience), Confidentiality[name.upper()]): SPELLED[amount]
            for (chat, audience, name), amount in cells.items()
        }
    )


STANDARD: Final = Policy()
"""The defaults."""


def release(confidentiality: Confidentiality, channel: Channel, policy: Policy = STANDARD) -> Release:
    """How much of a document of this class this channel may carry; nothing where that cannot be decided."""
    try:
        decided = policy.decide(confidentiality, channel)
    except Exception as error:  # whatever it is: what nobody decided is not released
        _log.error("The release policy failed", extra={"action": "release_failed", "kind": type(error).__name__})
        return Release.REFUSE
    return decided if isinstance(decided, Release) else Release.REFUSE


def within(filters: Filters, channel: Channel, policy: Policy = STANDARD) -> Filters:
    """The filters, and besides what this channel refuses left out: it is not even searched for, so that neither the
    evidence nor a place that it would take among the passages tells that it is there."""
    carried = frozenset(one for one in Confidentiality if release(one, channel, policy) is not Release.REFUSE)
    return replace(filters, classes=carried) if len(carried) < len(Confidentiality) else filters


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The passages that may be shown, and those that may only be pointed at."""

    full: tuple[Passage, ...]
    links: tuple[Passage, ...]


def divide(passages: Sequence[Passage], channel: Channel, policy: Policy = STANDARD) -> Released:
    """Split what was found by what this channel may carry; what is refused is gone."""
    decided = [(passage, release(passage.confidentiality, channel, policy)) for passage in passages]
    return Released(
        full=tuple(passage for passage, how in decided if how is Release.FULL),
        links=tuple(passage for passage, how in decided if how.is_link),
    )
