"""What may be said where."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from rag.access import Audience, Channel, ChannelKind, Confidentiality
from rag.answers import Passage
from rag.ask.release import Release, divide, release
from rag.documents import Chunk, ChunkId, DocumentId, Span

FULL, LINK, NO = Release.FULL, Release.LINK_ONLY, Release.REFUSE
CHAT, CLOUD = ChannelKind.SELF_HOSTED_CHAT, ChannelKind.CLOUD_CHAT
AUDIENCES = (Audience.DIRECT, Audience.PRIVATE_CHANNEL, Audience.PUBLIC_CHANNEL, Audience.GUESTS)

TABLE = {  # by audience: direct, private channel, public channel, guests
    (CHAT, Confidentiality.PUBLIC): (FULL, FULL, FULL, FULL),
    (CHAT, Confidentiality.INTERNAL): (FULL, FULL, LINK, LINK),
    (CHAT, Confidentiality.CONFIDENTIAL): (LINK, NO, NO, NO),
    (CHAT, Confidentiality.STRICT): (LINK, NO, NO, NO),
    (CLOUD, Confidentiality.PUBLIC): (FULL, FULL, FULL, FULL),
    (CLOUD, Confidentiality.INTERNAL): (LINK, LINK, NO, NO),
    (CLOUD, Confidentiality.CONFIDENTIAL): (LINK, NO, NO, NO),
    (CLOUD, Confidentiality.STRICT): (NO, NO, NO, NO),
}
EVERYWHERE = list(product(ChannelKind, Audience))


@pytest.mark.parametrize(("channel", "secrecy"), TABLE)
def test_a_chat_carries_what_the_table_says(channel: ChannelKind, secrecy: Confidentiality) -> None:
    carried = tuple(release(secrecy, Channel(kind=channel, audience=audience)) for audience in AUDIENCES)
    assert carried == TABLE[channel, secrecy]


@pytest.mark.parametrize("secrecy", Confidentiality)
@pytest.mark.parametrize("kind", [ChannelKind.LOOPBACK, ChannelKind.INTRANET])
def test_inside_the_house_everything_readable_is_shown(secrecy: Confidentiality, kind: ChannelKind) -> None:
    assert release(secrecy, Channel(kind=kind)) is FULL


@pytest.mark.parametrize(("kind", "audience"), EVERYWHERE)
def test_the_more_secret_a_document_the_less_of_it_is_shown(kind: ChannelKind, audience: Audience) -> None:
    carried = [release(secrecy, Channel(kind=kind, audience=audience)) for secrecy in sorted(Confidentiality)]
    assert carried == sorted(carried, reverse=True)


@pytest.mark.parametrize(("secrecy", "audience"), list(product(Confidentiality, Audience)))
def test_the_farther_a_channel_travels_the_less_it_carries(secrecy: Confidentiality, audience: Audience) -> None:
    carried = [release(secrecy, Channel(kind=kind, audience=audience)) for kind in ChannelKind]
    assert carried == sorted(carried, reverse=True)


@pytest.mark.parametrize(("secrecy", "kind"), list(product(Confidentiality, ChannelKind)))
def test_the_more_people_listen_the_less_is_said(secrecy: Confidentiality, kind: ChannelKind) -> None:
    carried = [release(secrecy, Channel(kind=kind, audience=audience)) for audience in AUDIENCES]
    assert carried == sorted(carried, reverse=True)


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("unknown", [7, -1, None, "secret"])
def test_an_unknown_class_is_the_most_secret_and_an_unknown_channel_the_farthest(
    unknown: Any, audience: Audience
) -> None:
    far = Channel(kind=CLOUD, audience=audience)
    assert release(unknown, far) is release(Confidentiality.STRICT, far)
    strange = Channel(kind=unknown, audience=audience)
    assert all(
        release(secrecy, strange) is release(secrecy, Channel(kind=CLOUD, audience=audience))
        for secrecy in Confidentiality
    )


@pytest.mark.parametrize("secrecy", Confidentiality)
def test_an_unknown_audience_is_the_widest(secrecy: Confidentiality) -> None:
    unknown: Any = "somebody"
    assert release(secrecy, Channel(kind=CLOUD, audience=unknown)) is release(
        secrecy, Channel(kind=CLOUD, audience=Audience.GUESTS)
    )


def passage(name: str, secrecy: Confidentiality) -> Passage:
    chunk = Chunk(
        id=ChunkId(name),
        document_id=DocumentId(f"house:{name}"),
        version="1",
        span=Span(start=0, end=1),
        ordinal=0,
        text="x",
    )
    return Passage(chunk=chunk, title=name, uri="", score=1.0, confidentiality=secrecy)


def test_dividing_keeps_the_order_and_drops_what_is_refused() -> None:
    found = [passage(f"{number}", secrecy) for number, secrecy in enumerate([*Confidentiality, *Confidentiality])]
    divided = divide(found, Channel(kind=CLOUD))
    assert [entry.title for entry in divided.full] == ["0", "4"]
    assert [entry.title for entry in divided.links] == ["1", "2", "5", "6"]


def test_a_passage_whose_class_nobody_stated_is_strict() -> None:
    bare = Passage(chunk=passage("a", Confidentiality.PUBLIC).chunk, title="", uri="", score=1.0)
    assert divide([bare], Channel(kind=CLOUD)) == divide([], Channel(kind=CLOUD))
