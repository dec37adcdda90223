"""A study's tables as Markdown, to stand in a README or a review where HTML does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zipfit.report.tables import Entry, Table


def table_markdown(table: Table) -> str:
    """Heading, table and caption; a cell's remark follows it in brackets."""
    heads, kinds = zip(*table.columns, strict=True)
    rule = ("---:" if kind == "n" else "---" for kind in kinds)
    lines = [_row(map(_escape, heads)), _row(rule), *(_row(map(_cell, row)) for row in table.rows)]
    return heading(2, table.title) + "\n" + "\n".join(lines) + f"\n\n{_escape(table.caption)}\n"


def heading(level: int, text: str) -> str:
    """A heading of this level."""
    return f"{'#' * level} {_escape(text)}\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(entry: Entry) -> str:
    text, remark = entry if isinstance(entry, tuple) else (entry, "")
    return _escape(text) + (f" ({_escape(remark)})" if remark else "")


def _escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"[\\`*_\[\]<>|#&~]", r"\\\g<0>", text).replace("\n", " ")
