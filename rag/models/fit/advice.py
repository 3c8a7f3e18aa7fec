"""What follows: does a model fit, where, how large a context, and which one to take on this machine."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum

from rag.models.fit.anatomy import BITS, Anatomy
from rag.models.fit.machine import Machine
from rag.models.fit.memory import Memory, error_bound, predict
from rag.models.fit.speed import Speed

_CONTEXTS = (2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072)
_LEFT_FREE = 512 * 2**20
"""Memory that stays for everything else on the machine."""
LEAST_WRITING, LEAST_READING = 5.0, 40.0
"""Tokens a second below which nobody waits: five a second are about as fast as one reads aloud; forty read a usual
prompt of ours (some 1,200 tokens, most of them in the cache) in a quarter of a minute."""


class Place(StrEnum):
    """Where a model runs."""

    GPU = "fits in GPU"
    SPILLS = "spills"
    MEMORY = "fits in memory"
    NOWHERE = "does not fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that could be taken. `refused`: why it may not be, by its licence."""

    name: str
    anatomy: Anatomy
    runtime: str
    speed: Speed
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One model on this machine. `share` of it lies on the GPU; `context` is the largest that fits, up to what it was
    trained for; `quantisation` the finest that would fit, where its own does not."""

    candidate: Candidate
    memory: Memory
    error: float
    place: Place
    share: float
    context: int
    quantisation: str = ""

    @property
    def usable(self) -> bool:
        """Whether it fits and is fast enough for people to wait for."""
        speed = self.candidate.speed
        return self.place is not Place.NOWHERE and speed.writing >= LEAST_WRITING and speed.reading >= LEAST_READING


def judge(candidate: Candidate, machine: Machine, *, context: int, features: Set[str]) -> Verdict:
    """What becomes of the model at this context length. What the prediction may be wrong by is taken as needed too."""
    memory = _memory(candidate, context, features)
    error = error_bound(candidate.anatomy)
    place, share = _place(memory, error, machine)
    return Verdict(
        candidate=candidate,
        memory=memory,
        error=error,
        place=place,
        share=share,
        context=_largest(candidate, machine, features),
        quantisation=_finest(candidate, machine, context, features) if place is Place.NOWHERE else "",
    )


def best(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The one to take: of those that may be used, fit and are fast enough the largest; where none is fast enough, the
    fastest that fits. Size is no proof of quality: `rag models compare` measures that on one's own documents."""
    verdicts = [verdict for verdict in verdicts if not verdict.candidate.refused]
    usable = [verdict for verdict in verdicts if verdict.usable]
    if usable:
        return max(usable, key=lambda verdict: verdict.candidate.anatomy.parameters)
    fitting = [verdict for verdict in verdicts if verdict.place is not Place.NOWHERE]
    return max(fitting, key=lambda verdict: verdict.candidate.speed.writing, default=None)


def threads(machine: Machine) -> int:
    """Threads for the model: one a core that is free, since a thread that waits for a core holds up all others."""
    return max(1, min(machine.cores, round(machine.threads - machine.busy)))


def _memory(candidate: Candidate, context: int, features: Set[str]) -> Memory:
    embedded = candidate.runtime == "embedded"
    return predict(
        candidate.anatomy,
        context=context,
        features=features if embedded else frozenset(),
        cached_tokens=None if embedded else 0,
    )


def _place(memory: Memory, error: float, machine: Machine) -> tuple[Place, float]:
    on_device = memory.on_device * (1 + error)
    if machine.gpus and on_device <= machine.gpu_free:
        return Place.GPU, 1.0
    share = min(1.0, machine.gpu_free / on_device) if machine.gpus else 0.0
    shared = any(gpu.shared for gpu in machine.gpus)
    room = machine.free - _LEFT_FREE + (0 if shared else machine.gpu_free)
    needed = (memory.total - memory.reclaimable) * (1 + error)
    if needed > room:
        return Place.NOWHERE, share
    return (Place.SPILLS if share else Place.MEMORY), share


def _largest(candidate: Candidate, machine: Machine, features: Set[str]) -> int:
    trained = candidate.anatomy.trained_context
    lengths = [length for length in _CONTEXTS if not trained or length <= trained] or [trained]
    fitting = [
        length
        for length in lengths
        if _place(_memory(candidate, length, features), error_bound(candidate.anatomy), machine)[0] is not Place.NOWHERE
    ]
    return max(fitting, default=0)


def _finest(candidate: Candidate, machine: Machine, context: int, features: Set[str]) -> str:
    """The finest quantisation at which it would fit, by the usual bits a weight; empty where none would."""
    anatomy = candidate.anatomy
    for name in sorted(BITS, key=lambda name: -BITS[name]):
        weights = int(anatomy.parameters * BITS[name] / 8)
        if weights < anatomy.weights_bytes:
            smaller = replace(
                candidate, anatomy=replace(anatomy, weights_bytes=weights, read_bytes=weights, tensors=())
            )
            if (
                _place(_memory(smaller, context, features), error_bound(smaller.anatomy), machine)[0]
                is not Place.NOWHERE
            ):
                return name
    return ""
