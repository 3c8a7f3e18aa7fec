"""What rag.toml says of what the machine costs. No figure is ours: what is not written is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from rag.settings.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSettings:
    """`[cost]`: what the machine costs, for `rag cost`."""

    currency: str = option("EUR", "currency of every price here and in the price table; only printed")
    hardware_price: float = option(0.0, "what the machine cost, or the part of it that serves Archivar")
    lifetime_years: float = option(0.0, "over how many years that is written off")
    watts_idle: float = option(0.0, "what it draws while nobody asks, watts")
    watts_busy: float = option(0.0, "what it draws while an answer is written, watts")
    price_kwh: float = option(0.0, "price of a kilowatt-hour")
    hours_per_day: float = option(24.0, "hours a day it runs", least=0.1, most=24)
    staff_per_month: float = option(0.0, "what looking after it costs a month; 0: not counted")
