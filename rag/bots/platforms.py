"""The platforms there are. One more is one line here, one module that keeps `rag.bots.adapter`, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

from rag.bots.adapter import ChatAdapter
from rag.errors import RagError, SettingsError
from rag.text.advice import to_install

if TYPE_CHECKING:
    from rag.settings.bots import BotsSettings


class ExtraMissing(RagError):
    """The libraries of a platform are not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One platform: its libraries by the module that shows they are there, the settings it does not start without, and
    whether it makes a manifest. `listens` tells the setting that makes it listen, and to what: ("mode", "http")."""

    name: str
    title: str
    library: str
    needs: tuple[str, ...]
    manifest: bool = False
    listens: tuple[str, str] | None = None

    def adapter(self, settings: BotsSettings, *, environ: Mapping[str, str]) -> ChatAdapter:
        """An adapter, ready to run; it has read its secrets and sent nothing.

        Raises:
            ExtraMissing: its libraries are not installed.
            SettingsError: something it needs is not set, or cannot be used.
        """
        if missing := self.missing(settings):
            raise SettingsError(
                f"The {self.title} bot needs {', '.join(missing)} in rag.toml; the set-up page tells more.",
                key=missing[0],
            )
        self.require()
        made = import_module(f"rag.bots.{self.name}").adapter(getattr(settings, self.name), environ=environ)
        return cast(ChatAdapter, made)

    def missing(self, settings: BotsSettings) -> list[str]:
        """The settings that are empty and must not be."""
        own = getattr(settings, self.name)
        unset = [f"bots.{self.name}.{key}" for key in self.needs if not getattr(own, key)]
        return unset + ([] if settings.key_file else ["bots.key_file"])

    def require(self) -> None:
        """
        Raises:
            ExtraMissing: its libraries are not installed.
        """
        if not (_there(self.library) and _there(f"rag.bots.{self.name}")):
            raise ExtraMissing(f"What the {self.title} bot needs is not installed. {to_install(self.name)}.")

    def made_manifest(self, settings: BotsSettings) -> bytes:
        """The manifest to upload at the platform.

        Raises:
            SettingsError: the platform has none, or something it tells is not set.
        """
        if not self.manifest:
            raise SettingsError(f"The {self.title} bot has no manifest: it is an ordinary account there.")
        made = import_module(f"rag.bots.{self.name}_manifest").manifest(settings)
        return made if isinstance(made, bytes) else str(made).encode()

    def port(self, settings: BotsSettings) -> int | None:
        """The port it listens on, where it does."""
        own = getattr(settings, self.name)
        if self.listens is None or (self.listens[0] and getattr(own, self.listens[0]) != self.listens[1]):
            return None
        port = str(own.listen).rpartition(":")[2]
        if not port.isdigit() or not 0 < int(port) < 1 << 16:
            raise SettingsError(
                f'bots.{self.name}.listen is "127.0.0.1:8090" or the like, not {own.listen!r}.',
                key=f"bots.{self.name}.listen",
            )
        return int(port)


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package it is in
        return False


PLATFORMS: Final[Mapping[str, Platform]] = {
    one.name: one
    for one in (
        Platform(
            name="slack", title="Slack", library="slack_bolt", needs=("team", "token_file"), manifest=True,
            listens=("mode", "http"),
        ),
        Platform(
            name="teams", title="Teams", library="microsoft_teams.apps",
            needs=("tenant", "app_id", "client_secret_file"), manifest=True, listens=("", ""),
        ),
        Platform(name="matrix", title="Matrix", library="nio", needs=("homeserver", "user", "token_file")),
    )
}  # fmt: skip
