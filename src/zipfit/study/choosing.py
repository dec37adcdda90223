"""The documents that an arm trains on."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError
from zipfit.job import Job
from zipfit.methods.registry import build_method, has_option
from zipfit.scoring import alignment
from zipfit.study.data import digest
from zipfit.task import Task
from zipfit.training.blocks import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zipfit.pool import CorpusPool
    from zipfit.study.arm import Arm
    from zipfit.study.data import Source

_TOP = 20
_EXCERPT = 200  # characters
_RUN = 256  # documents fetched at a time


@dataclass(frozen=True)
class Chosen:
    """An arm's documents, in the order in which a budget takes them.

    Attributes:
        positions: in the source; empty for documents of the target.
        scores: the method's, 0 where there is none.
        labels: of the source.
        texts: the documents.
        tokens: of each, end-of-text token included.
        seconds: that the method took, by stage.
        alignment: of each text with the target: ZIP-FIT's score by gzip at level 6 (eq. 1 of arXiv 2410.18194).
    """

    positions: list[int]
    scores: list[float]
    labels: list[str]
    texts: list[str]
    tokens: list[int]
    seconds: dict[str, float]
    alignment: list[float]

    def to_json(self, key: str, arm: Arm) -> dict[str, Any]:
        """What is kept of it: no text but the beginnings of the first documents."""
        return {
            "format": 1,
            "key": key,
            "arm": asdict(arm),
            "seconds": self.seconds,
            "position": self.positions,
            "score": self.scores,
            "label": self.labels,
            "tokens": self.tokens,
            "bytes": [len(text.encode("utf-8", "replace")) for text in self.texts],
            "alignment": self.alignment,
            "top": [
                {
                    "rank": rank + 1,
                    "position": self.positions[rank] if self.positions else None,
                    "score": self.scores[rank],
                    "alignment": self.alignment[rank],
                    "label": self.labels[rank],
                    "text": self.texts[rank][:_EXCERPT],
                }
                for rank in range(min(_TOP, len(self.texts)))
            ],
        }


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
            if not known[1].texts:
                raise ZipfitError(f"arm {arm.name}: there is no document to train on")
            self._known[key] = known
        chosen, count, total = known[1], 0, 0
        while count < len(chosen.texts) and (budget is None or total < budget):
            total += chosen.tokens[count]
            count += 1
        return Chosen(
            chosen.positions[:count],
            chosen.scores[:count],
            chosen.labels[:count],
            chosen.texts[:count],
            chosen.tokens[:count],
            chosen.seconds,
            chosen.alignment[:count],
        )

    def _choose(self, arm: Arm, budget: int | None, seed: int) -> Chosen:
        if arm.train_on == "target":
            return self._target_itself(budget, seed)
        if arm.method is not None:
            return self._by_method(arm, budget, seed)
        task_pool = self._facts_pool()
        facts = task_pool.facts
        if arm.label is not None:
            if arm.label not in facts.label_names:
                raise ZipfitError(f"arm {arm.name}: no document of the source has the label {arm.label!r}")
            positions = np.flatnonzero(facts.labels == facts.label_names.index(arm.label)).tolist()
        elif arm.lengths_of is not None:
            model = self.choose(self._arms[arm.lengths_of], budget, seed)
            lengths = [len(text.encode("utf-8", "replace")) for text in model.texts]
            positions = of_lengths(lengths, facts.lengths.tolist(), seed)
            return self._fill(((position, 0.0) for position in positions), task_pool, budget)
        else:
            positions = list(range(len(facts.lengths)))
        random.Random(seed).shuffle(positions)
        return self._fill(((position, 0.0) for position in positions), task_pool, budget)

    def _by_method(self, arm: Arm, budget: int | None, seed: int) -> Chosen:
        assert arm.method is not None
        options = dict(arm.options)
        if has_option(arm.method, "seed"):
            options["seed"] = seed
        target = self._target
        if arm.target_size is not None and arm.target_size < len(target):
            target = random.Random(seed).sample(target, arm.target_size)
        task = Task(self._source.documents, target, self._source.parameters)
        job = Job(task, build_method(arm.method, options))
        ranked: Iterable[tuple[int, float]] = job.ranking
        if arm.min_score is not None:
            above = [(position, score) for position, score in job.ranking if score >= arm.min_score]
            random.Random(seed).shuffle(above)
            ranked = above
        with task.stopwatch.stage("cut"):
            chosen = self._fill(iter(ranked), task.pool, budget)
        return replace(chosen, seconds=dict(task.stopwatch.seconds))

    def _target_itself(self, budget: int | None, seed: int) -> Chosen:
        """The target in an order drawn by the seed, again and again until the budget is full; once without a budget."""
        texts = list(self._target)
        random.Random(seed).shuffle(texts)
        tokens = self._count(texts)
        if budget is not None:
            rounds = -(-budget // max(1, sum(tokens)))
            texts, tokens = texts * rounds, tokens * rounds
        return self._described([], [0.0] * len(texts), ["(target)"] * len(texts), texts, tokens)

    def _fill(self, ranked: Iterator[tuple[int, float]], pool: CorpusPool, budget: int | None) -> Chosen:
        positions: list[int] = []
        scores: list[float] = []
        texts: list[str] = []
        tokens: list[int] = []
        total = 0
        while budget is None or total < budget:
            run = list(itertools.islice(ranked, _RUN))
            if not run:
                break
            fetched = pool.texts([position for position, _ in run])
            for (position, score), text, count in zip(run, fetched, self._count(fetched), strict=True):
                if budget is not None and total >= budget:
                    break
                positions.append(position)
                scores.append(score)
                texts.append(text)
                tokens.append(count)
                total += count
        labels = [pool.facts.label(position) for position in positions]
        return self._described(positions, scores, labels, texts, tokens)

    def _described(
        self,
        positions: list[int],
        scores: list[float],
        labels: list[str],
        texts: list[str],
        tokens: list[int],
    ) -> Chosen:
        distinct = list(dict.fromkeys(texts))
        aligned = (
            dict(zip(distinct, alignment(distinct, self._target).scores.tolist(), strict=True)) if distinct else {}
        )
        return Chosen(positions, scores, labels, texts, tokens, {}, [aligned[text] for text in texts])

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
    described = {
        name: value for name, value in asdict(arm).items() if name not in ("name", "family", "swept", "budgets")
    }
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
