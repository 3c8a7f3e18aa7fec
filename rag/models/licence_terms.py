"""The licences that models come under: what each is called, what a company may do, and how its text is known.

A pattern is looked for in text that is lower case, without marks and with single spaces (`plain`). Those of free
licences are words that only the licence itself has, since others are "based on the Apache License" and say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Use(StrEnum):
    """What a company may do with a model."""

    FREE = "free"
    CONDITIONS = "conditions"
    RESEARCH = "research"
    UNKNOWN = "unknown"


STRICTNESS = (Use.FREE, Use.CONDITIONS, Use.UNKNOWN, Use.RESEARCH)
"""From the mildest on: where several licences hold, the strictest counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """One licence. `id` names its duties in the texts (`licences.*.json`). `excludes_eu`: companies in the European
    Union are granted nothing: ``always``, for ``multimodal`` models alone, or never ("")."""

    id: str
    name: str
    use: Use
    patterns: tuple[str, ...] = ()
    excludes_eu: str = ""

    def is_in(self, text: str) -> bool:
        """Whether this `plain` text is, or holds, the licence."""
        return any(re.search(pattern, text) for pattern in self.patterns)


def plain(text: str) -> str:
    """Lower case, without marks, each run of blanks one space: what patterns are looked for in."""
    kept = re.sub(r"[*#_`\"'“”‘’„|>=]", " ", text.lower().replace("licence", "license"))
    return " ".join(kept.split())


def _free(id: str, name: str, *patterns: str) -> Licence:  # noqa: A002  # as the field
    return Licence(id=id, name=name, use=Use.FREE, patterns=patterns)


def _conditions(id: str, name: str, *patterns: str, excludes_eu: str = "") -> Licence:  # noqa: A002
    return Licence(id=id, name=name, use=Use.CONDITIONS, patterns=patterns, excludes_eu=excludes_eu)


def _research(id: str, name: str, *patterns: str) -> Licence:  # noqa: A002
    return Licence(id=id, name=name, use=Use.RESEARCH, patterns=patterns)


def _llama(version: str, *, excludes_eu: str = "") -> Licence:
    number = re.escape(version)
    return _conditions(
        f"llama{version}",
        f"Llama {version} Community License",
        rf"\bllama {number} community license",
        rf"\bllama {number} is licensed under the llama {number}\b",
        excludes_eu=excludes_eu,
    )


