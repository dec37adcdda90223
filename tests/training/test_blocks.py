from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.training.blocks import encode, make_blocks


class Bytes:
    """A tokenizer of one token a byte, 256 for the end of a text."""

    eos_token_id = 256

    def __call__(self, texts: list[str], verbose: bool = True) -> dict[str, list[list[int]]]:
        return {"input_ids": [list(text.encode()) for text in texts]}


class Closing(Bytes):
    """The same, but it ends each text itself."""

    def __call__(self, texts: list[str], verbose: bool = True) -> dict[str, list[list[int]]]:
        return {"input_ids": [[*text.encode(), 256] for text in texts]}


documents = st.lists(st.text(max_size=12), min_size=1, max_size=30)


@given(documents, st.integers(0, 3))
def test_without_a_budget_every_document_is_there_once(texts: list[str], seed: int):
    total = sum(len(text.encode()) + 1 for text in texts)
    block_size = max(2, total // 3)
    if total < block_size:
        return
    blocks = make_blocks(texts, Bytes(), block_size, seed=seed)
    assert blocks.tokens.shape == (total // block_size, block_size)
    assert blocks.documents == len(texts)
    stream = blocks.tokens.ravel().tolist()
    whole = Counter(tuple(text.encode()) for text in texts)
    seen = Counter(tuple(part) for part in split(stream)[:-1])
    assert not seen - whole  # the last one is perhaps cut short, or dropped with the remainder


def split(stream: list[int]) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for token in stream:
        if token == 256:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


@given(documents, st.integers(4, 40))
def test_a_budget_takes_the_first_documents_that_fill_it(texts: list[str], budget: int):
    lengths = np.cumsum([len(text.encode()) + 1 for text in texts])
    if lengths[-1] < 4:
        return
    blocks = make_blocks(texts, Bytes(), 4, budget)
    assert blocks.tokens.size == min(budget, int(lengths[-1])) // 4 * 4
    assert blocks.documents == min(len(texts), int(np.searchsorted(lengths, budget)) + 1)


@given(documents, st.randoms(use_true_random=False))
def test_the_order_depends_on_the_set_and_the_seed_alone(texts: list[str], random: object):
    if sum(len(text.encode()) + 1 for text in texts) < 4:
        return
    shuffled = list(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = make_blocks(texts, Bytes(), 4, seed=1), make_blocks(shuffled, Bytes(), 4, seed=1)
    assert np.array_equal(first.tokens, second.tokens)


def test_the_seed_changes_the_order():
    texts = [f"document {number}" for number in range(20)]
    assert not np.array_equal(
        make_blocks(texts, Bytes(), 4, seed=0).tokens, make_blocks(texts, Bytes(), 4, seed=1).tokens
    )


def test_a_budget_below_a_block_is_an_error():
    with pytest.raises(ZipfitError, match="a budget of 3 tokens is less than one block of 4"):
        make_blocks(["abcdef"], Bytes(), 4, budget=3)


def test_too_few_tokens_for_a_block_are_an_error():
    with pytest.raises(ZipfitError, match="2 documents of 6 tokens in all do not fill one block of 8"):
        make_blocks(["ab", "cd"], Bytes(), 8)
    with pytest.raises(ZipfitError, match="0 documents"):
        make_blocks([], Bytes(), 8)


def test_a_tokenizer_that_ends_texts_itself_does_not_end_them_twice():
    assert encode(["ab", ""], Closing()) == [[97, 98], []]
    assert make_blocks(["ab"], Closing(), 3).tokens.tolist() == [[97, 98, 256]]


def test_a_lone_surrogate_is_replaced():
    assert encode(["a\ud800"], Bytes()) == [[97, 63]]
