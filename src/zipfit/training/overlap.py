"""Does the training selection hold parts of the test set?

Two counts of test documents: those that equal a training document, white space and case aside, and those that share a
run of 13 words with one (Brown et al. 2020, arXiv 2005.14165, appendix C; `corpus.overlap` says what a word is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zipfit.corpus.overlap import Rule, TestExamples

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RUN = 13


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
    examples = TestExamples(([text] for text in test), Rule(RUN, shortest=RUN))
    exact: set[int] = set()
    shared: set[int] = set()
    for text in train:
        exact.update(examples.equal_to(text))
        shared.update(examples.sharing_with(text))
    return Overlap(len(exact), len(shared), len(test))
