"""The documents that an arm trains on."""

from __future__ import annotations

import itertools
import json
import random
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError
from zipfit.methods.base import HasNotes
from zipfit.selection.alignment import alignment
from zipfit.selection.cut import Budget, Rules, Terms, walk
from zipfit.selection.ranking import rank
from zipfit.selection.tokens import TokenCounter
from zipfit.study.arm import arm_method, draws
from zipfit.study.data import digest, open_study, read_texts
from zipfit.study.schema import SelectionRecord, TopDocument
from zipfit.system.texts import Texts
from zipfit.training.blocks import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zipfit.selection.cut import Cut
    from zipfit.selection.ranking import Ranking
    from zipfit.selection.sources import Sources
    from zipfit.study.schema import Arm, Study
    from zipfit.training.chats import Chat

_TOP = 20
_EXCERPT = 200  # characters


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
        chat: the document as the model's chat template writes it; None where it is trained as plain text.
    """

    position: int | None
    score: float
    label: str
    text: str
    tokens: int
    alignment: float
    chat: Chat | None = None

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
    def trained_on(self) -> list[str | Chat]:
        """Each document as it is trained on."""
        return [document.text if document.chat is None else document.chat for document in self.documents]

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


class Rankings:
    """The rankings of a study's methods: one for each method, options, part of the target and seed.

    All arms, budgets and models that need it share it. The pool is read before the first method's time begins.

    Args:
        study: whose target is read now, and whose pool is opened when it is first needed.

    Raises:
        ZipfitError: as `read_texts` of the target.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._target = read_texts(study, study.target, "target")
        self._known: dict[tuple[int | None, str], Ranking] = {}

    @cached_property
    def sources(self) -> Sources:
        """Pool and target; raises as `open_study`."""
        return open_study(self._study, self._target)

    def of(self, arm: Arm, seed: int) -> Ranking:
        """The ranking of an arm's method.

        Raises:
            ZipfitError: as `arm_method` and `rank`.
        """
        # A study goes seed by seed, so those of the last one are not asked for again.
        self._known = {key: ranking for key, ranking in self._known.items() if key[0] in (None, seed)}
        is_sampled = arm.target_size is not None and arm.target_size < len(self.sources.texts)
        is_seeded = draws(arm_method(arm))
        described = json.dumps(
            [arm.method, arm.options, arm.within, arm.target_size if is_sampled else None], sort_keys=True
        )
        key = seed if is_seeded or is_sampled else None, described
        if key not in self._known:
            sources = self.sources
            if is_sampled:
                sources = sources.with_target(random.Random(seed).sample(list(sources.texts), arm.target_size or 0))
            sources.pool.facts  # noqa: B018 - read here, so that no method pays for it
            self._known[key] = rank(sources, arm_method(arm, seed))
        return self._known[key]


@dataclass(frozen=True)
class Chats:
    """A study's documents as a model's chat template writes them.

    Attributes:
        source: by position.
        target: likewise.
        test: likewise.
    """

    source: list[Chat]
    target: list[Chat]
    test: list[Chat]

    @cached_property
    def shortest(self) -> dict[str, int]:
        """Of each text of the source, the tokens of its shortest chat: chats with other speakers may read alike."""
        counts: dict[str, int] = {}
        for chat in self.source:
            counts[chat.text] = min(len(chat.tokens), counts.get(chat.text, len(chat.tokens)))
        return counts


