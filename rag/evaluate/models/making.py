"""Questions made of the user's own documents, for want of better ones: kept in a file, each marked as not reviewed.

Of a sentence with a figure the figure is what is asked for. A question in the other language names the document and
what the sentence is about. One that nothing answers speaks of something that stands in no document: the rarest name of
the sentence is exchanged for one that is made up. The same documents give the same questions.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import Any

from rag.access import Principal
from rag.app import App
from rag.ask.sentences import sentences
from rag.errors import SettingsError
from rag.text.language import language_of, language_of_question

COUNT = 24
"""Questions made where nobody says how many: half in the language of the document, a quarter across languages, a
quarter that nothing answers."""

_LEAST, _MOST = 45, 240  # characters of a sentence
_FIGURE = re.compile(
    r"(?<![\w.,:/§-])(?<!§ )(?<!Nr\. )\d+(?:[.,:]\d+)*(?:\s?(?:%|€|Euro\b|EUR\b|µm|mm|cm|kg|km|m²|°C|Uhr\b|Stunden?\b|"
    r"hours?\b|Tagen?\b|days?\b|Wochen?\b|weeks?\b|Monaten?\b|months?\b|Jahren?\b|years?\b|Minuten?\b|minutes?\b|"
    r"pounds?\b|euros?\b))?(?![\w/-]|[.,:]\d)"
)
_WORD = re.compile(r"[^\W\d_][\w-]{3,}")
_NAME = re.compile(r"\b[A-ZÄÖÜ][\w-]{3,}\b")
_SYLLABLES = (
    "vel",
    "dor",
    "quin",
    "zar",
    "mo",
    "thel",
    "bri",
    "kun",
    "ros",
    "pel",
    "fax",
    "nim",
    "gor",
    "lu",
    "tav",
    "sen",
)
_GAP = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A sentence that a question can be made of. `fact` is its figure, `names` its names, the rarest first."""

    document: str
    title: str
    language: str
    text: str
    fact: str
    names: tuple[str, ...]

    @property
    def gapped(self) -> str:
        """The sentence without its fact."""
        return self.text.replace(self.fact, _GAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A question, as its line tells it."""

    text: str
    language: str
    kind: str
    source: Source
    answerable: bool
    made_by: str = "rules"

    def as_json(self) -> dict[str, Any]:
        """A line of ``questions.jsonl``, in the form of `rag.evaluate.questions.golden`."""
        gold = [{"document": self.source.document, "quote": self.source.text}] if self.answerable else []
        return {
            "id": f"m{hashlib.sha256(self.text.encode()).hexdigest()[:10]}",
            "text": self.text,
            "lang": self.language,
            "kind": self.kind,
            "answerable": self.answerable,
            "gold": gold,
            "facts": [self.source.fact] if self.answerable else [],
            "made_by": self.made_by,
            "reviewed": False,
        }


Writer = Callable[[str, str], str | None]
"""(what is said, in which language to ask) → a question, or None where none could be made of it."""


def make(
    app: App, principal: Principal, *, count: int = COUNT, writer: Writer | None = None, by: str = ""
) -> list[Made]:
    """Questions of what this person may read. `writer` puts them into words, and is called `by`; the rules do where it
    does not, or where what it writes gives the answer away.

    Raises:
        SettingsError: the documents have no sentence that a question can be made of.
    """
    found, words = sources(app, principal)
    if not found:
        raise SettingsError(
            "No sentence with a figure was found in what you may read; write questions yourself (--questions FILE)."
        )
    return [_worded(one, writer, by) if writer else one for one in drawn(found, words, count=count)]


def drawn(found: Sequence[Source], words: Counter[str], *, count: int) -> list[Made]:
    """So many questions of these sentences; each sentence serves once. `words` counts those of all documents. Pure."""
    others, across = count // 4, count // 4
    left = list(found)
    made: list[Made] = []
    for kind, wanted in ((_missing, others), (_across, across), (_plain, count - others - across)):
        ready = ((source, one) for source in list(left) if (one := kind(source, words)) is not None)
        for source, one in islice(ready, wanted):
            made.append(one)
            left.remove(source)
    return made


def sources(app: App, principal: Principal) -> tuple[list[Source], Counter[str]]:
    """Every usable sentence that this person may read, in an order that knows nothing of names or dates but gives each
    document its turn; and how often each word stands in the documents."""
    words: Counter[str] = Counter()
    texts = []
    for entry in sorted(app.ledger.entries(), key=lambda entry: entry.id):
        document = app.ledger.document(entry.key) if entry.version and entry.acl.admits(principal) else None
        if document is not None:
            words.update(word.casefold() for word in _WORD.findall(f"{document.title} {document.text}"))
            texts.append((str(entry.id), document.title, document.language or "", document.text))
    by_document: dict[str, list[Source]] = defaultdict(list)
    seen: set[str] = set()
    for name, title, language, text in texts:
        for source in _sources(name, title, language, text, words):
            if source.text not in seen:
                seen.add(source.text)
                by_document[name].append(source)
    turns = sorted((sorted(own, key=_order) for own in by_document.values()), key=lambda own: _order(own[0]))
    return [source for turn in zip_longest(*turns) for source in turn if source is not None], words


def _sources(name: str, title: str, language: str, text: str, words: Counter[str]) -> Iterator[Source]:
    for span in sentences(text):
        sentence = " ".join(span.of(text).split())
        spoken = language_of(sentence) or language
        figures = _FIGURE.findall(sentence)
        if not (_LEAST <= len(sentence) <= _MOST and sentence.endswith(".") and "|" not in sentence):
            continue
        if not sentence[0].isalpha():  # a list's number or a heading's
            continue
        if len(figures) != 1 or sentence.count(figures[0]) != 1 or spoken not in ("de", "en"):
            continue  # of two figures nobody could tell which is asked for
        names = sorted(set(_NAME.findall(sentence[1:])), key=lambda word: (words[word.casefold()], word))
        if names:
            yield Source(
                document=name, title=title, language=spoken, text=sentence, fact=figures[0], names=tuple(names)
            )


def _plain(source: Source, words: Counter[str]) -> Made | None:
    forms = {"de": "Welche Angabe fehlt hier: „{}“", "en": "Which figure is missing here: “{}”"}
    return _made(forms[source.language].format(source.gapped), source.language, "gap", source)


def _across(source: Source, words: Counter[str]) -> Made | None:
    """In the language that the document does not speak."""
    if len(source.names) < 2:
        return None
    if source.language == "de":
        about = "” and “".join(source.names[:2])
        return _made(
            f"Which figure does the document “{source.title}” give for “{about}”?", "en", "cross_language", source
        )
    about = "“ und „".join(source.names[:2])
    return _made(f"Welche Angabe macht das Dokument „{source.title}“ zu „{about}“?", "de", "cross_language", source)


def _missing(source: Source, words: Counter[str]) -> Made | None:
    """Of something that stands in no document."""
    name = source.names[0]
    told = replace(source, text=re.sub(rf"\b{re.escape(name)}\b", made_up(source.text, words), source.text))
    made = _plain(told, words)
    return replace(made, kind="not_there", answerable=False) if made else None


def made_up(seed: str, words: Counter[str]) -> str:
    """A name that stands in no document; the same for the same seed and documents."""
    for turn in range(1000):
        digest = hashlib.sha256(f"{turn} {seed}".encode()).digest()
        name = "".join(_SYLLABLES[byte % len(_SYLLABLES)] for byte in digest[:3]).capitalize()
        if not words[name.casefold()]:
            return name
    raise SettingsError("Every made-up name stands in a document.")


def _made(text: str, language: str, kind: str, source: Source) -> Made | None:
    """None where it would be answered in another language than it is meant to be."""
    if language_of_question(text) != language:
        return None
    return Made(text=text, language=language, kind=kind, source=source, answerable=True)


def _worded(made: Made, writer: Writer, by: str) -> Made:
    said = (writer(made.source.text, made.language) or "").strip()
    fit = said.endswith("?") and made.source.fact not in said and language_of_question(said) == made.language
    if not made.answerable:  # the name that is made up must stay
        new = set(_NAME.findall(made.source.text[1:])) - set(made.source.names)  # the first word is none of the names
        fit = fit and any(word in said for word in new)
    return replace(made, text=said, made_by=by) if fit and len(said) < _MOST else made


def _order(source: Source) -> str:
    return hashlib.sha256(source.text.encode()).hexdigest()
