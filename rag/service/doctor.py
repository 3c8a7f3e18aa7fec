"""The examination of an installation, as `rag doctor` shows it: every check of `rag.govern`, on what this App has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rag.app import App
from rag.govern import bot_checks, checks, egress, rights_checks
from rag.govern.checks import Check
from rag.govern.standing import standings
from rag.models_in_use.licensing import in_use
from rag.models_in_use.writers import policy_of
from rag.service.forms import Event
from rag.settings import Settings
from rag.store.chain import COUNCIL


class Doctor:
    """The operation on an open App."""

    def __init__(self, app: App) -> None:
        self._app = app

    def doctor(self) -> Iterator[Event]:
        """``{"well", "checks"}``: everything this installation stands on."""
        app, settings = self._app, self._app.settings
        found = [checks.switches(), *egress.findings(), *checks.home(settings.home)]
        if settings.embedder.provider != "ollama":
            found.append(checks.weights(settings.embedder.model, settings.models))
        found.append(checks.language_model(app.language_model, lambda: app.model_problem))
        for address in settings.llm.addresses or (settings.ollama_url(),):
            found += checks.model_server(app.language_model, address, pinned=bool(settings.llm.digest))
        found += checks.licences(_licences(settings))
        found += checks.pins((one.pin.key, one.model, one.place, one.problem) for one in app.pins.look())
        found += checks.hosts((host.number, host.url, host.problem) for host in app.writers.hosts())
        if app.reranker is not None:
            found.append(checks.reranker(app.reranker))
        keys = settings.home / "audit" / COUNCIL if settings.audit.works_council else None
        found += checks.audit(anchor_file=settings.audit.anchor_file, keys=keys)
        found.append(checks.index(app.ledger))
        found += checks.evidence(settings.home, app.ledger.embedder or "")
        found.append(checks.rows(app.look_through))
        standing = standings(settings, app.ledger)
        there = frozenset(source.name for source in standing if source.there and source.origin != "nowhere")
        found += rights_checks.rights(app.sources.connectors(there) if there else ())
        found += rights_checks.groups(app.memberships.failures)
        found += self._bots()
        found += checks.sources(standing)
        yield {
            "well": all(check.well for check in found),
            "checks": [asdict(check) for check in found],
            "egress": egress.standing(),
        }

    def _bots(self) -> Iterator[Check]:
        app, bots, auth = self._app, self._app.settings.bots, self._app.settings.auth
        yield from bot_checks.release(app.policy)
        yield from bot_checks.accounts(
            app.keys.bots,
            people={"slack": bots.slack.people, "teams": bots.teams.people, "matrix": bots.matrix.people},
            listed=list(bots.accounts.items()),
            emails=len(bots.emails),
            directory=bool(auth.ldap.url),
            provider=bool(auth.oidc.issuer),
            signed_in=len(app.accounts.users()),
            shut_out=lambda user: app.suspensions.hold([user]),
        )
        yield from bot_checks.messages(len(app.posted.all(gone=True)))


def _licences(settings: Settings) -> Iterator[tuple[str, str, str, str, str]]:
    """Of each model in use: key, name, use, licence, and why it is refused."""
    policy = policy_of(settings)
    for key, model in in_use(settings):
        accepted = not policy.refusal(model.name, model.verdict) and policy.accepts(model.name)
        use = "accepted" if accepted else model.verdict.use.value
        yield key, model.name, use, model.verdict.name, policy.refusal(model.name, model.verdict)
