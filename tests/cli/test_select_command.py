from __future__ import annotations

import json
from importlib.metadata import version

import pytest
from support import COMPRESS, plain_alignment, pool_records, read_jsonl, target_texts, write_jsonl


def test_the_main_job(zipfit, folder):
    ran = zipfit("select", "pool.jsonl", "--target", "target.jsonl", "--top", 7, "-o", "out.jsonl")
    assert ran.status == 0
    assert ran.err == ""
    assert "7 of 40 documents selected" in ran.out
    assert sorted(path.name for path in folder.iterdir()) == [
        "out.jsonl", "out.manifest.json", "pool.jsonl", "target.jsonl",
    ]  # fmt: skip
    pool, target = pool_records(), target_texts()
    scores = [plain_alignment(record["text"], target) for record in pool]
    best = sorted(range(40), key=lambda i: (-scores[i], i))[:7]
    assert read_jsonl(folder / "out.jsonl") == [
        {**pool[i], "zipfit_score": scores[i], "zipfit_rank": rank} for rank, i in enumerate(best, 1)
    ]


@pytest.mark.parametrize(
    "terms",
    [
        ("--top", 7),
        ("--fraction", 0.3),
        ("--min-score", 0.3),
        ("--tokens", 900, "--tokenizer", "bytes"),
        ("--top", 9, "--dedup", "exact"),
        ("--top", 6, "--max-share", "source=0.5"),
    ],
)
def test_racing_selects_what_the_exact_method_selects(zipfit, folder, terms):
    for name, how in (("exact", ()), ("raced", ("--racing",)), ("named", ("--method", "racing"))):
        ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", *terms, *how, "-o", f"{name}.jsonl", "-q")
        assert (ran.status, ran.err) == (0, "")
    exact = (folder / "exact.jsonl").read_bytes()
    assert exact.count(b"\n") > 2
    assert exact == (folder / "raced.jsonl").read_bytes() == (folder / "named.jsonl").read_bytes()


def test_what_racing_does_not_take(zipfit, folder):
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "-m", "racing", "-p", "top=5", "--min-score", 0.15,
                 "-o", "out.jsonl")  # fmt: skip
    assert (ran.status, ran.out) == (2, "")
    assert "method 'racing' has no option 'top'" in ran.err
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "-m", "cover", "--racing", "--top", 5, "-o", "out.jsonl")
    assert (ran.status, ran.err) == (2, "zipfit: error: --racing is a way of the method zipfit, not of cover\n")


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("compressor", ["gzip", "lz4"])
def test_same_bytes_whatever_the_threads(zipfit, folder, threads, compressor):
    write_jsonl(folder / "pool.jsonl", pool_records(3000))
    arguments = ["select", "pool.jsonl", "-t", "target.jsonl", "--fraction", 0.1, "-c", compressor, "-q"]
    assert zipfit(*arguments, "-o", "a.jsonl", "--threads", 1).status == 0
    assert zipfit(*arguments, "-o", "b.jsonl", "--threads", threads).status == 0
    assert (folder / "a.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()


@pytest.mark.parametrize("suffix", ["", *COMPRESS])
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet", "arrow"])
def test_what_was_written_is_read_again(zipfit, folder, kind, suffix):
    name = f"pool2.{kind}{suffix}"
    plain = ["select", "pool.jsonl", "-t", "target.jsonl", "--fraction", 1, "--order", "source", "--no-fields", "-q"]
    if kind in ("parquet", "arrow") and suffix:
        assert zipfit(*plain, "-o", "pool2." + kind).status == 0
        (folder / name).write_bytes(COMPRESS[suffix]((folder / f"pool2.{kind}").read_bytes()))
    else:
        assert zipfit(*plain, "-o", name).status == 0
    (folder / "nameless").write_bytes((folder / name).read_bytes())
    select = ["-t", "target.jsonl", "--top", 5, "-q"]
    assert zipfit("select", "pool.jsonl", *select, "-o", "a.jsonl").status == 0
    assert zipfit("select", name, *select, "-o", "b.jsonl").status == 0
    assert zipfit("select", "nameless", *select, "-o", "c.jsonl", "--format", kind).status == 0
    expected = read_jsonl(folder / "a.jsonl")
    if kind in ("csv", "tsv"):
        expected = [{**record, "id": str(record["id"])} for record in expected]
    assert read_jsonl(folder / "b.jsonl") == read_jsonl(folder / "c.jsonl") == expected


def test_standard_input_and_output(zipfit, folder):
    zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 3, "-o", "a.jsonl")
    content = COMPRESS[".zst"]((folder / "pool.jsonl").read_bytes())
    ran = zipfit("select", "-", "-t", "target.jsonl", "--top", 3, "-o", "-", stdin=content)
    assert ran.status == 0
    assert ran.out == (folder / "a.jsonl").read_text()
    assert "3 of 40 documents selected" in ran.err
    ran = zipfit("select", "-", "-t", "target.jsonl", "--top", 3, "-o", "-", "--json", stdin=content)
    assert ran.out == (folder / "a.jsonl").read_text()
    assert json.loads(ran.err)["selection"]["documents"] == 3


