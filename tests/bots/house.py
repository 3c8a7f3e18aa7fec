"""The service as `rag.bots.client` sees it, in few lines: the same routes and forms, a script in place of documents."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import ClientDisconnect

PAGE = "https://archivar.firma.example"
KEY = "archivar_test"
NOTHING = "Dazu habe ich in Ihren Dokumenten nichts gefunden."


@dataclass
class House:
    """What is known there, and what was asked. Faults are taken from the front of `faults`, one a question:
    ``("busy", seconds)``, ``("away",)``, ``("break",)`` in the middle of the answer. While `held` is a number, no more
    sentences of an answer are given than that."""

    people: set[str] = field(default_factory=lambda: {"room:anna", "room:ben", "matrix:@anna:x"})
    faults: list[tuple[Any, ...]] = field(default_factory=list)
    standing: list[bool] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    stood: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    withdrawals: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    pause_s: float = 0.0
    held: int | None = None
    open_answers: int = 0
    at_a_time: int = 100
    order: list[str] = field(default_factory=list)

    def answer(self, question: str) -> dict[str, Any]:
        """What is answered: its sentences and how it ends."""
        known = self.answers.get(question, {})
        if "outcome" in known and known["outcome"] not in ("answered", "incomplete", "extracts"):
            return {"sentences": [], "text": NOTHING, **known}
        sentences = known.get("sentences", [f"Antwort auf {question}.", "Mehr dazu."])
        return {
            "outcome": "answered",
            "sentences": sentences,
            "text": " ".join(f"{one} [1]" for one in sentences),
            **known,
        }


def create(house: House) -> FastAPI:
    web = FastAPI()

    @web.middleware("http")
    async def only_with_the_key(request: Request, go_on: Any) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "who_is_asking")
        house.order.append(request.url.path)
        try:
            answered: Response = await go_on(request)
        except ClientDisconnect:  # the bot was killed
            return Response(status_code=499)
        return answered

    @web.post("/api/ask")
    async def ask(request: Request) -> Response:
        form = await request.json()
        house.asked.append(form)
        fault = house.faults.pop(0) if house.faults else ("none",)
        if fault[0] == "busy":
            return problem(429, "too_many_questions", retry_after_s=fault[1])
        if fault[0] == "away":
            return problem(503, "store_unavailable")
        if fault[0] == "refuse":
            return problem(fault[1], fault[2])
        if form["on_behalf_of"]["account"] not in house.people:
            return problem(403, "account_unknown")
        members = [one["account"] for one in form.get("members", ())]
        if (form["audience"] != "direct") != bool(members) or not house.people.issuperset(members):
            return problem(403, "room_unclear")
        stream = events(house, form["question"], breaks=fault[0] == "break", late=fault[0] == "late problem")
        return StreamingResponse(stream, media_type="text/event-stream")

    @web.post("/api/bots/standing")
    async def standing(request: Request) -> Response:
        house.stood.append(await request.json())
        return JSONResponse({"standing": house.standing.pop(0) if house.standing else True})

    @web.post("/api/bots/messages")
    async def posted(request: Request) -> Response:
        house.messages.append(await request.json())
        return Response(status_code=204)

    @web.get("/api/bots/withdrawals")
    async def withdrawals(skip: int = 0) -> Response:
        return JSONResponse({"messages": house.withdrawals[skip : skip + house.at_a_time]})

    @web.post("/api/bots/withdrawn")
    async def withdrawn(request: Request) -> Response:
        message = (await request.json())["message"]
        house.withdrawn.append(message)
        house.withdrawals[:] = [one for one in house.withdrawals if one != message]
        return Response(status_code=204)

    @web.post("/api/feedback")
    async def feedback(request: Request) -> Response:
        house.feedback.append(await request.json())
        return JSONResponse({})

    return web


async def events(house: House, question: str, *, breaks: bool, late: bool) -> AsyncIterator[bytes]:
    house.open_answers += 1
    try:
        said = house.answer(question)
        citation = {
            "marker": 1,
            "url": f"{PAGE}/?document=k1",
            "title": "Urlaub\u2028regelung",
            "page": 2,
            "headings": ["§ 3"],
        }
        shows = bool(said["sentences"])
        yield frame("passages", {"evidence": 0.9, "passages": [citation] if shows else []})
        yield frame("queue", {"position": 1, "of": 1})
        yield b":\n\n"
        if said.get("thinks"):
            yield frame("thinking", {"over": False})
            await asyncio.sleep(house.pause_s)
            yield frame("thinking", {"over": True})
        for number, sentence in enumerate(said["sentences"]):
            await asyncio.sleep(house.pause_s)
            while house.held is not None and number >= house.held:
                await asyncio.sleep(0.01)
            yield frame("sentence", {"text": sentence, "supported": True, "citations": [citation]})
            if breaks:
                return
        if late:
            yield frame("error", {"status": 503, "code": "model_unavailable"})
            return
        done = {
            "outcome": said["outcome"],
            "text": said["text"],
            "citations": [citation] if shows else [],
            "passages": [],
        }
        done |= {"receipt": f"r{len(house.asked)}", "model": {"name": "scripted"}, "reason": None}
        done |= {"links": said.get("links", []), "sensitivity": said.get("sensitivity", "")}
        yield frame("done", done | {"citations": said.get("citations", done["citations"])})
    finally:
        house.open_answers -= 1


def frame(event: str, form: dict[str, Any]) -> bytes:
    return f"event: {event}\ndata: {json.dumps(form, ensure_ascii=False)}\n\n".encode()


def problem(status: int, code: str, **more: Any) -> Response:
    headers = {"Retry-After": str(more["retry_after_s"])} if "retry_after_s" in more else {}
    form = {"type": f"urn:archivar:problem:{code}", "status": status, "code": code, **more}
    return JSONResponse(form, status_code=status, headers=headers, media_type="application/problem+json")


@contextmanager
def served(house: House) -> Iterator[str]:
    """The house at an address of its own, in a thread of its own."""
    config = uvicorn.Config(
        create(house), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
