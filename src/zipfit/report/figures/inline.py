"""A figure as a part of a page: what its SVG file holds, in the page's colours, with inner names of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup, escape

from zipfit.report.figures.style import LINE, ON_DARK, line_name
from zipfit.report.wording import tidy


@dataclass(frozen=True)
class Drawing:
    """A figure for a page.

    Attributes:
        view_box: its extent, as an `svg` element states it.
        content: what stands in that element. A colour `#rrggbb` of the figures' style is `var(--c-rrggbb)`.
    """

    view_box: str
    content: Markup


def inline(svg: bytes, name: str) -> Drawing:
    """Take a figure's SVG file, as `save` makes it, apart.

    Args:
        svg: the file.
        name: a prefix that sets its inner names apart from those of the page's other figures.
    """
    text = svg.decode("utf-8")
    head, _, rest = text[text.index("<svg") : text.rindex("</svg>")].partition(">")
    _, _, after_head = head.partition('viewBox="')
    rest = re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)
    # Only within tags: the letters between them, names that users gave, stay as they are.
    rest = re.sub(r"<[^>]*>", lambda tag: _adapt(tag.group(), name), rest)
    return Drawing(after_head.partition('"')[0], Markup(_LINE.sub(_within_reach, rest)))


# An arm's line in a figure: its group, its name as digits, and its path.
_LINE = re.compile(rf'(<g id="[^"]*{LINE}([0-9a-f]*)">)\s*(<path d="[^"]*"(?: clip-path="[^"]*")?)')


def _within_reach(line: re.Match[str]) -> str:
    """Name a line for whoever points at it, and let a pointer find it more easily, by a broad line that is not seen."""
    group, digits, path = line.groups()
    return f'{group}<title>{escape(tidy(line_name(digits), 10_000))}</title>{path} class="reach"/>{path}'


def _adapt(tag: str, name: str) -> str:
    tag = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', tag)
    tag = re.sub(r'(?:xlink:)?href="#([^"]*)"', rf'href="#{name}-\1"', tag)
    tag = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", tag)
    return re.sub(r"#[0-9a-f]{6}\b", lambda c: f"var(--c-{c.group()[1:]})" if c.group() in ON_DARK else c.group(), tag)
