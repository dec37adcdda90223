"""Jobs that are killed anywhere and go on, against jobs that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from support import COMMAND, pool_records, target_texts

KILLS = int(os.environ.get("ZIPFIT_KILLS", "3"))
"""Jobs that are killed, of each kind, several times over."""


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Twenty files of three kinds, and a target; some seconds of work for one thread."""
    folder = tmp_path_factory.mktemp("pool")
    records = pool_records(6000, seed=3)
    for number in range(20):
        some = records[number * 300 : number * 300 + 300]
        lines = "".join(json.dumps(record) + "\n" for record in some).encode()
        if number % 3 == 0:
            (folder / f"{number:02}.jsonl").write_bytes(lines)
        elif number % 3 == 1:
            (folder / f"{number:02}.jsonl.zst").write_bytes(zstandard.compress(lines))
        else:
            pq.write_table(pa.Table.from_pylist(some), folder / f"{number:02}.parquet", row_group_size=100)
    target = tmp_path_factory.mktemp("target") / "target.jsonl"
    target.write_text("".join(json.dumps({"text": text}) + "\n" for text in target_texts(60)))
    return folder, target


def run_and_kill(arguments, scores, rng, seconds):
    """Run a command again and again, and kill all but the last run; return how many were killed."""
    killed = 0
    while True:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            _, said = process.communicate(timeout=rng.uniform(0.3, 1.1) * seconds if killed < 5 else None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            killed += 1
            continue
        finished = process.returncode == 2 and b"exists already" in said and not scores.exists()  # and then killed
        assert process.returncode == 0 or finished, said.decode()
        return killed


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows kills otherwise")
@pytest.mark.parametrize(("method", "option"), [("zipfit", []), ("dsir", ["-p", "min_length=1"]), ("cover", [])])
def test_a_selection_that_is_killed_goes_on_to_the_same_bytes(pool, tmp_path, method, option):
    folder, target = pool
    select = [
        "select",
        folder,
        "-t",
        target,
        "-k",
        "200",
        "-m",
        method,
        *option,
        "--dedup",
        "exact",
        "--threads",
        "1",
        "-q",
    ]
    seconds = []
    for _ in range(3):  # the machine may be busy
        start = time.monotonic()
        output = str(tmp_path / "whole.jsonl")
        subprocess.run([*COMMAND, *map(str, select), "-o", output, "--overwrite"], check=True)
        seconds.append(time.monotonic() - start)
    rng = random.Random(method)
    killed = 0
    for number in range(KILLS):
        output = tmp_path / f"{number}.jsonl"
        killed += run_and_kill(
            [*select, "--resume", "-o", output], tmp_path / f"{number}.jsonl.scores", rng, min(seconds)
        )
        assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
        left = {path.name for path in tmp_path.iterdir() if path.name.startswith(f"{number}.")}
        assert left == {f"{number}.jsonl", f"{number}.manifest.json", f"{number}.jsonl.duplicates.jsonl"}
    assert killed or KILLS < 50  # a busy machine may finish each before its time


@pytest.mark.slow
def test_two_processes_that_resume_one_job_do_not_meet(pool, tmp_path):
    folder, target = pool
    command = [*COMMAND, "score", str(folder), "-t", str(target), "-o", str(tmp_path / "scores"), "--resume", "-q"]
    with ThreadPoolExecutor(2) as both:
        ran = list(both.map(lambda _: subprocess.run(command, capture_output=True, text=True, check=False), range(2)))
    refused = [each for each in ran if each.returncode]
    assert len(refused) < 2
    for each in refused:
        assert each.returncode == 2
        assert "another process is at work here" in each.stderr
