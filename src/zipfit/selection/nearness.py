"""How near the chosen documents come to the target's examples, and which examples none of them comes near to.

An example is *served* if a chosen document is as near to it as any of equally many documents that the pool offers
unasked, evenly spread over it. Those come from the sample that was kept when the pool was read, so this costs no
further pass. Nearness is the normalized compression distance by gzip at level 6, whatever method chose, of the first
2,000 characters of each text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zipfit.corpus.sample import CHARACTERS, SIZE
from zipfit.methods.zipfit import ZipFit
from zipfit.selection.explain import shared_substrings
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.selection.rivals import Rival
    from zipfit.selection.selection import Selection

_BEST, _AT_THE_CUT = 5, 3
"""Documents that are shown beside their nearest example."""

_DOCUMENTS = SIZE - _BEST - _AT_THE_CUT
"""Other documents that are looked at, evenly spread: with those that are shown, no more than the sample has."""

_EXAMPLES = 400
"""Examples that are looked at, evenly spread."""


@dataclass(frozen=True)
class Pair:
    """A chosen document and the example that it is nearest to.

    Attributes:
        rank: the document's, from 1.
        score: the document's.
        text: the document's first 2,000 characters.
        example: 0-based place of the example in the target.
        example_text: its first 2,000 characters.
        distance: NCD(document, example) of these.
        shared: the longest substrings, at most five, that they have in common.
    """

    rank: int
    score: float
    text: str
    example: int
    example_text: str
    distance: float
    shared: list[str]


@dataclass(frozen=True)
class Served:
    """An example of the target and the chosen document that is nearest to it.

    Attributes:
        example: 0-based place of the example in the target.
        text: its first 2,000 characters.
        rank: the document's, from 1.
        distance: NCD(document, example).
        unasked: the same of the nearest document of as many from the whole pool.
    """

    example: int
    text: str
    rank: int
    distance: float
    unasked: float

    @property
    def by_nothing(self) -> bool:
        """Whether the pool, unasked, has something nearer than all that was chosen."""
        return self.distance > self.unasked


@dataclass(frozen=True)
class Nearness:
    """What was found.

    Attributes:
        documents: chosen documents that were looked at.
        pairs: the best documents and those at the cut, by rank.
        served: the examples that were looked at, in their order.
        by_rivals: the same by what each of the selection's rivals chose; none for one that chose nothing.
    """

    documents: int
    pairs: list[Pair]
    served: list[Served]
    by_rivals: list[list[Served]]


def nearness(selection: Selection, rivals: Sequence[Rival] = ()) -> Nearness:
    """Compare a selection's documents, and those that other methods chose, with the target's examples.

    What the pool offers unasked is the same for all: as many documents as are looked at of the selection.
    """
    sources, count = selection.ranking.sources, len(selection)
    shown = [*range(min(_BEST, count)), *range(max(_BEST, count - _AT_THE_CUT), count)]
    cuts = [selection.cut, *(rival.cut for rival in rivals)]
    ranks = [np.unique([*shown, *_spread(count, _DOCUMENTS)])]
    ranks += [np.array(_spread(len(rival.cut.indices), SIZE), dtype=np.int64) for rival in rivals]
    chosen = [cut.indices[looked_at] for cut, looked_at in zip(cuts, ranks, strict=True)]
    positions, places = np.unique(np.concatenate(chosen), return_inverse=True)
    read = [text[:CHARACTERS] for text in sources.pool.texts(positions)]  # by one pass, whoever chose them
    numbers = _spread(len(sources.texts), _EXAMPLES)
    examples = [sources.texts[number][:CHARACTERS] for number in numbers]
    sample = sources.pool.corpus.sample.documents
    unasked = [sample[place].text for place in _spread(len(sample), len(ranks[0]))]

    method = ZipFit().fit(examples)
    columns = np.arange(len(examples), dtype=np.int32)
    every, chance = (method.pairs.distances(Texts.of(each), columns)[1] for each in (read, unasked))
    rows = np.split(places, np.cumsum([len(each) for each in chosen])[:-1])
    served = [
        [
            Served(number, text, int(looked_at[column.argmin()]) + 1, float(column.min()), float(least))
            for number, text, column, least in zip(numbers, examples, every[row].T, chance.min(axis=0), strict=True)
        ]
        if len(row)
        else []
        for looked_at, row in zip(ranks, rows, strict=True)
    ]
    pairs = []
    for rank in shown:
        row = int(rows[0][np.searchsorted(ranks[0], rank)])
        place = int(every[row].argmin())
        text, example = read[row], examples[place]
        shared = shared_substrings(text, example)
        score, distance = float(selection.scores[rank]), float(every[row, place])
        pairs.append(Pair(rank + 1, score, text, numbers[place], example, distance, shared))
    return Nearness(len(ranks[0]), pairs, served[0], served[1:])


def _spread(count: int, most: int) -> list[int]:
    """At most so many of `count` places, evenly spread."""
    places: list[int] = np.unique(np.linspace(0, max(0, count - 1), min(count, most)).astype(int)).tolist()
    return places
