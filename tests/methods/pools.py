"""Small pools in memory, for testing methods without a corpus."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")


class MemoryPool:
    """Texts in memory, served in batches of a given size by a given number of threads."""

    def __init__(self, texts: Sequence[str], batch: int = 3, threads: int = 1) -> None:
        self.texts = list(texts)
        self.batch = batch
        self.threads = threads

    def __iter__(self) -> Iterator[list[str]]:
        for start in range(0, len(self.texts), self.batch):
            yield self.texts[start : start + self.batch]

    def map(self, function: Callable[[list[str]], T]) -> Iterator[T]:
        with ThreadPoolExecutor(self.threads) as executor:
            yield from executor.map(function, self)
