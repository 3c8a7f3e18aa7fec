"""An Ollama that cuts what is too long as the real one does, under a tokenizer of one's choice, and remembers what it
lost: the oldest messages first, all but the system's and the last; then the beginning of what remains."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.models.protocol_server import tag
from tests.models.scripted_server import Exchange, ScriptedServer

Tokens = Callable[[str], int]
TOKENIZERS: dict[str, Tokens] = {
    "bytes": lambda text: len(text.encode("utf-8", "replace")),
    "characters": len,
    "two letters": lambda text: sum(1 if c.isspace() else len(c.encode("utf-8", "replace")) for c in text[::2]),
    "four letters": lambda text: -(-len(text) // 4),
}
"""Name → how many tokens a text is. Real ones lie between the first and the last."""
_TURN = 5


class Cutting:
    """What the server knows. `lost` counts the requests of which it read less than it was sent, `tokens` is exchanged
    between requests. `trained` is the model's own length, which no request raises."""

    def __init__(self, *, version: str = "0.9.0", trained: int = 0, tells: bool = True) -> None:
        self.tokens: Tokens = TOKENIZERS["bytes"]
        self.lost = self.refused = 0
        self._version, self._trained, self._tells = version, trained, tells

    def routes(self) -> dict[str, Callable[[Exchange], None]]:
        info = {"general.architecture": "x", "x.context_length": self._trained} if self._trained else {}
        return {
            "GET /api/version": lambda exchange: exchange.reply({"version": self._version}),
            "GET /api/tags": lambda exchange: exchange.reply({"models": [tag()]}),
            "POST /api/show": lambda exchange: exchange.reply({"model_info": info, "capabilities": ["completion"]}),
            "POST /api/chat": self._chat,
            "POST /api/embed": self._embed,
        }

    def _chat(self, exchange: Exchange) -> None:
        asked = exchange.json
        context = min(asked["options"]["num_ctx"], self._trained or asked["options"]["num_ctx"])
        sizes = [self.tokens(message["content"]) + _TURN for message in asked["messages"]]
        if sum(sizes) > context and self._new and asked.get("truncate") is False:
            self.refused += 1
            exchange.reply({"error": "the input length exceeds the context length"}, status=400)
            return
        read = self._read(asked["messages"], sizes, context)
        self.lost += read < sum(sizes)
        exchange.start()
        exchange.send([json.dumps({"message": {"role": "assistant", "content": "ja"}, "done": False})])
        count = {"prompt_eval_count": read} if self._tells else {}
        end = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "eval_count": 1}
        exchange.send([json.dumps(end | count)])
        exchange.finish()

    @property
    def _new(self) -> bool:
        return tuple(map(int, self._version.split(".")[:2])) >= (0, 13)

    @staticmethod
    def _read(messages: Sequence[dict[str, Any]], sizes: Sequence[int], context: int) -> int:
        kept = list(range(len(sizes)))
        while sum(sizes[n] for n in kept) > context:
            oldest = next((n for n in kept[:-1] if messages[n]["role"] != "system"), None)
            if oldest is None:
                return context
            kept.remove(oldest)
        return sum(sizes[n] for n in kept)

    def _embed(self, exchange: Exchange) -> None:
        asked = exchange.json
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        longest = max(map(self.tokens, texts), default=0) + 2
        if longest > 512:
            if asked.get("truncate") is False:
                self.refused += 1
                exchange.reply({"error": "the input length exceeds the context length"}, status=400)
                return
            self.lost += 1
        exchange.reply({"model": "m", "embeddings": [[1.0, 0.0]] * len(texts)})


@contextmanager
def cutting_server(cutting: Cutting) -> Iterator[ScriptedServer]:
    """It, at an address."""
    with ScriptedServer(cutting.routes()) as server:
        yield server
