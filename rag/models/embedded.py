"""A language model inside this process: llama.cpp through xllamacpp, over a GGUF file.

xllamacpp always opens its HTTP server. It is bound to a Unix socket in a directory only we may enter, with a random
key, so no port is open, on loopback or elsewhere. We speak to it there rather than through its callback, because only
a connection that is closed stops a model while it still reads the prompt, and because the endpoint counts tokens
exactly, the chat template included. The beginning that two prompts share is read only once.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from rag.answers import ModelInfo
from rag.errors import ContextOverflow, ModelUnavailable
from rag.models.chat_completions import ChatCompletions
from rag.models.cores import cores
from rag.models.streaming import Limits
from rag.ports import Delta, Generation, Message

_MAX_SOCKET_PATH = 100  # the system allows 107 bytes on Linux, 103 on macOS
_PROMPT_CACHE_MIB = 256
_SILENT = -1
_BEGINS_S = 60.0
_OPENMP = "libgomp"  # what the wheel takes from the system
_OPENMP_PACKAGE = "the system's package for that library (libgomp1 on Debian and Ubuntu, libgomp on RHEL)"


class EmbeddedModel:
    """A GGUF model in process. `name` and `sha256` are those of its weights. Thread-safe: generations queue."""

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        sha256: str,
        context_tokens: int = 4096,
        threads: int | None = None,
        limits: Limits | None = None,
        use: str = "",
        changed: bool = False,
    ) -> None:
        digest = f"sha256:{sha256}"
        self._info = ModelInfo(name=name, digest=digest, runtime="embedded", use=use, changed=changed)
        self._context_tokens = context_tokens
        self._room = Path(tempfile.mkdtemp(prefix="archivar-", dir=_short_directory()))  # 0700
        key = secrets.token_urlsafe(32)
        address = self._room / "llm.sock"
        try:
            self._server: Any = _start(path, address, key, context_tokens, threads or cores())
            _wait_for_its_loop(address, key)
        except BaseException:
            shutil.rmtree(self._room, ignore_errors=True)
            raise
        self._protocol = ChatCompletions(
            "http://embedded",
            server=f"The embedded model {name}",
            mend="Restart the service.",
            limits=limits or Limits(),
            api_key=key,
            unix_socket=str(address),
            extra={"cache_prompt": True, "chat_template_kwargs": {"enable_thinking": False}},
        )

    @property
    def info(self) -> ModelInfo:
        """Name, and the sha256 of the GGUF file."""
        return self._info

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together may not be longer."""
        return self._context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt, exactly, template included."""
        count = self._protocol.count(self._info.name, messages)
        if count is None:
            raise ModelUnavailable(f"The embedded model {self._info.name} does not count tokens.")
        return count

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """Generate. Closing the iterator stops the model.

        Raises:
            ContextOverflow: the prompt and `max_tokens` do not fit.
            ModelUnavailable, ModelTimeout: see `rag.errors`.
        """
        needed = self.count_tokens(messages) + generation.max_tokens
        if needed > self._context_tokens:
            raise ContextOverflow(
                f"The prompt and its answer need {needed} tokens, {self._info.name} was opened with "
                f"{self._context_tokens}. Raise llm.context_tokens or give it fewer passages."
            )
        return self._protocol.stream(self._info.name, messages, generation)

    def close(self) -> None:
        """Unload the model."""
        self._server = None
        shutil.rmtree(self._room, ignore_errors=True)


def _short_directory() -> str | None:
    """A directory whose paths fit a socket's address; None is the usual temporary one."""
    usual = tempfile.gettempdir()
    return None if len(os.fsencode(usual)) < _MAX_SOCKET_PATH - len("/archivar-12345678/llm.sock") else "/tmp"  # noqa: S108 - mkdtemp makes a private one in it


def _start(path: Path, address: Path, key: str, context_tokens: int, threads: int) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        missing = _OPENMP_PACKAGE if _OPENMP in str(error) else "it"
        raise ModelUnavailable(
            f'The embedded model needs xllamacpp ({error}). Install {missing}, or set llm.provider to "ollama".'
        ) from error
    if not path.is_file():
        raise ModelUnavailable(f"{path} is missing. Fetch it with `rag models fetch`.")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.hostnames = [str(address)]  # ".sock" makes it a Unix socket
    parameters.api_keys = [key]
    parameters.n_ctx = context_tokens
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    parameters.fit_params = False  # takes the context we said, not one it finds fitting
    parameters.use_jinja = True
    parameters.offline = True
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.warmup = False
    parameters.verbosity = _SILENT
    try:
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise ModelUnavailable(f"{path.name} cannot be loaded as a GGUF model: {error}") from error


def _wait_for_its_loop(address: Path, key: str) -> None:
    """Until the server's loop runs: taking it down before that would wait for ever, since its loop then begins after it
    was told to end (xllamacpp 2026.10). What lists the adapters is answered by the loop itself, at once."""
    transport = httpx.HTTPTransport(uds=str(address), trust_env=False)
    with httpx.Client(
        transport=transport, headers={"Authorization": f"Bearer {key}"}, trust_env=False, follow_redirects=False
    ) as client:
        try:
            client.get("http://embedded/lora-adapters", timeout=_BEGINS_S).raise_for_status()
        except httpx.HTTPError as error:
            raise ModelUnavailable("The embedded model does not begin. Restart the service.") from error