_ALL = (
    _free(
        "apache-2.0",
        "Apache-2.0",
        r"\bapache license,? version 2\.0, january 2004",
        r"licensed under the apache license, version 2\.0 \(the license\)",
        r"^apache( license)?[ -]?,?( version)? ?2(\.0)?( license)?$",
    ),
    _free(
        "mit",
        "MIT",
        r"permission is hereby granted, free of charge, to any person obtaining",
        r"^(the )?mit( license)?$",
    ),
    _free("bsd", "BSD", r"redistribution and use in source and binary forms", r"^bsd[ -][23]([ -]clause)?( license)?$"),
    _free(
        "isc", "ISC", r"permission to use, copy, modify, and/?o?r? ?distribute this software for any purpose with or"
    ),
    _free("cc0", "CC0-1.0", r"\bcc0 1\.0 universal", r"^cc0([ -]1\.0)?$"),
    _free(
        "cc-by",
        "CC-BY-4.0",
        r"(?<!non-)(?<!non)\battribution 4\.0 international",
        r"^cc[ -]by[ -]4\.0$",
    ),
    _conditions("cc-by-sa", "CC-BY-SA-4.0", r"\battribution-?sharealike 4\.0", r"^cc[ -]by[ -]sa[ -]4\.0$"),
    _llama("2"),
    _llama("3"),
    _llama("3.1"),
    _llama("3.2", excludes_eu="multimodal"),
    _llama("3.3"),
    _llama("4", excludes_eu="always"),
    _conditions("gemma", "Gemma Terms of Use", r"\bgemma terms of use"),
    _conditions("hai-def", "Health AI Developer Foundations Terms", r"health ai developer foundations terms"),
    _conditions("qwen", "Qwen License", r"\bqwen license agreement", r"\bqwen license$"),
    _conditions("tongyi", "Tongyi Qianwen License", r"\btongyi qianwen license agreement"),
    _conditions("falcon-royalty", "TII Falcon LLM License 1.0", r"\btii falcon llm license version 1\.0,? may 2023"),
    _conditions("falcon-180b", "Falcon-180B TII License 1.0", r"\bfalcon[ -]180b tii license"),
    _conditions(
        "falcon-2",
        "TII Falcon License 2.0",
        r"\btii falcon license 2\.0",
        r"\bfalcon 2( 11b)? tii license",
        r"\bfalcon 3 tii falcon license",
        r"\bfalcon-?3? ?(llm )?license agreement",
        r"\btii falcon-?llm license( version)? 2\.0",
        r"^falcon-llm-license$",
    ),
    _conditions("deepseek", "DeepSeek License 1.0", r"\bdeepseek license agreement"),
    _conditions("nvidia-open", "NVIDIA Open Model License", r"\bnvidia open model (license|agreement)"),
    _conditions("openrail", "OpenRAIL-M", r"\bopenrail[ -+]*m\b", r"\bopen rail[ -+]*m\b"),
    _conditions("dbrx", "Databricks Open Model License", r"\bdatabricks open model license"),
    _conditions("lfm", "LFM Open License 1.0", r"\blfm open license"),
    _conditions("modified-mit", "Modified MIT", r"\bmodified mit license", r"our only modification (part )?is that"),
    _conditions("stability", "Stability AI Community License", r"\bstability ai community license"),
    _conditions("jamba", "Jamba Open Model License", r"\bjamba open model license"),
    _conditions("yi", "Yi Series Community License", r"\byi series models (community )?license"),
    _conditions(
        "hunyuan",
        "Tencent Hunyuan Community License",
        r"\btencent hunyuan[ a-z0-9.-]* community license",
        excludes_eu="always",
    ),
    _research("qwen-research", "Qwen Research License", r"\bqwen research license agreement"),
    _research("tongyi-research", "Tongyi Qianwen Research License", r"\btongyi qianwen research license agreement"),
    _research("mrl", "Mistral AI Research License", r"\bmistral ai research license"),
    _research("mnpl", "Mistral AI Non-Production License", r"\bmistral ai non-production license"),
    _research(
        "cc-by-nc",
        "CC-BY-NC-4.0",
        r"\battribution[ -]?non-?commercial([ -]?(sharealike|noderivatives))? [34]\.0",
        r"\bcc[ -]by[ -]nc([ -](sa|nd))?([ -][34]\.0)?\b",
    ),
    _research("exaone", "EXAONE AI Model License, NC", r"\bexaone ai model license agreement[ 0-9.-]* ?- ?nc"),
    _research("stability-research", "Stability AI Non-Commercial License", r"\bstability ai non-?commercial research"),
    _research("microsoft-research", "Microsoft Research License", r"\bmicrosoft research license"),
    _research("llama1", "LLaMA License (2023, research)", r"\bllama license agreement\b.*\bnon-?commercial research"),
    _research("noncommercial", "non-commercial terms"),
)

LICENCES: Mapping[str, Licence] = MappingProxyType({one.id: one for one in _ALL})
"""Id → licence."""

UNKNOWN = Licence(id="unknown", name="unknown", use=Use.UNKNOWN)
CHANGED = Licence(id="changed", name="a free licence with terms added", use=Use.UNKNOWN)

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "apache-2.0": "apache-2.0", "apache 2.0": "apache-2.0", "mit": "mit", "isc": "isc", "cc0-1.0": "cc0",
        "bsd-2-clause": "bsd", "bsd-3-clause": "bsd", "cc-by-4.0": "cc-by", "cc-by-sa-4.0": "cc-by-sa",
        "llama2": "llama2", "llama3": "llama3", "llama3.1": "llama3.1", "llama3.2": "llama3.2", "llama3.3": "llama3.3",
        "llama4": "llama4", "gemma": "gemma", "deepseek": "deepseek", "qwen": "qwen", "qwen-research": "qwen-research",
        "tongyi-qianwen": "tongyi", "tongyi-qianwen-research": "tongyi-research", "mrl": "mrl", "mnpl": "mnpl",
        "cc-by-nc-4.0": "cc-by-nc", "cc-by-nc-sa-4.0": "cc-by-nc", "cc-by-nc-nd-4.0": "cc-by-nc", "exaone": "exaone",
        "falcon-llm-license": "falcon-2", "falcon-180b-license": "falcon-180b", "openrail": "openrail",
        "bigcode-openrail-m": "openrail", "nvidia-open-model-license": "nvidia-open", "lfm1.0": "lfm",
    }
)  # fmt: skip
"""What the field ``general.license`` of a GGUF file, or a model's card, calls a licence → id."""

ADDED = (
    r"\bnon-?commercial",
    r"\bcommons clause",
    r"\bmonthly active users",
    r"\bacceptable use policy",
    r"\bprohibited use policy",
    r"\bannual revenue",
    r"\bresearch purposes? only",
)
"""Terms that no free licence has: beside the text of one, somebody added to it."""
NONCOMMERCIAL = (r"\bnon-?commercial", r"\bresearch purposes? only", r"\bnon-production")
