"""What the routes below `/v1` send, in the form that OpenAI's clients read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from rag.api.schemas.answers import Citation, Model, Outcome
from rag.api.schemas.form import Form


class ErrorOfOpenAI(Form):
    """What OpenAI's clients read."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(Form):
    """An error below `/v1`."""

    error: ErrorOfOpenAI


class OpenAIModel(Form):
    """A source, or all of them, as a model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModels(Form):
    """What can be asked."""

    object: Literal["list"]
    data: list[OpenAIModel]


class OpenAIMessage(Form):
    """The answer's text."""

    role: Literal["assistant"]
    content: str
    refusal: None


class OpenAIChoice(Form):
    """The one choice there is."""

    index: int
    message: OpenAIMessage
    logprobs: None
    finish_reason: Literal["stop", "length"]


class Archivar(Form):
    """The answer beyond its text."""

    outcome: Outcome
    asked: str
    citations: list[Citation]
    model: Model
    receipt: str
    unquoted: list[str]


class OpenAICompletion(BaseModel):
    """An answer; `archivar` is left out where a chat program asked for something of its own."""

    model_config = ConfigDict(extra="forbid")
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[OpenAIChoice]
    archivar: Archivar | None = None
