"""`rag models [list]` and `rag models show NAME`: what there is, what it can do, and whether it may be used."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from rag.cli import FAILED, OK, output
from rag.cli.door import settings_of
from rag.errors import ModelError, SettingsError
from rag.models import inventory
from rag.models.inventory import Listed
from rag.models.licences import Policy, Use
from rag.models.ollama import answers
from rag.models_in_use.pinning import looked
from rag.models_in_use.writers import policy_of
from rag.settings import Settings
from rag.text.sentences import texts

_COLOUR = {Use.FREE: "green", Use.CONDITIONS: "yellow", Use.UNKNOWN: "yellow", Use.RESEARCH: "red"}


def listed(options: argparse.Namespace) -> int:
    """Every model, by server and then the catalogue; 1 where a server that is named does not answer."""
    settings = settings_of(options)
    found, silent = gathered(settings)
    policy = policy_of(settings)
    if options.json:
        output.print_json(
            {
                "directory": str(settings.models),
                "models": [_form(one, settings, policy) for one in found],
                "silent": silent,
            }
        )
        return FAILED if silent else OK
    rows = [_row(one, settings, policy) for one in found]
    output.table(("name", "for", "size", "context", "licence", "digest", "where"), rows)
    for url, problem in silent.items():
        output.err.print(f"[yellow]{output.safe(url)}: {output.safe(problem)}[/]")
    for one in found:
        if refusal := policy.refusal(one.name, one.verdict):
            output.flow(f"[dim]{output.safe(refusal)}[/]")
    output.err.print("[dim]One of them: rag models show NAME[/]")
    return FAILED if silent else OK


def show(options: argparse.Namespace) -> int:
    """All that is known of one model, and its licence's text."""
    settings = settings_of(options)
    found, silent = gathered(settings)
    one = inventory.called(options.name, found)
    if one is None:
        told = f" These did not answer: {', '.join(silent)}." if silent else ""
        raise SettingsError(f"No model is called {options.name!r}; `rag models` lists what there is.{told}")
    policy = policy_of(settings)
    shown = one.shown
    if options.json:
        more = {
            "licence_text": shown.licence if shown else "",
            "template": shown.template if shown else "",
            "parameters": shown.parameters if shown else "",
            "information": dict(shown.information) if shown else {},
        }
        output.print_json(_form(one, settings, policy) | more)
        return OK
    for name, value in _facts(one, settings, policy):
        output.flow(value, lead=f"[dim]{name}[/]", width=14)
    if shown and shown.licence:
        output.out.print()
        output.out.print(output.safe(shown.licence))
    return OK


def gathered(settings: Settings) -> tuple[list[Listed], dict[str, str]]:
    """The models of every server the settings name, then the catalogue's; and which servers do not answer, and why."""
    found: list[Listed] = []
    silent: dict[str, str] = {}

    def ask(url: str, of: Callable[[str], list[Listed]]) -> None:
        try:
            found.extend(one for one in of(url) if (one.name, url) not in {(o.name, o.place) for o in found})
        except ModelError as error:
            silent[url] = str(error)

    llm = settings.llm
    if llm.provider == "openai-compatible":
        key = settings.api_key()
        for url in llm.addresses:
            ask(url, lambda at: inventory.of_openai(at, api_key=key))
    places = list(llm.addresses) if llm.provider in ("auto", "ollama") else []
    usual = settings.ollama_url()
    if not places and (llm.provider == "ollama" or (llm.provider == "auto" and answers(usual))):
        places = [usual]
    if settings.embedder.provider == "ollama":
        places.append(settings.embedder.base_url)
    for url in dict.fromkeys(places):
        ask(url, inventory.of_ollama)
    return found + inventory.of_catalogue(settings.models), silent


def _form(one: Listed, settings: Settings, policy: Policy) -> dict[str, Any]:
    """The public form, with whether it is let in and what it is used for."""
    refused = policy.refusal(one.name, one.verdict)
    return one.as_json() | {"refused": refused, "used_for": _used_for(one, settings)}


def _used_for(one: Listed, settings: Settings) -> list[str]:
    used = []
    if settings.llm.model and inventory.same(one.name, settings.llm.model) and not one.embeds_only:
        used.append("answers")
    if inventory.same(one.name, settings.embedder.model) and one.embeds_only:
        used.append("embedding")
    return used


def _row(one: Listed, settings: Settings, policy: Policy) -> tuple[str, ...]:
    used = "*" if _used_for(one, settings) else ""
    refused = " (refused)" if policy.refusal(one.name, one.verdict) else ""
    return (
        one.name + used,
        ", ".join(one.capabilities) or "?",
        f"{one.size} {one.quantisation}".strip() or (f"{one.size_bytes / 1e9:.1f} GB" if one.size_bytes else ""),
        f"{one.context_tokens:,}" if one.context_tokens else "",
        f"{one.verdict.use.value}: {one.verdict.name}{refused}",
        one.digest[:12],
        one.problem or _where(one, settings),
    )


def _where(one: Listed, settings: Settings) -> str:
    """In few words; of several servers the number as the settings list them."""
    if one.runtime == "catalogue":
        return f"catalogue, {one.weights}"
    several = one.place in settings.llm.base_urls and len(settings.llm.base_urls) > 1
    return f"{one.runtime} {settings.llm.base_urls.index(one.place) + 1}" if several else one.runtime


def _facts(one: Listed, settings: Settings, policy: Policy) -> list[tuple[str, str]]:
    verdict, colour = one.verdict, _COLOUR[one.verdict.use]
    rows = [
        ("name", f"[bold]{output.safe(one.title or one.name)}[/]"),
        ("where", output.safe(one.problem or f"{one.runtime}, {one.place} {one.weights}".strip())),
        ("for", ", ".join(one.capabilities)),
        ("family", output.safe(one.family)),
        ("size", output.safe(one.size)),
        ("quantisation", output.safe(one.quantisation)),
        ("context", f"{one.context_tokens:,} tokens" if one.context_tokens else ""),
        ("on disk", f"{one.size_bytes / 1e9:.2f} GB" if one.size_bytes else ""),
        ("digest", f"sha256:{one.digest}" if one.digest else ""),
        ("pin", _pin(one, settings)),
        ("used for", ", ".join(_used_for(one, settings))),
        ("licence", f"[{colour}]{texts('en', 'licences')[f'use.{verdict.use}']}[/]: {output.safe(verdict.name)}"),
        ("duties", output.safe(verdict.duties("en"))),
        ("Pflichten", output.safe(verdict.duties("de"))),
        ("refused", output.safe(policy.refusal(one.name, verdict))),
    ]
    return [(name, value) for name, value in rows if value]


def _pin(one: Listed, settings: Settings) -> str:
    for pinned in looked(settings):
        if inventory.same(pinned.model, one.name) and pinned.place in (one.place, str(settings.models)):
            return f"[red]{output.safe(pinned.problem)}[/]" if pinned.problem else f"as pinned ({pinned.pin.key})"
    return ""
