"""Encoders to test with: small random models that need torch, and one that needs nothing."""

from __future__ import annotations

import string

import numpy as np
import pytest

from zipfit.methods.encoder import Encoded
from zipfit.methods.vectors import unit
from zipfit.system.texts import Texts


class NumberEncoder:
    """Stands in for `Encoder` where a test is about what is done with vectors: '3 -4' becomes (0.6, -0.8, 0, ...)."""

    dimension = 8

    def __init__(self, model, pooling, max_length, cache):
        pass

    def encode(self, texts):
        vectors = np.zeros((len(texts), self.dimension))
        for row, text in zip(vectors, Texts.of(texts), strict=True):
            numbers = [float(word) for word in text.split()]
            row[: len(numbers)] = numbers
        return Encoded(unit(vectors), 0, 0)

    def encode_pool(self, pool):
        batches = [batch.vectors for batch in pool.map(self.encode)]
        return Encoded(np.concatenate([np.zeros((0, self.dimension), np.float32), *batches]), 0, 0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZIPFIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def _numbers(monkeypatch):
    """Methods embed texts as the numbers they are, without torch."""
    monkeypatch.setattr("zipfit.methods.embedded.Encoder", NumberEncoder)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A folder with a random two-layer BERT of 32 dimensions that reads letters; texts up to 64 tokens."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-bert")
    letters = string.ascii_lowercase + string.digits + string.punctuation + "和偶数是жи"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,  # wide, so that texts lie well apart
    )
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_gpt(tmp_path_factory):
    """A folder with a random GPT-2 of 32 dimensions that reads bytes and adds no special tokens."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("tiny-gpt")
    vocabulary = {byte: number for number, byte in enumerate(sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()))}
    raw = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary | {"<end>": len(vocabulary)}, merges=[]))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(vocabulary) + 1, n_embd=32, n_layer=2, n_head=2, n_positions=64, initializer_range=0.5
    )
    transformers.GPT2Model(config).save_pretrained(folder)
    return str(folder)
