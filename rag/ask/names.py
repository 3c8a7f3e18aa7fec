"""Names a statement calls: people, places, firms, products, identifiers. A name that no source knows is made up. Pure.

English writes little but names with a capital; German every noun. So a capitalised word that stands in no source is
taken for a name unless something says that it is an ordinary word: an article, number or adjective before it, an ending
that makes nouns of verbs and adjectives, a common noun at its end, or that a source writes it small.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from rag.ask.ordinary import (
    DETERMINERS,
    ENGLISH_CAPITALISED,
    EXONYMS,
    FIRST_NAMES,
    LITTLE,
    NOUN_ENDINGS,
    NOUNS,
    PLACES,
    STARTS,
)

Stems = Callable[[str], frozenset[str]]

_TITLED = re.compile(r"\b(?:Herrn?|Frau|Mr\.?|Mrs\.?|Ms\.?|Miss|Dr\.|Prof\.)\s+(?:(?:Dr|Prof)\.\s+)*([A-ZÄÖÜ][\w-]+)")
_TOKEN = re.compile(r"[^\W_]+(?:[-/.][^\W_]+)*")
_SENTENCE = re.compile(r"(?:^|[.!?:;]\s+|[„“\"(]\s?|\n)$")
_PARAGRAPH = re.compile(
    r"§+\s*\d+\w?(?:\s*(?:Abs|Absatz|Satz|S|Nr|Nummer|Ziff|Ziffer|Buchst|Buchstabe)\b\.?\s*\w+)*(?:\s+(?:[A-ZÄÖÜ][A-Za-zÄÖÜ]*"
    r"[A-Z]\w*|SGB\s+[IVX]+))?",
)
_PARTS = (
    (re.compile(r"\b(?:Absatz|Absätze|Abs)\b\.?", re.IGNORECASE), "Abs."),
    (re.compile(r"\b(?:Nummer|Nr)\b\.?", re.IGNORECASE), "Nr."),
    (re.compile(r"\b(?:Ziffer|Ziff)\b\.?", re.IGNORECASE), "Ziff."),
    (re.compile(r"\b(?:Buchstabe|Buchst)\b\.?", re.IGNORECASE), "Buchst."),
)
_LETTERED = re.compile(r"\b(?!Die|Der|Das|The)[A-ZÄÖÜ][^\W\d_]{2,}\s([A-Z])\b(?![.'’-])")
_PHONE = re.compile(r"(?:\+|\b00|\b0)\d[\d\s/()-]{6,}\d")
_ENDINGS = ("s", "es", "n", "en", "er", "e", "'s", "’s", "ern", "in", "innen", "'", "’")
_SUBJECT = re.compile(
    r"^\W*(?:Der|Die|Das|Ihre?|The|Your)\s+((?:[^\W\d_][\w-]*\s+){1,6}?)"
    r"(?:beträgt|betragen|kostet|kosten|lautet|liegt|liegen|is|are|amounts?|costs?)\b"
)
_PAIR = re.compile(r"\b([A-ZÄÖÜ][^\W\d_]{2,})(?=\s([A-ZÄÖÜ][^\W\d_]{2,}))")
_COUNTED = re.compile(r"(?:\d|\b(?:zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf))\s$")
_SHORTEST = 4
_LONG_NOUNS = tuple(noun for noun in NOUNS if len(noun) > 5)
"""A word that begins with one is a compound (``Kundenlogo``); with a shorter one it may be somebody's name."""


def missing_names(statement: str, sources: Iterable[str], stems: Stems, *, language: str) -> list[str]:
    """The names in a statement that stand in none of the sources, as written."""
    there = _Known(list(sources), stems)
    gone = [name for name in identifiers_of(statement) if name.casefold() not in there.identifiers]
    gone += [name for name in _clauses(statement) if not there.writes(name)]
    gone += [match[0] for match in _LETTERED.finditer(statement) if not there.letters(match[1])]
    gone += [name for name in _PHONE.findall(statement) if _digits(name) not in there.digits]
    named = {match[1] for match in _TITLED.finditer(statement)}
    gone += [name for name in named if not there.names(name)]
    gone += [name for name in _capitalised(statement, there, language) if name not in named]
    gone += [pair for pair in _pairs(statement) if there.parts(pair)]
    return list(dict.fromkeys(gone))


