"""Completions of prompts by a causal language model of Transformers, in batches, ended at stop sequences.

Each completion is drawn with random numbers of its own, one a token, so a seed gives the same completions whatever the
batches are, as far as the model's sums do: those differ in their last places between batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import need, needing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_CPU_BATCH = 16
_GPU_BATCH = 256
_CHECK_EVERY = 8  # tokens between looks for a stop, which cost as much as a step of a small model on a GPU


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    Attributes:
        samples: completions of each prompt.
        seed: of the draws.
        temperature: 0 takes the likeliest token each time; above, tokens are drawn.
        top_p: share of the probability that tokens are drawn from, in (0, 1]; of no effect at temperature 0.
        max_new_tokens: longest completion, in tokens; less where the model's context ends before.
        batch_size: most completions drawn at a time; None for 16 on a processor and 256 on a GPU, fewer where its
            memory runs out.

    Raises:
        ZipfitError: a value is out of range, the message names it; or more than one sample at temperature 0.
    """

    samples: int = 1
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 0.95
    max_new_tokens: int = 512
    batch_size: int | None = None

    def __post_init__(self) -> None:
        need(0 <= self.temperature < math.inf, f"temperature must be at least 0, not {self.temperature}")
        need(0 < self.top_p <= 1, f"top_p must be above 0 and at most 1, not {self.top_p}")
        for name in ("samples", "max_new_tokens", "batch_size"):
            value = getattr(self, name)
            need(value is None or value >= 1, f"{name} must be at least 1, not {value}")
        need(0 <= self.seed < 1 << 32, f"seed must be in 0..2**32 - 1, not {self.seed}")
        alike = "samples are all the same at temperature 0: take 1 sample, or a temperature such as 0.8"
        need(self.samples == 1 or self.temperature > 0, alike)


@dataclass(frozen=True)
class _Row:
    """A completion to be drawn: its prompt's place and tokens, how many may follow, and a random number for each."""

    prompt: int
    tokens: Sequence[int]
    room: int
    uniform: Any


def complete(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[tuple[int, str]],
    sampling: Sampling,
    stops: Sequence[str],
    on_prompts: Callable[[int], None],
) -> list[list[str]]:
    """Completions of each prompt, each up to the first of `stops` in it.

    The model's own defaults for beams, penalties and top-k are put aside. The caller's random state, and whether the
    model is in training, are left as they were.

    Args:
        model: causal language model of Transformers, on the device of its choice.
        tokenizer: the model's.
        prompts: a number, which with the seed determines the draws, and the text that is completed.
        sampling: how completions are drawn.
        stops: texts that end a completion, and are not part of it.
        on_prompts: told after each batch how many prompts have all their completions.

    Raises:
        ZipfitError: a prompt fills the model's context.
        MissingExtraError: torch or Transformers is not installed.
    """
    with needing("generating text", "train"):
        import torch
        import transformers  # noqa: F401
    rows = _rows(model, tokenizer, prompts, sampling)
    completions: list[list[str]] = [[] for _ in prompts]
    training = model.training
    model.eval()
    try:
        for batch in _batches(
            rows, sampling.batch_size or (_CPU_BATCH if model.device.type == "cpu" else _GPU_BATCH), model
        ):
            pending = [batch]
            while pending:
                part = pending.pop()
                try:
                    texts = _generate(model, tokenizer, part, sampling, stops)
                except torch.OutOfMemoryError:
                    if len(part) == 1:
                        raise
                    pending += [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue
                for row, text in zip(part, texts, strict=True):
                    completions[row.prompt].append(text)
            on_prompts(sum(len(texts) == sampling.samples for texts in completions))
    finally:
        model.train(training)
    return completions


def _rows(model: Any, tokenizer: Any, prompts: Sequence[tuple[int, str]], sampling: Sampling) -> list[_Row]:
    """All completions to be drawn, the longest prompts first."""
    context = getattr(model.config, "max_position_embeddings", None) or math.inf
    rows = []
    for place, (number, prompt) in enumerate(prompts):
        tokens = tokenizer(prompt)["input_ids"]
        room = int(min(sampling.max_new_tokens, context - len(tokens)))
        need(room > 0, f"a prompt of {len(tokens)} tokens leaves no room in the model's context of {context}")
        for sample in range(sampling.samples):
            uniform = np.random.default_rng([sampling.seed, number, sample]).random(room, dtype=np.float32)
            rows.append(_Row(place, tokens, room, uniform))
    return sorted(rows, key=lambda row: -len(row.tokens))


def _batches(rows: Sequence[_Row], size: int, model: Any) -> Iterator[list[_Row]]:
    """Rows with the same room, at most `size`; of one length for a model with a state, which padding would change."""
    stateful = getattr(model, "_is_stateful", False)
    for _, group in groupby(rows, lambda row: (row.room, len(row.tokens) if stateful else None)):
        alike = list(group)
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _generate(model: Any, tokenizer: Any, rows: Sequence[_Row], sampling: Sampling, stops: Sequence[str]) -> list[str]:
    """A completion of each row, from prompts padded on the left to one length."""
    import torch
    from transformers import GenerationConfig

    own = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    padding = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
    width = max(len(row.tokens) for row in rows)
    ids = torch.full((len(rows), width), padding)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, width - len(row.tokens) :] = torch.tensor(row.tokens)
        mask[place, width - len(row.tokens) :] = 1
    settings = GenerationConfig(  # type: ignore[no-untyped-call, unused-ignore]
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        min_length=0,
        max_new_tokens=rows[0].room,
        eos_token_id=tokenizer.eos_token_id if own is None else own,
        pad_token_id=padding,
    )
    uniform = torch.from_numpy(np.stack([row.uniform for row in rows])).to(model.device)
    with torch.no_grad():
        outputs = model.generate(
            ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=settings,
            logits_processor=[_Drawn(sampling, width, uniform)] if sampling.temperature else [],
            stopping_criteria=[_Stopped(tokenizer, width, stops)],
        ).cpu()
    return [
        _completion(tokenizer, output[width - len(row.tokens) :], len(row.tokens), stops)
        for output, row in zip(outputs, rows, strict=True)
    ]


