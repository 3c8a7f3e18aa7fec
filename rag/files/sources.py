"""The folders there are: those of rag.toml and those registered by `rag ingest PATH`, as connectors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from connectors import CONNECTORS
from connectors.accounts import Accounts
from connectors.folder import Folder
from connectors.folder_why import Explained
from connectors.rules import Rule
from rag.access import EVERYONE, Acl, Confidentiality, Token
from rag.documents import DocumentId
from rag.errors import SettingsError, SourceUnavailable
from rag.ports import Connector
from rag.settings import Settings
from rag.settings.rights import FROM_FILESYSTEM, INHERITED, RuleSettings
from rag.settings.sources import SourceSettings
from rag.store.ledger import Ledger
from rag.store.rows import source_of


class Sources:
    """Names to connectors. A name is used once, whichever way the folder came in."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger
        sids = {sid: Token(meant) for sid, meant in settings.sids.items()}
        self._accounts = Accounts(sids=sids, domain=settings.identity.nfs4_domain)

    @property
    def names(self) -> frozenset[str]:
        """Every source's name."""
        return frozenset({*self._ledger.sources(), *(source.name for source in self._settings.sources)})

    def register(self, path: Path) -> str:
        """Remember a folder and return its source's name; one that is known keeps its name.

        Raises:
            SourceUnavailable: there is no such folder.
        """
        full = _folder(path)
        name = self._name(full)
        self._ledger.register_source(name, full)
        return name

    def unregistered(self, path: Path) -> Connector:
        """The connector a folder would have, for looking only.

        Raises:
            SourceUnavailable: there is no such folder.
        """
        full = _folder(path)
        return self._registered(self._name(full), full)

    def connectors(self, names: Iterable[str] | None = None) -> list[Connector]:
        """All of them, or those named.

        Raises:
            SettingsError: no such source, or none at all.
        """
        found = {source.name: self._configured(source) for source in self._settings.sources}
        for name, path in self._ledger.sources().items():
            found.setdefault(name, self._registered(name, path))
        if not found:
            raise SettingsError(
                "There is no source yet. Give a folder, such as `rag ingest ~/docs`, or list [[sources]] in rag.toml."
            )
        self.check(names or ())
        return [connector for name, connector in found.items() if names is None or name in names]

    def why(self, document: DocumentId) -> Explained | None:
        """Who may read a document now and why; None where its source is no longer one."""
        folder = self.folder(source_of(document))
        return folder.why(document) if folder is not None else None

    def folder(self, name: str) -> Folder | None:
        """The folder of a source; None where it is no longer one."""
        connector = self.connectors([name])[0] if name in self.names else None
        return connector if isinstance(connector, Folder) else None

    def check(self, names: Iterable[str]) -> None:
        """See that each is a source.

        Raises:
            SettingsError: one is not; the message lists those that are.
        """
        for name in names:
            if name not in self.names:
                known = ", ".join(sorted(self.names)) or "none yet"
                raise SettingsError(f'There is no source called "{name}". Known sources: {known}.')

    def _configured(self, source: SourceSettings) -> Connector:
        connector: Connector = CONNECTORS[source.kind](
            name=source.name,
            root=Path(source.path).expanduser(),
            acl=Acl(readers=_named(source.readers) or frozenset(), denied=frozenset(map(Token, source.deny))),
            from_filesystem=FROM_FILESYSTEM in source.readers,
            rules=tuple(_rule(rule) for rule in source.rules),
            accounts=self._accounts,
            confidentiality=source.level,
            include=source.include,
            exclude=source.exclude,
            max_body_bytes=self._limit,
            ocr=source.ocr,
        )
        return connector

    def _registered(self, name: str, path: Path) -> Connector:
        connector: Connector = CONNECTORS["folder"](
            name=name,
            root=path,
            acl=Acl(readers=frozenset({EVERYONE})),
            confidentiality=Confidentiality.INTERNAL,
            max_body_bytes=self._limit,
        )
        return connector

    @property
    def _limit(self) -> int:
        return self._settings.ingest.max_body_mb * 1024 * 1024

    def _name(self, path: Path) -> str:
        for name, known in self._ledger.sources().items():
            if known == path:
                return name
        clean = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in path.name).strip("-")
        number, candidate = 2, clean or "folder"
        while candidate in self.names:
            candidate, number = f"{clean or 'folder'}-{number}", number + 1
        return candidate


def _named(readers: Iterable[str]) -> frozenset[Token] | None:
    """The readers that are written out; None where another says who they are."""
    return None if {FROM_FILESYSTEM, INHERITED} & set(readers) else frozenset(map(Token, readers))


def _rule(rule: RuleSettings) -> Rule:
    return Rule(
        path=rule.path,
        readers=_named(rule.readers),
        from_filesystem=FROM_FILESYSTEM in rule.readers,
        denied=frozenset(map(Token, rule.deny)),
    )


def _folder(path: Path) -> Path:
    full = path.expanduser().resolve()
    if full.exists() and not full.is_dir():
        raise SourceUnavailable(
            f"{path} is not a folder but a file. Give the folder that holds it: `rag ingest {path.parent}`."
        )
    if not full.is_dir():
        raise SourceUnavailable(f"The folder {path} does not exist. Give the path of a folder that holds documents.")
    try:
        os.fspath(full).encode("utf-8")
    except UnicodeEncodeError as error:
        raise SourceUnavailable(
            f"The path {str(full)!a} is not UTF-8 and cannot be remembered. Rename it, or give a folder above it: "
            f"names below a source may be anything."
        ) from error
    return full
