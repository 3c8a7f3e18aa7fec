"""What may be said where. Pure: (class of each passage, channel, audience) → full, link only, or refuse.

What may not be released never enters a prompt. Unknown means most secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from rag.access import Audience, Channel, ChannelKind, Confidentiality
from rag.answers import Passage
from rag.filters import Filters


class Release(IntEnum):
    """How much of a passage a channel may carry; a larger figure is more."""

    REFUSE = 0
    LINK_ONLY = 1
    FULL = 2


def release(confidentiality: Confidentiality, channel: Channel) -> Release:
    """How much of a document of this class this channel may carry.

    Inside the house everything a person may read is shown. A self-hosted chat carries up to internal, in channels up to
    public. A cloud chat carries public documents; internal ones as a link, to one verified person or a closed
    channel; confidential ones as a bare link to one person; strict ones never.
    """
    if channel.kind in (ChannelKind.LOOPBACK, ChannelKind.INTRANET):
        return Release.FULL
    alone = channel.audience is Audience.DIRECT
    closed = channel.audience in (Audience.DIRECT, Audience.PRIVATE_CHANNEL)
    if confidentiality is Confidentiality.PUBLIC:
        return Release.FULL
    if channel.kind is ChannelKind.SELF_HOSTED_CHAT:
        if confidentiality is Confidentiality.INTERNAL:
            return Release.FULL if closed else Release.LINK_ONLY
        return Release.LINK_ONLY if alone else Release.REFUSE
    if confidentiality is Confidentiality.INTERNAL:
        return Release.LINK_ONLY if closed else Release.REFUSE
    if confidentiality is Confidentiality.CONFIDENTIAL:
        return Release.LINK_ONLY if alone else Release.REFUSE
    return Release.REFUSE


def within(filters: Filters, channel: Channel) -> Filters:
    """The filters, and besides what this channel refuses left out: it is not even searched for, so that neither the
    evidence nor a place that it would take among the passages tells that it is there."""
    carried = frozenset(one for one in Confidentiality if release(one, channel) is not Release.REFUSE)
    return replace(filters, classes=carried) if len(carried) < len(Confidentiality) else filters


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The passages that may be shown, and those that may only be pointed at."""

    full: tuple[Passage, ...]
    links: tuple[Passage, ...]


def divide(passages: Sequence[Passage], channel: Channel) -> Released:
    """Split what was found by what this channel may carry; what is refused is gone."""
    decided = [(passage, release(passage.confidentiality, channel)) for passage in passages]
    return Released(
        full=tuple(passage for passage, how in decided if how is Release.FULL),
        links=tuple(passage for passage, how in decided if how is Release.LINK_ONLY),
    )
