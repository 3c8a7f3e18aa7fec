"""A reranker behind a server on the premises: `/v1/rerank` as llama.cpp's server, vLLM and LocalAI speak it, or
`/rerank` as Text Embeddings Inference does.

A question waits for it, so the whole exchange has one limit, from the look-up of the name to the last byte, and what
comes back is believed only if it has exactly one finite score for each passage.
"""

from __future__ import annotations

import json
import math
import queue
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, NamedTuple

import httpx

from rag.errors import ModelError, ModelTimeout, ModelUnavailable
from rag.models.streaming import Wire, tls

_MOST_BYTES = 1 << 20
_UNKNOWN = (404, 405, 422)
"""Statuses of a server that does not know the path, or not the form; then the other one is tried."""


class _Form(NamedTuple):
    """An address, and whether it takes ``texts`` (Text Embeddings Inference) or ``documents`` (all others)."""

    url: str
    texts: bool


class RerankServer:
    """A server that scores passages. Thread-safe; nothing is held between questions."""

    def __init__(
        self, address: str, *, model: str = "", api_key: Callable[[], str] = str, timeout_s: float = 2.0
    ) -> None:
        if not address.lower().startswith(("http://", "https://")):
            raise ModelUnavailable(f"retrieval.reranker is no directory and no http or https address: {address!r}.")
        self._server = f"The reranker at {address}"
        self._forms = _forms(address)
        self._model = model
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._tls = tls(address)

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, higher is better; they compare within one call.

        Raises:
            ModelUnavailable: it does not answer, or not with one score for each passage.
            ModelTimeout: not within the limit.
            SettingsError: its key cannot be read.
        """
        if not passages:
            return []
        wire = Wire()
        inbox: queue.SimpleQueue[list[float] | BaseException] = queue.SimpleQueue()

        def ask() -> None:
            try:
                inbox.put(self._scores(question, passages, wire))
            except BaseException as error:
                inbox.put(error)

        threading.Thread(target=copy_context().run, args=(ask,), name="rerank", daemon=True).start()
        try:
            found = inbox.get(timeout=self._timeout_s)
        except queue.Empty:
            raise ModelTimeout(
                f"{self._server} did not score {len(passages)} passages within {self._timeout_s:g} s. Give it a "
                f"smaller model or a faster machine, or raise retrieval.reranker_timeout_s."
            ) from None
        finally:
            wire.hang_up()
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        """Nothing is held between questions."""

    def _scores(self, question: str, passages: Sequence[str], wire: Wire) -> list[float]:
        first, *others = self._forms
        status, content = self._ask(first, question, passages, wire)
        for form in others:  # one at most
            if status not in _UNKNOWN:
                break
            other, body = self._ask(form, question, passages, wire)
            if other == httpx.codes.OK:
                status, content, self._forms = other, body, (form, first)
        if status != httpx.codes.OK:
            raise self._refusal(status)
        try:
            return _one_each(json.loads(content), len(passages))
        except (ValueError, OverflowError, RecursionError) as error:
            raise ModelUnavailable(
                f"{self._server} answered, but not with one score for each passage. Name a server that reranks, and "
                f"its model with retrieval.reranker_model."
            ) from error

    def _ask(self, form: _Form, question: str, passages: Sequence[str], wire: Wire) -> tuple[int, bytes]:
        """Status and body of one exchange."""
        content = b""
        try:
            body = self._body(form, question, passages)
            with self._client(wire) as client, client.stream("POST", form.url, json=body) as response:
                for part in response.iter_bytes():
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise ModelUnavailable(f"{self._server} answered with more than scores.")
                return response.status_code, content
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._failure(error) from error

    def _body(self, form: _Form, question: str, passages: Sequence[str]) -> dict[str, Any]:
        if form.texts:
            return {"query": question, "texts": list(passages), "truncate": True}
        body = {"query": question, "documents": list(passages), "top_n": len(passages)}
        return {"model": self._model, **body} if self._model else body

    def _client(self, wire: Wire) -> httpx.Client:
        """A client of one use: the limit ends its connection. No proxies, no redirects."""
        key = self._api_key()
        return httpx.Client(
            transport=httpx.HTTPTransport(verify=self._tls, trust_env=False),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(self._timeout_s),
            event_hooks=wire.event_hooks,
        )

    def _failure(self, error: Exception) -> ModelError:
        if isinstance(error, httpx.TimeoutException):
            return ModelTimeout(
                f"{self._server} did not answer within {self._timeout_s:g} s. Is it started? Where it is only slow, "
                f"raise retrieval.reranker_timeout_s."
            )
        return ModelUnavailable(
            f"{self._server} does not answer ({error}). Start it, correct retrieval.reranker, or leave it empty."
        )

    def _refusal(self, status: int) -> ModelUnavailable:
        if status in (401, 403):
            return ModelUnavailable(f"{self._server} refuses the key: see retrieval.reranker_api_key_file.")
        if status in _UNKNOWN:
            return ModelUnavailable(
                f"{self._server} answered HTTP {status}: it does not rerank there, or has no model "
                f'"{self._model}". Correct retrieval.reranker or retrieval.reranker_model.'
            )
        return ModelUnavailable(f"{self._server} answered HTTP {status}. Its own log says why.")


def _forms(address: str) -> tuple[_Form, ...]:
    """What is tried: the address as it is where it names the path, else the usual path and then the other."""
    whole = address.rstrip("/")
    if whole.endswith(("/rerank", "/reranking")):
        return _Form(whole, texts=False), _Form(whole, texts=True)
    root = whole.removesuffix("/v1")
    return _Form(f"{root}/v1/rerank", texts=False), _Form(f"{root}/rerank", texts=True)


def _one_each(answer: Any, count: int) -> list[float]:
    """The scores in the order of the passages.

    Raises:
        ValueError: one is missing, said twice, of no passage, or no finite number.
    """
    results = answer.get("results") if isinstance(answer, dict) else answer
    if not isinstance(results, list) or len(results) != count:
        raise ValueError("not as many results as passages")
    found: dict[int, float] = {}
    for result in results:
        if not isinstance(result, dict):
            raise ValueError("not a result")
        index, score = result.get("index"), result.get("relevance_score", result.get("score"))
        if type(index) is not int or not isinstance(score, int | float) or not math.isfinite(score):
            raise ValueError("not an index and a finite score")
        found[index] = float(score)
    if found.keys() != set(range(count)):
        raise ValueError("not one score for each passage")
    return [found[index] for index in range(count)]
