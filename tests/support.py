"""What many tests need: small corpora, compressed bytes, and the paper's formula in its plainest form."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import json
import lzma
import os
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lz4.frame
import zstandard

import zipfit
from zipfit.corpus.formats import Layout, read_chunks
from zipfit.corpus.streams import HashedFile
from zipfit.errors import BadRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

COMMAND = [sys.executable, "-c", "from zipfit.cli import main; main()"]
"""The command line as a process of its own."""

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lz4": lz4.frame.compress,
}

WORDS = [
    *("the", "sum", "of", "two", "even", "numbers", "is", "def", "return", "lambda", "theorem", "proof", "lemma", "by"),
    *("simp", "import", "math", "print", "select", "from", "where", "count", "group", "order", "river", "stone"),
    *("winter", "apple", "music", "letter", "λ", "数", "naïve", "🎲"),
]


def chunks(path, kind=None, *, columns=None, progress=None, **layout):
    file = HashedFile(str(path))
    return list(read_chunks(file, Layout(kind, **layout).of(file), columns, progress))


def outcomes(path, kind=None, **options):
    """Every record, or its place and the reason why it is bad."""
    found = []
    for chunk in chunks(path, kind, **options):
        for i in range(len(chunk)):
            try:
                found.append(chunk.record(i))
            except BadRecordError as error:
                found.append((chunk.place(i), str(error)))
    return found


def random_texts(count: int, seed: int, longest: int = 40) -> list[str]:
    """Texts of words, some of them empty, some equal."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(0, longest))) for _ in range(count)]
    for _ in range(count // 20):
        texts[rng.randrange(count)] = rng.choice(texts)
    return texts


def pool_records(count: int = 40, seed: int = 1) -> list[dict[str, Any]]:
    """Records with a text, a label and a number."""
    rng = random.Random(seed)
    return [
        {"id": i, "text": text, "source": rng.choice(["books", "code", "web"])}
        for i, text in enumerate(random_texts(count, seed))
    ]


def target_texts(count: int = 4, seed: int = 2) -> list[str]:
    return [f"example {i}: {text}" for i, text in enumerate(random_texts(count, seed))]


def run_shell(code: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the commands of a page as its reader would, this environment's programs first; they must succeed."""
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    environment = os.environ | {"PATH": path}
    ran = subprocess.run(["bash", "-ec", code], cwd=folder, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, f"{code}\n{ran.stdout}\n{ran.stderr}"
    return ran


def write_jsonl(path: Path, records: Iterable[Any]) -> Path:
    """Write records, or texts as records, as JSON Lines."""
    lines = [json.dumps({"text": r} if isinstance(r, str) else r, ensure_ascii=False) for r in records]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", errors="backslashreplace")
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def plain_alignment(text: str, targets: Sequence[str], level: int = 6) -> float:
    """Algorithm 1 of the paper with `gzip.compress`, one addition after another."""

    def size(data: str) -> int:
        return len(gzip.compress(data.encode(), level))

    total = 0.0
    for target in targets:
        alone, other = size(text), size(target)
        total += (size(text + target) - min(alone, other)) / max(alone, other)
    return 1 - total / len(targets)


class Page(HTMLParser):
    """What a page holds; a tag that is not closed in its turn is an error."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


def needs_nothing_but_itself(text: str) -> Page:
    """Check that a page runs no script but its own, asks nothing of the network and names its parts once."""
    page = Page(text)
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    assert script == (Path(zipfit.__file__).parent / "report" / "page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert page.tags.count("script") == 1
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'; "
    assert [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content")][:-1] == [
        f"{policy}form-action 'none'"
    ]
    assert not {"link", "iframe", "object", "embed", "img", "base", "form"} & set(page.tags)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith("#")
            assert value[1:] in page.ids
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("caption") == page.tags.count("table")
    assert page.tags.count("th") == sum(tag == "th" and name == "scope" for tag, name, _ in page.attributes)
    assert all(value in ("col", "row") for tag, name, value in page.attributes if tag == "th" and name == "scope")
    assert 'name="viewport" content="width=device-width' in text
    assert "prefers-color-scheme" in text
    return page
