"""The page of a report: its style, and the parts that it is put together from. It holds no script and asks for nothing."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from zipfit.study.figures.style import ON_DARK
from zipfit.study.words import tidy

if TYPE_CHECKING:
    from zipfit.study.figures.style import Chart
    from zipfit.study.tables import Table

# The page may show its own style and nothing else: what an arm's name or a document's text smuggles in stays dead.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def _variables(dark: bool) -> str:
    return "".join(f"--c-{light[1:]}:{other if dark else light};" for light, other in ON_DARK.items())


_STYLE = f"""
:root{{color-scheme:light dark;{_variables(False)}
--ink:#1c2127;--soft:#5b6470;--rule:#dde1e6;--page:#f5f6f8;--card:#ffffff;--tint:#eaf2fc;--accent:#0b5fc0;--warn:#9a3412;--warn-tint:#fdf1ea}}
@media (prefers-color-scheme:dark){{:root{{{_variables(True)}
--ink:#e8eaed;--soft:#a0a8b3;--rule:#31363e;--page:#101215;--card:#181b20;--tint:#16263a;--accent:#5aa2f5;--warn:#f5a37a;--warn-tint:#2c1c14}}}}
"""

_LAYOUT = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 Inter,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
main,footer{max-width:1200px;margin:0 auto;padding:0 20px}
header.top{padding:36px 0 8px}
.eyebrow{margin:0 0 6px;color:var(--soft);font-size:13px;letter-spacing:.08em;text-transform:uppercase}
h1{margin:0;font-size:clamp(22px,3.2vw,30px);line-height:1.2;letter-spacing:-.015em;font-weight:650;text-wrap:balance}
.lead{margin:8px 0 0;color:var(--soft);max-width:68ch}
h2{margin:56px 0 4px;font-size:22px;letter-spacing:-.01em;font-weight:650}
h2+p{margin:0 0 18px;color:var(--soft);max-width:75ch}
h3{margin:0 0 2px;font-size:17px;font-weight:650}
p{margin:0 0 10px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:20px;min-width:0}
.verdict{display:grid;gap:20px;margin-top:22px}
.headline{margin:0 0 14px;font-size:clamp(22px,2.6vw,30px);line-height:1.22;letter-spacing:-.02em;font-weight:650;text-wrap:balance}
.verdict ul{margin:0;padding:0;list-style:none}
.verdict li{margin:0 0 8px;padding-left:14px;border-left:2px solid var(--rule);font-size:15px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px;margin:0 0 18px}
.facts div{display:flex;flex-direction:column-reverse;justify-content:flex-end;background:var(--tint);border-radius:10px;padding:10px 14px}
.facts dd{margin:0;font-size:27px;line-height:1.2;font-weight:650;letter-spacing:-.02em;color:var(--accent);font-variant-numeric:tabular-nums;white-space:nowrap}
.facts dt{font-size:13px;line-height:1.35;color:var(--soft)}
.state{margin:14px 0 0;padding:8px 12px;border-radius:8px;font-size:14px;background:var(--warn-tint);color:var(--warn)}
.state.whole{background:none;color:var(--soft);padding:0}
.state a{color:inherit}
.grid{display:grid;grid-template-columns:minmax(0,1fr);gap:20px}
@media (min-width:900px){.verdict{grid-template-columns:minmax(0,5fr) minmax(0,6fr)}.grid{grid-template-columns:repeat(2,minmax(0,1fr))}}
figure{margin:0;display:flex;flex-direction:column}
figure svg{display:block;width:100%;height:auto;max-width:620px;margin:6px auto 8px}
figure svg text{font-family:Inter,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif!important}
figcaption{font-size:14px;line-height:1.5}
.note{color:var(--soft)}
.settings{margin:8px 0 0;padding-top:8px;border-top:1px solid var(--rule);color:var(--soft);font-size:12.5px;line-height:1.45}
.scroll{overflow-x:auto;margin:0 -20px;padding:0 20px;overflow-wrap:normal}
.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:-2px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:13.5px;line-height:1.5;padding:0 0 10px}
caption span{display:inline-block;max-width:min(90ch,calc(100vw - 82px));position:sticky;left:0}
th,td{padding:7px 10px;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
thead th{color:var(--soft);font-weight:550;font-size:13px;white-space:nowrap;border-bottom-color:var(--soft)}
th:first-child,td:first-child{padding-left:0}
tbody th{font-weight:600;min-width:8em;max-width:22em;overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap}
td.long{min-width:16em;overflow-wrap:anywhere}
td.text{min-width:24em;font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;overflow-wrap:anywhere}
tbody tr:last-child>*{border-bottom:0}
details{border-top:1px solid var(--rule);padding:12px 0}
details:first-of-type{border-top:0}
summary{cursor:pointer;font-weight:600}
summary:hover{color:var(--accent)}
details[open]>summary{margin-bottom:12px}
dl.pairs{display:grid;grid-template-columns:minmax(7em,auto) minmax(0,1fr);gap:4px 18px;margin:0;font-size:14px}
dl.pairs dt{color:var(--soft)}
dl.pairs dd{margin:0}
section+section,.card+.card{margin-top:20px}
.grid>.card{margin-top:0}
footer{padding:36px 20px 56px;color:var(--soft);font-size:13.5px}
@media (max-width:480px){main,footer{padding-left:12px;padding-right:12px}.card{padding:16px 14px}.scroll{margin:0 -14px;padding:0 14px}h2{margin-top:40px}}
@media print{body{background:none}.card{break-inside:avoid}}
"""


def escape(text: str) -> str:
    """A text as HTML shows it, whatever it holds."""
    return html.escape(tidy(text, 10_000), quote=True)


def page(title: str, body: str) -> str:
    """A whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{_LAYOUT}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def figure_card(chart: Chart, svg: str, name: str) -> str:
    """A figure with what it shows, what comes out, and the settings behind it.

    Args:
        chart: what to say of it.
        svg: the figure's file.
        name: a prefix that sets its inner names apart from those of the page's other figures.
    """
    return (
        f'<figure class="card" id="{escape(name)}"><h3>{escape(chart.title)}</h3>'
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
    return f'<svg {view} role="img" aria-label="{escape(alt)}">{rest.strip()}'


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
            shown = f"<bdi>{escape(text)}</bdi>"
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
