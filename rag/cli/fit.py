"""`rag models fit`: what this machine can run, how fast, and with which settings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag.cli import FAILED, OK, output
from rag.cli.door import settings_of
from rag.egress import is_local
from rag.errors import ModelError, ModelUnavailable
from rag.models.catalogue import MODELS, Kind
from rag.models.fit import advice, anatomy, gguf, machine, memory, speed
from rag.models.fit.advice import Candidate, Place, Verdict
from rag.models.licences import judge, named
from rag.models.shown import of_answer
from rag.models.weights import Weights, find
from rag.models_in_use.writers import policy_of
from rag.settings import Settings

_GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """The machine, what it can do, the runtime's features, and which of Ollama's models lie on a GPU now."""

    machine: machine.Machine
    power: speed.Power
    features: frozenset[str]
    threads: int
    running: tuple[dict[str, Any], ...]


def fit(options: argparse.Namespace) -> int:
    """Judge the models named, or all that are here. 1 where one of those named cannot be judged."""
    settings = settings_of(options)
    here = _here(settings)
    context = options.context or settings.llm.context_tokens
    verdicts, problems = [], []
    with output.err.status("Measuring …") if output.err.is_terminal and not options.json else nullcontext():
        for name, found in _candidates(options.names, settings, here, quick=options.quick):
            if isinstance(found, Candidate):
                verdicts.append(advice.judge(found, here.machine, context=context, features=here.features))
            else:
                problems.append({"model": name, "problem": str(found)})
    chosen = advice.best(verdicts)
    if options.json:
        output.print_json(_json(here, context, verdicts, chosen, problems))
    else:
        _print(settings, here, context, verdicts, chosen, problems)
    return FAILED if problems and options.names else OK


def _here(settings: Settings) -> _Here:
    found = machine.read()
    threads = settings.llm.threads or advice.threads(found)
    return _Here(
        machine=found,
        power=speed.measure(threads),
        features=machine.runtime_features(),
        threads=threads,
        running=_running(settings),
    )


# ---- which models ----


def _candidates(
    names: list[str], settings: Settings, here: _Here, *, quick: bool
) -> Iterator[tuple[str, Candidate | ModelError]]:
    for name in names or _all(settings):
        try:
            yield name, _candidate(name, settings, here, quick=quick)
        except ModelError as error:
            yield name, error


def _all(settings: Settings) -> list[str]:
    """The language models whose weights are here, and those Ollama has."""
    embedded = []
    for name, model in MODELS.items():
        if model.kind is Kind.LANGUAGE_MODEL and model.in_directory(settings.models).is_file():
            embedded.append(name)
    try:
        from rag.models.ollama_server import OllamaServer
        from rag.models.streaming import Limits

        server = OllamaServer(settings.server_of("ollama"), limits=Limits(connect_s=0.5))
        return embedded + [str(entry["name"]) for entry in server.local_models() if not server.only_embeds(entry)]
    except ModelError:
        return embedded


def _candidate(name: str, settings: Settings, here: _Here, *, quick: bool) -> Candidate:
    if name in MODELS or name.endswith(".gguf"):
        weights = None if name.endswith(".gguf") else find(name, directory=settings.models)
        if weights is not None and weights.model.kind is not Kind.LANGUAGE_MODEL:
            raise ModelUnavailable(f"{name} is no language model; only those are judged.")
        path = Path(name).expanduser() if weights is None else weights.path
        found = anatomy.of_file(gguf.read(path))
        guess = speed.estimate(found, here.power)
        fits = memory.predict(found, context=1024, features=here.features).total < here.machine.free
        runs = not quick and fits and bool(here.features)
        return Candidate(
            name=name,
            anatomy=found,
            runtime="embedded",
            speed=speed.trial(path, threads=here.threads) if runs else guess,
            refused=_refused(name, weights, settings),
        )
    return _of_ollama(name, settings, here)


def _refused(name: str, weights: Weights | None, settings: Settings) -> str:
    """Why these settings do not let in a model that runs in this process; "" where they do."""
    if weights is None:
        name = Path(name).stem
        return policy_of(settings).refusal(name, judge(name=name))
    return policy_of(settings).refusal(weights.model.title, named(weights.model.licence))


def _of_ollama(name: str, settings: Settings, here: _Here) -> Candidate:
    from rag.models.ollama_server import OllamaServer
    from rag.models.streaming import Limits

    server = OllamaServer(settings.server_of("ollama"), limits=Limits())
    server.refuse_cloud_name(name)
    entry, content = server.entry(name), server.content(name)
    found = anatomy.of_shown(content, size_bytes=int(entry.get("size") or 0))
    return Candidate(
        name=name,
        anatomy=found,
        runtime="ollama",
        speed=speed.estimate(found, here.power),
        refused=policy_of(settings).refusal(name, of_answer(content).verdict(name)),
    )


def _running(settings: Settings) -> tuple[dict[str, Any], ...]:
    from rag.models.ollama_server import OllamaServer
    from rag.models.streaming import Limits

    try:
        server = OllamaServer(settings.server_of("ollama"), limits=Limits(connect_s=0.5))
        return tuple(server.running())
    except ModelError:
        return ()


# ---- what is said ----


def _json(
    here: _Here, context: int, verdicts: list[Verdict], chosen: Verdict | None, problems: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "machine": asdict(here.machine)
        | {"bandwidth_bytes_s": round(here.power.bandwidth), "operations_s": round(here.power.arithmetic)},
        "ollama_running": [
            {key: entry.get(key) for key in ("name", "size", "size_vram", "context_length")} for entry in here.running
        ],
        "context_tokens": context,
        "models": [_row(verdict) for verdict in verdicts],
        "problems": problems,
        "recommended": _advice(chosen, here, context) if chosen else None,
    }


def _row(verdict: Verdict) -> dict[str, Any]:
    own, speeds = verdict.candidate.anatomy, verdict.candidate.speed
    parts = {name: getattr(verdict.memory, name) for name in verdict.memory.__slots__}
    return {
        "model": verdict.candidate.name,
        "runtime": verdict.candidate.runtime,
        "architecture": own.architecture,
        "quantisation": own.quantisation,
        "parameters": own.parameters,
        "place": verdict.place.value,
        "gpu_share": round(verdict.share, 3),
        "memory_bytes": verdict.memory.total,
        "memory_error": verdict.error,
        "memory_parts": parts,
        "reading_tokens_s": round(speeds.reading, 1),
        "writing_tokens_s": round(speeds.writing, 1),
        "speed_error": round(speeds.error, 2),
        "speed_measured": speeds.measured,
        "largest_context": verdict.context,
        "quantisation_that_fits": verdict.quantisation,
        "refused": verdict.candidate.refused,
        "notes": list(own.notes),
    }


def _advice(chosen: Verdict, here: _Here, context: int) -> dict[str, Any]:
    return {
        "model": chosen.candidate.name,
        "runtime": chosen.candidate.runtime,
        "quantisation": chosen.candidate.anatomy.quantisation,
        "context_tokens": min(context, chosen.context) or context,
        "threads": here.threads,
        "fast_enough": chosen.usable,
    }


def _print(
    settings: Settings,
    here: _Here,
    context: int,
    verdicts: list[Verdict],
    chosen: Verdict | None,
    problems: list[dict[str, str]],
) -> None:
    own = here.machine
    output.out.print(
        f"{output.safe(own.processor)}: {own.cores} cores, {', '.join(own.vectors) or 'vector features unknown'}"
    )
    output.out.print(
        f"Memory {own.free / _GIB:.1f} of {own.total / _GIB:.1f} GiB free, read at "
        f"{here.power.bandwidth / 1e9:.0f} GB/s by {output.counted(here.threads, 'thread')}; "
        f"{own.busy:.1f} cores busy with other things"
    )
    for gpu in own.gpus:
        output.out.print(
            f"{output.safe(gpu.name)}: {gpu.free / _GIB:.1f} of {gpu.total / _GIB:.1f} GiB free ({gpu.told_by})"
        )
    if not own.gpus:
        output.out.print("No GPU found.")
    for entry in here.running:
        share = int(entry.get("size_vram") or 0) / max(int(entry.get("size") or 0), 1)
        output.out.print(f"Ollama runs {output.safe(str(entry.get('name')))}, {share:.0%} of it on a GPU.")
    if verdicts:
        output.out.print(f"\nWith a context of {context:,} tokens:")
        head = ("model", "form", "verdict", "GiB", "reads", "writes", "tokens/s", "longest")
        output.table(head, [_cells(verdict) for verdict in verdicts])
    for verdict in verdicts:
        for note in verdict.candidate.anatomy.notes:
            output.out.print(output.safe(f"{verdict.candidate.name}: {note}."))
        if verdict.place is Place.NOWHERE:
            with_less = f"would fit as {verdict.quantisation}" if verdict.quantisation else "fits in no quantisation"
            output.out.print(output.safe(f"{verdict.candidate.name} {with_less}."))
        if verdict.candidate.refused:
            output.out.print(output.safe(verdict.candidate.refused))
    for problem in problems:
        output.err.print(output.safe(f"{problem['model']}: {problem['problem']}"))
    server = urlsplit(settings.server_of("ollama")).hostname or ""
    if any(verdict.candidate.runtime == "ollama" for verdict in verdicts) and not is_local(server):
        output.out.print(output.safe(f"Ollama runs on {server}; what is said of its models holds for this machine."))
    if verdicts or not problems:  # where nothing could be judged, nothing can be advised
        output.out.print(_recommendation(chosen, here, context))


def _cells(verdict: Verdict) -> tuple[str, ...]:
    speeds = verdict.candidate.speed
    where = f" {verdict.share:.0%}" if verdict.place is Place.SPILLS else ""
    how = "measured" if speeds.measured else "estimated"
    name = verdict.candidate.name
    return (
        Path(name).stem if name.endswith(".gguf") else name,
        verdict.candidate.anatomy.quantisation,
        verdict.place.value + where,
        f"{verdict.memory.total / _GIB:.2f} ±{verdict.error:.0%}",
        f"{speeds.reading:.0f}",
        f"{speeds.writing:.0f}",
        f"{how} ±{speeds.error:.0%}",
        f"{verdict.context:,}" if verdict.context else "none",
    )


def _recommendation(chosen: Verdict | None, here: _Here, context: int) -> str:
    if chosen is None:
        return (
            "\nNone of them fits and may be used. Free memory, lower --context, or fetch a smaller model with "
            "`rag models fetch`."
        )
    told = _advice(chosen, here, context)
    provider = "ollama" if chosen.candidate.runtime == "ollama" else "embedded"
    lines = [
        "\nRecommended, for rag.toml:",
        output.safe("[llm]"),
        f'provider = "{provider}"',
        f'model = "{output.safe(chosen.candidate.name)}"  # {told["quantisation"]}',
        f"context_tokens = {told['context_tokens']}",
        f"threads = {told['threads']}",
    ]
    if not chosen.usable:
        lines.append(
            f"It is slower than people wait for ({advice.LEAST_WRITING:g} tokens/s written, {advice.LEAST_READING:g} "
            f"read): the answers will be short quotations of the passages' best sentences."
        )
    return "\n".join(lines)
