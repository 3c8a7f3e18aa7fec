"""Text as Slack takes it, both ways: what a person typed becomes words, and our words become text that Slack shows as
it stands.

Everything of ours goes out as `plain_text`, which knows no formatting. Two nets more: the three characters that steer
Slack's parser are escaped, and what a phone or a desktop program would make a link or a mention of by itself is broken
by a word joiner, which nobody sees. A document can therefore neither call a channel nor lead anybody out of the house.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from rag.text.sentences import texts

JOINER: Final = "\u2060"
"""Joins words without a gap and without being seen; a link's pattern does not go over it."""

_HIDDEN: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad\U000e0000-\U000e007f]")
_SCHEME: Final = re.compile(r"(?<=[^\W_]):(?=\S)|(?<![^\W_]):(?=[\w+'-]+:)|:(?=//)", re.UNICODE)
_SLASHES: Final = re.compile(r"(?<=/)(?=/)")
_DOT: Final = re.compile(r"(?<=[^\W_])[.\u3002\uff0e\uff61](?=[^\W\d_])|(?<=\d)\.(?=\d{1,3}\.\d)", re.UNICODE)
_CALL: Final = re.compile(r"[@#\uff20\uff03!](?=\w)|[@\uff20](?=[<&|])", re.UNICODE)

_ENTITY: Final = re.compile(r"<([^<>\n]*)>")
_SPACE: Final = re.compile(r"[^\S\n]+")


def slack_words(language: str) -> Mapping[str, str]:
    """The sentences of ours that only Slack needs, by key."""
    return texts(language, "slack")


def shown(text: str) -> str:
    """The text for a `plain_text` object: nothing in it is a link, a mention, an emoji or a control character."""
    kept = "".join(
        one for one in _HIDDEN.sub("", text) if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cs")
    )
    for pattern in (_SCHEME, _DOT, _CALL):
        kept = pattern.sub(lambda found: found[0] + JOINER, kept)
    return html.escape(_SLASHES.sub(JOINER, kept), quote=False)


def one_line(text: str, *, most: int) -> str:
    """`shown` for a label: on one line, and at most so many characters, counted as they are sent."""
    words = " ".join(text.split())
    whole = shown(words)
    kept = len(words)
    while len(whole) > most:
        kept = max(0, kept - max(1, (len(whole) - most) // 5))
        whole = shown(words[:kept].rstrip()) + "…"
    return whole


def pieces(text: str, *, most: int) -> list[str]:
    """`shown` in pieces of at most `most` characters, cut where a line or a word ends if there is such a place."""
    found: list[str] = []
    rest = shown(text.strip())
    while len(rest) > most:
        at = max(rest.rfind("\n", most // 2, most), rest.rfind(" ", most // 2, most))
        at = at if at > 0 else _before_an_entity(rest, most)
        found.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return [*found, rest] if rest else found


def typed(text: str, *, bot: str) -> str:
    """What a person wrote, as words: without the bot's name, mentions and Slack's markup. `bot` is its user id."""
    words = _ENTITY.sub(lambda found: _said(found[1], bot=bot), text)
    return _SPACE.sub(" ", html.unescape(words)).strip()


def mentions(text: str) -> list[str]:
    """Ids of those a message calls by name, in their order."""
    return [found[1][1:].split("|")[0] for found in _ENTITY.finditer(text) if found[1].startswith("@")]


def _said(inside: str, *, bot: str) -> str:
    target, _, label = inside.partition("|")
    if target[:1] in ("@", "!"):
        return label.lstrip("@") if label and target != f"@{bot}" else ""
    if target.startswith("#"):
        return f"#{label}" if label else ""
    return label or target.removeprefix("mailto:")


def _before_an_entity(text: str, most: int) -> int:
    """The furthest place up to `most` that does not stand within ``&amp;`` and its like."""
    at = text.rfind("&", most - 4, most)
    return at if at > 0 and ";" not in text[at:most] else most