class _Drawn:
    """Logits processor of Transformers that leaves one token of each row: the one at its random number.

    Args:
        sampling: its temperature and top_p.
        width: tokens of the padded prompts.
        uniform: shape (rows, most tokens), in [0, 1).
    """

    def __init__(self, sampling: Sampling, width: int, uniform: Any) -> None:
        self._sampling = sampling
        self._width = width
        self._uniform = uniform

    def __call__(self, ids: Any, scores: Any) -> Any:
        import torch

        scaled = (scores.float() / self._sampling.temperature).softmax(-1)
        likely, tokens = scaled.sort(stable=True, dim=-1, descending=True)
        mass = likely.cumsum(-1)
        last = (mass < self._sampling.top_p).sum(-1, keepdim=True).clamp(max=mass.shape[-1] - 1)
        step = ids.shape[1] - self._width
        place = torch.searchsorted(mass, self._uniform[:, step, None] * mass.gather(-1, last), right=True)
        chosen = tokens.gather(-1, place.minimum(last))
        return torch.full_like(scores, -math.inf).scatter(-1, chosen, 0.0)


def _completion(tokenizer: Any, output: Any, length: int, stops: Sequence[str]) -> str:
    """What follows the prompt's `length` tokens, up to the first stop.

    Prompt and completion are decoded together: decoders of the SentencePiece kind drop the space that a text of its own
    begins with, and with it part of the first line's indentation.
    """
    prompt, whole = (
        tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for ids in (output[:length], output)
    )
    text: str = whole[len(prompt) :]
    return text[: min((text.find(stop) for stop in stops if stop in text), default=len(text))]


class _Stopped:
    """Stopping criterion of Transformers: tells of each sequence whether it has come to a stop."""

    def __init__(self, tokenizer: Any, prompt: int, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._prompt = prompt
        self._stops = stops
        # A token holds at least a byte, and the first of the last ones may be the rest of a character.
        self._tail = max(len(stop.encode()) for stop in stops) + 4 + _CHECK_EVERY

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        if (ids.shape[1] - self._prompt) % _CHECK_EVERY:
            return ids.new_zeros(len(ids)).bool()
        tails = ids[:, max(self._prompt, ids.shape[1] - self._tail) :]
        texts = self._tokenizer.batch_decode(tails, clean_up_tokenization_spaces=False)
        return ids.new_tensor([any(stop in text for stop in self._stops) for text in texts]).bool()
