"""Which tokens of a certified provider are good, and which of many forged ones are not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from rag.credentials.oidc import LEEWAY_S, MOST_CHARACTERS, Tokens, Trust
from rag.credentials.provider import Provider
from rag.egress.endpoints import endpoint
from rag.errors import SignInUnavailable, UnknownPrincipal
from tests.credentials.authority import AUDIENCE, PAGE, PEOPLE, Authority, private_key

TRUST = Trust(audience=AUDIENCE, client_id=PAGE, groups_claim="groups")


class Clock:
    """A monotonic clock the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def tokens(authority: Authority, trust: Trust = TRUST, **options: Any) -> Tokens:
    return Tokens(Provider(authority.issuer, **options), trust)


@pytest.fixture(scope="module")
def reader(authority: Authority) -> Tokens:
    """One for all; it takes a token that is good."""
    shared = tokens(authority)
    assert shared.access(authority.forge()).user == "anna"
    return shared


@pytest.fixture
def own() -> Iterator[Authority]:
    """A provider the test may change."""
    with Authority() as running:
        yield running


def test_a_real_access_token_tells_the_person_and_their_groups(authority: Authority) -> None:
    claims = tokens(authority).access(authority.sign_in("anna")["access_token"])
    assert (claims.user, claims.groups, claims.unsure) == ("anna", frozenset({"hr", "staff"}), False)
    assert 200 < claims.until - time.time() <= 300


def test_other_strong_algorithms_are_taken_unless_the_settings_leave_them_out() -> None:
    running = Authority()
    strong = {("RSA", "RS512"), ("RSA", "PS256"), ("EC", "ES256"), ("Ed", "EdDSA")}
    running.keys |= {(algorithm, algorithm): private_key(kind) for kind, algorithm in strong}
    with running:
        reader, narrow = tokens(running), tokens(running, replace(TRUST, algorithms=frozenset({"RS256"})))
        for _, algorithm in strong:
            token = running.forge(kid=algorithm, algorithm=algorithm)
            assert reader.access(token).user == "anna"
            with pytest.raises(UnknownPrincipal, match="algorithm"):
                narrow.access(token)


def _soon(**offsets: int) -> dict[str, Any]:
    """Times by their distance from now, seconds."""
    return {name: int(time.time()) + offset for name, offset in offsets.items()}


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"}, {"iss": None}, {"iss": "http://localhost"},
        {"aud": "https://other.example"}, {"aud": None}, {"aud": []}, {"aud": {}}, {"aud": AUDIENCE + "/"},
        {"aud": PAGE},
        {"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": -1}, {"exp": 1e300},
        {"iat": None}, {"iat": "x"}, {"nbf": []},
        {"preferred_username": None}, {"preferred_username": ""}, {"preferred_username": " "},
        {"preferred_username": 7}, {"preferred_username": ["anna"]}, {"preferred_username": "x" * 201},
        {"preferred_username": "anna\r\nX-User: root"}, {"preferred_username": "anna\x00"},
        {"preferred_username": "anna\u2028"}, {"preferred_username": "an\u202ena"},
        {"sub": None}, {"sub": ""}, {"sub": "a\nb"}, {"sub": 7},
        {"groups": {"hr": True}}, {"groups": 7}, {"groups": ["hr", 7]}, {"groups": [["hr"]]}, {"groups": ["hr\r\n"]},
        {"groups": [""]}, {"groups": None, "groups ": None} | {"groups": True}, {"groups": ["g"] * 2001},
        {"at_hash": "x"}, {"c_hash": "x"}, {"typ": "ID"}, {"typ": "Refresh"}, {"nonce": "n", "scope": None},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    ],
)  # fmt: skip
def test_a_token_with_one_wrong_claim_is_refused(reader: Tokens, authority: Authority, claims: dict[str, Any]) -> None:
    with pytest.raises(UnknownPrincipal):
        reader.access(authority.forge(**claims))


