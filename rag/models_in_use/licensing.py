"""Whether the models the settings name may be used: asked of their servers and of the catalogue, opening none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from rag.errors import LicenceRefused, ModelError
from rag.models import inventory
from rag.models.inventory import Listed
from rag.models.llm import PREFERRED
from rag.models.ollama import answers
from rag.models_in_use.writers import policy_of
from rag.settings import Settings


def in_use(settings: Settings) -> Iterator[tuple[str, Listed]]:
    """The language model, the embedder and the vision model, each with its key in rag.toml; one that cannot be seen now
    is left out."""
    with suppress(ModelError):
        if (model := _language_model(settings)) is not None:
            yield "llm.model", model
    with suppress(ModelError):
        embedder = settings.embedder
        if embedder.provider == "ollama":
            found = inventory.called(embedder.model, inventory.of_ollama(embedder.base_url, only=embedder.model))
        else:
            found = inventory.called(embedder.model, inventory.of_catalogue(settings.models))
        if found is not None:
            yield "embedder.model", found
    with suppress(ModelError):
        if name := settings.ingest.vision_model:
            seeing = inventory.called(name, inventory.of_ollama(settings.vision_url(), only=name))
            if seeing is not None:
                yield "ingest.vision_model", seeing


def refuse_at_start(settings: Settings) -> None:
    """See that none of them is refused, before anything is answered.

    Raises:
        LicenceRefused: one is; names the key and what to do.
    """
    policy = policy_of(settings)
    for key, model in in_use(settings):
        if refusal := policy.refusal(model.name, model.verdict):
            raise LicenceRefused(f"{refusal} ({key})")


def _language_model(settings: Settings) -> Listed | None:
    llm = settings.llm
    if llm.provider == "none":
        return None
    if llm.provider == "openai-compatible":
        offered = inventory.of_openai(llm.addresses[0], api_key=settings.api_key()) if llm.addresses else []
        return inventory.called(llm.model, offered) if llm.model else next(iter(offered), None)
    if llm.provider == "ollama" or (llm.provider == "auto" and (llm.addresses or answers(settings.ollama_url()))):
        for url in llm.addresses or (settings.ollama_url(),):
            with suppress(ModelError):
                there = inventory.of_ollama(url, only=llm.model)
                usable = [one for one in there if not one.embeds_only and not one.problem]
                if found := next(iter(usable), None):
                    return found
        return None
    there = [one for one in inventory.of_catalogue(settings.models) if not one.embeds_only]
    wanted = [llm.model] if llm.model else PREFERRED
    return next((one for name in wanted for one in there if one.name == name and one.weights != "not here"), None)