def test_several_sources_in_the_order_given(zipfit, folder):
    records = [{"text": "the same text"}]
    for name in ("b.jsonl", "a.jsonl", "c.jsonl"):
        write_jsonl(folder / name, [{**record, "from": name} for record in records])
    zipfit("select", "c.jsonl", "[ab].jsonl", "-t", "target.jsonl", "--top", 2, "-o", "out.json", "-q")
    assert [record["from"] for record in json.loads((folder / "out.json").read_text())] == ["c.jsonl", "a.jsonl"]
    (folder / "d").mkdir()
    for name in ("z.jsonl", "y.jsonl", ".x.jsonl"):
        write_jsonl(folder / "d" / name, [{**record, "from": name} for record in records])
    zipfit("select", "d", "-t", "target.jsonl", "--fraction", 1, "-o", "out2.json", "-q")
    assert [record["from"] for record in json.loads((folder / "out2.json").read_text())] == ["y.jsonl", "z.jsonl"]


def test_templates_fields_and_shapes(zipfit, folder):
    source = [{"q": {"text": "Add."}, "a": "3"}, {"q": {"text": "Zzz"}, "a": "9"}]
    write_jsonl(folder / "qa.jsonl", source)
    write_jsonl(folder / "chat.jsonl", [{"messages": [{"role": "user", "content": "Add."}]}])
    options = ["--template", r"user: {q.text}\n{a}", "--target-template", "{messages}"]
    assert "is a list" in zipfit("select", "qa.jsonl", "-t", "chat.jsonl", "--top", 1, "-o", "x.jsonl", *options).err
    ran = zipfit("select", "qa.jsonl", "-t", "chat.jsonl", "--top", 1, "-o", "x.jsonl", *options[:2], "--json")
    assert ran.status == 0
    found = read_jsonl(folder / "x.jsonl")[0]
    assert found["q"] == {"text": "Add."}
    assert found["zipfit_score"] == plain_alignment("user: Add.\n3", ["user: Add."])
    (folder / "notes.txt").write_text("one\ntwo\n\nthree\n")
    zipfit("select", "notes.txt", "-t", "notes.txt", "--fraction", 1, "-o", "p.jsonl", "--sample-by", "paragraph", "-q")
    assert sorted(record["text"] for record in read_jsonl(folder / "p.jsonl")) == ["one\ntwo", "three"]


def test_shares_and_lengths(zipfit, folder):
    arguments = ["select", "pool.jsonl", "-t", "target.jsonl", "--top", 9, "-q"]
    assert zipfit(*arguments, "--max-share", "source=0.34", "-o", "a.jsonl").status == 0
    labels = [record["source"] for record in read_jsonl(folder / "a.jsonl")]
    assert max(labels.count(label) for label in set(labels)) == 3
    assert zipfit(*arguments, "--max-share", "0.34", "--by", "source", "-o", "b.jsonl").status == 0
    assert (folder / "a.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()
    assert zipfit(*arguments, "--min-bytes", 50, "--max-bytes", 150, "-o", "c.jsonl").status == 0
    lengths = [len(record["text"].encode()) for record in read_jsonl(folder / "c.jsonl")]
    assert min(lengths) >= 50
    assert max(lengths) <= 150


def test_quiet_and_json(zipfit):
    arguments = ["select", "pool.jsonl", "-t", "target.jsonl", "--top", 2]
    ran = zipfit(*arguments, "-o", "a.jsonl", "--quiet")
    assert (ran.out, ran.err) == ("", "")
    ran = zipfit(*arguments, "-o", "b.jsonl", "--json")
    summary = json.loads(ran.out)
    assert ran.err == ""
    assert summary["selection"]["documents"] == 2
    assert summary["output"]["path"] == "b.jsonl"
    assert len(summary["examples"]["best"]) == 2


def test_overwriting(zipfit, folder):
    arguments = ["select", "pool.jsonl", "-t", "target.jsonl", "-o", "out.jsonl", "-q"]
    assert zipfit(*arguments, "--top", 2).status == 0
    assert zipfit(*arguments, "--top", 3).status == 2
    assert len(read_jsonl(folder / "out.jsonl")) == 2
    assert zipfit(*arguments, "--top", 3, "--overwrite").status == 0
    assert len(read_jsonl(folder / "out.jsonl")) == 3


def test_a_selection_of_a_selection(zipfit, folder):
    zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 20, "-o", "a.jsonl", "-q")
    zipfit("select", "a.jsonl", "-t", "target.jsonl", "--top", 5, "-o", "b.jsonl", "-q")
    assert read_jsonl(folder / "b.jsonl") == read_jsonl(folder / "a.jsonl")[:5]


def test_a_terminal_without_unicode(started, folder):
    import os

    write_jsonl(folder / "pool.jsonl", [{"text": "数 naïve 🎲", "source": label} for label in ("é", "\udcff", "x")])
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = started("select", "pool.jsonl", "-t", "target.jsonl", "--top", 2, "-o", "out.jsonl", env=environment)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert b"2 of 3 documents selected" in out
    assert len((folder / "out.jsonl").read_bytes().splitlines()) == 2


def test_two_runs_that_write_the_same_output_at_once(started, folder):
    arguments = ["select", "pool.jsonl", "-t", "target.jsonl", "--top", 5, "-o", "out.jsonl", "-q", "--overwrite"]
    processes = [started(*arguments) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for process in processes:
        process.stdout.close()
        process.stderr.close()
    assert len(read_jsonl(folder / "out.jsonl")) == 5
    assert sorted(path.name for path in folder.iterdir()) == [
        "out.jsonl", "out.manifest.json", "pool.jsonl", "target.jsonl",
    ]  # fmt: skip


def test_help_and_version(zipfit):
    assert zipfit("--version").out.strip() == version("zipfit")
    for command in ([], ["select"], ["score"], ["explain"], ["verify"], ["rerun"]):
        ran = zipfit(*command, "--help")
        assert ran.status == 0
        assert "Usage" in ran.out
