"""A wrong type is a sentence that names the argument and what it takes, before anything is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zipfit
from zipfit.errors import ZipfitError

POOL, TARGET = ["a b c", "d e f", "g h i j"], ["a b", "d f"]

WRONG = [
    ({"top": "2"}, "top must be a whole number, not '2'"),
    ({"top": 2.0}, "top must be a whole number, not 2.0"),
    ({"top": True}, "top must be a whole number, not True"),
    ({"fraction": "0.5"}, "fraction must be a number, not '0.5'"),
    ({"tokens": "5", "tokenizer": "bytes"}, "tokens must be a whole number, not '5'"),
    ({"min_score": "0.1"}, "min_score must be a number, not '0.1'"),
    ({"top": 1, "max_share": "0.5"}, "max_share must be a number, not '0.5'"),
    ({"top": 1, "min_bytes": "5"}, "min_bytes must be a whole number, not '5'"),
    ({"top": 1, "max_bytes": "5"}, "max_bytes must be a whole number, not '5'"),
    ({"top": 1, "dedup": True}, "dedup must be a string, not True"),
    ({"top": 1, "dedup_threshold": "0.5"}, "dedup_threshold must be a number, not '0.5'"),
    ({"top": 1, "tokenizer": 5}, "tokenizer must be a string or a path, not 5"),
    ({"top": 1, "text_field": 5}, "text_field must be a string, not 5"),
    ({"top": 1, "roles": ["user"]}, r"roles must be a string, not \['user'\]"),
    ({"top": 1, "skip_bad": "yes"}, "skip_bad must be True or False, not 'yes'"),
    ({"top": 1, "threads": "2"}, "threads must be a whole number, not '2'"),
    ({"top": 1, "work": 5}, "work must be a string or a path, not 5"),
    ({"top": 1, "within": 5}, "within names no shortlist: write METHOD:SHARE"),
    ({"top": 1, "options": ["a"]}, r"options must be names with their values, not \['a'\]"),
    ({"top": 1, "method": zipfit.Cover}, "Cover is a class, and a method is an object: write Cover()"),
    ({"top": 1, "method": zipfit.Random(seed="x")}, "seed must be a whole number, not 'x'"),
    ({"top": 1, "method": zipfit.Cover(), "options": {"unit": "word"}}, "options are for a method given by name"),
    ({"top": 1, "against": {"cover": zipfit.Cover}}, "Cover is a class"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[message for _, message in WRONG])
def test_arguments_of_select(arguments, message):
    with pytest.raises(ZipfitError, match=f"^{message.replace('()', '')}"):
        zipfit.select("missing.jsonl", "missing.jsonl", **arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda chosen: chosen.at(top="2"), "top must be a whole number"),
        (lambda chosen: chosen.explain("1"), "rank must be a whole number"),
        (lambda chosen: chosen.save(5), "path must be a string or a path"),
        (lambda chosen: chosen.save("out/", shard_records="5"), "shard_records must be a whole number"),
        (lambda chosen: chosen.save("out/", shard_bytes=1.5), "shard_bytes must be a whole number or a string"),
        (lambda chosen: chosen.report(5), "path must be a string or a path"),
        (lambda _: zipfit.explain(5, rank=1), "explain takes a selection or its path, not 5"),
        (lambda _: zipfit.Within(zipfit.Cover, "zipfit:0.5"), "Cover is a class"),
        (lambda _: zipfit.score_pool(POOL, TARGET, 5), "folder must be a string or a path"),
        (lambda _: zipfit.score_pool(POOL, TARGET, "kept", threads="2"), "threads must be a whole number"),
        (lambda _: zipfit.score_pool(POOL, TARGET, "kept", method=zipfit.Cover), "Cover is a class"),
        (lambda _: zipfit.score_pool(POOL, TARGET, "kept", part="1/2"), "part must be \\(i, n\\) for the i-th"),
        (lambda _: zipfit.score_pool(POOL, TARGET, "kept", part=(1, "2")), "part must be of whole numbers"),
        (lambda _: zipfit.open_scores("kept", threads="2"), "threads must be a whole number"),
        (lambda _: zipfit.alignment(POOL, TARGET, method=zipfit.ZipFit), "ZipFit is a class"),
        (lambda _: zipfit.alignment(POOL, TARGET, output=5), "output must be a string"),
    ],
)
def test_arguments_of_others(tmp_path, monkeypatch, call, message):
    monkeypatch.chdir(tmp_path)
    chosen = zipfit.select(POOL, TARGET, top=2)
    with pytest.raises(ZipfitError, match=f"^{message}"):
        call(chosen)
    assert not list(Path().iterdir())


def test_what_numbers_and_paths_others_have():
    chosen = zipfit.select(POOL, TARGET, top=np.int64(2), fraction=np.float32(1), skip_bad=np.True_, min_score=-1)
    assert len(chosen) == 2
