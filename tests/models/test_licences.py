"""May a company use this model? By its text, its file's fields, its name."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models.catalogue import MODELS
from rag.models.families import known
from rag.models.licence_terms import FIELDS, LICENCES, STRICTNESS
from rag.models.licences import Origin, Policy, Use, judge, named
from rag.text.sentences import LANGUAGES, texts

SHOWN = Path(__file__).parent / "shown"
FREE, CONDITIONS, RESEARCH = Use.FREE, Use.CONDITIONS, Use.RESEARCH

RIGHT: Mapping[str, tuple[Use, str]] = {
    "llama3.1:8b": (CONDITIONS, "Llama 3.1 Community License"),
    "llama3.1:70b": (CONDITIONS, "Llama 3.1 Community License"),
    "llama3:8b": (CONDITIONS, "Llama 3 Community License"),
    "llama3.2:1b": (CONDITIONS, "Llama 3.2 Community License"),
    "llama3.2:3b": (CONDITIONS, "Llama 3.2 Community License"),
    "llama3.2-vision:11b": (CONDITIONS, "Llama 3.2 Community License"),
    "llama3.2-vision:90b": (CONDITIONS, "Llama 3.2 Community License"),
    "llama3.3:70b": (CONDITIONS, "Llama 3.3 Community License"),
    "llama4:scout": (CONDITIONS, "Llama 4 Community License"),
    "llama2:7b": (CONDITIONS, "Llama 2 Community License"),
    "qwen2.5:0.5b": (FREE, "Apache-2.0"),
    "qwen2.5:3b": (RESEARCH, "Qwen Research License"),
    "qwen2.5:7b": (FREE, "Apache-2.0"),
    "qwen2.5:14b": (FREE, "Apache-2.0"),
    "qwen2.5:72b": (CONDITIONS, "Qwen License"),
    "qwen2.5-coder:3b": (RESEARCH, "Qwen Research License"),
    "qwen2.5vl:7b": (FREE, "Apache-2.0"),
    "qwen2:72b": (CONDITIONS, "Tongyi Qianwen License"),
    "qwen3:0.6b": (FREE, "Apache-2.0"),
    "qwen3:8b": (FREE, "Apache-2.0"),
    "qwen3:30b-a3b": (FREE, "Apache-2.0"),
    "deepseek-v3:671b": (CONDITIONS, "DeepSeek License 1.0"),
    "deepseek-r1:671b": (FREE, "MIT"),
    "deepseek-r1:7b": (FREE, "MIT"),
    "deepseek-r1:8b-llama-distill-q4_K_M": (CONDITIONS, "MIT + Llama 3.1 Community License"),
    "deepseek-r1:70b": (CONDITIONS, "MIT + Llama 3.3 Community License"),
    "deepseek-coder:6.7b": (CONDITIONS, "DeepSeek License 1.0"),
    "phi4:14b": (FREE, "MIT"),
    "phi4-mini:3.8b": (FREE, "MIT"),
    "phi4-multimodal:5.6b": (FREE, "MIT"),
    "mistral:7b": (FREE, "Apache-2.0"),
    "mistral-nemo:12b": (FREE, "Apache-2.0"),
    "mistral-small:24b": (FREE, "Apache-2.0"),
    "mistral-large:123b": (RESEARCH, "Mistral AI Research License"),
    "codestral:22b": (RESEARCH, "Mistral AI Non-Production License"),
    "mixtral:8x7b": (FREE, "Apache-2.0"),
    "falcon:7b": (FREE, "Apache-2.0"),
    "falcon:180b": (CONDITIONS, "Falcon-180B TII License 1.0"),
    "falcon2:11b": (CONDITIONS, "TII Falcon License 2.0"),
    "falcon3:7b": (CONDITIONS, "TII Falcon License 2.0"),
    "gemma:7b": (CONDITIONS, "Gemma Terms of Use"),
    "gemma2:9b": (CONDITIONS, "Gemma Terms of Use"),
    "gemma3:4b": (CONDITIONS, "Gemma Terms of Use"),
    "embeddinggemma:300m": (CONDITIONS, "Gemma Terms of Use"),
    "gpt-oss:20b": (FREE, "Apache-2.0"),
    "gpt-oss:120b": (FREE, "Apache-2.0"),
    "command-r:35b": (RESEARCH, "CC-BY-NC-4.0"),
    "stablelm2:1.6b": (RESEARCH, "Stability AI Non-Commercial License"),
    "exaone3.5:7.8b": (RESEARCH, "EXAONE AI Model License, NC"),
    "nomic-embed-text:v1.5": (FREE, "Apache-2.0"),
    "bge-m3:567m": (FREE, "MIT"),
    "smollm2:135m": (FREE, "Apache-2.0"),
}
NOT_IN_THE_UNION = {"llama3.2-vision:11b", "llama3.2-vision:90b", "llama4:scout"}
MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software"
APACHE = "Apache License\nVersion 2.0, January 2004\nhttp://www.apache.org/licenses/"


def shown(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SHOWN / f"{name.replace(':', '_')}.json").read_text(encoding="utf-8"))
    return content


def judged(name: str, content: Mapping[str, Any]) -> Any:
    return judge(
        content.get("license"),
        name=name,
        size=content["details"]["parameter_size"],
        information=content["model_info"],
        multimodal=bool({"vision", "audio"} & set(content["capabilities"])),
    )


def test_every_recorded_model_has_a_right_verdict_written_down() -> None:
    assert {path.stem.replace("_", ":", 1) for path in SHOWN.glob("*.json")} == set(RIGHT)
    assert len(RIGHT) >= 40


@pytest.mark.parametrize("name", RIGHT)
def test_a_recorded_model_gets_the_right_verdict(name: str) -> None:
    verdict = judged(name, shown(name))
    assert (verdict.use, verdict.name) == RIGHT[name]
    assert verdict.origin is Origin.TEXT
    assert verdict.contradicts is None
    assert verdict.excludes_eu is (name in NOT_IN_THE_UNION)


@pytest.mark.parametrize("name", RIGHT)
def test_the_name_alone_leads_to_the_same_use(name: str) -> None:
    content = shown(name)
    verdict = judged(name, content | {"license": ""})
    assert verdict.use is RIGHT[name][0]
    assert verdict.origin is Origin.CATALOGUE


@given(name=st.sampled_from(sorted(RIGHT)), seed=st.integers(0, 2**32))
def test_line_breaks_marks_and_case_change_no_verdict(name: str, seed: int) -> None:
    content, chance = shown(name), random.Random(seed)
    text = content["license"]
    text = re.sub(r"\s+", lambda _: chance.choice((" ", "\n", "\n\n   ", "\t ")), text)
    text = chance.choice((str.upper, str.lower, str.title, str))(text)
    text = chance.choice(("", "# ", "**", "\n\n")) + text
    assert judged(name, content | {"license": text}).use is RIGHT[name][0]


@given(st.permutations([MIT, APACHE, "Gemma Terms of Use", "Qwen RESEARCH LICENSE AGREEMENT"]), st.integers(1, 4))
def test_of_several_texts_the_strictest_counts(order: list[str], count: int) -> None:
    parts = order[:count]
    verdict = judge(parts)
    assert verdict.use is max((judge(part).use for part in parts), key=STRICTNESS.index)


@pytest.mark.parametrize(
    "added", ["for non-commercial use only", "Commons Clause", "more than 5 million monthly active users"]
)
@pytest.mark.parametrize("free", [MIT, APACHE])
def test_a_free_text_with_terms_added_is_not_called_free(free: str, added: str) -> None:
    assert judge(f"{free}\n\nAdditional terms: {added}.").use is Use.UNKNOWN


def test_a_text_that_is_only_based_on_a_free_one_is_not_called_free() -> None:
    assert (
        judge("Some Lab License 1.0. Based on the Apache License Version 2.0, with modifications.").use is Use.UNKNOWN
    )


def test_an_unnamed_text_against_commercial_use_is_research_only() -> None:
    assert judge("You may use the weights for noncommercial purposes.").use is Use.RESEARCH


def test_no_text_no_field_and_no_known_name_is_unknown() -> None:
    verdict = judge("", name="our-own:latest")
    assert (verdict.use, verdict.origin) == (Use.UNKNOWN, Origin.NOTHING)


def test_the_text_wins_over_the_name_and_it_is_said() -> None:
    verdict = judge(MIT, name="llama3.1-for-clerks:8b")
    assert verdict.use is Use.FREE
    assert verdict.contradicts is LICENCES["llama3.1"]
    assert "Llama 3.1" in verdict.duties("en")
    assert "Llama 3.1" in verdict.duties("de")


def test_the_files_field_wins_over_the_name() -> None:
    verdict = judge(
        "", name="qwen2.5:7b", information={"general.license": "other", "general.license.name": "qwen-research"}
    )
    assert (verdict.use, verdict.origin) == (Use.RESEARCH, Origin.FIELD)
    assert verdict.contradicts is LICENCES["apache-2.0"]


def test_what_a_model_was_made_from_holds_on() -> None:
    verdict = judge(APACHE, name="clerk:8b", information={"general.base_model.0.name": "Llama 3.1 8B Instruct"})
    assert verdict.use is Use.CONDITIONS
    assert verdict.name == "Apache-2.0 + Llama 3.1 Community License"


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1"),
        ("meta-llama/Meta-Llama-3-70B", "llama3"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama4"),
        ("Qwen/Qwen2.5-3B-Instruct", "qwen-research"),
        ("hf.co/bartowski/Qwen2.5-72B-Instruct-GGUF:Q4_K_M", "qwen"),
        ("Qwen/Qwen2.5-32B-Instruct-AWQ", "apache-2.0"),
        ("Qwen/Qwen2.5-VL-3B-Instruct", "qwen-research"),
        ("Qwen/Qwen3-8B", "apache-2.0"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "apache-2.0"),
        ("mistralai/Mistral-Large-Instruct-2411", "mrl"),
        ("mistralai/Ministral-8B-Instruct-2410", "mrl"),
        ("openai/gpt-oss-120b", "apache-2.0"),
        ("google/gemma-3-27b-it", "gemma"),
        ("microsoft/Phi-4-multimodal-instruct", "mit"),
        ("deepseek-ai/DeepSeek-V3", "deepseek"),
        ("deepseek-ai/DeepSeek-V3-0324", "mit"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "mit"),
        ("tiiuae/Falcon3-10B-Instruct", "falcon-2"),
        ("CohereForAI/aya-23-8B", "cc-by-nc"),
        ("BAAI/bge-m3", "mit"),
        ("intfloat/multilingual-e5-large", "mit"),
    ],
)
def test_a_hubs_name_is_known_too(name: str, licence: str) -> None:
    found = known(name)
    assert found is not None
    assert found.licence == licence


def test_models_distilled_from_llama_are_known_by_a_hubs_name() -> None:
    assert known("deepseek-ai/DeepSeek-R1-Distill-Llama-8B") is not None
    assert judge("mit", name="deepseek-ai/DeepSeek-R1-Distill-Llama-8B").use is Use.CONDITIONS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_licence_has_its_duties_in_every_language(language: str) -> None:
    words = texts(language, "licences")
    for licence in (*LICENCES, "unknown", "changed"):
        assert words[f"duty.{licence}"].strip().endswith((".", "”", "“"))
    assert {f"use.{use}" for use in Use} | {f"origin.{origin}" for origin in Origin} <= words.keys()


def test_every_field_and_family_leads_to_a_licence_there_is() -> None:
    assert set(FIELDS.values()) <= LICENCES.keys()


@pytest.mark.parametrize("name", MODELS)
def test_our_own_catalogue_is_free(name: str) -> None:
    model = MODELS[name]
    verdict = named(model.licence, name=model.title)
    assert (verdict.use, verdict.contradicts) == (Use.FREE, None)


@pytest.mark.parametrize("use", Use)
def test_a_policy_refuses_what_it_does_not_allow(use: Use) -> None:
    samples = {Use.FREE: MIT, Use.CONDITIONS: "Gemma Terms of Use", Use.RESEARCH: "cc-by-nc-4.0", Use.UNKNOWN: "x"}
    verdict = judge(samples[use])
    assert Policy(allow=[use.value]).refusal("m", verdict) == ""
    refusal = Policy(allow=[other.value for other in Use if other is not use]).refusal("m", verdict)
    assert "licences.allow" in refusal
    assert "licences.accepted" in refusal


def test_what_a_person_accepted_is_not_refused() -> None:
    verdict = judge("cc-by-nc-4.0")
    assert Policy(allow=["free"], accepted=["m"]).refusal("m:latest", verdict) == ""
    assert Policy(allow=["free"], accepted=["m:latest"]).refusal("m", verdict) == ""
    assert Policy(allow=["free"], accepted=["m"]).refusal("m:7b", verdict)


def test_what_grants_nothing_in_the_union_is_refused_there_only() -> None:
    verdict = judged("llama3.2-vision:11b", shown("llama3.2-vision:11b"))
    assert "European Union" in Policy(eu=True).refusal("llama3.2-vision:11b", verdict)
    assert Policy(eu=False).refusal("llama3.2-vision:11b", verdict) == ""