@pytest.mark.parametrize(
    "offsets",
    [{"exp": -LEEWAY_S - 5}, {"iat": -6000}, {"iat": LEEWAY_S + 300}, {"nbf": LEEWAY_S + 300}],
)  # fmt: skip
def test_a_token_outside_its_time_is_refused(reader: Tokens, authority: Authority, offsets: dict[str, int]) -> None:
    with pytest.raises(UnknownPrincipal, match=r"has ended|has not begun"):
        reader.access(authority.forge(**_soon(**offsets)))


@pytest.mark.parametrize("offsets", [{"exp": -LEEWAY_S + 30}, {"nbf": LEEWAY_S - 5}, {"iat": LEEWAY_S - 5}])
def test_clocks_may_differ_by_a_minute(reader: Tokens, authority: Authority, offsets: dict[str, int]) -> None:
    assert reader.access(authority.forge(**_soon(**offsets))).user == "anna"


@pytest.mark.parametrize(
    "claims", [{"aud": ["https://other.example", AUDIENCE]}, {"nonce": "n", "scope": "api"}, {"typ": "Bearer"}]
)
def test_further_claims_do_no_harm(reader: Tokens, authority: Authority, claims: dict[str, Any]) -> None:
    assert reader.access(authority.forge(**claims)).user == "anna"


@pytest.mark.parametrize(
    "head",
    [
        {"typ": "dpop+jwt"}, {"typ": "logout+jwt"}, {"typ": "secevent+jwt"}, {"crit": ["b64"], "b64": True},
        {"kid": None},
        {"kid": "unknown"}, {"kid": "../../one"}, {"kid": "' OR 1=1"}, {"typ": "at+jwt "},
    ],
)  # fmt: skip
def test_a_token_with_a_strange_head_is_refused(reader: Tokens, authority: Authority, head: dict[str, Any]) -> None:
    if head == {"kid": None}:
        assert reader.access(_without_kid(authority)).user == "anna"  # one key: none other can be meant
        return
    with pytest.raises(UnknownPrincipal):
        reader.access(authority.forge(head=head))


def test_keys_that_a_token_brings_itself_are_not_looked_at(reader: Tokens, authority: Authority) -> None:
    own = private_key()
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
    good = jwt.decode(authority.forge(), options={"verify_signature": False})
    for head in ({"jwk": public}, {"jku": "http://localhost:1/keys"}, {"x5u": "http://localhost:1/"}):
        forged = jwt.encode(good, own, "RS256", headers={"kid": "one", "typ": "at+jwt", **head})
        with pytest.raises(UnknownPrincipal):
            reader.access(forged)


def test_a_token_without_signature_is_refused(reader: Tokens, authority: Authority) -> None:
    head, body, signature = authority.forge().split(".")
    for name in ("none", "None", "NONE", "nOnE", ""):
        with pytest.raises(UnknownPrincipal):
            reader.access(f"{_part({'alg': name, 'kid': 'one'})}.{body}.")
    for broken in (f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{_changed(body)}.{signature}"):
        with pytest.raises(UnknownPrincipal):
            reader.access(broken)


def test_the_public_key_is_no_shared_secret(authority: Authority) -> None:
    public = authority.keys[("one", "RS256")].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _, body, _ = authority.forge().split(".")
    for name, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        signed = f"{_part({'alg': name, 'kid': 'one', 'typ': 'JWT'})}.{body}"
        signature = base64.urlsafe_b64encode(hmac.new(pem, signed.encode(), digest).digest()).rstrip(b"=").decode()
        with pytest.raises(UnknownPrincipal, match="algorithm"):
            tokens(authority).access(f"{signed}.{signature}")
        wide = replace(TRUST, algorithms=frozenset({"RS256", name, "none"}))  # not even where somebody writes it
        with pytest.raises(UnknownPrincipal, match="algorithm"):
            tokens(authority, wide).access(f"{signed}.{signature}")


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "e30.e30.", "=.=.=", "eyJhbGciOiJSUzI1NiJ9..", "ä.ö.ü", "null", "W10.W10.W10",
     "eyJhbGciOlsiUlMyNTYiXX0.e30.AA", "eyJhbGciOm51bGx9.e30.AA"],
)  # fmt: skip
def test_what_is_no_token_is_refused(reader: Tokens, token: str) -> None:
    with pytest.raises(UnknownPrincipal):
        reader.access(token)


