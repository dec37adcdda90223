"""Outputs in shards: a folder, whole or not at all, of files that together are the output in one file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import COMMAND, pool_records, read_jsonl, write_jsonl

import zipfit
from zipfit.corpus import outputs as outputs_module
from zipfit.corpus import placing as module
from zipfit.corpus.outputs import Outputs, check_outputs
from zipfit.corpus.shards import FORMATS, Sharding
from zipfit.corpus.streams import HashedFile
from zipfit.errors import ZipfitError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "pool.jsonl", pool_records(60))
    write_jsonl(tmp_path / "task.jsonl", ["def sum two even numbers", "theorem proof by simp"])
    return tmp_path


@pytest.fixture
def selection():
    return zipfit.select("pool.jsonl", "task.jsonl", top=23)


def listed(folder):
    return sorted(path.name for path in folder.iterdir() if path.name not in ("pool.jsonl", "task.jsonl"))


def content(path):
    with HashedFile(str(path)).open() as stream:
        return stream.read()


@pytest.mark.parametrize("order", ["rank", "source"])
@pytest.mark.parametrize("format_name", [name for name in FORMATS if name != "parquet"])
def test_shards_are_the_output_in_one_file(selection, here, format_name, order):
    selection.save("one.jsonl", order=order)
    manifest = selection.save("out/", order=order, shard_records=5, shard_format=format_name)
    assert listed(here) == ["one.jsonl", "one.manifest.json", "out", "out.manifest.json"]
    names = listed(here / "out")
    assert names == [f"selected-0000{i}-of-00005.{format_name}" for i in range(5)]
    assert b"".join(content(here / "out" / name) for name in names) == (here / "one.jsonl").read_bytes()
    data = [(here / "out" / name).read_bytes() for name in names]
    output = manifest["output"]
    assert output["sha256"] == hashlib.sha256(b"".join(data)).hexdigest()
    assert output["bytes"] == sum(map(len, data))
    assert [shard["documents"] for shard in output["shards"]] == [5, 5, 5, 5, 3]
    assert [shard["sha256"] for shard in output["shards"]] == [hashlib.sha256(each).hexdigest() for each in data]
    assert json.loads((here / "out.manifest.json").read_text()) == manifest
    assert zipfit.verify("out.manifest.json") == []


def test_shards_bounded_by_bytes(selection, here):
    selection.save("one.jsonl")
    for limit in (1, 300, "1kB", "1GiB"):
        selection.save("out", shard_bytes=limit, overwrite=True)
        shards = [(here / "out" / name).read_bytes() for name in listed(here / "out")]
        assert b"".join(shards) == (here / "one.jsonl").read_bytes()
        most = {"1kB": 1000, "1GiB": 1 << 30}.get(limit, limit)
        assert all(len(shard) <= most or shard.count(b"\n") == 1 for shard in shards)
        if limit == 300:  # each holds what it can
            firsts = [shard.split(b"\n", 1)[0] + b"\n" for shard in shards[1:]]
            assert all(len(shard) + len(first) > 300 for shard, first in zip(shards, firsts, strict=False))
    assert len(shards) == 1


def test_shards_of_parquet_are_of_one_schema(here):
    records = [{"text": f"text {i}", "n": i if i != 7 else 0.5} for i in range(12)]
    write_jsonl(here / "pool.jsonl", records)
    selection = zipfit.select("pool.jsonl", "task.jsonl", top=12)
    selection.save("one.parquet", order="source")
    selection.save("out", order="source", shard_records=5, shard_format="parquet")
    shards = [pq.read_table(here / "out" / name) for name in listed(here / "out")]
    assert [shard.num_rows for shard in shards] == [5, 5, 2]
    assert pa.concat_tables(shards).equals(pq.read_table("one.parquet"))
    again = zipfit.select("one.parquet", "task.jsonl", top=11)
    again.save("tables", shard_records=4, shard_format="parquet")
    again.save("alone.parquet")
    shards = [pq.read_table(here / "tables" / name) for name in listed(here / "tables")]
    assert pa.concat_tables(shards).equals(pq.read_table("alone.parquet"))


@pytest.mark.parametrize("format_name", ["jsonl", "jsonl.zst", "parquet"])
def test_datasets_reads_the_folder(selection, here, format_name):
    selection.save("out/", shard_records=6, shard_format=format_name)
    code = (
        "import datasets, json; data = datasets.load_dataset('out', split='train', cache_dir='cache');"
        "print(json.dumps([data['text'], data['zipfit_rank']][0][:]), data['zipfit_rank'][:], sep='\\n')"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(here / "home")}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    texts, ranks = map(json.loads, ran.stdout.splitlines()[-2:])
    assert texts == selection.texts
    assert ranks == list(range(1, 24))


def test_verify_names_the_shard_that_differs(selection, here):
    selection.save("out", shard_records=10)
    one, two, three = (here / "out" / name for name in listed(here / "out"))
    two.write_bytes(two.read_bytes().replace(b"{", b"[", 1))
    three.unlink()
    (here / "out" / "extra.jsonl").write_text("{}\n")
    problems = zipfit.verify("out.manifest.json")
    assert [problem.split(":")[0].removeprefix(f"{here}/") for problem in problems] == [
        "out/selected-00001-of-00003.jsonl",
        "out/selected-00002-of-00003.jsonl",
        "out/extra.jsonl",
    ]
    with pytest.raises(ZipfitError, match=r"out: holds out/extra.jsonl, which is no shard of a selection"):
        selection.save("out", shard_records=10, overwrite=True)
    assert one.exists()


def test_a_folder_moved_with_its_manifest_is_checked_where_it_is(selection, here):
    selection.save("out", shard_records=10)
    (here / "elsewhere").mkdir()
    for name in ("out", "out.manifest.json"):
        os.rename(here / name, here / "elsewhere" / name)
    assert zipfit.verify("elsewhere/out.manifest.json") == []


def test_the_folder_is_read_explained_and_made_again(zipfit_command, here):
    options = ["-t", "task.jsonl", "-k", "20"]
    assert zipfit_command("select", "pool.jsonl", *options, "-o", "out/", "--shard-bytes", "900B").returncode == 0
    ran = zipfit_command("rerun", "out.manifest.json", "-o", "again/")
    assert ran.returncode == 0, ran.stderr
    assert listed(here / "again") == listed(here / "out")
    assert len(listed(here / "out")) > 1
    assert zipfit_command("select", "out/", *options[:2], "-k", "20", "-o", "b.jsonl").returncode == 0
    assert {r["id"] for r in read_jsonl(here / "b.jsonl")} == {
        r["id"] for name in listed(here / "out") for r in read_jsonl(here / "out" / name)
    }
    for name in ("out", "out/"):
        ran = zipfit_command("explain", name, "--rank", "19")
        assert ran.returncode == 0, ran.stderr
    assert zipfit_command("verify", "again.manifest.json").returncode == 0
    ran = zipfit_command("select", "pool.jsonl", *options, "-o", "out", "--shard-records", "3")
    assert ran.returncode == 2
    assert "out: exists already" in ran.stderr
    ran = zipfit_command("select", "out/", *options[:2], "-k", "2", "-o", "out", "--shard-records", "3", "--overwrite")
    assert ran.returncode == 2
    assert "out: is one of the inputs" in ran.stderr


@pytest.fixture
def zipfit_command(here):
    def run(*arguments):
        return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)

    return run


def test_bad_records_and_duplicates_lie_beside_the_folder(here):
    write_jsonl(here / "pool.jsonl", [*(f"text {i // 2}" for i in range(12)), {"no": 1}])
    selection = zipfit.select("pool.jsonl", "task.jsonl", top=6, dedup="exact", skip_bad=True)
    selection.save("v1.0/", shard_records=2)
    assert listed(here) == ["v1.0", "v1.0.duplicates.jsonl", "v1.0.manifest.json", "v1.0.rejected.jsonl"]
    selection.at(top=2).save("v1.0", shard_records=2, overwrite=True)
    assert listed(here / "v1.0") == ["selected-00000-of-00001.jsonl"]


@pytest.mark.parametrize(
    ("path", "options", "reason"),
    [
        ("out.jsonl", {"shard_records": 2}, "out.jsonl: is the name of a file, but shards go into a folder"),
        ("out/", {}, "out/: is the name of a folder, which takes shards"),
        ("-", {"shard_records": 2}, "-: standard output takes no shards"),
        ("out", {"shard_records": 0}, "shard-records must be from 1 to 9223372036854775807, not 0"),
        ("out", {"shard_bytes": 0}, "shard-bytes must be from 1 to 9223372036854775807, not 0"),
        ("out", {"shard_bytes": "many"}, "shard-bytes 'many': write a size"),
        ("out", {"shard_bytes": "9999999999999GB"}, "shard-bytes must be from 1 to 9223372036854775807, not 9999"),
        ("out", {"shard_bytes": "9" * 5000}, "shard-bytes '999"),
        ("out", {"shard_bytes": "-1"}, "shard-bytes '-1': write a size"),
        ("out", {"shard_format": "jsonl"}, "shard-format is of an output in shards"),
        ("out", {"shard_records": 2, "shard_format": "csv"}, "shard-format must be one of jsonl, "),
        ("out", {"shard_bytes": 2, "shard_format": "parquet"}, "shard-bytes measures lines of JSON"),
        ("missing/out", {"shard_records": 2}, "the folder missing does not exist"),
        ("file", {"shard_records": 2}, "file: is there and is no folder"),
        ("file", {"shard_records": 2, "overwrite": True}, "file: is there and is no folder"),
        ("full", {"shard_records": 2}, "full: exists already"),
        ("full", {"shard_records": 2, "overwrite": True}, "full: holds full/notes, which is no shard of a selection"),
        ("odd", {"shard_records": 2, "overwrite": True}, "odd: holds odd/selected-00000-of-00001.jsonl, which is no"),
        ("./", {"shard_records": 2, "overwrite": True}, "shards need a folder of their own"),
        ("..", {"shard_records": 2, "overwrite": True}, "shards need a folder of their own"),
        ("/", {"shard_records": 2, "overwrite": True}, "shards need a folder of their own"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_touched(selection, here, path, options, reason):
    (here / "file").write_text("x")
    (here / "full").mkdir()
    (here / "full" / "notes").write_text("x")
    (here / "odd" / "selected-00000-of-00001.jsonl").mkdir(parents=True)
    before = [*here.rglob("*")]
    with pytest.raises(ZipfitError) as raised:
        selection.save(path, **options)
    assert str(raised.value).startswith(reason) or reason in str(raised.value)
    assert [*here.rglob("*")] == before


def test_a_shard_under_another_name_is_an_input(selection, here):
    selection.save("out", shard_records=10)
    os.link(here / "out" / "selected-00000-of-00003.jsonl", here / "hard.jsonl")
    os.symlink(here / "out" / "selected-00001-of-00003.jsonl", here / "soft.jsonl")
    for name in ("hard.jsonl", "soft.jsonl"):
        with pytest.raises(ZipfitError, match="out: is one of the inputs"):
            zipfit.select(name, "task.jsonl", top=1).save("out", shard_records=1, overwrite=True)


def test_a_link_to_a_folder_stays_one(selection, here):
    selection.save("out", shard_records=10)
    os.symlink("out", here / "link")
    selection.save("link", shard_records=2, overwrite=True)
    assert (here / "link").is_symlink()
    assert len(listed(here / "out")) == 12


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("failing", ["selected-00001", "manifest"])
def test_a_failure_leaves_what_was_there(selection, here, monkeypatch, failing, overwrite):
    if overwrite:
        selection.save("out", shard_records=11)
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    plain = module.filling

    def full(stream):
        if failing in str(stream.name) or (failing == "manifest" and isinstance(stream.name, int)):
            raise OSError(28, "No space left on device")
        return plain(stream)

    for each in (module, outputs_module):
        monkeypatch.setattr(each, "filling", full)
    with pytest.raises(ZipfitError, match="No space left on device"):
        selection.save("out", shard_records=4, overwrite=overwrite)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
    assert not [path for path in here.iterdir() if path.name.startswith(".")]


def test_a_folder_that_cannot_be_moved_into_place_gives_way_to_the_old(selection, here, monkeypatch):
    selection.save("out", shard_records=11)
    names = listed(here / "out")
    plain = os.rename

    def rename(source, place):
        if str(source).endswith(".part"):
            raise OSError(5, "Input/output error")
        plain(source, place)

    monkeypatch.setattr(module.os, "rename", rename)
    with pytest.raises(ZipfitError, match="out: cannot be written"):
        selection.save("out", shard_records=4, overwrite=True)
    assert listed(here / "out") == names


def test_of_two_processes_one_ends_well(selection, here, monkeypatch):
    plain = module.check_folder
    raced = []

    def late(path, overwrite):
        plain(path, overwrite)
        if not raced and [path for path in here.iterdir() if path.name.endswith(".part")]:
            raced.append(path)
            (here / "out").mkdir()
            (here / "out" / "theirs").write_text("x")

    monkeypatch.setattr(module, "check_folder", late)
    monkeypatch.setattr(module.Shards, "set_permissions", lambda self: late(self.path, False))
    with pytest.raises(ZipfitError, match="out: exists already"):
        selection.save("out", shard_records=4)
    assert listed(here / "out") == ["theirs"]
    assert listed(here) == ["out"]


def test_many_processes_at_once(here):
    command = [*COMMAND, "select", "pool.jsonl", "-t", "task.jsonl", "-k", "9", "-o", "out/", "--shard-records", "2"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    assert sorted(process.wait() for process in running) == [0, 2, 2, 2]
    for process in running:
        process.communicate()
    assert listed(here) == ["out", "out.manifest.json"]
    assert zipfit.verify("out.manifest.json") == []


def test_a_folder_on_a_remote_store(selection):
    fs = fsspec.filesystem("memory")
    path = "memory://shards/out/"
    manifest = selection.save(path, shard_records=10)
    assert manifest["output"]["path"] == "memory://shards/out"
    names = [f"/shards/out/selected-0000{i}-of-00003.jsonl" for i in range(3)]
    assert fs.find("/shards") == ["/shards/out.manifest.json", *names]
    assert zipfit.verify("memory://shards/out.manifest.json") == []
    assert len(zipfit.select(path, "task.jsonl", top=23)) == 23
    with pytest.raises(ZipfitError, match="exists already"):
        selection.save(path, shard_records=10)
    selection.save(path, shard_records=20, overwrite=True)
    assert list(fs.find("/shards/out")) == [f"/shards/out/selected-0000{i}-of-00002.jsonl" for i in (0, 1)]
    with pytest.raises(ZipfitError, match="is one of the inputs"):
        zipfit.select(path, "task.jsonl", top=2).save(path, shard_records=20, overwrite=True)
    fs.pipe("/shards/out/notes", b"x")
    with pytest.raises(ZipfitError, match="holds memory://shards/out/notes, which is no shard"):
        selection.save(path, shard_records=20, overwrite=True)


def test_outputs_of_one_command_are_apart(here):
    def outputs(*paths, sharding=None):
        return [Outputs.of_selection(path, True, None, sharding) for path in paths]

    with pytest.raises(ZipfitError, match=r"a.parquet: writes .*a.manifest.json, as a.jsonl does"):
        check_outputs(outputs("a.jsonl", "a.parquet"), [])
    (here / "out").mkdir()
    with pytest.raises(ZipfitError, match="out/in: lies in the folder out"):
        check_outputs(outputs("out", "out/in/", sharding=Sharding(records=2)), [])
    check_outputs(outputs("a", "b", sharding=Sharding(records=2)), [])


def test_a_manifest_that_names_no_shard(selection, here):
    selection.save("out", shard_records=10)
    path = here / "out.manifest.json"
    path.write_text(path.read_text().replace("selected-00001-of-00003.jsonl", "../pool.jsonl"))
    with pytest.raises(ZipfitError, match="is not a whole manifest"):
        zipfit.verify(str(path))


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_kill_at_any_rename_leaves_a_whole_folder_or_none(here, overwrite):
    """The process is killed before its first, second, ... change of a name, until one run gets to its end."""
    code = (
        "import os, sys\n"
        "left = int(sys.argv.pop())\n"
        "def dying(plain):\n"
        "    def call(*arguments, **named):\n"
        "        global left\n"
        "        left -= 1\n"
        "        if left < 0: os.kill(os.getpid(), 9)\n"
        "        return plain(*arguments, **named)\n"
        "    return call\n"
        "from zipfit.cli import main\n"
        "for name in ('rename', 'link'):\n"
        "    setattr(os, name, dying(getattr(os, name)))\n"
        "main()\n"
    )
    command = ["select", "pool.jsonl", "-t", "task.jsonl", "-k", "9", "-o", "out/", "--shard-records", "2"]
    for calls in range(200):
        if overwrite:
            zipfit.select("pool.jsonl", "task.jsonl", top=4).save("out", shard_records=2, overwrite=True)
        ran = subprocess.run(
            [sys.executable, "-c", code, *command, *(["--overwrite"] if overwrite else []), str(calls)]
        )
        if (here / "out").exists():
            assert len(listed(here / "out")) in ((5, 2) if overwrite else (5,))
        if (here / "out.manifest.json").exists():
            assert zipfit.verify("out.manifest.json") == []
        if ran.returncode == 0:
            break
        assert ran.returncode == -9
        for path in here.glob("out*") if not overwrite else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert calls >= 2
    assert len(listed(here / "out")) == 5
