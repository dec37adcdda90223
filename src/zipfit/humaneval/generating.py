"""Completions of a prompt by a causal language model of Transformers, ended at stop sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zipfit.errors import need, needing

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    Attributes:
        samples: completions of each prompt.
        seed: of the draws.
        temperature: 0 takes the likeliest token each time; above, tokens are drawn.
        top_p: share of the probability that tokens are drawn from, in (0, 1]; of no effect at temperature 0.
        max_new_tokens: longest completion, in tokens; less where the model's context ends before.
        batch_size: completions drawn at a time; changes which are drawn.

    Raises:
        ZipfitError: a value is out of range, the message names it; or more than one sample at temperature 0.
    """

    samples: int = 1
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 0.95
    max_new_tokens: int = 512
    batch_size: int = 16

    def __post_init__(self) -> None:
        need(0 <= self.temperature < math.inf, f"temperature must be at least 0, not {self.temperature}")
        need(0 < self.top_p <= 1, f"top_p must be above 0 and at most 1, not {self.top_p}")
        for name in ("samples", "max_new_tokens", "batch_size"):
            need(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        need(0 <= self.seed < 1 << 32, f"seed must be in 0..2**32 - 1, not {self.seed}")
        alike = "samples are all the same at temperature 0: take 1 sample, or a temperature such as 0.8"
        need(self.samples == 1 or self.temperature > 0, alike)


def complete(model: Any, tokenizer: Any, prompt: str, sampling: Sampling, stops: Sequence[str], seed: int) -> list[str]:
    """Completions of one prompt, each up to the first of `stops` in it.

    The model's own defaults for beams, penalties and top-k are put aside. The caller's random state, and whether the
    model is in training, are left as they were.

    Args:
        model: causal language model of Transformers, on the device of its choice.
        tokenizer: the model's.
        prompt: what is completed.
        sampling: how completions are drawn.
        stops: texts that end a completion, and are not part of it.
        seed: of this prompt's draws, in place of the sampling's own.

    Raises:
        ZipfitError: the prompt fills the model's context.
        MissingExtraError: torch or Transformers is not installed.
    """
    with needing("generating text", "train"):
        import torch
        from transformers import GenerationConfig
    device = model.device
    inputs = tokenizer(prompt, return_tensors="pt")["input_ids"].to(device)
    length = inputs.shape[1]
    context = getattr(model.config, "max_position_embeddings", None) or math.inf
    need(length < context, f"a prompt of {length} tokens leaves no room in the model's context of {context}")
    ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    draws = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0} if sampling.temperature else {}
    settings = GenerationConfig(  # type: ignore[no-untyped-call, unused-ignore]
        do_sample=bool(draws),
        **draws,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        min_length=0,
        max_new_tokens=int(min(sampling.max_new_tokens, context - length)),
        eos_token_id=tokenizer.eos_token_id if ends is None else ends,
        pad_token_id=next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0),
    )
    completions: list[str] = []
    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
            torch.manual_seed(seed)
            while len(completions) < sampling.samples:
                rows = inputs.repeat(min(sampling.batch_size, sampling.samples - len(completions)), 1)
                outputs = model.generate(
                    rows,
                    attention_mask=torch.ones_like(rows),
                    generation_config=settings,
                    stopping_criteria=[_Stopped(tokenizer, length, stops)],
                )
                completions += [_completion(tokenizer, output, length, stops) for output in outputs]
    finally:
        model.train(training)
    return completions


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
        self._tail = max(len(stop.encode()) for stop in stops) + 4

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        tails = ids[:, max(self._prompt, ids.shape[1] - self._tail) :]
        texts = self._tokenizer.batch_decode(tails, clean_up_tokenization_spaces=False)
        return ids.new_tensor([any(stop in text for stop in self._stops) for text in texts]).bool()
