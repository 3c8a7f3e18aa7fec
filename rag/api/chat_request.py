"""What a chat client sends to `/v1/chat/completions`, and what of it Archivar takes: the last question, what was said
before, and which sources to search. Pure.

Clients of this protocol send much that means nothing here (`temperature`, `max_tokens`, `tools`…): it is accepted and
has no effect. What would make another answer than the one asked for (several choices, a forced tool call, JSON) is
refused. System messages are accepted and not followed: rights and rules are the service's, not the request's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.api.problems import Problem, Refused
from rag.ask.conversation import MAX_TURN_CHARS, MAX_TURNS, Turn
from rag.question import MAX_QUESTION, readable

SOURCES_MARK = "\n\n---\n"
"""Stands between an answer and its list of sources; what follows it in an earlier answer is not read again."""

MAX_MESSAGES = 2000


class Part(BaseModel):
    """A piece of a message. Only `text` is read; pictures, sounds and files are refused."""

    model_config = ConfigDict(extra="allow")
    type: str
    text: str | None = None


class ChatMessage(BaseModel):
    """One message. `system` and `developer` messages are accepted and not followed, `tool` messages not read."""

    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    """`include_usage` is accepted; tokens are not counted, so `usage` is null in every chunk."""

    model_config = ConfigDict(extra="allow")
    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """A chat request in OpenAI's form. `model` is one of `GET /v1/models`; the last message of the user is the
    question, the others are what was said before. `n` over 1, a required tool call, a `response_format` other than
    text, `logprobs` and audio are refused; every other parameter is accepted and has no effect."""

    model_config = ConfigDict(extra="allow")
    model: Annotated[str, Field(min_length=1, max_length=300)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    tool_choice: str | dict[str, Any] | None = None
    function_call: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    logprobs: bool | int | None = None
    modalities: list[str] | None = None

    @property
    def counts_wanted(self) -> bool:
        """Whether the stream is to tell its tokens, as far as they are known."""
        return bool(self.stream and self.stream_options and self.stream_options.include_usage)


def question_in(wanted: ChatRequest) -> tuple[str, tuple[Turn, ...]]:
    """The question, and what was said before it as far as it is read: the newest turns, each cut to its bound.

    Raises:
        Refused: there is no question, it is too long, or something is asked for that would change what is meant.
    """
    _check(wanted)
    said = [(message.role, _text(message, place)) for place, message in enumerate(wanted.messages)]
    last = max((place for place, (role, _) in enumerate(said) if role == "user"), default=None)
    question = readable(_whole(said[last][1], f"messages[{last}]")) if last is not None else ""
    if not question:
        raise Refused(Problem(status=400, code="question_empty", fields=(("messages", "no user message has text"),)))
    return question, tuple(_turns(said[:last]))


def checked(question: str) -> str:
    """The question, if it is none that is too long.

    Raises:
        Refused: it is.
    """
    if len(question) > MAX_QUESTION:
        why = f"the last user message has {len(question):,} characters"
        raise Refused(Problem(status=400, code="question_too_long", fields=(("messages", why),)))
    return question


def _check(wanted: ChatRequest) -> None:
    refused = {
        "n": (wanted.n or 1) > 1,
        "tool_choice": wanted.tool_choice not in (None, "auto", "none"),
        "function_call": wanted.function_call not in (None, "auto", "none"),
        "response_format": (wanted.response_format or {}).get("type", "text") != "text",
        "logprobs": bool(wanted.logprobs),
        "modalities": any(kind != "text" for kind in wanted.modalities or ()),
    }
    for name, cannot in refused.items():
        if cannot:
            raise Refused(Problem(status=400, code="not_supported", fields=((name, "leave it out"),)))


def _text(message: ChatMessage, place: int) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    if message.role == "user":
        for number, part in enumerate(message.content):
            if part.type not in ("text", "input_text"):
                where = f"messages[{place}].content[{number}]"
                raise Refused(Problem(status=400, code="text_only", fields=((where, "it is no text"),)))
    return "\n".join(part.text for part in message.content if part.text)


def _whole(text: str, place: str) -> str:
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise Refused(Problem(status=400, code="invalid", fields=((place, "it holds halves of characters"),)))
    return text


def _turns(said: Sequence[tuple[str, str]]) -> Iterator[Turn]:
    turns = [(role, text) for role, text in said if role in ("user", "assistant") and text.strip()]
    for role, text in turns[-MAX_TURNS:]:
        kept = readable(text.partition(SOURCES_MARK)[0] if role == "assistant" else text)[:MAX_TURN_CHARS]
        yield Turn(role="assistant" if role == "assistant" else "user", content=kept)
