"""What the token endpoint answers, where it is not what a sign-in needs. A certified provider never answers so: the
answers are made up here, with its keys."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from rag.credentials.login import Attempt, Login, SignedIn, hash_of
from rag.credentials.oidc import Tokens, Trust
from rag.credentials.provider import Provider
from rag.errors import UnknownPrincipal
from tests.credentials.authority import AUDIENCE, PAGE, Authority

ATTEMPT = Attempt(state="s", nonce="n", verifier="v", back="/")


class Answering(Provider):
    """The real provider's documents and keys, but its token endpoint says what the test wants."""

    answer: Any = None

    def form(self, address: str, fields: Mapping[str, str], *, secret: tuple[str, str] | None = None) -> Any:
        return self.answer


@pytest.fixture
def provider(authority: Authority) -> Answering:
    return Answering(authority.issuer)


@pytest.fixture
def login(provider: Answering) -> Login:
    tokens = Tokens(provider, Trust(audience=AUDIENCE, client_id=PAGE, groups_claim="groups"))
    return Login(provider, tokens, client_id=PAGE, client_secret="x", url="http://localhost:1")


def identity(authority: Authority, **claims: Any) -> str:
    return authority.forge(**{"aud": PAGE, "nonce": "n", **claims}, head={"typ": "JWT"})


def completed(login: Login, authority: Authority) -> SignedIn:
    return login.complete({"code": "c", "state": "s", "iss": authority.issuer}, ATTEMPT)


def test_what_is_right_signs_in(login: Login, provider: Answering, authority: Authority) -> None:
    token = identity(authority, at_hash=hash_of("access", "sha256"))
    provider.answer = {"id_token": token, "access_token": "access", "refresh_token": "r"}
    signed = completed(login, authority)
    assert (signed.claims.user, signed.refresh_token, signed.id_token) == ("anna", "r", token)


def test_what_is_not_signs_nobody_in(login: Login, provider: Answering, authority: Authority) -> None:
    good = identity(authority)
    for answer in (
        {}, [], None, "x", {"id_token": None}, {"id_token": 7}, {"id_token": "x.y.z"}, {"access_token": "a"},
        {"id_token": identity(authority, at_hash="x"), "access_token": "access"},
        {"id_token": identity(authority, at_hash=hash_of("access", "sha256"))},
        {"id_token": identity(authority, nonce=None)}, {"id_token": identity(authority, nonce="m")},
        {"id_token": identity(authority, aud="another")}, {"id_token": identity(authority, exp=int(time.time()) - 90)},
    ):  # fmt: skip
        provider.answer = answer
        with pytest.raises(UnknownPrincipal):
            completed(login, authority)
    provider.answer = {"id_token": good}
    assert completed(login, authority).refresh_token == ""


def test_renewing_is_of_the_same_person_or_of_nobody(login: Login, provider: Answering, authority: Authority) -> None:
    provider.answer = {"id_token": identity(authority), "refresh_token": "r1"}
    signed = completed(login, authority)
    provider.answer = {"id_token": identity(authority, sub="bernd", preferred_username="anna")}
    with pytest.raises(UnknownPrincipal, match="somebody else"):
        login.renew(signed)
    provider.answer = {"id_token": identity(authority, groups=["sales"], nonce=None), "refresh_token": "r2"}
    renewed = login.renew(signed)
    assert (renewed.claims.groups, renewed.refresh_token) == (frozenset({"sales"}), "r2")
    provider.answer = {"access_token": "a"}  # says no more than that all is as it was
    again = login.renew(renewed)
    assert again == renewed


def test_the_client_s_secret_goes_as_the_provider_takes_it(login: Login, provider: Answering) -> None:
    sent: list[tuple[Mapping[str, str], object]] = []

    def form(address: str, fields: Mapping[str, str], *, secret: tuple[str, str] | None = None) -> Any:
        sent.append((fields, secret))
        return {}

    provider.form = form  # type: ignore[method-assign]
    ways: list[list[str]] = [["client_secret_basic"], ["client_secret_post"]]
    known = provider.document()
    for way in ways:
        provider._document = {**known, "token_endpoint_auth_methods_supported": way}
        with pytest.raises(UnknownPrincipal):
            login.complete({"code": "c", "state": "s", "iss": provider.issuer}, ATTEMPT)
    (basic, secret), (post, none) = sent
    assert secret == (PAGE, "x") and "client_secret" not in basic
    assert none is None and (post["client_id"], post["client_secret"]) == (PAGE, "x")
    assert basic["code_verifier"] == "v"
