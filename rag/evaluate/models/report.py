"""A comparison as rows, as JSON and as files. What takes time is kept apart: the same answers give the same table."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag import __version__
from rag.errors import SettingsError
from rag.evaluate.intervals import Figure
from rag.evaluate.models.judge import Verdicts
from rag.evaluate.models.machine import Cost
from rag.evaluate.models.scoring import Scored, scored_of
from rag.evaluate.models.standing import Entry, Placed, Standing
from rag.evaluate.models.trial import Timed
from rag.evaluate.questions import Question

WORDS = {
    "quality": "quality",
    "helpful": "answered well",
    "careful": "left unanswered rightly",
    "answered": "answered",
    "support": "sentences supported",
    "right_citations": "citations right",
    "right_fact": "fact right",
    "language_kept": "language kept",
}
"""Figure → the head of its column."""

_FORM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What a model takes, medians over the questions; None where it is not known. `read_s`: prompt tokens a second."""

    read_s: float | None
    first_token_s: float | None
    total_s: float | None
    memory_bytes: int | None
    energy_j: float | None

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "prompt_tokens_a_second_median": _rounded(self.read_s),
            "first_token_s_median": _rounded(self.first_token_s),
            "total_s_median": _rounded(self.total_s),
            "memory_bytes": self.memory_bytes,
            "energy_j": _rounded(self.energy_j),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A whole comparison. `asked` are the questions; `passages` says how much of the passages each model was given;
    `verdicts` are those of `judge`, by model; `failed`: which model could not be had, and why."""

    standing: Standing
    asked: tuple[Question, ...]
    passages: Mapping[str, Any]
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    judge: str = ""
    verdicts: Mapping[str, Verdicts] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The public form, without times."""
        found: dict[str, Any] = {
            "form": _FORM,
            "archivar": __version__,
            "questions": len(self.asked),
            "answerable": sum(question.answerable for question in self.asked),
            "asked": fingerprint(self.asked),
            "passages": dict(self.passages),
            "resamples": self.standing.resamples,
            "models": [_placed(one) for one in self.standing.placed],
        }
        if self.failed:
            found["failed"] = dict(self.failed)
        if self.standing.gate:
            found |= {"gate": self.standing.gate, "smallest_that_passes": self.standing.smallest}
        if self.judge:
            found["judge"] = {
                "model": self.judge,
                "verdicts": {
                    name: {"right": one.right.as_json() if one.right else None, "unjudged": one.unjudged}
                    for name, one in self.verdicts.items()
                },
            }
        return found

    def times(self) -> dict[str, Any]:
        """What takes time, by model: another figure on every run."""
        return {name: speed.as_json() for name, speed in self.speeds.items()}


def speed_of(timed: Sequence[Timed | None], cost: Cost) -> Speed:
    """Medians of one model's times."""
    known = [one for one in timed if one is not None]
    return Speed(
        read_s=_median([one.prompt_tokens_a_second for one in known]),
        first_token_s=_median([one.first_token_s for one in known]),
        total_s=_median([one.total_s for one in known]),
        memory_bytes=cost.memory_bytes,
        energy_j=cost.energy_j,
    )


def heads() -> tuple[str, ...]:
    """The heads of the table."""
    return ("", "model", *WORDS.values(), "failed", "last in resamples")


def rows(standing: Standing) -> list[tuple[str, ...]]:
    """The table, the best model first. Each figure has its 95 % interval."""
    last = len(standing.placed)
    return [
        (
            str(one.rank),
            one.entry.name,
            *(interval(one.figures.get(name)) for name in WORDS),
            str(sum(one.failures.values())),
            f"{one.ranks.count(last)} of {standing.resamples}",
        )
        for one in standing.placed
    ]


def time_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """What each model takes, in the same order."""
    found: list[tuple[str, ...]] = []
    for one in comparison.standing.placed:
        speed = comparison.speeds.get(one.entry.name)
        if speed is not None:
            found.append(
                (
                    one.entry.name,
                    _said(speed.read_s, "{:.0f}"),
                    _said(speed.first_token_s, "{:.1f}"),
                    _said(speed.total_s, "{:.1f}"),
                    _said(speed.memory_bytes and speed.memory_bytes / 1024**2, "{:.0f}"),
                    _said(speed.energy_j, "{:.0f}"),
                )
            )
    return found


