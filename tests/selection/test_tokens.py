from __future__ import annotations

import sys

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.selection.tokens import token_counter
from zipfit.system.texts import Texts


@pytest.fixture
def tokenizer_file(tmp_path):
    words = {"[UNK]": 0, "[CLS]": 1, "a": 2, "b": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 1)])
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_counts_without_special_tokens_truncation_or_padding(tokenizer_file):
    for name in (tokenizer_file, tokenizer_file.parent):
        assert token_counter(str(name)).count(Texts.of(["a b a b a b", "", "c"])) == [6, 0, 1]


def test_bytes():
    assert token_counter("bytes").count(Texts.of(["", "a", "é🎲"])) == [0, 1, 6]


def test_mistakes(tmp_path, monkeypatch):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ZipfitError, match=r"broken.json: cannot be loaded \("):
        token_counter(str(tmp_path / "broken.json"))
    with pytest.raises(ZipfitError, match=r"the folder holds no tokenizer.json"):
        token_counter(str(tmp_path))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zipfit\[tokens\]'"):
        token_counter("some/name")


def test_a_name_that_no_file_can_have_is_no_tokenizer():
    with pytest.raises(ZipfitError, match=r"^tokenizer x{1200}: cannot be loaded \("):
        token_counter("x" * 1200)
