"""Weights for the tests from end to end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.models.catalogue import default_directory
from rag.models.weights import find


@pytest.fixture(scope="session")
def weights() -> Path:
    """Where the weights are: $RAG_MODELS, else the user's data directory; skipped where they were not fetched."""
    directory = default_directory(os.environ)
    for name in ("e5-small", "qwen2.5-0.5b"):
        try:
            find(name, directory=directory)
        except ModelUnavailable as missing:
            pytest.skip(str(missing))
    return directory
