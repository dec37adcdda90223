"""HumanEval: how many of 164 programming problems a model solves, judged by running what it wrote.

Chen et al. 2021, "Evaluating Large Language Models Trained on Code", arXiv 2107.03374.
"""

from zipfit.humaneval.generating import Sampling
from zipfit.humaneval.judging import HumanEvalResult, Judging
from zipfit.humaneval.problems import read_problems
from zipfit.humaneval.solving import evaluate_samples, humaneval

__all__ = ["HumanEvalResult", "Judging", "Sampling", "evaluate_samples", "humaneval", "read_problems"]
