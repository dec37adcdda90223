"""The engine of `cover` in plain Python: the twins of the native core's classes (see `zipfit.system.runtime`).

Features are numbered alike, and every sum of floats has the same terms in the same order, so that rankings and scores
are equal to the last bit. The essays are in `core/cover/features.hpp` and `greedy.hpp`.
"""

from __future__ import annotations

import heapq
import math
import re
import struct
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from zipfit.system import arguments

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.system.texts import Texts

EXACT_COUNTS = 1024
"""phi is tabled for every count below this; above, at this many counts in each two octaves, and linear between."""
LARGEST_COUNT = 2**40 - 1

LONGEST_ORDER = 64
LARGEST_EXPONENT = 4
MOST_FEATURES = 2**32 - 1

# Of a document's matches outside of the process: bytes before its words, and the word before a number of two words.
_HEADER = 12
_WIDE = 0xFFFF

_LETTERS = (
    "0-9A-Z_a-z\u00c0-\u0dff\u0f00-\u0fff\u10a0-\u177f\u1800-\u1fff\u2c00-\u2dff\uac00-\ud7ff"  # scripts with spaces
)
_SPACES = "\x00-\x20\x7f-\xa0\u2000-\u200b\u2028\u2029\u202f\u3000"
_WORD = re.compile(f"[{_LETTERS}]+|[^{_SPACES}]")


def words(text: bytes) -> list[str]:
    """The words of a text: runs of letters and digits; every other sign that is no space by itself."""
    return _WORD.findall(text.decode())


def tabled_counts() -> list[int]:
    """The counts at which the engines want phi, ascending."""
    counts = list(range(EXACT_COUNTS + 1))
    for octave in range(LARGEST_COUNT.bit_length() - EXACT_COUNTS.bit_length() + 1):
        start = EXACT_COUNTS << octave
        step = 2 * start // EXACT_COUNTS
        counts.extend(range(start + step, 2 * start + 1, step))
    return counts


_ENTRIES = len(tabled_counts())


class CoverMatches:
    """The target's features found in a batch of documents.

    Args:
        features: how many the target has.
        kept: documents as `kept` gave them.

    Attributes:
        features: how many the target has.
        documents: for each document its size in bytes after its (feature, count) pairs: first the features that occur
            once, then the others, each in ascending order, which is the order in which their worth is added up.
        appended: whether a `CoverGreedy` has taken the batch over.

    Raises:
        ValueError: a document is damaged.
    """

    def __init__(self, features: int, documents: Iterable[bytes] = ()) -> None:
        self.features = arguments.integer(features, "features", 0, MOST_FEATURES)
        self.documents: list[tuple[list[tuple[int, int]], int]] = []
        self.appended = False
        for document in documents:
            data = arguments.instance(document, "a document", bytes)
            try:
                self.documents.append(_unpacked(data, self.features))
            except (struct.error, ValueError) as error:
                raise ValueError(f"the matches of document {len(self.documents)} are damaged") from error

    def kept(self) -> list[bytes]:
        """The bytes of each document, as `core/cover/features.hpp` lays them out; ValueError if they were appended."""
        if self.appended:
            raise ValueError("the batch was appended")
        return [_packed(found, size) for found, size in self.documents]


