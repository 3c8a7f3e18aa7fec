"""A pin: the one version of a model that may be used, by its digest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rag.errors import ModelChanged


class Changed(StrEnum):
    """What becomes of answers once the model is another version than the pinned one."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """`digest` without its "sha256:", empty where nothing is pinned; `key` is where it stands in rag.toml."""

    digest: str = ""
    key: str = "llm.digest"
    changed: Changed = Changed.REFUSE

    @classmethod
    def of(cls, digest: str, *, key: str, changed: str = "refuse") -> Pin:
        """The pin that settings name."""
        return cls(digest=bare(digest), key=key, changed=Changed(changed))

    def holds(self, digest: str) -> bool:
        """Whether that is the pinned version; any is, where nothing is pinned."""
        return not self.digest or bare(digest) == self.digest

    def check(self, digest: str, *, model: str, place: str) -> bool:
        """Whether it is the pinned version. False: it is not, and may answer all the same.

        Raises:
            ModelChanged: it is not, and may not.
        """
        if self.holds(digest):
            return True
        if self.changed is Changed.REFUSE:
            raise ModelChanged(self.broken(digest, model=model, place=place))
        return False

    def broken(self, digest: str, *, model: str, place: str) -> str:
        """The sentence that says so, with what to do. `place`: where the model lies."""
        return (
            f"{model} at {place} has the digest {bare(digest)[:12]}…, pinned is {self.digest[:12]}… ({self.key}). "
            f"Someone pulled another version. See what changed with `rag models update {model}`; it pins the new one "
            f"once it passes your gate."
        )


def bare(digest: str) -> str:
    """A digest without its algorithm's name, in small letters."""
    return digest.strip().lower().removeprefix("sha256:")
