"""`zipfit explain` and `zipfit verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from zipfit.cli import common
from zipfit.system.terminal import harmless


def explain_command(
    selected: Annotated[str, typer.Argument(help="A selection, with its manifest beside it.")],
    rank: Annotated[int | None, typer.Option("--rank", "-r", help="Rank of the document, from 1.")] = None,
    position: Annotated[int | None, typer.Option(help="Instead: position of a document in the source, from 0.")] = None,
    as_json: common.AsJson = False,
) -> None:
    """Show why a document scores as it does: its nearest target examples, and what it shares with them."""
    from rich.panel import Panel
    from rich.text import Text

    from zipfit.selection.explain import explain

    result = explain(selected, rank=rank, position=position)
    if as_json:
        common.say(json.dumps(asdict(result), ensure_ascii=False))
        return
    console = common.console()
    fields = "".join(f", {name} {value}" for name, value in result.fields.items())
    head = harmless(f"alignment {result.alignment:.4f} ({result.compressor}{fields})")
    console.print(head, highlight=False, markup=False)
    console.print(Panel(Text(_shortened(result.text, 1200)), title="document", title_align="left"))
    for neighbour in result.neighbours:
        title = f"target example {neighbour.index}, NCD {neighbour.distance:.4f}"
        body = Text(_shortened(neighbour.text, 600))
        for shared in neighbour.shared:
            body.append(f"\n  shared ({len(shared)}): ", style="bold")
            body.append(repr(shared) if len(shared) <= 200 else repr(shared[:199] + "…"))
        console.print(Panel(body, title=title, title_align="left"))


def verify_command(
    manifest: Annotated[str, typer.Argument(help="A selection's manifest.")],
    as_json: common.AsJson = False,
) -> None:
    """Check that a selection and what it was made from are as the manifest says."""
    from zipfit.selection.manifest import verify

    problems = verify(manifest)
    if as_json:
        common.say(json.dumps({"problems": problems}, ensure_ascii=False))
    for problem in [] if as_json else problems:
        common.warn(problem)
    if problems:
        raise typer.Exit(2)
    if not as_json:
        print("the inputs and the selection are as the manifest says")


def _shortened(text: str, length: int) -> str:
    return harmless(text if len(text) <= length else f"{text[:length]}… ({len(text):,} characters)")
