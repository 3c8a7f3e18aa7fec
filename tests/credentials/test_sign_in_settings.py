"""`[auth.oidc]` and `[auth.ldap]` in rag.toml: what is written, what it lets be reached, which line is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from rag.app.signing_in import directory_of, sign_in_of
from rag.egress.endpoints import Endpoint
from rag.errors import SettingsError
from rag.settings import Settings
from rag.settings.file import load
from rag.settings.template import template

OIDC = """[auth.oidc]
issuer = "https://sso.firma.de/realms/firma"
client_id = "archivar"
audience = "archivar-api"
url = "https://archivar.firma.de"
"""
LDAP = """[auth.ldap]
url = "ldaps://dc.firma.de"
bind_dn = "cn=archivar,dc=firma,dc=de"
bind_password_file = "password"
user_base = "dc=firma,dc=de"
"""


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "rag.toml"
    path.write_text(text)
    return load(config=path, home=folder / "home", environ={})


def test_provider_and_directory_are_among_what_may_be_reached_and_nothing_else_is(tmp_path: Path) -> None:
    before = set(loaded(tmp_path, "").endpoints())
    after = set(loaded(tmp_path, OIDC + LDAP).endpoints())
    assert after - before == {Endpoint("sso.firma.de", 443), Endpoint("dc.firma.de", 636)}
    plain = loaded(tmp_path, LDAP.replace("ldaps://dc.firma.de", "ldap://dc.firma.de"))
    assert Endpoint("dc.firma.de", 389) in plain.endpoints()


def test_without_the_blocks_nobody_signs_in_and_no_directory_is_asked(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "[auth]\n")
    assert sign_in_of(settings) is None and directory_of(settings) is None


def test_browsers_sign_in_only_where_there_is_a_client_and_programs_only_where_there_is_an_audience(
    tmp_path: Path,
) -> None:
    programs = sign_in_of(loaded(tmp_path, OIDC.replace('client_id = "archivar"\n', "")))
    browsers = sign_in_of(loaded(tmp_path, OIDC.replace('audience = "archivar-api"\n', "")))
    assert programs is not None and programs.login is None and programs.sessions is None and programs.takes_tokens
    assert browsers is not None and browsers.login is not None and not browsers.takes_tokens
    assert browsers.identify("eyJ.e30.AA") is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (OIDC.replace("https://sso", "http://sso"), 2, "https address"),
        (OIDC.replace("https://archivar", "http://archivar"), 5, "https address"),
        (OIDC.replace("archivar.firma.de", "archivar.firma.de/ask"), 5, "without a path"),
        (OIDC.replace("https://sso", "https://admin:geheim@sso"), 2, "no place for a secret"),
        (OIDC.replace('url = "https://archivar.firma.de"\n', ""), 3, "set url"),
        (OIDC.replace('issuer = "https://sso.firma.de/realms/firma"\n', ""), None, "needs an issuer"),
        ('[auth.oidc]\nissuer = "https://sso.firma.de"\n', 2, "lets nobody in"),
        (OIDC + 'algorithms = ["HS256"]\n', 6, "algorithms are among"),
        (OIDC + 'algorithms = ["RS256", "none"]\n', 6, "algorithms are among"),
        (OIDC + "algorithms = []\n", 6, "algorithms are among"),
        (OIDC + 'user_claim = ""\n', 6, "user_claim names"),
        (OIDC + 'scopes = ["openid profile"]\n', 6, "words without blanks"),
        (OIDC + "idle_s = 5\n", 6, "at least 60"),
        (OIDC + 'secret = "x"\n', 6, "unknown key"),
        (LDAP.replace("ldaps://", "https://"), 2, "no directory"),
        (LDAP.replace("ldaps://dc.firma.de", "ldaps://u:p@dc.firma.de"), 2, "no directory"),
        (LDAP.replace('bind_password_file = "password"\n', ""), None, "needs bind_password_file"),
        (LDAP + 'user_filter = "(uid=anna)"\n', 6, "{user}"),
        (LDAP + 'user_filter = "uid={user}"\n', 6, "brackets"),
        (LDAP + 'group_filter = "(objectClass=group"\n', 6, "brackets"),
        (LDAP + 'names = ["uid)(x"]\n', 6, "attributes are words"),
        (LDAP + "timeout_s = 600\n", 6, "between"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as told:
        loaded(tmp_path, text)
    assert told.value.line == line if line else True
    assert "geheim" not in str(told.value)


def test_the_files_of_secrets_must_be_ours_alone_and_not_empty(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("geheim")
    file.chmod(0o644)
    settings = loaded(tmp_path, LDAP.replace('"password"', f'"{file}"'))
    with pytest.raises(SettingsError, match="chmod 600"):
        directory_of(settings)
    file.chmod(0o600)
    assert directory_of(settings) is not None
    file.write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):  # a directory takes an empty password for nobody, and agrees
        directory_of(settings)


def test_the_commented_file_names_every_key(tmp_path: Path) -> None:
    written = template()
    assert "[auth.oidc]" in written and "# issuer = " in written and "[auth.ldap]" in written
    tomllib.loads(written)
