"""`rag doctor --prove-offline` and `--check-proof`: exit code 0 proven, 1 something left, 2 it could not be run."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rag.cli import FAILED, OK, USAGE, filing, output
from rag.cli.door import settings_of
from rag.egress.endpoints import of_url
from rag.errors import ModelUnavailable
from rag.govern.proof import certificate
from rag.govern.proof.rehearsal import Script
from rag.govern.proof.trial import LEFT, NOT_RUN, PROVEN, surroundings
from rag.models.catalogue import MODELS, Kind
from rag.models.weights import find
from rag.settings import Settings
from rag.settings.models import EmbedderSettings

_PATIENCE_S: Final = 1800
_CODES: Final = {PROVEN: OK, LEFT: FAILED, NOT_RUN: USAGE}


def check(options: argparse.Namespace) -> int:
    """Is this certificate as this home wrote it?"""
    settings = settings_of(options)
    holds = certificate.holds(options.check_proof, settings.home)
    if options.json:
        output.print_json({"holds": holds})
    else:
        output.out.print(
            "It is as this home wrote it." if holds else "It was changed, or another home wrote it: do not rely on it."
        )
    return OK if holds else FAILED


def prove(options: argparse.Namespace) -> int:
    """Run the real stack where nothing can leave unseen, and certify what was seen."""
    settings = settings_of(options)
    if options.out:
        filing.ready(options.out)  # it takes a minute: not to be told only then
    waiting = output.err.status("The real commands run in a network of their own, about a minute …")
    with waiting if output.err.is_terminal else open(os.devnull):  # noqa: PTH123 - nothing to show
        found = _tried(settings, options)
    found["configured"] = [str(one) for one in settings.endpoints()]
    signed = certificate.signed(found, settings.home)
    written = certificate.write(signed, options.out, language=options.language) if options.out else ()
    if options.json:
        output.print_json(signed)
    else:
        output.out.print(output.safe("\n".join(certificate.page(signed, options.language))), highlight=False)
    for path in written:
        output.err.print(f"{output.safe(str(path))} written.")
    return _CODES.get(signed["verdict"], USAGE)


def _tried(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    lockdown = "strict" if options.without_switches else "off"
    models = _models(settings)
    given = {
        "script": asdict(_script(settings, options, lockdown, models)),
        "ports": [of_url(EmbedderSettings().base_url).port],
        "lockdown": lockdown,
        "models": models,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rag.govern.proof.trial"],
            input=json.dumps(given), capture_output=True, text=True, check=False, timeout=_PATIENCE_S,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    except subprocess.TimeoutExpired:
        problem = "it did not end within half an hour"
    except ValueError:
        problem = f"its process ended early: {done.stderr.strip()[-300:]}"
    return {"verdict": NOT_RUN, "problem": problem, "began": "", "seconds": 0, **surroundings()}


def _models(settings: Settings) -> dict[str, str]:
    """The configured embedder, and the smallest language model there is: each path of the code, in little time."""
    embedder = settings.embedder.model if settings.embedder.provider != "ollama" else "e5-small"
    writers = [name for name, model in MODELS.items() if model.kind is Kind.LANGUAGE_MODEL]
    there = [name for name in writers if _is_there(name, settings.models)]
    smallest = min(there, key=lambda name: MODELS[name].weights.size_bytes, default="")
    return {"embedder": embedder, "language_model": smallest}


def _is_there(name: str, directory: Path) -> bool:
    try:
        find(name, directory=directory)
    except ModelUnavailable:
        return False
    return True


def _script(settings: Settings, options: argparse.Namespace, lockdown: str, models: dict[str, str]) -> Script:
    provider = settings.embedder.provider if settings.embedder.provider != "ollama" else "openvino"
    writer = models["language_model"]
    text = f"""
[embedder]
provider = "{provider}"
model = {json.dumps(models["embedder"])}
[llm]
provider = "{"auto" if writer else "none"}"
model = "{writer}"
context_tokens = 2048
max_answer_tokens = 32
[retrieval]
evidence = 0.0
[egress]
lockdown = "{lockdown}"
"""
    sample = str(options.sample.absolute()) if options.sample and options.sample.is_dir() else ""
    quick = options.quick
    return Script(
        settings=text,
        models=str(settings.models),
        sample="" if quick else sample,
        answers=1 if quick else 2,
        searches=2 if quick else 8,
        idle_s=options.idle if options.idle is not None else (1.0 if quick else 15.0),
        bare=options.without_switches,
    )
