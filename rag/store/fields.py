"""The text fields of the word index. A change of them changes `rag.store.words.recipe`: indexes are made anew."""

from __future__ import annotations

from typing import Any, Final

_KEY: Final = {"stored": False, "tokenizer_name": "raw", "index_option": "basic"}
_COUNTED: Final = {"stored": False, "tokenizer_name": "spaced", "index_option": "freq"}  # terms, cut up before
FIELDS: Final[dict[str, dict[str, Any]]] = {
    "id": _KEY | {"stored": True},
    "source": _KEY,
    "document": _KEY,
    "language": _KEY,
    "de": _COUNTED,
    "en": _COUNTED,
    "exact": {"stored": False, "tokenizer_name": "exact"},
    "runs": _COUNTED,
    "names": _COUNTED | {"index_option": "basic"},
    "marks": _COUNTED | {"index_option": "basic"},
}
"""`de` and `en` hold stems, `exact` every word as it stands, folded, for phrases; `runs` and `names` see
`rag.store.analysis`, `marks` `rag.store.rarity`."""
