"""A language model behind an OpenAI-compatible server on the premises: vLLM, llama.cpp's server, and the like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from rag.answers import ModelInfo
from rag.errors import ContextOverflow, LicenceRefused, ModelUnavailable
from rag.models.chat_completions import ChatCompletions
from rag.models.licences import Policy, judge
from rag.models.streaming import Limits
from rag.models.token_bound import TokenBound, certainly, likely_droppable
from rag.ports import Delta, Generation, Message

_UNTHINKING: Final[Mapping[str, Any]] = {"chat_template_kwargs": {"enable_thinking": False}}
"""Keeps a model from thinking where its template can: vLLM, SGLang and llama.cpp pass it on."""


class OpenAiCompatibleModel:
    """A model of a server that speaks `/v1/chat/completions`. Without a name, the first one the server offers.

    Tokens are counted by the server where it can (llama.cpp's, vLLM), else bounded from above. It is told nothing of
    `context_tokens`: whoever sets them says what the server gives; where it tells that itself, it gives no more.
    """

    def __init__(
        self,
        model: str = "",
        *,
        base_url: str,
        context_tokens: int = 4096,
        api_key: str = "",
        policy: Policy | None = None,
        limits: Limits | None = None,
        bound: TokenBound | None = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ModelUnavailable(f"llm.base_url must be the server's http or https address, not {base_url!r}.")
        self._server = f"The model server at {base_url}"
        self._protocol = ChatCompletions(
            base_url,
            server=self._server,
            mend='Start it, correct llm.base_url, or set llm.provider to "embedded".',
            limits=limits or Limits(),
            api_key=api_key,
        )
        self._model = model
        self._context_tokens = context_tokens
        self._bound = bound or TokenBound()
        self._counts_exactly = True
        self._gives = 0
        self._policy = policy or Policy()
        self._thinks = False
        self._thinking_tokens = (limits or Limits()).thinking_tokens

    @property
    def info(self) -> ModelInfo:
        """The name; such servers tell no digest, and no licence: that is judged by the name.

        Raises:
            ModelUnavailable: no server, it has no such model, or LicenceRefused.
        """
        offered = {str(entry.get("id", "")): entry for entry in self._protocol.offers()}
        if not self._model and offered:
            self._model = next(iter(offered))
        if self._model not in offered:
            raise ModelUnavailable(
                f"{self._server} has no model {self._model!r} (llm.model). It offers: {', '.join(offered) or 'none'}."
            )
        gives = offered[self._model].get("max_model_len")  # as vLLM tells it
        self._gives = gives if isinstance(gives, int) and gives > 0 else 0
        verdict = judge(name=self._model)
        if refusal := self._policy.refusal(self._model, verdict):
            raise LicenceRefused(refusal)
        return ModelInfo(name=self._model, runtime="openai-compatible", use=verdict.use.value)

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together may not be longer: what the settings say, or the server gives where that is
        less."""
        return min(self._context_tokens, self._gives or self._context_tokens)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt: exact where the server counts, else an upper bound, with room for the messages it might
        leave out: only then does its own count prove that nothing was."""
        exact = self._counted(messages)
        if exact is not None:
            return exact
        return min(self._bound.upper(messages) + likely_droppable(messages), certainly(messages))

    def _counted(self, messages: Sequence[Message]) -> int | None:
        """As the server counts; None where it does not."""
        count = self._protocol.count(self._model, messages) if self._counts_exactly else None
        self._counts_exactly = count is not None
        return count

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """Generate. Closing the iterator stops the model.

        Raises:
            ContextOverflow: the prompt and `max_tokens` do not fit, or the server read fewer tokens than were sent.
            ModelUnavailable, ModelTimeout: see `rag.errors`.
        """
        name = self.info.name
        needed = self.count_tokens(messages) + generation.max_tokens
        if needed > self.context_tokens:
            raise ContextOverflow(
                f"The prompt and its answer need up to {needed} tokens, llm.context_tokens and the server allow "
                f"{self.context_tokens}. Raise it if the model can take more, or give it fewer passages."
            )
        return self._bound.checked(
            messages,
            self._thinking_allowed(name, messages, generation),
            server=self._server,
            context_tokens=None if self._counts_exactly else self.context_tokens,
            answer_tokens=generation.max_tokens,
            exact=needed - generation.max_tokens if self._counts_exactly else None,
            told=False,
        )

    def _thinking_allowed(self, name: str, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """The stream. A model that shows itself to be thinking is asked not to, and gets room for what it thinks all
        the same; where it had said nothing yet it begins again so, once."""
        if not self._thinks:
            with closing(
                self._protocol.stream(name, messages, generation)
            ) as told:  # hung up on before it is asked anew
                for delta in told:
                    self._thinks = self._thinks or delta.thought > 0
                    if delta.usage is not None and delta.usage.finish == "thought":
                        break
                    yield delta
                else:
                    return
        room = self.context_tokens - self.count_tokens(messages) - generation.max_tokens
        longer = generation.max_tokens + max(0, min(room, self._thinking_tokens))
        yield from self._protocol.stream(name, messages, replace(generation, max_tokens=longer), extra=_UNTHINKING)

    def loaded(self) -> bool:
        """Such servers tell nothing of it."""
        return False

    def close(self) -> None:
        """Nothing is held between generations."""
