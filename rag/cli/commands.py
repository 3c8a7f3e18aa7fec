"""What each command does: ask the service, print what it says, choose the exit code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rag import logs
from rag.bots.platforms import PLATFORMS
from rag.cli import NOTHING, OK, filing, output, overview
from rag.cli.door import Door, door, settings_of
from rag.egress.closing import close_in
from rag.egress.lockdown import Mode
from rag.errors import SettingsError
from rag.language import language_of_question
from rag.question import question_of
from rag.settings_operations import LogSettings
from rag.texts import texts


def run(options: argparse.Namespace) -> int:
    """Run the command that was typed; returns its exit code."""
    logs.set_up(level="INFO" if options.verbose else "ERROR", words=options.verbose)
    if not _is_open(options) and not _proves(options) and not _is_bot(options):
        settings = settings_of(options)  # closed first: the command's libraries start threads
        if options.command in ("serve", "watch"):
            log_as(settings.logs, verbose=options.verbose)
        listen = (options.port,) if options.command == "serve" else ()
        close_in(Mode(settings.egress.lockdown), endpoints=settings.endpoints(), listen=listen)
    return _COMMANDS[options.command](options)


def log_as(wanted: LogSettings, *, verbose: bool) -> None:
    """Log as the settings want it."""
    level = "INFO" if verbose and wanted.level != "debug" else wanted.level.upper()
    logs.set_up(level=level, as_json=wanted.format == "json", words=verbose)


def ask(options: argparse.Namespace) -> int:
    """One question, streamed; or a file of them."""
    _one_of(options, "question")
    arguments = {**_scope(options), "model": options.model}
    if options.conversation:
        arguments["conversation"] = _conversation(Path(options.conversation))
    lines = list(_batch_lines(options.batch)) if options.batch else []
    with door(settings_of(options)) as way:
        if options.batch:
            return _batch(lines, lambda text: _last(way.call("ask", {"question": text, **arguments})))
        return _ask_one(options, way, {"question": options.question, **arguments})


def _conversation(path: Path) -> list[Any]:
    """What was said before, from a file; its entries are checked where they are used.

    Raises:
        SettingsError: it cannot be read, or is no JSON list.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON in UTF-8"
        raise SettingsError(f"The conversation {path} cannot be read: {reason}.") from error
    if not isinstance(found, list):
        raise SettingsError(f'The conversation {path} is not a JSON list of {{"role", "content"}} entries.')
    return found


def _ask_one(options: argparse.Namespace, way: Door, arguments: dict[str, Any]) -> int:
    answer: dict[str, Any] = {}
    extracts: list[dict[str, Any]] = []  # held: what they are is said before the first of them
    waiting = output.err.status("…", spinner="dots") if output.err.is_terminal and not options.json else None
    if waiting:
        waiting.start()
    try:
        for event in way.call("ask", arguments):
            if event["event"] == "done":
                answer = event
            elif event["event"] == "sentence" and event.get("extract", False):
                extracts.append(event)
            elif event["event"] == "sentence" and not options.json:
                if waiting:
                    waiting.stop()
                output.sentence(event)
            elif event["event"] == "passages" and waiting:
                waiting.update(f"{len(event['passages'])} passages, reading …")
    finally:
        if waiting:
            waiting.stop()
    del answer["event"]
    if options.json:
        output.print_json(answer)
    else:
        output.ending(answer, explanation(answer), extracts)
    if answer["outcome"] == "nothing_found" and not answer["passages"]:
        _say_where_to_look(options)
    return NOTHING if answer["outcome"] == "nothing_found" else OK


def explanation(answer: dict[str, Any]) -> str | None:
    """The outcome's sentence in the question's language; None where the answer speaks for itself."""
    words = texts(language_of_question(answer["question"]))
    return words.get(f"{answer['outcome']}.{answer.get('reason')}", words.get(answer["outcome"]))


