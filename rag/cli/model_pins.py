"""`rag models pin NAME` and `rag models update [NAME]`: which version of a model is used, what changed in a new one.

Beside the pin in rag.toml the home keeps what the pinned version was like (`pins.json`), to compare a new one with.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.cli import FAILED, OK, output, say
from rag.cli.door import owned, settings_of
from rag.cli.model_list import gathered
from rag.errors import ModelUnavailable, SettingsError
from rag.models import inventory
from rag.models.inventory import Listed
from rag.models.pins import bare
from rag.models_in_use.writers import policy_of
from rag.settings import Settings
from rag.settings.toml_writing import with_value, write

_KEPT = "pins.json"


def pin(options: argparse.Namespace) -> int:
    """Write the digest of the version that is there into rag.toml; nothing is measured."""
    settings = settings_of(options)
    one = _there(options.name, settings)
    _pin(one, settings)
    table = _table(one)
    if options.json:
        output.print_json({"pinned": one.name, "key": f"{table}.digest", "digest": f"sha256:{one.digest}"})
    else:
        output.out.print(
            f"{output.safe(one.name)} is pinned: [{table}] digest = sha256:{one.digest[:12]}…".replace("[", r"\[", 1)
        )
    return OK


def update(options: argparse.Namespace) -> int:
    """Show what changed since the pin; with a gate and questions, pin the new version once it passes."""
    settings = settings_of(options)
    one = _there(options.name or _pinned_name(settings), settings)
    table = _table(one)
    before = _kept(settings.home).get(table, {})
    pinned = bare(getattr(settings, table).digest)
    changes = _changes(before if bare(str(before.get("digest", ""))) == pinned else {"digest": pinned}, _snapshot(one))
    found: dict[str, Any] = {"model": one.name, "changed": one.digest != pinned, "changes": changes, "pinned": False}
    if not options.json:
        _print(one, changes, changed=one.digest != pinned)
    if one.digest == pinned:
        return _told(found, options, OK)
    if not options.gate:
        _advise(one, options)
        return _told(found, options, FAILED)
    missed = _missed(options, settings, one)
    found["missed"] = missed
    for line in missed:
        say(line)
    if missed:
        say(f"{one.name} does not pass the gate {options.gate}; the pin stays.")
        return _told(found, options, FAILED)
    _pin(one, settings)
    found["pinned"] = True
    if not options.json:
        output.out.print(f"It passes the gate. {output.safe(one.name)} is pinned as it is now.")
    return _told(found, options, OK)


def _told(found: Mapping[str, Any], options: argparse.Namespace, code: int) -> int:
    if options.json:
        output.print_json(found)
    return code


def _advise(one: Listed, options: argparse.Namespace) -> None:
    if not options.json:
        say(
            f"Not pinned. Measure it first: `rag models update {one.name} FOLDER --gate FILE`; or pin it unmeasured: "
            f"`rag models pin {one.name}`."
        )


def _there(name: str, settings: Settings) -> Listed:
    """The model as its servers have it, or the catalogue.

    Raises:
        SettingsError: none is called so. ModelUnavailable: servers hold different versions, or one does not answer.
    """
    found, silent = gathered(settings)
    versions = [one for one in found if inventory.same(one.name, name) and one.weights != "not here"]
    if not versions:
        told = " ".join(silent.values())
        raise SettingsError(f"No model is called {name!r} here; `rag models` lists what there is. {told}".strip())
    one = versions[0]
    served = [other for other in versions if other.runtime == one.runtime]
    if len({other.digest for other in served}) > 1:
        places = ", ".join(f"{other.place}: {other.digest[:12]}…" for other in served)
        raise ModelUnavailable(
            f"The servers hold different versions of {name} ({places}). Pull the same one everywhere."
        )
    if silent and one.runtime == "ollama":
        raise ModelUnavailable(" ".join(silent.values()))
    if not one.digest:
        raise SettingsError(f"The server of {name} tells no digest, so it cannot be pinned.")
    if one.problem:
        raise ModelUnavailable(f"{name}: {one.problem}")
    if refusal := policy_of(settings).refusal(one.name, one.verdict):
        raise ModelUnavailable(refusal)
    return one


def _pinned_name(settings: Settings) -> str:
    if settings.llm.digest and settings.llm.model:
        return settings.llm.model
    if settings.embedder.digest:
        return settings.embedder.model
    raise SettingsError("No model is pinned. Pin one with `rag models pin NAME`.")


def _table(one: Listed) -> str:
    return "embedder" if one.embeds_only else "llm"


def _pin(one: Listed, settings: Settings) -> None:
    if settings.config is None:
        raise SettingsError("There is no rag.toml to write the pin into. Make one with `rag init`.")
    table = _table(one)
    named = getattr(settings, table).model
    if table == "embedder" and not inventory.same(named, one.name):
        raise SettingsError(
            f"{one.name} is not the embedder (embedder.model is {named}). Name it there first: another embedder makes "
            f"another index."
        )

    def change(text: str) -> str:
        if not named or not inventory.same(named, one.name):
            text = with_value(text, table, "model", one.name)
        return with_value(text, table, "digest", f"sha256:{one.digest}")

    write(settings.config, change)
    _keep(settings.home, table, _snapshot(one))


# ---- what a version is like ----


def _snapshot(one: Listed) -> dict[str, Any]:
    shown = one.shown
    return {
        "model": one.name,
        "digest": f"sha256:{one.digest}",
        "size_bytes": one.size_bytes,
        "size": one.size,
        "quantisation": one.quantisation,
        "context_tokens": one.context_tokens,
        "licence": one.verdict.name,
        "licence_text": shown.licence_digest if shown else "",
        "template": shown.template_digest if shown else "",
        "parameters": shown.parameters if shown else "",
        "capabilities": list(one.capabilities),
    }


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each trait that differs; of what was not kept, only the digest is compared."""
    return {
        name: {"before": before[name], "now": value}
        for name, value in now.items()
        if name in before and name != "model" and (bare(str(before[name])) if name == "digest" else before[name])
        != (bare(str(value)) if name == "digest" else value)
    }  # fmt: skip


