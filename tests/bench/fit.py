"""How near the predicted memory of a model comes to its measured peak, and the predicted speed to the measured one.

Each row is a fresh process that opens the model as the service does and answers two prompts: the first is read in
whole batches, and is then kept in the prompt cache while the second is read. Measured is the peak of the resident
memory (VmHWM) less what the process had before it opened the model. Mapped pages of the file count, since the runtime
maps them all at once; so does the key-value cache whatever of it is filled, since the runtime clears it when it opens.

RAG_BENCH_FIT_FILL=1 fills the whole context, which takes minutes on two cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.machine import ROOT, environment, whole

MODELS = ("smollm2-135m", "qwen2.5-0.5b", "qwen2.5-1.5b")
CONTEXTS = (1024, 4096)
_FIRST_TOKENS = 700
"""More than one batch of 512."""


def measure() -> dict[str, Any]:
    """Three models at two context sizes each; the error is (predicted - measured) / measured."""
    from rag.errors import ModelUnavailable
    from rag.models.catalogue import default_directory
    from rag.models.weights import find

    rows, missing = [], []
    for name in MODELS:
        try:
            path = find(name, directory=default_directory(os.environ)).path
        except ModelUnavailable:
            missing.append(name)
            continue
        rows += [row(name, path, context) for context in CONTEXTS]
    worst = max((abs(entry["error"]) for entry in rows), default=None)
    return {"rows": rows, "missing": missing, "worst_error": worst, "bound": 0.10, "runtime": "llama.cpp (xllamacpp)"}


def row(name: str, path: Path, context: int) -> dict[str, Any]:
    """Prediction and measurement of one model at one context size."""
    from rag.models.fit import anatomy, gguf, machine, memory

    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.fit", str(path), str(context)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    predicted = memory.predict(
        anatomy.of_file(gguf.read(path)),
        context=context,
        features=machine.runtime_features(),
        cached_tokens=found["kept_tokens"],
    ).total
    error = predicted / found["peak_bytes"] - 1
    mib = {"predicted_mib": round(predicted / 2**20, 1), "measured_mib": round(found["peak_bytes"] / 2**20, 1)}
    return {"model": name, "context": context, **mib, "error": round(error, 4), "prompt_tokens": found["kept_tokens"]}


def _peak(path: Path, context: int) -> dict[str, int]:
    """In a process of its own: open, answer twice, and look."""
    import xllamacpp  # noqa: F401  # the library is there before the model is

    from rag.models.embedded import EmbeddedModel
    from rag.models.streaming import Limits
    from rag.ports import Generation, Message

    before = _status("VmRSS")
    model = EmbeddedModel(
        path,
        name="measured",
        sha256="",
        context_tokens=context,
        threads=whole("RAG_BENCH_FIT_THREADS", 2),
        limits=Limits(first_token_s=1800, total_s=3600),
    )
    wanted = context - 40 if os.environ.get("RAG_BENCH_FIT_FILL") else min(_FIRST_TOKENS, context - 40)
    kept = 0
    for length in (wanted, 60):
        messages = [Message(role="user", content="Urlaub ")]
        while model.count_tokens(messages) < length:
            more = max(1, (length - model.count_tokens(messages)) // 4)
            messages = [Message(role="user", content=messages[0].content + "Tage " * more)]
        *_, last = model.stream(messages, Generation(max_tokens=8))
        if not kept and last.usage is not None:
            kept = (last.usage.prompt_tokens or 0) + (last.usage.output_tokens or 0)
    found = {"peak_bytes": _status("VmHWM") - before, "kept_tokens": kept}
    model.close()
    return found


def _status(field: str) -> int:
    """Bytes of this process, from the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    print(json.dumps(_peak(Path(sys.argv[1]), int(sys.argv[2]))))
