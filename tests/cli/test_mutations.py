"""Whatever is wrong with a file or an option, a command ends with a sentence: never with a traceback.

Each test draws from a seed. `ZIPFIT_MUTATIONS` says how many mutations each makes; the default is small.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import random
import re
import shutil
from contextlib import suppress

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import COMPRESS, pool_records, write_jsonl

MUTATIONS = int(os.environ.get("ZIPFIT_MUTATIONS", "40"))
VALUES = [
    *(None, 0, -1, 1.5, True, 10**30, "", "x", "../x", "\ud800", "\0", "a\nb", "\x1b[31m"),
    *([], {}, [1], {"a": 1}, [[]], [None], float("nan"), "1e400", "subprocess:Popen", "nowhere:Nothing", "é" * 5000),
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A name that is drawn for a tokenizer or model is not looked for, again and again, on the hub."""
    with suppress(ImportError):
        monkeypatch.setattr(importlib.import_module("huggingface_hub.constants"), "HF_HUB_OFFLINE", True)


def places(value, place=()):
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*place, key))


def mutated(value, rng):
    """A copy of nested values of which a few are replaced, taken away or moved."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        everywhere = [place for place in places(value) if place]
        place = rng.choice(everywhere)
        inner = value
        for key in place[:-1]:
            inner = inner[key]
        drawn = rng.random()
        if drawn < 0.3:
            del inner[place[-1]]
        elif drawn < 0.8:
            inner[place[-1]] = rng.choice(VALUES)
        else:
            inner[place[-1]] = copy.deepcopy(rng.choice(everywhere))
        if not any(True for place in places(value) if place):
            break
    return json.loads(json.dumps(value))  # without tuples, and no part in two places


def damaged(data, rng):
    """Bytes of which a few are changed, taken away, doubled or moved."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice([1, 1, 4, 100]))
        kind = rng.randrange(4)
        if kind == 0:
            data[start:end] = rng.randbytes(end - start)
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:start] = data[start:end]
        else:
            data[start:end] = rng.choice([b"\0", b"\xff", b"{", b'"', b"\n", b"[" * 2000, b"\xed\xa0\x80", b"9" * 30])
    return bytes(data)


def check(ran):
    """A command ended well, or with the sentence of an error, and printed nothing that moves the terminal's cursor."""
    assert ran.status in (0, 1, 2)
    assert ran.status != 2 or "zipfit: " in ran.err or "Usage: " in ran.err, ran.err
    assert "Traceback" not in ran.err
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f]", (ran.out + ran.err).replace("\r\n", "\n"))


def test_manifests(zipfit, folder):
    options = ["--dedup", "exact", "--by", "source", "--skip-bad", "--max-share", "0.9", "--tokenizer", "bytes"]
    assert zipfit("select", "pool.jsonl", "-t", "target.jsonl", "-k", 5, "-o", "out.jsonl", *options).status == 0
    shutil.copy("out.jsonl", "m.jsonl")
    whole = json.loads((folder / "out.manifest.json").read_bytes())
    rng = random.Random(1)
    for _ in range(MUTATIONS):
        data = (
            json.dumps(mutated(whole, rng)).encode() if rng.random() < 0.8 else damaged(json.dumps(whole).encode(), rng)
        )
        (folder / "m.manifest.json").write_bytes(data)
        check(zipfit("verify", "m.manifest.json"))
        check(zipfit("rerun", "m.manifest.json", "-o", "again.jsonl", "--overwrite"))
        check(zipfit("config", "m.manifest.json"))
        check(zipfit("explain", "m.jsonl", "--rank", 1))


def test_kept_scores(zipfit, folder):
    scoring = ["pool.jsonl", "-t", "target.jsonl", "-m", "random", "--skip-bad"]
    for name, part in (("whole", []), ("parts", ["--part", "1/2"]), ("parts", ["--part", "2/2"])):
        assert zipfit("score", *scoring, "-o", name, *part).status == 0
    manifest, (done, _) = folder / "whole" / "scores.json", sorted((folder / "parts").rglob("done.json"))
    rng = random.Random(5)
    for path in (manifest, done):
        whole = json.loads(path.read_bytes())
        for _ in range(MUTATIONS):
            text = json.dumps(mutated(whole, rng)).encode()
            path.write_bytes(text if rng.random() < 0.8 else damaged(text, rng))
            if path == manifest:
                check(zipfit("select", "--scores", "whole", "-k", 3, "-o", "out.jsonl", "--overwrite"))
            else:
                check(zipfit("merge", "parts", "--overwrite"))
                shutil.copytree("parts", "again", dirs_exist_ok=True)
                check(zipfit("score", *scoring, "-o", "again", "--part", "1/2", "--resume"))
                shutil.rmtree("again")


def test_studies(zipfit, folder):
    yaml = pytest.importorskip("yaml")
    study = {
        "name": "a study",
        "source": {"files": "pool.jsonl", "sample": 10, "by": "source"},
        "target": {"files": "target.jsonl", "rows": [0, 3], "format": "jsonl", "encoding": "utf-8"},
        "test": {"files": ["target.jsonl"], "rows": [3, None], "text_field": "text", "delimiter": ",", "header": False},
        "methods": {
            "zipfit": {},
            "books": {"label": "books"},
            "levels": {"method": "zipfit", "sweep": {"level": [1, 9]}},
        },
        "budgets": [2048, 4096],
        "models": ["org/model"],
        "seeds": [0, 1, 2],
        "training": {"block_size": 256, "learning_rate": 1e-4},
    }
    rng = random.Random(2)
    for _ in range(MUTATIONS):
        text = yaml.safe_dump(mutated(study, rng), sort_keys=False, allow_unicode=True).encode("utf-8", "replace")
        (folder / "study.yaml").write_bytes(text if rng.random() < 0.8 else damaged(text, rng))
        check(zipfit("study", "check", "study.yaml"))


