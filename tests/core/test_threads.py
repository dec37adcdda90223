"""The native core among threads: the same bits, and no lock of the interpreter that is switched on again."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support import pool_records, target_texts

from zipfit.methods.hashed_ngrams import HashedNgrams
from zipfit.methods.zipfit import ZipFit

core = pytest.importorskip("zipfit._core", reason="the native kernel is not built")

TEXTS = [record["text"] for record in pool_records(200)]
BATCHES = [TEXTS[start : start + 7] for start in range(0, len(TEXTS), 7)]


@pytest.mark.parametrize("compressor", ["gzip", "lz4"])
def test_many_threads_share_what_was_fitted(compressor):
    method = ZipFit(compressor=compressor).fit(target_texts(12))
    features = HashedNgrams(2, 1000)

    def measure(batch):
        return method.score(batch), method.compare(batch), features.count(features.hashed(batch))

    alone = [measure(batch) for batch in BATCHES]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(measure, BATCHES * 4))
    for number, measured in enumerate(together):
        for one, other in zip(measured, alone[number % len(BATCHES)], strict=True):
            assert np.array_equal(one, other)


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has the lock at all times")
def test_a_free_threaded_python_stays_so():
    code = "import zipfit._core, sys; sys.exit(sys._is_gil_enabled())"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code]).returncode == 0
