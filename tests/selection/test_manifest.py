from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import json
import os
import random

import numpy as np
import pytest
from support import pool_records, target_texts, write_jsonl

import zipfit
from zipfit.corpus.outputs import manifest_path
from zipfit.errors import ZipfitError


@pytest.mark.parametrize(
    ("output", "manifest"),
    [
        ("selected.jsonl", "selected.manifest.json"),
        ("selected.jsonl.zst", "selected.manifest.json"),
        ("a.b/selected.v1.parquet", "a.b/selected.v1.manifest.json"),
        ("run.v2.csv.gz", "run.v2.manifest.json"),
        ("s3://bucket/x.jsonl", "s3://bucket/x.manifest.json"),
    ],
)
def test_where_the_manifest_lies(output, manifest):
    assert manifest_path(output) == manifest


@pytest.fixture
def saved(folder):
    def run(output="out.jsonl", **arguments):
        chosen = zipfit.select("pool.jsonl", "target.jsonl", **{"top": 7, **arguments})
        return chosen, chosen.save(output)

    return run


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_says_how_the_selection_was_made(folder, saved):
    records = [{"id": 1, "text": ""}, {"id": 2, "text": "same"}, {"id": 3, "text": "same"}, *pool_records()]
    write_jsonl(folder / "pool.jsonl", records)
    texts = [record["text"] for record in records]
    chosen, manifest = saved(tokenizer="bytes")
    assert json.loads((folder / "out.manifest.json").read_text()) == manifest
    assert manifest["zipfit"] == zipfit.__version__
    assert manifest["libraries"]["zlib"]
    assert manifest["libraries"]["numpy"] == np.__version__
    assert manifest["working_directory"] == os.getcwd()
    assert manifest["source"]["inputs"] == [
        {
            "name": "pool.jsonl",
            "format": "jsonl",
            "bytes": (folder / "pool.jsonl").stat().st_size,
            "sha256": sha256(folder / "pool.jsonl"),
            "documents": 43,
            "skipped": {},
        }
    ]
    assert manifest["target"]["inputs"][0]["documents"] == 4
    assert manifest["method"]["class"] == "zipfit.methods.zipfit:ZipFit"
    assert manifest["method"]["options"] == {"compressor": "gzip", "level": None}
    assert manifest["method"]["engine"].startswith("gzip level 6, ")
    assert manifest["parameters"]["top"] == 7
    assert manifest["pool"] == {
        "documents": 43,
        "bytes": sum(len(text.encode()) for text in texts),
        "duplicates": len(texts) - len(set(texts)),
        "empty": texts.count(""),
    }
    assert manifest["selection"]["documents"] == 7
    assert manifest["selection"]["tokens"] == manifest["selection"]["bytes"] == sum(
        len(text.encode()) for text in chosen.texts
    )  # fmt: skip
    assert manifest["selection"]["best_score"] == chosen.scores[0]
    assert manifest["selection"]["score_at_cut"] == chosen.scores[-1]
    assert manifest["output"] == {
        "path": "out.jsonl",
        "order": "rank",
        "add_fields": True,
        "documents": 7,
        "bytes": (folder / "out.jsonl").stat().st_size,
        "sha256": sha256(folder / "out.jsonl"),
    }
    assert {"read target", "score", "cut", "write"} <= set(manifest["seconds"])


def test_ties_at_the_cut_and_what_was_skipped_are_counted(folder, saved):
    (folder / "pool.jsonl").write_text('{"text": "tie"}\nbad\n{"text": "tie"}\n{"text": "tie"}\n{"text": 5}\n')
    (folder / "notes.pdf").write_text("x")
    _, manifest = saved(top=2, skip_bad=True)
    assert manifest["selection"]["ties_at_cut"] == {"taken": 2, "left": 1}
    assert manifest["source"]["inputs"][0]["skipped"] == {"broken JSON": 1, "field 'text' is a number, not text": 1}
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", pool_records())
    (folder / "in" / "notes.pdf").write_text("x")
    manifest = zipfit.select("in", "target.jsonl", top=1).manifest
    assert manifest["files_passed_over"] == ["in/notes.pdf"]
    assert manifest["output"] is None