TIME_HEADS = ("model", "prompt tokens/s", "first token, s", "whole answer, s", "memory, MiB", "energy, J")


def interval(figure: Figure | None) -> str:
    """A share with its interval: ``0.71 (0.52–0.88)``."""
    return f"{figure.value:.2f} ({figure.low:.2f}–{figure.high:.2f})" if figure else "–"


def sentence(standing: Standing) -> str:
    """What the gate says, in a sentence; "" without one."""
    if not standing.gate:
        return ""
    if standing.smallest is None:
        return f"No model reaches what {standing.gate} asks for."
    size = next(one.entry.size_bytes for one in standing.placed if one.entry.name == standing.smallest)
    told = f" ({size / 1e9:.2f} GB)" if size else ""
    return f"The smallest model that reaches what {standing.gate} asks for is {standing.smallest}{told}."


def write(comparison: Comparison, page: str, folder: Path) -> None:
    """Write ``compare.json``, ``times.json``, ``answers.jsonl`` and ``compare.html``, for their owner alone: they hold
    what stands in documents."""
    answers = [
        {"model": one.entry.name, "digest": one.entry.digest} | {"size_bytes": one.entry.size_bytes} | row.as_json()
        for one in comparison.standing.placed
        for row in one.entry.scored
    ]
    keep(folder / "compare.json", json.dumps(comparison.as_json(), ensure_ascii=False, indent=1) + "\n")
    keep(folder / "times.json", json.dumps(comparison.times(), indent=1) + "\n")
    keep(folder / "answers.jsonl", lines(answers))
    keep(folder / "compare.html", page)


def recorded(path: Path, questions: Sequence[Question]) -> list[Entry]:
    """The models and answers of an ``answers.jsonl``, to be scored anew.

    Raises:
        SettingsError: it cannot be read, or is not about these questions.
    """
    known = {question.id: question for question in questions}
    models: dict[str, list[Scored]] = {}
    heads: dict[str, dict[str, Any]] = {}
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} is no answers.jsonl of `rag models compare`.") from error
    for row in rows:
        if not isinstance(row, dict) or row.get("id") not in known or not isinstance(row.get("model"), str):
            raise SettingsError(f"{path} holds an answer to a question that is not in the file of questions.")
        models.setdefault(row["model"], []).append(scored_of(row, known[row["id"]]))
        heads.setdefault(row["model"], row)
    return [
        Entry(
            name=name,
            digest=str(heads[name].get("digest", "")),
            runtime=name.partition(":")[0],
            size_bytes=heads[name].get("size_bytes"),
            scored=tuple(scored),
        )
        for name, scored in models.items()
    ]


def passages_before(path: Path) -> Mapping[str, Any]:
    """How much of the passages the models of an earlier comparison were given, from its ``compare.json``.

    Raises:
        SettingsError: it is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["passages"]
        return {"chars": int(found["chars"]), "extracted": bool(found["extracted"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} is no compare.json of `rag models compare`.") from error


def lines(entries: Sequence[Mapping[str, Any]]) -> str:
    """Entries as JSONL."""
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def keep(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable to its owner alone."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


def fingerprint(questions: Sequence[Question]) -> str:
    """The same for the same questions with the same right answers."""
    told = [(q.id, q.text, q.answerable, q.language, [sorted(need) for need in q.needs], q.facts) for q in questions]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()[:16]


def _placed(one: Placed) -> dict[str, Any]:
    return {
        "rank": one.rank,
        "model": one.entry.name,
        "digest": one.entry.digest,
        "size_bytes": one.entry.size_bytes,
        "figures": {name: figure.as_json() for name, figure in one.figures.items()},
        "helpful_by_language": {name: figure.as_json() for name, figure in one.by_language.items()},
        "failures": dict(one.failures),
        "ranks_in_resamples": list(one.ranks),
        "gate_missed": list(one.missed),
        "against_next": {"better": one.better, "worse": one.worse, "sign_test_p": round(one.chance, 6)},
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _said(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
