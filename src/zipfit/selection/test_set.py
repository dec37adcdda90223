"""Test sets that a selection must not give away: left out of it, or looked for in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import open_documents
from zipfit.corpus.overlap import DEFAULT_RULE, Rule, TestExamples
from zipfit.errors import ZipfitError, need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zipfit.corpus.corpus import Rejected
    from zipfit.corpus.inputs import Documents, Input
    from zipfit.corpus.overlap import Match
    from zipfit.corpus.reading import Reading


@dataclass(frozen=True)
class TestSet:
    """Test sets, read and indexed.

    Attributes:
        documents: as given to `open_test_set`.
        inputs: what they were read from.
        rule: when a document overlaps, by the name that `Rule.of` takes.
        texts: the examples' texts.
        places: for each of them, its input's name and its row there (from 0, bad records counted).
        examples: their index.
    """

    __test__ = False  # no tests, whatever pytest thinks of the name

    documents: Documents
    inputs: list[Input]
    rule: str
    texts: list[str]
    places: list[tuple[str, int]]
    examples: TestExamples

    def describe(self, match: Match) -> dict[str, object]:
        """What is written of a match, as JSON values."""
        file, row = self.places[match.example]
        return {
            "test_file": file,
            "test_row": row,
            "test_text": self.texts[match.example],
            "shared_words": self.examples.shared_words(match),
            "overlap": match.score,
        }


def open_test_sets(
    exclude: Documents | None,
    check: Documents | None,
    reading: Reading,
    overlap: str | None,
    on_rejected: Callable[[Rejected], None] | None,
) -> tuple[TestSet | None, TestSet | None]:
    """Open the test sets to leave out and those to look for, where there are any; see `open_test_set`.

    Raises:
        ZipfitError: as `open_test_set`, or there is a rule and no test set.
    """
    given = {"exclude": exclude, "check": check}
    need(
        overlap is None or any(each is not None for each in given.values()),
        "overlap is the rule of a test set: exclude or check one",
    )
    excluded, checked = (
        None if each is None else open_test_set(role, each, reading, overlap or DEFAULT_RULE, on_rejected)
        for role, each in given.items()
    )
    return excluded, checked


def open_test_set(
    role: str,
    documents: Documents,
    reading: Reading,
    rule: str,
    on_rejected: Callable[[Rejected], None] | None = None,
) -> TestSet:
    """Read and index test sets.

    An example overlaps by its whole text, or by its prompts alone (its user's turns, without their roles' names), since
    that is where a pool gives away questions whose answers were written anew.

    Args:
        role: what messages call documents that Python holds.
        documents: the test sets, as in `zipfit.select`.
        reading: how their records become texts.
        rule: when a document overlaps; see `Rule.of`.
        on_rejected: called with each record that gives no text; None to raise for the first.

    Raises:
        ZipfitError: the rule is none; the test sets cannot be read, or hold no example.
    """
    meaning = Rule.of(rule)
    inputs, _ = open_documents(role, documents)
    prompts_alone = replace(reading, roles=reading.roles or "user", role_labels=False)
    prompts = dict(_by_row(Corpus(inputs, prompts_alone, on_rejected=lambda _: None)))
    corpus = Corpus(inputs, reading, allow_empty=False, on_rejected=on_rejected)
    texts = dict(_by_row(corpus))
    if not texts:
        raise ZipfitError(f"the test set to {role} is empty: {corpus.why_empty}")
    places = [(name, int(row)) for _, name, rows in corpus.places() for row in rows]
    alternatives = ([text, prompts[row]] if prompts.get(row) else [text] for row, text in texts.items())
    return TestSet(documents, inputs, rule, list(texts.values()), places, TestExamples(alternatives, meaning))


def _by_row(corpus: Corpus) -> Iterator[tuple[int, str]]:
    """Each text with its place among all records, those that give no text counted."""
    texts = [text for batch in corpus.read() for text in batch.texts]
    return zip(corpus.source_positions(np.arange(len(texts))).tolist(), texts, strict=True)
