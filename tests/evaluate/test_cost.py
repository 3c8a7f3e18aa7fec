"""What an answer costs, by hand and by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import SettingsError
from rag.evaluate import cost
from rag.evaluate.cost import Price, Usage
from rag.metrics import Metrics
from rag.models.catalogue import MODELS, default_directory
from rag.settings.cost import CostSettings

ROOT = Path(__file__).parents[2]
OWN = CostSettings(hardware_price=3652.5, lifetime_years=5, watts_idle=50, watts_busy=150, price_kwh=0.30)
"""2.00 a day for the machine, 0.36 for waiting."""
USAGE = Usage(tokens_in=1500, tokens_out=100, seconds=12, source="test")
CLOUD = Price(name="cloud", input=2.0, output=10.0)
"""0.004 an answer."""


def test_the_machine_costs_the_same_whether_it_is_asked_or_not() -> None:
    found = cost.reckon(OWN, USAGE)
    assert found.fixed_per_day == pytest.approx(2.36)
    assert found.per_answer == pytest.approx(100 * 12 / 3.6e6 * 0.30)
    assert found.capacity_per_day == 7200
    assert found.thousand(236) == pytest.approx(10.1)


def test_the_break_even_is_where_both_cost_the_same() -> None:
    found = cost.reckon(OWN, USAGE, prices=[CLOUD])
    (beside,) = found.beside
    assert beside.thousand == pytest.approx(4.0)
    assert beside.break_even_per_day is not None and beside.within
    assert found.thousand(beside.break_even_per_day) == pytest.approx(beside.thousand)


def test_a_price_below_the_own_current_has_no_break_even() -> None:
    (beside,) = cost.reckon(OWN, USAGE, prices=[Price(name="gift", input=0.0, output=0.01)]).beside
    assert (beside.break_even_per_day, beside.within) == (None, False)


def test_a_break_even_beyond_the_capacity_is_told_as_such() -> None:
    (beside,) = cost.reckon(replace(OWN, hardware_price=10**6), USAGE, prices=[CLOUD]).beside
    assert beside.break_even_per_day is not None and not beside.within


def test_energy_that_was_measured_counts_in_place_of_the_watts() -> None:
    assert cost.reckon(OWN, replace(USAGE, joules=3600)).per_answer == pytest.approx(0.0003)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_more_answers_never_cost_more_each(one: float, other: float) -> None:
    found = cost.reckon(OWN, USAGE)
    few, many = sorted((one, other))
    assert found.thousand(many) <= found.thousand(few)


# ---- prices ----


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prices.toml", '[[prices]]\nname = "cloud"\ninput = 2\noutput = 10.0\n'),
        ("prices.csv", "name,input,output\ncloud,2,10\n"),
        ("prices.csv", "\ufeffname;input;output\r\ncloud;2,0;10,00\r\n"),
    ],
)
def test_the_price_table_is_toml_or_csv(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert cost.prices(tmp_path / name) == [CLOUD]


@pytest.mark.parametrize("content", ["", "[[prices]]\nname = 'x'\n", "[[prices]]\nname='x'\ninput=-1\noutput=1\n", "x"])
def test_a_table_that_cannot_be_used_is_refused_by_its_name(content: str, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(content)
    with pytest.raises(SettingsError, match=r"prices\.toml"):
        cost.prices(tmp_path / "prices.toml")


@pytest.mark.parametrize("amount", ["nan", "inf", "-1"])
def test_a_price_that_is_no_price_is_refused_with_the_entry(amount: str, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"name,input,output\ncloud,{amount},1\n")
    with pytest.raises(SettingsError, match=f"cloud costs {amount} and 1; a price is 0 or more"):
        cost.prices(tmp_path / "prices.csv")


# ---- tokens ----


def metrics() -> str:
    counted = Metrics(version="test")
    for _ in range(4):
        counted.model_used(read=1500, wrote=100)
        counted.ended("answered", {"retrieve": 20, "prompt": 30, "first_token": 1000, "total": 12_030})
    counted.ended("nothing_found", {"retrieve": 20, "total": 25})
    return counted.render().decode()


def test_tokens_are_those_the_service_counted() -> None:
    text = metrics()
    started = float(
        next(line for line in text.splitlines() if line.startswith("process_start_time_seconds ")).split()[1]
    )
    found = cost.measured(text, now=started + 2 * 86_400)
    assert (found.tokens_in, found.tokens_out, found.seconds, found.per_day) == (1500, 100, 12, 2)
    assert found.at_once == 0, "how many were written beside each other is not counted"


def test_who_waits_for_a_seat_and_who_needs_no_model_do_not_change_the_models_seconds() -> None:
    counted = Metrics(version="test")
    counted.model_used(read=1500, wrote=100)
    counted.ended("answered", {"retrieve": 20, "prompt": 300_000, "first_token": 301_000, "total": 312_000})
    for _ in range(9):
        counted.ended("extracts", {"retrieve": 20, "first_sentence": 40, "total": 40})
    assert cost.measured(counted.render().decode(), now=0).seconds == pytest.approx(12)


@pytest.mark.parametrize(("read", "wrote"), [(1500, None), (None, 100)])
def test_a_server_that_tells_no_tokens_is_not_taken_to_use_none(read: int | None, wrote: int | None) -> None:
    counted = Metrics(version="test")
    counted.model_used(read=read, wrote=wrote)
    counted.ended("answered", {"prompt": 30, "first_token": 1000, "total": 12_030})
    with pytest.raises(SettingsError, match="does not tell how many tokens"):
        cost.measured(counted.render().decode(), now=0)


def test_a_service_that_answered_nothing_is_said() -> None:
    with pytest.raises(SettingsError, match="no answer"):
        cost.measured(Metrics(version="test").render().decode(), now=0)


# ---- the command ----


def run(arguments: list[str], *, code: int = 0) -> subprocess.CompletedProcess[str]:
    """In a process of its own: a command closes the one it runs in."""
    done = subprocess.run(
        [sys.executable, "-m", "rag", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def written(tmp_path: Path) -> list[str]:
    (tmp_path / "rag.toml").write_text(
        "[egress]\nlockdown = 'off'\n[cost]\nhardware_price = 3652.5\nlifetime_years = 5\n"
        "watts_idle = 50\nwatts_busy = 150\nprice_kwh = 0.3\n"
    )
    (tmp_path / "metrics.txt").write_text(metrics())
    os.utime(tmp_path / "metrics.txt")
    (tmp_path / "prices.csv").write_text("name,input,output\n<b>cloud</b>,2,10\n")
    return ["cost", "--config", str(tmp_path / "rag.toml"), "--metrics", str(tmp_path / "metrics.txt")]


def test_the_command_tells_both_sides_and_draws_them(written: list[str], tmp_path: Path) -> None:
    page = tmp_path / "cost.html"
    arguments = [*written, "--prices", str(tmp_path / "prices.csv"), "--per-day", "100", "--out", str(page), "--json"]
    said = json.loads(run(arguments).stdout)
    assert said["thousand_now"] == pytest.approx(23.7, abs=0.1)
    assert said["beside"][0]["break_even_per_day"] == pytest.approx(605, abs=1)
    html = page.read_text()
    assert "<svg" in html and "&lt;b&gt;cloud&lt;/b&gt;" in html and "<b>cloud" not in html
    assert "http://" not in html.replace("http://www.w3.org", "") and "<script" not in html


def test_a_service_of_many_slots_is_not_taken_to_write_each_answer_as_fast_as_one_alone(
    written: list[str], tmp_path: Path
) -> None:
    config = tmp_path / "rag.toml"
    config.write_text(config.read_text() + "[server]\nslots = 4\n")
    said = run([*written, "--per-day", "8000"]).stdout
    assert "At capacity (7,200 answers a day)" in said, "86,400 seconds by 12"
    assert "one answer after the other" in said
    assert "8,000 answers a day, more than this machine writes" in said


def test_without_a_table_only_the_own_side_is_told(written: list[str]) -> None:
    said = run([*written, "--per-day", "236"])
    assert "10.10 EUR for a thousand" in said.stdout
    assert "--prices" in said.stderr


def test_what_the_machine_costs_is_asked_for_and_not_assumed(tmp_path: Path) -> None:
    (tmp_path / "rag.toml").write_text("[egress]\nlockdown = 'off'\n[cost]\nprice_kwh = 0.3\n")
    said = " ".join(run(["cost", "--config", str(tmp_path / "rag.toml")], code=2).stderr.split())
    assert "cost.hardware_price, cost.lifetime_years, cost.watts_busy" in said


@pytest.mark.models
def test_without_metrics_a_few_answers_are_measured(tmp_path: Path) -> None:
    if not MODELS["smollm2-135m"].in_directory(default_directory(os.environ)).is_file():
        pytest.skip("the weights of smollm2-135m were not fetched")
    (tmp_path / "rag.toml").write_text(
        "[egress]\nlockdown = 'off'\n[llm]\nprovider = 'embedded'\nmodel = 'smollm2-135m'\nmax_answer_tokens = 8\n"
        "threads = 1\n[retrieval]\nprompt_tokens = 1\n"
        "[cost]\nhardware_price = 1000\nlifetime_years = 5\nwatts_busy = 90\nprice_kwh = 0.3\n"
    )
    arguments = ["cost", "--config", str(tmp_path / "rag.toml"), "--home", str(tmp_path / "home"), "--json"]
    said = json.loads(run(arguments).stdout)
    assert said["usage"]["tokens_in"] > 200
    assert 0 < said["usage"]["tokens_out"] <= 8
    assert said["usage"]["seconds"] > 0
    assert said["thousand_now"] is None
    assert said["thousand_at_capacity"] > 0
