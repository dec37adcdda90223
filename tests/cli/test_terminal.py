"""Nothing that others wrote, in documents, names or manifests, reaches the terminal as more than text."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import COMMAND, target_texts

from zipfit.system.terminal import harmless

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\r\x08"
OBEYED = re.compile("\x07|\x08|\x9b|[\u202a-\u202e\u2066-\u2069]|\x1b(?!\\[[0-9;]*m)|\r(?!\n)")
"""All but what rich itself writes: colours, and the ends of lines."""


@pytest.fixture
def hostile(folder: Path) -> Path:
    """A pool whose texts, labels, fields and name would take over a terminal."""
    records = [
        {"text": f"{EVIL} text {i} \x85 [bold]b[/] [link=x]y", "source": f"{EVIL}[red]{i % 3}"} for i in range(30)
    ]
    records[4] = {EVIL: "no text here"}
    name = f"pool{EVIL.replace('/', '')}.jsonl"
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    target = [f"{EVIL} text {i}" for i in range(4)] + target_texts()
    (folder / "evil-target.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in target))
    return folder / name


def run(folder: Path, *arguments: object) -> tuple[int, str]:
    """A command under a pseudo-terminal, and all that it shows there."""
    main, other = pty.openpty()
    command = [*COMMAND, *map(str, arguments)]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=other, stderr=other, env=environment
    )
    os.close(other)
    shown = b""
    while True:
        try:
            block = os.read(main, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    os.close(main)
    return process.wait(), shown.decode("utf-8", "surrogateescape")


def without_bars(shown: str) -> str:
    """What is shown, less the progress bar, which moves the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-ln-z]|\r", "", shown)


def test_every_command(folder: Path, hostile: Path) -> None:
    select = ["select", hostile.name, "-t", "evil-target.jsonl", "--top", 9, "--skip-bad", "--overwrite"]
    commands = [
        ["select", hostile.name, "-t", "evil-target.jsonl", "--top", 9, "-o", "o.jsonl"],  # a bad record
        [*select, "-o", "o.jsonl"],
        [*select, "-o", "o.jsonl", "--json"],
        [*select, "-o", f"{EVIL}.jsonl".replace("/", "")],
        ["explain", "o.jsonl", "--rank", 1],
        ["explain", "o.jsonl", "--rank", 2, "--json"],
        ["verify", "o.manifest.json"],
        ["config", "o.manifest.json"],
        ["score", hostile.name, "-t", "evil-target.jsonl", "--skip-bad"],
        ["preview", hostile.name, "-t", "evil-target.jsonl", "--skip-bad", "--bytes", 200, "-m", "zipfit"],
        ["select", f"nowhere{EVIL}", "-t", "evil-target.jsonl", "--top", 1, "-o", "p.jsonl"],
        ["select", hostile.name, "-t", "evil-target.jsonl", "--top", 1, "-o", "p.jsonl", "--text-field", EVIL],
        ["verify", "hostile.manifest.json"],
        ["rerun", "hostile.manifest.json", "-o", "q.jsonl"],
        ["config", "hostile.manifest.json"],
        ["select", "--config", "hostile.yaml"],
    ]
    (folder / "hostile.yaml").write_text(json.dumps({EVIL: EVIL}))
    statuses = []
    for command in commands:
        if command[1] == "hostile.manifest.json" and not (folder / "hostile.manifest.json").exists():
            manifest = json.loads((folder / "o.manifest.json").read_text())
            manifest["source"]["inputs"][0]["name"] = f"gone{EVIL}"
            (folder / "hostile.manifest.json").write_text(json.dumps(manifest))
        status, shown = run(folder, *command)
        statuses.append(status)
        assert "Traceback" not in shown
        assert not OBEYED.search(without_bars(shown)), (command, without_bars(shown))
    assert statuses == [2, *[0] * 9, 2, 2, 2, 2, 0, 2]


def test_what_stands_for_a_control_character_is_json() -> None:
    every = "".join(map(chr, range(0x3000)))
    assert json.loads(harmless(json.dumps(every, ensure_ascii=False))) == every
    assert harmless("plain, \t naïve, 数, 🎲\n") == "plain, \t naïve, 数, 🎲\n"
    assert not OBEYED.search(harmless(every + EVIL))


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_warning_is_harmless_too(folder: Path) -> None:
    code = (
        f"import sys, warnings\nfrom zipfit import cli\nsys.argv = ['zipfit', 'doctor']\n"
        f"from zipfit.cli import doctor\nplain = doctor.diagnose\n"
        f"doctor.diagnose = lambda: (warnings.warn({EVIL!r}), plain())[1]\ncli.main()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert "zipfit: warning: \\u001b]0;title\\u0007" in ran.stderr
