"""A question with what must be found for it, and the files they are read from: golden questions, or queries with qrels.

Every reader names the file and the line of what it cannot use.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rag.errors import SettingsError
from rag.question import readable


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. Each of its `needs` is met by any one of the documents in it; all of them together are what must
    be found. A question that nothing answers has none. `facts` is what a right answer must say, where that is known."""

    id: str
    text: str
    answerable: bool
    kind: str = ""
    language: str = ""
    needs: tuple[frozenset[str], ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def documents(self) -> frozenset[str]:
        """Every right document."""
        return frozenset().union(*self.needs)


class CorpusLine(NamedTuple):
    """A line of ``corpus.jsonl``: a document."""

    id: str
    title: str
    text: str


def golden(path: Path) -> list[Question]:
    """The questions of a ``questions.jsonl``, in the form of ``data/golden``.

    A line is ``{"id", "text", "answerable", "kind", "lang", "gold": [{"document", …}]}``. `document` is the path below
    its source's root, or the whole id as `rag documents` lists it. Any of the gold entries meets the question; one of
    the kind ``multi`` needs them all. `kind`, `lang` and, where `gold` tells, `answerable` may be left out. ``facts``
    is a list of what a right answer must say, figures or names; it may be left out, too.

    Raises:
        SettingsError: the file cannot be read, or a line is not in the form above.
    """
    found = []
    for number, entry in _entries(path):
        gold = _gold(path, number, entry)
        every = entry.get("kind") == "multi"
        needs = tuple(frozenset({name}) for name in gold) if every else (frozenset(gold),) if gold else ()
        found.append(_question(path, number, entry, needs))
    return _distinct(path, found)


def queries(path: Path, qrels: Path) -> list[Question]:
    """The questions of a ``queries.jsonl`` with the documents that ``qrels.tsv`` names for each; all are to be found.

    A line is ``{"id", "text", "lang", "answerable", "kind"}``, the last three may be left out; a line of the other is
    question, document and score, parted by tabs, 0 for not relevant.

    Raises:
        SettingsError: one of them cannot be read, or a line is not in the form above.
    """
    needs: dict[str, dict[str, None]] = {}
    lines: dict[str, int] = {}
    for number, query, document in _relevant(qrels):
        needs.setdefault(query, {})[document] = None
        lines.setdefault(query, number)
    found = []
    for number, entry in _entries(path):
        name = str(entry.get("id", entry.get("_id", "")))
        found.append(_question(path, number, entry, tuple(frozenset({one}) for one in needs.get(name, ()))))
    unknown = needs.keys() - {question.id for question in found}
    if unknown:
        first = min(unknown, key=lambda name: lines[name])
        raise SettingsError(f'{qrels}, line {lines[first]}: {path.name} has no question called "{first}".')
    return _distinct(path, found)


def corpus(path: Path) -> Iterator[CorpusLine]:
    """The documents of a ``corpus.jsonl``, ``{"id", "title", "text"}`` a line, one at a time; `title` may be left out.

    Raises:
        SettingsError: it cannot be read, or a line is not in the form above.
    """
    seen: set[str] = set()
    for number, entry in _entries(path):
        name, title, text = entry.get("id", entry.get("_id")), entry.get("title") or "", entry.get("text")
        if not (isinstance(name, str) and name and isinstance(title, str) and isinstance(text, str)):
            raise _unusable(path, number, 'a document is {"id": "…", "title": "…", "text": "…"}')
        if name in seen:
            raise _unusable(path, number, f'"{name}" was a document before')
        seen.add(name)
        yield CorpusLine(name, _whole(title), _whole(text))


def _question(path: Path, number: int, entry: dict[str, Any], needs: tuple[frozenset[str], ...]) -> Question:
    name, text = entry.get("id", entry.get("_id")), entry.get("text")
    if not (isinstance(name, str) and name and isinstance(text, str) and text.strip()):
        raise _unusable(path, number, 'not a question; a line is {"id": "…", "text": "…", …}')
    text = readable(text)
    if not text:
        raise _unusable(path, number, f'the text of "{name}" holds nothing that can be read')
    kind, language = entry.get("kind") or "", entry.get("lang") or ""
    answerable = entry.get("answerable", bool(needs))
    if not (isinstance(kind, str) and isinstance(language, str) and isinstance(answerable, bool)):
        raise _unusable(path, number, "not a question; kind and lang are texts, answerable is true or false")
    if answerable and not needs:
        raise _unusable(path, number, f'"{name}" is said to be answerable, and no document is named that answers it')
    if needs and not answerable:
        raise _unusable(path, number, f'"{name}" is said to have no answer, and a document is named that answers it')
    facts = entry.get("facts") or []
    if not isinstance(facts, list) or not all(isinstance(fact, str) and fact for fact in facts):
        raise _unusable(path, number, "not a question; facts is a list of texts that a right answer says")
    return Question(
        id=name, text=text, answerable=answerable, kind=kind, language=language, needs=needs, facts=tuple(facts)
    )


def _gold(path: Path, number: int, entry: dict[str, Any]) -> list[str]:
    gold = entry.get("gold", [])
    if not isinstance(gold, list) or not all(isinstance(one, dict) for one in gold):
        raise _unusable(path, number, 'not a golden question; gold is [{"document": "…"}, …]')
    names = [one.get("document") for one in gold]
    if not all(isinstance(name, str) and name for name in names):
        raise _unusable(path, number, 'not a golden question; gold is [{"document": "…"}, …]')
    return list(dict.fromkeys(names))


def _relevant(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, question, document) of everything relevant; a first line whose score is a word is the heading."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split("\t")
        if number == 1 and len(fields) == 3 and not _is_number(fields[2]):
            continue
        if len(fields) != 3 or not _is_number(fields[2]):
            raise _unusable(path, number, "a line is question, document and a score, parted by tabs")
        if float(fields[2]) > 0:
            yield number, fields[0], fields[1]


def _entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of a JSONL file."""
    for number, line in enumerate(_text(path).split("\n"), 1):  # a line of JSON may hold other line separators
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _unusable(path, number, f"not JSON ({error})") from error
        if not isinstance(entry, dict):
            raise _unusable(path, number, "not a JSON object")
        yield number, entry


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The file {path} cannot be read: {reason}.") from error


def _distinct(path: Path, questions: list[Question]) -> list[Question]:
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise SettingsError(f'{path}: two questions are called "{question.id}"; give each an id of its own.')
        seen.add(question.id)
    if not questions:
        raise SettingsError(f"{path} holds no question.")
    return questions


def _whole(text: str) -> str:
    """Halves of characters, which JSON can hold and no index, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _unusable(path: Path, number: int, what: str) -> SettingsError:
    return SettingsError(f"{path}, line {number}: {what}.", line=number)
