"""Whether a model fits: its head is read, its memory and the machine's are computed, and the advice follows."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ModelUnavailable
from rag.models.fit import advice, anatomy, gguf, machine, memory, speed
from rag.models.fit.advice import Candidate, Place
from rag.models.weights import Weights
from tests.models.fit_files import MIB, machine_tree, write_gguf

SPEED = speed.Speed(reading=100, writing=20, error=0.5, measured=False)
LLAMA = {
    "general.architecture": "llama", "general.file_type": 15, "llama.block_count": 32, "llama.embedding_length": 4096,
    "llama.feed_forward_length": 14336, "llama.attention.head_count": 32, "llama.attention.head_count_kv": 8,
    "llama.context_length": 131072, "llama.vocab_size": 128256, "general.parameter_count": 8_030_261_312,
}  # fmt: skip
"""Llama 3.1 8B."""


def shown(info: dict[str, Any], *, size_mib: int = 4693, level: str = "Q4_K_M") -> anatomy.Anatomy:
    return anatomy.of_shown({"model_info": info, "details": {"quantization_level": level}}, size_bytes=size_mib * MIB)


def of(family: str, **entries: object) -> anatomy.Anatomy:
    info: dict[str, Any] = {"general.architecture": family, f"{family}.vocab_size": 1000}
    return shown(info | {f"{family}.{key.replace('__', '.')}": value for key, value in entries.items()})


def pc(free_mib: int, *gpus: int) -> machine.Machine:
    cards = tuple(machine.Gpu(name="G", total=n * MIB, free=n * MIB, told_by="nvidia-smi") for n in gpus)
    return machine.Machine(
        processor="", threads=8, cores=8, vectors=("avx2",), total=2 * free_mib * MIB, free=free_mib * MIB, busy=0,
        gpus=cards,
    )  # fmt: skip


def judged(model: anatomy.Anatomy, here: machine.Machine, context: int = 4096) -> advice.Verdict:
    candidate = Candidate(name="m", anatomy=model, runtime="ollama", speed=SPEED)
    return advice.judge(candidate, here, context=context, features=frozenset())


# ---- the head of a file ----


def test_the_head_of_a_file_is_read_without_its_vocabulary(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "m.gguf",
        LLAMA | {"tokenizer.ggml.tokens": [f"t{n}" for n in range(2000)], "general.tags": ["a", "b"]},
        [("token_embd.weight", (256, 10), 12), ("blk.0.attn_norm.weight", (256,), 0)],
    )
    head = gguf.read(path)
    assert head.metadata["general.tags"] == ["a", "b"]
    assert head.metadata["tokenizer.ggml.tokens"] == 2000
    assert [(tensor.type, tensor.size_bytes) for tensor in head.tensors] == [("Q4_K", 1440), ("F32", 1024)]
    assert head.parameters == 2816


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + bytes(20), b"PK\x03\x04" + bytes(100), b"GGUF\x03\0\0\0"])
def test_what_is_no_such_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "letter.gguf").write_bytes(content)
    with pytest.raises(ModelUnavailable, match=r"letter\.gguf cannot be read"):
        gguf.read(tmp_path / "letter.gguf")


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", LLAMA, [("token_embd.weight", (256, 100), 12)])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    with pytest.raises(ModelUnavailable, match="cut off"):
        gguf.read(path)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + content)
    with contextlib.suppress(ModelUnavailable):
        gguf.read(path)


# ---- the key-value cache ----


def test_the_cache_is_counted_by_the_heads_that_keep_keys() -> None:
    assert memory.cache_bytes(shown(LLAMA), context=4096) == 512 * MIB  # 32 layers, 8 heads of 128, 2 x 16 bits


def test_a_window_bounds_what_its_layers_keep() -> None:
    gemma = of("gemma3", block_count=6, embedding_length=256, attention__head_count=2, attention__key_length=64,
               attention__value_length=64, attention__head_count_kv=1, attention__sliding_window=1024)  # fmt: skip
    assert memory.cache_bytes(gemma, context=32768) == (5 * 1536 + 32768) * 2 * 64 * 2
    assert memory.cache_bytes(gemma, context=1024) == 6 * 1024 * 2 * 64 * 2


def test_a_window_for_unnamed_layers_is_counted_as_none_and_said() -> None:
    other = of("other", block_count=2, embedding_length=64, attention__head_count=1, attention__sliding_window=256)
    assert memory.cache_bytes(other, context=4096) == 2 * 4096 * 128 * 2
    assert "counted as none" in other.notes[0]


def test_a_compressed_cache_holds_one_row_a_token() -> None:
    deepseek = of("deepseek2", block_count=61, embedding_length=7168, attention__head_count=128,
                  attention__head_count_kv=1, attention__kv_lora_rank=512, attention__key_length=576,
                  attention__value_length=512, attention__key_length_mla=192)  # fmt: skip
    assert memory.cache_bytes(deepseek, context=4096) == 61 * 4096 * 576 * 2


def test_layers_without_attention_keep_nothing() -> None:
    hybrid = of("lfm2", block_count=4, embedding_length=512, attention__head_count=8,
                attention__head_count_kv=[0, 2, 0, 2])  # fmt: skip
    assert memory.cache_bytes(hybrid, context=1024) == 2 * 2 * 64 * 2 * 2 * 1024


def test_of_a_mixture_all_experts_lie_in_memory_and_few_are_read() -> None:
    moe = of("qwen3moe", block_count=48, embedding_length=2048, attention__head_count=32, attention__head_count_kv=4,
             attention__key_length=128, attention__value_length=128, expert_count=128, expert_used_count=8,
             expert_feed_forward_length=768, feed_forward_length=6144)  # fmt: skip
    moe = anatomy.of_shown(
        {"model_info": {**_info(moe), "general.parameter_count": 30_532_122_624}, "details": {}},
        size_bytes=17_000 * MIB,
    )
    assert moe.weights_bytes == 17_000 * MIB
    assert 0.08 < moe.read_bytes / moe.weights_bytes < 0.14  # 3.3 of 30.5 thousand million
    assert "all lie in memory" in " ".join(moe.notes)


def _info(_: anatomy.Anatomy) -> dict[str, Any]:
    return {
        "general.architecture": "qwen3moe", "qwen3moe.block_count": 48, "qwen3moe.embedding_length": 2048,
        "qwen3moe.attention.head_count": 32, "qwen3moe.attention.head_count_kv": 4, "qwen3moe.expert_count": 128,
        "qwen3moe.expert_used_count": 8, "qwen3moe.expert_feed_forward_length": 768,
    }  # fmt: skip


@given(st.integers(512, 100_000), st.integers(512, 100_000))
def test_a_longer_context_never_needs_less(one: int, other: int) -> None:
    short, long = sorted((one, other))
    assert memory.predict(shown(LLAMA), context=short).total <= memory.predict(shown(LLAMA), context=long).total


SHOWN = Path(__file__).parent / "shown"


@pytest.mark.parametrize(
    ("name", "mib"),
    [
        ("llama3.1_8b", 1024),
        ("qwen2.5_7b", 448),
        ("qwen3_8b", 1152),
        ("phi4_14b", 1600),
        ("gemma3_4b", 334),
        ("mixtral_8x7b", 1024),
        ("falcon_7b", 64),
    ],
)
def test_the_cache_of_recorded_models_is_that_of_their_heads(name: str, mib: int) -> None:
    told = json.loads((SHOWN / f"{name}.json").read_text())
    found = anatomy.of_shown(told, size_bytes=10**9)
    assert round(memory.cache_bytes(found, context=8192) / MIB) == mib


@pytest.mark.parametrize("path", sorted(SHOWN.glob("*.json")), ids=lambda path: path.stem)
def test_every_recorded_model_can_be_judged(path: Path) -> None:
    told = json.loads(path.read_text())
    found = anatomy.of_shown(told, size_bytes=10**9)
    assert found.layers and found.trained_context
    assert found.vocabulary or "embedding" in told["capabilities"]
    assert judged(found, pc(64000)).place is Place.MEMORY


# ---- the machine ----


def test_the_machine_is_read_from_the_kernel(tmp_path: Path) -> None:
    root = machine_tree(tmp_path, flags="fpu sse avx2 avx512f amx_bf16", total_mib=16384, free_mib=9000)
    found = machine.read(root, path=str(tmp_path))
    assert (found.processor, found.threads, found.cores, found.busy) == ("Test CPU", 4, 2, 1.5)
    assert found.vectors == ("avx2", "avx512f", "amx_bf16")
    assert (found.total, found.free, found.gpus) == (16384 * MIB, 9000 * MIB, ())


def test_an_arm_machine_tells_its_features_too(tmp_path: Path) -> None:
    root = machine_tree(tmp_path, flags="fp asimd asimddp i8mm", total_mib=8, free_mib=4, arm=True)
    assert machine.read(root, path=str(tmp_path)).vectors == ("asimd", "asimddp", "i8mm")


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    root = machine_tree(tmp_path, flags="", total_mib=16384, free_mib=9000)
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/memory.max").write_text(f"{2048 * MIB}\n")
    (root / "sys/fs/cgroup/memory.current").write_text(f"{500 * MIB}\n")
    found = machine.read(root, path=str(tmp_path))
    assert (found.total, found.free) == (2048 * MIB, 1548 * MIB)


def test_gpus_are_told_by_their_vendors_tools(tmp_path: Path) -> None:
    root = machine_tree(tmp_path / "root", flags="", total_mib=8, free_mib=4)
    (tmp_path / "bin").mkdir()
    said = {"card0": {"VRAM Total Memory (B)": str(16 * MIB), "VRAM Total Used Memory (B)": str(MIB)}}
    for name, text in (("nvidia-smi", "NVIDIA L4, 23034, 22500"), ("rocm-smi", json.dumps(said))):
        tool = tmp_path / "bin" / name
        tool.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        tool.chmod(0o755)
    nvidia, amd = machine.read(root, path=str(tmp_path / "bin") + ":/bin:/usr/bin").gpus
    assert (nvidia.name, nvidia.total, nvidia.free) == ("NVIDIA L4", 23034 * MIB, 22500 * MIB)
    assert (amd.total, amd.free) == (16 * MIB, 15 * MIB)


def test_a_tool_that_fails_is_no_gpu(tmp_path: Path) -> None:
    root = machine_tree(tmp_path / "root", flags="", total_mib=8, free_mib=4)
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    tool.chmod(0o755)
    assert machine.read(root, path=f"{tmp_path}:/bin:/usr/bin").gpus == ()


def test_an_amd_gpu_is_read_from_the_kernel(tmp_path: Path) -> None:
    root = machine_tree(tmp_path, flags="", total_mib=8, free_mib=4)
    device = root / "sys/class/drm/card1/device"
    device.mkdir(parents=True)
    (device / "mem_info_vram_total").write_text(f"{8192 * MIB}\n")
    (device / "mem_info_vram_used").write_text(f"{192 * MIB}\n")
    assert machine.read(root, path=str(tmp_path)).gpus[0].free == 8000 * MIB


# ---- the verdict ----


@pytest.mark.parametrize(
    ("here", "place"),
    [
        (pc(16000, 24000), Place.GPU),
        (pc(16000, 4000), Place.SPILLS),
        (pc(16000), Place.MEMORY),
        (pc(3000), Place.NOWHERE),
        (pc(1000, 1000), Place.NOWHERE),
    ],
)
def test_where_a_model_runs(here: machine.Machine, place: Place) -> None:
    assert judged(shown(LLAMA), here).place is place


def test_what_the_prediction_may_be_wrong_by_is_taken_as_needed() -> None:
    need = memory.predict(shown(LLAMA), context=4096, cached_tokens=0).on_device
    assert judged(shown(LLAMA), pc(64000, need // MIB + 10)).place is Place.SPILLS


def test_the_largest_context_that_fits_is_named() -> None:
    assert judged(shown(LLAMA), pc(64000)).context == 131072
    tight = judged(shown(LLAMA), pc(9000)).context
    assert 4096 <= tight < 131072
    assert judged(shown(LLAMA), pc(9000), context=2 * tight).place is Place.NOWHERE


def test_a_model_that_does_not_fit_is_told_how_it_would() -> None:
    verdict = judged(shown(LLAMA, size_mib=16000, level="F16"), pc(9000))
    assert verdict.place is Place.NOWHERE
    assert verdict.quantisation == "Q4_K_M" or verdict.quantisation.startswith(("Q4", "Q5"))
    assert judged(shown(LLAMA), pc(600)).quantisation == ""


def test_the_largest_that_is_fast_enough_is_recommended() -> None:
    small = judged(shown(LLAMA), pc(64000))
    big = replace(small, candidate=replace(small.candidate, anatomy=replace(small.candidate.anatomy, parameters=9**12)))
    slow = replace(big, candidate=replace(big.candidate, speed=replace(SPEED, writing=1)))
    nowhere = replace(big, place=Place.NOWHERE)
    assert advice.best([small, big, nowhere]) is big
    assert advice.best([small, slow]) is small
    assert advice.best([slow, nowhere]) is slow
    assert advice.best([nowhere]) is None


def test_a_model_that_may_not_be_used_is_not_recommended() -> None:
    small = judged(shown(LLAMA), pc(64000))
    big = replace(small, candidate=replace(small.candidate, anatomy=replace(small.candidate.anatomy, parameters=9**12)))
    refused = replace(big, candidate=replace(big.candidate, refused="its licence is for research"))
    assert advice.best([small, refused]) is small
    assert advice.best([refused]) is None


def test_busy_cores_get_no_thread() -> None:
    assert advice.threads(pc(1)) == 8
    assert advice.threads(replace(pc(1), busy=5.2)) == 3
    assert advice.threads(replace(pc(1), busy=8)) == 1


def test_the_machine_can_be_measured() -> None:
    power = speed.measure(1)
    assert 1e8 < power.bandwidth < 1e12
    assert 1e8 < power.arithmetic < 1e14


# ---- the real runtime ----


@pytest.mark.models
def test_the_memory_of_a_real_model_is_predicted_within_a_tenth(tiny: Weights) -> None:
    from tests.bench.fit import row

    found = row("smollm2-135m", tiny.path, 1024)
    assert abs(found["error"]) <= memory.MEASURED_ERROR, found


@pytest.mark.models
def test_a_real_model_tells_its_heads(tiny: Weights) -> None:
    found = anatomy.of_file(gguf.read(tiny.path))
    assert (found.architecture, found.quantisation, len(found.layers)) == ("llama", "Q4_1", 30)
    assert found.layers[0] == anatomy.Layer(keys=192, values=192)
    assert (found.vocabulary, found.trained_context, found.tied) == (49152, 8192, True)


@pytest.mark.models
def test_a_real_model_is_measured_in_a_few_seconds(tiny: Weights) -> None:
    found = speed.trial(tiny.path, threads=1)
    assert found.measured
    assert found.reading > 0 < found.writing
