"""Names beside lines and points, moved apart where they would lie on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.transforms import Bbox

from zipfit.report.figures.style import PAPER, SOFT, renderer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_LINE = 13.5  # points from one name to the next
_STEP = 10.0  # points from the axes to the names


def spread_out(places: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Move places apart, by the least sum of squared moves that leaves them in their order.

    With z_i = y_i - i * apart, 'at least `apart` from each other' says that z does not fall, and the nearest such z is
    the isotonic regression of the given one: neighbours that violate it are pooled at their mean (Ayer et al. 1955).

    Args:
        places: in any order.
        apart: the least distance from each to the next.
        low: no place lies below, where there is room.
        high: no place lies above, where there is room.

    Returns:
        The new place of each.
    """
    order = sorted(range(len(places)), key=lambda index: (places[index], index))
    pools: list[list[float]] = []  # sum and size of each pool
    for rank, index in enumerate(order):
        pools.append([places[index] - rank * apart, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, size = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += size
    spread = [total / size for total, size in pools for _ in range(int(size))]
    top = high - (len(places) - 1) * apart
    moved = [0.0] * len(places)
    for rank, index in enumerate(order):
        moved[index] = max(low, min(spread[rank], top)) + rank * apart
    return moved


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names on the right of the axes, each joined to the end of its line.

    Args:
        axes: with room on its right; its limits stay as they are now.
        ends: x and y of each line's end, its name and its colour.
    """
    _hold(axes)
    unit = axes.figure.dpi / 72
    box = axes.get_window_extent()
    pixels = axes.transData.transform([(x, y) for x, y, _, _ in ends])
    moved = spread_out([float(y) for _, y in pixels], _LINE * unit, box.y0, box.y1)
    back = axes.transData.inverted()
    for (x, y, name, colour), place in zip(ends, moved, strict=True):
        (far, level) = back.transform((box.x1 + _STEP * unit, place))
        (elbow, _) = back.transform((box.x1 + 2 * unit, place))
        far_off = box.x1 - axes.transData.transform((x, y))[0] > _STEP * unit  # else it would look like a line of data
        dashes = (0, (1, 3)) if far_off else "solid"
        axes.plot(
            [x, elbow, far], [y, y, level], color=colour, linewidth=0.7, alpha=0.6, linestyle=dashes, clip_on=False
        )
        axes.annotate(
            name, (far, level), (2, 0), textcoords="offset points", color=colour, va="center", annotation_clip=False
        )


def label_points(axes: Axes, points: Sequence[tuple[float, float, str, str]]) -> None:
    """Write a name beside each point, where it lies on as little else as possible.

    Args:
        axes: its limits stay as they are now.
        points: x, y, name and colour of each.
    """
    _hold(axes)
    renderer = renderer_of(axes.figure)
    unit = axes.figure.dpi / 72
    inside = axes.get_window_extent()
    pixels = [axes.transData.transform((x, y)) for x, y, _, _ in points]
    taken = [Bbox.from_bounds(x - 4 * unit, y - 4 * unit, 8 * unit, 8 * unit) for x, y in pixels]
    for (x, y, name, colour), (px, py) in zip(points, pixels, strict=True):
        if not name:  # a point that only takes up room
            continue
        text = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", color=colour, fontsize=11.2)
        extent = text.get_window_extent(renderer)
        wide, tall = extent.width / unit, extent.height / unit
        options: list[tuple[float, float, float, Bbox]] = []
        for step in (6, 14, 24, 36):
            for dx, dy in (
                (step, -tall / 2 + 1), (-step - wide, -tall / 2 + 1), (-wide / 2, step), (-wide / 2, -step - tall),
                (step * 0.7, step * 0.7), (step * 0.7, -step * 0.7 - tall), (-step * 0.7 - wide, step * 0.7),
                (-step * 0.7 - wide, -step * 0.7 - tall),
            ):  # fmt: skip
                box = Bbox.from_bounds(px + dx * unit, py + dy * unit, wide * unit, tall * unit)
                cost = sum(_overlap(box, other) for other in taken) + 3 * (
                    box.width * box.height - _overlap(box, inside)
                )
                options.append((cost + step * 0.5 * unit, dx, dy, box))
        _, dx, dy, box = min(options, key=lambda option: option[0])
        text.set_position((dx, dy))
        taken.append(box)
        near_x, near_y = min(max(0.0, dx), dx + wide), min(max(0.0, dy), dy + tall)
        if near_x**2 + near_y**2 > 12**2:
            axes.annotate(
                "", (x, y), (near_x, near_y), textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": SOFT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3},
            )  # fmt: skip


def label_arrow(axes: Axes, words: str, head: float, tail: float, level: float) -> None:
    """Write words beside a level arrow, left of its head or below or above it, where the fewest lines are crossed.

    Args:
        axes: with its limits set and its lines drawn.
        words: of one line.
        head: where the arrow ends, in the data's units.
        tail: where it begins, right of its head.
        level: its height, in the data's units.
    """
    unit = axes.figure.dpi / 72
    inside = axes.get_window_extent()
    text = axes.annotate(
        words, (head, level), (0, 0), textcoords="offset points", color=SOFT, zorder=6,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip
    extent = text.get_window_extent(renderer_of(axes.figure))
    (left, y), (right, _) = axes.transData.transform([(head, level), (tail, level)])
    middles = [left + share * (right - left) for share in (0.5, 0.35, 0.65, 0.2, 0.8)]
    corners = [x - extent.width / 2 for x in middles]
    corners.insert(0, left - 3 * unit - extent.width)  # below the curves, which fall, there is often room
    boxes = [
        Bbox.from_bounds(x, y + away * unit - extent.height / 2, extent.width, extent.height)
        for away in (-11, 11, -22, 22, -33, 33)
        for x in corners
    ]
    drawn = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]

    def crossed(box: Bbox) -> int:
        return sum(path.intersects_bbox(box.padded(2 * unit), filled=False) for path in drawn)

    best = min((box for box in boxes if inside.x0 <= box.x0 and box.x1 <= inside.x1), key=crossed, default=boxes[1])
    text.set_position(((best.x0 - left) / unit, (best.y0 - y) / unit))


def _hold(axes: Axes) -> None:
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())


def _overlap(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return float(both.width * both.height) if both is not None else 0.0
