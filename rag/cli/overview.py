"""What is indexed, as a terminal shows it: the home, its sources, its documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.cli.output import counted, flow, moment, out, safe

_TEXT_AT = 18  # the column at which a document's name begins


def status(found: dict[str, Any]) -> None:
    """The home in a few lines, then each source."""
    documents = f"{found['documents']:,}"
    if found["failed"]:
        documents += f", {found['failed']:,} failed: rag documents --failed"
    rows = [("home", found["home"]), ("documents", documents), ("chunks", f"{found['chunks']:,}")]
    rows.append(("embedder", found["embedder"]))
    rows.append(("model", _writer(found["language_model"])))
    if any(found.get("erased", {}).values()):
        rows.append(("erased", _erased(found["erased"])))
    if found.get("removals"):
        rows.append(("removals", _removals(found["removals"])))
    for name, value in rows:
        flow(safe(str(value)), lead=f"[dim]{name}[/]", width=11)
    if found["sources"]:
        out.print()
    sources(found["sources"])
    if not found["documents"]:
        out.print()
        typed = "rag ingest" if found["sources"] else "rag ingest FOLDER"
        flow(f"Nothing is indexed here yet. To begin: {typed}")


def _writer(model: dict[str, str]) -> str:
    """As it is configured: whether it runs, `rag doctor` says."""
    if model["provider"] == "none":
        return "none is wanted: answers are extracts"
    return f"{model['model'] or 'the one that is there'} ({model['provider']})"


def erased(found: dict[str, int]) -> None:
    """What is kept out because it was erased; nothing where nothing was."""
    if any(found.values()):
        flow(f"[dim]erased: {_erased(found)}[/]")


def _erased(found: dict[str, int]) -> str:
    told = f"{counted(found['kept_out'], 'place')} kept out: rag erase"
    if found["allowed"]:
        told += f"; {found['allowed']:,} allowed again"
    if found["unfinished"]:
        told += f"; {counted(found['unfinished'], 'erasure')} under way or interrupted"
    return told


def _removals(figures: dict[str, Any]) -> str:
    if not figures["count"]:
        return "none followed since the sources are watched"
    times = "half within {p50_s:.1f} s, 95 % within {p95_s:.1f} s, all within {max_s:.1f} s".format(**figures)
    return f"{figures['count']:,} followed: {times}"


def sources(found: Sequence[dict[str, Any]]) -> None:
    """Each source: where, what, who, how it stands and what to do."""
    for source in found:
        flow(safe(source["path"]) or "[dim]no folder[/]", lead=f"[bold]{safe(source['name'])}[/]  ")
        facts = [counted(source["documents"], "document")]
        if source["failed"]:
            facts.append(f"{source['failed']:,} failed")
        if source["from"] != "nowhere":
            facts += [f"read by {', '.join(source['readers']) or 'nobody'}", source["class"]]
            facts.append(f"from {'rag.toml' if source['from'] == 'settings' else 'rag ingest'}")
        flow(safe(" · ".join(facts)), width=4)
        _standing(source)


def _standing(source: dict[str, Any]) -> None:
    facts = []
    if source["state"] in ("level", "unreadable"):
        facts.append(f"[green]level[/] as of {moment(source['reached_at'])}")
    elif source["reached_at"]:
        facts.append(f"last reached {moment(source['reached_at'])}")
    if source["watched"]:
        facts.append(f"watched by {source['watched']}")
    if facts:
        flow(" · ".join(facts), width=4)
    for remark in source["remarks"]:
        flow(f"[yellow]{safe(remark['what'])}[/]", width=4)
        if remark["advice"]:
            flow(safe(remark["advice"]), width=8)


def documents(found: Sequence[dict[str, Any]]) -> None:
    """A line a document; below it what is to be known of it."""
    for entry in found:
        mark = "*" if entry.get("notes") else " "
        colour = "yellow" if entry["reason"] else "not dim"
        name, title = safe(entry["document_id"]), safe(" ".join(entry["title"].split()))
        lead = f"[{colour}]{entry['state']}{mark}[/]".ljust(len(colour) + 15) + f"{entry['chunks']:>6,}"
        told = entry["reason"] or title in name
        flow(name if told else f"{name} [dim]· {title}[/]", lead=lead, width=_TEXT_AT)
        if entry["reason"]:
            flow(safe(entry["reason"]), width=_TEXT_AT)
        for note in entry.get("notes", ()):
            flow(f"[dim]{safe(note)}[/]", lead=f"{'':{_TEXT_AT - 2}}[dim]*[/]", width=_TEXT_AT)
        if entry.get("as_of"):
            flow(f"[dim]as of {moment(entry['as_of'])}: its source cannot be reached now[/]", width=_TEXT_AT)


def failed(found: Sequence[dict[str, Any]]) -> None:
    """Each document that could not be used: why, and what to do."""
    if not found:
        out.print("No document failed.")
        return
    for entry in found:
        flow(f"[bold]{safe(entry['document_id'])}[/]")
        older = "; an older version of it still answers" if entry["state"] == "outdated" else ""
        flow(f"[yellow]{safe(entry['reason'])}[/]{older}", width=4)
        if entry.get("advice"):
            flow(safe(entry["advice"]), width=4)
    out.print()
    flow(f"{counted(len(found), 'document')} failed. Each is tried again when its file changes: rag ingest")
