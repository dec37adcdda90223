"""Scores that are kept in a folder, against selections that are made at once."""

from __future__ import annotations

import json
import os
import re
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from support import pool_records, write_jsonl

from zipfit import ZipfitError, score_pool

METHODS = {
    "zipfit": [],
    "gain": [],
    "random": ["-p", "seed=3"],
    "dsir": ["-p", "min_length=1"],
    "cover": ["-p", "weights=contrast"],
    "zipfit by turns": ["-p", "reduce=round-robin"],
    "bm25": ["-p", "reduce=mean"],
    "bm25 by turns": [],
    "mmr": [],
}


@pytest.fixture
def shards(folder):
    """The pool in three files of three kinds, with two bad records."""
    records = pool_records(90, seed=5)
    write_jsonl(folder / "a.jsonl", records[:50])
    with open(folder / "a.jsonl", "a") as file:
        file.write('{"text": null}\n{broken\n')
    lines = "".join(json.dumps(record) + "\n" for record in records[50:70])
    (folder / "b.jsonl.zst").write_bytes(zstandard.compress(lines.encode()))
    pq.write_table(pa.Table.from_pylist(records[70:]), folder / "c.parquet", row_group_size=4)
    return ["a.jsonl", "b.jsonl.zst", "c.parquet", "--skip-bad"]


def files(folder, name):
    """What lies beside an output of a name, its manifest without what it took."""
    found = {}
    for path in folder.iterdir():
        if path.name.startswith(f"{name}."):
            data = path.read_bytes()
            if path.name.endswith(".manifest.json"):
                data = json.loads(data)
                data.pop("seconds")
                data["output"].pop("path")
            found[path.name.removeprefix(name)] = data
    return found


@pytest.mark.parametrize("method", METHODS)
def test_a_cut_of_scores_is_the_selection(zipfit, folder, shards, method):
    options = ["-t", "target.jsonl", "-m", method.split()[0], *METHODS[method]]
    assert zipfit("score", *shards, *options, "-o", "scores").status == 0
    for number, cut in enumerate(
        (
            ["-k", "7"],
            ["--fraction", "0.3", "--dedup", "exact"],
            ["--tokens", "900", "--tokenizer", "bytes", "--max-share", "0.5"],
            ["-k", "5", "--min-bytes", "20", "--max-bytes", "200", "--exclude", "target.jsonl"],
        )
    ):
        direct = zipfit("select", *shards, *options, *cut, "-o", f"d{number}.jsonl")
        kept = zipfit("select", "--scores", "scores", *cut, "-o", f"k{number}.jsonl")
        assert (direct.status, kept.status) == (0, 0), direct.err + kept.err
        assert files(folder, f"d{number}") == files(folder, f"k{number}")
        assert zipfit("verify", f"k{number}.manifest.json").status == 0
        assert zipfit("rerun", f"k{number}.manifest.json", "-o", f"r{number}.jsonl").status == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("parts", [2, 5])
def test_parts_make_the_tables_of_one_machine(zipfit, folder, shards, method, parts):
    options = ["-t", "target.jsonl", "-m", method.split()[0], *METHODS[method]]
    assert zipfit("score", *shards, *options, "-o", "whole").status == 0
    order = list(range(1, parts + 1))[::-1]
    for number in order:
        assert zipfit("score", *shards, *options, "-o", "parted", "--part", f"{number}/{parts}").status == 0
    assert zipfit("merge", "parted").status == 0
    one, many = (json.loads((folder / name / "scores.json").read_text()) for name in ("whole", "parted"))
    assert one["tables"] == many["tables"]
    assert one["source"] == many["source"]
    assert one["method"] == many["method"]
    for table in one["tables"]:
        assert (folder / "whole" / table["path"]).read_bytes() == (folder / "parted" / table["path"]).read_bytes()


def test_the_tables_have_a_row_for_each_record(zipfit, folder, shards):
    assert zipfit("score", *shards, "-t", "target.jsonl", "-o", "scores").status == 0
    rows = pq.read_table(folder / "scores" / "scores-00000.parquet").to_pylist()
    assert [row["position"] for row in rows] == list(range(92))
    assert [(row["file"], row["row"]) for row in rows[50:54]] == [
        ("a.jsonl", 50),
        ("a.jsonl", 51),
        ("b.jsonl.zst", 0),
        ("b.jsonl.zst", 1),
    ]
    assert [(row["place"], row["zipfit_score"], row["raw"]) for row in rows[50:52]] == [
        ("line 51", None, b'{"text": null}'),
        ("line 52", None, b"{broken"),
    ]
    assert rows[0]["label"] == pool_records(90, seed=5)[0]["source"]


