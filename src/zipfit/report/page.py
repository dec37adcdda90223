"""The page of a report, and the parts that it is put together from."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from markupsafe import Markup

from zipfit.report.figures.style import LINE, ON_DARK, line_name
from zipfit.report.rendering import render
from zipfit.report.wording import tidy

if TYPE_CHECKING:
    from zipfit.report.figures.style import Chart
    from zipfit.report.tables import Table


def _colours() -> str:
    """The colours that figures have on a light page and on a dark one."""
    light = "".join(f"--c-{colour[1:]}:{colour};" for colour in ON_DARK)
    dark = "".join(f"--c-{colour[1:]}:{other};" for colour, other in ON_DARK.items())
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def escape(text: str) -> str:
    """A text as HTML shows it, whatever it holds."""
    return html.escape(tidy(text, 10_000), quote=True)


def page(title: str, body: str) -> str:
    """A whole page."""
    return render("page.html", title=title, style=_colours(), body=Markup(body))


TALL = "card tall"
"""The classes of a figure's card that is as high as two."""


def _is_tall(chart: Chart) -> bool:
    width, height = chart.figure.get_size_inches()
    return bool(height > 1.5 * width)


def figure_card(chart: Chart, svg: str, name: str) -> str:
    """A figure with what it shows, what comes out, and the settings behind it.

    Args:
        chart: what to say of it.
        svg: the figure's file.
        name: a prefix that sets its inner names apart from those of the page's other figures.
    """
    return (
        f'<figure class="{TALL if _is_tall(chart) else "card"}" id="{escape(name)}"><h3>{escape(chart.title)}</h3>'
        f"{inline_svg(svg, name, f'{chart.title}. {chart.finding}')}"
        f"<figcaption><p>{escape(chart.finding)}</p>"
        f'<p class="note">{escape(chart.caption)}</p></figcaption>'
        f'<p class="settings">{escape(chart.settings)}</p></figure>'
    )


def inline_svg(svg: str, name: str, alt: str) -> str:
    """A figure's SVG file as a part of a page: its colours follow the page's, its inner names are its own."""
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    head, rest = drawing[: drawing.index(">") + 1], drawing[drawing.index(">") + 1 :]
    box = re.search(r'viewBox="[^"]*"', head)
    view = box.group() if box else ""
    # Only within tags: the letters between them, names that users gave, stay as they are.
    rest = re.sub(r"<[^>]*>", lambda tag: _adapt(tag.group(), name), rest)
    rest = _LINE.sub(_within_reach, rest)
    return f'<svg {view} role="img" aria-label="{escape(alt)}">{rest.strip()}'


# An arm's line in a figure: its group, its name as digits, and its path.
_LINE = re.compile(rf'(<g id="[^"]*{LINE}([0-9a-f]*)">)\s*(<path d="[^"]*"(?: clip-path="[^"]*")?)')


def _within_reach(line: re.Match[str]) -> str:
    """Name a line for whoever points at it, and let a pointer find it more easily, by a broad line that is not seen."""
    group, digits, path = line.groups()
    return f'{group}<title>{escape(line_name(digits))}</title>{path} class="reach"/>{path}'


def _adapt(tag: str, name: str) -> str:
    tag = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', tag)
    tag = re.sub(r'(?:xlink:)?href="#([^"]*)"', rf'href="#{name}-\1"', tag)
    tag = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", tag)
    return re.sub(r"#[0-9a-f]{6}\b", lambda c: f"var(--c-{c.group()[1:]})" if c.group() in ON_DARK else c.group(), tag)


def table_html(table: Table, long: str = "") -> str:
    """A table in a container of its own, which scrolls where the page is narrow.

    Args:
        table: the table; its first column names its rows.
        long: the class of the last column that is no number, if it holds whole sentences.
    """
    wide = max((index for index, (_, numeric) in enumerate(table.columns) if not numeric), default=0)
    head = "".join(f'<th scope="col"{_class(numeric)}>{escape(title)}</th>' for title, numeric in table.columns)
    rows = []
    for row in table.rows:
        cells = []
        for index, (text, (_, numeric)) in enumerate(zip(row, table.columns, strict=True)):
            first, _, second = text.partition("\n")
            shown = f"<bdi>{escape(first)}</bdi>" + (f"<small>{escape(second)}</small>" if second else "")
            if index == 0:
                cells.append(f'<th scope="row"{_class(numeric)}>{shown}</th>')
            else:
                cells.append(f"<td{_class(numeric, long if index == wide else '')}>{shown}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>'
        f"<caption><span>{escape(table.caption)}</span></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _class(numeric: bool, other: str = "") -> str:
    name = "n" if numeric else other
    return f' class="{name}"' if name else ""


def pairs(values: dict[str, str]) -> str:
    """Names with their values."""
    return f'<dl class="pairs">{"".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in values.items())}</dl>'


def folded(summary: str, inner: str, is_open: bool = False) -> str:
    """A part that opens when it is asked for."""
    return f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>{inner}</details>"