def test_verify_finds_nothing_where_nothing_changed(folder, saved, monkeypatch):
    saved()
    assert zipfit.verify("out.manifest.json") == []
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert zipfit.verify("../out.manifest.json") == []
    os.rename(folder / "out.jsonl", "out.jsonl")
    os.rename(folder / "out.manifest.json", "out.manifest.json")
    assert zipfit.verify("out.manifest.json") == []


@pytest.mark.parametrize("name", ["pool.jsonl", "target.jsonl", "out.jsonl"])
def test_verify_finds_what_changed_or_went(folder, saved, name):
    saved()
    size = (folder / name).stat().st_size
    with (folder / name).open("a") as stream:
        stream.write("\n")
    problems = zipfit.verify("out.manifest.json")
    assert len(problems) == 1
    assert problems[0].endswith(f"{name}: has changed ({size + 1} bytes, {size} in the manifest)")
    (folder / name).unlink()
    problems = zipfit.verify("out.manifest.json")
    assert len(problems) == 1
    assert problems[0].endswith(f"{name}: no such file")


def test_what_did_not_come_from_files_cannot_be_checked_or_made_again(folder):
    chosen = zipfit.select(pool_records(), "target.jsonl", top=3)
    chosen.save("out.jsonl")
    assert zipfit.verify("out.manifest.json") == ["source: was not read from a file, so it cannot be checked"]
    with pytest.raises(zipfit.ZipfitError, match="the source came from Python objects"):
        zipfit.rerun("out.manifest.json", "again.jsonl")


@pytest.mark.parametrize(
    "arguments",
    [
        {"options": {"compressor": "zstd", "level": 7}},
        {"top": None, "fraction": 0.29, "by": "source", "max_share": 0.5},
        {"top": None, "tokens": 400, "tokenizer": "bytes"},
        {"top": None, "min_score": 0.2},
        {"template": "{source}: {text}", "min_bytes": 20, "max_bytes": 200, "threads": 2},
        {"top": 100, "allow_fewer": True},
    ],
)
def test_rerun_makes_the_same_bytes(folder, saved, arguments):
    name = "again.jsonl"
    saved(**arguments)
    chosen, same = zipfit.rerun("out.manifest.json", name)
    assert same
    assert (folder / name).read_bytes() == (folder / "out.jsonl").read_bytes()
    assert len(chosen) > 0


def test_rerun_from_another_folder_with_a_tokenizer_by_relative_path(folder, saved, monkeypatch):
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save("tokenizer.json")
    saved(top=None, tokens=30, tokenizer="tokenizer.json")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert zipfit.rerun("../out.manifest.json", "again.jsonl")[1]


def test_files_of_the_same_name_in_another_folder_are_others(folder, saved, monkeypatch):
    saved()
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    for name in ("pool.jsonl", "target.jsonl"):
        write_jsonl(folder / "elsewhere" / name, pool_records(seed=9))
    assert zipfit.verify("../out.manifest.json") == []
    said = []
    assert zipfit.rerun("../out.manifest.json", "again.jsonl", announce=said.append)[1]
    assert said == [f"reads {folder}/pool.jsonl for {folder}/target.jsonl, and writes again.jsonl"]
    for name in ("pool.jsonl", "target.jsonl"):  # moved along
        os.rename(folder / name, name)
    assert zipfit.verify("../out.manifest.json") == []


def test_the_output_beside_the_manifest_is_looked_for_from_here(folder, monkeypatch):
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "out.jsonl").write_text("of another selection")
    monkeypatch.chdir(folder / "a")
    zipfit.select("../pool.jsonl", "../target.jsonl", top=3).save("out.jsonl")
    monkeypatch.chdir(folder / "a" / "b")
    assert zipfit.verify("../out.manifest.json") == []


