"""The reranker: off unless named, real where it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.models.reranker import open_reranker


def test_no_directory_means_no_reranker() -> None:
    assert open_reranker(None) is None


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"no config\.json"):
        open_reranker(tmp_path)


def test_a_cross_encoder_scores_every_passage(tmp_path: Path) -> None:
    """A real cross-encoder of two layers that nobody trained: its scores mean nothing, their form does."""
    transformers = pytest.importorskip("transformers", reason="needs the extra `torch`")
    pytest.importorskip("sentence_transformers", reason="needs the extra `torch`")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "urlaub", "tage", "lohn"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=1,
    )
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    reranker = open_reranker(tmp_path)
    assert reranker is not None
    scores = reranker.scores("urlaub", ["tage", "lohn", "urlaub tage"])
    assert len(scores) == 3
    assert all(isinstance(score, float) for score in scores)
    assert list(reranker.scores("urlaub", [])) == []
    assert list(scores) == pytest.approx(list(reranker.scores("urlaub", ["tage", "lohn", "urlaub tage"])), abs=1e-5)
