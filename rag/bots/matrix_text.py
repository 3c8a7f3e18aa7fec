"""What is sent: pure, a `Reply` → the content of an event. Every field is text, never markup.

Clients make links and mentions out of plain text by themselves: of addresses with and without a scheme, of e-mail
addresses, of ``@anna:example.org`` and ``#room:example.org``. A thin space, which no client takes for a part of a name
and no browser leaves out, keeps them apart; the words stay readable. The only links are those of `Source.url`.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import Any, Final

from rag.bots.adapter import Reply, Source, Stage
from rag.text.sentences import texts

MOST_BYTES: Final = 36_000
"""Of one content; an event may have 65,536 bytes, and encryption adds a third, an edit its frame."""

_GAP: Final = "\u2009"
_FILES: Final = "pdf|docx?|xlsx?|pptx?|od[tsp]|txt|csv|html?|xml|json|jpe?g|png|tiff?|gif|svg|eml|rtf|log|ini|toml|yaml"
_DOT: Final = re.compile(rf"([.\u3002\uff0e\uff61])(?=[^\W\d_]{{2}})(?!(?:{_FILES})(?![\w./:?#@-]))", re.IGNORECASE)
_ADDRESS: Final = re.compile(
    r"(?<![\d.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(?=\d{1,3}(?!\d))|(\[)(?=[0-9a-f]*:[0-9a-f:]*\])", re.I
)
_BARE: Final = (
    "bitcoin|data|geo|im|javascript|magnet|mailto|matrix|news|openpgp4fpr|sips?|sms|smsto|tel|urn|xmpp|callto|skype"
)
_SCHEME: Final = re.compile(rf"(:)(?=//|\\\\)|(?<![^\W_])((?:{_BARE}):)(?=\S)", re.IGNORECASE)
_SIGIL: Final = re.compile(r"(?<!\w)([@#!+$])(?=[^\s:]+:|room\b|here\b|channel\b|all\b)", re.IGNORECASE)
_COPIED: Final = re.compile(
    r"\[bots\.[a-z_]+\]|(?<![^\s])matrix:@[a-z0-9._=/+-]{1,200}:[a-z0-9.-]{1,200}(?::\d{1,5})?(?![^\s])"
)
_HOST: Final = re.compile(r"\b(localhost|www)(?=[.:/])", re.IGNORECASE)


def apart(text: str) -> str:
    """A text of which no client makes a link or a mention; line breaks stay, invisible characters go."""
    text = "".join(one for one in text if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co"))
    text = _SCHEME.sub(lambda found: f"{found[0]}{_GAP}", text)
    text = _SIGIL.sub(rf"\1{_GAP}", text)
    text = _ADDRESS.sub(
        lambda found: f"[{_GAP}" if found[4] else f"{found[1]}.{_GAP}{found[2]}.{found[3]}.{_GAP}", text
    )
    text = _HOST.sub(rf"\1{_GAP}", text)
    return _DOT.sub(rf"\1{_GAP}", text)


def content(reply: Reply) -> dict[str, Any]:
    """The content of an ``m.room.message``; where it would be too long, without its formatted form, then cut."""
    words = texts(reply.language, "matrix")
    plain = apart(reply.text.strip())
    below = [_grade(reply, words["sensitivity"]), _ours(reply.notice.strip())]
    if reply.stage is Stage.FINAL and reply.receipt:
        below.append(words["judge"])
    sources = reply.sources if reply.stage is Stage.FINAL else ()
    body = "\n\n".join(filter(None, [plain, "\n".join(_plain_source(one) for one in sources), *below])) or "…"
    rich = (
        "".join(filter(None, [_paragraph(plain), _list(sources, unnamed=words["source"]), *map(_small, below)])) or "…"
    )
    whole = _message(body) | {"format": "org.matrix.custom.html", "formatted_body": rich}
    if _size(whole) <= MOST_BYTES:
        return whole
    return _message(_cut(body))


def edit(new: dict[str, Any], *, of: str) -> dict[str, Any]:
    """The content of an event by which the message `of` says this instead."""
    body = f"* {_cut(new['body'], 400)}"
    return _message(body) | {"m.new_content": new, "m.relates_to": {"rel_type": "m.replace", "event_id": of}}


def threaded(new: dict[str, Any], *, thread: str) -> dict[str, Any]:
    """The content as one of a thread; `thread` is the event that it hangs on, "" for none."""
    if not thread:
        return new
    relation = {"rel_type": "m.thread", "event_id": thread, "is_falling_back": True}
    return new | {"m.relates_to": relation | {"m.in_reply_to": {"event_id": thread}}}


def notice(text: str) -> dict[str, Any]:
    """A sentence of ours, in plain text."""
    return _message(text)


def _message(body: str) -> dict[str, Any]:
    """A notice, as machines write: other machines do not answer it. It mentions nobody, and says so."""
    return {"msgtype": "m.notice", "body": body, "m.mentions": {}}


def _ours(notice: str) -> str:
    """A sentence of ours, as safe as any text; but a setting, and the account that somebody has to write into it, stay
    as they are: they are there to be copied, and an account is at most a link to itself."""
    end, parts = 0, list[str]()
    for found in _COPIED.finditer(notice):
        parts += [apart(notice[end : found.start()]), found[0]]
        end = found.end()
    return "".join([*parts, apart(notice[end:])])


def _grade(reply: Reply, frame: str) -> str:
    if not reply.sensitivity or reply.stage is not Stage.FINAL:
        return ""
    named = texts(reply.language, "matrix").get(f"sensitivity.{reply.sensitivity}", reply.sensitivity)
    return apart(frame.format(named=named))


def _label(source: Source) -> str:
    """What stands beside a marker, in one line."""
    return ", ".join(filter(None, (" ".join(apart(part).split()) for part in (source.title, source.place))))


def _plain_source(source: Source) -> str:
    shown = f"[{source.marker}] {_label(source)}".rstrip()
    return f"{shown}: {source.url}" if _is_link(source.url) else shown


def _list(sources: tuple[Source, ...], *, unnamed: str) -> str:
    return f"<p>{'<br>'.join(_rich_source(one, unnamed=unnamed) for one in sources)}</p>" if sources else ""


def _rich_source(source: Source, *, unnamed: str) -> str:
    label = html.escape(_label(source) or unnamed)
    if _is_link(source.url):
        label = f'<a href="{html.escape(source.url)}">{label}</a>'
    return f"[{source.marker}] {label}"


def _is_link(url: str) -> bool:
    return url.startswith(("https://", "http://")) and not re.search(r"[\s<>\"'\\^`{|}\x00-\x20\x7f-\uffff]", url)


def _paragraph(text: str) -> str:
    return f"<p>{_broken(text)}</p>" if text else ""


def _small(text: str) -> str:
    shown = _COPIED.sub(r"<code>\g<0></code>", _broken(text))
    return f"<p><em>{shown}</em></p>" if text else ""


def _broken(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


def _size(whole: dict[str, Any]) -> int:
    return len(json.dumps(whole, ensure_ascii=False).encode())


def _cut(text: str, most_bytes: int = MOST_BYTES - 2_000) -> str:
    """The beginning of a text, cut where its JSON would have more bytes; what was left out is shown by ``…``."""
    if _size({"": text}) <= most_bytes:
        return text
    least, most = 0, len(text)
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if _size({"": text[:middle]}) <= most_bytes else (least, middle - 1)
    return f"{text[:least].rstrip()} …"