def _packed(found: list[tuple[int, int]], size: int) -> bytes:
    once, repeated, last = bytearray(), bytearray(), [0, 0]
    for feature, count in found:
        part = repeated if count > 1 else once
        part += _number(feature - last[count > 1])
        last[count > 1] = feature
        if count > 1:
            part += _number(count)
    return struct.pack("<QI", size, len(once) // 2) + bytes(once + repeated)


def _number(number: int) -> bytes:
    return struct.pack("<H", number) if number < _WIDE else struct.pack("<HI", _WIDE, number)


def _unpacked(data: bytes, features: int) -> tuple[list[tuple[int, int]], int]:
    size, once = struct.unpack_from("<QI", data)
    middle = _HEADER + 2 * once
    if size >= 1 << 63 or middle > len(data) or len(data) % 2:
        raise ValueError
    return [*_ascending(data[_HEADER:middle], features, False), *_ascending(data[middle:], features, True)], size


def _ascending(words: bytes, features: int, counted: bool) -> Iterator[tuple[int, int]]:
    """Features and counts of numbers that ascend."""
    numbers = _numbers(words)
    feature = 0
    for index, step in enumerate(numbers):
        feature += step
        count = next(numbers, 0) if counted else 1
        if (index and not step) or feature >= features or (counted and count < 2):
            raise ValueError
        yield feature, count


def _numbers(words: bytes) -> Iterator[int]:
    place = 0
    while place < len(words):
        (number,) = struct.unpack_from("<H", words, place)
        place += 2
        if number == _WIDE:
            (number,) = struct.unpack_from("<I", words, place)
            place += 4
            if number < _WIDE:
                raise ValueError
        yield number


class CoverFeatures:
    """The n-grams of a target, numbered by first occurrence: by position, the shorter n-gram first.

    Raises:
        ValueError: the unit is not word or byte, or the orders do not ascend from 1 to 64.
    """

    def __init__(self, target: Texts, unit: str, orders: Sequence[int]) -> None:
        arguments.batch(target, "target")
        if arguments.instance(unit, "unit", str, "a string") not in ("word", "byte"):
            raise ValueError(f"unit must be word or byte, not {unit}")
        self._unit = unit
        self._orders = [arguments.integer(order, "an order", 1, LONGEST_ORDER) for order in orders]
        if not self._orders:
            raise ValueError("orders must not be empty")
        if self._orders != sorted(set(self._orders)):
            raise ValueError("orders must ascend")
        self._numbers: dict[Hashable, int] = {}
        counts: Counter[int] = Counter()
        for example in target.encoded():
            for gram in self._grams(example):
                counts[self._numbers.setdefault(gram, len(self._numbers))] += 1
        self._counts = np.array([counts[number] for number in range(len(self._numbers))], dtype=np.int64)

    def counts(self) -> NDArray[np.int64]:
        """Occurrences of each feature in the target, shape (features,)."""
        return self._counts

    def matches(self, batch: Texts) -> CoverMatches:
        """The features of each document that are features of the target."""
        out = CoverMatches(len(self._counts))
        for document in arguments.batch(batch, "batch").encoded():
            numbers = map(self._numbers.get, self._grams(document))
            found = Counter(number for number in numbers if number is not None)
            out.documents.append((sorted(found.items(), key=lambda match: (match[1] > 1, match[0])), len(document)))
        return out

    def _grams(self, text: bytes) -> Iterator[Hashable]:
        units: Sequence[str] | bytes = text if self._unit == "byte" else words(text)
        for start in range(len(units)):
            for order in self._orders:
                if start + order > len(units):
                    break
                gram = units[start : start + order]
                yield gram if isinstance(gram, bytes) else tuple(gram)


class CoverGreedy:
    """Lazy greedy maximisation of a weighted concave cover, by gain per cost = max(bytes, 1) ** cost_exponent.

    Args:
        cost_exponent: see above.
        folder: means nothing here; the native core keeps the documents' matches in a file there.
        held: means nothing here; of those the core holds so many bytes in memory.

    Raises:
        ValueError: the exponent lies outside 0..4.
    """

    def __init__(self, cost_exponent: float, folder: str = "", held: int = 1 << 26) -> None:  # noqa: ARG002
        if math.isnan(cost_exponent) or not 0 <= cost_exponent <= LARGEST_EXPONENT:
            raise ValueError(f"cost_exponent must lie in 0..{LARGEST_EXPONENT}, not {cost_exponent!r}")
        self._cost_exponent = float(cost_exponent)
        self._features = 0
        self._documents: list[list[tuple[int, int]]] = []
        self._costs: list[float] = []
        self._pool_bytes = 0
        self._heap: list[tuple[float, int, int]] = []

    def append(self, batch: CoverMatches) -> None:
        """Take over the next documents of the pool; ValueError if that was done before."""
        if arguments.instance(batch, "batch", CoverMatches).appended:
            raise ValueError("a batch can be appended once")
        batch.appended = True
        self._features = max(self._features, batch.features)
        for found, size in batch.documents:
            self._documents.append(found)
            self._costs.append(float(max(size, 1)) ** self._cost_exponent)
            self._pool_bytes += size

    def pool_bytes(self) -> int:
        """The size of all documents together."""
        return self._pool_bytes

    def totals(self, features: int) -> NDArray[np.int64]:
        """Occurrences of each feature in all documents together, shape (features,); ValueError if there are more."""
        out = np.zeros(arguments.integer(features, "features", self._features, MOST_FEATURES), dtype=np.int64)
        for found in self._documents:
            for feature, count in found:
                out[feature] += count
        return out

    def start(self, weights: NDArray[np.float64], phi: NDArray[np.float64]) -> None:
        """Begin anew with the empty set.

        Raises:
            ValueError: there is not a weight for each feature, or phi is not given at `tabled_counts`.
        """
        self._weights = arguments.array(weights, "weights", np.float64, 1).tolist()
        self._table = arguments.array(phi, "phi", np.float64, 1).tolist()
        if len(weights) < self._features:
            raise ValueError("weights must be one for each feature")
        if len(phi) != _ENTRIES:
            raise ValueError(f"phi must have {_ENTRIES} entries, not {len(phi)}")
        self._chosen = [0] * len(self._weights)
        # (-gain per cost, position, documents chosen when it was computed): the smallest is the best claim.
        self._heap = [(-self._worth(position), position, 0) for position in range(len(self._documents))]
        heapq.heapify(self._heap)
        self._steps = 0

    def take(self, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Choose up to `most` further documents; return their positions and their gains per cost."""
        arguments.integer(most, "most", 0, 2**63 - 1)
        positions: list[int] = []
        scores: list[float] = []
        while len(positions) < most and self._heap:
            claim, position, known_at = self._heap[0]
            if known_at != self._steps and claim < 0:  # a gain of zero can fall no further
                heapq.heapreplace(self._heap, (-self._worth(position), position, self._steps))
                continue
            heapq.heappop(self._heap)
            if claim < 0:
                for feature, count in self._documents[position]:
                    self._chosen[feature] += count
                self._steps += 1
            positions.append(position)
            scores.append(-claim)
        return np.array(positions, dtype=np.int64), np.abs(np.array(scores, dtype=np.float64))  # no -0.0

    def _worth(self, position: int) -> float:
        gain = 0.0
        for feature, count in self._documents[position]:
            chosen = self._chosen[feature]
            gain += self._weights[feature] * (self._phi(chosen + count) - self._phi(chosen))
        return float(gain / self._costs[position])

    def _phi(self, count: int) -> float:
        if count < EXACT_COUNTS:
            return float(self._table[count])
        count = min(count, LARGEST_COUNT)
        shift = count.bit_length() - EXACT_COUNTS.bit_length() + 1  # leaves the count's ten leading digits
        entry = (shift - 1) * (EXACT_COUNTS // 2) + (count >> shift) + EXACT_COUNTS // 2
        below, above = self._table[entry], self._table[entry + 1]
        return float(below + (above - below) * ((count & ((1 << shift) - 1)) / (1 << shift)))
