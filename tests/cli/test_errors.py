"""Every failure that a user can cause: one sentence, status 2, and nothing written."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest
from support import COMMAND, COMPRESS, WORDS, read_jsonl, write_jsonl

GOOD = b'{"text": "a good document"}\n'


@pytest.fixture
def fails(zipfit, folder):
    """Run a command that must fail; return what it said."""

    def run(*arguments, stdin=b""):
        before = {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
        ran = zipfit(*arguments, stdin=stdin)
        assert ran.status == 2, ran
        assert ran.out == ""
        assert ran.err.startswith("zipfit: error: ")
        assert ran.err.count("\n") == 1
        assert {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")} == before
        return ran.err.removeprefix("zipfit: error: ").rstrip("\n")

    return run


def selecting(pool="pool.jsonl", target="target.jsonl", budget=("--top", 5), output="out.jsonl"):
    return ["select", pool, "--target", target, *budget, "-o", output]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "broken"\n', "bad.jsonl, line 2: broken JSON: Expecting ',' delimiter at column 18"),
        (b'["a list"]\n', "bad.jsonl, line 2: the JSON value is not an object"),
        (b'{"body": "a", "n": 1}\n', "bad.jsonl, line 2: no text found; the record has 'body', 'n'"),
        (b"{}\n", "bad.jsonl, line 2: no text found; the record has no fields"),
        (b'{"text": null}\n', "bad.jsonl, line 2: field 'text' is null, not text"),
        (b'{"text": 12}\n', "bad.jsonl, line 2: field 'text' is a number, not text"),
        (b'{"text": ["a"]}\n', "bad.jsonl, line 2: field 'text' is a list, not text"),
        (b'{"text": "caf\xe9"}\n', "bad.jsonl, line 2: invalid UTF-8 at byte 13 of the line (give --encoding"),
        (b'{"text": "ab\\udc00"}\n', "bad.jsonl, line 2: lone surrogate at character 2 of the text"),
        (b"\x00\x00\x00\n", "bad.jsonl, line 2: broken JSON: Expecting value at column 1"),
        (b'{"text": ' + b"[" * 50_000 + b"\n", "bad.jsonl, line 2: broken JSON"),
    ],
)
@pytest.mark.parametrize("role", ["source", "target"])
def test_a_bad_record(fails, folder, content, message, role):
    (folder / "bad.jsonl").write_bytes(GOOD + content + GOOD)
    arguments = selecting(pool="bad.jsonl") if role == "source" else selecting(target="bad.jsonl")
    assert fails(*arguments).startswith(message)


def test_a_text_field_of_no_name_is_not_the_usual_one(fails):
    assert "no field ''; the record has" in fails(*selecting(), "--text-field", "")


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_rows_whose_first_was_taken_for_a_header(fails, zipfit, folder, suffix):
    rows = [["3", "winter stone"], ["4", "river letter"]]
    name = f"rows.{suffix}"
    (folder / name).write_text("".join({"csv": ",", "tsv": "\t"}[suffix].join(row) + "\n" for row in rows))
    assert fails(*selecting(pool=name)).endswith("; if these are the first row of CSV, give --no-header)")
    assert zipfit(*selecting(pool=name, budget=("-k", 1)), "--no-header", "--text-field", "1").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (selecting(pool="missing.jsonl"), "missing.jsonl: no such file or folder"),
        (selecting(target="missing.jsonl"), "missing.jsonl: no such file or folder"),
        (selecting(pool="*.parquet"), "*.parquet: matches no file"),
        (selecting(pool="empty"), "empty: holds no file whose name tells a format that zipfit reads (give --format)"),
        (selecting(pool="empty.jsonl"), "the source is empty: it holds no document"),
        (selecting(target="empty.jsonl"), "the target is empty: it holds no document"),
        (selecting(target="blank.jsonl"), "blank.jsonl, line 1: the text is empty"),
        (selecting(pool="-"), "the source is empty: it holds no document"),
        (selecting(pool="noise"),
         "noise: neither its name nor its content tells its format (give --format, or format of zipfit.Files in Python)"),
        (selecting(budget=()), "give a budget: top, fraction, tokens or min-score"),
        (selecting(budget=("--top", 41)), "41 documents were asked for, but the pool of 40 gives only 40: ask"),
        (selecting(budget=("--top", 0)), "top must be at least 1, not 0"),
        (selecting(budget=("--top", -3)), "top must be at least 1, not -3"),
        (selecting(budget=("--fraction", 0)), "fraction must be above 0 and at most 1, not 0.0"),
        (selecting(budget=("--fraction", 1.01)), "fraction must be above 0 and at most 1, not 1.01"),
        (selecting(budget=("--fraction", "nan")), "fraction must be above 0 and at most 1, not nan"),
        (selecting(budget=("--min-score", 2)), "no document of the pool scores 2.0 or more"),
        (selecting(budget=("--min-score", "nan")), "min-score must be a number, not NaN"),
        (selecting(budget=("--tokens", 100)), "a budget of tokens needs a tokenizer"),
        (selecting(budget=("--tokens", 0, "--tokenizer", "bytes")), "tokens must be at least 1, not 0"),
        (selecting(budget=("--tokens", 1, "--tokenizer", "bytes")),
         "the best document alone exceeds the budget of 1 tokens"),
        (selecting(budget=("--tokens", 9, "--tokenizer", "empty")),
         "tokenizer empty: the folder holds no tokenizer.json"),
        (selecting(budget=("--tokens", 9, "--tokenizer", "noise")), "tokenizer noise: cannot be loaded"),
        ([*selecting(), "--compressor", "zip"],
         "unknown compressor 'zip': choose from gzip, lz4, zstd, brotli, lzma"),
        ([*selecting(), "--level", 0],
         "gzip level 0 stores without compressing, so it would rank by length alone: use 1 to 9"),
        ([*selecting(), "--level", 10], "level 10 is out of range: gzip has levels 1 to 9"),
        ([*selecting(), "--level", -1], "level -1 is out of range: gzip has levels 1 to 9"),
        ([*selecting(), "-c", "zstd", "-l", 23], "level 23 is out of range: zstd has levels 1 to 22"),
        ([*selecting(), "--method", "magic"], "unknown method 'magic': choose from zipfit"),
        ([*selecting(), "--method", "no.module:Class"], "method 'no.module:Class': No module named"),
        ([*selecting(), "--method", "json:Nothing"], "method 'json:Nothing': module json has no Nothing"),
        ([*selecting(), "--method", "collections:Counter"], "Counter is no method: it needs fit(target, pool)"),
        ([*selecting(), "--param", "depth=3"], "method 'zipfit' has no option 'depth': it has compressor, level"),
        ([*selecting(), "--param", "level"], "--param 'level': write NAME=VALUE"),
        ([*selecting(), "--param", "level=x"], "method 'zipfit': option level takes int, not 'x'"),
        ([*selecting(), "--level", 3, "--param", "level=4"], "--param 'level=4': level is given twice"),
        ([*selecting(), "--text-field", "body"],
         "pool.jsonl, line 1: no field 'body'; the record has 'id', 'text', 'source'"),
        ([*selecting(), "--text-field", "id"], "pool.jsonl, line 1: field 'id' is a number, not text"),
        ([*selecting(), "--target-field", "a.b"], "target.jsonl, line 1: no field 'a.b'; the record has 'text'"),
        ([*selecting(), "--template", "{text"], "template '{text' is malformed"),
        ([*selecting(), "--template", "text"], "template 'text' names no field"),
        ([*selecting(), "--template", "{text}", "--text-field", "text"],
         "give a text field or a template, not both"),
        ([*selecting(), "--format", "xml"], "unknown format 'xml': choose from jsonl, json, csv"),
        ([*selecting(), "--format", "parquet"], "pool.jsonl: not a readable Parquet file"),
        ([*selecting(), "--sample-by", "word"], "unknown sample-by 'word': choose from line, paragraph, document"),
        ([*selecting(), "--order", "random"], "order must be 'rank' or 'source', not 'random'"),
        ([*selecting(), "--threads", 0], "threads must be at least 1, not 0"),
        ([*selecting(), "--max-share", 0], "max-share must be above 0 and at most 1, not 0.0"),
        ([*selecting(), "--max-share", "much"], "--max-share 'much': write a share, as 0.5, or FIELD=0.5"),
        ([*selecting(), "--max-share", "a=0.5", "--by", "b"],
         "--max-share names the field 'a', but --by names 'b'"),
        ([*selecting(budget=("--min-score", 0.1)), "--max-share", 0.5],
         "max-share needs a budget of documents or tokens, which min-score is not"),
        ([*selecting(), "--by", "topic"], "no document has the field 'topic' that is to label it"),
        ([*selecting(), "--min-bytes", 50, "--max-bytes", 10], "max-bytes (10) is below min-bytes (50)"),
        ([*selecting(), "--min-bytes", 100_000],
         "5 documents were asked for, but the pool of 40 gives only 0 (40 short passed over)"),
        (selecting(output="missing/out.jsonl"), "missing/out.jsonl: the folder missing does not exist"),
        (selecting(output="out.xml"), "out.xml: its extension names no output format"),
        (selecting(output="there.jsonl"), "there.jsonl: exists already (give --overwrite, or overwrite=True in Python, to replace it)"),
        (selecting(output="kept.csv"), "kept.manifest.json: exists already (give --overwrite, or overwrite=True in Python, to replace it)"),
        ([*selecting(output="pool.jsonl"), "--overwrite"], "pool.jsonl: is one of the inputs"),
        ([*selecting(output="./target.jsonl"), "--overwrite"], "./target.jsonl: is one of the inputs"),
        (["select", "-", "--target", "-", "--top", 1, "-o", "out.jsonl"],
         "standard input can be read only once"),
        (["score", "missing.jsonl", "-t", "target.jsonl"], "missing.jsonl: no such file or folder"),
        (["score", "pool.jsonl", "-t", "empty.jsonl"], "the target is empty: it holds no document"),
        (["score", "pool.jsonl", "-t", "target.jsonl", "-o", "there.jsonl"], "there.jsonl: exists already"),
        (["score", "pool.jsonl", "-t", "target.jsonl", "-o", "pool.jsonl", "--overwrite"],
         "pool.jsonl: is one of the inputs"),
        (["score", "pool.jsonl", "-t", "target.jsonl", "-c", "lz4", "-l", "17"],
         "level 17 is out of range: lz4 has levels 0 to 16"),
        (["verify", "missing.manifest.json"], "missing.manifest.json: no such file"),
        ([*selecting(), "--method", "random", "--seed", -1], "the seed must be at least 0, not -1"),
        ([*selecting(), "--racing", "--seed", -1], "the seed must be at least 0, not -1"),
        ([*selecting(), "--method", "dsir", "--seed", -1], "the seed must be at least 0, not -1"),
        ([*selecting(), "--min-bytes", -5], "min-bytes must be at least 0, not -5"),
        (["verify", "pool.jsonl"], "pool.jsonl: broken JSON"),
        (["verify", "there.jsonl"], "there.jsonl: is not a zipfit manifest"),
        (["verify", "kept.manifest.json"], "kept.manifest.json: is not a whole manifest: it lacks working_directory"),
        (["rerun", "noise"], "noise: broken JSON"),
        (["explain", "pool.jsonl", "--rank", 1], "pool.manifest.json: no such file"),
        (["explain", "pool.jsonl"], "give either a rank or a position"),
    ],
)  # fmt: skip
def test_a_mistaken_command(fails, folder, arguments, message):
    (folder / "empty").mkdir()
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "blank.jsonl").write_bytes(b'{"text": ""}\n')
    (folder / "there.jsonl").write_bytes(b"{}")
    (folder / "kept.manifest.json").write_bytes(b'{"manifest_version": 1}')
    (folder / "noise").write_bytes(b"noise")
    said = fails(*arguments)
    assert said.startswith(message), said


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("role", ["source", "target"])
def test_a_compressed_file_that_is_cut_off(fails, folder, suffix, role):
    name = f"cut.jsonl{suffix}"
    (folder / name).write_bytes(COMPRESS[suffix](GOOD * 2000)[:-5])
    arguments = selecting(pool=name) if role == "source" else selecting(target=name)
    assert fails(*arguments) == f"{name}: the compressed file is cut off before its end"


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_that_is_corrupt(fails, folder, suffix):
    name = f"corrupt.jsonl{suffix}"
    content = bytearray(COMPRESS[suffix](random.Random(0).randbytes(5000).hex().encode()))
    content[8:80] = bytes(72)
    (folder / name).write_bytes(content)
    said = fails(*selecting(pool=name))
    assert said.startswith(name)
    assert "corrupt" in said or "cut off" in said or "line 1" in said


@pytest.mark.parametrize("name", ["cut.parquet", "cut.arrow", "cut.json", "cut.csv"])
def test_a_file_of_another_format_that_is_broken(fails, zipfit, folder, name):
    zipfit(*selecting(output=f"whole.{name.split('.')[1]}"))
    whole = (folder / f"whole.{name.split('.')[1]}").read_bytes()
    (folder / name).write_bytes(whole[:-20] + (b'"x' if name.endswith("csv") else b""))
    assert fails(*selecting(pool=name)).startswith(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_without_permission(fails, folder):
    (folder / "secret.jsonl").write_bytes(GOOD)
    (folder / "secret.jsonl").chmod(0)
    assert fails(*selecting(pool="secret.jsonl")) == "secret.jsonl: permission denied"
    (folder / "closed").mkdir(mode=0o500)
    assert "is not writable" in fails(*selecting(output="closed/out.jsonl"))


def test_the_usage_is_checked_too(zipfit, folder):
    for arguments in (["select"], ["select", "pool.jsonl"], ["nonsense"], [*selecting(), "--top", "many"], ["-x"]):
        ran = zipfit(*arguments)
        assert ran.status == 2
        assert ran.out == ""
        assert "Usage" in ran.err
    assert not (folder / "out.jsonl").exists()


def test_debug_shows_the_traceback(started, folder):
    process = started("select", "missing.jsonl", "-t", "target.jsonl", "--top", 1, "-o", "out.jsonl", "--debug")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out == b""
    assert b"Traceback" in err
    assert b"ZipfitError: missing.jsonl: no such file or folder" in err


def test_a_study_that_is_not_valid_shows_its_traceback_too(started, folder):
    (folder / "study.yaml").write_text("name: [")
    for place in (0, 3):
        words = ["study", "check", "study.yaml"]
        words.insert(place, "--debug")
        _, err = started(*words).communicate(timeout=60)
        assert b"Traceback" in err
        assert b"study.yaml" in err


def test_the_process_says_one_sentence_and_ends_with_status_2(started, folder):
    process = started(*selecting(pool="missing.jsonl"))
    assert process.communicate(timeout=60) == (b"", b"zipfit: error: missing.jsonl: no such file or folder\n")
    assert process.returncode == 2


def test_allow_fewer_takes_what_there_is(zipfit, folder):
    assert zipfit(*selecting(budget=("--top", 41, "--allow-fewer"))).status == 0
    assert len(read_jsonl(folder / "out.jsonl")) == 40


def test_skip_bad_goes_on_counts_and_keeps(zipfit, folder):
    lines = [GOOD, b'{"text": "broken"\n', GOOD, b"\n", b'{"text": "caf\xe9"}\n', b'{"text": 5}\n', b'{"text": ""}\n']
    (folder / "bad.jsonl").write_bytes(b"".join(lines))
    (folder / "bad_target.jsonl").write_bytes(GOOD + b'{"text": ""}\n')
    ran = zipfit(*selecting("bad.jsonl", "bad_target.jsonl", ("--top", 3)), "--skip-bad", "--json")
    assert ran.status == 0
    assert '"skipped": 3' in ran.out
    assert len(read_jsonl(folder / "out.jsonl")) == 3
    assert read_jsonl(folder / "out.jsonl.rejected.jsonl") == [
        {"file": "bad_target.jsonl", "place": "line 2", "reason": "the text is empty", "raw": '{"text": ""}'},
        {"file": "bad.jsonl", "place": "line 2", "reason": "broken JSON: Expecting ',' delimiter at column 18",
         "raw": '{"text": "broken"'},
        {"file": "bad.jsonl", "place": "line 5", "reason": "invalid UTF-8 at byte 13 of the line",
         "raw": '{"text": "caf\\xe9"}'},
        {"file": "bad.jsonl", "place": "line 6", "reason": "field 'text' is a number, not text; a template '{text}' takes it", "raw": '{"text": 5}'},
    ]  # fmt: skip


def test_skip_bad_with_nothing_good(fails, folder):
    (folder / "bad.jsonl").write_bytes(b"nonsense\n" * 3)
    assert fails(*selecting(pool="bad.jsonl"), "--skip-bad") == (
        "the source is empty: all of its 3 records are bad, the first bad.jsonl, line 1: broken JSON: Expecting value "
        "at column 1"
    )
    assert fails(*selecting(target="bad.jsonl"), "--skip-bad").startswith(
        "the target is empty: all of its 3 records are bad, the first bad.jsonl, line 1: broken JSON"
    )


def test_skip_bad_keeps_the_records_of_a_score_as_well(zipfit, folder):
    (folder / "bad.jsonl").write_bytes(GOOD + b"nonsense\n")
    assert zipfit("score", "bad.jsonl", "-t", "target.jsonl", "-o", "scores.jsonl", "--skip-bad").status == 0
    assert [record["place"] for record in read_jsonl(folder / "scores.jsonl.rejected.jsonl")] == ["line 2"]


def long_job(folder):
    """A job of four million pairs: a minute and more of processor time."""
    rng = random.Random(0)  # words in random order, as what repeats itself is scored in no time
    write_jsonl(folder / "long.jsonl", [" ".join(rng.choices(WORDS, k=2000)) for _ in range(1000)])
    write_jsonl(folder / "many.jsonl", [" ".join(rng.choices(WORDS, k=200)) for _ in range(4000)])
    return selecting("long.jsonl", "many.jsonl", ("--top", 5))


SLOW_SCORES = """
import time
from pathlib import Path
from zipfit.methods.zipfit import ZipFit
plain = ZipFit.score
def score(self, texts):
    Path("scoring").touch()
    time.sleep(0.5)
    return plain(self, texts)