def is_of_nothing(statement: str, passages: Iterable[str], stems: Stems) -> bool:
    """Whether what a statement gives a figure for ("The minimum order is …") is spoken of nowhere in the passages: a
    figure of theirs under a name of the question's."""
    match = _SUBJECT.match(statement)
    words = _TOKEN.findall(match[1]) if match else []
    named = [word for word in words if len(word) >= _SHORTEST and word.casefold() not in LITTLE]
    if any(word[:1].isupper() for word in named):
        named = [word for word in named if word[:1].isupper()]
    if not named:
        return False
    there = _Known(list(passages), stems)
    return not any(there.speaks_of(word) for word in named)


class _Known:
    """What the sources hold, looked up in several ways."""

    def __init__(self, sources: list[str], stems: Stems) -> None:
        self.text = "\n".join(sources)
        self._folded = _joined(self.text)
        tokens = _TOKEN.findall(self.text)
        self._tokens = {token.casefold() for token in tokens} | {
            part.casefold() for token in tokens for part in re.split(r"[-/.]", token)
        }
        self._stems, self._of = stems(self.text), stems
        self._long = [token for token in self._tokens if len(token) > _SHORTEST]
        self.identifiers = {name.casefold() for name in identifiers_of(self.text)} | {
            token.casefold() for token in tokens
        }
        self.digits = _digits(self.text)
        self._small = {token for token in tokens if token[:1].islower()}

    def writes(self, name: str) -> bool:
        """Whether it stands there, spaces aside."""
        return _joined(name) in self._folded

    def letters(self, letter: str) -> bool:
        """Whether a letter that tells things apart (class A, hall B) stands there by itself."""
        return bool(re.search(rf"(?<![^\W_]){letter}(?![^\W_])", self.text))

    def names(self, word: str) -> bool:
        """Whether this very name is there, in whatever case form."""
        folded = word.casefold()
        forms = {folded, *(folded.removesuffix(end) for end in _ENDINGS), *(folded + end for end in _ENDINGS)}
        return bool(forms & self._tokens)

    def speaks_of(self, word: str) -> bool:
        """Whether the word is there by its stem, as a part of a compound, or with such a part."""
        if self.names(word):
            return True
        folded = word.casefold()
        wanted = self._of(word)
        if wanted and wanted <= self._stems:
            return True
        return any(token in folded or folded in token for token in self._long) if len(folded) > _SHORTEST else False

    def parts(self, pair: str) -> bool:
        """Whether two words that form one name stand there only beside others: another first name, another firm."""
        first, last = pair.split()
        last = last.removesuffix("s")
        if re.search(rf"\b{re.escape(first)}[\s-]+{re.escape(last)}", self.text):
            return False
        apart = rf"\b{re.escape(first)}\s+[A-ZÄÖÜ][\w-]+|\b[A-ZÄÖÜ][\w-]+\s+{re.escape(last)}\b"
        return first.casefold() not in LITTLE and bool(re.search(apart, self.text))

    def writes_small(self, word: str) -> bool:
        """Whether it is written small there: no name."""
        return word.lower() in self._small


def _pairs(text: str) -> list[str]:
    """Neighbours that begin with a capital and may be one name; overlapping. Not two common nouns (``Urlaubstage
    Erholungsurlaub``), nor what is counted and its unit (``12 Flaschen Reiniger``)."""
    found = []
    for match in _PAIR.finditer(text):
        counted = _COUNTED.search(text[: match.start()]) and match[1].casefold() not in FIRST_NAMES
        if not counted and not (_is_noun(match[1]) and _is_noun(match[2])):
            found.append(f"{match[1]} {match[2]}")
    return found


