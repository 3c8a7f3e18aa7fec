"""Weights for the tests of the models, and the servers over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.models.catalogue import default_directory
from rag.models.weights import Weights, find
from tests.models.protocol_server import openai_server


@pytest.fixture(scope="session")
def models_directory() -> Path:
    """Where the weights are looked for: $RAG_MODELS, else the user's data directory."""
    return default_directory(os.environ)


@pytest.fixture(scope="session")
def weights_of(models_directory: Path) -> Callable[[str], Weights]:
    """The weights of a model; the test is skipped where they were not fetched."""

    def weights(name: str) -> Weights:
        try:
            return find(name, directory=models_directory)
        except ModelUnavailable as missing:
            pytest.skip(str(missing))

    return weights


@pytest.fixture(scope="session")
def e5(weights_of: Callable[[str], Weights]) -> Weights:
    return weights_of("e5-small")


@pytest.fixture(scope="session")
def tiny(weights_of: Callable[[str], Weights]) -> Weights:
    """The smallest language model: its words mean nothing, its protocol is real."""
    return weights_of("smollm2-135m")


@pytest.fixture(scope="session")
def openai_url(tiny: Weights) -> Iterator[str]:
    with openai_server(tiny.path) as url:
        yield url