ZipFit.score = score
from zipfit.cli import main
main()
"""


@pytest.mark.parametrize(("threads", "how"), [(1, "SIGINT"), (2, "SIGINT"), (2, "SIGTERM")])
def test_interrupted_while_scoring(folder, threads, how):
    command = [sys.executable, "-c", SLOW_SCORES, *map(str, long_job(folder)), "--threads", str(threads)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (folder / "scoring").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.Signals[how])
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert err == b"zipfit: interrupted; nothing was left half-written\n"
    left = {path.name for path in folder.iterdir()}
    assert left == {"long.jsonl", "many.jsonl", "pool.jsonl", "target.jsonl", "scoring"}


def test_ctrl_c_at_any_moment(started, folder):
    job = long_job(folder)
    for delay in (0.05, 0.2, 0.4, 0.6):
        process = started(*job)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        # In its very first moments the interpreter itself has not yet taken the signal over, or not all of itself.
        begun = b"Fatal Python error: init" not in err
        assert process.returncode in ((130, -signal.SIGINT) if begun else (1,)), err
        assert not (folder / "out.jsonl").exists()


STOP_IN_WRITING = """
import os, signal
from zipfit.corpus import write
plain = write.write_records
def write_records(stream, *rest):
    plain(stream, *rest)
    stream.flush()
    os.kill(os.getpid(), signal.{signal})
