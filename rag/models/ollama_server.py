"""An Ollama server as its clients here see it: which models it has, what its failures mean, a safe client for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import httpx

from rag.errors import ContextOverflow, ModelError, ModelTimeout, ModelUnavailable
from rag.models.shown import Shown, of_answer
from rag.models.streaming import Broken, Limits, Wire, tls

_METADATA_S = 10.0
_REMOTE_FIELDS = ("remote_host", "remote_model")


class OllamaServer:
    """Ollama at one address. Follows no redirect and uses no proxy."""

    def __init__(self, base_url: str, *, limits: Limits) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ModelUnavailable(f"Ollama's base_url must be an http or https address, not {base_url!r}.")
        self.base_url = base_url.rstrip("/")
        self._limits = limits
        self._tls = tls(base_url)

    def __str__(self) -> str:
        return f"Ollama at {self.base_url}"

    @property
    def response_error(self) -> type[Exception]:
        """What the official client raises for an error of the server."""
        from ollama import ResponseError

        return ResponseError

    def client(self, *, read_s: float, wire: Wire | None = None) -> Any:
        """The official client, without its defaults: no redirects, no environment, time limits."""
        try:
            from ollama import Client
        except ImportError as error:
            raise ModelUnavailable(f"The Ollama client is not installed ({error}): `pip install ollama`.") from error
        return Client(
            self.base_url,
            follow_redirects=False,
            trust_env=False,
            verify=self._tls,
            timeout=self._timeout(read_s),
            event_hooks=wire.event_hooks if wire else {},
        )

    def chat(self, client: Any, body: Mapping[str, Any]) -> Iterator[Any]:
        """The parts of a chat. Not through the client's own method: it knows neither `truncate` nor `shift`, without
        which what is too long is cut."""
        from ollama import ChatResponse

        parts: Iterator[Any] = client._request(ChatResponse, "POST", "/api/chat", json=dict(body), stream=True)
        return parts

    def answer(self, client: Any, body: Mapping[str, Any]) -> Any:
        """The same in one piece."""
        from ollama import ChatResponse

        return client._request(ChatResponse, "POST", "/api/chat", json={**body, "stream": False})

    def is_there(self, *, patience_s: float) -> bool:
        """Whether it answers at once."""
        try:
            return self._get("GET", "/api/version", read_s=patience_s).status_code == httpx.codes.OK
        except ModelError:
            return False

    def version(self) -> str:
        """The server's version, such as ``0.17.1``; empty where it tells none.

        Raises:
            ModelUnavailable: no server.
        """
        answer = self._get("GET", "/api/version")
        if answer.status_code == httpx.codes.NOT_FOUND:  # something that speaks Ollama's protocol
            return ""
        return str(self._read(answer).get("version") or "")

    def answers_any_name(self) -> bool:
        """Whether it answers under a name that is not its own, which lets any web page reach it (DNS rebinding).

        Raises:
            ModelUnavailable: no server.
        """
        return self._get("GET", "/api/version", headers={"Host": "rebound.invalid"}).status_code == httpx.codes.OK

    def local_models(self) -> list[dict[str, Any]]:
        """Entries of `/api/tags` that run on the premises, newest first as the server lists them."""
        return [entry for entry in self._tags() if not self.is_remote(entry) and not is_cloud_name(entry["name"])]

    def models(self) -> list[dict[str, Any]]:
        """All entries of `/api/tags`, those too that run elsewhere (`is_remote`)."""
        return self._tags()

    def is_remote(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry only stands for a model elsewhere."""
        return any(entry.get(field) for field in _REMOTE_FIELDS)

    def content(self, model: str) -> dict[str, Any]:
        """The whole answer of `/api/show` for a model.

        Raises:
            ModelUnavailable: no server, or it has no such model.
        """
        return self._json("POST", "/api/show", {"model": model})

    def only_embeds(self, entry: Mapping[str, Any]) -> bool:
        """Whether a listed model makes vectors, not text."""
        return "chat" not in self.shown(str(entry["name"])).capabilities

    def shown(self, model: str) -> Shown:
        """What the server shows of a model.

        Raises:
            ModelUnavailable: no server, or it has no such model.
        """
        return of_answer(self.content(model))

    def running(self) -> list[dict[str, Any]]:
        """Entries of `/api/ps`: the models that are loaded there now; none where the server cannot tell.

        Raises:
            ModelUnavailable, ModelTimeout: no server.
        """
        answer = self._get("GET", "/api/ps")
        try:
            content = answer.json() if answer.status_code == httpx.codes.OK else {}
        except ValueError:
            content = {}
        models = content.get("models") if isinstance(content, dict) else None
        return [entry for entry in (models if isinstance(models, list) else []) if isinstance(entry, dict)]

    def entry(self, model: str) -> dict[str, Any]:
        """The model's entry of `/api/tags`: with its digest.

        Raises:
            ModelUnavailable: no server, no such model, or one that runs elsewhere.
        """
        wanted = full_name(model)
        for entry in self._tags():
            if entry["name"] == wanted:
                _refuse_if(self.is_remote(entry), model)
                return entry
        raise ModelUnavailable(f"{self} has no model {model!r}. Get it with `ollama pull {model}`.")

    def refuse_cloud_name(self, model: str) -> None:
        """Raise ModelUnavailable for a name that means Ollama's cloud."""
        _refuse_if(is_cloud_name(model), model)

    def shown_here(self, model: str) -> Shown:
        """What the server shows of a model; ModelUnavailable for one that only stands for one elsewhere."""
        shown = self.shown(model)
        _refuse_if(shown.remote, model)
        return shown

    def failure(self, error: Exception, *, model: str) -> ModelError:
        """What an error of the client or the server means, as one sentence."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | ConnectionError):
            return ModelUnavailable(
                f"Ollama does not answer at {self.base_url} ({_cause(error)}). Start it with `ollama serve`, or set "
                f'llm.provider to "embedded".'
            )
        if isinstance(error, httpx.TimeoutException):
            return ModelTimeout(f"{self} took too long.")
        status = getattr(error, "status_code", None)
        if status is None or status == -1:
            return Broken(f"{self} hung up ({_cause(error)}).")
        return self._meaning(int(status), str(getattr(error, "error", error)), model)

    def _meaning(self, status: int, said: str, model: str) -> ModelError:
        if 300 <= status < 400:
            return ModelUnavailable(f"{self} redirects elsewhere; redirects are not followed.")
        if status == httpx.codes.NOT_FOUND:
            return ModelUnavailable(f"{self} has no model {model!r} ({said}). Get it with `ollama pull {model}`.")
        if "context" in said.lower() or "too long" in said.lower():
            return ContextOverflow(f"{self} cannot take the text: {said}.")
        return ModelUnavailable(f"{self} failed (HTTP {status}): {said}")

    def _tags(self) -> list[dict[str, Any]]:
        models = self._json("GET", "/api/tags").get("models")
        return [
            entry | {"name": str(entry.get("name") or entry.get("model") or "")}
            for entry in (models if isinstance(models, list) else [])
            if isinstance(entry, dict)
        ]

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._read(self._get(method, path, body), model=str((body or {}).get("model", "")))

    def _read(self, response: httpx.Response, *, model: str = "") -> dict[str, Any]:
        if response.status_code != httpx.codes.OK:
            raise self._meaning(response.status_code, response.text[:200], model)
        try:
            content = response.json()
        except ValueError as error:
            raise ModelUnavailable(f"{self} sent something that is not JSON; is it Ollama?") from error
        return content if isinstance(content, dict) else {}

    def _get(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        read_s: float = _METADATA_S,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> httpx.Response:
        # Not through the official client: its types drop the fields that tell a remote model.
        try:
            with httpx.Client(
                follow_redirects=False, trust_env=False, verify=self._tls, timeout=self._timeout(read_s)
            ) as client:
                return client.request(method, f"{self.base_url}{path}", json=body, headers=dict(headers))
        except httpx.HTTPError as error:
            raise self.failure(error, model="") from error

    def _timeout(self, read_s: float) -> httpx.Timeout:
        return httpx.Timeout(read_s, connect=self._limits.connect_s)


def beginning(licence: str) -> str:
    """A licence's name: the first two lines of its text, or what stands there in its place."""
    lines = [" ".join(line.split()) for line in licence[:2000].splitlines() if line.strip()]
    return ", ".join(lines[:2])[:80]


def full_name(model: str) -> str:
    """A name with its tag: what Ollama makes of one without."""
    return model if ":" in model.rsplit("/", 1)[-1] else f"{model}:latest"


def is_cloud_name(model: str) -> bool:
    """Whether the name means a model in Ollama's cloud."""
    return model.endswith(("-cloud", ":cloud"))


def _refuse_if(elsewhere: bool, model: str) -> None:
    if elsewhere:
        raise ModelUnavailable(
            f"{model} does not run here but in a cloud: your documents would leave the building. Choose a model that "
            f"was pulled (`ollama list`)."
        )


def _cause(error: BaseException) -> str:
    """The system's own words, without the client's advice."""
    return "connection refused" if "refused" in str(error).lower() else str(error) or type(error).__name__
