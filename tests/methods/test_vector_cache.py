from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.methods.vector_cache import Row, VectorCache, cache_folder, key_of

DIMENSION = 5


def row(seed):
    return Row(np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32), seed % 2 == 1)


def rows(numbers):
    return {key_of(b"%d" % number): row(number) for number in numbers}


def same(one, other):
    return one.keys() == other.keys() and all(
        one[key].vector.tobytes() == other[key].vector.tobytes() and one[key].truncated == other[key].truncated
        for key in one
    )


@pytest.fixture
def cache(tmp_path):
    return VectorCache(tmp_path / "some" / "folder" / "cache.sqlite", DIMENSION)


def test_what_was_put_comes_back_to_the_bit(cache):
    assert cache.get([key_of(b"1")]) == {}
    cache.put(rows(range(1200)))
    cache.put(rows(range(1000, 1300)))
    assert same(cache.get([key_of(b"%d" % number) for number in range(-5, 1400)]), rows(range(1300)))


def test_odd_floats_survive(cache):
    vector = np.array([-0.0, np.inf, 1e-45, np.finfo(np.float32).max, -1.0], np.float32)
    cache.put({b"key": Row(vector, True)})
    assert cache.get([b"key"])[b"key"].vector.tobytes() == vector.tobytes()


@given(st.binary(), st.binary())
def test_keys_tell_texts_apart(one, other):
    assert (key_of(one) == key_of(other)) == (one == other)


def test_a_row_whose_bits_changed_is_a_miss_and_heals(cache):
    cache.put(rows(range(3)))
    with closing(sqlite3.connect(cache.path)) as database, database:
        database.execute("UPDATE embedding SET vector = zeroblob(20) WHERE key = ?", [key_of(b"0")])
        database.execute("UPDATE embedding SET truncated = 1 - truncated WHERE key = ?", [key_of(b"1")])
    keys = [key_of(b"%d" % number) for number in range(3)]
    assert same(cache.get(keys), rows([2]))
    cache.put(rows([0, 1]))
    assert same(cache.get(keys), rows(range(3)))


def test_a_row_of_another_length_is_a_miss(cache):
    cache.put({b"key": Row(np.ones(DIMENSION + 1, np.float32), False)})
    assert cache.get([b"key"]) == {}


@pytest.mark.parametrize("damage", ["not a database " * 100, None])
def test_a_damaged_file_is_named(cache, damage):
    cache.put(rows(range(2000)))
    if damage:
        cache.path.write_text(damage)
    else:  # cut off in the middle, as on a full disk
        with cache.path.open("r+b") as file:
            file.truncate(cache.path.stat().st_size // 2)
    with pytest.raises(ZipfitError, match=r"the embedding cache .*cache\.sqlite cannot be used \(.*cache=false"):
        cache.get(list(rows(range(2000))))


def test_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ZipfitError, match="cannot be used"):
        VectorCache(tmp_path / "file" / "cache.sqlite", DIMENSION).get([b"key"])


def test_the_folder(monkeypatch):
    monkeypatch.setenv("ZIPFIT_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere/embeddings")
    monkeypatch.delenv("ZIPFIT_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "zipfit" / "embeddings"


def test_threads_share_it(cache):
    def work(worker):
        for start in range(0, 200, 20):
            cache.put(rows(range(start, start + 20 + worker)))
            assert same(cache.get(list(rows(range(start, start + 20)))), rows(range(start, start + 20)))

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(work, range(4)))


PROGRAM = """
import sys, itertools
sys.path.insert(0, sys.argv[3])
from test_vector_cache import VectorCache, Path, rows, DIMENSION
cache = VectorCache(Path(sys.argv[1]), DIMENSION)
for batch in (range(20) if sys.argv[2] == "all" else itertools.count()):
    cache.put(rows(range(50 * batch, 50 * batch + 50)))
    print(batch, flush=True)
"""


def writer(cache, how):
    program = [sys.executable, "-c", PROGRAM, str(cache.path), how, str(Path(__file__).parent)]
    return subprocess.Popen(program, stdout=subprocess.PIPE)


def test_processes_share_it(cache):
    writers = [writer(cache, "all") for _ in range(3)]
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    assert same(cache.get(list(rows(range(1000)))), rows(range(1000)))


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_writer_that_is_killed_leaves_whole_batches(cache):
    for delay in (0.0, 0.011, 0.023):
        process = writer(cache, "endless")
        process.stdout.readline()  # one batch is in
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        finished = 1 + len(process.communicate()[0].splitlines())
        found = cache.get(list(rows(range(50 * (finished + 2)))))
        assert len(found) % 50 == 0
        assert len(found) >= 50 * finished
        assert same(found, rows(range(len(found))))