def _capitalised(statement: str, there: _Known, language: str) -> Iterator[str]:
    before = ""
    for match in _TOKEN.finditer(statement):
        word = re.sub(r"['’]s?$", "", match[0])
        previous, before = before, match[0]
        if not word[:1].isupper() or any(letter.isdigit() for letter in word):
            continue
        exonyms = EXONYMS.get(word.casefold(), ())
        if there.speaks_of(word) or any(there.speaks_of(other) for other in exonyms):
            continue
        first = bool(_SENTENCE.search(statement[: match.start()]))
        if not _ordinary(word, previous, there, language, first=first):
            yield word


def _ordinary(word: str, before: str, there: _Known, language: str, *, first: bool) -> bool:
    folded = word.casefold()
    if folded in FIRST_NAMES or folded in PLACES:
        return False
    if folded in LITTLE or there.writes_small(word):
        return True
    if word.isupper() and len(word) > 1:
        return len(word) > 6  # shouted, not an acronym
    if language == "en":
        return folded in ENGLISH_CAPITALISED or (first and (folded in STARTS or folded.endswith(("ing", "ly", "ed"))))
    if _is_noun(word):
        return True
    return before.lower() in DETERMINERS or bool(re.fullmatch(r"\d\S*", before)) or _adjective(before, first=first)


def _is_noun(word: str) -> bool:
    """Whether a German word is a common noun, by itself, by its ending, or as an end or the beginning of a compound."""
    folded = word.casefold()
    if any(part in NOUNS or part.endswith(NOUN_ENDINGS) for part in (folded, *folded.split("-"))):
        return True
    if any(folded.endswith(noun) for noun in NOUNS if len(noun) > _SHORTEST):
        return True
    return any(folded.startswith(noun) and len(folded) - len(noun) >= _SHORTEST for noun in _LONG_NOUNS)


def _adjective(before: str, *, first: bool) -> bool:
    """Whether the word before bends like an adjective beside its noun."""
    bends = len(before) > _SHORTEST and before.endswith(("e", "en", "er", "es", "em"))
    return not first and bends and before.islower() and before not in LITTLE


def is_of_another(statement: str, source: str, near: str) -> bool:
    """Whether a source names another thing of the sort the statement names (``MKS-6`` for ``MKS-4``) and not that one:
    its figures are the other's."""
    there = {name.casefold() for name in identifiers_of(source)}
    known = there | {name.casefold() for name in identifiers_of(near)}
    said = {name.casefold() for name in identifiers_of(statement)}
    others = {re.sub(r"\d+", "0", name) for name in there - said}
    return any(re.sub(r"\d+", "0", name) in others for name in said - known)


def names_of(text: str) -> list[str]:
    """The words of a text that are written as names and are no common nouns, in order, each as often as it stands."""
    words = [word for word in _TOKEN.findall(text) if word[:1].isupper() and not word.isupper()]
    return [word for word in words if len(word) >= _SHORTEST and word.casefold() not in LITTLE and not _is_noun(word)]


def identifiers_of(text: str) -> list[str]:
    """``RL-2024-07``, ``MKS-8``, ``A1``: pieces in capitals or figures, joined, with at least one of each; of
    ``MKS-8-Spindel`` only ``MKS-8``."""
    found = []
    for token in _TOKEN.findall(text):
        pieces = []
        for piece in re.split(r"-", token):
            if not re.fullmatch(r"[A-ZÄÖÜ0-9./]+", piece) and not re.fullmatch(
                r"[A-Z]+[a-z]?\d+\w*|\d+[A-Z]+\w*", piece
            ):
                break
            pieces.append(piece)
        name = "-".join(pieces)
        if re.search(r"\d", name) and re.search(r"[A-ZÄÖÜ]", name):
            found.append(name)
    return found


def _clauses(text: str) -> list[str]:
    return [match[0].strip() for match in _PARAGRAPH.finditer(text)]


def _joined(text: str) -> str:
    """Without spaces and case, the parts of a paragraph written one way."""
    for pattern, short in _PARTS:
        text = pattern.sub(short, text)
    return re.sub(r"\s+", "", text).casefold()


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)
