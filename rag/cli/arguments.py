"""What can be typed: commands, their options and their help. Options of the same kind have rooms of their own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from rag import __version__
from rag.bots.platforms import PLATFORMS
from rag.cli.argument_values import port, positive
from rag.cli.arguments_govern import auditing, erasing, examining, keys
from rag.cli.arguments_models import evaluating, models, tuning
from rag.cli.arguments_reading import asking, reading


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
    ask.add_argument(
        "--conversation", metavar="FILE", help='what was said before, a JSON list: [{"role": "user", "content": …}, …]'
    )
    ask.add_argument("--model", metavar="NAME", help="another language model than the settings name")
    asking(ask)

    search = command("search", "Find passages; no language model is used.")
    search.add_argument("query", nargs="?", metavar="QUERY")
    search.add_argument("-k", type=positive, default=10, metavar="N", help="how many passages (10)")
    search.add_argument("--batch", metavar="FILE", help='queries, a line each: {"id": …, "text": …}; - for stdin')
    asking(search)

    serve = command("serve", "Answer over HTTP, with the web page, and keep the sources level.")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=port, default=8088, help="port to listen on (8088)")
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate with its chain, PEM: answer by https")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM, readable to us alone")
    serve.add_argument("--no-watch", action="store_true", help="do not watch the sources")

    tools = command("mcp", "Answer a program on this machine over stdin and stdout (Model Context Protocol).")
    reading(tools)

    command("status", "What is indexed, with which models, by whom.")
    documents = command("documents", "Every document and its state.")
    documents.add_argument("--failed", action="store_true", help="only those that failed, with the reason")
    show = command("show", "Print a document's text.")
    show.add_argument("document", metavar="DOCUMENT", help="its id, as `rag documents` lists it")
    reading(show, glass=True)
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
    restore.add_argument(
        "--journal",
        type=Path,
        metavar="FILE|DIR",
        help="erase again by this erasure journal, and end again what the revocations beside it say; or both in DIR",
    )

    erasing(command("erase", "Erase documents, or a person's, for good and prove it; without names, list erasures."))
    subject = command("subject", "Where a person stands, without other people's text (access request, Art. 15).")
    subject.add_argument("action", choices=("find",))
    subject.add_argument("name", metavar="NAME")
    subject.add_argument("--alias", action="append", metavar="NAME", help="another way the name is written")
    subject.add_argument("--reason", required=True, metavar="TEXT", help="why you look, such as the request (audited)")
    subject.add_argument("--out", type=Path, metavar="DIR", help="write subject.json and subject.html")
    subject.add_argument("--language", choices=("de", "en"), help="of the page (the terminal's)")

    auditing(command("audit", "Who was shown what."), every)
    replay = command("replay", "Give an answer again from its receipt, or say what has changed since.")
    replay.add_argument("receipt", metavar="RECEIPT", help="as the answer names it")
    replay.add_argument("--question", metavar="TEXT", help="the question, letter by letter, where its text is not kept")
    replay.add_argument("--model", metavar="NAME", help="another language model than the settings name")
    reading(replay)

    keys(actions(command("keys", "API keys: who may ask from programs and from beyond this machine.")))

    _bots(command("bot", "Answer in a chat, in a process of its own (Slack, Teams, Matrix)."), every)

    models(actions(command("models", "Which models there are, under which licence; fetch, pin and update them.")))
    tuning(command("tune", "Fit the embedder to your documents, or export what a model can be trained on."), every)

    evaluating(command("eval", "Measure retrieval and answers on questions whose answers are known."))

    cost = command("cost", "What answers cost on this machine, beside a price table for interfaces that you give.")
    cost.add_argument(
        "--metrics",
        type=Path,
        metavar="FILE",
        help="what /metrics of a service elsewhere gave, saved (default: of the one that runs here)",
    )
    cost.add_argument("--prices", type=Path, metavar="FILE", help="TOML or CSV: name, input, output (a million tokens)")
    cost.add_argument("--per-day", type=positive, metavar="N", help="answers a day now (what the metrics tell)")
    cost.add_argument("--out", type=Path, metavar="FILE", help="write a page with a plot, HTML in one file")

    examining(command("doctor", "Check this installation and say what to mend; or prove that nothing leaves."))
    dpia = command("dpia", "The record of processing and the facts for an impact assessment, as configured.")
    dpia.add_argument("--language", choices=("de", "en"), default="de", help="of the paper (de)")
    dpia.add_argument("--out", type=Path, metavar="FILE", help="write the paper there, as Markdown")
    demo = command("demo", "Index the sample company and ask it four questions.")
    demo.add_argument("--sample", type=Path, default=Path("data/sample"), help="folder to index (data/sample)")
    init = command("init", "Write a commented rag.toml.")
    init.add_argument("--force", action="store_true", help="write over an existing file")
    return top


def _bots(command: argparse.ArgumentParser, every: argparse.ArgumentParser) -> None:
    below = command.add_subparsers(dest="platform", required=True, metavar="PLATFORM|messages")
    for platform in PLATFORMS.values():
        about = f"Run the {platform.title} bot until it is stopped."
        one = below.add_parser(platform.name, help=about, description=about, parents=[every])
        one.set_defaults(action="run", out=None)
        actions = one.add_subparsers(dest="action", metavar="ACTION")
        about = "Try settings, credentials and the way to the service, and say what is missing."
        actions.add_parser("check", help=about, description=about, parents=[every])
        if platform.manifest:
            about = "Write the manifest to upload at the platform."
            manifest = actions.add_parser("manifest", help=about, description=about, parents=[every])
            manifest.add_argument("--out", type=Path, metavar="FILE", help="write it there (stdout)")
    about = "Which messages of bots show a document, and have them taken back."
    messages = below.add_parser("messages", help=about, description=about, parents=[every])
    messages.add_argument(
        "--document", metavar="DOCUMENT", help="that show this one: an id, or its key once it is gone"
    )
    messages.add_argument("--gone", action="store_true", help="that show a document that is no longer there")
    messages.add_argument("--remove", action="store_true", help="have their bots take these back")
