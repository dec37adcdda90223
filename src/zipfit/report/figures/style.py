"""How every figure of a study looks: its colours, its size, its axes, and how it is saved."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, ScalarFormatter

from zipfit.report.statistics import main_arms
from zipfit.report.wording import count, joined, tidy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from matplotlib.axes import Axes

    from zipfit.study.results import Results
    from zipfit.study.schema import Arm

# A figure is as wide as a phone is, at one point a pixel: its letters are then read as they are, and a larger screen
# shows it enlarged, letters and all.
WIDTH = 4.5
HEIGHT = 3.9
_INCH = 72.0

INK = "#1c2127"
SOFT = "#5b6470"
RULE = "#dde1e6"
PAPER = "#ffffff"

# Told apart also by readers who do not see red, green or blue, by lightness as much as by hue, and each of a contrast
# of at least 3 to 1 with white. Beyond them the dashes change; every line has its name at its end as well.
PALETTE = ("#0b5fc0", "#c4480c", "#0f8a6b", "#93359f", "#a87800", "#2ba0c9", "#d0386f", "#6d5a2f", "#5c56d6", "#5f8a1a")
CHANCE = "#7b8490"
_DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_MARKERS = "oDs^vPXph*"

# From little alignment to much: blue to orange, rising in lightness, and readable on white and on black.
_RAMP = ((0x2C, 0x5A, 0xA8), (0x8A, 0x62, 0xA8), (0xC8, 0x66, 0x6A), (0xE0, 0x8A, 0x2E))

# For each colour above, the one that stands for it on a dark page.
_PALER = ("#5aa2f5", "#f0854d", "#3fc39e", "#cf7fdb", "#d9a832", "#6cc8ea", "#f277a3", "#b8a06a", "#9a95ff", "#9cc64f")
ON_DARK = {
    INK: "#e8eaed",
    SOFT: "#a0a8b3",
    RULE: "#31363e",
    PAPER: "#181b20",
    CHANCE: "#98a1ad",
    **dict(zip(PALETTE, _PALER, strict=True)),
}

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 11.5,
    "text.color": INK,
    "text.parse_math": False,  # a name with a dollar is a name
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "lines.linewidth": 1.9,
    "lines.solid_capstyle": "round",
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "svg.fonttype": "none",  # letters stay letters: sharp, found by a search, read aloud
    "svg.hashsalt": "zipfit",  # else the names within the file are drawn by chance
}


@dataclass(frozen=True)
class Chart:
    """A figure and what there is to say of it.

    Attributes:
        name: of its files, without extension.
        title: a heading.
        caption: one sentence: what is plotted, over how many seeds, and what the spread is.
        finding: one sentence: what comes out, as numbers; it also serves those who cannot see the figure.
        settings: the settings behind it.
        figure: matplotlib's figure.
    """

    name: str
    title: str
    caption: str
    finding: str
    settings: str
    figure: Figure


@dataclass(frozen=True)
class Look:
    """How an arm is drawn, in every figure alike."""

    colour: str
    dashes: Any
    marker: str
    width: float = 1.9


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's own defaults and the style above, whatever the user's settings are; also a decorator."""
    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        # An arm's name in letters that the font for measuring lacks: the page shows them in its own font.
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        warnings.filterwarnings("ignore", r"Matplotlib currently does not support", UserWarning)
        yield


def save(figure: Figure, kind: str) -> bytes:
    """A figure's file: `png`, or `svg`; the same figure gives the same bytes."""
    stream = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with styled():
        figure.savefig(stream, format=kind, dpi=200 if kind == "png" else _INCH, metadata=metadata)
    return stream.getvalue()