def search(options: argparse.Namespace) -> int:
    """Passages for one query, or for a file of them."""
    _one_of(options, "query")
    arguments = {**_scope(options), "k": options.k}
    lines = list(_batch_lines(options.batch)) if options.batch else []
    with door(settings_of(options)) as way:
        if options.batch:
            return _batch(lines, lambda text: _last(way.call("search", {"query": text, **arguments})))
        found = _last(way.call("search", {"query": options.query, **arguments}))
    output.print_json(found) if options.json else output.passages(found)
    if not found["passages"]:
        _say_where_to_look(options)
    return OK if found["passages"] else NOTHING


def _scope(options: argparse.Namespace) -> dict[str, Any]:
    """Who asks, and where."""
    filters = {name: given for name in ("languages", "types", "since", "paths") if (given := getattr(options, name))}
    return {**reading(options), "sources": options.sources, "filters": filters}


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """For whom something is read, and why."""
    return {"user": options.user, "reason": options.reason, "break_glass": options.break_glass}


def _say_where_to_look(options: argparse.Namespace) -> None:
    """No passage at all mostly means filters that leave nothing, another home, or a source that nobody may read."""
    home = output.safe(str(settings_of(options).home))
    if _scope(options)["filters"]:
        output.err.print("[dim]No passage at all under these filters: try with fewer.[/]")
        return
    where = texts(language_of_question(options.question if options.command == "ask" else options.query))
    output.err.print(f"[dim]{where['nothing_found_in'].format(home=home)}[/]")


def status(options: argparse.Namespace) -> int:
    """Counts, sources, models."""
    found = single(options, "status")
    if not options.json:
        overview.status(found)
    return OK


def documents(options: argparse.Namespace) -> int:
    """Every document and its state."""
    whole = single(options, "documents", failed=options.failed)
    found = whole["documents"]
    if not options.json:
        overview.failed(found) if options.failed else overview.documents(found)
        overview.erased(whole.get("erased", {}))
    return OK


def show(options: argparse.Namespace) -> int:
    """The text and nothing else."""
    found = single(options, "show", document=options.document, **reading(options))
    if not options.json:
        text = output.visible(found["text"]) if sys.stdout.isatty() else found["text"]
        sys.stdout.write(text + "\n")
    return OK


def why(options: argparse.Namespace) -> int:
    """May they, and by which reader."""
    found = single(options, "why", user=options.user, document=options.document)
    if not options.json:
        if found["may_read"]:
            output.out.print(f"Yes: {output.safe(found['user'])} reads it as {output.safe(', '.join(found['by']))}.")
        else:
            output.out.print(f"No: {output.safe(found['user'])} does not read it.")
        for sentence in found["because"]:
            output.flow(output.safe(sentence), width=4)
    return OK


def sources(options: argparse.Namespace) -> int:
    """List them, or forget one."""
    if options.action == "remove":
        if not options.name:
            raise SettingsError("Which source? `rag sources` lists them; then `rag sources remove NAME`.")
        found = single(options, "remove_source", name=options.name)
        if not options.json:
            output.out.print(f"Forgotten, with {found['removed']} documents.")
            if shown := found.get("bot_messages"):
                output.flow(f"{output.counted(shown, 'message')} of bots show documents that are gone: ")
                output.flow("rag bot messages --gone", width=4)
        return OK
    found = single(options, "sources")
    if not options.json:
        overview.sources(found["sources"])
    return OK


def index(options: argparse.Namespace) -> int:
    """Rebuild."""
    found = single(options, "rebuild")
    if not options.json:
        output.out.print(f"Both indexes were made anew: {found['chunks']} chunks, nothing embedded.")
    return OK


def init(options: argparse.Namespace) -> int:
    """Write the commented settings."""
    from rag.settings_template import template

    path = options.config or Path("rag.toml")
    if path.exists() and not options.force:
        raise SettingsError(f"{path} exists; --force writes over it.")
    filing.write(path, template())
    output.print_json({"written": str(path)}) if options.json else output.out.print(f"{path} written.")
    return OK


