"""`[auth]` in rag.toml: what is written, or which line is wrong and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import SettingsError
from rag.settings import Settings
from rag.settings.file import load


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "rag.toml"
    path.write_text(text)
    return load(config=path, home=folder / "home", environ={})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    auth = loaded(
        tmp_path,
        """[auth]
mode = "required"
hosts = ["archivar.firma.de", "[2001:db8::7]"]
admins = ["anna", "group:it"]
suspended = ["otto"]
proxy_header = "X-Remote-User"
proxy_addresses = ["10.0.0.5", "fd00::/64"]
""",
    ).auth
    assert (auth.mode, auth.admins, auth.suspended) == ("required", ("anna", "group:it"), ("otto",))
    assert auth.proxy_addresses == ("10.0.0.5", "fd00::/64")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('mode = "none"', "auto, required, off"),
        ('hosts = ["https://archivar.firma.de"]', "no name to be called by"),
        ('hosts = ["archivar.firma.de:8443"]', "no name to be called by"),
        ('hosts = ["*"]', "no name to be called by"),
        ('hosts = [""]', "no name to be called by"),
        ('admins = ["user:anna"]', "is nobody"),
        ('admins = ["group:"]', "is nobody"),
        ('suspended = ["group:it"]', "cannot be suspended"),
        ('proxy_addresses = ["proxy.firma.de"]', "no address or network"),
        ('proxy_addresses = ["10.0.0.5/24"]', "no address or network"),
        ('unencrypted_from = ["gateway"]', "no address or network"),
        ('proxy_header = "X-Remote-User"', "listed addresses only"),
        ('proxy_header = "X Remote"', "cannot be that header"),
        ('proxy_header = "Authorization"', "cannot be that header"),
        ('proxy_header = "X-Forwarded-For"', "cannot be that header"),
        ("keys = true", "unknown key"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as told:
        loaded(tmp_path, f"[groups]\nhr = []\n[auth]\n{line}\n")
    assert told.value.line == 4
