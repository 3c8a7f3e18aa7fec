"""A model to compare, named as the settings name it: ``provider:model``, and ``@sha256:…`` to pin it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from rag.errors import ModelUnavailable, SettingsError
from rag.models.catalogue import MODELS
from rag.models.llm import open_language_model
from rag.models.running import memory_bytes, size_bytes
from rag.models_in_use.writers import limits_of, policy_of
from rag.ports import LanguageModel
from rag.settings import Settings

PROVIDERS = ("embedded", "ollama", "openai-compatible")
_PINNED = re.compile(r"(?P<name>.+?)@sha256:(?P<digest>.*)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """What was named. `digest` is "" where it is not pinned."""

    provider: str
    model: str
    digest: str = ""

    @property
    def name(self) -> str:
        """As it was typed, without the pin."""
        return f"{self.provider}:{self.model}"


Opening: TypeAlias = Callable[[Contestant], LanguageModel]


def contestants(named: Sequence[str]) -> list[Contestant]:
    """The models of these names.

    Raises:
        SettingsError: one is not ``provider:model``, or two are the same.
    """
    found = [contestant(name) for name in named]
    names = [one.name for one in found]
    for one in found:
        if names.count(one.name) > 1:
            raise SettingsError(f"{one.name} is named twice; a model is compared with others.")
    return found


def contestant(named: str) -> Contestant:
    """The model of this name.

    Raises:
        SettingsError: it is not ``provider:model``, or a pin that nobody could check.
    """
    provider, colon, model = named.partition(":")
    if provider not in PROVIDERS or not colon or not model:
        raise SettingsError(
            f"{named!r} names no model. Write PROVIDER:MODEL, for instance embedded:qwen2.5-0.5b, ollama:llama3.2:3b "
            f"or openai-compatible:NAME."
        )
    pinned = _PINNED.fullmatch(model)
    if pinned is None:
        return Contestant(provider=provider, model=model)
    if provider == "openai-compatible":
        raise SettingsError(f"{named!r}: servers of this kind tell no digest, so none of their models can be pinned.")
    digest = pinned["digest"].lower()
    if not _DIGEST.fullmatch(digest):
        raise SettingsError(f"{named!r}: a pin is the whole digest, 64 digits and letters a to f after sha256:.")
    return Contestant(provider=provider, model=pinned["name"], digest=f"sha256:{digest}")


def opened(wanted: Contestant, settings: Settings) -> LanguageModel:
    """The model, with the settings' context, threads, licences and limits.

    Raises:
        ModelUnavailable, ModelChanged: it cannot be had, or is not the pinned one. LicenceRefused: it may not be used.
    """
    llm = settings.llm
    return open_language_model(
        wanted.provider,
        models=settings.models,
        model=wanted.model,
        base_url=settings.server_of(wanted.provider),
        context_tokens=llm.context_tokens,
        digest=wanted.digest,
        api_key=settings.api_key(),
        threads=llm.threads or None,
        policy=policy_of(settings),
        limits=limits_of(settings),
    )


def check(wanted: Sequence[Contestant], settings: Settings) -> None:
    """See that every model that runs in this process is here, before hours are spent on the first.

    Raises:
        ModelUnavailable: one is not.
    """
    for one in wanted:
        if one.provider == "embedded" and size_of(one, settings) is None:
            raise ModelUnavailable(f"{one.model} is not on this machine. Fetch it with `rag models fetch {one.model}`.")
        if one.provider == "openai-compatible" and not settings.server_of(one.provider):
            what = 'Set llm.base_url, and llm.provider = "openai-compatible".'
            raise SettingsError(f"{one.name}: where is its server? {what}", key="llm.base_url")
        if one.provider != "embedded":
            with closing(opened(one, settings)) as model:
                model.info  # noqa: B018 - asks the server for it


def size_of(wanted: Contestant, settings: Settings) -> int | None:
    """Bytes of its weights; None where nobody tells."""
    if wanted.provider == "ollama":
        return size_bytes(wanted.model, base_url=settings.server_of(wanted.provider))
    if wanted.provider != "embedded":
        return None
    known = MODELS.get(wanted.model)
    path = known.in_directory(settings.models) if known else Path(wanted.model).expanduser()
    return path.stat().st_size if path.is_file() else None


def server_memory(wanted: Contestant, settings: Settings) -> int | None:
    """Bytes its server holds it in now; None where nobody tells, and for one that runs in this process."""
    if wanted.provider != "ollama":
        return None
    return memory_bytes(wanted.model, base_url=settings.server_of(wanted.provider))
