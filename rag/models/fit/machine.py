"""What this machine has: processor, memory, GPUs. Read from /proc, /sys and the vendors' own tools; nothing is guessed.

What cannot be read is empty or 0, and whoever uses it says so.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_VECTORS = (
    "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
    "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip
"""Features of processors that a model's speed depends on, as Linux names them (asimd is NEON)."""
_PATIENCE_S = 10.0
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU. Memory in bytes; `shared` where it is the machine's own."""

    name: str
    total: int
    free: int
    told_by: str
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as a model sees it. Memory in bytes; `busy` is how many cores others keep busy now."""

    processor: str
    threads: int
    cores: int
    vectors: tuple[str, ...]
    total: int
    free: int
    busy: float
    gpus: tuple[Gpu, ...] = ()

    @property
    def gpu_free(self) -> int:
        """Free memory of all GPUs together: runtimes split a model over them."""
        return sum(gpu.free for gpu in self.gpus)


def read(root: Path = Path("/"), *, path: str | None = None) -> Machine:
    """This machine, or one whose /proc and /sys lie under `root`; `path` is where the vendors' tools are looked for."""
    if platform.system() == "Darwin" and root == Path("/"):
        return _mac()
    info = _text(root / "proc/cpuinfo")
    threads = _allowed(root)
    memory = dict(_meminfo(_text(root / "proc/meminfo")))
    total, free = memory.get("MemTotal", 0), memory.get("MemAvailable", memory.get("MemFree", 0))
    limit = _number(_text(root / "sys/fs/cgroup/memory.max"))
    if limit and limit < total:
        total, free = limit, min(free, limit - (_number(_text(root / "sys/fs/cgroup/memory.current")) or 0))
    load = (_text(root / "proc/loadavg").split() or ["0"])[0]
    return Machine(
        processor=_named(info) or platform.machine(),
        threads=threads,
        cores=min(threads, _cores(info) or threads),
        vectors=_vectors(info),
        total=total,
        free=max(0, free),
        busy=min(float(load), threads),
        gpus=(*_nvidia(path), *_amd(root, path)),
    )


def runtime_features() -> frozenset[str]:
    """What the embedded runtime was built for and finds here (AVX2, AVX512, REPACK …); empty where it is not
    installed."""
    try:
        import xllamacpp

        said = str(xllamacpp.get_system_info())
    except (ImportError, AttributeError):
        return frozenset()
    pairs = (entry.split("=") for entry in said.replace("CPU :", "").split("|") if "=" in entry)
    return frozenset(name.strip().split(":")[-1].strip() for name, value in pairs if value.strip() == "1")


def _allowed(root: Path) -> int:
    if root != Path("/"):
        return max(1, _text(root / "proc/cpuinfo").count("processor\t:"))
    from rag.models.cores import cores

    return cores()


def _named(info: str) -> str:
    return next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "")


def _cores(info: str) -> int:
    """Cores without their second threads; 0 where it is not told."""
    found, package = set(), ""
    for line in info.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "physical id":
            package = value.strip()
        elif key.strip() == "core id":
            found.add((package, value.strip()))
    return len(found)


def _vectors(info: str) -> tuple[str, ...]:
    line = next((line for line in info.splitlines() if line.startswith(("flags", "Features"))), "")
    have = set(line.partition(":")[2].split())
    return tuple(name for name in _VECTORS if name in have)


def _meminfo(text: str) -> Sequence[tuple[str, int]]:
    found = []
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if value.strip().endswith("kB"):
            found.append((name, int(value.split()[0]) * 1024))
    return found


def _nvidia(path: str | None) -> list[Gpu]:
    said = _run("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits", path=path)
    found = []
    for row in csv.reader(said.splitlines(), skipinitialspace=True):
        if len(row) == 3 and row[1].isdigit() and row[2].isdigit():
            total, free = int(row[1]) * _MIB, int(row[2]) * _MIB
            found.append(Gpu(name=row[0], total=total, free=free, told_by="nvidia-smi"))
    return found


def _amd(root: Path, path: str | None) -> list[Gpu]:
    """By the kernel's own files; by rocm-smi where those are not there."""
    found = []
    for card in sorted((root / "sys/class/drm").glob("card[0-9]*")):
        total = _number(_text(card / "device/mem_info_vram_total"))
        used = _number(_text(card / "device/mem_info_vram_used")) or 0
        if total:
            name = _text(card / "device/product_name").strip() or f"AMD {card.name}"
            found.append(Gpu(name=name, total=total, free=max(0, total - used), told_by="sysfs"))
    return found or _rocm(path)


def _rocm(path: str | None) -> list[Gpu]:
    found = []
    with suppress(ValueError, AttributeError, TypeError):
        told: Mapping[str, Mapping[str, str]] = json.loads(
            _run("rocm-smi", "--showmeminfo", "vram", "--json", path=path)
        )
        for name, card in told.items():
            sizes = {key: int(value) for key, value in card.items() if str(value).isdigit()}
            total = next((size for key, size in sizes.items() if "Used" not in key), 0)
            used = next((size for key, size in sizes.items() if "Used" in key), 0)
            if total:
                found.append(Gpu(name=f"AMD {name}", total=total, free=max(0, total - used), told_by="rocm-smi"))
    return found


def _mac() -> Machine:
    def told(key: str) -> str:
        return _run("sysctl", "-n", key).strip()

    total, threads = _number(told("hw.memsize")) or 0, os.cpu_count() or 1
    free = (_number(told("vm.page_free_count")) or 0) * (_number(told("hw.pagesize")) or 4096)
    arm = platform.machine() == "arm64"
    shared = Gpu(name="Apple GPU", total=int(total * 0.75), free=int(total * 0.6), told_by="sysctl", shared=True)
    return Machine(
        processor=told("machdep.cpu.brand_string"),
        threads=threads,
        cores=_number(told("hw.perflevel0.physicalcpu")) or _number(told("hw.physicalcpu")) or threads,
        vectors=("asimd", "asimddp") if arm else ("avx2",),
        total=total,
        free=max(free, total // 2),  # most of the rest is files that are given back
        busy=min(os.getloadavg()[0], threads),
        gpus=(shared,) if arm else (),
    )


def _run(*command: str, path: str | None = None) -> str:
    """What a tool says; empty where it is not there or fails."""
    tool = shutil.which(command[0], path=path)
    if tool is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [tool, *command[1:]], capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None
