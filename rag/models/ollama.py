"""A language model served by Ollama on the same premises, through the official client.

What Ollama does not do by itself is done here: the context length is always sent, time limits are ours, models that
run elsewhere (`…-cloud`, or with a remote host) are refused, the digest is checked against the pin before every
answer, and the server's count of prompt tokens is compared with what was sent, because Ollama cuts a prompt that is
too long from the front without a word. Servers that know `truncate` and `shift` refuse it instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import httpx

from rag.answers import ModelInfo
from rag.errors import ContextOverflow, LicenceRefused, ModelUnavailable
from rag.models.licences import Policy
from rag.models.ollama_server import OllamaServer, beginning, full_name
from rag.models.ollama_traits import Traits, traits
from rag.models.pins import Pin
from rag.models.streaming import Broken, Limits, Wire, generate
from rag.models.token_bound import TokenBound, certainly, droppable
from rag.ports import Delta, Generation, Message, Usage


def answers(base_url: str, *, patience_s: float = 3.0) -> bool:
    """Whether an Ollama is there. Where none is, that is known at once; one that is at work may take its time."""
    return OllamaServer(base_url, limits=Limits(connect_s=0.5)).is_there(patience_s=patience_s)


def first_model(base_url: str) -> str:
    """The newest model of the server that runs on the premises and writes text.

    Raises:
        ModelUnavailable: no server, or it has none.
    """
    server = OllamaServer(base_url, limits=Limits())
    names = [entry["name"] for entry in server.local_models() if not server.only_embeds(entry)]
    if not names:
        raise ModelUnavailable(f"{server} has no language model yet. Get one with `ollama pull qwen2.5:7b`.")
    return str(names[0])


class OllamaModel:
    """One model of an Ollama server. Thread-safe."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        context_tokens: int = 4096,
        digest: str = "",
        changed: str = "refuse",
        policy: Policy | None = None,
        keep_alive: str = "30m",
        limits: Limits | None = None,
        bound: TokenBound | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._server = OllamaServer(base_url, limits=self._limits)
        self._server.refuse_cloud_name(model)
        self._model = model
        self._full_name = full_name(model)
        self._context_tokens = context_tokens
        self._pin = Pin.of(digest, key="llm.digest", changed=changed)
        self._policy = policy or Policy()
        self._keep_alive = keep_alive
        self._bound = bound or TokenBound()  # servers of one model share theirs: what fits one of them fits all
        self._known_digest, self._licence, self._use = "", "", ""
        self._traits = Traits()

    @property
    def info(self) -> ModelInfo:
        """Name, and the manifest's digest as the server has it now.

        Raises:
            ModelUnavailable: no server, no such model, one that runs elsewhere, or LicenceRefused.
            ModelChanged: the digest is not the pinned one, and the settings say "refuse".
        """
        digest = str(self._server.entry(self._model).get("digest", "")).removeprefix("sha256:")
        pinned = self._pin.check(digest, model=self._model, place=self._server.base_url)
        if digest != self._known_digest:
            self._look(digest)
        return ModelInfo(
            name=self._model,
            digest=f"sha256:{digest}",
            runtime="ollama",
            licence=self._licence,
            use=self._use,
            changed=not pinned,
        )

    def _look(self, digest: str) -> None:
        """At a version that is new to us: where it runs, and under which licence."""
        shown = self._server.shown_here(self._model)
        verdict = shown.verdict(self._model)
        if refusal := self._policy.refusal(self._model, verdict):
            raise LicenceRefused(refusal)
        self._traits = traits(self._server.content(self._model), version=self._server.version())
        self._licence, self._use = beginning(shown.licence), verdict.use.value
        if self._known_digest:
            self._bound.forget()
        self._known_digest = digest

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together may not be longer: `num_ctx`, less what a thinking model may think."""
        return max(self._num_ctx - self._thinking_tokens, self._num_ctx // 2)

    @property
    def _num_ctx(self) -> int:
        """The settings' context, or what the model was trained for where that is less: the server gives no more."""
        return min(self._context_tokens, self._traits.context_tokens or self._context_tokens)

    @property
    def _thinking_tokens(self) -> int:
        return self._limits.thinking_tokens if self._traits.thinks else 0

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An upper bound: Ollama has no endpoint that counts. Where the server may cut a prompt, with room for the
        messages it would leave out first: only then does its own count prove that nothing was."""
        likely = self._bound.upper(messages) + (0 if self._traits.refuses else droppable(messages))
        return min(likely, certainly(messages))

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """Generate. Closing the iterator stops the model.

        Raises:
            ContextOverflow: the prompt and `max_tokens` do not fit, or the server read fewer tokens than were sent.
            ModelUnavailable, ModelTimeout, ModelChanged: see `rag.errors`.
        """
        _ = self.info  # pinned, local and there
        needed = self.count_tokens(messages) + generation.max_tokens
        if needed > self.context_tokens:
            raise ContextOverflow(
                f"The prompt and its answer need up to {needed} tokens, llm.context_tokens and the model allow "
                f"{self.context_tokens}. Raise it if the model can take more, or give it fewer passages."
            )
        wire = Wire()
        deltas = generate(
            lambda: self._read(messages, generation, wire),
            wire=wire,
            limits=self._limits,
            server=str(self._server),
            wanted=generation.wanted,
        )
        return self._bound.checked(
            messages,
            deltas,
            server=str(self._server),
            context_tokens=self._num_ctx,
            answer_tokens=generation.max_tokens,
            refuses=self._traits.refuses,
        )

    def loaded(self) -> bool:
        """Whether the server has it in memory now (`/api/ps`); False where it cannot tell."""
        return any(str(entry.get("name") or entry.get("model")) == self._full_name for entry in self._server.running())

    def close(self) -> None:
        """Nothing is held between generations."""

    def _read(self, messages: Sequence[Message], generation: Generation, wire: Wire) -> Iterator[Delta]:
        with self._server.client(read_s=self._limits.total_s, wire=wire) as client:
            try:
                for part in self._server.chat(client, self._body(messages, generation)):
                    yield _delta(part)
                    if part.done:
                        return
            except (json.JSONDecodeError, ValueError, TypeError, AttributeError) as error:
                raise Broken(f"{self._server} sent something that is not its protocol.") from error
            except (httpx.HTTPError, OSError, self._server.response_error) as error:
                raise self._server.failure(error, model=self._model) from error
        raise Broken(f"{self._server} hung up in the middle.")

    def _body(self, messages: Sequence[Message], generation: Generation) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "stream": True,
            "think": self._traits.think,
            "truncate": False,
            "shift": False,
            "options": self._options(generation),
            "keep_alive": self._keep_alive,
        }
        return body | ({"format": dict(generation.schema)} if generation.schema is not None else {})

    def _options(self, generation: Generation) -> Mapping[str, Any]:
        options: dict[str, Any] = {
            "num_ctx": self._num_ctx,
            "num_predict": generation.max_tokens + self._thinking_tokens,
            "temperature": generation.temperature,
            "seed": generation.seed,
        }
        return options | ({"stop": list(generation.stop)} if generation.stop else {})


def _delta(part: Any) -> Delta:
    """Text and, at the end, usage. What the model thought is a field of its own and stays out."""
    thought = int(bool(part.message.thinking))
    if not part.done:
        return Delta(text=part.message.content or "", thought=thought)
    finish: Literal["stop", "length"] = "length" if part.done_reason == "length" else "stop"
    usage = Usage(prompt_tokens=part.prompt_eval_count, output_tokens=part.eval_count, finish=finish)
    return Delta(text=part.message.content or "", usage=usage, thought=thought)
