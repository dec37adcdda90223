"""Work done ahead by threads, and its results in the order of the work, so that nobody sees how many there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

T = TypeVar("T")
R = TypeVar("R")

# Results that may wait, or be in the making, for each thread: they bound memory.
_WINDOW = 3

# Those of each source that is read beside the first: while that is read to its end, the others get no further.
_BESIDE = 8


def in_order(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield `function(item)` for each item, in order, computed by the threads; the caller's thread takes the items."""
    with ThreadPoolExecutor(threads, thread_name_prefix="zipfit") as executor:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(executor.submit(function, item))
                if len(pending) >= _WINDOW * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def read_ahead(
    function: Callable[[T], R] | None, sources: Sequence[Iterator[T]], threads: int
) -> Generator[Iterator[R], None, None]:
    """Yield, for each source, an iterator of `function(item)` for each of its items, in order.

    As many sources as there are threads are read at a time, each in a thread of its own, and the threads compute the
    function. What a source raises is raised after the results before it.

    Args:
        function: safe to call from several threads at once; None to yield the items.
        sources: each is read to its end before the next iterator is asked for.
        threads: if it is one, all is done by the caller's.
    """
    if threads == 1:
        yield from (cast("Iterator[R]", source) if function is None else map(function, source) for source in sources)
        return
    at_a_time = max(1, min(threads, len(sources)))
    depth = max(_BESIDE, -(-_WINDOW * threads // at_a_time))
    begun: deque[_Reader[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="zipfit") as executor:
        try:
            for source in sources:
                begun.append(_Reader(function, source, executor, depth))
                if len(begun) == at_a_time:
                    yield begun[0].results()
                    begun.popleft()
            while begun:
                yield begun[0].results()
                begun.popleft()
        finally:
            for reader in begun:
                reader.stop()
            for reader in begun:
                reader.wait()
            executor.shutdown(wait=True, cancel_futures=True)


class _Reader(Thread, Generic[R]):
    """Iterates over a source, and has a function of each item computed, no more items ahead than `depth`."""

    def __init__(
        self, function: Callable[[Any], R] | None, source: Iterator[Any], executor: ThreadPoolExecutor, depth: int
    ) -> None:
        super().__init__(name="zipfit-reader", daemon=True)
        self._function = function
        self._source = source
        self._executor = executor
        self._results: Queue[Future[R] | None] = Queue(depth)
        self._stopped = Event()
        self.start()

    def run(self) -> None:
        try:
            for item in self._source:
                if self._stopped.is_set():
                    break
                self._results.put(self._begun(item))
        except BaseException as error:
            failed: Future[R] = Future()
            failed.set_exception(error)
            self._results.put(failed)
        finally:
            if isinstance(self._source, Generator):
                self._source.close()
            self._results.put(None)

    def _begun(self, item: Any) -> Future[R]:
        if self._function is not None:
            return self._executor.submit(self._function, item)
        done: Future[R] = Future()
        done.set_result(item)
        return done

    def results(self) -> Iterator[R]:
        """Yield them in order."""
        while (result := self._results.get()) is not None:
            yield result.result()

    def stop(self) -> None:
        """Take no further items."""
        self._stopped.set()

    def wait(self) -> None:
        """Wait until the source is closed, once stopped."""
        while self.is_alive():
            with suppress(Empty):  # it may wait for room
                self._results.get(timeout=0.05)
