"""What an answer costs on one's own machine, and beside a price per token. Pure.

The machine costs the same whether it is asked or not: what it cost, spread over its lifetime, what it draws while it
waits, who looks after it. An answer adds what the machine draws more while it writes it. So the price of an answer
falls with their number, while a price per token does not: where the two meet is the break-even volume.
"""

from __future__ import annotations

import csv
import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.errors import SettingsError
from rag.settings.cost import CostSettings

_DAYS_A_YEAR, _DAYS_A_MONTH = 365.25, 30.4375
_SECONDS_A_DAY = 86_400
_JOULES_A_KWH = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer takes, on average: tokens read and written, seconds of the machine, and how it is known. `per_day`
    is how many there are now, 0 where it is not known; `joules` what one draws, 0 where it was not measured. `at_once`
    were written beside each other: the seconds are then those of all of them, shared; 0 where it is not known, and the
    seconds are each answer's own, at most what the machine takes for one."""

    tokens_in: float
    tokens_out: float
    seconds: float
    source: str
    per_day: float = 0.0
    joules: float = 0.0
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an interface asks for a million tokens read and written."""

    name: str
    input: float
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A price beside the own machine: of a thousand answers, and from how many a day on the own machine is cheaper;
    None where it never is. `within` tells whether the machine can write that many."""

    price: Price
    thousand: float
    break_even_per_day: float | None
    within: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The own side. `fixed_per_day` is paid without an answer, `per_answer` more for each."""

    fixed_per_day: float
    per_answer: float
    capacity_per_day: float
    beside: tuple[Beside, ...] = ()

    def thousand(self, per_day: float) -> float:
        """A thousand answers, where there are so many a day (more than 0)."""
        return 1000 * (self.fixed_per_day / per_day + self.per_answer)


def missing(settings: CostSettings) -> list[str]:
    """The keys of `[cost]` without which nothing can be said."""
    needed = ("hardware_price", "lifetime_years", "watts_busy", "price_kwh")
    return [f"cost.{key}" for key in needed if getattr(settings, key) <= 0]


def reckon(settings: CostSettings, usage: Usage, *, prices: Sequence[Price] = ()) -> Cost:
    """What answers cost."""
    hours = settings.hours_per_day
    fixed = (
        settings.hardware_price / (settings.lifetime_years * _DAYS_A_YEAR)
        + settings.watts_idle / 1000 * hours * settings.price_kwh
        + settings.staff_per_month / _DAYS_A_MONTH
    )
    more = max(0.0, settings.watts_busy - settings.watts_idle) * usage.seconds
    each = (usage.joules or more) / _JOULES_A_KWH * settings.price_kwh
    capacity = hours * 3600 / max(usage.seconds, 1e-9)
    own = Cost(fixed_per_day=fixed, per_answer=each, capacity_per_day=capacity)
    return Cost(
        fixed_per_day=fixed,
        per_answer=each,
        capacity_per_day=capacity,
        beside=tuple(_beside(own, usage, price) for price in prices),
    )


def _beside(own: Cost, usage: Usage, price: Price) -> Beside:
    answer = (usage.tokens_in * price.input + usage.tokens_out * price.output) / 1e6
    even = own.fixed_per_day / (answer - own.per_answer) if answer > own.per_answer else None
    return Beside(
        price=price,
        thousand=1000 * answer,
        break_even_per_day=even,
        within=even is not None and even <= own.capacity_per_day,
    )


# ---- what people give ----


def prices(path: Path) -> list[Price]:
    """The price table: TOML (``[[prices]]`` with name, input, output) or CSV with those columns; a million tokens each.

    Raises:
        SettingsError: it cannot be read, or an entry cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            heading = text.partition("\n")[0]
            between = ";" if heading.count(";") > heading.count(",") else ","
            rows = [dict(row) for row in csv.DictReader(text.splitlines(), delimiter=between)]
        else:
            rows = tomllib.loads(text).get("prices", [])
        found = [_price(row) for row in rows]
    except KeyError as error:
        raise _unusable(path, f"an entry without {error}") from error
    except OSError as error:
        raise _unusable(path, f"{error.strerror}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _unusable(path, str(error)) from error
    if not found:
        raise SettingsError(f"The price table {path} is empty: write [[prices]] with name, input and output.")
    return found


def _unusable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"The price table {path} cannot be used: {why}. Each entry needs name, input and output: the price of a "
        f"million tokens read and written."
    )


def _price(row: dict[str, object]) -> Price:
    price = Price(name=str(row["name"]), input=_amount(row["input"]), output=_amount(row["output"]))
    if not all(math.isfinite(amount) and amount >= 0 for amount in (price.input, price.output)):
        raise ValueError(f"{price.name} costs {row['input']} and {row['output']}; a price is 0 or more")
    return price


def _amount(written: object) -> float:
    """A price as a table program writes it: with a comma for decimals, too."""
    text = str(written).strip()
    return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)


_SAMPLE = re.compile(r"^archivar_(\w+?)(?:\{([^}]*)\})? ([0-9.eE+-]+)$", re.MULTILINE)
_STARTED = re.compile(r"^process_start_time_seconds ([0-9.eE+-]+)$", re.MULTILINE)


def measured(text: str, *, now: float) -> Usage:
    """The average answer of a running service, from what its ``/metrics`` gave at the time `now` (seconds since 1970).
    Its seconds are the model's: neither waiting for a seat nor questions that needed no model are among them.

    Raises:
        SettingsError: no answer was written yet, or the model's server does not tell its tokens.
    """
    samples = {(name, labels or ""): float(value) for name, labels, value in _SAMPLE.findall(text)}

    def sample(name: str, labels: str) -> float:
        return samples.get((name, labels), 0.0)

    answers = sample("answer_stage_seconds_count", 'stage="model"')
    if not answers:
        raise SettingsError("These metrics tell of no answer that a model wrote. Ask something first.")
    tokens_in, tokens_out = sample("tokens_total", 'direction="in"'), sample("tokens_total", 'direction="out"')
    if not tokens_in or not tokens_out:
        raise SettingsError("The model's server does not tell how many tokens it reads and writes: no price is known.")
    started = _STARTED.search(text)
    days = max((now - float(started[1])) / _SECONDS_A_DAY, 1 / 24) if started else 0.0
    return Usage(
        tokens_in=tokens_in / answers,
        tokens_out=tokens_out / answers,
        seconds=sample("answer_stage_seconds_sum", 'stage="model"') / answers,
        source=f"counted by the service over {answers:.0f} answers" + (f" in {days:.1f} days" if days else ""),
        per_day=answers / days if days else 0.0,
        at_once=0,
    )
