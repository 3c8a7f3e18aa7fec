"""What an Ollama server says of the room its models take: on its disk, and in memory now."""

from __future__ import annotations

from typing import Any

import httpx

_WAIT_S = 10.0


def size_bytes(model: str, *, base_url: str) -> int | None:
    """Bytes of a model's weights on the server; None where it does not tell."""
    return _figure(model, base_url=base_url, path="/api/tags", name="size")


def memory_bytes(model: str, *, base_url: str) -> int | None:
    """Bytes a loaded model takes, in memory of any kind; None where it is not loaded or the server does not tell."""
    return _figure(model, base_url=base_url, path="/api/ps", name="size")


def _figure(model: str, *, base_url: str, path: str, name: str) -> int | None:
    wanted = {model, f"{model}:latest"}
    for entry in _models(base_url.rstrip("/") + path):
        if isinstance(entry, dict) and {entry.get("name"), entry.get("model")} & wanted:
            found = entry.get(name)
            return found if isinstance(found, int) else None
    return None


def _models(address: str) -> list[Any]:
    try:
        with httpx.Client(trust_env=False, follow_redirects=False, timeout=_WAIT_S) as client:
            said = client.get(address)
            found = said.json() if said.status_code == httpx.codes.OK else {}
    except (httpx.HTTPError, ValueError):
        return []
    models = found.get("models") if isinstance(found, dict) else None
    return models if isinstance(models, list) else []
