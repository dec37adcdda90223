"""`--method auto`: the method that `zipfit preview` finds best for this pool and target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError, need
from zipfit.methods.within import method_of
from zipfit.selection.preview import preview
from zipfit.selection.tokens import BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zipfit.methods.base import Method
    from zipfit.selection.cut import Terms
    from zipfit.selection.sources import Sources

AUTO = "auto"

CANDIDATES = ("cover", "cover within gain:0.3", "cover within bm25:0.3", "mmr", "gain", "bm25")
"""All that need no network and seconds, not minutes, on tens of thousands of documents."""

SPLITS = 3
"""Halvings of the target, by the seeds 0, 1, ..."""

_BYTES_A_TOKEN = 4


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what it was chosen by.

    Attributes:
        name: of the method, as `method_of` takes it.
        bytes: that each candidate selected.
        bits_per_byte: of the target's held-out half by each candidate's selection, split by split; also by a random
            selection's and by the other half itself.
    """

    name: str
    bytes: int
    bits_per_byte: dict[str, list[float]]

    @property
    def method(self) -> Method:
        """The method, not fitted."""
        return method_of(self.name)

    def describe(self) -> dict[str, Any]:
        """As the manifest has it; `best_in` counts the splits in which no candidate was better."""
        own = self.bits_per_byte[self.name]
        best = [min(self.bits_per_byte[name][split] for name in CANDIDATES) for split in range(len(own))]
        return {
            "chosen": self.name,
            "bytes": self.bytes,
            "best_in": sum(bits <= least for bits, least in zip(own, best, strict=True)),
            "bits_per_byte": self.bits_per_byte,
        }


def check_auto(options: Mapping[str, Any] | None, within: object, work: object, target_by: str | None) -> None:
    """Check that nothing is asked for that depends on which method is chosen.

    Raises:
        ZipfitError: something is.
    """
    need(not options, "auto chooses a method and takes no options: name the method that they are for")
    need(not within, "auto chooses a method, with a shortlist or without one: name the method that is to rank this one")
    need(work is None, "auto compares methods first, and keeps no scores on the way: name the method")
    need(target_by is None, "auto compares methods on one target: name a method that weighs several")


def choose_method(sources: Sources, terms: Terms) -> Choice:
    """Compare the candidates by `preview` on several splits, at about as many bytes as the budget asks for.

    Raises:
        ZipfitError: the budget is a score alone, or as `preview`.
    """
    facts, budget = sources.pool.facts, terms.budget
    documents, pool_bytes = len(facts.lengths), int(facts.lengths.sum())
    asked = []
    if (count := budget.documents(documents)) is not None:
        asked.append(count * pool_bytes // documents)
    if budget.tokens is not None:
        is_bytes = terms.counter is not None and terms.counter.name == BYTES.name
        asked.append(budget.tokens * (1 if is_bytes else _BYTES_A_TOKEN))
    if not asked:
        raise ZipfitError("auto chooses a method, and min-score is a score of one: name the method, or give a budget")
    size = max(1, min(*asked, pool_bytes))
    results = preview({name: method_of(name) for name in CANDIDATES}, sources, size, splits=SPLITS)
    found = {result.method: result.by_split for result in results}
    best = min(CANDIDATES, key=lambda name: sum(found[name]))  # the first of equals
    return Choice(best, size, {name: [round(bits, 4) for bits in each] for name, each in found.items()})
