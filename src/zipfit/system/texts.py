"""A batch of texts as the native core reads it: their UTF-8 in one run of bytes, and where each begins and ends.

Texts are encoded once, where they enter (a reader, or a method that is called with strings), and every engine reads
the same bytes. To Python they stay what they are, a sequence of strings, each decoded when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, overload

import numpy as np

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray


class Texts(Sequence[str]):
    r"""A batch of n texts; text i is `data[offsets[i]:offsets[i + 1]]`.

    A slice shares the data, so they may begin after the first byte of it and end before the last.

    Attributes:
        data: UTF-8.
        offsets: int64, shape (n + 1,), bytes, ascending, not to be written to.

    Example:
        >>> texts = Texts.of(["naïve", "", "数"])
        >>> texts[0], texts.lengths.tolist(), list(texts.encoded())[2]
        ('naïve', [6, 0, 3], b'\xe6\x95\xb0')
    """

    __slots__ = ("data", "offsets")

    data: bytes
    offsets: NDArray[np.int64]

    def __init__(self, data: bytes, offsets: ArrayLike) -> None:
        """Take the batch as it is; nothing is copied if the offsets are int64.

        Raises:
            TypeError: the data are not bytes.
            ValueError: the offsets are not of one dimension, do not ascend, or do not lie in the data.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"the data of texts must be bytes, not {type(data).__name__}")
        held = np.ascontiguousarray(offsets, dtype=np.int64).view()
        if held.ndim != 1 or not len(held) or held[0] < 0 or held[-1] > len(data) or (held[1:] < held[:-1]).any():
            raise ValueError("the offsets of texts must ascend and lie within their data")
        held.flags.writeable = False
        self.data, self.offsets = data, held

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """Encode strings; `Texts` are returned as they are.

        Raises:
            ZipfitError: one of them is not a string, or holds a lone surrogate, which UTF-8 cannot say.
        """
        if isinstance(texts, Texts):
            return texts
        encoded = []
        for number, text in enumerate(texts):
            try:
                encoded.append(str.encode(text))
            except TypeError:
                raise ZipfitError(f"text {number} is a {type(text).__name__}, not a string") from None
            except UnicodeEncodeError as error:
                raise ZipfitError(f"text {number}: lone surrogate at character {error.start} of the text") from error
        return cls.join(encoded)

    @classmethod
    def join(cls, encoded: Sequence[bytes]) -> Texts:
        """Lay texts that are UTF-8 already one behind the other."""
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        return cls(b"".join(encoded), np.concatenate([np.zeros(1, np.int64), ends]))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The bytes of each text, shape (n,)."""
        return np.diff(self.offsets)

    def encoded(self) -> Iterator[bytes]:
        """Yield each text as UTF-8."""
        for start, end in pairwise(self.offsets.tolist()):
            yield self.data[start:end]

    def take(self, indices: Iterable[int]) -> Texts:
        """Return the texts at some indices, in that order, copied together."""
        offsets = self.offsets.tolist()
        return Texts.join([self.data[offsets[i] : offsets[i + 1]] for i in map(range(len(self)).__getitem__, indices)])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Texts: ...
    def __getitem__(self, index: int | slice) -> str | Texts:
        chosen = range(len(self))[index]
        if isinstance(chosen, int):
            return self.data[self.offsets[chosen] : self.offsets[chosen + 1]].decode()
        if chosen.step != 1:
            return self.take(chosen)
        return Texts(self.data, self.offsets[chosen.start : max(chosen.start, chosen.stop) + 1])

    def __iter__(self) -> Iterator[str]:
        return (text.decode() for text in self.encoded())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Texts):
            return NotImplemented
        return np.array_equal(self.lengths, other.lengths) and self._own_data() == other._own_data()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} texts, {self.offsets[-1] - self.offsets[0]} bytes>"

    def __reduce__(self) -> tuple[type[Texts], tuple[bytes, NDArray[np.int64]]]:
        return Texts, (self._own_data(), self.offsets - self.offsets[0])

    def _own_data(self) -> bytes:
        """The data without what lies before and after these texts."""
        return self.data[self.offsets[0] : self.offsets[-1]]
