"""What a model finds surprising, byte by byte, against a computation by hand; and `cover` that weighs by it."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("transformers")
from tiny import TEXTS, save_model, save_tokenizer

import zipfit
from zipfit.errors import ZipfitError
from zipfit.methods import cover_reference, surprise
from zipfit.methods.cover import Cover
from zipfit.methods.surprise import byte_surprise, ngram_surprise
from zipfit.selection.rerun import rerun
from zipfit.system.runtime import engine
from zipfit.system.texts import Texts
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import load_model

ODD = [
    "",
    " ",
    "a",
    "def f():\n\n    return 1  ",
    "naïve 数学 🎲🎲 x",
    "\x00\u2028 z",
    "<|end|> after <|end|>",
    "  two",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_model(tmp_path_factory.mktemp("model")))


def by_hand(text, folder):
    """Nats of each byte: a softmax in float64, and the tokens' own bytes by the alphabet of byte-level BPE."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    tokens = tokenizer(text)["input_ids"]
    alphabet = {sign: byte for byte, sign in bytes_to_unicode().items()}
    whole = [tokenizer.eos_token_id, *tokens]
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([whole])).logits[0].numpy()
    nats = []
    for place, token in enumerate(tokens):
        row = logits[place] - logits[place].max()
        paid = math.log(np.exp(row).sum()) - row[token]
        length = len([alphabet[sign] for sign in tokenizer.convert_ids_to_tokens(token)])
        nats += [paid / length] * length
    return nats


@pytest.mark.parametrize("text", ["def add(left, right):\n    return left", "every bounded sequence", "x = 1", "  two"])
def test_bytes_cost_what_a_computation_by_hand_says(model, text):
    (nats,) = byte_surprise(Texts.of([text]), model)
    assert np.allclose(nats, by_hand(text, model), rtol=1e-4)


def test_bytes_add_up_to_what_the_model_pays(model, tmp_path):
    begun = str(save_model(tmp_path, begin="<|begin|>"))
    for name in (model, begun):
        nats = byte_surprise(Texts.of(ODD), name)
        assert [len(each) for each in nats] == [len(text.encode()) for text in ODD]
        paid = [document.nats for document in cross_entropy(load_model(name), ODD).documents]
        special = ODD.index("<|end|> after <|end|>")  # whose last token an evaluation takes for the end of the text
        for index, (each, whole) in enumerate(zip(nats, paid, strict=True)):
            assert (each >= 0).all()
            assert index == special or each.sum() == pytest.approx(whole, rel=1e-5)


def test_a_sign_of_several_tokens_shares_their_nats(model):
    (nats,) = byte_surprise(Texts.of(["数"]), model)
    assert len(set(nats.tolist())) == 1


def test_a_long_document_is_read_in_windows(model, monkeypatch):
    text = "".join(TEXTS)[:900]
    (whole,) = byte_surprise(Texts.of([text]), model)
    monkeypatch.setattr(surprise, "WINDOW", 64)
    (windows,) = byte_surprise(Texts.of([text]), model)
    assert len(windows) == 900
    assert (windows > 0).all()
    assert np.allclose(windows[:40], whole[:40], rtol=1e-5)  # within the first window
    assert abs(windows.sum() / whole.sum() - 1) < 0.1


def test_ngrams_weigh_the_mean_of_their_bytes_summed_over_where_they_stand():
    nats = [np.array([1.0, 3.0, 2.0, 0.0]), np.array([5.0, 1.0])]
    weights = ngram_surprise(Texts.of(["abab", "ab"]), nats, "byte", [1, 2])
    # In order of first appearance: a, ab, b, ba.
    assert weights.tolist() == [1 + 2 + 5, 2 + 1 + 3, 3 + 0 + 1, 2.5]
    words = ngram_surprise(
        Texts.of(["ab b", "ab"]), [np.array([1.0, 3.0, 9.0, 4.0]), np.array([5.0, 1.0])], "word", [1, 2]
    )
    # ab, ab b, b: the space between words belongs to none.
    assert np.allclose(words, [2 + 3, (1 + 3 + 4) / 3, 4])


@pytest.mark.parametrize("unit", ["byte", "word"])
def test_features_are_numbered_as_the_engines_number_them(unit):
    texts = Texts.of([*ODD, *TEXTS[:5]])
    ones = [np.ones(size) for size in texts.lengths]
    weights = ngram_surprise(texts, ones, unit, [1, 3])
    for core in (engine(cover_reference), cover_reference):
        assert np.allclose(weights, core.CoverFeatures(texts, unit, [1, 3]).counts())


def test_cover_weighs_by_surprise(model, tmp_path):
    target = ["def add_1(left, right):", "sequence converges"]
    pool = tmp_path / "pool.txt"
    pool.write_text("\n".join(text.replace("\n", " ") for text in TEXTS))
    (tmp_path / "task.txt").write_text("\n".join(target))
    options = {"weights": "surprise", "model": model}
    chosen = zipfit.select(str(pool), str(tmp_path / "task.txt"), top=6, method="cover", options=options)
    method = Cover(**options).fit(target)
    nats = byte_surprise(Texts.of(target), model)
    expected = ngram_surprise(Texts.of(target), nats, "byte", [3, 5, 7])
    assert np.allclose(method._weigh(None), expected / expected.sum(), rtol=1e-12)
    size = sum(map(len, target))
    assert chosen.notes["bits_per_byte"] == pytest.approx(sum(map(np.sum, nats)) / math.log(2) / size)
    manifest = chosen.save(tmp_path / "chosen.jsonl")
    assert manifest["method"]["options"]["model"] == model
    assert rerun(str(tmp_path / "chosen.manifest.json"), str(tmp_path / "again.jsonl"))[1]
    assert "model" not in zipfit.select(str(pool), target, top=1, method="cover").manifest["method"]["options"]


def test_a_model_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ZipfitError, match=r"model \./nowhere: there is no such folder"):
        Cover(weights="surprise", model="./nowhere").fit(["a target"])
    save_tokenizer(tmp_path)
    with pytest.raises(ZipfitError, match=r"holds no config\.json"):
        Cover(weights="surprise", model=str(tmp_path)).fit(["a target"])
