from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from zipfit.training.overlap import Overlap, find_overlap

texts = st.lists(st.lists(st.sampled_from(["a", "B", "b", "c.", "-", "é", "1"]), max_size=40).map(" ".join), max_size=6)


def plainly(train: list[str], test: list[str]) -> Overlap:
    """The definition, word for word."""

    def padded(text: str) -> str:
        return " " + " ".join(re.findall(r"[^\W_]+", text.lower())) + " "

    exact = sum(any(text.lower().split() == other.lower().split() for other in train) for text in test)
    ngram = 0
    for text in test:
        words = padded(text).split()
        runs = [" " + " ".join(words[start : start + 13]) + " " for start in range(len(words) - 12)]
        ngram += any(run in padded(other) for run in runs for other in train)
    return Overlap(exact, ngram, len(test))


@given(texts, texts)
def test_the_counts_follow_the_definition(train: list[str], test: list[str]):
    assert find_overlap(train, test) == plainly(train, test)


def test_case_and_punctuation_do_not_matter_to_runs_of_words():
    words = [f"word{number}" for number in range(13)]
    found = find_overlap(["before " + ", ".join(words).upper() + " after"], [" ".join(words), " ".join(words[:12])])
    assert found == Overlap(0, 1, 2)
    assert str(found) == ("of 2 test documents, 0 equal a training document and 1 share 13 words in a row with one")


def test_white_space_and_case_do_not_matter_to_equality():
    assert find_overlap(["Short  text\n"], ["short text", "short text", "shorter"]) == Overlap(2, 0, 3)