def test_only_what_is_new_is_scored(zipfit, folder, shards):
    score = ["score", "-t", "target.jsonl", "-o", "scores", "--json", "--skip-bad", "--resume"]
    ran = zipfit(*score, "a.jsonl", "c.parquet")
    assert ran.status == 0, ran.err
    write_jsonl(folder / "a0.jsonl", pool_records(5, seed=9))
    again = zipfit("score", "a.jsonl", "a0.jsonl", "b.jsonl.zst", "c.parquet", *score[1:], "--part", "1/1")
    assert (json.loads(again.out)["kept"], json.loads(again.out)["scored"]) == (72, 25)
    os.utime(folder / "c.parquet", ns=(1, 1))
    again = zipfit("score", "a.jsonl", "a0.jsonl", "b.jsonl.zst", "c.parquet", *score[1:], "--part", "1/1")
    assert (json.loads(again.out)["kept"], json.loads(again.out)["scored"]) == (77, 20)
    assert zipfit("merge", "scores", "--overwrite").status == 0
    assert zipfit("select", "--scores", "scores", "-k", "9", "-o", "kept.jsonl").status == 0
    source = ["a.jsonl", "a0.jsonl", "b.jsonl.zst", "c.parquet", "--skip-bad"]
    assert zipfit("select", *source, "-t", "target.jsonl", "-k", "9", "-o", "direct.jsonl").status == 0
    assert files(folder, "kept") == files(folder, "direct")


def test_a_file_that_cannot_be_read_is_passed_over_and_named(zipfit, folder, shards):
    whole = (folder / "b.jsonl.zst").read_bytes()
    (folder / "b.jsonl.zst").write_bytes(whole[:-20])
    options = [*shards, "-t", "target.jsonl"]
    stopped = zipfit("score", *options, "-o", "scores")
    assert stopped.status == 2
    assert "b.jsonl.zst: the compressed file is cut off before its end" in stopped.err
    assert zipfit("score", *options, "-o", "scores", "--resume", "--skip-bad-files").status == 0
    assert zipfit("select", *options, "-k", "9", "-o", "direct.jsonl", "--skip-bad-files").status == 0
    kept = zipfit("select", "--scores", "scores", "-k", "9", "-o", "kept.jsonl")
    assert kept.status == 0
    assert "1 files passed over, as they cannot be read" in kept.out
    assert files(folder, "kept") == files(folder, "direct")
    few = zipfit("score", *options, "-o", "few", "--skip-bad-files", "--max-bad-files", "0.1")
    assert few.status == 2
    assert "1 of 3 files cannot be read, which is more than a share of 0.1" in few.err


def refused(ran):
    assert ran.status == 2
    assert ran.err.count("\n") == 1
    return ran.err.removeprefix("zipfit: error: ").strip()


def test_a_folder_is_not_written_over_unasked(zipfit, folder):
    score = ["score", "pool.jsonl", "-t", "target.jsonl", "-o", "scores"]
    assert zipfit(*score).status == 0
    before = (folder / "scores" / "scores.json").read_bytes()
    assert refused(zipfit(*score)).startswith("scores: holds scores already (give --resume to go on, or --overwrite")
    assert refused(zipfit(*score, "--part", "1/3")).startswith("scores/work: holds parts of another number")
    assert refused(zipfit(*score, "--part", "1/3", "--resume")).startswith("scores/work: holds parts of another number")
    assert (folder / "scores" / "scores.json").read_bytes() == before
    assert zipfit(*score, "--overwrite", "-m", "gain").status == 0
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("mine")
    assert refused(zipfit(*score[:-1], "mine", "--overwrite")) == (
        "mine: holds something else (notes.txt): name a folder of its own"
    )
    assert refused(zipfit(*score[:-1], "pool.jsonl/", "--resume")) == "pool.jsonl: is a file, not a folder"


