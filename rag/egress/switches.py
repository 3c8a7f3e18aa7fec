"""The phone-home switches of the libraries the product uses, or could come to stand beside.

Several are read once, at import: so importing `rag` sets all of them. tests/access/test_switches.py asserts for each
library that nothing of it is imported before.
"""

from __future__ import annotations

import os
import sys
from typing import Final

SWITCHES: Final = {
    "ANONYMIZED_TELEMETRY": "False",  # chromadb
    "CHROMA_OTEL_GRANULARITY": "none",
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # transformers posts to a conversion service for .bin weights
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_OFFLINE": "1",
    "OLLAMA_NO_CLOUD": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime >= 1.29 sends by default on Linux
    "OTEL_SDK_DISABLED": "true",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "SCARF_NO_ANALYTICS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
}
"""Variable → value that keeps a library from calling home."""

NEVER_IMPORTED: Final = ("openvino_telemetry", "openvino.tools.ovc")
"""Modules that send a usage event on import: `import openvino` alone would do it."""

_DROPPED_PREFIXES: Final = ("OTEL_EXPORTER_", "CHROMA_OTEL_COLLECTION_")
_DROPPED: Final = (
    *("OPENAI_API_KEY", "OLLAMA_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "ANTHROPIC_API_KEY", "CO_API_KEY"),
    *("CHROMA_API_KEY", "CHROMA_OPENAI_API_KEY", "LLAMA_CLOUD_API_KEY"),
)


def close_phone_home() -> None:
    """Set every switch and drop the credentials that would let a default reach a cloud."""
    os.environ.update(SWITCHES)
    for name in NEVER_IMPORTED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None makes an import of it fail, as is meant
    for name in [n for n in os.environ if n in _DROPPED or n.startswith(_DROPPED_PREFIXES)]:
        del os.environ[name]


def open_phone_home() -> None:
    """Undo it, as far as the environment goes: for the proof that the kernel guard alone suffices. Nothing else calls
    this (tests/access/test_switches.py)."""
    for name in SWITCHES:
        os.environ.pop(name, None)
    for name in NEVER_IMPORTED:
        if sys.modules.get(name, ...) is None:
            del sys.modules[name]
    SWITCHES.clear()