def new_axes(y: str, x: str, right: float = 0.15, left: float = 0.58, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """An empty figure and its axes, named above and below rather than along the side.

    Args:
        y: what the vertical axis shows, written above it; ticks show whole losses, not offsets.
        x: what the horizontal axis shows.
        right: inches kept free on the right, for names.
        left: inches kept free on the left.
        height: inches of the whole figure.
    """
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    top, bottom = 0.36 if y else 0.1, 0.5
    box = (left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (bottom + top) / height)
    axes = figure.add_axes(box)
    if y:
        figure.text(0.08 / WIDTH, 1 - 0.2 / height, y, color=SOFT, ha="left", va="center")
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.set_xlabel(x, loc="left" if left > 1 else "center")
    return figure, axes


def renderer_of(figure: Any) -> Any:
    """What measures a figure's texts."""
    return FigureCanvasAgg(figure).get_renderer()


def text_width(texts: Iterable[str]) -> float:
    """Width of the widest text, inches."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    renderer = renderer_of(figure)
    widths = [figure.text(0, 0, text).get_window_extent(renderer).width / figure.dpi for text in texts]
    return max(widths, default=0.0)


def fixed_ticks(axis: Any, places: Sequence[float], names: Sequence[str]) -> None:
    """Put ticks at these places and none elsewhere."""
    axis.set_major_locator(FixedLocator(list(places)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: names[min(range(len(places)), key=lambda i: abs(places[i] - value))])
    )


LINE = "arm-"
"""What the id of an arm's line begins with; the name follows, as hexadecimal digits, since it may hold anything."""


def line_id(name: str) -> str:
    """The id, in a figure's SVG, of the line that belongs to an arm."""
    return LINE + name.encode("utf-8", "surrogatepass").hex()


def line_name(digits: str) -> str:
    """The name that an id's digits stand for."""
    return bytes.fromhex(digits).decode("utf-8", "surrogatepass")


def ramp(share: float) -> str:
    """The colour at a share, 0 to 1, of the way from little to much."""
    at = min(max(share, 0.0), 1.0) * (len(_RAMP) - 1)
    index = min(int(at), len(_RAMP) - 2)
    mixed = (round(a + (b - a) * (at - index)) for a, b in zip(_RAMP[index], _RAMP[index + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def looks(results: Results, by_family: bool = False) -> dict[str, Look]:
    """How each arm is drawn.

    The arms of a sweep share a colour, unless they are what the study compares first and are not drawn `by_family`; a
    length control has the colour of its original.
    """
    main = [] if by_family else main_arms(results)
    found: dict[str, Look] = {}
    shared: dict[str, Look] = {}
    turn = 0
    for arm in results.arms:
        group = arm.name if arm in main else arm.family
        if arm.lengths_of is None and group not in shared:
            shared[group] = _look(arm, turn)
            turn += not (arm.is_random or arm.train_on)
        found[arm.name] = shared.get(group, Look(CHANCE, "solid", "o"))
    for arm in results.arms:
        if arm.lengths_of is not None:
            original = found.get(arm.lengths_of, found[arm.name])
            found[arm.name] = Look(original.colour, (0, (1.5, 1.2)), "x")
    return found


def _look(arm: Arm, index: int) -> Look:
    """Grey for chance, ink for the yardsticks, else the next of the palette."""
    if arm.is_random:
        return Look(CHANCE, (0, (5, 1.5)), "s", 2.2)
    if arm.train_on == "target":
        return Look(INK, (0, (5, 1.5)), "*", 1.6)
    if arm.train_on == "source":
        return Look(SOFT, (0, (6, 1.5, 1.5, 1.5)), "P")
    turn, place = divmod(index, len(PALETTE))
    return Look(PALETTE[place], _DASHES[turn % len(_DASHES)], _MARKERS[index % len(_MARKERS)])


def settings_line(results: Results, model: str, budgets: Sequence[int | None]) -> str:
    """The settings that a figure's numbers come from, in a line."""
    settings = results.study.settings
    finite = [count(budget) for budget in budgets if budget is not None]
    amounts = ([f"{joined(finite)} training tokens"] if finite else []) + (["all tokens"] if None in budgets else [])
    parts = [tidy(model, 60), *amounts, f"block {settings.block_size}", f"batch {settings.batch_size}"]
    parts += [f"learning rate {settings.learning_rate:g}", f"schedule {settings.schedule}"]
    if settings.adapter != "full":
        parts.append(settings.adapter)
    if results.study.chat_template is not None:
        parts.append(f"chat template ({results.study.chat_template})")
    cells = [cell for cell in results.cells if cell.is_done and cell.model == model and cell.budget in budgets]
    seeds = sorted({cell.seed for cell in cells})
    parts.append("seed" + ("s" if len(seeds) > 1 else "") + " " + ", ".join(map(str, seeds)))
    return " · ".join(parts)
