"""The `/v1/chat/completions` protocol over httpx, as llama.cpp's server, vLLM and others speak it."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import httpx

from rag.errors import ContextOverflow, ModelError, ModelTimeout, ModelUnavailable
from rag.models.streaming import Broken, Limits, Wire, generate, tls
from rag.ports import Delta, Generation, Message, Usage

_WRITE_S = 30.0
_COUNTERS = (("/v1/chat/completions/input_tokens", "input_tokens"), ("/tokenize", "count"))
"""Where a server counts a prompt, its template included, and what it calls the count: llama.cpp's, vLLM's."""


class ChatCompletions:
    """A server that speaks the protocol, at a URL or behind a Unix socket.

    `server` names it in sentences; `mend` says what to do when it does not answer.
    """

    def __init__(
        self,
        base_url: str,
        *,
        server: str,
        mend: str,
        limits: Limits,
        api_key: str = "",
        unix_socket: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/").removesuffix("/v1")
        self._server = server
        self._mend = mend
        self._limits = limits
        self._api_key = api_key
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._unix_socket = unix_socket
        self._extra = dict(extra or {})
        self._tls = tls(self._base_url)
        self._counters: tuple[tuple[str, str], ...] = _COUNTERS

    def models(self) -> list[str]:
        """Names of the models the server offers.

        Raises:
            ModelUnavailable, ModelTimeout: see `rag.errors`.
        """
        return [str(entry.get("id", "")) for entry in self.offers()]

    def offers(self) -> list[dict[str, Any]]:
        """Entries of `/v1/models`, with whatever the server adds.

        Raises:
            ModelUnavailable, ModelTimeout: see `rag.errors`.
        """
        answer = self._ask("GET", "/v1/models")
        self._refuse(answer)
        entries = _object(answer).get("data")
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []

    def count(self, model: str, messages: Sequence[Message]) -> int | None:
        """Tokens of the prompt, exactly, if the server has an endpoint for it.

        Raises:
            ModelUnavailable, ModelTimeout: see `rag.errors`.
        """
        for counter in self._counters:
            path, name = counter
            answer = self._ask("POST", path, {"model": model, "messages": _turns(messages)})
            locked = answer.status_code in (401, 403) and path.startswith("/v1")  # a proxy may shut what lies outside
            if locked or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it still loads the model
                self._refuse(answer)
            count = _object(answer).get(name) if answer.status_code == httpx.codes.OK else None
            if isinstance(count, int):
                self._counters = (counter,)
                return count
        return None

    def stream(
        self,
        model: str,
        messages: Sequence[Message],
        generation: Generation,
        *,
        extra: Mapping[str, Any] = MappingProxyType({}),
    ) -> Generator[Delta, None, None]:
        """Generate; closing the iterator hangs up, which stops the server. `extra` goes into the request's body."""
        body = self._body(model, messages, generation) | dict(extra)
        wire = Wire()
        return generate(
            lambda: self._read(body, wire),
            wire=wire,
            limits=self._limits,
            server=self._server,
            wanted=generation.wanted,
        )

    def _body(self, model: str, messages: Sequence[Message], generation: Generation) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": model,
            "messages": _turns(messages),
            "max_tokens": generation.max_tokens,
            "temperature": generation.temperature,
            "seed": generation.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if generation.stop:
            body["stop"] = list(generation.stop)
        if generation.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": dict(generation.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body | self._extra

    def _read(self, body: Mapping[str, Any], wire: Wire) -> Iterator[Delta]:
        finish: Literal["stop", "length"] | None = None
        usage: Mapping[str, Any] = {}
        try:
            with (
                self._client(self._limits.total_s, wire) as client,
                client.stream("POST", "/v1/chat/completions", json=body) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    response.read()
                    self._refuse(response)
                for event in _events(response):
                    if "error" in event:
                        raise Broken(f"{self._server} failed: {_message(event)}")
                    told = event.get("usage")
                    usage = told if isinstance(told, Mapping) else usage
                    for choice in event.get("choices") or ():
                        finish = _finish(choice) or finish
                        said = choice.get("delta") or {}
                        thought = bool(said.get("reasoning_content") or said.get("reasoning"))
                        yield Delta(text=said.get("content") or "", thought=int(thought))
        except httpx.TransportError as error:
            raise self._failure(error) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise Broken(f"{self._server} sent something that is not its protocol.") from error
        if finish is None:
            raise Broken(f"{self._server} hung up in the middle.")
        prompt, output, cached = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"), _cached(usage)
        yield Delta(usage=Usage(prompt_tokens=prompt, output_tokens=output, finish=finish, cached_tokens=cached))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        try:
            with self._client(_WRITE_S) as client:
                return client.request(method, path, json=body)
        except httpx.TransportError as error:
            raise self._failure(error) from error

    def _client(self, read_s: float, wire: Wire | None = None) -> httpx.Client:
        """A client of one use: its connection is the generation's own. No proxies, no redirects."""
        return httpx.Client(
            base_url=self._base_url,
            transport=httpx.HTTPTransport(uds=self._unix_socket, verify=self._tls, trust_env=False),
            headers=self._headers,
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(read_s, connect=self._limits.connect_s, write=_WRITE_S),
            event_hooks=wire.event_hooks if wire else {},
        )

    def _failure(self, error: httpx.TransportError) -> ModelError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ModelUnavailable(f"{self._server} does not answer ({error}). {self._mend}")
        if isinstance(error, httpx.TimeoutException):
            return ModelTimeout(f"{self._server} took too long.")
        return Broken(f"{self._server} hung up ({error}).")

    def _refuse(self, response: httpx.Response) -> None:
        """Raise what a status other than 200 means."""
        if response.status_code == httpx.codes.OK:
            return
        if response.is_redirect:
            onward = self._without_key(response.headers.get("location", ""))
            raise ModelUnavailable(f"{self._server} redirects to {onward}; redirects are not followed.")
        said = self._without_key(_message(_object(response))) or f"HTTP {response.status_code}"
        if response.status_code in (401, 403):
            raise ModelUnavailable(f"{self._server} refuses the API key ({said}).")
        if response.status_code == 400 and "context" in said.lower():
            raise ContextOverflow(f"{self._server} cannot take the prompt: {said}.")
        raise ModelUnavailable(f"{self._server} failed: {said}")

    def _without_key(self, said: str) -> str:
        """A server may repeat the key it was sent, and that must come to no terminal and no log."""
        return said.replace(self._api_key, "…") if self._api_key else said


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                return
            event = json.loads(data)
            if not isinstance(event, dict):
                raise ValueError("not an object")
            yield event
        elif line and not line.startswith((":", "event:", "id:", "retry:")):
            raise ValueError("not a server-sent event")


def _finish(choice: Mapping[str, Any]) -> Literal["stop", "length"] | None:
    reason = choice.get("finish_reason")
    if reason is None:
        return None
    return "length" if reason == "length" else "stop"


def _cached(usage: Mapping[str, Any]) -> int | None:
    """Prompt tokens the server had in its cache, where it tells."""
    details = usage.get("prompt_tokens_details")
    return _count(details, "cached_tokens") if isinstance(details, Mapping) else None


def _count(told: Mapping[str, Any], name: str) -> int | None:
    found = told.get(name)
    return found if isinstance(found, int) else None


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _message(content: Mapping[str, Any]) -> str:
    error = content.get("error", "")
    return str(error.get("message", "")) if isinstance(error, dict) else str(error)
