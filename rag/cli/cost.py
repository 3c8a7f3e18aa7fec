"""`rag cost`: what answers cost on this machine, now and at capacity, beside the prices the user gives."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rag import __version__
from rag.ask import prompt
from rag.cli import OK, filing, output
from rag.cli.door import Door, running, settings_of
from rag.errors import ModelUnavailable, SettingsError
from rag.evaluate import cost, plots
from rag.evaluate.cost import Cost, Usage
from rag.evaluate.models.machine import measured
from rag.metrics import Metrics
from rag.models_in_use.writers import Writers
from rag.ports import Delta, Generation, LanguageModel, Message
from rag.settings import Settings

_ANSWERS = 2
_USUAL_TOKENS = 540
"""Passage tokens of a usual prompt, where the settings name none."""


def tell(options: argparse.Namespace) -> int:
    """Reckon, and print or write it.

    Raises:
        SettingsError: `[cost]` lacks something, or a file cannot be used.
        ModelUnavailable: nothing runs here, and there is no model to measure.
    """
    settings = settings_of(options)
    if lacking := cost.missing(settings.cost):
        raise SettingsError(
            f"{', '.join(lacking)} must be set to more than 0 in rag.toml: no price is assumed here.", key=lacking[0]
        )
    prices = cost.prices(options.prices) if options.prices else []
    usage = _usage(options, settings)
    found = cost.reckon(settings.cost, usage, prices=prices)
    if options.out:
        filing.write(options.out, page(settings.cost.currency, usage, found))
    if options.json:
        output.print_json(_json(settings.cost.currency, usage, found))
    else:
        _print(settings.cost.currency, usage, found)
    return OK


def _usage(options: argparse.Namespace, settings: Settings) -> Usage:
    if options.metrics:
        usage = _of_file(options.metrics)
    else:
        way = running(settings)
        usage = _of_service(way) if way else _measured(settings)
    return replace(usage, per_day=float(options.per_day)) if options.per_day else usage


def _of_file(path: Path) -> Usage:
    try:
        text, saved = path.read_text(encoding="utf-8", errors="replace"), path.stat().st_mtime
    except OSError as error:
        raise SettingsError(f"The metrics {path} cannot be read: {error.strerror}.") from error
    return cost.measured(text, now=saved)


def _of_service(way: Door) -> Usage:
    """What the process that owns the home counted since it started. Beside it nothing is measured: its model would be
    opened twice, and each would slow the other."""
    *_, found = way.call("metrics", {})
    try:
        return cost.measured(found["text"], now=float(found["at"]))
    except SettingsError as error:
        raise SettingsError(f"Archivar runs here. {error} Or stop it, and two answers are measured.") from error


def _measured(settings: Settings) -> Usage:
    """A few answers of the settings' own model to prompts of the usual size, each another one; as many at the same time
    as the service would have written, for beside each other each is slower."""
    at_once = settings.slots
    count = max(_ANSWERS, at_once)
    writers = Writers(settings, Metrics(version=__version__))
    try:
        model = writers.get()
        if model is None:
            raise ModelUnavailable(f"There is no model to measure. {writers.problem}".strip())
        output.err.print(f"[dim]Measuring {count} answers of {output.safe(model.info.name)} …[/]")
        room = settings.retrieval.prompt_tokens or _USUAL_TOKENS
        generation = Generation(max_tokens=settings.llm.max_answer_tokens, schema=prompt.SCHEMA)
        began = time.perf_counter()
        with measured(own_memory=False) as used, ThreadPoolExecutor(at_once) as beside:
            tokens = list(beside.map(lambda number: _one(model, _prompt(number, room), generation), range(count)))
        seconds = (time.perf_counter() - began) / count
        joules = (
            used.energy_j if model.info.runtime == "embedded" else None
        )  # a server, or its GPU, is not counted here
    finally:
        writers.close()
    return Usage(
        tokens_in=sum(read for read, _ in tokens) / count,
        tokens_out=sum(wrote for _, wrote in tokens) / count,
        seconds=seconds,
        source=f"a short measurement of {model.info.name}, {count} answers"
        + (f", {at_once} at the same time" if at_once > 1 else ""),
        joules=(joules or 0.0) / count,
        at_once=at_once,
    )


def _one(model: LanguageModel, messages: list[Message], generation: Generation) -> tuple[int, int]:
    """Tokens read and written of one answer."""
    pieces = list(model.stream(messages, generation))
    told = pieces[-1].usage if pieces else None
    read = (told.prompt_tokens if told else None) or model.count_tokens(messages)
    return read, (told.output_tokens if told else None) or _pieces(pieces)


def _pieces(deltas: list[Delta]) -> int:
    """How many tokens were written, where the server does not tell: a piece is about a token, a thought one too."""
    return sum(max(bool(delta.text), delta.thought) for delta in deltas)


def _prompt(number: int, room: int) -> list[Message]:
    """A prompt with about so many tokens of made-up passages; four characters a token, about."""
    *before, last = prompt.messages("Wann wird der Beleg geprüft?", [], salt=f"{number}", language="de")
    lines: list[str] = []
    length = 0
    while length < room * 4:
        lines.append(f"Beleg {number}-{len(lines)} wird am {len(lines) % 28 + 1}. des Monats geprüft und abgelegt.")
        length += len(lines[-1])
    content = last.content.replace("<passages>\n", "<passages>\n[1] Belege\n" + "\n".join(lines) + "\n", 1)
    return [*before, Message(role="user", content=content)]


# ---- what is said ----


def _json(currency: str, usage: Usage, found: Cost) -> dict[str, Any]:
    return {
        "currency": currency,
        "usage": asdict(usage),
        "fixed_per_day": found.fixed_per_day,
        "per_answer": found.per_answer,
        "capacity_per_day": found.capacity_per_day,
        "thousand_at_capacity": found.thousand(found.capacity_per_day),
        "thousand_now": found.thousand(usage.per_day) if usage.per_day else None,
        "beside": [asdict(one) for one in found.beside],
    }


def _lines(currency: str, usage: Usage, found: Cost) -> list[str]:
    energy = f", {usage.joules:.0f} J by the processor's counters" if usage.joules else ", energy by the watts given"
    lines = [
        f"An answer: {usage.tokens_in:.0f} tokens read, {usage.tokens_out:.0f} written, {usage.seconds:.1f} s "
        f"({usage.source}){energy}.",
        f"The machine: {found.fixed_per_day:.2f} {currency} a day, and {1000 * found.per_answer:.3f} {currency} more "
        f"for a thousand answers.",
        f"At capacity ({found.capacity_per_day:,.0f} answers a day): "
        f"{found.thousand(found.capacity_per_day):.2f} {currency} for a thousand answers.",
    ]
    if not usage.at_once:
        lines.append("That is one answer after the other; where several are written at the same time, it is more.")
    if usage.per_day:
        a_day = f"{usage.per_day:,.{0 if usage.per_day >= 10 else 1}f}"
        beyond = ", more than this machine writes" if usage.per_day > found.capacity_per_day else ""
        lines.append(
            f"Now ({a_day} answers a day{beyond}): {found.thousand(usage.per_day):.2f} {currency} for a thousand."
        )
    else:
        lines.append("How many answers there are now is not known: give --per-day, or have `rag serve` run meanwhile.")
    return lines


def _rows(currency: str, found: Cost) -> list[tuple[str, str, str]]:
    rows = []
    for one in found.beside:
        if one.break_even_per_day is None:
            even = "never: it is cheaper at any volume"
        else:
            even = f"{one.break_even_per_day:,.0f} a day" + ("" if one.within else ", more than this machine writes")
        rows.append((one.price.name, f"{one.thousand:.2f} {currency}", even))
    return rows


def _print(currency: str, usage: Usage, found: Cost) -> None:
    for line in _lines(currency, usage, found):
        output.out.print(output.safe(line))
    if found.beside:
        output.table(("beside", "a thousand answers", "own machine cheaper from"), _rows(currency, found))
    else:
        output.err.print("[dim]Give --prices FILE to see it beside interfaces that are paid by the token.[/]")


def page(currency: str, usage: Usage, found: Cost) -> str:
    """The same as one HTML file with its plot, which needs nothing beside it."""
    plot = plots.costs(
        f"{currency} for a thousand answers",
        found.thousand,
        [(one.price.name, one.thousand, one.break_even_per_day) for one in found.beside],
        most=found.capacity_per_day,
        now=usage.per_day,
    )
    environment = Environment(
        loader=PackageLoader("rag.evaluate"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("cost.html").render(
        style=Markup(files("rag.evaluate").joinpath("templates/page.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        currency=currency,
        lines=_lines(currency, usage, found),
        rows=_rows(currency, found),
        plot=plot,
        version=__version__,
    )
