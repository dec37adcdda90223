"""A pool in memory, cut into batches and read by threads as a test asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class MemoryPool:
    def __init__(self, texts: list[str], batch_size: int = 64, threads: int = 1) -> None:
        self.texts = texts
        self.batch_size = batch_size
        self.threads = threads

    def __iter__(self) -> Iterator[list[str]]:
        for start in range(0, len(self.texts), self.batch_size):
            yield self.texts[start : start + self.batch_size]

    def map(self, function: Callable[[list[str]], T]) -> Iterator[T]:
        with ThreadPoolExecutor(self.threads) as executor:
            yield from executor.map(function, self)
