"""API keys: made, checked, ended.

A key is ``archivar_<id>_<secret>``: the id says which one it is and may be told, the secret is 256 random bits, shown
once and kept as its SHA-256 alone. That is enough: nobody guesses 256 bits, so there is nothing to slow down. A key
speaks for a person, with that person's groups as they are at each request, or for a program of its own name.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rag.access import Channel, ChannelKind
from rag.credentials import revocations
from rag.credentials.api_key import ApiKey, kept_in, row_of
from rag.credentials.identified import BOT, SCOPES, SERVICE, Identified
from rag.errors import SettingsError, StoreError
from rag.store.ledger import Ledger

_log = logging.getLogger(__name__)

PREFIX: Final = "archivar_"
PLATFORMS: Final = {
    "slack": ChannelKind.CLOUD_CHAT,
    "teams": ChannelKind.CLOUD_CHAT,
    "matrix": ChannelKind.SELF_HOSTED_CHAT,
}
"""Platforms that have bots → how far what is said there travels."""
_KEY = re.compile(rf"{PREFIX}([0-9a-f]{{8}})_([0-9a-f]{{64}})")
_SECRET_BYTES = 32
_NOBODYS = hashlib.sha256(b"no key has this hash").digest()  # what an unknown id is compared with
_MAX_NAME = 200


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


class Keys:
    """The keys of one home, held in memory: every change goes through here, and counts at once. Thread-safe."""

    def __init__(self, ledger: Ledger, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._ledger, self._clock = ledger, clock
        self._lock = threading.Lock()
        self._keys = {key.id: key for key in kept_in(ledger)}
        self._erased = bool(revocations.known(ledger).keys)

    @property
    def any(self) -> bool:
        """Whether there ever was a key, also one that is no longer good, or was erased with its person."""
        return bool(self._keys) or self._erased

    @property
    def bots(self) -> frozenset[str]:
        """The platforms whose bots have a good key."""
        now = self._clock()
        return frozenset(key.bot for key in self._keys.values() if key.bot and key.state(now) == "active")

    def all(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    def listed(self) -> list[dict[str, Any]]:
        """The same for `rag keys list`."""
        return [key.as_json(self._clock()) for key in self.all()]

    def add(
        self,
        name: str,
        *,
        user: str | None,
        scopes: Collection[str],
        sources: Iterable[str] | None = None,
        channel: Channel,
        days: int | None,
        bot: str = "",
    ) -> tuple[ApiKey, str]:
        """A new key and, for once, what to show: it is kept nowhere. Without `user` it speaks for a program called
        `name`; `days` None: it does not expire; `bot`: see `add_bot`.

        Raises:
            SettingsError: a name or scope cannot be one.
        """
        _check(name, user, scopes, days)
        if bool(bot) != (BOT in scopes) or (bot and frozenset(scopes) != {BOT}):
            raise SettingsError("The key of a bot is good for that and nothing else: rag keys add --bot PLATFORM NAME.")
        now = self._clock()
        secret = secrets.token_bytes(_SECRET_BYTES).hex()
        key = ApiKey(
            id=self._free_id(),
            name=name,
            user=user if user is not None else f"{SERVICE}{name}",
            hash=_hashed(secret),
            scopes=frozenset(scopes),
            sources=None if sources is None else frozenset(sources),
            channel=channel,
            created_at=_moment(now),
            expires_at=_moment(now + timedelta(days=days)) if days is not None else None,
            bot=bot,
        )
        with self._lock:
            revocations.begin(self._ledger)
            self._ledger.change("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row_of(key))
            self._keys = {**self._keys, key.id: key}
        return key, f"{PREFIX}{key.id}_{secret}"

    def add_bot(self, name: str, *, platform: str, days: int | None) -> tuple[ApiKey, str]:
        """A new key for a bot: it speaks for nobody itself, and the way of its answers is its platform's.

        Raises:
            SettingsError: there is no such platform, or the name cannot be one.
        """
        if platform not in PLATFORMS:
            raise SettingsError(f"There are bots for {', '.join(PLATFORMS)}.")
        channel = Channel(kind=PLATFORMS[platform])
        return self.add(name, user=None, scopes=[BOT], channel=channel, days=days, bot=platform)

    def revoke(self, wanted: str) -> ApiKey:
        """End a key, by its id or a name that no other key has: it is good for nothing from here on, and no backup
        brings it back.

        Raises:
            SettingsError: there is no such key, or several of that name.
            StoreError: it has ended, but this could not be written down outside the ledger.
        """
        with self._lock:
            key = self._found(wanted)
            if key.revoked_at is None:
                key = replace(key, revoked_at=_moment(self._clock()))
                self._keys = {**self._keys, key.id: key}  # first: it ends, whatever becomes of the disk
                self._ledger.change("UPDATE api_keys SET revoked_at = ? WHERE id = ?", (key.revoked_at, key.id))
            revocations.keep(self._ledger)
        return key

    def release(self, wanted: Collection[str] = ()) -> list[ApiKey]:
        """Let keys that came from a backup be good again: these, or all that are held.

        Raises:
            SettingsError: there is no such key.
        """
        with self._lock:
            chosen = [self._found(one) for one in wanted] if wanted else list(self._keys.values())
            freed = [replace(key, held_at=None) for key in chosen if key.held_at is not None]
            for key in freed:
                self._ledger.change("UPDATE api_keys SET held_at = NULL WHERE id = ?", (key.id,))
            self._keys = {**self._keys, **{key.id: key for key in freed}}
        return freed

    def forget(self, names_person: Callable[[str], bool]) -> int:
        """Erase the keys of a person, and take the name out of what other keys are called; gives how many keys."""
        with self._lock:
            gone = [key for key in self._keys.values() if names_person(key.user)]
            called = [key for key in self._keys.values() if key not in gone and names_person(key.name)]
            if gone:  # first: whoever is killed after it finds them again
                revocations.keep(self._ledger, also=[key.id for key in gone])
                self._erased = True
            with self._ledger.transaction():
                for key in gone:
                    self._ledger.change("DELETE FROM api_keys WHERE id = ?", (key.id,))
                for key in called:
                    self._ledger.change("UPDATE api_keys SET name = ? WHERE id = ?", (key.id, key.id))
            renamed = {key.id: replace(key, name=key.id) for key in called}
            left = {key.id: key for key in self._keys.values() if key not in gone}
            self._keys = {**left, **renamed}
        return len(gone)

    # ---- at the door ----

    def identify(self, token: str) -> Identified | None:
        """Whom a key speaks for; None where it is unknown, expired, revoked or held, all after the same work."""
        found = _KEY.fullmatch(token)
        name, secret = found.groups() if found else ("", "")
        key = self._keys.get(name)
        right = hmac.compare_digest(_hashed(secret), key.hash if key is not None else _NOBODYS)
        good = self.good(name)
        if key is None or not right:
            return None
        if not good:
            state = key.state(self._clock())
            _log.info(
                "A key that is no longer good was shown", extra={"action": "key_refused", "key": name, "state": state}
            )
            return None
        return self.known(name)

    def known(self, wanted: str) -> Identified | None:
        """Whom the key of this id speaks for, where it was shown before; None where it is no longer good."""
        key = self._keys.get(wanted)
        if key is None or not self.good(wanted):
            return None
        self._note_use(key)
        return Identified(
            user=key.user,
            scopes=key.scopes,
            sources=key.sources,
            channel=key.channel,
            key=key.id,
            bot=key.bot,
            good=lambda: self.good(wanted),
        )

    def good(self, wanted: str) -> bool:
        """Whether the key of this id is good, as of now."""
        key = self._keys.get(wanted)
        return key is not None and key.state(self._clock()) == "active"

    def _note_use(self, key: ApiKey) -> None:
        """The day, and no more: when somebody works is nobody's business."""
        today = self._clock().date().isoformat()
        if key.used_on == today:
            return
        with self._lock:
            known = self._keys.get(key.id)
            if known is None or known.used_on == today:
                return
            self._keys = {**self._keys, key.id: replace(known, used_on=today)}
        try:
            self._ledger.change("UPDATE api_keys SET used_on = ? WHERE id = ?", (today, key.id))
        except StoreError:  # whether an answer can be recorded is decided where it is
            _log.warning("The use of a key could not be noted", extra={"action": "key_use_not_noted", "key": key.id})

    def _found(self, wanted: str) -> ApiKey:
        """By its id, else by its name: of several, the one that has not ended."""
        id_ = found[1] if (found := _KEY.fullmatch(wanted)) else wanted.removeprefix(PREFIX)
        if id_ in self._keys:
            return self._keys[id_]
        called = [key for key in self.all() if key.name == wanted]
        called = [key for key in called if key.revoked_at is None] or called[-1:]
        if len(called) > 1:
            ids = ", ".join(key.id for key in called)
            raise SettingsError(f"There are {len(called)} keys of this name: say which one by its id, {ids}.")
        if not called:
            raise SettingsError("There is no key with this id or name. `rag keys list` lists them.")
        return called[0]

    def _free_id(self) -> str:
        while (made := secrets.token_hex(4)) in self._keys:
            pass
        return made


def _check(name: str, user: str | None, scopes: Collection[str], days: int | None) -> None:
    for what, given in (("name", name), ("user", user)):
        if given is not None and not (0 < len(given.strip()) <= _MAX_NAME and given.isprintable()):
            raise SettingsError(f"A key needs a {what} of letters, digits and signs, at most {_MAX_NAME}.")
    if user is not None and user.startswith(SERVICE):
        raise SettingsError(f'"{user}" is the name of a program: leave --user away, and call the key so.')
    if not scopes or not frozenset(scopes) <= frozenset(SCOPES):
        raise SettingsError(f"A key is good for one or more of {', '.join(SCOPES)}.")
    if days is not None and days < 1:
        raise SettingsError("A key is good for at least one day.")


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
