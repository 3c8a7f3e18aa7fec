"""`[[sources]]` of rag.toml: the folders whose documents are indexed, and who may read them."""

from __future__ import annotations

from dataclasses import dataclass

from rag.access import Confidentiality
from rag.settings.option import option
from rag.settings.rights import FROM_FILESYSTEM, RuleSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """`[[sources]]`: a folder to watch. Without `readers` nobody reads it; without `class` it is strict."""

    name: str = option("", "short name, part of every document id; letters, digits, - and _")
    kind: str = option("folder", "kind of source", choices=("folder",))
    path: str = option("", "the folder")
    readers: tuple[str, ...] = option(
        (), 'who may read: "everyone", "user:NAME", "group:NAME"; "from-filesystem": as its files say; empty: nobody'
    )
    deny: tuple[str, ...] = option((), 'who may never read, whatever lets them: "user:NAME", "group:NAME"')
    uploaders: tuple[str, ...] = option(
        (), "which of its readers may put documents into the folder over HTTP, written as readers are; empty: nobody"
    )
    confidentiality: str = option(
        "strict", "class of the documents", choices=("public", "internal", "confidential", "strict")
    )
    include: tuple[str, ...] = option((), 'only files that match one of these patterns, e.g. "**/*.pdf"; empty: all')
    exclude: tuple[str, ...] = option((), "no files that match one of these patterns")
    ocr: bool = option(True, "read scans and pictures of text in this source")
    prompt: str = option("", "file of what a model is told besides about these documents (TOML, beside this one)")
    rules: tuple[RuleSettings, ...] = ()

    @property
    def from_filesystem(self) -> bool:
        """Whether any of it is read by whom the file system lets read."""
        return FROM_FILESYSTEM in self.readers or any(FROM_FILESYSTEM in rule.readers for rule in self.rules)

    @property
    def level(self) -> Confidentiality:
        """The class as a level."""
        return Confidentiality[self.confidentiality.upper()]
