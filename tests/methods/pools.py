"""Pools held in memory, for tests of methods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")


class MemoryPool:
    """A `zipfit.methods.base.Pool` over a list of texts."""

    def __init__(self, texts: Sequence[str], batch_size: int = 1000, threads: int = 1) -> None:
        self.texts = texts
        self.batch_size = batch_size
        self.threads = threads

    def __iter__(self) -> Iterator[list[str]]:
        for start in range(0, len(self.texts), self.batch_size):
            yield list(self.texts[start : start + self.batch_size])

    def map(self, function: Callable[[list[str]], T], only: Sequence[bool] | None = None) -> Iterator[T]:
        pool = self if only is None else MemoryPool([*compress(self.texts, only)], self.batch_size)
        if self.threads == 1:
            yield from map(function, pool)
            return
        with ThreadPoolExecutor(self.threads) as executor:
            yield from executor.map(function, pool)
