"""What goes wrong for a reason that the user can mend."""

from __future__ import annotations


class ZipfitError(Exception):
    """One sentence that a user can act on; the command line prints it and exits with status 2."""


class MissingExtraError(ZipfitError, ImportError):
    """A feature needs a package of an extra that is not installed; the message names the pip command."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an extra that is not installed: pip install 'zipfit[{extra}]'")


class BadRecordError(Exception):
    """A record that gives no text; the message is the reason, without the place."""