def test_parts_that_do_not_belong_together_are_refused(zipfit, folder):
    def part(number, *options, parts=2):
        return zipfit("score", "pool.jsonl", "-o", "s", "-t", "target.jsonl", "--part", f"{number}/{parts}", *options)

    assert refused(zipfit("merge", "s")) == "s/work: holds no part of any scores"
    assert part(1).status == 0
    assert refused(zipfit("merge", "s")) == "s/work: 1 of 2 parts are missing or not done: 00002-of-00002"
    assert refused(zipfit("select", "--scores", "s", "-k", "1", "-o", "o.jsonl")).startswith("s: holds no whole scores")
    assert refused(part(2, "-m", "gain")).startswith("s/work/00001-of-00002: is done for another job: target, method")
    assert refused(part(1)).startswith("s: holds part 1 of 2 already (give --resume")
    assert part(2, "-m", "gain", "--resume").status == 0
    assert "s/work/00002-of-00002: belongs to another job than s/work/00001-of-00002" in refused(zipfit("merge", "s"))
    assert part(2, "--overwrite").status == 0
    table = next((folder / "s" / "work" / "00002-of-00002").glob("*.parquet"))
    whole = table.read_bytes()
    table.write_bytes(whole[: len(whole) // 2])
    assert refused(zipfit("merge", "s")) == f"s/work/00002-of-00002/{table.name}: is missing, or not whole"
    table.write_bytes(whole)
    assert zipfit("merge", "s").status == 0
    assert refused(zipfit("merge", "s")).startswith("s/scores.json: exists already")
    assert part(3, "--overwrite", parts=3).status == 0
    assert refused(zipfit("merge", "s", "--overwrite")).startswith("s/work: holds parts of different numbers")
    for text in ("0/2", "3/2", "1", "a/b", "1/0", "-1/2"):
        assert "part" in refused(zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "t", f"--part={text}"))
    assert not (folder / "t").exists()


def test_parts_of_different_pools_are_refused(zipfit, folder):
    score = ["score", "pool.jsonl", "-o", "s", "-t", "target.jsonl", "--part"]
    assert zipfit(*score, "1/2").status == 0
    write_jsonl(folder / "pool.jsonl", pool_records(41))
    assert zipfit(*score, "2/2").status == 0
    assert refused(zipfit("merge", "s")) == (
        "s/work/00002-of-00002: was scored from other files than s/work/00001-of-00002"
    )


def test_a_pool_or_target_that_changed_is_not_cut_by_old_scores(zipfit, folder):
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "s").status == 0
    select = ["select", "--scores", "s", "-k", "3", "-o", "o.jsonl", "--overwrite"]
    os.utime(folder / "pool.jsonl", ns=(1, 1))
    assert zipfit(*select).status == 0  # the time alone
    pool = (folder / "pool.jsonl").read_bytes()
    (folder / "pool.jsonl").write_bytes(pool.replace(b"a", b"b"))
    assert refused(zipfit(*select)).startswith("pool.jsonl: has changed since the pool was scored")
    (folder / "pool.jsonl").write_bytes(pool + b"\n")
    assert refused(zipfit(*select)).startswith("pool.jsonl: has changed since the pool was scored")
    (folder / "pool.jsonl").unlink()
    assert refused(zipfit(*select)).endswith("pool.jsonl: no such file or folder")
    (folder / "pool.jsonl").write_bytes(pool)
    write_jsonl(folder / "target.jsonl", [{"text": "another"}])
    assert refused(zipfit(*select)).startswith("target.jsonl: has changed since the pool was scored")


def test_what_cannot_be_kept_is_refused_before_any_work(zipfit, folder):
    score = ["score", "pool.jsonl", "-t", "target.jsonl"]
    assert refused(zipfit(*score, "-o", "s", "-m", "racing")).startswith("racing finds the head of a ranking")
    assert refused(zipfit(*score, "-m", "cover")).startswith(
        "zipfit.methods.cover:Cover ranks the pool without a score"
    )
    assert refused(zipfit(*score, "--resume")).startswith("--resume is for scores that are kept")
    assert refused(zipfit("score", "pool.jsonl", "pool.jsonl", *score[2:], "-o", "s")).startswith(
        "pool.jsonl: is given twice"
    )
    assert refused(zipfit("score", "-", *score[2:], "-o", "s", stdin=b'{"text": "a"}')).startswith(
        "-: scores are kept of files"
    )
    assert not (folder / "s" / "scores.json").exists()
    within = ["-k", "1", "-o", "o.jsonl", "--within", "gain:0.5", "--resume"]
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", *within)
    assert refused(ran).startswith("within ranks the pool as a whole, so it cannot be scored and kept as it goes")
    with pytest.raises(ZipfitError, match=r"^whole ranks the pool as a whole, so it cannot be scored in parts"):
        score_pool("pool.jsonl", "target.jsonl", "s", method=Whole(), part=(1, 2))


