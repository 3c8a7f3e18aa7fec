"""Real servers for the contract tests: llama.cpp's own OpenAI-compatible one, and Ollama's protocol in front of it.

Real generation, real embeddings. It is not Ollama: it shows that our clients speak the protocol, not how Ollama
schedules, truncates or words its errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import xllamacpp

from tests.models.scripted_server import Exchange, ScriptedServer

MODEL = "tiny:latest"
DIGEST = "0123456789abcdef" * 4
CONTEXT_TOKENS = 4096
EMBEDDING_TOKENS = 512


@contextmanager
def openai_server(gguf: Path, *, embedding: bool = False, ranking: bool = False, api_key: str = "") -> Iterator[str]:
    """The address of a llama.cpp server over the file."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf)
    parameters.model_alias = {MODEL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = 1
    parameters.n_ctx = EMBEDDING_TOKENS if embedding else CONTEXT_TOKENS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1  # the machine is shared
    parameters.fit_params = False
    parameters.verbosity = -1
    parameters.warmup = False
    parameters.ui = False
    if api_key:
        parameters.api_keys = [api_key]
    if embedding or ranking:
        kinds = xllamacpp.llama_pooling_type
        parameters.embedding = True
        parameters.n_batch = parameters.n_ubatch = EMBEDDING_TOKENS
        parameters.pooling_type = kinds.LLAMA_POOLING_TYPE_RANK if ranking else kinds.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server


@contextmanager
def ollama_server(upstream: str, *, embeds: bool = False) -> Iterator[ScriptedServer]:
    """Ollama's protocol: chat (or embed), show, tags and version of one model."""
    front = _Front(upstream, embeds=embeds)
    with front.client, ScriptedServer(front.routes) as server:
        yield server


class _Front:
    def __init__(self, upstream: str, *, embeds: bool) -> None:
        # A connection for each request: one that was kept may be closed by the server while it is taken up again.
        once = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(base_url=upstream, timeout=120, trust_env=False, limits=once)
        self._capability = "embedding" if embeds else "completion"
        self.routes = {
            "GET /api/version": lambda exchange: exchange.reply({"version": "0.0.0-test"}),
            "GET /api/tags": lambda exchange: exchange.reply({"models": [tag()]}),
            "POST /api/show": self._show,
            "POST /api/chat": self._chat,
            "POST /api/embed": self._embed,
        }

    def _show(self, exchange: Exchange) -> None:
        exchange.reply({"capabilities": [self._capability], "model_info": {}, "details": {}})

    def _chat(self, exchange: Exchange) -> None:
        try:
            self._answer(exchange)
        except httpx.HTTPError as error:  # else all a test would see is that we hung up
            exchange.reply({"error": f"the server behind failed: {error!r}"}, status=502)

    def _answer(self, exchange: Exchange) -> None:
        asked = exchange.json
        if asked["model"] != MODEL:
            exchange.reply({"error": f"model '{asked['model']}' not found"}, status=404)
            return
        with self.client.stream("POST", "/v1/chat/completions", json=_translated(asked)) as answer:
            if answer.status_code != 200:
                answer.read()
                exchange.reply({"error": answer.json()["error"]["message"]}, status=answer.status_code)
                return
            exchange.start()
            exchange.send(json.dumps(line) for line in _lines(answer))
            exchange.finish()

    def _embed(self, exchange: Exchange) -> None:
        asked = exchange.json
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        counts = [self._tokens(text) for text in texts]
        if max(counts, default=0) > EMBEDDING_TOKENS:
            assert asked["truncate"] is False, "a client that lets its texts be cut"
            exchange.reply({"error": "the input length exceeds the context length"}, status=400)
            return
        vectors = self.client.post("/v1/embeddings", json={"input": texts}).raise_for_status().json()["data"]
        exchange.reply(
            {"model": MODEL, "embeddings": [row["embedding"] for row in vectors], "prompt_eval_count": sum(counts)}
        )

    def _tokens(self, text: str) -> int:
        return len(self.client.post("/tokenize", json={"content": text, "add_special": True}).json()["tokens"])


def tag(**more: Any) -> dict[str, Any]:
    """The model's entry in `/api/tags`."""
    return {"name": MODEL, "model": MODEL, "digest": DIGEST, "size": 1, "details": {"family": "llama"}, **more}


def _translated(asked: dict[str, Any]) -> dict[str, Any]:
    options = asked["options"]
    body = {
        "messages": asked["messages"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": options["num_predict"],
        "temperature": options["temperature"],
        "seed": options["seed"],
        "stop": options.get("stop", []),
    }
    if asked.get("format"):
        schema = {"name": "answer", "strict": True, "schema": asked["format"]}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _lines(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    reason, usage = "stop", {}
    for line in answer.iter_lines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line.removeprefix("data: "))
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            reason = choice.get("finish_reason") or reason
            if text := choice["delta"].get("content"):
                yield {"model": MODEL, "message": {"role": "assistant", "content": text}, "done": False}
    yield {
        "model": MODEL,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": reason,
        "prompt_eval_count": usage["prompt_tokens"],
        "eval_count": usage["completion_tokens"],
    }
