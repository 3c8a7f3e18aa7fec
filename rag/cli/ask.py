"""`rag ask` and `rag search`: one question, or a file of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rag.cli import NOTHING, OK, output
from rag.cli.door import Door, door, last, settings_of
from rag.errors import SettingsError
from rag.question import question_of
from rag.text.language import language_of_question
from rag.text.phrases import phrases_of
from rag.text.sentences import texts


def ask(options: argparse.Namespace) -> int:
    """One question, streamed; or a file of them."""
    _one_of(options, "question")
    arguments = {**_scope(options), "model": options.model}
    if options.conversation:
        arguments["conversation"] = _conversation(Path(options.conversation))
    lines = list(_batch_lines(options.batch)) if options.batch else []
    with door(settings_of(options)) as way:
        if options.batch:
            return _batch(lines, lambda text: last(way.call("ask", {"question": text, **arguments})))
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
            elif event["event"] == "thinking" and waiting:
                waiting.update("writing …" if event["over"] else "the model is thinking …")
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
            return _batch(lines, lambda text: last(way.call("search", {"query": text, **arguments})))
        found = last(way.call("search", {"query": options.query, **arguments}))
    output.print_json(found) if options.json else output.passages(found, options.query)
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
    """No passage at all mostly means filters that leave nothing, a phrase that stands nowhere, another home, or a
    source that nobody may read."""
    home = output.safe(str(settings_of(options).home))
    if _scope(options)["filters"]:
        output.err.print("[dim]No passage at all under these filters: try with fewer.[/]")
        return
    asked = options.question if options.command == "ask" else options.query
    words = texts(language_of_question(asked))
    output.err.print(f"[dim]{words['quoted'] if phrases_of(asked) else words['nothing_found_in'].format(home=home)}[/]")


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
