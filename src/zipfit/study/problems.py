"""Errors that do not depend on each other, told together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Callable


class ProblemsError(ZipfitError):
    """Several errors, a line each.

    Attributes:
        errors: their sentences.
    """

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors

    def __reduce__(self) -> tuple[type[ProblemsError], tuple[list[str]]]:
        return type(self), (self.errors,)


class Problems:
    """Gathers errors of steps that can be taken whatever became of the others."""

    def __init__(self) -> None:
        self._found: list[ZipfitError] = []

    def take(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """What a step returns; None where it raises a ZipfitError, which is kept."""
        try:
            return step(*arguments)
        except ZipfitError as error:
            self._found.append(error)

    def tell(self) -> None:
        """Raise what was found, if anything was.

        Raises:
            ZipfitError: the one error as it was, or a `ProblemsError` of all, each once.
        """
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise ProblemsError(list(dict.fromkeys(line for error in self._found for line in sentences(error))))


def sentences(error: ZipfitError) -> list[str]:
    """The errors that one is."""
    return error.errors if isinstance(error, ProblemsError) else [str(error)]
