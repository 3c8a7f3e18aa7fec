"""Which addresses a bot may show: those of the internal page, and no other. Pure.

A model, or a document it read, may write an address anywhere, and chat programs make links of whatever looks like one,
fetch it for a preview, and so carry out what was written into it. So an address is taken out; a name that only looks
like one (``firma.de``, ``urlaub.zip``) stays readable, and is no longer taken for one: an invisible joiner stands
behind its points.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

JOINER: Final = "\u2060"
"""WORD JOINER: it shows nothing, breaks no line, and is part of no host name."""

_ADDRESS: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{0,30}:(?://|\\\\|/\\|\\/)|www[.。．｡]|//(?=[^\s/]+[.。．｡])"
    r"|(?:mailto|tel|sms|callto|data|javascript|vbscript|file|blob|about|matrix|xmpp|sip|sips|geo|magnet|intent|market"
    r"|slack|msteams|ms-[a-z]+|tg|skype|facetime|feed|view-source|urn|cid|jar|ws|wss|ftp|sftp|ssh|git|svn|smb|nfs|ldap"
    r"|http|https):(?=\S))[^\s<>\"'`]*",
    re.IGNORECASE,
)
_POINT: Final = re.compile(
    r"(?<=[\w-])[.。．｡](?=[\w-]*[^\W\d_])(?=[\w-]{2,})|(?<=\d)\.(?=\d{1,3}\.\d{1,3})|(?<=\w)@(?=\w)"
)
_LAST_OF_FOUR: Final = re.compile(r"(?<=\d\.\u2060)(\d{1,3})\.(?=\d{1,3}(?!\d))")
_CLOSING: Final = ".,;:!?)]}»“”’…*_~"
_LINE_ENDS: Final = re.compile("\r\n|[\x0b\x0c\r\x85\u2028\u2029]")
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)


def defused(text: str, *, page: str, taken: str) -> str:
    """The text without an address that is not the page's: `taken` stands in its place. What cannot be seen, halves of
    characters and what turns the direction of writing are left out."""
    visible = _HIDDEN.sub("", _LINE_ENDS.sub("\n", text))
    done, end = [], 0
    for found in _ADDRESS.finditer(visible):
        address = found[0].rstrip(_CLOSING)
        inside = is_internal(address, page=page)
        done += [_unlinked(visible[end : found.start()]), address if inside else taken]
        end = found.start() + len(address)
    return "".join([*done, _unlinked(visible[end:])])


def is_internal(address: str, *, page: str) -> bool:
    """Whether it opens the internal page, or what is below it, and nothing else."""
    if re.search(r"[\s\\<>\"'`\x00-\x20\x7f]", address):
        return False
    try:
        wanted, given = urlsplit(page), urlsplit(address)
        same = _origin(wanted) == _origin(given) != ("", "", 0)
    except ValueError:
        return False
    below = wanted.path.rstrip("/")
    inside = given.path in (below, f"{below}/") or given.path.startswith(f"{below}/")
    return same and inside and "@" not in given.netloc and ".." not in given.path


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    if parts.scheme not in ("http", "https"):
        return "", "", 0
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _unlinked(text: str) -> str:
    return _LAST_OF_FOUR.sub(rf"\1.{JOINER}", _POINT.sub(lambda found: found[0] + JOINER, text))
