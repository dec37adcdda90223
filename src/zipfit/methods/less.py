"""`less`: documents whose training steps point where the target's do (LESS; Xia et al. 2024).

A model is given low-rank adapters and warmed up on a random part of the pool; a checkpoint is kept after each epoch i,
with the optimizer's mean learning rate r_i in that epoch and Adam's moments m_i and v_i. With g_i(x) the gradient of
document x's loss with respect to the adapters there,

    G_i(x) = m / sqrt(v + 1e-8),     m = 0.9 m_i + 0.1 g_i(x),     v = 0.999 v_i + 0.001 g_i(x)^2,

    s_j(x) = sum_i r_i cos(P G_i(x), P g_i(t_j)) / sum_i r_i:

what a step of Adam's on x does to the loss of target example t_j, to first order and whatever their lengths. P is a
random projection. The n numbers are reduced to a ranking by `zipfit.methods.reduce`.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zipfit.errors import ZipfitError, need
from zipfit.methods.estimator import Estimator
from zipfit.methods.losses import own_tokens
from zipfit.methods.projection import MOST_DIMENSIONS, Projection
from zipfit.methods.reduce import Reduced, check_reduction
from zipfit.system.networks import in_one_thread
from zipfit.system.texts import Texts
from zipfit.training.models import load_model
from zipfit.training.run import Course
from zipfit.training.settings import Settings
from zipfit.training.train import train

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool

_BETAS = 0.9, 0.999
_EPSILON = 1e-8


class Checkpoint(NamedTuple):
    """The model after an epoch: a network that shares its frozen weights with the others.

    `moments` are Adam's two for each of the trained weights, and `rate` is the epoch's mean learning rate.
    """

    network: Any
    moments: list[tuple[Any, Any]]
    rate: float


@dataclass
class Less(Reduced, Estimator):
    """Ranks documents by the cosine of their Adam updates with the gradients of the target's examples.

    Args:
        model: a causal language model, as `zipfit finetune` takes it.
        share: of the pool's documents, drawn at random, that the model is warmed up on, above 0 and at most 1.
        epochs: of the warm-up; there are as many checkpoints.
        learning_rate: of the warm-up, at its peak.
        lora_rank: of the adapters, whose scale (alpha) is four times as much.
        lora_dropout: of the adapters in the warm-up.
        block_size: tokens of a training block in the warm-up.
        max_tokens: tokens of each document that are read.
        dimension: of the projected gradients.
        reduce: `round-robin`, `mean` or `max`.
        seed: of the draw, the warm-up and the projection.
    """

    model: str = "smollm2"
    share: float = 0.05
    epochs: int = 4
    learning_rate: float = 2e-5
    lora_rank: int = 128
    lora_dropout: float = 0.1
    block_size: int = 256
    max_tokens: int = 512
    dimension: int = 8192
    reduce: str = "max"
    seed: int = 0
    notes: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Warm the model up on a part of the pool, which is read twice, and project the target's gradients.

        Raises:
            MissingExtraError: the extra `train` is not installed.
            ZipfitError: an option is wrong, the pool is missing, the model cannot be loaded or trained, the part of the
                pool does not fill a block, or the target is empty or holds a lone surrogate.
        """
        need(self.seed >= 0, f"the seed must be at least 0, not {self.seed}")
        need(0 < self.share <= 1, f"less's share must be above 0 and at most 1, not {self.share}")
        need(self.max_tokens >= 1, f"less's max_tokens must be at least 1, not {self.max_tokens}")
        fits = 1 <= self.dimension <= MOST_DIMENSIONS
        need(fits, f"less's dimension must lie in 1..{MOST_DIMENSIONS}, not {self.dimension}")
        check_reduction(self.reduce)
        settings = Settings(
            block_size=self.block_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            warmup=0.03,
            weight_decay=0.0,
            adapter="lora",
            lora_rank=self.lora_rank,
            lora_alpha=4 * self.lora_rank,
            lora_dropout=self.lora_dropout,
            precision="fp32",
        )
        examples = Texts.of(target)
        need(len(examples) > 0, "less needs at least one target example")
        if pool is None:
            raise ZipfitError("less warms its model up on a part of the pool, so fit needs the pool")
        documents = sum(pool.map(len))
        need(documents > 0, "the pool is empty")
        drawn = set(random.Random(self.seed).sample(range(documents), max(1, round(self.share * documents))))
        part = [text for place, text in enumerate(text for batch in pool for text in batch) if place in drawn]
        self._model = load_model(self.model, settings, self.seed)
        self._checkpoints = self._warm_up(part, settings)
        trained = sum(weights.numel() for weights in _trained(self._model.network))
        self._projection = Projection(trained, self.dimension, self.seed)
        rates = np.array([checkpoint.rate for checkpoint in self._checkpoints])
        self._shares = rates / np.add.reduce(rates)
        with in_one_thread():
            self._wanted = [
                np.array([self._gradient(text, checkpoint, updating=False) for text in examples])
                for checkpoint in self._checkpoints
            ]
        self.notes = {"warmed_up_on": len(part), "weights": trained}
        return self

    def compare(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the weighted mean of each text's cosines with each example, shape (len(texts), n), in [-1, 1].

        A text without tokens has 0.
        """
        near = np.zeros((len(texts), len(self._wanted[0])))
        with in_one_thread():
            for row, text in zip(near, Texts.of(texts), strict=True):
                for share, checkpoint, wanted in zip(self._shares, self._checkpoints, self._wanted, strict=True):
                    # No BLAS, which might add up in another order.
                    row += share * np.add.reduce(wanted * self._gradient(text, checkpoint, updating=True), axis=1)
        return near

    def _warm_up(self, part: list[str], settings: Settings) -> list[Checkpoint]:
        network = self._model.network
        frozen = {id(weights): weights for weights in network.parameters() if not weights.requires_grad}
        checkpoints: list[Checkpoint] = []

        def keep(optimizer: Any, rate: float) -> None:
            states = [optimizer.state[weights] for weights in _trained(network)]
            moments = [(state["exp_avg"].clone(), state["exp_avg_sq"].clone()) for state in states]
            checkpoints.append(Checkpoint(copy.deepcopy(network, dict(frozen)).eval(), moments, rate))

        with in_one_thread():
            run = train(self._model, part, settings, Course(seed=self.seed), on_epoch=keep)
        if not run.finished:
            raise KeyboardInterrupt
        return checkpoints

    def _gradient(self, text: str, checkpoint: Checkpoint, *, updating: bool) -> NDArray[np.float64]:
        """The projected gradient of a text's mean loss, or Adam's update by it, of length 1 or 0, shape (d,)."""
        import torch

        network = checkpoint.network
        tokens = own_tokens(text, self._model)
        longest = getattr(network.config, "max_position_embeddings", self.max_tokens + 1) - 1
        ids = [tokens.start, *tokens.ids[: min(self.max_tokens, longest)]]
        if len(ids) == 1:
            return np.zeros(self.dimension)
        row = torch.tensor([ids], device=network.device)
        logits = network(input_ids=row[:, :-1], use_cache=False).logits[0].float()
        # Not by `backward`, which would add up what several threads leave in one place.
        gradients = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, row[0, 1:]), _trained(network))
        if updating:
            gradients = [_update(each, *moments) for each, moments in zip(gradients, checkpoint.moments, strict=True)]
        projected = self._projection.of(each.cpu().numpy() for each in gradients)
        length = np.sqrt(np.add.reduce(projected * projected))
        need(bool(np.isfinite(length)), "a gradient is not a number: lower less's learning_rate")
        return projected / length if length > 0 else projected


def _trained(network: Any) -> list[Any]:
    return [weights for weights in network.parameters() if weights.requires_grad]


def _update(gradient: Any, first: Any, second: Any) -> Any:
    """Adam's step by a gradient, but for the learning rate."""
    mean = _BETAS[0] * first + (1 - _BETAS[0]) * gradient
    square = _BETAS[1] * second + (1 - _BETAS[1]) * gradient**2
    return mean / (square + _EPSILON).sqrt()
