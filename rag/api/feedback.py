"""`POST /api/feedback`: what somebody says of an answer they were given, kept with its receipt."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from rag.api.caller import AppOf, AskerOrBotOf
from rag.api.forms import json_response
from rag.api.on_behalf import Account, alone
from rag.api.problems import NOT_FOUND, Problem, Refused
from rag.api.questions import Question
from rag.store.feedback import Verdict

router = APIRouter(prefix="/api", tags=["questions"])


def _whole(typed: str) -> str:
    if any("\ud800" <= sign <= "\udfff" for sign in typed):
        raise ValueError("it holds halves of characters")
    return typed


Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), AfterValidator(_whole)]


class Judgement(BaseModel):
    """What is said of an answer. `reason` in one's own words; `question` is kept with it only where it is sent, and
    must be the one that was asked. Both are read by whoever runs the system. `on_behalf_of` is for the key of a bot:
    whose word it is."""

    model_config = ConfigDict(extra="forbid")
    receipt: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    verdict: Verdict
    reason: Reason = ""
    question: Question | None = None
    on_behalf_of: Account | None = None


@router.post("/feedback", response_model=None)
def feedback(said: Judgement, app: AppOf, caller: AskerOrBotOf) -> Response:
    """Keep it. Only for an answer to oneself: any other receipt is not found, as one that never was. A second word on
    the same answer takes the place of the first."""
    caller = alone(app, caller, said.on_behalf_of)
    record = app.audit.own(said.receipt, caller.principal.user)
    if record is None:
        raise Refused(NOT_FOUND)
    if said.question is not None and app.audit.hash(said.question) not in (record.get("question"), record.get("asked")):
        raise Refused(Problem(status=422, code="question_not_asked"))
    user, channel = caller.principal.user, caller.channel
    app.audit.note("judged", user=user, channel=channel, judged=said.receipt, verdict=said.verdict.value)
    app.feedback.keep(said.receipt, said.verdict, reason=said.reason or None, question=said.question)
    return json_response({"receipt": said.receipt, "verdict": said.verdict.value})
