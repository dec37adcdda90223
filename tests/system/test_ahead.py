from __future__ import annotations

import threading
import time

import pytest

from zipfit.system.ahead import in_order, read_ahead


def counted(start, stop, log=None, fails=False):
    try:
        yield from range(start, stop)
        if fails:
            raise OSError("gone")
    finally:
        if log is not None:
            log.append((start, threading.current_thread().name))


def slow_square(number):
    time.sleep(0.002 * (number % 3))
    return number**2


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_come_in_the_order_of_the_work(threads):
    assert list(in_order(slow_square, range(50), threads)) == [n**2 for n in range(50)]
    sources = [counted(10 * n, 10 * n + n) for n in range(9)]
    found = [list(results) for results in read_ahead(slow_square, sources, threads)]
    assert found == [[number**2 for number in range(10 * n, 10 * n + n)] for n in range(9)]
    sources = [counted(10 * n, 10 * n + n) for n in range(9)]
    assert [list(items) for items in read_ahead(None, sources, threads)] == [[*range(10 * n, 11 * n)] for n in range(9)]
    assert list(read_ahead(slow_square, [], threads)) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_what_a_source_raises_comes_after_its_results(threads):
    sources = [counted(0, 3), counted(3, 6, fails=True), counted(6, 9)]
    read = (result for results in read_ahead(slow_square, sources, threads) for result in results)
    found = [next(read) for _ in range(6)]
    with pytest.raises(OSError, match="gone"):
        next(read)
    assert found == [n**2 for n in range(6)]


def test_what_the_function_raises_is_raised_in_its_place():
    def inverse(number):
        return 1 / (number - 4)

    sources = read_ahead(inverse, [counted(0, 9)], 2)
    for results in (in_order(inverse, range(9), 2), next(sources)):
        assert [next(results) for _ in range(4)] == [-1 / 4, -1 / 3, -1 / 2, -1]
        with pytest.raises(ZeroDivisionError):
            next(results)
    sources.close()


def test_who_stops_early_leaves_no_thread_and_no_open_source():
    log = []
    before = threading.active_count()
    sources = read_ahead(slow_square, [counted(0, 10_000, log), counted(10_000, 20_000, log), counted(0, 5, log)], 2)
    assert next(next(sources)) == 0
    sources.close()
    assert threading.active_count() <= before
    assert sorted(start for start, _ in log) == [0, 10_000]
    assert {name for _, name in log} == {"zipfit-reader"}


def test_no_source_is_read_further_ahead_than_the_window():
    taken = []

    def endless():
        for number in range(10**9):
            taken.append(number)
            yield number

    sources = read_ahead(slow_square, [endless()], 2)
    assert next(next(sources)) == 0
    time.sleep(0.1)
    assert len(taken) < 20
    sources.close()


def test_short_sources_beside_a_slow_one_are_read_to_their_end():
    gate = threading.Event()
    taken = []

    def slow():
        gate.wait(60)
        yield -1

    def short():
        for number in range(7):
            taken.append(number)
            yield number

    sources = read_ahead(None, [slow(), short(), short()], 3)
    first = next(sources)
    deadline = time.monotonic() + 60
    while len(taken) < 14 and time.monotonic() < deadline:
        time.sleep(0.001)
    gate.set()
    assert (len(taken), list(first)) == (14, [-1])
    assert [list(items) for items in sources] == [[*range(7)]] * 2
