"""Running programs that nobody has read, such as those that a language model wrote."""

from zipfit.humaneval.sandbox.run import REASONS, Limits, Outcome, Protections, run_program

__all__ = ["REASONS", "Limits", "Outcome", "Protections", "run_program"]
