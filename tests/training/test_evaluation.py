from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("transformers")
import torch
from tiny import TEXTS, save_model

from zipfit.errors import ZipfitError
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import LanguageModel, load_model


def nats_of(model: LanguageModel, text: str, start: int) -> tuple[int, float]:
    """The same by Transformers' own loss, a document at a time, without padding."""
    tokens = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[start, *tokens]])
    with torch.no_grad():
        mean = model.network(input_ids=ids, labels=ids).loss.item()
    return len(tokens), mean * len(tokens)


@pytest.fixture(scope="module")
def model(tiny: Path) -> LanguageModel:
    return load_model(str(tiny))


def test_each_document_costs_what_transformers_says(model: LanguageModel):
    texts = [*TEXTS[:7], "é" * 50, "x"]
    evaluation = cross_entropy(model, texts)
    for document, text in zip(evaluation.documents, texts, strict=True):
        tokens, nats = nats_of(model, text, model.tokenizer.eos_token_id)
        assert (document.tokens, document.bytes, document.truncated) == (tokens, len(text.encode()), False)
        assert document.nats == pytest.approx(nats, rel=1e-5)
    assert evaluation.loss == pytest.approx(sum(d.nats for d in evaluation.documents) / evaluation.tokens)
    assert evaluation.bits_per_byte == pytest.approx(
        sum(d.nats for d in evaluation.documents) / math.log(2) / sum(len(text.encode()) for text in texts)
    )


def test_a_begin_of_text_token_is_where_a_document_starts(tmp_path: Path):
    model = load_model(str(save_model(tmp_path, begin="<|begin|>")))
    document = cross_entropy(model, [TEXTS[0]]).documents[0]
    tokens, nats = nats_of(model, TEXTS[0], model.tokenizer.bos_token_id)
    assert document.tokens == tokens
    assert document.nats == pytest.approx(nats, rel=1e-5)


def test_an_untrained_model_costs_about_the_log_of_its_vocabulary(model: LanguageModel):
    assert cross_entropy(model, TEXTS).loss == pytest.approx(math.log(320), rel=0.05)


def test_a_long_document_is_scored_as_far_as_asked_and_says_so(model: LanguageModel):
    text = TEXTS[0] * 10
    document = cross_entropy(model, [text], test_tokens=20).documents[0]
    assert (document.tokens, document.truncated) == (20, True)
    prefix = model.tokenizer.decode(model.tokenizer(text)["input_ids"][:20])
    assert text.startswith(prefix)
    assert document.bytes == len(prefix.encode())
    assert document.nats == pytest.approx(cross_entropy(model, [prefix]).documents[0].nats, rel=1e-5)


def test_a_document_longer_than_the_model_reads_is_cut(model: LanguageModel):
    evaluation = cross_entropy(model, [TEXTS[0] * 200], test_tokens=100_000)
    assert evaluation.documents[0].tokens == 255
    assert evaluation.truncated == 1


def test_an_empty_document_costs_nothing(model: LanguageModel):
    document = cross_entropy(model, ["", TEXTS[0]]).documents[0]
    assert (document.tokens, document.bytes, document.nats) == (0, 0, 0.0)


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_no_text_at_all_is_an_error(model: LanguageModel, texts: list[str]):
    with pytest.raises(ZipfitError, match="the test set holds no text"):
        cross_entropy(model, texts)


def test_the_models_mode_is_left_as_it_was(model: LanguageModel):
    model.network.train()
    cross_entropy(model, TEXTS[:2])
    assert model.network.training
    model.network.eval()


def test_progress_counts_every_document(model: LanguageModel):
    done: list[int] = []
    cross_entropy(model, TEXTS, on_documents=done.append)
    assert sum(done) == len(TEXTS)


@pytest.mark.parametrize("text", ["<|end|>{}", "{}<|end|>", "<|end|>{}<|end|>"])
def test_the_letters_of_a_token_that_is_not_scored_are_no_bytes(model: LanguageModel, text: str):
    plain, marked = (cross_entropy(model, [each]).documents[0] for each in (TEXTS[0], text.format(TEXTS[0])))
    assert marked == plain


def test_the_letters_of_a_token_within_are_bytes(model: LanguageModel):
    document = cross_entropy(model, ["a<|end|>b<|end|>"]).documents[0]
    assert (document.tokens, document.bytes) == (3, len("a<|end|>b"))
