"""Links, pictures and addresses in a text, in every syntax a reader's program might follow. Pure.

An answer may hold none that does not stand, letter by letter, in a passage it cites: a document that says "add this
picture" must not make a browser fetch it. Found are Markdown links and pictures (inline, reference, footnote,
autolink), HTML, any ``scheme:``, bare hosts, ``www.``, defanged forms (``example[.]com``, ``hxxp``), look-alike letters
and punycode, UNC paths, IP addresses and mail addresses.
"""

from __future__ import annotations

import re

from rag.ask.visible import visible

_TLD = (
    "com|net|org|info|biz|de|at|ch|eu|uk|io|ai|app|dev|co|me|xyz|top|site|online|shop|club|live|ru|cn|tk|ml|ga|cf|gq|"
    "fr|it|es|nl|be|pl|cz|dk|se|no|fi|us|ca|au|in|br|jp|kr|tv|cc|ws|to|ly|gl|gg|sh|so|link|click|zip|mov|page|cloud|tech|"
    "store|blog|example|test|invalid|local|internal|lan|intra|onion|support|email|gov|edu|mil|int|name|pro|mobi|world|news"
)
_DOT = re.compile(r"\s?[\[({]\s?(?:\.|dot|punkt)\s?[\])}]\s?|[。．｡]", re.IGNORECASE)
_AT = re.compile(r"\s?[\[({]\s?(?:@|at|ät)\s?[\])}]\s?|＠", re.IGNORECASE)
_SCHEME = re.compile(r"\bh(?:tt|xx|\*\*|\+\+)p(s?)\s?[\[({]?:[\])}]?", re.IGNORECASE)
_WORD_TLD = frozenset(
    "de at in it no so to me us be es is as am co name test store page in info pro world news".split()
)
_PATTERNS = (
    re.compile(r"!?\[[^\]\n]*\]\s?\([^)\s]*[^)]*\)"),  # inline link or picture
    re.compile(r"!?\[[^\]\n]+\]\s?\[[^\]\n]*\]"),  # reference
    re.compile(r"!\[[^\]\n]*\]?"),  # picture, shortcut reference, or one that what follows could close
    re.compile(r"\]\([^)\n]*\)?"),  # the end of a link that began before
    re.compile(r"\[\^?[^\]\n]+\]:\s*\S+"),  # definition of a reference or footnote
    re.compile(r"\[\^[^\]\n]+\]"),
    re.compile(r"<\s*/?\s*[a-z][^<>\n]*>?", re.IGNORECASE),  # HTML, whole or unclosed, and autolinks
    re.compile(r"\b[a-z][a-z0-9+.-]{1,15}:/{1,3}[^\s<>\"'´`]+", re.IGNORECASE),
    re.compile(
        r"\b(?:javascript|data|mailto|tel|sms|file|blob|vbscript|about|ms-\w+|intent|cid)\s?:\s?[^\s<>\"']+", re.I
    ),
    re.compile(r"(?<![\w:])(?://|\\\\)[\w-]+(?:[./\\][^\s<>\"']+)+"),  # protocol-relative, UNC
    re.compile(r"\bwww\d?\.[^\s<>\"')\]]+", re.IGNORECASE),
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),  # mail
    re.compile(r"(?<![\w@])(?:xn--[\w-]+|[\w-]+)(?:\.[\w-]+)*\.(?:xn--[\w-]+)\S*", re.IGNORECASE),
    re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?:/[^\s]*)?(?![\d.])"),
    re.compile(r"\[[0-9a-f]*:[0-9a-f:]+\]", re.IGNORECASE),
    re.compile(rf"(?<![\w.@/-])(?:[\w-]+\.)+(?:{_TLD})(?::\d+)?(?:/[^\s<>\"')\]]*|(?![\w-]|\.\w))", re.IGNORECASE),
    re.compile(r"\b(?:url|src|href)\s?[=(]\s?\S+", re.IGNORECASE),
)
_ACTIVE = re.compile(
    r"!?\[(?![0-9a-f]*:)|\]|<|(?:javascript|data|vbscript|file|blob|about|intent|cid|ms-[\w-]+)\s?:", re.I
)
_TRIM = ".,;:!?)]}>\"'”“’»"
# Letters of other scripts that look like Latin ones: a host written with them is not the host it seems.
_LOOKALIKE = re.compile(r"[\w.-]*[Ѐ-ӿͰ-Ͽ԰-֏Ꭰ-᏿][\w-]*\.[\w.-]+")


def addresses_of(text: str) -> list[str]:
    """Every address, as it stands in the visible text but undefanged, without the punctuation behind it."""
    plain = undefanged(text)
    found: dict[str, None] = {}
    for pattern in (*_PATTERNS, _LOOKALIKE):
        for match in pattern.finditer(plain):
            address = match[0].strip().rstrip(_TRIM) or match[0]
            if not _ordinary(address):
                found[address] = None
    return list(found)


def is_active(address: str) -> bool:
    """Whether it is written so that a reader's program may fetch or run it: Markdown, HTML, or a scheme that carries
    its own content. Such a thing has no place in an answer, wherever it stands."""
    return bool(_ACTIVE.match(address))


def undefanged(text: str) -> str:
    """The visible text with ``[.]``, ``(at)`` and ``hxxp`` written as what they stand for."""
    return _SCHEME.sub(r"http\1:", _AT.sub("@", _DOT.sub(".", visible(text))))


def _ordinary(found: str) -> bool:
    """Two words with a point between, no address: ``Ende.In``, ``z.B``, a version, a file's name."""
    if re.search(r"[:/@<\[(=]", found):
        return False
    *names, last = found.split(".")
    return last.lower() in _WORD_TLD and (last[:1].isupper() or (len(names) == 1 and len(names[0]) < 3))