def test_a_table_of_another_job_is_told(zipfit, folder):
    for method in ("gain", "zipfit"):
        score = ["score", "pool.jsonl", "-t", "target.jsonl", "-m", method, "-o", method]
        assert zipfit(*score, "--part", "1/1").status == 0
        assert zipfit("merge", method).status == 0
    table = folder / "gain" / "scores-00000.parquet"
    table.write_bytes((folder / "zipfit" / "scores-00000.parquet").read_bytes())
    select = ["select", "--scores", "gain", "-k", "1", "-o", "o.jsonl"]
    assert refused(zipfit(*select)) == "gain/scores-00000.parquet: is not the table that was written"
    parts = [folder / method / "work" / "00001-of-00001" for method in ("gain", "zipfit")]
    [block] = parts[0].glob("*.parquet")
    block.write_bytes((parts[1] / block.name).read_bytes())
    assert refused(zipfit("merge", "gain", "--overwrite")).endswith(": belongs to another job than its part")
    assert not (folder / "o.jsonl").exists()


def test_what_was_kept_is_said(zipfit, folder):
    score = ["score", "pool.jsonl", "-t", "target.jsonl", "-o", "s", "--resume"]
    assert "earlier run" not in zipfit(*score).out
    assert "40 records of them in an earlier run" in zipfit(*score).out


class Whole:
    """A user's method that looks at no document on its own."""

    def fit(self, target, pool=None):
        return self

    def rank(self, pool):
        yield from ((position, 0.0) for position, _ in enumerate(text for batch in pool for text in batch))


def test_a_method_that_ranks_the_pool_as_a_whole_is_scored_on_one_machine(zipfit, folder):
    score_pool("pool.jsonl", "target.jsonl", "s", method=Whole())
    assert zipfit("select", "--scores", "s", "-k", "3", "-o", "kept.jsonl").status == 0
    kept = [json.loads(line)["zipfit_rank"] for line in (folder / "kept.jsonl").read_text().splitlines()]
    assert kept == [1, 2, 3]


def test_what_was_settled_by_scoring_is_refused_by_name(zipfit, folder):
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "s").status == 0
    select = ["select", "--scores", "s", "-k", "1", "-o", "o.jsonl"]
    for option in (["--text-field", "x"], ["-m", "gain"], ["--skip-bad"], ["-t", "target.jsonl"]):
        assert "is settled when the pool is scored" in refused(zipfit(*select, *option))
    assert refused(zipfit(*select, "pool.jsonl")).startswith("the source is settled when the pool is scored")
    assert "give the source and its target" in zipfit("select", "-k", "1", "-o", "o.jsonl").err


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(scores_version=2),
        lambda manifest: manifest["tables"][0].update(path="../pool.jsonl"),
        lambda manifest: manifest["tables"][0].update(records=3),
        lambda manifest: manifest["tables"].clear(),
        lambda manifest: manifest.pop("method"),
        lambda manifest: manifest["source"]["inputs"].clear(),
        lambda manifest: manifest["source"]["files"].update(format="klingon"),
        lambda manifest: manifest["source"]["files"].update(other=1),
        lambda manifest: manifest["target"].update(inputs=[{}]),
        lambda manifest: manifest["parameters"].update(template="{"),
        lambda manifest: manifest["seconds"].update(fit="long"),
    ],
)
def test_a_manifest_that_a_stranger_wrote_is_an_error_at_worst(zipfit, folder, change):
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "s").status == 0
    path = folder / "s" / "scores.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    refused(zipfit("select", "--scores", "s", "-k", "1", "-o", "o.jsonl"))
    assert not (folder / "o.jsonl").exists()


def test_several_cuts_of_one_ranking_are_the_selections_of_their_budgets(zipfit, folder):
    several = ["--cut", "a=b.jsonl=top=5", "--cut", "few.csv=top=9,tokens=300", "--cut", "above.jsonl=min-score=0.3"]
    select = ["select", "pool.jsonl", "-t", "target.jsonl", "--tokenizer", "bytes", "--dedup", "exact"]
    ran = zipfit(*select, "-o", "main.jsonl", "--fraction", "0.2", *several)
    assert ran.status == 0, ran.err
    assert ran.out.count("documents selected") == 4
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "s").status == 0
    kept = [
        text.replace("--cut ", "").replace("a=b", "k_a=b").replace("few", "k_few").replace("above", "k_above")
        for text in several
    ]
    assert zipfit("select", "--scores", "s", "--tokenizer", "bytes", "--dedup", "exact", *kept).status == 0
    for name, ending, budget in (
        ("a=b", ".jsonl", ["--top", "5"]),
        ("few", ".csv", ["--top", "9", "--tokens", "300"]),
        ("above", ".jsonl", ["--min-score", "0.3"]),
        ("main", ".jsonl", ["--fraction", "0.2"]),
    ):
        assert zipfit(*select, *budget, "-o", f"alone_{name}{ending}").status == 0
        assert files(folder, f"alone_{name}") == files(folder, name)
        if name != "main":
            assert files(folder, f"k_{name}") == files(folder, name)


