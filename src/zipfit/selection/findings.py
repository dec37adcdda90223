"""What a user should hear of a selection without asking: leaks, a target of prompts alone, and a wrong task.

All of it comes from the chosen documents as they are written and from the samples that were kept of source and target,
so it costs no pass over the source. docs/leaks.md has the numbers that the thresholds rest on.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from operator import itemgetter
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.overlap import Verbatim, words
from zipfit.corpus.sample import CHARACTERS
from zipfit.methods.registry import METHODS, class_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from zipfit.corpus.overlap import Match
    from zipfit.methods.base import Method
    from zipfit.methods.registry import Named
    from zipfit.selection.sources import Sources
    from zipfit.selection.test_set import TestSet

_CASES = 3
"""Overlaps of a checked test set that are named, the best ranked."""

_LOOKED_AT = 200
"""Chosen documents whose words are compared with the target's, evenly spread over the ranks."""

_FEWEST_EXAMPLES = 50
"""Of fewer, too few words come again to tell which are the task's."""

_TYPICAL = 0.05
"""Share of the examples that have a typical word."""

_OWN = 4
"""How many times more often the examples have a word of their own than documents of the pool."""

_LITTLE_OWN, _LITTLE_TYPICAL = 0.1, 0.5
"""Below both, a selection looks off the task: own words from what the pool has (0) to what the examples have (1), and
typical words as a share of what the examples have."""

_PROMPT_FIELDS = ("instruction", "prompt", "question", "problem", "query", "sql_prompt", "input")

_INDIFFERENT = {METHODS[name] for name in ("gain", "cover", "random")}
"""Methods that a target of prompts alone does not mislead, or that look at none."""

_BY_DISTANCE = {METHODS[name] for name in ("zipfit", "racing", "mmr")}


class Observer:
    """Sees each chosen document once, and tells what was found.

    Args:
        sources: that were ranked.
        method: that ranked them.
        documents: k, the number of chosen documents.
        check: a test set to look for in them; None for none.
    """

    def __init__(self, sources: Sources, method: Method | Named, documents: int, check: TestSet | None) -> None:
        self._sources = sources
        self._method = class_path(method)
        self._check = check
        self._target = Verbatim(sources.texts)
        self._equal = self._containing = self._overlapping = 0
        self._cases: list[tuple[int, Match]] = []
        self._looked_at = set(np.linspace(0, documents - 1, min(documents, _LOOKED_AT)).astype(int).tolist())
        self._texts: list[str] = []

    def see(self, rank: int, text: str) -> None:
        """Look at the document of a rank, from 0; in any order."""
        if self._target.equals(text):
            self._equal += 1
        elif self._target.contains(text):
            self._containing += 1
        if rank in self._looked_at:
            self._texts.append(text[:CHARACTERS])
        match = None if self._check is None else self._check.examples.match(text)
        if match is not None:
            self._overlapping += 1
            insort(self._cases, (rank, match), key=itemgetter(0))
            del self._cases[_CASES:]

    def findings(self) -> dict[str, Any]:
        """What was found, as JSON values; nothing of what was not."""
        found = {
            "equal_to_examples": self._equal,
            "containing_examples": self._containing,
            "prompts_only": self._prompts_only(),
            "off_task": None if self._method == METHODS["random"] else off_task(*self._compared()),
        }
        return {name: value for name, value in found.items() if value}

    def checked(self) -> dict[str, Any] | None:
        """What was found of the test set, as JSON values; None without one."""
        if self._check is None:
            return None
        cases = [{"rank": rank + 1, **self._check.describe(match)} for rank, match in self._cases]
        return {"overlapping": self._overlapping, "cases": cases}

    def _compared(self) -> tuple[list[str], list[str], list[str]]:
        pool, target = self._sources.pool.corpus.sample, self._sources.examples.sample
        return self._texts, [item.text for item in pool.documents], [item.text for item in target.documents]

    def _prompts_only(self) -> str | None:
        """What mends a target of prompts for a pool of answers; None where there is nothing to mend."""
        pool, target = self._sources.pool.corpus.sample.documents, self._sources.examples.sample.documents
        answered = sum("assistant" in item.read_as.speakers for item in pool)
        if self._method in _INDIFFERENT or not target or 2 * answered <= len(pool):
            return None
        speakers = {speaker for item in target for speaker in item.read_as.speakers}
        if speakers:
            prompts_only = "assistant" not in speakers
        elif self._sources.target_reading.text_field in _PROMPT_FIELDS:
            prompts_only = True
        else:  # plain text: lines, and far shorter than what answers are in
            lines = sum("\n" not in item.text.strip() for item in target)
            shorter = median(item.bytes for item in target) < median(item.bytes for item in pool) / 2
            prompts_only = shorter and lines > 0.9 * len(target)
        if not prompts_only:
            return None
        return "--roles user, or --method gain" if self._method in _BY_DISTANCE else "--method gain"


def off_task(chosen: Sequence[str], pool: Sequence[str], target: Sequence[str]) -> dict[str, float] | None:
    """How little the chosen documents speak like the target, if that is little; None if they do, or nobody can tell.

    A word is *typical* if one in twenty examples has it, and one of the target's *own* if besides the examples have it
    four times as often as documents of the pool. A document counts by the share of its distinct words that are such.

    Args:
        chosen: some of the chosen documents.
        pool: some of the source's.
        target: some of the examples.

    Returns:
        `own_words`, from 0 for what the pool has on average to 1 for what the examples have, and `typical_words`, as a
        share of what the examples have.
    """
    if len(target) < _FEWEST_EXAMPLES:
        return None
    vocabularies = {name: _vocabularies(texts) for name, texts in (("c", chosen), ("p", pool), ("t", target))}
    in_target, in_pool = (Counter(word for each in vocabularies[name] for word in each) for name in "tp")
    typical = {word for word, count in in_target.items() if count >= max(2, _TYPICAL * len(target))}
    own = {word for word in typical if in_target[word] / len(target) > _OWN * (in_pool[word] + 1) / (len(pool) + 1)}
    of_chosen, of_pool, of_target = (_share(vocabularies[name], own) for name in "cpt")
    examples_typical = _share(vocabularies["t"], typical)
    if of_target <= of_pool or not examples_typical:
        return None
    measured = {
        "own_words": round((of_chosen - of_pool) / (of_target - of_pool), 3),
        "typical_words": round(_share(vocabularies["c"], typical) / examples_typical, 3),
    }
    little = measured["own_words"] < _LITTLE_OWN and measured["typical_words"] < _LITTLE_TYPICAL
    return measured if little else None


def _vocabularies(texts: Iterable[str]) -> list[set[str]]:
    return [found for text in texts if (found := set(words(text[:CHARACTERS])))]


def _share(vocabularies: Sequence[Collection[str]], kind: set[str]) -> float:
    """The mean share of documents' distinct words that are of a kind; 0 of no documents."""
    return fmean([sum(word in kind for word in each) / len(each) for each in vocabularies] or [0.0])
