"""Does the training selection hold parts of the test set?

Two counts of test documents: those that equal a training document, surrounding white space aside, and those that share
a run of 13 words with one (Brown et al. 2020, arXiv 2005.14165, appendix C: words are runs of letters and digits, in
lower case).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RUN = 13
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Overlap:
    """Test documents that the training documents give away.

    Attributes:
        exact: those that equal a training document.
        ngram: those that share a run of 13 words with one; those that equal one count here too, if they are so long.
        test_documents: all of them.
    """

    exact: int
    ngram: int
    test_documents: int

    def __str__(self) -> str:
        return (
            f"of {self.test_documents} test documents, {self.exact} equal a training document and {self.ngram} share "
            f"{RUN} words in a row with one"
        )


def find_overlap(train: Iterable[str], test: Sequence[str]) -> Overlap:
    """Count the test documents that overlap with the training documents; memory goes with the test set."""
    whole: dict[str, list[int]] = {}
    runs: dict[tuple[str, ...], list[int]] = {}
    for index, text in enumerate(test):
        whole.setdefault(text.strip(), []).append(index)
        for run in _runs(text):
            runs.setdefault(run, []).append(index)
    exact: set[int] = set()
    shared: set[int] = set()
    for text in train:
        exact.update(whole.get(text.strip(), ()))
        if runs:
            for run in _runs(text):
                shared.update(runs.get(run, ()))
    return Overlap(len(exact), len(shared), len(test))


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return zip(*(words[start:] for start in range(RUN)), strict=False)
