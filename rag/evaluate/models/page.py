"""A comparison as one HTML page that needs nothing beside it: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rag import __version__
from rag.evaluate import plots
from rag.evaluate.models import report
from rag.evaluate.models.report import Comparison
from rag.evaluate.plots import Row

_PAGE = Environment(
    loader=PackageLoader("rag.evaluate"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_WORST = 25


def render(comparison: Comparison) -> str:
    """The page. Times stand in a section of their own, the last one."""
    placed = comparison.standing.placed
    return _PAGE.get_template("models.html").render(
        comparison=comparison,
        standing=comparison.standing,
        style=Markup(files("rag.evaluate").joinpath("templates/page.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        version=__version__,
        heads=report.heads(),
        rows=report.rows(comparison.standing),
        said=report.sentence(comparison.standing),
        plots=[
            plots.dots(
                words, [Row(one.entry.name, one.figures[name], one.rank == 1) for one in placed if name in one.figures]
            )
            for name, words in report.WORDS.items()
            if any(name in one.figures for one in placed)
        ],
        plot_names=[words for name, words in report.WORDS.items() if any(name in one.figures for one in placed)],
        answers=_answers(comparison),
        time_heads=report.TIME_HEADS,
        time_rows=report.time_rows(comparison),
        interval=report.interval,
    )


def _answers(comparison: Comparison) -> list[tuple[str, str, list[tuple[str, str, str, float]]]]:
    """The questions that tell the models apart most, and what each said."""
    placed = comparison.standing.placed
    found = []
    for number, question in enumerate(comparison.asked):
        said = [(one.entry.name, one.entry.scored[number]) for one in placed]
        worths = [scored.worth for _, scored in said]
        shown = [(name, s.failure or s.answer.outcome.replace("_", " "), s.said, s.worth) for name, s in said]
        found.append((max(worths) - min(worths), question.id, question.text, shown))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    return [(name, text, shown) for _, name, text, shown in found[:_WORST]]
