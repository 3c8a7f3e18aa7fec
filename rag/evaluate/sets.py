"""The forms a set of questions comes in, told by the files that are there, never guessed from their content.

questions.jsonl in a folder, or such a file   over what is indexed in the home
corpus.jsonl, queries.jsonl, qrels.tsv        over an index made of the corpus
NAME/ with NAME__queries.jsonl and NAME__qrels.tsv beside it   over an index made of the files in NAME
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from rag.errors import SettingsError
from rag.evaluate import questions as reading
from rag.evaluate.questions import Question


class Form(StrEnum):
    """What the questions are asked of: what the home holds, a corpus, or a tree of files."""

    HOME = "home"
    CORPUS = "corpus"
    TREE = "tree"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """Questions under a name. `place` is the file of the questions, the corpus file or the tree."""

    name: str
    form: Form
    place: Path
    questions: tuple[Question, ...]

    def first(self, count: int | None) -> QuestionSet:
        """The same with its first questions only."""
        return self if count is None else replace(self, questions=self.questions[:count])


def read_all(given: Sequence[str]) -> list[QuestionSet]:
    """The sets of these places, each ``PATH`` or ``NAME=PATH``. Without a name it is the folder's; where two would be
    called the same, the folder above is put in front.

    Raises:
        SettingsError: see `read`; or two sets are given the same name.
    """
    found = [_named(entry) for entry in given]
    plain = [name or _name(path) for name, path in found]
    names = [
        own if name or plain.count(own) == 1 else f"{path.resolve().parent.name}-{own}"
        for own, (name, path) in zip(plain, found, strict=True)
    ]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f'Two sets are called "{name}"; name them apart: `rag eval one=FOLDER other=FOLDER`.')
    return [read(path, name=name) for name, (_, path) in zip(names, found, strict=True)]


def read(path: Path, *, name: str = "") -> QuestionSet:
    """The set at a place.

    Raises:
        SettingsError: nothing there has one of the forms, more than one has, a file is missing, or a line is no
            question.
    """
    form = _form(path)
    if form is Form.HOME:
        place = path / "questions.jsonl" if path.is_dir() else path
        found = reading.golden(place)
    elif form is Form.CORPUS:
        place = path / "corpus.jsonl"
        found = reading.queries(path / "queries.jsonl", path / "qrels.tsv")
        _known(found, frozenset(line.id for line in reading.corpus(place)), path)
    else:
        place = path
        found = reading.queries(_beside(path, "queries.jsonl"), _beside(path, "qrels.tsv"))
        _known(found, _files(path), _beside(path, "qrels.tsv"))
    return QuestionSet(name=name or _name(path), form=form, place=place, questions=tuple(found))


def _form(path: Path) -> Form:
    if path.is_file():
        return Form.HOME
    if not path.is_dir():
        raise SettingsError(f"There is no {path}. {_FORMS}")
    here = {
        Form.HOME: (path / "questions.jsonl",),
        Form.CORPUS: tuple(path / name for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv")),
        Form.TREE: (_beside(path, "queries.jsonl"), _beside(path, "qrels.tsv")),
    }
    forms = [form for form, files in here.items() if any(file.is_file() for file in files)]
    if len(forms) > 1:
        what = " and ".join(next(str(file) for file in here[form] if file.is_file()) for form in forms)
        raise SettingsError(f"{path} has more than one form ({what}). Give the file of the questions, or part them.")
    if not forms:
        raise SettingsError(f"{path} holds no questions. {_FORMS}")
    missing = [str(file) for file in here[forms[0]] if not file.is_file()]
    if missing:
        raise SettingsError(f"{path} is not complete: there is no {' and no '.join(missing)}. {_FORMS}")
    return forms[0]


_FORMS = (
    "Questions come as questions.jsonl; as corpus.jsonl, queries.jsonl and qrels.tsv in one folder; or as a folder "
    "NAME with NAME__queries.jsonl and NAME__qrels.tsv beside it."
)


def _known(found: Sequence[Question], documents: frozenset[str], where: Path) -> None:
    for question in found:
        for name in sorted(question.documents - documents):
            raise SettingsError(f'{where}: "{name}", which answers "{question.id}", is not among the documents.')


def _files(tree: Path) -> frozenset[str]:
    return frozenset(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())


def _beside(path: Path, ending: str) -> Path:
    full = path.resolve()
    return full.with_name(f"{full.name}__{ending}")


def _named(given: str) -> tuple[str, Path]:
    name, equals, path = given.partition("=")
    if equals and name and "/" not in name and not Path(given).exists():
        return name, Path(path).expanduser()
    return "", Path(given).expanduser()


def _name(path: Path) -> str:
    full = path.resolve()
    return full.parent.name if full.name == "questions.jsonl" else full.name.removesuffix(".jsonl")
