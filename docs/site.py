"""What the documentation site makes of the code as it is built: the reference of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from zipfit.cli.app import application

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

_COMMANDS = "docs/reference/commands.md"


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Put every command and option, as Typer describes them, at the end of the page of the commands."""
    if page.file.src_uri != _COMMANDS:
        return markdown
    command = get_command(application())
    described = get_docs_for_click(obj=command, ctx=typer.Context(command), name="zipfit")
    _, _, commands = described.partition("\n")  # without its heading: the page has one
    return markdown + commands
