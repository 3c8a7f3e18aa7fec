"""What a text is found by: the terms of each field of the word index, made by tantivy's own stemmers.

They are cut up here, before tantivy sees them, so that they can be counted and marked (`rag.store.lengths`,
`rag.store.rarity`); what becomes of the letters stands in `rag.store.analysis`.
"""

from __future__ import annotations

from typing import Final

import tantivy
from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

from rag.store.analysis import content_words, german, identifiers, normalise, runs
from rag.text.phrases import fold

REGISTERED: Final = ("exact", "spaced")
"""What tantivy itself cuts up by."""

_STEMMERS = ("german", "english")
_PROBE = "Die Pruefungen, Prüfberichte der Straßenverkehrsbehörden, Gehälter, RL-2024-07 and certificates"
_LONGEST = 60  # bytes; longer words are left out


class Terms:
    """Texts and questions to terms."""

    def __init__(self) -> None:
        self._german, self._english = map(analyzer, _STEMMERS)
        self._exact = analyzer("exact")

    def of_text(self, text: str) -> dict[str, list[str]]:
        """Field → the terms of a chunk, in order, each as often as it stands there."""
        return {
            "de": self.german(text),
            "en": self.english(text),
            "runs": list(runs(text)),
            "names": identifiers(text),
        }

    def german(self, text: str) -> list[str]:
        """The stems of a German text."""
        return [stem for stem in self._german.analyze(german(text)) if stem]

    def english(self, text: str) -> list[str]:
        """The stems of an English text."""
        return [stem for stem in self._english.analyze(normalise(text)) if stem]

    def exact(self, text: str) -> list[str]:
        """Every word as it stands, folded."""
        return list(self._exact.analyze(fold(text)))

    def stem(self, word: str) -> str:
        """Of one German word in small letters; "" where it has none."""
        return next(iter(self._german.analyze(word)), "")

    def content(self, text: str) -> frozenset[str]:
        """The content words of a text as stems, without figures; one stemmer for both languages, used on both sides."""
        stems = self.german(" ".join(content_words(text)))
        return frozenset(stem for stem in stems if not stem.isdigit() and len(stem) > 1)


def analyzer(name: str) -> tantivy.TextAnalyzer:
    """tantivy's analyzer: ``german``, ``english``, or one of `REGISTERED`."""
    if name == "spaced":  # of what is cut up already
        return TextAnalyzerBuilder(Tokenizer.whitespace()).build()
    if name == "exact":  # of texts that are folded already
        return TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(_LONGEST)).build()
    return (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(_LONGEST))
        .filter(Filter.lowercase())
        .filter(Filter.stemmer(name))
        .filter(Filter.ascii_fold())
        .build()
    )


def made() -> str:
    """What becomes of a text that holds a little of everything: another where terms are made otherwise."""
    cut = {name: analyzer(name).analyze(_PROBE) for name in (*_STEMMERS, *REGISTERED)}
    return repr((cut, german(_PROBE), list(runs(_PROBE)), identifiers(_PROBE)))
