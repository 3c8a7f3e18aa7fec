"""What Ollama shows of a model, read into our words."""

from __future__ import annotations

from typing import Any

import pytest

from rag.models.shown import of_answer
from tests.models.test_licences import RIGHT, shown

KINDS = {
    "llama3.1:8b": ("llama", "8.0B", "Q4_K_M", 131072, ("chat", "tools")),
    "llama3.2-vision:11b": ("mllama", "10.7B", "Q4_K_M", 131072, ("chat", "vision")),
    "phi4-multimodal:5.6b": ("phi4mm", "5.6B", "BF16", 131072, ("chat", "vision", "audio")),
    "qwen3:8b": ("qwen3", "8.2B", "Q4_K_M", 40960, ("chat", "thinking", "tools")),
    "bge-m3:567m": ("bert", "566.70M", "F16", 8192, ("embedding",)),
    "gpt-oss:20b": ("gptoss", "20.9B", "MXFP4", 131072, ("chat", "thinking", "tools")),
}


@pytest.mark.parametrize("name", KINDS)
def test_it_tells_family_size_quantisation_length_and_what_the_model_can_do(name: str) -> None:
    found = of_answer(shown(name))
    assert (found.family, found.size, found.quantisation, found.context_tokens, found.capabilities) == KINDS[name]


@pytest.mark.parametrize("name", RIGHT)
def test_every_recorded_model_tells_its_length_and_its_verdict(name: str) -> None:
    found = of_answer(shown(name))
    assert found.context_tokens and found.context_tokens >= 2048
    assert found.verdict(name).use is RIGHT[name][0]
    assert len(found.licence_digest) == len(found.template_digest) == 12


@pytest.mark.parametrize(
    ("content", "capabilities"),
    [
        ({"model_info": {"general.architecture": "bert"}}, ("embedding",)),
        ({"model_info": {"general.architecture": "llama"}}, ("chat",)),
        ({"model_info": {"general.architecture": "llava", "llava.vision.block_count": 24}}, ("chat", "vision")),
        ({"projector_info": {"clip.vision.block_count": 24}}, ("chat", "vision")),
        ({"capabilities": ["completion", "insert"]}, ("chat",)),
    ],
)
def test_a_server_that_lists_no_capabilities_is_read_by_the_file(
    content: dict[str, Any], capabilities: tuple[str, ...]
) -> None:
    assert of_answer(content).capabilities == capabilities


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"details": None, "model_info": [1], "license": None, "template": 5},
        {"model_info": {"general.architecture": "llama", "llama.context_length": "long"}},
        {"model_info": {"general.architecture": "llama", "llama.context_length": -1}},
    ],
)
def test_what_has_another_form_is_left_out(content: dict[str, Any]) -> None:
    assert of_answer(content).context_tokens is None


def test_several_licences_are_one_text() -> None:
    assert of_answer({"license": ["MIT", "Gemma Terms of Use"]}).verdict("m").use.value == "conditions"


@pytest.mark.parametrize("field", ["remote_host", "remote_model"])
def test_a_model_that_only_stands_for_another_is_remote(field: str) -> None:
    assert of_answer({field: "ollama.com"}).remote
    assert not of_answer({}).remote