def single(options: argparse.Namespace, operation: str, **arguments: Any) -> dict[str, Any]:
    """The one result of an operation, printed where it is wanted as JSON."""
    with door(settings_of(options)) as way:
        found = _last(way.call(operation, arguments))
    if options.json:
        output.print_json(found)
    return found


def _last(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for event in events:
        last = event
    last.pop("event", None)
    return last


def _batch(lines: Sequence[dict[str, str]], answer: Callable[[str], dict[str, Any]]) -> int:
    """A line in, a line out, in order."""
    for line in lines:
        output.print_json({"id": line["id"], **answer(line["text"])})
    return OK


def _batch_lines(name: str) -> Iterator[dict[str, str]]:
    """What is asked; a line that is none is refused before anything is worked on."""
    try:
        content = (sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The file {name} cannot be read: {reason}.") from error
    for number, line in enumerate(content.split("\n"), 1):  # a line of JSON may hold other line separators
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            asked = {"id": entry["id"], "text": "" + entry["text"]}
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f'{name}, line {number}: a line is {{"id": …, "text": …}}.') from error
        try:
            yield asked | {"text": question_of(asked["text"])}
        except SettingsError as error:
            raise SettingsError(f"{name}, line {number}: {error}") from error


def _one_of(options: argparse.Namespace, name: str) -> None:
    given = (getattr(options, name) or "").strip()
    if bool(given) == bool(options.batch):
        raise SettingsError(f"Give either a {name} or --batch FILE.")


def _later(name: str) -> Callable[[argparse.Namespace], int]:
    """A command whose module is loaded only when it is typed."""

    def run_it(options: argparse.Namespace) -> int:
        from importlib import import_module

        module, function = name.split(":")
        chosen: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
        return chosen(options)

    return run_it


def _proves(options: argparse.Namespace) -> bool:
    """The proof opens no store either: it starts the commands themselves, each of which closes itself."""
    return bool(getattr(options, "prove_offline", False))


def _is_bot(options: argparse.Namespace) -> bool:
    """A bot's process closes itself: it reaches its platform and the service, and none of what the service reaches."""
    return options.command == "bot" and options.platform in PLATFORMS


def _is_open(options: argparse.Namespace) -> bool:
    return options.command in _OPEN and getattr(options, "action", None) not in _CLOSED


_CLOSED = frozenset({"compare"})
"""Actions of those commands that do open one."""

_OPEN = frozenset({"init", "models"})
"""Commands that open no store: `models fetch` is the one that may download."""

_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "ask": ask,
    "audit": _later("rag.cli.audit:audit"),
    "bot": _later("rag.cli.bots:bot"),
    "backup": _later("rag.cli.backup:backup"),
    "cost": _later("rag.cli.cost:tell"),
    "demo": _later("rag.cli.demo:demo"),
    "doctor": _later("rag.cli.doctor:doctor"),
    "documents": documents,
    "erase": _later("rag.cli.erase:erase"),
    "dpia": _later("rag.cli.dpia:dpia"),
    "eval": _later("rag.cli.evaluation:evaluation"),
    "index": index,
    "ingest": _later("rag.cli.ingest:ingest"),
    "init": init,
    "keys": _later("rag.cli.keys:keys"),
    "mcp": _later("rag.cli.mcp:serve"),
    "models": _later("rag.cli.weights:models"),
    "replay": _later("rag.cli.audit:replay"),
    "restore": _later("rag.cli.backup:restore"),
    "search": search,
    "serve": _later("rag.cli.serve:serve"),
    "show": show,
    "sources": sources,
    "status": status,
    "subject": _later("rag.cli.erase:subject"),
    "tune": _later("rag.cli.tune:tune"),
    "watch": _later("rag.cli.serve:watch"),
    "why": why,
}
