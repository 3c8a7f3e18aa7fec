"""The pictures of the README: the three pages over the sample company, which the product has read itself. What the
model says is scripted, so that the pictures stay the same; it is checked and cited as ever.

`make screenshots` writes them to $ARCHIVAR_SCREENSHOTS; otherwise they are made and measured, and thrown away.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.doors.conftest import Line, Writer
from tests.standins import says

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
ASKED = {
    "de": (
        "Wie viele Arbeitstage Erholungsurlaub haben Vollzeitbeschäftigte im Kalenderjahr?",
        "Vollzeitbeschäftigte mit einer Fünftagewoche haben Anspruch auf 30 Arbeitstage Erholungsurlaub im "
        "Kalenderjahr.",
    ),
    "en": (
        "For how many calendar days is an RMA number valid?",
        "The number is valid for 30 calendar days; goods which arrive later are sent back at the sender's expense.",
    ),
}
MAX_BYTES = 150_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Iterator[tuple[str, Path]]:
    """The address of `rag serve`, a process of its own, and the folder of the sample in it."""
    line = Line(tmp_path_factory.mktemp("line"), config)
    sample = line.folder / "dokumente"
    shutil.copytree(SAMPLE, sample)
    line.run("ingest", *(folder for folder in sorted(sample.iterdir()) if folder.is_dir()))
    with line.start("serve", "--port", "0", stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for said in process.stderr:
            if (found := re.search(r"http://[\d.]+:\d+", said)) is not None:
                break
        else:
            pytest.fail("the service does not say where it answers")
        yield found.group(), sample


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("ARCHIVAR_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def opened(
    browser: Any, house: tuple[str, Path], path: str, *, language: str, scheme: str = "light", width: int = 1180
) -> Any:
    """A page of the service; where the sample lies on this machine is nobody's business."""
    address, sample = house
    viewport = {"width": width, "height": 760}
    context = browser.new_context(locale=language, color_scheme=scheme, viewport=viewport, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(120_000)

    def elsewhere(route: Any) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.body().replace(os.fsencode(sample), b"/srv/dokumente"))

    page.route(re.compile("/api/(?!.*/pages/)"), elsewhere)
    page.goto(address + path)
    return page


def asked(page: Any, said: Writer, language: str) -> None:
    question, answer = ASKED[language]
    said.pieces = (says(answer),)
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer[data-step=done] .cite")


def taken(page: Any, path: Path, *, whole: bool = False) -> None:
    with Image.open(io.BytesIO(page.screenshot(full_page=whole))) as seen:
        seen.convert("RGB").quantize(256).save(path, optimize=True)
    assert path.stat().st_size < MAX_BYTES, path
    page.context.close()


@pytest.mark.parametrize(("language", "scheme"), [("de", "light"), ("en", "dark")])
def test_a_question_and_the_page_its_answer_stands_on(
    house: tuple[str, Path], browser: Any, said: Writer, pictures: Path, language: str, scheme: str
) -> None:
    page = opened(browser, house, "/", language=language, scheme=scheme)
    asked(page, said, language)
    page.locator(".cite").first.click()
    page.wait_for_selector(".sheet rect")
    taken(page, pictures / f"ask-{language}.png")


def test_a_question_on_a_telephone(house: tuple[str, Path], browser: Any, said: Writer, pictures: Path) -> None:
    page = opened(browser, house, "/", language="de", width=380)
    asked(page, said, "de")
    taken(page, pictures / "ask-phone.png")


def test_the_documents(house: tuple[str, Path], browser: Any, pictures: Path) -> None:
    page = opened(browser, house, "/documents", language="en")
    page.wait_for_selector("#list tbody tr")
    taken(page, pictures / "documents.png")


def test_the_state_of_the_service(house: tuple[str, Path], browser: Any, pictures: Path) -> None:
    page = opened(browser, house, "/status", language="en")
    page.wait_for_selector("#sources tbody tr")
    page.wait_for_selector("#outcomes svg")
    taken(page, pictures / "status.png", whole=True)
