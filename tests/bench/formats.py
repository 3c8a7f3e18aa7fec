"""How much of 112 real files is read, by us and by others: found fragments, wall and CPU time, memory, in one run.

Needs ``../shared/testdata``; a person elsewhere is told so. The others stand in an environment of their own, whose
Python ``BENCH_PEERS`` names (`pip install 'markitdown[all]' 'unstructured[all-docs]'`, or fewer of their extras); what
is not there is said. Every system is a process of its own, gets each file once, and is scored by the rule of
``../shared/testdata/tools/check_parse.py``. Takes about five minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_DATA = ROOT.parent / "shared/testdata"
_LIMIT_S = 1800

_PEER = """
import pathlib, signal, sys, warnings
warnings.simplefilter("ignore")
files, out = map(pathlib.Path, sys.argv[1:3])
{prepare}
def late(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, late)
for path in sorted(files.iterdir()):
    if path.suffix == ".jsonl":
        continue
    signal.alarm(120)
    try:
        text = read(str(path))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        print(path.name, type(error).__name__, str(error)[:120].replace("\\n", " "))
        continue
    finally:
        signal.alarm(0)
    (out / (path.name + ".txt")).write_text(text or "", "utf-8", "replace")
"""
_PEERS = {
    "markitdown": """
from markitdown import MarkItDown
reader = MarkItDown(enable_plugins=False)
read = lambda path: reader.convert(path).text_content
""",
    "unstructured": """
from unstructured.partition.auto import partition
def read(path):
    try:
        found = partition(filename=path, strategy="auto", languages=["deu", "eng"])
    except TimeoutError:
        raise
    except Exception:  # its layout models have to be downloaded; Tesseract alone has not
        found = partition(filename=path, strategy="ocr_only", languages=["deu", "eng"])
    return "\\n\\n".join(map(str, found))
""",
}


def measure() -> dict[str, Any]:
    """Our two profiles with OCR, the default one without, and the others."""
    if not (_DATA / "files").is_dir():
        return {"skipped": "the shared test data is not beside the project"}
    ours = [sys.executable, "-m", "tests.bench.formats"]
    found: dict[str, Any] = {}
    for name, profile, ocr in (
        ("default", "default", "on"),
        ("fallback", "fallback", "on"),
        ("default, no OCR", "default", "off"),
    ):
        found[name] = _run([*ours, profile, ocr], last=[])
    python = os.environ.get("BENCH_PEERS", "")
    for name, prepare in _PEERS.items():
        if not python or not Path(python).exists():
            found[name] = {"absent": "BENCH_PEERS names no Python that has it"}
        elif subprocess.run([python, "-c", f"import {name}"], capture_output=True, env=_environment()).returncode:
            found[name] = {"absent": f"not installed for {python}"}
        else:
            found[name] = _run([python, "-c", _PEER.format(prepare=prepare)], last=[])
    return found


def _run(command: list[str], *, last: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, str(_DATA / "files"), out, *last],
            cwd=ROOT,
            stdout=said,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        said.seek(0)
        return _score(Path(out)) | {
            "wall_s": round(wall, 1),
            "cpu_s": round(used.ru_utime + used.ru_stime, 1),
            "largest_process_mb": used.ru_maxrss // 1024,
            "exit": process.returncode,
            "not_read": len(said.read().splitlines()),
        }


def _score(out: Path) -> dict[str, Any]:
    """What check_parse.py says, and its share for the files that need OCR and those that do not."""
    manifest = [json.loads(line) for line in (_DATA / "files/manifest.jsonl").read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        shares = {}
        for name, rows in (
            ("all", manifest),
            ("without_ocr", [row for row in manifest if not row["needs_ocr"]]),
            ("with_ocr", [row for row in manifest if row["needs_ocr"]]),
        ):
            part = Path(folder) / f"{name}.jsonl"
            part.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
            command = [sys.executable, str(_DATA / "tools/check_parse.py"), str(part), str(out)]
            last = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
            shares[name] = json.loads(last)
    return {
        "found": f"{shares['all']['found']} of {shares['all']['fragments']}",
        "files_complete": f"{shares['all']['files_complete']} of {shares['all']['files']}",
        **{
            f"share_{name}": round(each["found"] / each["fragments"], 4)
            for name, each in shares.items()
            if name != "all"
        },
    }


def _environment() -> dict[str, str]:
    return os.environ | {"DO_NOT_TRACK": "1", "SCARF_NO_ANALYTICS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}


def _ours(profile: str, ocr: str, files: Path, out: Path) -> None:
    from rag.errors import DocumentError
    from rag.ingest.parse import ParserPool, media_type_of

    def text_of(name: str, body: bytes, depth: int) -> str:
        try:
            kind = media_type_of(name, body[:4096])
            parsed = pool.parse(body, media_type=kind, name=name, ocr=ocr == "on")
        except DocumentError as error:
            if not depth:
                print(name, error)
            return ""
        inner = [text_of(part.name, part.body, depth + 1) for part in parsed.parts if depth < 3]
        return "\n\n".join([parsed.text, *inner])

    with ParserPool(profile=profile, timeout_s=120) as pool:
        for path in sorted(files.iterdir()):
            if path.suffix != ".jsonl":
                (out / f"{path.name}.txt").write_text(text_of(path.name, path.read_bytes(), 0), "utf-8")


if __name__ == "__main__":
    _ours(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
