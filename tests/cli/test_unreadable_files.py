"""A pool of many files of which some cannot be read."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import pool_records, read_jsonl, write_jsonl

import zipfit as package

BAD = {
    "1.jsonl.gz": "cut off before its end",
    "2.jsonl.zst": "the compressed file is",
    "3.parquet": "Couldn't deserialize thrift",
    "4.csv": "has ';' in it (give --delimiter)",
    "5.json": "broken JSON",
}


@pytest.fixture
def pool(folder):
    """Five good files and five that are damaged, some of them far behind their beginning."""
    records = pool_records(2000)
    (folder / "pool").mkdir()
    for index in range(5):
        write_jsonl(folder / "pool" / f"{index}.jsonl", records[index * 400 : (index + 1) * 400])
    lines = "\n".join(map(json.dumps, records)).encode()
    (folder / "pool" / "1.jsonl.gz").write_bytes(gzip.compress(lines)[:-100])
    (folder / "pool" / "2.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    pq.write_table(pa.table({"text": [record["text"] for record in records]}), folder / "pool" / "3.parquet")
    damaged = bytearray((folder / "pool" / "3.parquet").read_bytes())
    damaged[10:2000] = bytes(1990)
    (folder / "pool" / "3.parquet").write_bytes(damaged)
    (folder / "pool" / "4.csv").write_text("id;text\n1;a\n")
    (folder / "pool" / "5.json").write_text('[{"text": "a"}, {"text": "b"}')
    return folder / "pool"


def selecting(*options, output="out.jsonl"):
    return ["select", "pool", "-t", "target.jsonl", "-k", 20, "-o", output, *options]


def test_unreadable_files_are_passed_over_counted_and_listed(zipfit, folder, pool):
    assert zipfit(*selecting()).status == 2
    ran = zipfit(*selecting("--skip-bad-files"))
    assert ran.status == 0
    assert "5 files passed over, as they cannot be read:" in ran.out
    found = json.loads((folder / "out.manifest.json").read_text())["files_unreadable"]
    assert {item["name"] for item in found} == {str(pool.relative_to(folder) / name) for name in BAD}
    for item in found:
        name = item["name"].rpartition("/")[2]
        assert item["reason"].startswith(item["name"])
        assert BAD[name] in item["reason"]
        assert item["reason"] in ran.out.replace("\n", "")
    for name in BAD:
        (pool / name).unlink()
    assert zipfit(*selecting(output="good.jsonl")).status == 0
    assert (folder / "good.jsonl").read_bytes() == (folder / "out.jsonl").read_bytes()
    assert "files_unreadable" not in json.loads((folder / "good.manifest.json").read_text())


def test_a_selection_that_passed_over_files_is_verified_and_made_again(zipfit, folder, pool):
    assert zipfit(*selecting("--skip-bad-files", "-q")).status == 0
    assert zipfit("verify", "out.manifest.json").status == 0
    ran = zipfit("rerun", "out.manifest.json", "-o", "again.jsonl")
    assert (ran.status, ran.out) == (0, "identical, bit for bit\n")


def test_too_many_unreadable_files_are_an_error(zipfit, folder, pool):
    ran = zipfit(*selecting("--skip-bad-files", "--max-bad-files", 0.4))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(
        "zipfit: error: 5 of 10 files cannot be read, which is more than a share of 0.4 (--max-bad-files, or max_bad_files in Python); the first: "
    )
    assert not (folder / "out.jsonl").exists()
    ran = zipfit("select", "pool.jsonl", "-t", "pool/5.json", "-k", 1, "-o", "out.jsonl", "--skip-bad-files")
    assert ran.err.startswith("zipfit: error: 1 of 1 files cannot be read")  # of the target
    assert zipfit(*selecting("--skip-bad-files", "--max-bad-files", 1.1)).err.endswith("from 0 to 1, not 1.1\n")


def test_preview_and_score_pass_over_files_too(zipfit, pool):
    write_jsonl(pool / "6.jsonl", [{"body": "no text"}])
    options = ["--skip-bad-files", "--skip-bad"]
    ran = zipfit("preview", "pool", "-t", "target.jsonl", "--bytes", 1000, "-m", "random", *options)
    assert ran.status == 0
    assert ran.err.startswith(
        "1 bad records skipped\n5 files passed over, as they cannot be read:\n  pool/1.jsonl.gz: "
    )
    ran = zipfit("score", "pool", "-t", "target.jsonl", *options)
    assert ran.status == 0
    assert "1 bad records skipped\n5 files passed over" in ran.out
    ran = zipfit("score", "pool", "-t", "target.jsonl", "--json", *options)
    assert len(json.loads(ran.out)["files_unreadable"]) == 5


def test_a_folder_of_which_no_file_can_be_read_is_an_error_whatever_the_share(folder, pool):
    for path in pool.iterdir():
        if path.name not in BAD:
            path.unlink()
    with pytest.raises(package.ZipfitError, match="the source is empty"):
        package.select("pool", "target.jsonl", top=1, skip_bad_files=True, max_bad_files=1.0)


def test_a_file_that_is_damaged_after_the_check_is_still_an_error(folder, pool, monkeypatch):
    chosen = package.select("pool", "target.jsonl", top=20, skip_bad_files=True)
    write_jsonl(pool / "0.jsonl", pool_records(3))
    with pytest.raises(package.ZipfitError, match=r"0\.jsonl: the (file|documents) changed while"):
        chosen.save("out.jsonl")
    assert read_jsonl(folder / "target.jsonl")