class Chooser:
    """Chooses documents for any arm of a study, and remembers what it chose.

    Args:
        rankings: of the study's methods.
        tokenizer: of the model to be trained, which counts the budget's tokens.
        arms: all of the study's, as one may lean on another.
        chats: the documents, if they are trained in the model's chat template.
    """

    def __init__(self, rankings: Rankings, tokenizer: Any, arms: Sequence[Arm], chats: Chats | None = None) -> None:
        self._rankings = rankings
        self._pool = rankings.sources.pool
        self._target = list(rankings.sources.texts)
        self._chats = chats

        def count(texts: Iterable[str]) -> list[int]:
            if chats is not None:  # which end as their template ends them
                return [chats.shortest[text] for text in texts]
            # Of each document its end-of-text token is one, as in training.
            return [len(ids) + 1 for ids in encode(list(texts), tokenizer)]

        self._counter = TokenCounter("the model's", count)
        self._arms = {arm.name: arm for arm in arms}
        self._known: dict[tuple[str, int | None, int | None], tuple[int | None, Chosen]] = {}

    def choose(self, arm: Arm, budget: int | None, seed: int) -> Chosen:
        """The arm's documents, as many as fill the budget of tokens; None for all of them.

        A larger budget only adds documents after those of a smaller one, but for an arm with `max_share`, which is of
        the budget.

        Raises:
            ZipfitError: the method fails, or nothing is left to train on.
        """
        key = (arm.name, seed if is_seeded(arm) else None, None if arm.max_share is None else budget)
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
        # Training takes the document that crosses the budget too, and cuts it short.
        spent = Budget(fraction=1.0) if budget is None else Budget(tokens=budget, filled=True)
        terms = Terms(spent, Rules(**arm.rules), self._counter)
        if arm.method is None:
            drawn = self._drawn(arm, budget, seed)
            return self._cut(walk(((position, 0.0) for position in drawn), terms, self._pool), {})
        ranking = self._rankings.of(arm, seed)
        if arm.min_score is None:
            cut = ranking.cut(terms)
        else:
            above = ranking.cut(Terms(Budget(min_score=arm.min_score)))
            ranked = list(zip(above.indices.tolist(), above.scores.tolist(), strict=True))
            random.Random(seed).shuffle(ranked)
            with ranking.stopwatch.stage("cut"):
                cut = walk(ranked, terms, self._pool)
        chosen = self._cut(cut, dict(ranking.stopwatch.seconds))
        cached = ranking.method.notes.get("cached_vectors") if isinstance(ranking.method, HasNotes) else None
        return replace(chosen, cached=cached / len(self._pool.facts.lengths) if isinstance(cached, int) else None)

    def _drawn(self, arm: Arm, budget: int | None, seed: int) -> list[int]:
        """Positions in an order drawn by the seed: of all documents, those of a label, or those of certain lengths."""
        facts = self._pool.facts
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

    def _target_itself(self, budget: int | None, seed: int) -> Chosen:
        """The target in an order drawn by the seed, again and again until the budget is full; once without a budget."""
        order = list(range(len(self._target)))
        random.Random(seed).shuffle(order)
        if self._chats is None:
            tokens = self._counter.count(Texts.of([self._target[place] for place in order]))
        else:
            tokens = [len(self._chats.target[place].tokens) for place in order]
        if budget is not None:
            rounds = -(-budget // max(1, sum(tokens)))
            order, tokens = order * rounds, tokens * rounds
        rows = [(None, 0.0, "(target)", self._target[p], count) for p, count in zip(order, tokens, strict=True)]
        chats = None if self._chats is None else [self._chats.target[place] for place in order]
        return self._described(rows, {}, chats)

    def _cut(self, cut: Cut, seconds: dict[str, float]) -> Chosen:
        assert cut.tokens is not None
        labels, texts = map(self._pool.facts.label, cut.indices.tolist()), self._pool.texts(cut.indices)
        chats = None if self._chats is None else [self._chats.source[place] for place in cut.indices.tolist()]
        tokens = cut.tokens.tolist() if chats is None else [len(chat.tokens) for chat in chats]
        rows = zip(cut.indices.tolist(), cut.scores.tolist(), labels, texts, tokens, strict=True)
        return self._described(list(rows), seconds, chats)

    def _described(
        self,
        rows: Sequence[tuple[int | None, float, str, str, int]],
        seconds: dict[str, float],
        chats: Sequence[Chat] | None,
    ) -> Chosen:
        """Documents of all that a `Document` says but its alignment, and their chats."""
        distinct = list(dict.fromkeys(text for _, _, _, text, _ in rows))
        scores = alignment(distinct, self._target).scores.tolist() if distinct else []
        aligned = dict(zip(distinct, scores, strict=True))
        written = chats if chats is not None else [None] * len(rows)
        documents = [Document(*row, aligned[row[3]], chat) for row, chat in zip(rows, written, strict=True)]
        return Chosen(documents, seconds)


def is_seeded(arm: Arm) -> bool:
    """Whether the seed changes which documents the arm takes."""
    if arm.lengths_of is not None or arm.method is None:
        return True
    return draws(arm_method(arm)) or arm.min_score is not None or arm.target_size is not None


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
