"""The house as docs/architecture.md draws it, and the manners that hold in all of its rooms."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "src" / "zipfit"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MODULES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(HOUSE.rglob("*.py"))}

# Floors of the plan from the roof down; a line names its rooms and, after two spaces or more, says what they are for.
PLAN = next(block for block in re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S) if "errors" in block)
FLOORS = [re.findall(r"`?\b([a-z]+)\b(?=/|\.py)", line) for line in PLAN.splitlines() if line.strip()]
HEIGHT = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}

SECTIONS = {"Args:", "Attributes:", "Returns:", "Yields:", "Raises:"}
PROPER = {"Ctrl-C;", "Hugging", "Jaccard", "None", "Python"}
MESSAGES = {"ZipfitError", "BadRecordError", "fail", "_need"}
"""Calls that take what a user will read."""


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def imported(path: Path, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The rooms that a module imports from, wherever in the file it does so, and the lines."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place(path, node.lineno)}: a relative import"
            names = [f"{node.module}.{name.name}" for name in node.names]
        for name in names:
            package, _, rest = name.partition(".")
            room = rest.partition(".")[0]
            if package == "zipfit" and room in HEIGHT and room != room_of(path):
                yield room, node.lineno


def test_the_plan_has_the_rooms_that_there_are():
    there = {path.name.removesuffix(".py") for path in HOUSE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(HEIGHT) == there - {"__init__", "__pycache__"}
    assert len(HEIGHT) == sum(map(len, FLOORS)) <= 13


def test_every_import_goes_down_the_plan():
    arrows = defaultdict(list)
    for path, tree in MODULES.items():
        if path != HOUSE / "__init__.py":  # the door: it names what is public
            for room, line in imported(path, tree):
                arrows[room_of(path), room].append(place(path, line))
    assert {("cli", "selection"), ("selection", "methods")} <= arrows.keys()
    assert ("methods", "corpus") not in arrows
    up = {arrow: places for arrow, places in arrows.items() if HEIGHT[arrow[0]] <= HEIGHT[arrow[1]]}
    assert not up
    assert len(arrows) <= 45


def test_what_the_page_names_is_there():
    named = {
        name for name in re.findall(r"`([\w./-]+)`", PAGE) if "/" in name or name.endswith((".py", ".hpp", ".cpp"))
    }
    assert len(named) > 20
    missing = {name for name in named if not any((base / name).exists() for base in (ROOT, HOUSE, *HOUSE.iterdir()))}
    assert not missing, "\n".join(sorted(missing))


def test_no_function_has_more_than_eight_parameters():
    """But for `select`, whose arguments are the product's, and the commands, whose parameters are their options."""
    long = []
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                given = node.args
                names = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
                count = len([name for name in names if name not in ("self", "cls")])
                count += (given.vararg is not None) + (given.kwarg is not None)
                excepted = node.name == "select" or (room_of(path) == "cli" and node.name.endswith("_command"))
                if count > 8 and not excepted:
                    long.append(f"{place(path, node.lineno)}: {node.name} has {count}")
    assert not long, "\n".join(long)


def endings(node: ast.expr) -> Iterator[str]:
    """How a message may end, as far as the source says."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr) and node.values:
        yield from endings(node.values[-1])
    elif isinstance(node, ast.BinOp):
        yield from endings(node.right)
    elif isinstance(node, ast.IfExp):
        yield from endings(node.body)
        yield from endings(node.orelse)


def test_messages_have_no_final_full_stop():
    ends, stopped = 0, []
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                for argument in node.args if name in MESSAGES else ():
                    for ending in endings(argument):
                        ends += 1
                        if ending.endswith(".") and not ending.endswith("..."):
                            stopped.append(f"{place(path, argument.lineno)}: {ending}")
    assert ends > 100
    assert not stopped, "\n".join(stopped)


def entries(docstring: str) -> Iterator[tuple[int, str]]:
    """The descriptions in a docstring's sections, `name: description`, each with the number of its line."""
    lines = docstring.splitlines()
    depth = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    inside = False
    for number, line in enumerate(lines):
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if text and indent <= depth:
            inside = text in SECTIONS
        elif inside and indent == depth + 4 and (entry := re.match(r"[\w*.\[\], ]+: (.+)", text)):
            yield number, entry[1]


def is_a_name(word: str) -> bool:
    """Whether a word is written with a capital wherever it stands: a class, an abbreviation, a symbol, a proper name."""
    return len(word.strip(",.;:")) == 1 or word in PROPER or bool(re.search(r"[A-Z0-9_(|]", word[1:]))


def test_descriptions_in_docstrings_begin_in_lower_case():
    seen, capital = 0, []
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                first = node.body[0]
                assert isinstance(first, ast.Expr)
                assert isinstance(first.value, ast.Constant)
                for offset, description in entries(str(first.value.value)):
                    seen += 1
                    word = description.split()[0]
                    if word[0].isupper() and not is_a_name(word):
                        capital.append(f"{place(path, first.lineno + offset)}: {description}")
    assert seen > 300
    assert not capital, "\n".join(capital)