def test_a_huge_token_is_refused_before_it_is_read(authority: Authority) -> None:
    huge = authority.forge(padding="x" * MOST_CHARACTERS)
    reader, taken = tokens(authority), []
    for _ in range(5):  # in one of them memory may be tidied up
        began = time.thread_time()
        with pytest.raises(UnknownPrincipal, match="too long"):
            reader.access(huge)
        taken.append(time.thread_time() - began)
    assert min(taken) < 0.05
    nested = "[" * 5000 + "]" * 5000
    deep = base64.urlsafe_b64encode(nested.encode()).rstrip(b"=").decode()
    with pytest.raises(UnknownPrincipal):
        tokens(authority).access(f"{deep[:8000]}.{deep[:4000]}.AA")


def test_a_token_made_for_another_client_is_refused_where_clients_are_listed(authority: Authority) -> None:
    other = authority.sign_in("anna", client="another")["access_token"]
    assert tokens(authority).access(other).user == "anna"  # made for our audience: enough where none are listed
    listed = tokens(authority, replace(TRUST, clients=frozenset({PAGE})))
    assert listed.access(authority.sign_in("anna")["access_token"]).user == "anna"
    with pytest.raises(UnknownPrincipal, match="client"):
        listed.access(other)
    for claims in ({"azp": "another"}, {"client_id": None}, {"azp": [PAGE]}, {"azp": {}}):
        with pytest.raises(UnknownPrincipal, match="client"):
            listed.access(authority.forge(**claims))


def test_an_identity_token_is_no_access_token_even_for_the_same_audience(authority: Authority) -> None:
    identity = authority.sign_in("anna")["id_token"]
    same = tokens(authority, replace(TRUST, audience=PAGE))
    assert same.identity(identity).user == "anna"
    with pytest.raises(UnknownPrincipal, match="no access token"):
        same.access(identity)


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another"}, {"aud": AUDIENCE}, {"azp": "another"}, {"aud": [PAGE, "another"]},
     {"aud": [PAGE, "another"], "azp": "another"}],
)  # fmt: skip
def test_an_identity_token_for_another_client_signs_nobody_in(
    reader: Tokens, authority: Authority, claims: dict[str, Any]
) -> None:
    head = {"typ": "JWT"}
    assert reader.identity(authority.forge(aud=PAGE, head=head)).user == "anna"
    with pytest.raises(UnknownPrincipal):
        reader.identity(authority.forge(**{"aud": PAGE, **claims}, head=head))


def test_an_access_token_signs_nobody_in(authority: Authority) -> None:
    with pytest.raises(UnknownPrincipal):
        tokens(authority, replace(TRUST, client_id=AUDIENCE)).identity(authority.sign_in("anna")["access_token"])


def test_groups_that_a_token_should_name_and_does_not_are_unsure(authority: Authority) -> None:
    assert tokens(authority).access(authority.forge(groups=None)).unsure
    many = {"groups": None, "_claim_names": {"groups": "src1"}}
    assert tokens(authority).access(authority.forge(**many)).unsure
    assert not tokens(authority).access(authority.forge(groups=[])).unsure
    assert tokens(authority).access(authority.forge(groups="hr")).groups == {"hr"}
    assert not tokens(authority, replace(TRUST, groups_claim="")).access(authority.forge()).groups


def test_only_the_house_s_own_domain_is_cut_from_a_name(authority: Authority) -> None:
    reader = tokens(authority, replace(TRUST, user_claim="upn", domain="firma.example"))
    assert reader.access(authority.forge(upn="anna@firma.example")).user == "anna"
    assert reader.access(authority.forge(upn="anna@evil.example")).user == "anna@evil.example"
    assert reader.access(authority.forge(upn="@firma.example")).user == "@firma.example"
    assert reader.access(authority.forge(upn="anna@xfirma.example")).user == "anna@xfirma.example"


