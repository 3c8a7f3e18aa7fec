"""`rag audit …` and `rag replay RECEIPT`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rag.cli import FAILED, OK, output
from rag.cli.door import single
from rag.errors import SettingsError
from rag.store.people import read_key

_SAID = {
    "opened": "asked",
    "searched": "searched",
    "looked_up": "looked up",
    "viewed": "read",
    "listed": "listed documents",
    "opened_original": "opened the file",
    "uploaded": "uploaded",
    "upload_removed": "removed an upload",
    "judged": "judged an answer",
    "removals_confirmed": "confirmed removals",
    "explained": "asked why",
    "replayed": "had an answer given again",
    "subject": "looked where a person stands",
    "erasure_shown": "looked what of a person would be erased",
    "examined": "looked at the audit",
    "exported": "exported the audit",
    "backed_up": "backed up",
    "keys_made": "made two keys",
    "reidentified": "re-identified",
    "reidentify_refused": "tried to re-identify",
    "purged": "purged",
    "key_added": "made an API key",
    "key_revoked": "revoked an API key",
    "key_released": "confirmed an API key",
    "user_suspended": "shut somebody out",
    "user_resumed": "let somebody in again",
}


def audit(options: argparse.Namespace) -> int:
    """One of the actions."""
    return {
        "show": _show,
        "verify": _verify,
        "head": _head,
        "export": _export,
        "purge": _purge,
        "keys": _keys,
        "reidentify": _reidentify,
    }[options.action](options)


def replay(options: argparse.Namespace) -> int:
    """The same answer, or what has changed since."""
    found = single(
        options,
        "replay",
        receipt=options.receipt,
        question=options.question,
        user=options.user,
        reason=options.reason,
        model=options.model,
    )
    if options.json:
        return OK if found["same"] else FAILED
    if found["answer"]:
        output.out.print(output.safe(found["answer"]["text"]))
    output.out.print("[green]The same answer.[/]" if found["same"] else "[yellow]Not the same answer:[/]")
    for change in found["changes"]:
        output.flow(output.safe(change["said"]), lead="  – ")
    if found["also"]:
        output.err.print(f"[dim]A search would also find today: {output.safe(', '.join(found['also']))}[/]")
    return OK if found["same"] else FAILED


def _show(options: argparse.Namespace) -> int:
    wanted = {name: getattr(options, name) for name in ("document", "user", "since", "receipt")}
    found = single(options, "audit_show", **wanted)
    if not options.json:
        headings = ("no.", "when", "who", "did", "what", "receipt")
        output.table(headings, _rows(found["records"]))
    return OK


def _rows(records: Iterable[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    """A line each: an answer's end stands with its beginning."""
    listed = list(records)
    ends = {record["receipt"]: record for record in listed if record["event"] == "closed"}
    for record in listed:
        if record["event"] == "closed":
            continue
        end = ends.get(record.get("receipt", ""))
        did = _SAID.get(record["event"], record["event"])
        did += f": {end['outcome']}" if end else ": no end" if record["event"] == "opened" else ""
        yield (
            record["sequence"],
            output.moment(record["at"]),
            _who(record),
            f"{did} (GLASS BROKEN)" if record.get("glass") else did,
            "; ".join(_what(record)),
            record.get("receipt", ""),
        )


def _who(record: dict[str, Any]) -> str:
    if "user" not in record:
        return ""
    named = {who: record.get(f"{who}_name") or record[who] for who in ("user", "acting") if who in record}
    return f"{named['user']} (by {named['acting']})" if "acting" in named else str(named["user"])


def _what(record: dict[str, Any]) -> Iterator[str]:
    for text in ("question_text", "reason_text"):
        if record.get(text):
            yield f"„{record[text]}“"
    shown = [*record.get("passages", ()), *record.get("links_documents", ())]
    shown += [record] if "document" in record else []
    yield from dict.fromkeys(_document(entry) for entry in shown)
    if "about" in record:
        yield f"about {record.get('about_name') or record['about']}"
    if "key" in record:
        yield f"key {record['key']}"
    if "pseudonym" in record:
        yield record["pseudonym"]
    if "segments" in record:
        yield output.counted(sum(entry["count"] for entry in record["segments"]), "record")


def _document(entry: dict[str, Any]) -> str:
    """Its id and the readers it was shown by, or its key once it is gone."""
    rule = f" ({', '.join(entry['rule'])})" if entry.get("rule") else ""
    return f"{entry.get('document_id') or entry['document']}{rule}"


def _verify(options: argparse.Namespace) -> int:
    found = single(options, "audit_verify", anchor=_anchor(options.anchor))
    bad = found["first_bad_record"]
    if not options.json:
        if bad is None:
            output.out.print(f"All {found['records']} records hold. Head: {found['records']}:{found['head']}")
        else:
            day = f" of {found['day']}" if found["day"] else ""
            output.out.print(f"Record {bad}{day} does not hold: {output.safe(found['what'])}.")
    return OK if bad is None else FAILED


def _anchor(typed: str | None) -> str | None:
    """The anchor itself, or what the file of that name holds."""
    if typed is None or not Path(typed).is_file():
        return typed
    try:
        return Path(typed).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise SettingsError(f"The file {typed} cannot be read: {error.strerror}.") from error


def _head(options: argparse.Namespace) -> int:
    found = single(options, "audit_head")
    if not options.json:
        output.out.print(found["anchor"])
    return OK


def _export(options: argparse.Namespace) -> int:
    found = single(options, "audit_export", file=str(options.file.expanduser().absolute()))
    if not options.json:
        output.out.print(f"{output.counted(found['records'], 'record')} written to {output.safe(found['file'])}.")
    return OK


def _purge(options: argparse.Namespace) -> int:
    found = single(options, "audit_purge")["purged"]
    if not options.json:
        output.table(("kind", "purged"), found.items())
    return OK


def _keys(options: argparse.Namespace) -> int:
    one, other = (str(file.expanduser().absolute()) for file in options.files)
    single(options, "audit_keys", one=one, other=other)
    if not options.json:
        output.out.print(
            "Two keys were made. Give each file to another person and take both off this machine: together they open "
            "names, one alone opens nothing, and a lost one is not made again."
        )
    return OK


def _reidentify(options: argparse.Namespace) -> int:
    keys = [read_key(file.expanduser()).hex() for file in options.keys]
    found = single(options, "audit_reidentify", pseudonym=options.pseudonym, keys=keys, reason=options.reason)
    if not options.json:
        output.out.print(output.safe(found["name"]))
    return OK
