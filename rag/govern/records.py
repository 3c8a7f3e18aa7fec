"""The record of processing (Art. 30 GDPR) and the facts for an impact assessment (Art. 35), from the settings in force.

What a person must decide stands in square brackets. Nobody is named: readers are counted, paths and members left out.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Final

import rag
from rag.access import EVERYONE
from rag.govern.standing import Standing, standings
from rag.settings import Settings
from rag.settings.models import EmbedderSettings
from rag.store.ledger import Ledger
from rag.text.sentences import texts

MEASURES: Final = {
    "rights": "rag why USER DOCUMENT; tests/access/test_rights.py, tests/ask/test_retrieve.py",
    "egress": "rag doctor; tests/access/test_egress.py",
    "kernel": "rag doctor; tests/access/test_lockdown.py",
    "proof": "rag doctor --prove-offline; tests/govern/test_proof.py",
    "parser": "tests/ingest/parse/test_containment.py, tests/ingest/parse/test_reach.py",
    "home": "rag doctor; tests/access/test_at_rest.py",
    "secrets": "tests/access/test_secrets.py",
    "audit": "rag audit verify; tests/store/test_audit.py",
    "made_up": "make bench BENCH=support; tests/ask/test_statements.py",
    "backup": "rag backup DIR, rag restore DIR; tests/doors/test_backup.py",
    "loopback": "rag serve --host 0.0.0.0 (refused); tests/doors/test_command.py",
}
"""Measure → the command and the tests that show it."""

_NO_SERVER = ("embedded", "none")


def facts(
    settings: Settings, ledger: Ledger, egress: Mapping[str, Any], *, bots: Collection[str] = ()
) -> dict[str, Any]:
    """Everything the papers say, as data. `egress` is what `rag.govern.egress.standing` says of the running process;
    `bots` are the platforms whose bots have a good key here, wherever they run."""
    chats = _chats(settings, bots)
    return {
        "made": time.strftime("%Y-%m-%d"),
        "archivar": rag.__version__,
        "sources": [_source(one) for one in standings(settings, ledger)],
        "documents": dict(ledger.counts()),
        "models": _models(settings, ledger),
        "recipients": [str(one) for one in settings.endpoints()],
        "chats": chats,
        "retention": _section(settings, "retention"),
        "audit": _section(settings, "audit"),
        "egress": dict(egress),
        "measures": MEASURES,
        "risks": _risks(settings, egress, chats),
    }


def page(found: Mapping[str, Any], language: str) -> Iterator[str]:
    """The paper as lines of Markdown, in German or English."""
    say = texts(language, "records")
    yield f"# {say['title']}"
    yield ""
    yield f"{say['intro']} ({found['made']}, Archivar {found['archivar']})"
    for heading, lines in (
        ("record", [say[key] for key in ("controller", "purpose", "subjects", "data", "third")]),
        ("sources", [_source_line(source, say) for source in found["sources"]] or [say["nosource"]]),
        ("models", _model_lines(found["models"], say)),
        ("recipients", _recipient_lines(found, say)),
        ("retention", _retention_lines(found, say)),
        ("measures", _measure_lines(found, say)),
        ("risks", [say[f"r.{risk}"] for risk in found["risks"]]),
        ("assessment", [say["assessment"]]),
    ):
        yield ""
        yield f"## {say[f'h.{heading}']}"
        yield ""
        for line in lines:
            yield f"- {line}"


def _source(one: Standing) -> dict[str, Any]:
    persons = sum(reader.startswith("user:") for reader in one.readers)
    groups = sum(reader.startswith("group:") for reader in one.readers)
    return {
        "name": one.name,
        "origin": one.origin,
        "class": one.confidentiality,
        "everyone": EVERYONE in one.readers,
        "persons": persons,
        "groups": groups,
        "from_filesystem": "from-filesystem" in one.readers,
        "documents": one.documents,
        "failed": one.failed,
    }


def _models(settings: Settings, ledger: Ledger) -> dict[str, Any]:
    embedder, llm, reranker = settings.embedder, settings.llm, settings.retrieval.reranker
    return {
        "embedder": {
            "provider": embedder.provider,
            "model": embedder.model,
            "fingerprint": ledger.embedder,
            "server": embedder.base_url if embedder.provider == "ollama" else "",
        },
        "language_model": {
            "provider": llm.provider,
            "model": llm.model,
            "digest": llm.digest,
            "server": ", ".join(llm.addresses or (EmbedderSettings().base_url,))
            if llm.provider not in _NO_SERVER
            else "",
        },
        "vision": {"model": settings.ingest.vision_model, "server": settings.vision_url()},
        "speech": {"model": Path(settings.ingest.speech_model).name},
        "reranker": {"server": reranker if "://" in reranker else "", "used": bool(reranker)},
    }


def _chats(settings: Settings, keys: Collection[str]) -> list[str]:
    """The platforms a bot speaks to: one of these settings, one of the same service with settings of its own, known by
    its key, or one whose accounts are named here."""
    bots = settings.bots
    named = {"slack": bots.slack.team, "teams": bots.teams.tenant, "matrix": bots.matrix.homeserver}
    accounts = {account.partition(":")[0] for account in bots.accounts}
    return [name for name, value in named.items() if value or name in keys or name in accounts]


def _section(settings: Settings, name: str) -> dict[str, Any]:
    """A block of the settings, where this version has it."""
    found = getattr(settings, name, None)
    return asdict(found) if is_dataclass(found) and not isinstance(found, type) else {}


def _risks(settings: Settings, egress: Mapping[str, Any], chats: Collection[str]) -> list[str]:
    risks = ["encryption", "native" if egress.get("active") else "kernel"]
    risks += ["server"] if settings.endpoints() else []
    risks += ["chat"] if {"slack", "teams"} & set(chats) else []
    return [*risks, "wrong", "timing", "source", "sensitive", "works"]


def _source_line(source: Mapping[str, Any], say: Mapping[str, str]) -> str:
    readers = [say["everyone"]] if source["everyone"] else []
    readers += [say["rights"]] if source["from_filesystem"] else []
    readers += [say["groups"].format(count=source["groups"])] if source["groups"] else []
    readers += [say["persons"].format(count=source["persons"])] if source["persons"] else []
    return say["source"].format(
        name=source["name"],
        origin=say[f"origin.{source['origin']}"],
        level=source["class"] or say["level.none"],
        readers=", ".join(readers) or say["nobody"],
        documents=source["documents"],
        failed=source["failed"],
    )


def _model_lines(models: Mapping[str, Any], say: Mapping[str, str]) -> list[str]:
    embedder, writer, reranker = models["embedder"], models["language_model"], models["reranker"]

    def where(server: str) -> str:
        return say["at"].format(server=server) if server else say["here"]

    lines = [
        say["embedder"].format(
            model=embedder["model"],
            provider=embedder["provider"],
            fingerprint=embedder["fingerprint"] or say["unset"],
            where=where(embedder["server"]),
        )
    ]
    runs = say["auto"].format(server=writer["server"]) if writer["provider"] == "auto" else where(writer["server"])
    lines.append(
        say["writer"].format(
            provider=writer["provider"],
            model=writer["model"] or say["default"],
            digest=writer["digest"] or say["unpinned"],
            where=say["none"] if writer["provider"] == "none" else runs,
        )
    )
    if models["vision"]["model"]:
        lines.append(say["vision"].format(model=models["vision"]["model"], where=where(models["vision"]["server"])))
    if models["speech"]["model"]:
        lines.append(say["speech"].format(model=models["speech"]["model"]))
    return lines + ([say["reranker"].format(where=where(reranker["server"]))] if reranker["used"] else [])


def _recipient_lines(found: Mapping[str, Any], say: Mapping[str, str]) -> list[str]:
    servers = [say["recipient"].format(server=server) for server in found["recipients"]]
    return [*(servers or [say["no_recipient"]]), *([say[f"chat.{one}"] for one in found["chats"]] or [say["bots"]])]


def _retention_lines(found: Mapping[str, Any], say: Mapping[str, str]) -> list[str]:
    lines = [
        say["retention.documents"],
        say["retention.conversation"],
        say["retention.audit"].format(audit=say["audit"]),
        say["retention.feedback"],
        say["retention.keys"],
        say["retention.accounts"],
    ]
    lines += [say["retention.inbox"]] if found["chats"] else []
    kept = {**found["retention"], **{f"audit.{key}": value for key, value in found["audit"].items()}}
    lines += [say["retention.key"].format(key=key, value=value) for key, value in kept.items()]
    return lines if found["retention"] else [*lines, say["retention.unset"]]


def _measure_lines(found: Mapping[str, Any], say: Mapping[str, str]) -> list[str]:
    values = {
        "egress": ", ".join(found["recipients"]) or say["nosource"],
        "kernel": found["egress"].get("kernel", "?"),
    }
    return [
        f"{say[f'm.{name}'].format(**values)} ({say['measure.check']}: {check})"
        for name, check in found["measures"].items()
    ]
