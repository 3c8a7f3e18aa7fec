"""What may be said where."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.access import Audience, Channel, ChannelKind, Confidentiality
from rag.answers import Passage
from rag.ask.release import SPELLED, STANDARD, Policy, Release, divide, release, release_policy, within
from rag.documents import Chunk, ChunkId, DocumentId, Span
from rag.errors import SettingsError
from rag.filters import NONE
from rag.settings.file import load
from rag.settings.release import AMOUNTS

FULL, LINK, BARE, NO = Release.FULL, Release.LINK_ONLY, Release.BARE_LINK, Release.REFUSE
CHAT, CLOUD = ChannelKind.SELF_HOSTED_CHAT, ChannelKind.CLOUD_CHAT
AUDIENCES = (Audience.DIRECT, Audience.PRIVATE_CHANNEL, Audience.PUBLIC_CHANNEL, Audience.GUESTS)

TABLE = {  # by audience: direct, private channel, public channel, guests
    (CHAT, Confidentiality.PUBLIC): (FULL, FULL, FULL, FULL),
    (CHAT, Confidentiality.INTERNAL): (FULL, FULL, LINK, BARE),
    (CHAT, Confidentiality.CONFIDENTIAL): (LINK, NO, NO, NO),
    (CHAT, Confidentiality.STRICT): (BARE, NO, NO, NO),
    (CLOUD, Confidentiality.PUBLIC): (FULL, FULL, FULL, FULL),
    (CLOUD, Confidentiality.INTERNAL): (LINK, LINK, NO, NO),
    (CLOUD, Confidentiality.CONFIDENTIAL): (BARE, NO, NO, NO),
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


CELLS = st.tuples(st.sampled_from([CHAT, CLOUD]), st.sampled_from(AUDIENCES), st.sampled_from(list(Confidentiality)))
POLICIES = st.dictionaries(CELLS, st.sampled_from(list(Release))).map(lambda said: Policy(said=said))


@given(POLICIES, CELLS)
def test_whatever_the_settings_say_wider_and_more_secret_is_never_more(policy: Policy, cell: Any) -> None:
    kind, audience, secrecy = cell
    carried = policy.decide(secrecy, Channel(kind=kind, audience=audience))
    assert all(
        policy.decide(less, Channel(kind=kind, audience=narrower)) >= carried
        for narrower in AUDIENCES[: AUDIENCES.index(audience) + 1]
        for less in Confidentiality
        if less <= secrecy
    )


@given(POLICIES, st.sampled_from(AUDIENCES))
def test_whatever_the_settings_say_a_cloud_is_told_nothing_of_what_is_strict(
    policy: Policy, audience: Audience
) -> None:
    assert policy.decide(Confidentiality.STRICT, Channel(kind=CLOUD, audience=audience)) is NO


class Broken(Policy):
    """A policy that fails."""

    def decide(self, confidentiality: Confidentiality, channel: Channel) -> Release:
        raise RuntimeError("no")


def test_a_policy_that_fails_releases_nothing_and_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    found = [passage("a", Confidentiality.PUBLIC)]
    assert divide(found, Channel(kind=CLOUD), Broken()) == divide([], Channel(kind=CLOUD))
    assert within(NONE, Channel(kind=CLOUD), Broken()).classes == frozenset()
    assert "The release policy failed" in caplog.text


@pytest.mark.parametrize("odd", [None, 17, "full"])
def test_what_a_policy_gives_that_is_no_release_is_nothing(odd: Any) -> None:
    class Odd(Policy):
        def decide(self, confidentiality: Confidentiality, channel: Channel) -> Release:
            return odd  # type: ignore[no-any-return]  # that is the point

    assert release(Confidentiality.PUBLIC, Channel(kind=CLOUD), Odd()) is NO


def settled(folder: Path, text: str) -> Policy:
    (folder / "rag.toml").write_text(text)
    return release_policy(load(config=folder / "rag.toml", home=folder, environ={}).release)


def test_one_word_is_for_closed_rooms_and_wider_ones_are_named(tmp_path: Path) -> None:
    said = settled(tmp_path, '[release.cloud_chat]\ninternal = "full"\n')
    carried = [said.decide(Confidentiality.INTERNAL, Channel(kind=CLOUD, audience=one)) for one in AUDIENCES]
    assert carried == [FULL, FULL, NO, NO]
    wide = '[release.cloud_chat]\ninternal = { direct = "full", private_channel = "full", public_channel = "link" }\n'
    carried = [
        settled(tmp_path, wide).decide(Confidentiality.INTERNAL, Channel(kind=CLOUD, audience=one)) for one in AUDIENCES
    ]
    assert carried == [FULL, FULL, LINK, NO]


def test_tightening_reaches_every_wider_audience_and_every_more_secret_class(tmp_path: Path) -> None:
    said = settled(tmp_path, '[release.cloud_chat]\npublic = "nothing"\n')
    everywhere = list(product(Confidentiality, AUDIENCES))
    assert {said.decide(one, Channel(kind=CLOUD, audience=audience)) for one, audience in everywhere} == {NO}
    assert said.decide(Confidentiality.PUBLIC, Channel(kind=CHAT)) is FULL
    assert not said.loosened()


def test_what_is_loosened_is_told_cell_by_cell(tmp_path: Path) -> None:
    said = settled(tmp_path, '[release.cloud_chat]\ninternal = { direct = "full" }\n')
    assert said.loosened() == [((CLOUD, Audience.DIRECT, Confidentiality.INTERNAL), FULL)]
    assert not STANDARD.loosened()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[release.cloud_chat]\nstrict = "link"\n', 2, "never goes into a cloud"),
        ('[release.cloud_chat]\nsecret = "link"\n', 2, '"secret" is no class'),
        ('[release.cloud_chat]\ninternal = "all"\n', 2, "nothing, bare-link, link, full"),
        ('[release.cloud_chat]\ninternal = { boss = "full" }\n', 2, '"boss" is no audience'),
        ('[release.intranet]\ninternal = "full"\n', 1, "[release.cloud_chat]"),
        ('[release]\ncloud_chat = "full"\n', 2, "[release.cloud_chat]"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settled(tmp_path, text)
    assert says in str(caught.value) and caught.value.line == line


def test_the_amounts_are_spelled_as_the_settings_take_them() -> None:
    assert tuple(SPELLED) == AMOUNTS
