"""The reranker: off unless named, real where it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.models.rerank_server import RerankServer
from rag.models.reranker import CrossEncoderReranker, open_reranker


def tiny_cross_encoder(folder: Path, *, labels: int = 1) -> Path:
    """A real cross-encoder of two layers that nobody trained: its scores mean nothing, their form does."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `torch`")
    pytest.importorskip("sentence_transformers", reason="needs the extra `torch`")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "urlaub", "tage", "lohn"]
    (folder / "vocab.txt").write_text("\n".join(words))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=labels,
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_no_name_means_no_reranker() -> None:
    assert open_reranker("") is None


def test_an_address_is_a_server_and_all_else_a_directory(tmp_path: Path) -> None:
    assert isinstance(open_reranker("http://127.0.0.1:1"), RerankServer)
    assert isinstance(open_reranker(str(tmp_path)), CrossEncoderReranker)
    with pytest.raises(ModelUnavailable, match="no http or https address"):
        open_reranker("ftp://models.example/reranker")


def test_a_directory_without_a_model_says_so_when_it_is_first_asked(tmp_path: Path) -> None:
    reranker = open_reranker(str(tmp_path))
    assert reranker is not None
    with pytest.raises(ModelUnavailable, match=r"no config\.json.*retrieval\.reranker"):
        reranker.scores("urlaub", ["tage"])


def test_a_model_copied_by_half_says_so(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra `torch`")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelUnavailable, match="Copy it again"):
        CrossEncoderReranker(tmp_path).scores("urlaub", ["tage"])


def test_without_the_extra_it_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # what Python does where it is not installed
    with pytest.raises(ModelUnavailable, match=r"pip install '\.\[torch\]'"):
        CrossEncoderReranker(tmp_path).scores("urlaub", ["tage"])


def test_a_cross_encoder_scores_every_passage(tmp_path: Path) -> None:
    reranker = open_reranker(str(tiny_cross_encoder(tmp_path)))
    assert reranker is not None
    scores = reranker.scores("urlaub", ["tage", "lohn", "urlaub tage"])
    assert len(scores) == 3
    assert all(isinstance(score, float) for score in scores)
    assert list(reranker.scores("urlaub", [])) == []
    assert list(scores) == pytest.approx(list(reranker.scores("urlaub", ["tage", "lohn", "urlaub tage"])), abs=1e-5)
    reranker.close()
    assert list(scores) == pytest.approx(list(reranker.scores("urlaub", ["tage", "lohn", "urlaub tage"])), abs=1e-5)


def test_a_classifier_of_several_labels_is_no_reranker(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no score for each passage"):
        CrossEncoderReranker(tiny_cross_encoder(tmp_path, labels=3)).scores("urlaub", ["tage", "lohn"])
