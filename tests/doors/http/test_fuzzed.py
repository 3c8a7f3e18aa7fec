"""Requests that nobody wrote, made of the description of the door: none fails unexpectedly, and every answer is one
that the description tells of. What hypothesis makes is sent as it is, and then bent: with real ids, cut off, one
byte off."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from rag.api.http import create_app
from rag.settings.limits import LimitsSettings
from tests.doors.http.conftest import CLOSED, LEAVE, SICK
from tests.doors.http.house import House
from tests.faults.seeds import fresh

KEYS = (LEAVE.key, CLOSED.key, "f" * 24, "house:urlaub.pdf")
MESSAGES = [{"role": "user", "content": "Urlaub?"}]
BENT = 19
"""Bent likes of each request: they cost less to make than another one."""
LANGUAGES = ("de", "en", "de;q=x,*", "")
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


class Fuzz:
    """One door, and how many requests it has answered."""

    def __init__(self, client: TestClient, number: int) -> None:
        self.client, self.chance = client, random.Random(number)
        self.told: Counter[tuple[str, int]] = Counter()
        load_all_checks()

    @property
    def sent(self) -> int:
        return sum(self.told.values())

    def send(self, case: Any) -> None:
        """The request as it was made, and its bent likes."""
        given = case.as_transport_kwargs(base_url="http://localhost")
        content = json.dumps(given["json"]).encode() if "json" in given else given.get("data")
        self.one(case, given, given["url"], content if isinstance(content, bytes) else None)
        for _ in range(BENT):
            address, bent = given["url"], content if isinstance(content, bytes) else None
            for name, value in case.path_parameters.items() if case.path_parameters else ():
                if name == "key":
                    address = address.replace(f"/documents/{_quoted(value)}", f"/documents/{self.chance.choice(KEYS)}")
            if bent and self.chance.random() < 0.7:
                place = self.chance.randrange(len(bent))
                bent = bent[:place] + (b"" if self.chance.random() < 0.3 else bytes([self.chance.randrange(256)]))
                bent += content[place + 1 :] if self.chance.random() < 0.7 else b""  # type: ignore[index]
            elif isinstance(given.get("json"), dict) and "messages" in given["json"]:
                bent = json.dumps({**given["json"], "model": "archivar", "messages": MESSAGES}).encode()
            self.one(case, given, address, bent)

    def one(self, case: Any, given: Any, address: str, content: bytes | None) -> None:
        headers = {name: value for name, value in dict(given["headers"]).items() if name.lower() != "cookie"}
        headers["accept-language"] = self.chance.choice(LANGUAGES)
        headers.setdefault("accept", self.chance.choice(("*/*", "application/json, text/event-stream")))
        if "json" in given:
            headers["content-type"] = "application/json"
        try:
            answer = self.client.request(
                given["method"],
                address,
                params=given.get("params"),
                headers={name: value.encode("utf-8", "replace") for name, value in headers.items()},
                content=content,
                follow_redirects=False,
            )
        except httpx2.InvalidURL:  # so long that the client does not send it
            return
        self.told[case.operation.label, answer.status_code] += 1
        if answer.status_code >= 500:  # the house's source is in no settings: its files cannot be reached
            assert answer.json()["code"] == "source_unavailable", (given, content, answer.text)
        if "/mcp" in case.operation.path and answer.status_code < 500:
            return  # the protocol answers in forms of its own
        case.validate_response(Response.from_httpx(answer, verify=False), checks=CHECKS)


def _quoted(value: Any) -> str:
    from urllib.parse import quote

    return quote(str(value), safe="")


def fuzz(tmp_path: Path, *, requests: int) -> Counter[tuple[str, int]]:
    number, began, used = fresh(), time.monotonic(), time.process_time()
    print(f"FAULT_SEED={number} (fuzzed)")
    house = House(home=tmp_path, papers=(LEAVE, SICK, CLOSED))
    web = create_app(house, limits=LimitsSettings(user_per_minute=0, waiting_per_user=1000))
    with TestClient(web, base_url="http://localhost", client=("127.0.0.1", 50000)) as client:
        fuzz = Fuzz(client, number)
        schema = schemathesis.openapi.from_dict(client.get("/api/openapi.json").json())
        found = [result.ok() for result in schema.get_all_operations()]
        with_input = [one for one in found if one.body or one.path_parameters or one.query]
        each = requests // ((BENT + 1) * 2 * len(with_input)) + 1
        for operation in found:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                _run(operation, mode, fuzz, number, each if operation in with_input else 1)
        while fuzz.sent < requests:  # some operations take too little to be asked so often
            _run(fuzz.chance.choice(with_input), GenerationMode.POSITIVE, fuzz, fuzz.chance.getrandbits(32), each)
    house.close()
    print(f"{fuzz.sent} requests in {time.monotonic() - began:.0f} s, {time.process_time() - used:.0f} s of computing")
    return fuzz.told


def _run(operation: Any, mode: GenerationMode, fuzz: Fuzz, number: int, examples: int) -> None:
    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        fuzz.send(case)

    try:
        run()
    except Unsatisfiable:  # nothing of it can be wrong
        assert mode is GenerationMode.NEGATIVE


@pytest.mark.timeout(900)
def test_no_request_made_of_the_description_fails_or_is_answered_otherwise_than_it_tells(tmp_path: Path) -> None:
    told = fuzz(tmp_path, requests=5_000)
    statuses = {status for _, status in told}
    assert {200, 404, 422, 400} <= statuses, "requests come through, and others are refused"
    assert (("GET /api/documents/{key}/text", 200) in told) and (("POST /v1/chat/completions", 200) in told)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_none_of_a_hundred_thousand_does(tmp_path: Path) -> None:
    assert sum(fuzz(tmp_path, requests=100_000).values()) >= 100_000
