"""Who may come in, as the owner of a home decides it: API keys, and people who are shut out. Every change is on the
record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rag.access import LOOPBACK, OWNER, Audience, Channel, ChannelKind
from rag.app import App
from rag.credentials.api_key import ApiKey
from rag.errors import SettingsError
from rag.service.forms import Event


class Admission:
    """The operations on an open App."""

    def __init__(self, app: App) -> None:
        self._app = app

    @property
    def operations(self) -> Mapping[str, Callable[..., Iterator[Event]]]:
        """By the names `rag.service` knows them under."""
        return {
            "keys_list": self.listed,
            "keys_add": self.add,
            "keys_revoke": self.revoke,
            "keys_release": self.release,
            "keys_suspend": self.suspend,
            "keys_resume": self.resume,
        }

    def listed(self) -> Iterator[Event]:
        """``{"keys": […], "suspended": [{"user", "at"}]}``: no secret is among it, and none is kept."""
        app = self._app
        yield {
            "keys": app.keys.listed(),
            "suspended": [one._asdict() for one in app.suspensions.all()],
            "needed": app.credential_needed,
        }

    def add(
        self,
        name: str,
        *,
        user: str | None,
        scopes: Sequence[str],
        sources: Sequence[str] | None,
        channel: str,
        audience: str,
        days: int | None,
        bot: str = "",
    ) -> Iterator[Event]:
        """``{"key", "id", …}``: `key` is what to show at the door, told this once. `bot`: the platform of a bot's key,
        which decides all but name and days.

        Raises:
            SettingsError: a name, scope, source or channel cannot be one.
        """
        app = self._app
        if bot:
            if user is not None or sources is not None:
                raise SettingsError("The key of a bot speaks for whoever asks the bot: leave --user and --source away.")
            yield self._told(*app.keys.add_bot(name, platform=bot, days=days))
            return
        if sources is not None:
            app.sources.check(sources)
        if user is not None:
            app.person(user)  # that it can be a name
        try:
            way = Channel(kind=ChannelKind(channel), audience=Audience(audience))
        except ValueError as error:
            raise SettingsError(f"There is no channel {channel} with the audience {audience}.") from error
        yield self._told(*app.keys.add(name, user=user, scopes=scopes, sources=sources, channel=way, days=days))

    def _told(self, key: ApiKey, shown: str) -> Event:
        self._note("key_added", about=key.user, key=key.id)
        told = next(one for one in self._app.keys.listed() if one["id"] == key.id)
        return {"key": shown, **told}

    def revoke(self, id: str) -> Iterator[Event]:  # noqa: A002  # what it is called on the command line
        """``{"revoked": id}``: the key is good for nothing from here on; answers under way end."""
        key = self._app.keys.revoke(id)
        self._note("key_revoked", about=key.user, key=key.id)
        yield {"revoked": key.id, "revoked_at": key.revoked_at}

    def release(self, ids: Sequence[str]) -> Iterator[Event]:
        """``{"released": [id…]}``: keys of a restored backup are good again; no ids: all that are held."""
        freed = self._app.keys.release(ids)
        for key in freed:
            self._note("key_released", about=key.user, key=key.id)
        yield {"released": [key.id for key in freed]}

    def suspend(self, user: str) -> Iterator[Event]:
        """``{"suspended": user, "before"}``: whatever they show, from here on; answers under way end."""
        fresh = self._app.suspensions.suspend(user)
        self._note("user_suspended", about=user)
        yield {"suspended": user, "before": not fresh}

    def resume(self, user: str) -> Iterator[Event]:
        """``{"resumed": user, "before"}``: `before`: they were not shut out."""
        found = self._app.suspensions.resume(user)
        if found:
            self._note("user_resumed", about=user)
        yield {"resumed": user, "before": not found}

    def _note(self, event: str, *, about: str, **more: Any) -> None:
        self._app.audit.note(event, user=OWNER, channel=LOOPBACK, about=about, **more)
