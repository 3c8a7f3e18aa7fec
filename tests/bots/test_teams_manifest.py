"""The app package for Teams. Microsoft's schema is no part of any library of ours: what it asks is written out here."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from rag.bots.teams_manifest import manifest
from rag.errors import SettingsError
from rag.settings.bots import BotsSettings, TeamsSettings

APP = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
SETTINGS = BotsSettings(page="https://archivar.firma.example/", teams=TeamsSettings(app_id=APP))


def unpacked(package: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return unpacked(manifest(SETTINGS))


@pytest.fixture(scope="module")
def written(files: dict[str, bytes]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(files["manifest.json"])
    return content


def test_it_holds_the_manifest_at_its_root_and_every_file_it_names(
    files: dict[str, bytes], written: dict[str, Any]
) -> None:
    named = {*written["icons"].values(), *(one["file"] for one in written["localizationInfo"]["additionalLanguages"])}
    assert set(files) == {"manifest.json", *named}


def test_its_texts_are_as_long_as_teams_allows(files: dict[str, bytes], written: dict[str, Any]) -> None:
    german = json.loads(files["de.json"])
    for name, most in (("name.short", 30), ("name.full", 100), ("description.short", 80), ("description.full", 4000)):
        room, part = name.split(".")
        assert 0 < len(written[room][part]) <= most
        assert 0 < len(german[name]) <= most
    assert len(written["developer"]["name"]) <= 32
    assert re.fullmatch(r"\d+\.\d+\.\d+", written["version"])


def test_its_bot_is_heard_in_all_three_kinds_of_conversation(written: dict[str, Any]) -> None:
    [bot] = written["bots"]
    assert bot["botId"] == written["id"] == APP
    assert set(bot["scopes"]) == {"personal", "team", "groupChat"}


def test_it_asks_for_no_permission(written: dict[str, Any]) -> None:
    asked = {"permissions", "devicePermissions", "authorization", "webApplicationInfo", "composeExtensions"}
    assert asked.isdisjoint(written)
    assert written["validDomains"] == []
    [bot] = written["bots"]
    assert not any(bot[name] for name in ("supportsFiles", "supportsCalling", "supportsVideo"))


def test_its_addresses_are_the_internal_page(written: dict[str, Any]) -> None:
    addresses = [value for name, value in written["developer"].items() if name.endswith("Url")]
    assert set(addresses) == {"https://archivar.firma.example"}


@pytest.mark.parametrize(("name", "size", "mode"), [("color.png", 192, "RGB"), ("outline.png", 32, "RGBA")])
def test_its_icons_have_the_size_teams_asks(files: dict[str, bytes], name: str, size: int, mode: str) -> None:
    icon = Image.open(io.BytesIO(files[name]))
    assert (icon.format, icon.size, icon.mode) == ("PNG", (size, size), mode)


def test_its_outline_is_white_on_nothing(files: dict[str, bytes]) -> None:
    icon = Image.open(io.BytesIO(files["outline.png"]))
    assert {color for _, color in icon.getcolors() or ()} == {(255, 255, 255, 255), (0, 0, 0, 0)}


def test_the_same_settings_give_the_same_bytes() -> None:
    assert manifest(SETTINGS) == manifest(SETTINGS)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (replace(SETTINGS, page=""), "bots.page"),
        (replace(SETTINGS, page="http://archivar.firma.example"), "bots.page"),
        (replace(SETTINGS, teams=TeamsSettings()), "bots.teams.app_id"),
        (replace(SETTINGS, teams=TeamsSettings(app_id="archivar")), "bots.teams.app_id"),
    ],
)
def test_it_says_what_is_missing(settings: BotsSettings, key: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(key)):
        manifest(settings)
