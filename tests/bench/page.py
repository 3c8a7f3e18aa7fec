"""The three pages in real Chromium over loopback: milliseconds to the first paint, and the bytes each brings."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.doors.http.conftest import CLOSED, LEAVE, SICK, served
from tests.doors.http.house import House

PAGES = ("/", "/documents", "/status")
TIMES = 11
MEASURED = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
  bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter((one) => !one.name.includes("/api/"))
    .reduce((sum, one) => sum + one.decodedBodySize, 0),
})"""


def measure() -> dict[str, Any]:
    """Each page eleven times with an empty cache, the first left out as a warm-up."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        house = House(home=Path(home), papers=(LEAVE, SICK, CLOSED))
        chromium = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            with served(house) as address:
                found = {page: [_once(chromium, address + page) for _ in range(TIMES)][1:] for page in PAGES}
        finally:
            chromium.close()
            house.close()
    return {
        page: {
            "first_paint_ms_median": round(statistics.median(one["paint"] for one in seen)),
            "first_paint_ms_max": round(max(one["paint"] for one in seen)),
            "bytes": max(one["bytes"] for one in seen),
        }
        for page, seen in found.items()
    }


def _once(chromium: Any, address: str) -> dict[str, Any]:
    context = chromium.new_context(locale="de")
    try:
        page = context.new_page()
        page.goto(address, wait_until="networkidle")
        page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
        seen: dict[str, Any] = page.evaluate(MEASURED)
        return seen
    finally:
        context.close()
