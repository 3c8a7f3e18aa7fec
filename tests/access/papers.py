"""Documents full of canaries: in name, title, author, headings and text, each another one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.access.canaries import canary, forms, version

KINDS = ("page", "page", "note", "mail", "series", "twin")
"""A page has all that HTML has; a note is text; a mail holds another document; a series differs in its version; twins
share title and beginning, and differ in their dates."""

_SHARED = "Der Zuschlag für den Dienst am Abend beträgt im Kalenderjahr"


@dataclass(frozen=True)
class Paper:
    """One file. `name` is its canary's number in the name, `parts` those in its content. `former` names it had since it
    was read: a renamed file is not read again, so they still stand above its text."""

    source: str
    folder: str
    kind: str
    name: int
    parts: tuple[int, ...]
    former: frozenset[int] = frozenset()

    @classmethod
    def new(cls, kind: str, number: Callable[[], int], *, source: str, folder: str) -> Paper:
        return cls(source, folder, kind, number(), tuple(number() for _ in range(7)))

    def again(self, number: Callable[[], int]) -> Paper:
        return replace(self, parts=tuple(number() for _ in range(7)), former=frozenset())

    def at(self, folder: str) -> Paper:
        return replace(self, folder=folder)

    def renamed(self, number: Callable[[], int]) -> Paper:
        return replace(self, name=number(), former=self.former | {self.name})

    @property
    def body(self) -> int:
        """What tells contents apart."""
        return self.parts[0]

    @property
    def names(self) -> set[int]:
        """What stands in its id: the file's name, and in a mail the attachment's."""
        return {self.name, *(self.parts[6:] if self.kind == "mail" else ())}

    @property
    def secret(self) -> set[int]:
        """What stands in its text, headings and author; a title may be the name of a note."""
        return set(self.parts[:6])

    @property
    def numbers(self) -> set[int]:
        return self.names | self.former | self.secret | ({self.parts[6]} if self.kind in ("page", "mail") else set())

    @property
    def path(self) -> str:
        endings = {"page": "html", "note": "txt", "mail": "eml", "series": "txt", "twin": "html"}
        stem = f"lohn-{version(self.name)}" if self.kind == "series" else f"akte {canary(self.name)}"
        return f"{self.folder}/{stem}.{endings[self.kind]}".lstrip("/")

    @property
    def place(self) -> tuple[str, str]:
        return self.source, self.path


def written(paper: Paper) -> bytes:
    """The file's bytes."""
    text, deep, head, author, split, spoken, title = paper.parts
    amount = f"{int(hashlib.sha256(str(text).encode()).hexdigest()[:4], 16) % 900 + 50} Euro"
    lines = [
        f"{_SHARED} {amount}. Das Kennwort {forms(text)['composed']} gilt weiter.",
        f"Abgelegt als {forms(deep)['base64']} und {forms(deep)['decomposed']}.",
        f"Siehe {forms(split)['split']} und {forms(split)['capitals']}.",
        f"Gesprochen {forms(spoken)['spaced']}, zusammen {canary(spoken)}.",
    ]
    plain = "\n\n".join([*lines, f"Verfasst von {canary(author)} zum Punkt {canary(head)}."])
    if paper.kind in ("note", "series"):
        return plain.encode()
    if paper.kind == "mail":
        return _mail(canary(author), canary(title), plain, f"anlage {canary(title)}.txt", f"{_SHARED} nichts.")
    heading = "Ordnung der Zuschläge" if paper.kind == "twin" else f"Ordnung {canary(title)}"
    dated = f"Stand: 01.03.{1990 + text % 60}. " if paper.kind == "twin" else ""
    body = "".join(f"<p>{line}</p>" for line in [dated + lines[0], *lines[1:]])
    return (
        f'<html><head><title>{heading}</title><meta name="author" content="{canary(author)}"></head>'
        f"<body><h1>{heading}</h1><h2>Abschnitt {canary(head)}</h2>{body}</body></html>"
    ).encode()


def _mail(author: str, subject: str, text: str, name: str, inner: str) -> bytes:
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"{author} <a@example.org>", "b@example.org", f"Zu {subject}"
    message["Date"] = "Fri, 01 Mar 2024 10:00:00 +0100"
    message.set_content(text)
    message.add_attachment(inner.encode(), maintype="text", subtype="plain", filename=name)
    return message.as_bytes()
