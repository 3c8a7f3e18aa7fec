"""The service as it is started, locked down by the kernel, with a real provider and a real directory beside it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rag.app import App
from rag.errors import AccountClosed
from rag.settings.file import load
from tests.credentials.authority import AUDIENCE, PAGE, Authority
from tests.credentials.site import Browser, own_url
from tests.credentials.slapd import PASSWORD, PEOPLE, READER, Slapd, group, in_group, person
from tests.doors.conftest import QUESTION, Line, papers


def settings(line: Line, authority: Authority, slapd: Slapd, url: str) -> Path:
    """One source that the directory's group `hr` reads, and nobody else."""
    for name, content in (("secret", authority.secret), ("password", PASSWORD)):
        file = line.folder / name
        file.touch(0o600)
        file.write_text(content)
    path = line.folder / "sign-in.toml"
    path.write_text(
        f"""{line.config.read_text().replace("[groups]", "[groups-are-elsewhere]").split("[groups-")[0]}
[[sources]]
name = "papers"
path = "{papers(line.folder / "papers")}"
readers = ["group:hr"]
class = "internal"
[auth]
admins = ["group:it"]
[auth.oidc]
issuer = "{authority.issuer}"
audience = "{AUDIENCE}"
client_id = "{PAGE}"
client_secret_file = "{line.folder / "secret"}"
url = "{url}"
[auth.ldap]
url = "{slapd.url}"
ca_file = "{slapd.ca_file}"
bind_dn = "{READER}"
bind_password_file = "{line.folder / "password"}"
user_base = "{PEOPLE}"
group_base = "ou=groups,dc=firma,dc=example"
"""
    )
    return path


def test_people_sign_in_at_a_service_that_is_locked_down_and_read_what_the_directory_s_groups_may(
    fresh: Line, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = own_url()
    with Authority(f"{url}/login/callback") as authority, Slapd(tmp_path_factory.mktemp("slapd")) as slapd:
        slapd.start([person("anna"), person("bernd"), group("staff", "anna"), group("hr", in_group("staff"))])
        line = Line(fresh.folder, settings(fresh, authority, slapd, url))
        assert line.run("ingest").returncode in (0, 3)
        serve = ("serve", "--port", str(urlsplit(url).port), "--no-watch")
        with line.start(*serve, stderr=subprocess.PIPE) as process:
            said = ""
            while "answers at" not in said:
                assert process.poll() is None, said
                said += process.stderr.readline()
            anna, bernd = Browser(url), Browser(url)
            assert anna.sign_in("anna").status_code == 200 and bernd.sign_in("bernd").status_code == 200
            wanted = {"query": QUESTION, "k": 3}
            assert anna.send("POST", "/api/search", json=wanted, timeout=60).json()["passages"]
            assert bernd.send("POST", "/api/search", json=wanted, timeout=60).json()["passages"] == []
            token = {"authorization": f"Bearer {authority.forge()}"}
            program = Browser(url)
            assert program.send("POST", "/api/search", json=wanted, headers=token, timeout=60).json()["passages"]
            stranger = {"authorization": f"Bearer {authority.forge(preferred_username='nobody', sub='nobody')}"}
            assert program.send("POST", "/api/search", json=wanted, headers=stranger).status_code == 401
            assert program.send("POST", "/api/search", json=wanted).status_code == 401, "this machine too"


def test_an_app_with_a_directory_knows_whose_account_is_shut(
    fresh: Line, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Slapd(tmp_path_factory.mktemp("slapd")) as slapd:
        slapd.start([person("anna"), person("off", userAccountControl="514"), group("hr", "anna")])
        config = settings(fresh, Authority(), slapd, "http://localhost:1")
        with App(load(config=config, home=fresh.home, environ={})) as app:
            assert app.person("anna").groups == {"hr"} and app.stands("anna") and app.credential_needed
            with pytest.raises(AccountClosed):
                app.person("off")
            assert not app.stands("off")
            assert app.person("nobody").unsure and not app.stands("nobody")


def test_a_secret_that_others_can_read_is_told_at_the_start(fresh: Line, tmp_path: Path) -> None:
    slapd_free = Slapd(tmp_path)
    line = Line(fresh.folder, settings(fresh, Authority(), slapd_free, "http://localhost:1"))
    (fresh.folder / "password").chmod(0o644)
    refused = line.run("serve", "--port", "0")
    assert refused.returncode == 2 and "chmod 600" in refused.stderr
