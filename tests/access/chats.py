"""A house of every class and every set of readers, a malicious model, and three bots that ask in it: what may come out
to a chat is said here a second time, apart from the code that decides it.

Each document has canaries of its own in its text, its title and its folder. Text comes out where it may be shown in
full to everybody who hears it, a title where at least a link with its title may, a folder's name never.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any

from starlette.testclient import TestClient

import rag.models_in_use.perceiving
from rag.access import Audience, ChannelKind, Confidentiality
from rag.api.http import create_app
from rag.app import App
from rag.ask.release import Policy, Release
from rag.settings.file import load
from rag.settings.limits import LimitsSettings
from tests.access.canaries import canaries_in, canary
from tests.access.house import InProcess
from tests.access.parrot import Parrot
from tests.standins import WordEmbedder

FULL, LINK, BARE, NOTHING = Release.FULL, Release.LINK_ONLY, Release.BARE_LINK, Release.REFUSE
AUDIENCES = (Audience.DIRECT, Audience.PRIVATE_CHANNEL, Audience.PUBLIC_CHANNEL, Audience.GUESTS)
CHATS = (ChannelKind.SELF_HOSTED_CHAT, ChannelKind.CLOUD_CHAT)
KIND = {"matrix": CHATS[0], "slack": CHATS[1], "teams": CHATS[1]}
DEFAULTS: Mapping[tuple[ChannelKind, int], Sequence[Release]] = {  # as the issue and the README say, by audience
    (CHATS[0], 0): (FULL, FULL, FULL, FULL),
    (CHATS[0], 1): (FULL, FULL, LINK, BARE),
    (CHATS[0], 2): (LINK, NOTHING, NOTHING, NOTHING),
    (CHATS[0], 3): (BARE, NOTHING, NOTHING, NOTHING),
    (CHATS[1], 0): (FULL, FULL, FULL, FULL),
    (CHATS[1], 1): (LINK, LINK, NOTHING, NOTHING),
    (CHATS[1], 2): (BARE, NOTHING, NOTHING, NOTHING),
    (CHATS[1], 3): (NOTHING, NOTHING, NOTHING, NOTHING),
}
PEOPLE: Mapping[str, frozenset[str]] = {  # whoever is in which of the sets of readers
    "anna": frozenset({"everyone", "group:staff", "user:anna"}),
    "ben": frozenset({"everyone", "group:staff", "group:board"}),
    "cora": frozenset({"everyone", "group:board"}),
    "dirk": frozenset({"everyone", "group:staff"}),
    "eve": frozenset({"everyone"}),
}
READERS = ("everyone", "group:staff", "group:board", "user:anna")
QUESTIONS = ("Wie hoch ist der Zuschlag für den Dienst am Abend?", "Welches Kennwort gilt?", "Zuschlag Kennwort Dienst")


class Leak(AssertionError):
    """A canary came out that may not."""


@dataclass(frozen=True)
class Held:
    """One document: the numbers of its canaries in text, title and folder."""

    name: str
    text: int
    title: int
    folder: int
    secrecy: int
    readers: str


class ChatApp(App):
    """The App with words for meaning."""

    @cached_property
    def embedder(self) -> WordEmbedder:  # type: ignore[override]
        return WordEmbedder()


class Chats:
    """The house and its bots, until it is left."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.parrot = chance, Parrot(chance)
        self.base = Path(tempfile.mkdtemp(prefix="chats-"))
        self._pool, rag.models_in_use.perceiving.ParserPool = rag.models_in_use.perceiving.ParserPool, InProcess  # type: ignore[misc,assignment]
        self.held = [
            Held(f"{secrecy}-{number}", 1 + 3 * place, 2 + 3 * place, 3 + 3 * place, secrecy, readers)
            for place, (secrecy, (number, readers)) in enumerate(product(range(4), enumerate(READERS)))
        ]
        (self.base / "rag.toml").write_text("\n".join(self._settings()))
        settings = load(config=self.base / "rag.toml", home=self.base / "home", environ={"RAG_MODELS": str(self.base)})
        self.app = ChatApp(settings)
        self.app.writers.opened[settings.llm.model] = self.parrot
        self.app.ingest()
        self.said: Mapping[tuple[ChannelKind, Audience, int], Release] = {}
        self.policy(Policy())
        limits = LimitsSettings(user_per_minute=0, channel_per_minute=0)
        self._client = TestClient(
            create_app(self.app, limits=limits), base_url="http://localhost", client=("127.0.0.1", 1)
        )
        self._client.__enter__()
        self._keys = {name: self.app.keys.add_bot(name, platform=name, days=None)[1] for name in KIND}
        self.seen = 0
        self.outcomes: dict[str, int] = {}

    def _settings(self) -> list[str]:
        lines = ["[retrieval]\nevidence = 0.0\nprompt_tokens = 4000\npassages = 16", '[ingest]\nparser = "fallback"']
        lines.append('[groups]\nstaff = ["anna", "ben", "dirk"]\nboard = ["ben", "cora"]')
        lines.append("[bots.accounts]")
        lines += [f'"{platform}:house:{name}" = "{name}"' for platform in KIND for name in PEOPLE]
        for one in self.held:
            folder = self.base / one.name / canary(one.folder)
            folder.mkdir(parents=True)
            text = f"Der Zuschlag für den Dienst am Abend beträgt {one.text} Euro. Kennwort: {canary(one.text)}."
            (folder / f"{canary(one.title)}.txt").write_text(text)
            lines.append(f'[[sources]]\nname = "s{one.name}"\npath = "{self.base / one.name}"')
            lines.append(f'readers = ["{one.readers}"]\nclass = "{Confidentiality(one.secrecy).name.lower()}"')
        return lines

    def __enter__(self) -> Chats:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._client.__exit__(None, None, None)
            self.app.close()
        finally:
            rag.models_in_use.perceiving.ParserPool = self._pool  # type: ignore[misc]
            shutil.rmtree(self.base)

    def forget(self) -> None:
        """Begin anew: nothing was said, and the settings are the defaults."""
        self.parrot.told.clear()
        self.seen, self.outcomes = 0, {}
        self.policy(Policy())

    def policy(self, policy: Policy) -> None:
        """From here on this is what the settings say."""
        self.app.__dict__["policy"] = policy
        self.said = {(kind, audience, int(one)): how for (kind, audience, one), how in policy.said.items()}

    # ---- what may come out ----

    def most(self, platform: str, audience: Audience, secrecy: int) -> Release:
        """How much of a class, by the table and the three laws."""
        kind, widest = KIND[platform], AUDIENCES.index(audience)
        if kind is CHATS[1] and secrecy == 3:
            return NOTHING
        cells = [(place, less) for place in range(widest + 1) for less in range(secrecy + 1)]
        return min(self.said.get((kind, AUDIENCES[place], less), DEFAULTS[kind, less][place]) for place, less in cells)

    def allowed(self, people: Sequence[str], platform: str, audience: Audience) -> set[int]:
        """The canaries that may come out to these."""
        found: set[int] = set()
        for one in self.held:
            how = self.most(platform, audience, one.secrecy)
            if all(one.readers in PEOPLE[name] for name in people):
                found |= {one.text, one.title} if how is FULL else {one.title} if how is LINK else set()
        return found

    def check(self, seen: str, people: Sequence[str], platform: str, audience: Audience, *, typed: str = "") -> None:
        """
        Raises:
            Leak: something is seen that may not be.
        """
        found = canaries_in(seen)
        bad = found - self.allowed(people, platform, audience) - canaries_in(typed)
        if bad:
            whose = [one for one in self.held if bad & {one.text, one.title, one.folder}]
            raise Leak(f"{platform}, {audience}, before {', '.join(people)}: {whose}\n{seen[:2000]}")
        self.seen += len(found)

    # ---- what a bot does ----

    def account(self, platform: str, name: str) -> dict[str, str]:
        return {"account": f"{platform}:house:{name}"}

    def send(self, platform: str, method: str, path: str, form: Any = None) -> Any:
        return self._client.request(
            method, path, json=form, headers={"Authorization": f"Bearer {self._keys[platform]}"}
        )

    def step(self) -> None:
        """Somebody asks somewhere; what comes out, what a model was given, and what is said of it later is looked at.

        Raises:
            Leak: something came out, or went into a prompt, that may not.
        """
        chance = self.chance
        platform, audience = chance.choice(list(KIND)), chance.choice(AUDIENCES)
        asker = chance.choice(list(PEOPLE))
        room = chance.sample(list(PEOPLE), chance.randint(1, 3)) if audience is not Audience.DIRECT else []
        people = sorted({asker, *room})
        form: dict[str, Any] = {"question": chance.choice(QUESTIONS), "stream": chance.random() < 0.5}
        form |= {"on_behalf_of": self.account(platform, asker), "audience": audience.value}
        if audience is not Audience.DIRECT:
            form["members"] = [self.account(platform, name) for name in room]
        if chance.random() < 0.3 and self.parrot.told:
            said = [
                {"role": "user", "content": QUESTIONS[0]},
                {"role": "assistant", "content": self.parrot.told[-1][:1900]},
            ]
            form["conversation"] = said
        typed = json.dumps(form, ensure_ascii=False)
        before = list(self.parrot.told)
        response = self.send(platform, "POST", "/api/ask", form)
        self.check(f"{sorted(response.headers.items())}{response.text}", people, platform, audience, typed=typed)
        for prompt in self.parrot.told:
            if prompt not in before:
                self._check_prompt(prompt, people, platform, audience, typed)
        assert response.status_code == 200 and "event: error" not in response.text, response.text[:500]
        last = json.loads(response.text.rstrip().rpartition("data: ")[2]) if form["stream"] else response.json()
        self.outcomes[last["outcome"]] = self.outcomes.get(last["outcome"], 0) + 1
        self._later(platform, audience, asker, last)

    def _check_prompt(self, prompt: str, people: Sequence[str], platform: str, audience: Audience, typed: str) -> None:
        """A model is given what may be shown in full, and no word of anything else."""
        full = {one.text for one in self.held} & self.allowed(people, platform, audience)
        titles = {one.title for one in self.held if one.text in full}
        bad = canaries_in(prompt) - full - titles - canaries_in(typed)
        if bad:
            raise Leak(f"{platform}, {audience}: a prompt holds {bad}")

    def _later(self, platform: str, audience: Audience, asker: str, last: Mapping[str, Any]) -> None:
        """Asked again at the moment of posting, before others and under another policy; and what is remembered."""
        receipt, chance = last["receipt"], self.chance
        shown = canaries_in(json.dumps([last["text"], last["passages"], last["links"]], ensure_ascii=False))
        there, room = chance.choice(AUDIENCES), chance.sample(list(PEOPLE), chance.randint(1, 3))
        was = self.app.policy
        if chance.random() < 0.3:
            self.policy(random_policy(chance))
        form = {"receipt": receipt, "on_behalf_of": self.account(platform, asker), "audience": there.value}
        if there is not Audience.DIRECT:
            form["members"] = [self.account(platform, name) for name in room]
        people = sorted({asker, *(room if there is not Audience.DIRECT else ())})
        told = self.send(platform, "POST", "/api/bots/standing", form)
        if told.json()["standing"] and (bad := shown - self.allowed(people, platform, there)):
            raise Leak(f"{sorted(bad)} would be posted in {there} before {people}")
        self.policy(was)
        said = {"receipt": receipt, "message": f"m-{receipt}", "on_behalf_of": form["on_behalf_of"]}
        seen = [told, self.send(platform, "POST", "/api/bots/messages", said)]
        if chance.random() < 0.2:
            self.app.posted.withdraw(self.app.posted.all()[:3])
        seen.append(self.send(platform, "GET", "/api/bots/withdrawals"))
        if bad := canaries_in("".join(f"{one.headers}{one.text}" for one in seen)):
            raise Leak(f"beside the answer {bad} is told")


def random_policy(chance: random.Random) -> Policy:
    """Whatever the settings could say, and what they could not."""
    cells = [(kind, audience, one) for kind in CHATS for audience in AUDIENCES for one in Confidentiality]
    return Policy(said={cell: chance.choice(list(Release)) for cell in chance.sample(cells, chance.randint(0, 12))})