import zipfit.selection.selection
zipfit.selection.selection.write_records = write_records
from zipfit.cli import main
main()
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_killed_in_the_middle_of_writing(started, folder, how):
    script = STOP_IN_WRITING.format(signal=how)
    process = subprocess.run(
        [sys.executable, "-c", script, *map(str, selecting())], cwd=folder, capture_output=True, timeout=60, check=False
    )
    assert process.returncode == (-signal.SIGKILL if how == "SIGKILL" else 130)
    left = [path.name for path in folder.iterdir() if path.name not in ("pool.jsonl", "target.jsonl")]
    if how == "SIGKILL":  # what it leaves is hidden and never under the output's name
        assert len(left) == 1
        assert left[0].startswith(".out.jsonl.")
        assert left[0].endswith(".part")
    else:
        assert left == []


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out.jsonl.gz", "out.csv.zst"])
def test_a_full_disk(started, folder, name):
    write_jsonl(folder / "pool.jsonl", [{"text": random.Random(i).randbytes(2000).hex()} for i in range(50)])

    def limit_file_size():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    process = started(*selecting(budget=("--fraction", 1), output=name), preexec_fn=limit_file_size)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert out == b""
    assert err == f"zipfit: error: {name}: cannot be written (File too large); nothing was left there\n".encode()
    assert sorted(path.name for path in folder.iterdir()) == ["pool.jsonl", "target.jsonl"]


