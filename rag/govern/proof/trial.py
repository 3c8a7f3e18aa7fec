"""The proof, as a process of its own: `python -m rag.govern.proof.trial < script.json`; the findings go to stdout.

A process of its own because a namespace is entered by a process with one thread, and left by none.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

import rag
from rag.egress.switches import SWITCHES
from rag.govern.proof.control import Control, controls
from rag.govern.proof.rehearsal import PORT, NotRun, Rehearsal, Script
from rag.govern.proof.sink import LISTENED, NAME_SERVER, Sink
from rag.kernel import namespaces

PROVEN, LEFT, NOT_RUN = "proven", "left", "not run"
_KINDS: Final = ("tcp", "tcp6")
_REPORTED: Final = (
    "chromadb",
    "tantivy",
    "openvino",
    "onnxruntime",
    "xllamacpp",
    "ollama",
    "httpx",
    "llama-index-core",
)


def verdict(
    *, contacts: Sequence[str], names: Sequence[str], inside: Sequence[str], caught: Sequence[Control], missed: int,
    problem: str = "",
) -> str:  # fmt: skip
    """What the findings mean. Something that left is said, whatever else went wrong; nothing is proven by a trial that
    did not run to its end, missed packets or did not catch its controls."""
    if contacts or names or inside:
        return LEFT
    if problem or missed or len(caught) != 8 or not all(control.caught for control in caught):
        return NOT_RUN
    return PROVEN


def trial(script: Script, *, ports: Sequence[int]) -> dict[str, Any]:
    """Run it in a network of its own. `ports` are those on this machine that the settings name.

    Raises:
        OSError: there is no such network to be had; nothing was run.
    """
    outside = namespaces.local_sockets()
    namespaces.leave()
    ipv6, shut = namespaces.sink(), namespaces.shut(outside)
    with _name_service():
        sink = Sink()
        sink.start()
        caught = list(controls(sink, when="before", number=1))
        before = _seen(sink)
        rehearsal, problem = Rehearsal(script), ""
        try:
            rehearsal.run()
        except (NotRun, OSError, ValueError, KeyError) as error:
            problem = f"{type(error).__name__}: {error}"
        time.sleep(0.5)  # what is under way arrives
        after = _seen(sink)
        caught += controls(sink, when="after", number=2)
        missed = sink.close()
    contacts = {what: count - before[0].get(what, 0) for what, count in after[0].items()}
    contacts = {what: count for what, count in contacts.items() if count > 0}
    names, said = after[1][len(before[1]) :], after[2][len(before[2]) :]
    allowed = {f"TCP {port}" for port in (PORT, *ports)}
    inside = {what: count for what, count in after[3].items() if count > before[3].get(what, 0)}
    strange = [what for what in inside if what not in allowed]
    return {
        "verdict": verdict(
            contacts=list(contacts), names=names, inside=strange, caught=caught, missed=missed, problem=problem
        ),
        "problem": problem,
        "packets": sum(contacts.values()),
        "contacts": contacts,
        "names": names,
        "said": said,
        "inside": {"packets": after[4] - before[4], "connections": inside, "unexpected": strange},
        "missed": missed,
        "controls": [control.as_json() for control in caught],
        "stopped": rehearsal.stopped,
        "listeners": sorted(rehearsal.listeners - {f"{kind} port {port}" for kind in _KINDS for port in LISTENED}),
        "local_sockets": sorted(rehearsal.local_sockets - {Path(path).name for path in outside}),
        "shut": len(shut),
        "steps": rehearsal.steps,
        "documents": rehearsal.documents,
        "outcomes": rehearsal.outcomes,
        "ipv6": ipv6,
    }  # fmt: skip


def surroundings() -> dict[str, Any]:
    """With what it was run: versions, the sha256 of the program's own files, the machine."""
    installed = {entry.metadata["Name"].lower(): entry.version for entry in distributions()}
    versions = {name: installed[name] for name in _REPORTED if name in installed}
    root = Path(rag.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return {
        "archivar": rag.__version__,
        "program_sha256": digest.hexdigest(),
        "versions": {"python": platform.python_version(), **versions},
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "user": os.geteuid(),
    }


@contextmanager
def _name_service() -> Iterator[None]:
    """Names are asked of the sink's server and of nobody else, in this mount namespace."""
    with tempfile.TemporaryDirectory(prefix="archivar-names-") as room:
        for path, content in (
            ("/etc/resolv.conf", f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n"),
            ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        ):
            file = Path(room) / Path(path).name
            file.write_text(content)
            if Path(path).exists():
                namespaces.cover(os.path.realpath(path), str(file))
        yield


def _seen(sink: Sink) -> tuple[dict[str, int], list[str], list[str], dict[str, int], int]:
    return dict(sink.contacts), list(sink.names), list(sink.said), dict(sink.inside), sink.packets_inside


def main() -> int:
    """Read the script, run it, print the findings."""
    given = json.load(sys.stdin)
    script = Script(**given["script"])
    began = time.time()
    try:
        found = trial(script, ports=given["ports"])
    except OSError as error:
        found = {
            "verdict": NOT_RUN,
            "problem": f"this machine gives no network namespace to try it in ({error.strerror or error})",
        }
    found |= {
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "seconds": round(time.time() - began, 1),
        "switches": {} if script.bare else SWITCHES,
        "kernel_guard": given["lockdown"],
        "guard_in_python": not script.bare,
        "models": given["models"],
        **surroundings(),
    }
    json.dump(found, sys.stdout, ensure_ascii=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
