"""What others wrote (documents, names of files and labels, messages of libraries), made fit for a terminal."""

from __future__ import annotations

import re

# C0 and C1, but for tab and newline, with which escape sequences begin; marks that turn a line around; line breaks that
# only some programs take for one; and halves of characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def harmless(text: str) -> str:
    r"""A text whose every character can be seen: those that a terminal would obey stand there as JSON has them.

    So JSON stays JSON, and means the same.

    Example:
        >>> print(harmless("red: \x1b[31m"))
        red: \u001b[31m
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
