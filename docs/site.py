"""What the documentation site makes of the code as it is built: the reference of the commands."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

_COMMANDS = "docs/reference/commands.md"


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Put every command and option, as Typer describes them, at the end of the page of the commands."""
    if page.file.src_uri != _COMMANDS:
        return markdown
    described = subprocess.run(
        [sys.executable, "-m", "typer", "zipfit.cli.app", "utils", "docs", "--name", "zipfit"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    ).stdout
    _, _, commands = described.partition("\n")  # without its heading: the page has one
    return markdown + commands