def test_a_mistaken_cut_is_refused_before_any_work(zipfit, folder):
    select = ["select", "pool.jsonl", "-t", "target.jsonl"]
    for text, reason in (
        ("top=5", "write OUTPUT=BUDGET"),
        ("a.jsonl", "write OUTPUT=BUDGET"),
        ("a.jsonl=", "write OUTPUT=BUDGET"),
        ("a.jsonl=bottom=5", "write OUTPUT=BUDGET"),
        ("a.jsonl=top=x", "top is a number, not 'x'"),
        ("a.jsonl=top=1,top=2", "top is given twice"),
    ):
        assert reason in refused(zipfit(*select, "--cut", text))
    assert refused(zipfit(*select, "--cut", "a.jsonl=top=1", "--cut", "a.jsonl=top=2")) == "a.jsonl: is an output twice"
    assert refused(zipfit(*select, "--cut", "pool.jsonl=top=1")).startswith("pool.jsonl: is one of the inputs")
    assert "give an output" in zipfit(*select, "-k", "1").err
    assert (
        refused(zipfit(*select, "--cut", "a.jsonl=top=0", "-o", "o.jsonl", "-k", "1"))
        == "top must be at least 1, not 0"
    )
    assert not list(folder.glob("[ao].*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda done: done["description"]["method"].pop("engine"), "it lacks description.method.engine"),
        (lambda done: done["segments"][0].update(first="0"), 'segments[0].first must be a whole number, not "0"'),
        (lambda done: done.update(files="pool.jsonl"), 'files must be a list, not "pool.jsonl"'),
        (
            lambda done: done["description"]["method"].update({"class": "zipfit.methods.zipfit:ZipFit", "options": {}}),
            "method zipfit.methods.zipfit:ZipFit ranks nothing that it measured",
        ),
        (
            lambda done: done["description"]["method"].update(options=None),
            "the options of zipfit.methods.uniform:Random are not known, so it cannot be built again",
        ),
        (
            lambda done: done["description"]["method"].update({"class": "zipfit.methods.cover:Cover", "options": {}}),
            "what the parts measured is nothing that zipfit.methods.cover:Cover ranks (KeyError('counts'))",
        ),
    ],
)
def test_a_part_whose_record_is_damaged_is_not_merged_and_can_be_scored_again(zipfit, folder, change, message):
    score = ["score", "pool.jsonl", "-t", "target.jsonl", "-m", "random", "-o", "s", "--part", "1/1"]
    assert zipfit(*score).status == 0
    path = folder / "s" / "work" / "00001-of-00001" / "done.json"
    done = json.loads(path.read_text())
    change(done)
    path.write_text(json.dumps(done))
    assert message in refused(zipfit("merge", "s"))
    path.write_bytes(b"{\xff")
    assert "does not say what a part's folder holds" in refused(zipfit("merge", "s"))
    assert zipfit(*score, "--resume").status == 0
    assert zipfit("merge", "s").status == 0


def test_a_pool_of_bad_records_alone_is_told(zipfit, folder):
    (folder / "bad.jsonl").write_text("{broken\n" * 3)
    score = ["score", "bad.jsonl", "-t", "target.jsonl", "-o", "s", "--skip-bad"]
    assert refused(zipfit(*score)) == "the source is empty: all of its 3 records are bad"


def test_a_full_disk_is_told_and_the_job_goes_on_from_there(zipfit, started, folder):
    score = ["score", "pool.jsonl", "-t", "target.jsonl", "-m", "cover", "-o"]

    def limit_file_size():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    process = started(*score, "s", preexec_fn=limit_file_size)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert re.fullmatch(rb"zipfit: error: s/\S+: cannot be written \(File too large\)\n", err)
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
    assert zipfit(*score, "s", "--resume").status == 0
    assert zipfit(*score, "whole").status == 0
    table = "scores-00000.parquet"
    assert (folder / "s" / table).read_bytes() == (folder / "whole" / table).read_bytes()


def test_a_field_that_labels_nothing_is_told(zipfit, folder):
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "s").status == 0
    cut = ["select", "--scores", "s", "-k", "3", "-o", "o.jsonl", "--max-share"]
    assert refused(zipfit(*cut, "source=0.5")) == (
        "--max-share names the field 'source', but the scores are labelled by their source or their file: give the share "
        "alone for that, or score with --by source"
    )
    assert zipfit(*cut, "0.5").status == 0
