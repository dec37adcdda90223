"""What goes wrong for a reason that the user can mend."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class ZipfitError(Exception):
    """One sentence that a user can act on; the command line prints it and exits with status 2."""


class MissingExtraError(ZipfitError, ImportError):
    """A feature needs a package of an extra that is not installed; the message names the pip command."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an extra that is not installed: pip install 'zipfit[{extra}]'")
        self._made_of = (feature, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), self._made_of


class BadRecordError(Exception):
    """A record that gives no text, or none in the form asked for; the message is the reason, without the place."""


@contextmanager
def needing(feature: str, extra: str) -> Iterator[None]:
    """Import what a feature needs of an extra.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(feature, extra) from error


@contextmanager
def needing_package(feature: str, package: str) -> Iterator[None]:
    """Import a package that hands results over to who uses it already, so that no extra of ours has it.

    Raises:
        ZipfitError: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise ZipfitError(f"{feature} needs {package}, which is not installed: pip install {package}") from error


def need(holds: bool, message: str) -> None:
    """Raise ZipfitError with the message unless a condition holds, such as that an option is within its range."""
    if not holds:
        raise ZipfitError(message)


def one_line(error: BaseException) -> str:
    """The first line of a library's message, or what kind of error it is."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