def test_a_rotated_key_is_found_at_once_and_the_old_one_ends(own: Authority) -> None:
    clock = Clock()
    reader, old = tokens(own, clock=clock), own.forge()
    assert reader.access(old).user == "anna"
    own.stop()
    own.keys = {("two", "RS256"): private_key()}
    own.start()
    clock.now += 6
    assert reader.access(own.forge(kid="two")).user == "anna"
    with pytest.raises(UnknownPrincipal):
        reader.access(old)


def test_a_withdrawn_key_ends_within_minutes_also_when_nobody_uses_the_new_one(own: Authority) -> None:
    clock = Clock()
    reader, old = tokens(own, clock=clock), own.forge()
    assert reader.access(old).user == "anna"
    own.stop()
    own.keys = {("two", "RS256"): private_key()}
    own.start()
    clock.now += 301
    with pytest.raises(UnknownPrincipal):
        reader.access(old)


def test_unknown_keys_do_not_make_the_service_ask_the_provider_again_and_again(own: Authority) -> None:
    clock = Clock()
    reader = tokens(own, clock=clock)
    for number in range(200):
        with pytest.raises(UnknownPrincipal):
            reader.access(own.forge(head={"kid": f"made-up-{number}"}))
    assert own.asked("/jwks") == 1
    clock.now += 6
    for number in range(200):
        with pytest.raises(UnknownPrincipal):
            reader.access(own.forge(head={"kid": f"again-{number}"}))
    assert own.asked("/jwks") == 2


def test_known_keys_serve_for_an_hour_while_the_provider_is_gone(own: Authority) -> None:
    clock = Clock()
    reader = tokens(own, clock=clock)
    assert reader.access(own.forge()).user == "anna"
    own.stop()
    clock.now += 3500
    assert reader.access(own.forge()).user == "anna"
    clock.now += 200
    with pytest.raises(SignInUnavailable):
        reader.access(own.forge())
    own.start()
    clock.now += 6
    assert reader.access(own.forge()).user == "anna"


def test_a_provider_that_was_never_there_is_said_to_be_unavailable() -> None:
    reader = Tokens(Provider("http://localhost:1"), TRUST)
    with pytest.raises(SignInUnavailable, match="cannot be reached"):
        reader.access(f"{_part({'alg': 'RS256', 'kid': 'one'})}.e30.AA")


def test_the_discovery_document_of_another_issuer_is_refused(authority: Authority) -> None:
    for issuer in (f"{authority.issuer}/", authority.issuer.replace("localhost", "127.0.0.1")):
        reader = Tokens(Provider(issuer), TRUST)
        with pytest.raises(SignInUnavailable, match="another issuer"):
            reader.access(authority.forge(iss=issuer))


def test_a_person_of_the_test_can_be_signed_in_at_all(authority: Authority) -> None:
    assert set(PEOPLE) == {"anna", "bernd"}
    assert tokens(authority).identity(authority.sign_in("bernd")["id_token"]).groups == frozenset()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://evil.example/jwks", "not https"), ("https://evil.example/jwks", "not listed"),
        ("file:///etc/passwd", "not https"), ("https://keys.firma.example:8443/jwks", "not listed"),
        ("https://", "not https"), (None, "not https"), (7, "not https"),
    ],
)  # fmt: skip
def test_keys_at_another_host_are_not_fetched_unless_it_is_listed(address: object, problem: str) -> None:
    provider = Provider("https://sso.firma.example", allowed=[endpoint("keys.firma.example:443")])
    with pytest.raises(SignInUnavailable, match=problem):
        provider._ours(address)
    assert provider._ours("https://sso.firma.example/keys") and provider._ours("https://keys.firma.example/keys")


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _changed(body: str) -> str:
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return _part({**claims, "preferred_username": "root"})


def _without_kid(authority: Authority) -> str:
    good = jwt.decode(authority.forge(), options={"verify_signature": False})
    return jwt.encode(good, authority.keys[("one", "RS256")], "RS256", headers={"typ": "at+jwt"})