def test_rerun_names_what_changed(folder, saved):
    saved()
    with open("pool.jsonl", "a") as stream:
        stream.write("\n")
    said = []
    assert zipfit.rerun("out.manifest.json", "again.jsonl", announce=said.append)[1]
    assert said[1:] == ["pool.jsonl has changed since the manifest was written"]


def test_rerun_reads_the_files_that_were_read(folder):
    """Neither what came into the folder since nor the output itself, if it lies there, is part of it."""
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", pool_records())
    zipfit.select("in", "target.jsonl", top=5).save("in/out.jsonl")
    write_jsonl(folder / "in" / "b.jsonl", pool_records(seed=9))
    assert zipfit.verify("in/out.manifest.json") == []
    assert zipfit.rerun("in/out.manifest.json", "again.jsonl")[1]


def test_rerun_tells_when_the_result_differs(folder, saved):
    saved()
    write_jsonl(folder / "pool.jsonl", pool_records(seed=3))
    _, same = zipfit.rerun("out.manifest.json", "again.jsonl")
    assert not same


def test_a_file_name_that_is_not_utf8(folder):
    name = os.fsdecode(b"p\xffol.jsonl")
    write_jsonl(folder / name, pool_records())
    zipfit.select(name, target_texts(), top=3).save("out.jsonl")
    manifest = json.loads((folder / "out.manifest.json").read_text())
    assert manifest["source"]["inputs"][0]["name"] == name


STRANGE = [None, 0, -1, 1.5, 10**30, "x", "", "../x", "\ud800", "\0", [], [[]], [1], {}, {"a": 1}, {"\ud800": 1}, True]


def places(value, above=()):
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*above, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*above, key))


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_manifest_is_a_sentence_or_does_no_harm(folder, saved, seed):
    saved()
    whole = json.loads((folder / "out.manifest.json").read_text())
    random_ = random.Random(seed)
    (folder / "damaged.jsonl").write_bytes((folder / "out.jsonl").read_bytes())
    for _ in range(40):
        manifest = copy.deepcopy(whole)
        for _ in range(random_.randint(1, 3)):
            *above, last = random_.choice(list(places(manifest)))
            inner = functools.reduce(lambda value, key: value[key], above, manifest)
            if random_.random() < 0.4:
                del inner[last]
            else:
                inner[last] = random_.choice(STRANGE)
        (folder / "damaged.manifest.json").write_text(json.dumps(manifest))
        for use in (
            lambda: zipfit.verify("damaged.manifest.json"),
            lambda: zipfit.rerun("damaged.manifest.json", "again.jsonl", overwrite=True),
            lambda: zipfit.explain("damaged.jsonl", rank=1),
            lambda: zipfit.explain("damaged.jsonl", position=1),
        ):
            with contextlib.suppress(ZipfitError):
                use()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": 5}, "parameters must be an object, not 5"),
        ({"output": {"path": "x"}}, "it lacks output.order"),
        (
            {"target": {"files": None, "inputs": [{"name": "a\0"}]}},
            r"target.inputs\[0\].name is text that cannot be taken: .a.u0000",
        ),
        ({"working_directory": 5}, "working_directory must be text, not 5"),
    ],
)
def test_what_a_manifest_lacks_is_named(folder, saved, change, message):
    saved()
    manifest = json.loads((folder / "out.manifest.json").read_text()) | change
    (folder / "damaged.manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ZipfitError, match=f"damaged.manifest.json: is not a whole manifest: {message}"):
        zipfit.verify("damaged.manifest.json")


def test_a_manifest_nested_without_end_is_broken_json(folder):
    (folder / "deep.manifest.json").write_text("[" * 200_000)
    with pytest.raises(ZipfitError, match=r"deep\.manifest\.json: broken JSON"):
        zipfit.verify("deep.manifest.json")
