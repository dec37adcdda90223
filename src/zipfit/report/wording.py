"""Numbers and names as a study's report writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_GAP = "Training on the target itself is no better than random choice here, so there is no gap to close."

WITHOUT_ENCODING = "without encoding"
"""Of a time to select: the encoder's vectors were kept from before."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def tidy(text: str, most: int) -> str:
    """A text for one line: what cannot be shown, or would turn the line around, as �; cut to `most` characters."""
    shown = _CONTROL.sub("\ufffd", text)
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def visible(text: str) -> str:
    """A text of several lines with what cannot be shown, or would turn a line around, as �, and tabs as blanks."""
    lines = text.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    return "\n".join(_CONTROL.sub("\ufffd", line) for line in lines)


def excerpt(text: str, most: int = 240) -> str:
    """The beginning of a text on one line."""
    return tidy(" ".join(text[: 4 * most].split()), most)


def short_names(names: Iterable[str], most: int) -> dict[str, str]:
    """Names cut to `most` characters in their middle, where no two of them become the same."""
    names = list(names)
    cut = {name: _cut_middle(tidy(name, 10_000), most) for name in names}
    taken: dict[str, int] = {}
    for name in names:
        taken[cut[name]] = taken.get(cut[name], 0) + 1
        if taken[cut[name]] > 1:
            cut[name] = f"{cut[name][: most - 4]}… {taken[cut[name]]}"
    return cut


def _cut_middle(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def count(number: float) -> str:
    """A whole number with its thousands parted."""
    return f"{number:,.0f}"


def short_tokens(number: float) -> str:
    """Tokens on an axis: 0, 800, 20k, 1.5M, 2G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def signed(number: float, digits: int = 3) -> str:
    """A difference with its sign, and a true minus."""
    return f"{number:+.{digits}f}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a whole percentage, with a true minus."""
    return f"{100 * share:.0f}%".replace("-", "−").replace("−0%", "0%")


def seconds(number: float) -> str:
    """A duration for reading: 0 s, < 1 ms, 40 ms, 4.2 s, 12 min, 3.1 h."""
    if number < 1:
        return "0 s" if number == 0 else f"{1000 * number:.0f} ms" if number >= 0.001 else "< 1 ms"
    if number < 120:
        return f"{number:.1f} s" if number < 10 and number % 1 else f"{number:.0f} s"
    return f"{number / 60:.0f} min" if number < 6000 else f"{number / 3600:.1f} h"


def p_value(p: float) -> str:
    """A p value as papers write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def plural(number: int, word: str) -> str:
    """A number of things: 1 seed, 3 seeds."""
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def seeds_of(numbers: Sequence[int]) -> str:
    """How many seeds the arms of a figure have: `3 seeds`, `1 to 3 seeds`."""
    low, high = min(numbers), max(numbers)
    return plural(high, "seed") if low == high else f"{low} to {high} seeds"


def joined(words: Sequence[str]) -> str:
    """A list as a sentence has it: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
