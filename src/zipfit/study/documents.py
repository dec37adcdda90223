"""The documents that an arm trains on."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError
from zipfit.methods.registry import build_method, has_option
from zipfit.selection.alignment import alignment
from zipfit.selection.ranking import Job
from zipfit.selection.sources import Task
from zipfit.study.data import digest
from zipfit.study.schema import SelectionRecord, TopDocument
from zipfit.training.blocks import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zipfit.selection.pool import CorpusPool, Facts
    from zipfit.study.data import Source
    from zipfit.study.schema import Arm

_TOP = 20
_EXCERPT = 200  # characters
_RUN = 256  # documents fetched at a time


@dataclass(frozen=True)
class Document:
    """A document to train on.

    Attributes:
        position: in the source; None for an example of the target.
        score: the method's, 0 where there is none.
        label: of the source.
        text: the document.
        tokens: its number of tokens, end-of-text token included.
        alignment: with the target: ZIP-FIT's score by gzip at level 6 (eq. 1 of arXiv 2410.18194).
    """

    position: int | None
    score: float
    label: str
    text: str
    tokens: int
    alignment: float

    @property
    def bytes(self) -> int:
        """Length in UTF-8."""
        return len(self.text.encode("utf-8", "replace"))


@dataclass(frozen=True)
class Chosen:
    """An arm's documents, in the order in which a budget takes them.

    Attributes:
        documents: best first.
        seconds: that the method took, by stage.
        cached: share of the pool's documents, in 0..1, that it need not encode, as their vectors were kept from before;
            None for a method without an encoder.
    """

    documents: list[Document]
    seconds: dict[str, float]
    cached: float | None = None

    def within(self, budget: int | None) -> Chosen:
        """The first documents, as many as fill a budget of tokens."""
        if budget is None:
            return self
        totals = itertools.accumulate((document.tokens for document in self.documents), initial=0)
        taken = [document for document, total in zip(self.documents, totals, strict=False) if total < budget]
        return replace(self, documents=taken)

    @property
    def texts(self) -> list[str]:
        return [document.text for document in self.documents]

    def record(self, key: str, arm: Arm, excerpts: bool) -> SelectionRecord:
        """What is kept of it: no text but, with `excerpts`, the beginnings of the first documents."""
        columns = ("position", "score", "label", "tokens", "bytes", "alignment")
        return SelectionRecord(
            key=key,
            arm=arm,
            seconds=self.seconds,
            **{column: [getattr(document, column) for document in self.documents] for column in columns},
            top=[
                TopDocument(
                    rank=rank,
                    **{column: getattr(document, column) for column in ("position", "score", "alignment", "label")},
                    text=document.text[:_EXCERPT] if excerpts else None,
                )
                for rank, document in enumerate(self.documents[:_TOP], 1)
            ],
        )


class Chooser:
    """Chooses documents for any arm of a study, and remembers what it chose.

    Args:
        source: the pool.
        target: the task's examples.
        tokenizer: of the model to be trained, which counts the budget's tokens.
        arms: all of the study's, as one may lean on another.
    """

    def __init__(self, source: Source, target: Sequence[str], tokenizer: Any, arms: Sequence[Arm]) -> None:
        self._source = source
        self._target = list(target)
        self._tokenizer = tokenizer
        self._arms = {arm.name: arm for arm in arms}
        self._known: dict[tuple[str, int | None], tuple[int | None, Chosen]] = {}
        self._pool: CorpusPool | None = None

    def choose(self, arm: Arm, budget: int | None, seed: int) -> Chosen:
        """The arm's documents, as many as fill the budget of tokens; None for all of them.

        A larger budget only adds documents after those of a smaller one.

        Raises:
            ZipfitError: the method fails, or nothing is left to train on.
        """
        key = (arm.name, seed if is_seeded(arm) else None)
        known = self._known.get(key)
        if known is None or (known[0] is not None and (budget is None or known[0] < budget)):
            known = budget, self._choose(arm, budget, seed)
            if not known[1].documents:
                raise ZipfitError(f"arm {arm.name}: there is no document to train on")
            self._known[key] = known
        return known[1].within(budget)

    def _choose(self, arm: Arm, budget: int | None, seed: int) -> Chosen:
        if arm.train_on == "target":
            return self._target_itself(budget, seed)
        if arm.method is not None:
            return self._by_method(arm, budget, seed)
        pool = self._facts_pool()
        positions = self._drawn(arm, pool.facts, budget, seed)
        return self._described(self._fill(((position, 0.0) for position in positions), pool, budget), pool.facts, {})

    def _drawn(self, arm: Arm, facts: Facts, budget: int | None, seed: int) -> list[int]:
        """Positions in an order drawn by the seed: of all documents, those of a label, or those of certain lengths."""
        if arm.lengths_of is not None:
            like = self.choose(self._arms[arm.lengths_of], budget, seed)
            return of_lengths([document.bytes for document in like.documents], facts.lengths.tolist(), seed)
        positions = list(range(len(facts.lengths)))
        if arm.label is not None:
            if arm.label not in facts.label_names:
                raise ZipfitError(f"arm {arm.name}: no document of the source has the label {arm.label!r}")
            positions = np.flatnonzero(facts.labels == facts.label_names.index(arm.label)).tolist()
        random.Random(seed).shuffle(positions)
        return positions

    def _by_method(self, arm: Arm, budget: int | None, seed: int) -> Chosen:
        assert arm.method is not None
        if arm.rules:
            raise ZipfitError(f"arm {arm.name}: a study does not apply {', '.join(arm.rules)} yet")
        options = dict(arm.options)
        if has_option(arm.method, "seed"):
            options["seed"] = seed
        target = self._target
        if arm.target_size is not None and arm.target_size < len(target):
            target = random.Random(seed).sample(target, arm.target_size)
        task = Task(self._source.documents, target, self._source.parameters)
        method = build_method(arm.method, options)
        job = Job(task, method)
        ranked: Iterable[tuple[int, float]] = job.ranking
        if arm.min_score is not None:
            above = [(position, score) for position, score in job.ranking if score >= arm.min_score]
            random.Random(seed).shuffle(above)
            ranked = above
        with task.stopwatch.stage("cut"):  # in which a selector does most of its work
            taken = self._fill(iter(ranked), task.pool, budget)
        chosen = self._described(taken, task.pool.facts, dict(task.stopwatch.seconds))
        cached = getattr(method, "notes", {}).get("cached_vectors")
        return replace(chosen, cached=None if cached is None else cached / max(1, len(task.pool.facts.lengths)))

    def _target_itself(self, budget: int | None, seed: int) -> Chosen:
        """The target in an order drawn by the seed, again and again until the budget is full; once without a budget."""
        texts = list(self._target)
        random.Random(seed).shuffle(texts)
        tokens = self._count(texts)
        if budget is not None:
            rounds = -(-budget // max(1, sum(tokens)))
            texts, tokens = texts * rounds, tokens * rounds
        aligned = self._alignments(texts)
        return Chosen(
            [
                Document(None, 0.0, "(target)", text, count, aligned[text])
                for text, count in zip(texts, tokens, strict=True)
            ],
            {},
        )

    def _fill(
        self, ranked: Iterator[tuple[int, float]], pool: CorpusPool, budget: int | None
    ) -> list[tuple[int, float, str, int]]:
        """Position, score, text and tokens of ranked documents until they fill the budget."""
        taken: list[tuple[int, float, str, int]] = []
        total = 0
        while run := list(itertools.islice(ranked, _RUN)):
            texts = pool.texts([position for position, _ in run])
            for (position, score), text, tokens in zip(run, texts, self._count(texts), strict=True):
                if budget is not None and total >= budget:
                    return taken
                taken.append((position, score, text, tokens))
                total += tokens
        return taken

    def _described(self, taken: list[tuple[int, float, str, int]], facts: Facts, seconds: dict[str, float]) -> Chosen:
        aligned = self._alignments([text for _, _, text, _ in taken])
        documents = [
            Document(position, score, facts.label(position), text, tokens, aligned[text])
            for position, score, text, tokens in taken
        ]
        return Chosen(documents, seconds)

    def _alignments(self, texts: list[str]) -> dict[str, float]:
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return {}
        return dict(zip(distinct, alignment(distinct, self._target).scores.tolist(), strict=True))

    def _count(self, texts: list[str]) -> list[int]:
        return [len(tokens) + 1 for tokens in encode(texts, self._tokenizer)]

    def _facts_pool(self) -> CorpusPool:
        if self._pool is None:
            self._pool = Task(self._source.documents, self._target, self._source.parameters).pool
        return self._pool


def is_seeded(arm: Arm) -> bool:
    """Whether the seed changes which documents the arm takes."""
    if arm.lengths_of is not None or arm.method is None:
        return True
    return has_option(arm.method, "seed") or arm.min_score is not None or arm.target_size is not None


def arm_digest(arm: Arm, arms: dict[str, Arm]) -> str:
    """A digest of what an arm does, whatever it is called and whichever budgets it is trained at."""
    described = {name: value for name, value in arm.way.items() if name not in ("family", "swept")}
    if arm.lengths_of is not None:
        described["lengths_of"] = arm_digest(arms[arm.lengths_of], arms)
    return digest(described)


def of_lengths(wanted: Sequence[int], lengths: Sequence[int], seed: int) -> list[int]:
    """Positions of distinct documents of about the wanted lengths, drawn at random: the control for length.

    For each wanted length in turn, the document nearest to it in length among those left; among equals, the first in an
    order drawn by the seed.

    Args:
        wanted: lengths in bytes.
        lengths: of the pool's documents.
        seed: of the draw.
    """
    shuffled = list(range(len(lengths)))
    random.Random(seed).shuffle(shuffled)
    left = sorted((lengths[position], place, position) for place, position in enumerate(shuffled))
    taken = []
    for length in wanted:
        if not left:
            break
        place = bisect_left(left, (length, -1, -1))
        if place == len(left) or (place > 0 and length - left[place - 1][0] < left[place][0] - length):
            place = bisect_left(left, (left[place - 1][0], -1, -1))
        taken.append(left.pop(place)[2])
    return taken
