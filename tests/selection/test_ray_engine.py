"""A real cluster of worker processes, against one machine."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("ray")
import ray
from support import pool_records, run_shell, target_texts, write_jsonl

import zipfit
from zipfit.selection import ray_engine
from zipfit.selection.merge import part_name


@pytest.fixture(scope="module")
def cluster():
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        write_jsonl(tmp_path / f"pool{number}.jsonl", pool_records(700, seed=number))
    write_jsonl(tmp_path / "target.jsonl", target_texts(20))
    return zipfit.Files(["pool*.jsonl"])


def tables(folder: str) -> list[bytes]:
    manifest = json.loads(Path(folder, "scores.json").read_text())
    return [Path(folder, table["path"]).read_bytes() for table in manifest["tables"]]


METHODS = {
    "zipfit": {"reduce": "round-robin"},
    "gain": {},
    "dsir": {"min_length": 1},
    "random": {},
    "cover": {},
    "mmr": {},
    "bm25": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_cluster_gives_the_tables_of_one_machine(cluster, pool, method):
    zipfit.score_pool(pool, "target.jsonl", "one", method=method, options=METHODS[method])
    made = zipfit.score_on_ray(pool, "target.jsonl", "many", method=method, options=METHODS[method], parts=5)
    assert tables("many") == tables("one")
    assert made["pool"]["documents"] == 2800
    assert sorted(path.name for path in Path("many/work").iterdir()) == [part_name(number, 5) for number in range(1, 6)]


@pytest.mark.slow
def test_the_readmes_command(cluster, pool):
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    [command] = re.findall(r"^zipfit .* --engine ray$", readme, re.MULTILINE)
    Path("pool.jsonl").write_bytes(Path("pool0.jsonl").read_bytes())
    Path("target.jsonl").rename("task.jsonl")
    run_shell(command)
    direct = command.removesuffix(" --engine ray").replace("cluster.jsonl", "direct.jsonl")
    run_shell(direct)
    assert Path("cluster.jsonl").read_bytes() == Path("direct.jsonl").read_bytes()


@pytest.mark.slow
def test_a_worker_that_is_killed_is_tried_again(cluster, pool, monkeypatch):
    zipfit.score_pool(pool, "target.jsonl", "one")
    killed = []

    def kill() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not killed:
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if b"ray::_score_part" in process.read_bytes():
                        os.kill(int(process.parent.name), signal.SIGKILL)
                        killed.append(process.parent.name)
                        break
                except OSError:
                    continue
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    zipfit.score_on_ray(pool, "target.jsonl", "many", parts=3)
    killer.join()
    assert killed or not Path("/proc/self/cmdline").exists()
    assert tables("many") == tables("one")


@pytest.mark.slow
def test_what_goes_wrong_on_a_worker_is_one_sentence(cluster, pool, monkeypatch):
    Path("pool2.jsonl").write_text('{"text": "a"}\n{broken\n')
    with pytest.raises(zipfit.ZipfitError, match=r"^pool2.jsonl, line 2: broken JSON"):
        zipfit.score_on_ray(pool, "target.jsonl", "many", parts=3)
    assert not Path("many/scores.json").exists()
    monkeypatch.setattr(ray_engine, "version", lambda _: "0.0")
    with pytest.raises(zipfit.ZipfitError, match=r"^ray: a worker has zipfit \S+, and the driver 0.0$"):
        zipfit.score_on_ray(pool, "target.jsonl", "other", parts=2)


def test_what_cannot_be_done_on_a_cluster_is_said_before_it_is_asked(pool):
    with pytest.raises(zipfit.ZipfitError, match=r"^within ranks the pool as a whole, so it cannot be scored in parts"):
        zipfit.score_on_ray(pool, "target.jsonl", "many", method=zipfit.Within("cover", ["gain:0.5"]))
    with pytest.raises(zipfit.ZipfitError, match=r"^parts must be at least 1, not 0$"):
        zipfit.score_on_ray(pool, "target.jsonl", "many", parts=0)


def test_an_address_where_nobody_listens_is_an_error_at_once(pool):
    if ray.is_initialized():
        ray.shutdown()
    with pytest.raises(zipfit.ZipfitError, match=r"^ray: no cluster answers at 127.0.0.1:1 \("):
        zipfit.score_on_ray(pool, "target.jsonl", "many", address="127.0.0.1:1")
