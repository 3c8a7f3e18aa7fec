"""The certified provider `oidc-provider` as a process of its own, with keys the tests hold: so they can also forge."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.ports import free_port

ROOM = Path(__file__).parent / "provider"
AUDIENCE = "https://archivar.firma.example"
PAGE = "archivar-page"
PATIENCE_S = 60
"""How long an answer may take that is no test of its speed: the machine may be busy."""
PEOPLE = {
    "anna": {"preferred_username": "anna", "groups": ["hr", "staff"]},
    "bernd": {"preferred_username": "bernd", "groups": []},
}


def private_key(kind: str = "RSA") -> Any:
    if kind == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else ed25519.Ed25519PrivateKey.generate()


def as_jwk(key: Any, kid: str, algorithm: str) -> dict[str, Any]:
    kind = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    to_jwk = next((to for of, to in kind.items() if isinstance(key, of)), OKPAlgorithm).to_jwk
    jwk = {**to_jwk(key, as_dict=True), "kid": kid, "alg": algorithm, "use": "sig"}
    jwk.pop("key_ops", None)  # the provider takes them at their word, and signs with none that only signs
    return jwk


class Authority:
    """The provider, while its context lasts. `keys` are (kid, algorithm) → private key."""

    def __init__(self, redirect: str = "http://localhost:8088/login/callback", **wanted: Any) -> None:
        if shutil.which("node") is None:
            pytest.skip("node is not installed: Debian's packages `nodejs` and `npm`")
        if not (ROOM / "node_modules" / "oidc-provider").is_dir():
            pytest.skip(f"the provider is not installed: npm ci --prefix {ROOM}")
        self.keys = {("one", "RS256"): private_key()}
        self.port = wanted.pop("port", None) or free_port()
        self.issuer = f"http://localhost:{self.port}"
        self.redirect = redirect
        self.secret = secrets.token_urlsafe(32)
        self._wanted = {"people": PEOPLE, **wanted}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Authority:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        page = {
            "client_id": PAGE,
            "client_secret": self.secret,
            "redirect_uris": [self.redirect],
            "post_logout_redirect_uris": [self.redirect.replace("callback", "ended")],
            "grant_types": ["authorization_code", "refresh_token"],
        }
        wanted = {
            "port": self.port,
            "audience": AUDIENCE,
            "clients": [page, {**page, "client_id": "another"}],
            "jwks": {"keys": [as_jwk(key, *name) for name, key in self.keys.items()]},
            **self._wanted,
        }
        self._process = subprocess.Popen(
            ["node", "provider.mjs"], cwd=ROOM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say(wanted)

    def stop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.communicate()

    def tell(self, **told: Any) -> None:
        """Other people, or `hang=True`: take requests and answer none."""
        self._say(told)

    def _say(self, told: Mapping[str, Any]) -> None:
        assert self._process and self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() in ("listening", "told"), "the provider does not start"

    def asked(self, path: str) -> int:
        """How often the provider was asked for a path."""
        return int(httpx.get(f"{self.issuer}/asked", trust_env=False, timeout=PATIENCE_S).json().get(path, 0))

    def forge(
        self, *, kid: str = "one", algorithm: str = "RS256", head: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token with the provider's own key, as good as its own but for what is named; None leaves a claim out."""
        now = int(time.time())
        good = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "anna",
            "client_id": PAGE,
            "iat": now,
            "exp": now + 300,
            "scope": "api",
            "preferred_username": "anna",
            "groups": ["hr"],
        }
        told = {name: value for name, value in {**good, **claims}.items() if value is not None}
        key = self.keys.get((kid, algorithm)) or next(iter(self.keys.values()))
        return jwt.encode(told, key, algorithm, headers={"kid": kid, "typ": "at+jwt", **(head or {})})

    def sign_in(self, name: str, *, client: str = PAGE) -> dict[str, Any]:
        """What the provider gives a client when a person signs in: a real access token for us among it."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": client,
            "response_type": "code",
            "redirect_uri": self.redirect,
            "scope": "openid api",
            "resource": AUDIENCE,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        with httpx.Client(base_url=self.issuer, trust_env=False, timeout=PATIENCE_S) as browser:
            step = browser.get("/auth", params=asked)
            step = browser.post(step.headers["location"], data={"login": name})
            step = browser.get(step.headers["location"])
            code = parse_qs(urlsplit(step.headers["location"]).query)["code"][0]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect}
            answer = browser.post("/token", data={**form, "code_verifier": verifier}, auth=(client, self.secret))
            return dict(answer.json())