def _print(one: Listed, changes: Mapping[str, Mapping[str, Any]], *, changed: bool) -> None:
    if not changed:
        output.out.print(f"{output.safe(one.name)} is as pinned.")
        return
    rows = [(name, _short(change["before"]), _short(change["now"])) for name, change in changes.items()]
    output.table(("what", "pinned", "now"), rows)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return f"{text[:19]}…" if text.startswith("sha256:") else text.replace("\n", " · ")


def _kept(home: Path) -> dict[str, Any]:
    try:
        content = json.loads((home / _KEPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _keep(home: Path, table: str, snapshot: Mapping[str, Any]) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    content = json.dumps(_kept(home) | {table: {**snapshot, "pinned_at": at}}, ensure_ascii=False, indent=1)
    beside = home / f".{_KEPT}.{os.getpid()}"
    beside.touch(mode=0o600)
    beside.write_text(content + "\n", encoding="utf-8")
    beside.replace(home / _KEPT)


# ---- the gate ----


def _missed(options: argparse.Namespace, settings: Settings, one: Listed) -> Sequence[str]:
    """What of the gate the new version misses, measured on these questions as `rag eval --gate` does."""
    from rag.evaluate import gate, report, sets
    from rag.evaluate.sets import Form

    bounds = gate.read(options.gate)
    if not options.folders:
        raise SettingsError("On which questions? Name folders of questions before --gate FILE, as for `rag eval`.")
    asked = [each.first(options.limit) for each in sets.read_all(options.folders)]
    bounds.fits([each.name for each in asked])
    if one.embeds_only and any(each.form is Form.HOME for each in asked):
        raise SettingsError(
            "An embedder is measured on questions that bring their documents (a corpus or a tree): on this home it "
            "would make the index anew before it has passed."
        )
    table = _table(one)
    tried = replace(getattr(settings, table), model=one.name, digest=f"sha256:{one.digest}")
    new = replace(settings, embedder=tried) if table == "embedder" else replace(settings, llm=tried)
    with output.Bar() as bar:
        summaries = [
            report.measure(each, new, opening=owned, keep=options.keep, answers=not one.embeds_only, progress=bar.one)
            for each in asked
        ]
    return bounds.check({each.name: each.figures for each in summaries})