def test_a_full_disk_while_bad_records_are_kept(started, folder):
    (folder / "bad.jsonl").write_bytes(GOOD + random.Random(0).randbytes(2000).hex().encode() * 50 + b"\n")

    def limit_file_size():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    arguments = selecting("bad.jsonl", budget=("--top", 1))
    process = started(*arguments, "--skip-bad", preexec_fn=limit_file_size)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert err.count(b"\n") == 1
    assert b"File too large" in err
    assert not (folder / "out.jsonl").exists()


def test_a_reader_that_stops_reading(started, folder):
    write_jsonl(folder / "pool.jsonl", ["word " * 2000] * 300)
    process = started(*selecting(budget=("--fraction", 1), output="-"), "--quiet")
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 1
    process.stderr.close()


def test_a_closed_standard_input(folder):
    command = [*COMMAND, *map(str, selecting(pool="-"))]
    ran = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (2, "zipfit: error: -: standard input is closed\n")


@pytest.mark.parametrize("option", [("--template", "{id}: {text}"), ("--text-field", "text")])
def test_a_refusal_of_the_target_names_the_options_of_the_target(zipfit, folder, option):
    write_jsonl(folder / "target.jsonl", [{"q": "a"}])
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "-k", 1, "-o", "out.jsonl", *option)
    assert ran.status == 2
    assert ran.err == (
        "zipfit: error: target.jsonl, line 1: no text found; the record has 'q' (name one with a text field or a "
        "template); the target has its own options, --target-field and --target-template (target_field and "
        "target_template in Python)\n"
    )
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "-k", 1, "-o", "out.jsonl")
    assert ran.err.endswith("(name one with a text field or a template)\n")
