"""The app package that an administrator uploads to Teams: a zip of the manifest, its German texts and two icons.

It asks for no permission at all: the bot hears what is said to it, and reads nothing else. Domains are for pages shown
inside Teams, and there are none; the internal page opens in the browser.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from PIL import Image, ImageDraw

from rag import __version__
from rag.bots.teams_token import is_object_id
from rag.errors import SettingsError
from rag.settings.bots import BotsSettings
from rag.text.sentences import texts

_VERSION: Final = "1.19"
_SCHEMA: Final = f"https://developer.microsoft.com/json-schemas/teams/v{_VERSION}/MicrosoftTeams"
_ACCENT: Final = "#1F4E5F"
_COLOR_PX: Final = 192
_OUTLINE_PX: Final = 32
_STAMP: Final = (2026, 1, 1, 0, 0, 0)
"""The same settings give the same bytes."""


def manifest(settings: BotsSettings) -> bytes:
    """The app package, ready to be uploaded.

    Raises:
        SettingsError: the bot's id or the address of the page is missing, or the page is not https.
    """
    app_id = settings.teams.app_id
    if not is_object_id(app_id):
        raise SettingsError(
            "bots.teams.app_id must be the Application (client) ID of the bot's app registration; register it first.",
            key="bots.teams.app_id",
        )
    page = settings.page.rstrip("/")
    if urlsplit(page).scheme != "https":
        raise SettingsError(
            "bots.page must be the https address of the internal page: Teams takes no other in an app package.",
            key="bots.page",
        )
    return _zipped(
        {
            "manifest.json": _json(_manifest(app_id.lower(), page)),
            "de.json": _json(_german()),
            "color.png": _png(_color()),
            "outline.png": _png(_outline()),
        }
    )


def _manifest(app_id: str, page: str) -> dict[str, Any]:
    said = texts("en", "teams")
    return {
        "$schema": f"{_SCHEMA}.schema.json",
        "manifestVersion": _VERSION,
        "version": _version(),
        "id": app_id,
        "localizationInfo": {
            "defaultLanguageTag": "en",
            "additionalLanguages": [{"languageTag": "de", "file": "de.json"}],
        },
        "developer": {"name": "Archivar", "websiteUrl": page, "privacyUrl": page, "termsOfUseUrl": page},
        "name": {"short": "Archivar", "full": "Archivar"},
        "description": {"short": said["app_short"], "full": said["app_full"]},
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": _ACCENT,
        "bots": [
            {
                "botId": app_id,
                "scopes": ["personal", "team", "groupChat"],
                "isNotificationOnly": False,
                "supportsFiles": False,
                "supportsCalling": False,
                "supportsVideo": False,
            }
        ],
        "supportedChannelTypes": ["privateChannels"],
        "defaultInstallScope": "personal",
        "validDomains": [],
    }


def _german() -> dict[str, str]:
    said = texts("de", "teams")
    return {
        "$schema": f"{_SCHEMA}.Localization.schema.json",
        "name.short": "Archivar",
        "name.full": "Archivar",
        "description.short": said["app_short"],
        "description.full": said["app_full"],
    }


def _version() -> str:
    """Three numbers; Teams takes an update only where they have grown."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", __version__)
    return ".".join(number or "0" for number in found.groups()) if found else "0.0.1"


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"


def _color() -> Image.Image:
    icon = Image.new("RGB", (_COLOR_PX, _COLOR_PX), _ACCENT)
    _leaf(ImageDraw.Draw(icon), unit=_COLOR_PX / 32, ink=(255, 255, 255), ground=(31, 78, 95))
    return icon


def _outline() -> Image.Image:
    icon = Image.new("RGBA", (_OUTLINE_PX, _OUTLINE_PX), (0, 0, 0, 0))
    _leaf(ImageDraw.Draw(icon), unit=1, ink=(255, 255, 255, 255), ground=(0, 0, 0, 0))
    return icon


def _leaf(draw: ImageDraw.ImageDraw, *, unit: float, ink: tuple[int, ...], ground: tuple[int, ...]) -> None:
    """A sheet with lines, and a mark beside one of them: a document, and the place in it."""

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return left * unit, top * unit, right * unit - 1, bottom * unit - 1

    draw.rectangle(box(7, 4, 25, 28), fill=ink)
    draw.rectangle(box(9, 6, 23, 26), fill=ground)
    for top in (9, 13, 17, 21):
        draw.rectangle(box(13, top, 21, top + 2), fill=ink)
    draw.rectangle(box(10, 13, 12, 15), fill=ink)


def _png(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, format="PNG", optimize=True)
    return written.getvalue()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _STAMP), content, zipfile.ZIP_DEFLATED)
    return written.getvalue()
