"""The certificate of an erasure: JSON, signed with the home's key, and one page that needs nothing beside it. It names
documents by their opaque keys and hashes, never by name or path."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from rag import __version__
from rag.errors import SettingsError, StoreError
from rag.govern.page import listed, page, table
from rag.store import copies, journal, schema
from rag.store.home_key import HomeKey
from rag.store.tombstones import Erasure, Tombstone
from rag.text.sentences import texts

DIRECTORY = "certificates"
_NOT_LOOKED_AT = ("sources", "backups", "disk", "memory", "ids", "audit")


def write(home: Path, erasure: Erasure, stones: Sequence[Tombstone], key: HomeKey, *, language: str) -> dict[str, Any]:
    """Write both into the home's ``certificates``, durably; returns the JSON with ``files``, where they stand.

    Raises:
        StoreError: they cannot be written.
    """
    made = _content(erasure, stones, key)
    made["signature"] = key.signature(_canonical(made))
    folder = home / DIRECTORY
    name = f"{erasure.asked_at[:10]}-{erasure.id}"
    files = {"json": folder / f"{name}.json", "page": folder / f"{name}.html"}
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _put(files["json"], json.dumps(made, ensure_ascii=False, indent=1) + "\n")
        _put(files["page"], as_page(made, language=language))
        copies.sync(folder)
    except OSError as error:
        raise StoreError(f"The certificate {files['json']} cannot be written: {error.strerror}.") from error
    return {**made, "files": {name: str(path) for name, path in files.items()}}


def verify(path: Path, key: HomeKey) -> dict[str, Any]:
    """The certificate, if this home wrote it and nothing was changed since.

    Raises:
        SettingsError: it cannot be read, or is not what was signed.
    """
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        signature = made.pop("signature")
        whole = key.signed(_canonical(made), str(signature))
    except OSError as error:
        raise SettingsError(f"The certificate {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is no certificate of erasure: give the .json file.") from error
    if not whole:
        raise SettingsError(f"The certificate {path} was changed, or another home wrote it.")
    return dict(made)


def as_page(made: dict[str, Any], *, language: str) -> str:
    """The same for a person, in German or English."""
    text = texts(language)

    def plain(name: str, **values: object) -> str:
        return text[f"erasure.{name}"].format(**values)

    def said(name: str, **values: object) -> str:
        return escape(plain(name, **values))

    facts = [
        (plain("number"), made["id"]),
        (plain("how"), plain(f"how_{made['how']}")),
        (plain("asked_at"), made["asked_at"]),
        (plain("hidden"), plain("seconds", seconds=made["hidden_s"])),
        (plain("proven_at"), made["proven_at"]),
        (plain("documents"), plain("counts", **made["counts"])),
    ]
    verdict = "erased" if made["erased"] else "remains"
    searched = made["searched"]
    parts = [
        f'<p class="verdict {verdict}">{said(verdict)}</p><p>{said(f"{verdict}_said")}</p>',
        f"<p>{said('interrupted')}</p>" if made["interrupted"] else "",
        table(facts),
        f"<h2>{said('searched')}</h2><p>{said('searched_said', **searched, **made['looked_for'])}</p>",
        f"<p>{said('terms', **made['terms'])}</p>" if made["terms"] else "",
        _named(said("found"), [f"{name}: {counts}" for name, counts in made["remains"].items()]),
        _named(said("unread"), [f"{name}: {why}" for name, why in searched["unread"].items()]),
        f"<h2>{said('stays')}</h2>",
        f"<p>{said('stays_said')}</p>{listed(made['stays'])}" if made["stays"] else f"<p>{said('stays_none')}</p>",
        f"<p>{said('stretches_live', count=made['lives_on'])}</p>" if made["lives_on"] else "",
        f"<p>{said('audit', **made['audit'])}</p>" if made["audit"] else "",
        _named(said("cleared"), made["leftovers"]),
        f"<h2>{said('not_looked')}</h2>",
        listed(text[f"erasure.not_looked_{name}"] for name in made["not_looked_at"]),
        f"<p>{said('journal', journal=made['journal'])}</p>",
        f"<h2>{said('documents')}</h2>",
        table(
            [(row["key"], row["chunks"], row["part_of"] or "") for row in made["documents"]],
            head=(said("key"), said("chunks"), said("part_of")),
        ),
        f"<h2>{said('signature')}</h2><p><code>{escape(made.get('signature', ''))}</code></p>",
    ]
    return page(text["erasure.title"], "\n".join(parts), language=language)


def _named(heading: str, rows: Sequence[str]) -> str:
    return f"<h2>{heading}</h2>{listed(rows)}" if rows else ""


def _content(erasure: Erasure, stones: Sequence[Tombstone], key: HomeKey) -> dict[str, Any]:
    facts = erasure.facts
    documents = facts["documents"]
    lives = facts["lives_on"]
    return {
        "certificate": "archivar erasure 1",
        "archivar": __version__,
        "ledger": schema.VERSION,
        "home": key.name,
        "id": erasure.id,
        "erased": facts["erased"],
        "how": facts["how"],
        "interrupted": facts.get("interrupted", False),
        "asked_at": erasure.asked_at,
        "proven_at": facts["proven_at"],
        "hidden_s": facts.get("hidden_s", 0.0),
        "cleared_s": facts["cleared_s"],
        "search_s": facts["search_s"],
        "counts": {
            "documents": len(documents),
            "chunks": sum(row["chunks"] for row in documents),
            "vectors": facts["vectors"],
        },
        "documents": documents,
        "hashes": [{"path": stone.path, "contents": list(stone.contents)} for stone in stones],
        "looked_for": {"needles": facts["needles"], "stretches": facts["stretches"]},
        "searched": facts["searched"],
        "terms": facts["terms"],
        "remains": facts["remains"],
        "stays": sorted(lives["documents"]),
        "lives_on": lives["stretches"],
        "leftovers": facts["leftovers"],
        "audit": facts.get("audit", {}),
        "not_looked_at": list(_NOT_LOOKED_AT),
        "journal": journal.NAME,
    }


def _canonical(made: dict[str, Any]) -> bytes:
    content = json.dumps(made, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode("ascii")).digest()


def _put(path: Path, content: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    made = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(made, "w", encoding="utf-8") as out:  # noqa: PTH123  # made with its mode
        out.write(content)
        out.flush()
        os.fsync(made)
    fresh.replace(path)