OPTIONS = {
    "--top": ["0", "-3", "5", "x", "9" * 30], "--fraction": ["0", "nan", "2", "0.1", "1e-400"],
    "--tokens": ["0", "50", "-1"], "--min-score": ["nan", "inf", "0.1", "-inf"], "--tokenizer": ["bytes", "nowhere", ""],
    "--method": ["cover", "dsir", "gain", "random", "racing", "mmr", "nothing", "os:system", ":", "zipfit.cli:main"],
    "--param": ["level=3", "level=x", "seed=1", "=", "k", "confidence=nan", "n=-1", "compressor=zstd"],
    "--compressor": ["lz4", "zstd", "none", ""], "--level": ["0", "1", "99", "-5"], "--seed": ["-1", "3", "x"],
    "--by": ["source", "id", "a.b", ""], "--target-by": ["text", ""], "--max-share": ["0.5", "source=0.5", "=", "2", "nan"],
    "--dedup": ["exact", "near", "both"], "--dedup-threshold": ["0", "2", "nan", "0.5"], "--min-bytes": ["-5", "10", "x"],
    "--max-bytes": ["-1", "0", "100"], "--order": ["rank", "source", "sorted"], "--text-field": ["text", "a.b", "", "id"],
    "--template": ["{text}", "{", "{}", "{a!r}", "none", "{text:>9}", "{text}{id}"], "--target-field": ["text", "x"],
    "--target-template": ["{text}", "{0}"], "--format": ["jsonl", "csv", "parquet", "arrow", "text", "xml"],
    "--target-format": ["jsonl", "text", "tsv"], "--sample-by": ["line", "document", "word"],
    "--encoding": ["utf-16", "latin-1", "base64", "no", ""], "--delimiter": [";", "ab", "", "\n", "\\t", "\0"],
    "--roles": ["user", ",", "", "a,b"], "--threads": ["0", "1", "-1", "x"], "--max-bad-files": ["-1", "nan", "0.2"],
}  # fmt: skip
FLAGS = [
    "--racing",
    "--allow-fewer",
    "--no-fields",
    "--skip-bad",
    "--skip-bad-files",
    "--no-role-labels",
    "--json",
    "-q",
]
OUTPUTS = [
    "out.jsonl",
    "out.csv",
    "out.parquet",
    "out.arrow",
    "out.json.zst",
    "-",
    "",
    ".",
    "x/out.jsonl",
    "out",
    "a\0b.jsonl",
]


def test_options(zipfit):
    rng = random.Random(3)
    for _ in range(MUTATIONS):
        names = rng.sample(list(OPTIONS), rng.randint(0, 3))
        given = [part for name in names for part in (name, rng.choice(OPTIONS[name]))]
        budget = ["-k", "3"] if not {"--top", "--fraction", "--tokens", "--min-score"} & set(names) else []
        output = rng.choice(OUTPUTS[:1] * 8 + OUTPUTS)
        flags = rng.sample(FLAGS, rng.randint(0, 2))
        check(
            zipfit("select", "pool.jsonl", "-t", "target.jsonl", "-o", output, "--overwrite", *budget, *given, *flags)
        )


CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [{"function": {}}]}]


def inputs(folder):
    """A small file of each format and container."""
    records = pool_records(30)
    lines = "\n".join(map(json.dumps, [*records, {"messages": CHAT}])).encode()
    table = pa.table({"text": [record["text"] for record in records], "n": range(30), "in": [{"a": [1]}] * 30})
    pq.write_table(table, folder / "a.parquet")
    with pa.ipc.new_file(folder / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    rows = "text,n\r\n" + "".join(f'"{record["text"]}",1\r\n' for record in records)
    files = {
        "a.jsonl": lines, "a.json": json.dumps(records, indent=1).encode(), "a.csv": rows.encode(),
        "b.json": json.dumps({"version": 1, "data": records}).encode(), "a.txt": rows.encode("utf-16"),
        "c.json": "\n".join(json.dumps(record, indent=1) for record in records).encode(),
        "a.parquet": (folder / "a.parquet").read_bytes(), "a.arrow": (folder / "a.arrow").read_bytes(),
    }  # fmt: skip
    files |= {f"a.jsonl{suffix}": compress(lines) for suffix, compress in COMPRESS.items()}
    files["b.jsonl.lz4"] = b"\x55\x2a\x4d\x18\4\0\0\0abcd" + lz4.frame.compress(lines, block_linked=False)
    return files


def test_inputs(zipfit, folder):
    files = inputs(folder)
    rng = random.Random(4)
    write_jsonl(folder / "few.jsonl", pool_records(3, seed=9))
    for name, data in files.items():
        (folder / name).write_bytes(data)
        selecting = ["-t", "few.jsonl", "-k", 3, "-m", "random", "-o", "out.jsonl", "--overwrite", "-q"]
        skip = ["--skip-bad"] if data == files["a.jsonl"] or ".jsonl" in name else []
        assert zipfit("select", name, *selecting, *skip).status == 0
        for _ in range(max(1, MUTATIONS // 8)):
            (folder / name).write_bytes(damaged(data, rng))
            check(zipfit("select", name, *selecting))
            check(zipfit("select", name, "few.jsonl", *selecting, "--skip-bad", "--skip-bad-files"))
