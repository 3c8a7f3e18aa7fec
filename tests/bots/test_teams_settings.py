"""What the Teams bot needs before it starts, and what it does not take from anywhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.bots.teams_settings import checked
from rag.errors import SettingsError
from rag.settings.bots import TeamsSettings

TENANT, APP = "11111111-2222-3333-4444-55555555555A", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


@pytest.fixture
def settings(tmp_path: Path) -> TeamsSettings:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    secret.chmod(0o600)
    return TeamsSettings(tenant=TENANT, app_id=APP, client_secret_file=str(secret))


def test_it_reads_the_secret_and_never_shows_it(settings: TeamsSettings) -> None:
    found = checked(settings)
    assert (found.secret, found.tenant, found.listen) == ("s3cret", TENANT.lower(), ("127.0.0.1", 8091))
    assert found.hosts == ("smba.trafficmanager.net",)
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tenant", ""),
        ("tenant", "firma.onmicrosoft.com"),
        ("app_id", "archivar"),
        ("client_secret_file", ""),
        ("client_secret_file", "/nowhere/secret"),
        ("service_hosts", ()),
        ("service_hosts", ("smba.trafficmanager.net:8443",)),
        ("listen", "8091"),
        ("listen", "127.0.0.1:http"),
        ("listen", "127.0.0.1:70000"),
    ],
)
def test_it_names_the_key_that_is_wrong(settings: TeamsSettings, key: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"bots.teams.{key}")):
        checked(replace(settings, **{key: value}))


def test_a_secret_that_others_can_read_is_not_taken(settings: TeamsSettings) -> None:
    Path(settings.client_secret_file).chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        checked(settings)


PROBE = """
import os
before = dict(os.environ)
from rag.bots.teams import adapter
from rag.settings.bots import TeamsSettings
made = adapter(TeamsSettings(tenant=TENANT, app_id=APP, client_secret_file=SECRET), environ={})
assert dict(os.environ) == before, set(os.environ) ^ set(before)
assert made._app.options.dangerously_allow_unauthenticated_requests is False
assert made._app.http_client.http is made._http and made._app.api.http.http is made._http
assert str(made._app.api.service_url).startswith("https://smba.trafficmanager.net")
import logging
assert not logging.getLogger("microsoft_teams.apps.http.http_server").isEnabledFor(logging.ERROR)
print("well")
"""


def test_neither_a_file_nor_the_environment_opens_the_door_or_leads_elsewhere(
    settings: TeamsSettings, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        "DANGEROUSLY_ALLOW_UNAUTHENTICATED_REQUESTS=true\nSSL_CERT_FILE=/x\n", encoding="utf-8"
    )
    around = {
        "DANGEROUSLY_ALLOW_UNAUTHENTICATED_REQUESTS": "true",
        "SERVICE_URL": "https://evil.example",
        "CLOUD": "china",
        "CLIENT_SECRET": "another",
        "HTTPS_PROXY": "http://evil.example:3128",
        "PYTHONPATH": str(Path.cwd()),
    }
    names = f"TENANT, APP, SECRET = {TENANT!r}, {APP!r}, {settings.client_secret_file!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", names + PROBE],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | around, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "well\n", done.stderr
