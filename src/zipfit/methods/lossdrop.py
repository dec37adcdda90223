"""`lossdrop`: documents that a model predicts better once it is tuned on the target (CoLoR-Filter).

With L_0(x) and L_1(x) the nats a token of document x under a model and under the same model fine-tuned on the target,

    score(x) = L_0(x) - L_1(x)

(Brandfonbrener, Zhang, Kirsch, Schwarz and Kakade 2024, "CoLoR-Filter: Conditional Loss Reduction Filtering for
targeted language model pre-training", arXiv 2406.10670, eq. 8, here by token, not by document of a fixed length).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import need
from zipfit.methods.estimator import Estimator
from zipfit.methods.losses import Losses
from zipfit.system.networks import in_one_thread
from zipfit.system.texts import Texts
from zipfit.training.models import load_model
from zipfit.training.run import Course
from zipfit.training.settings import Settings
from zipfit.training.train import train

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool
    from zipfit.training.models import LanguageModel


@dataclass
class LossDrop(Estimator):
    """Ranks documents by how much less they cost a model, a token, after it is tuned on the target.

    Documents of fewer than `min_tokens` tokens are ruled out: the mean of few tokens is mostly chance. `notes` counts
    them, and has the target's own losses before and after.

    Args:
        model: a causal language model, as `zipfit finetune` takes it.
        tuned: the same model tuned on the target, as `zipfit finetune` leaves it in `OUTPUT/model`; empty to tune it
            here: all weights, in float32, by one thread on a processor.
        epochs: of the tuning.
        learning_rate: likewise.
        block_size: tokens of a training block, likewise.
        min_tokens: shortest document to rank.
        max_tokens: tokens of each document that are read.
        cache: keep the losses of the untuned model on disk for later runs.
        seed: of the tuning's order of documents.
    """

    model: str = "smollm2"
    tuned: str = ""
    epochs: int = 2
    learning_rate: float = 1e-4
    block_size: int = 256
    min_tokens: int = 32
    max_tokens: int = 512
    cache: bool = True
    seed: int = 0
    notes: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    terms: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Load the model, and tune it on the target; the pool is not read.

        Raises:
            MissingExtraError: the extra `train` is not installed.
            ZipfitError: an option is wrong, the model cannot be loaded or tuned, the two models have other tokenizers,
                or the target holds a lone surrogate or does not fill a block.
        """
        need(self.seed >= 0, f"the seed must be at least 0, not {self.seed}")
        need(self.min_tokens >= 1, f"lossdrop's min_tokens must be at least 1, not {self.min_tokens}")
        longest = f"lossdrop's max_tokens must be at least min_tokens ({self.min_tokens}), not {self.max_tokens}"
        need(self.max_tokens >= self.min_tokens, longest)
        settings = Settings(
            block_size=self.block_size, epochs=self.epochs, learning_rate=self.learning_rate, precision="fp32"
        )
        examples = list(Texts.of(target))
        base = load_model(self.model)
        tuned = load_model(self.tuned) if self.tuned else self._tune(examples, settings)
        same = base.tokenizer.get_vocab() == tuned.tokenizer.get_vocab()
        need(same, f"model {tuned.name}: has another tokenizer than {base.name}, so their losses cannot be compared")
        self._before = Losses(base, self.max_tokens, self.cache)
        self._after = Losses(tuned, self.max_tokens, cache=False)
        before, after = self._before.of(examples).sum(axis=0), self._after.of(examples).sum(axis=0)
        tokens = max(float(before[1]), 1.0)
        self.notes = {"target_loss": float(before[0]) / tokens, "target_loss_tuned": float(after[0]) / tokens}
        return self

    def measure(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return of each text the nats a token that tuning saves, and its number of tokens, shape (n, 2)."""
        before, after = self._before.of(texts), self._after.of(texts)
        tokens = before[:, 1]
        return np.column_stack([(before[:, 0] - after[:, 0]) / np.maximum(tokens, 1), tokens])

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, nats a token saved) of every document that is long enough, best first."""
        yield from self.rank_measured(pool.map(self.measure), pool)

    def rank_measured(self, measures: Iterable[NDArray[np.float64]], pool: Pool) -> Iterator[tuple[int, float]]:  # noqa: ARG002
        """The ranking of documents with these measures, as of `rank`."""
        measured = np.concatenate([np.empty((0, 2)), *measures])
        eligible = np.flatnonzero(measured[:, 1] >= self.min_tokens)
        self.notes["too_short"] = len(measured) - len(eligible)
        scores = measured[eligible, 0]
        order = np.argsort(-scores, kind="stable")
        yield from zip(eligible[order].tolist(), scores[order].tolist(), strict=True)

    def _tune(self, examples: list[str], settings: Settings) -> LanguageModel:
        tuned = load_model(self.model, settings, self.seed)
        with in_one_thread():
            run = train(tuned, examples, settings, Course(seed=self.seed))
        if not run.finished:
            raise KeyboardInterrupt
        return tuned
