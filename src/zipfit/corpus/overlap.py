"""Which documents give away examples of a test set, by the field's rules; docs/leaks.md has their sources.

Texts are compared as words: runs of letters and digits in lower case and in one form of Unicode (NFKC, in which an
accent is one letter with what it stands on, and letters of full width and ligatures are plain ones); in scripts that
put no spaces between words, each letter is one. An example is *covered* by a document as far as its words lie in runs
of N words that the document holds too. An example of fewer than N words is a single run of all of them, so that a short
question is found within a document; one of a handful of words stands in many by chance, and overlaps with what equals
it alone.

The examples' runs are kept as the bytes of their words' numbers, so a look-up compares the words themselves: nothing
rests on a hash. Memory goes with the test set. A document is checked in time linear in its words and in the places
among the examples of the runs that it shares, each run counted once.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts without spaces between words: Thai, Lao, Myanmar, Khmer, Chinese, Japanese."""

# Signs within words that `re` takes for no letters: accents, points, the vowels of Indic scripts.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
# Spaces and punctuation among the scripts without spaces.
_STOPS = "\u3000-\u3004\u3008-\u3020\u3030\u30a0\u30fb"
_WORD = re.compile(rf"(?![{_STOPS}])[{SPACELESS}]|(?:[^\W_{SPACELESS}]|[{_MARKS}])+")

DEFAULT_RULE = "8-gram=0.5"

_HEAD = 8
"""First words of an example that `Verbatim` looks up."""

SHORTEST = 5
"""Fewest words of an example that is looked for within documents. Fewer would find "what is the answer" everywhere."""

WHOLE = 20
"""Most words of an example that must be covered whole, where a rule asks for a share: half of a short question is its
wording, as in "Write a Python function to check whether the given". The number is that of allenai/decon, which asks for
a perfect match up to it. Of the questions of MBPP's test split, 7 to 54 words long, 65 share half with some of 45,686
documents of code by this wording, 62 of them short and all but 2 of these other tasks."""


@dataclass(frozen=True)
class Rule:
    """When a document overlaps with an example that it does not equal.

    Attributes:
        run: words in a run, N; 0 if equality alone counts.
        share: the share of the example's words, from 0 to below 1, of which more must be covered; 0 for any run.
        shortest: fewest words of an example that counts as a single run where it has fewer than N.
    """

    run: int
    share: float = 0.0
    shortest: int = SHORTEST

    @classmethod
    def of(cls, name: str) -> Rule:
        """Read `exact`, `N-gram` (any shared run of N words) or `N-gram=SHARE` (more than that share of an example).

        Raises:
            ZipfitError: it is none of these, or a number is out of range.

        Example:
            >>> Rule.of("8-gram=0.5")
            Rule(run=8, share=0.5, shortest=5)
        """
        if name == "exact":
            return cls(0)
        parts = re.fullmatch(r"([1-9][0-9]{0,3})-gram(?:=(0?\.[0-9]{1,9}|0))?", name)
        if parts is None:
            raise ZipfitError(
                f"overlap {name!r}: write exact, N-gram (any run of N words, as 13-gram) or N-gram=SHARE (more than "
                "that share of an example's words, from 0 to below 1, as 8-gram=0.5)"
            )
        return cls(int(parts[1]), float(parts[2] or 0))


@dataclass(frozen=True)
class Match:
    """What a document has of an example.

    Attributes:
        example: the example's index.
        score: the share of the words of one of its texts that the document covers; 1 if they are equal.
        equal: whether the document equals it, white space and case aside.
        covered: the words that are covered, as `start, end` in turn among the words of all examples.
    """

    example: int
    score: float
    equal: bool
    covered: tuple[int, ...]


class TestExamples:
    """The examples of a test set, to be asked about documents.

    Args:
        examples: of each its texts, of which any may overlap: whole, and its question alone, say.
        rule: when a document overlaps.
    """

    __test__ = False  # no tests, whatever pytest thinks of the name

    def __init__(self, examples: Iterable[Sequence[str]], rule: Rule) -> None:
        self._rule = rule
        self._owners: list[int] = []  # the example that each text is of
        self._equal: dict[bytes, list[int]] = {}
        numbers: dict[str, int] = {}  # from 1; 0 is a word that no example has
        texts: list[NDArray[np.uint32]] = []
        for example, alternatives in enumerate(examples):
            for text in dict.fromkeys(alternatives):
                self._equal.setdefault(_digest(text), []).append(len(texts))
                self._owners.append(example)
                found = _words(text)
                texts.append(np.fromiter((numbers.setdefault(w, len(numbers) + 1) for w in found), np.uint32))
        self._numbers = numbers
        self._spelt = list(numbers)
        self._lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)])
        self._words = np.concatenate([np.zeros(0, np.uint32), *texts])
        # The distinct runs by number; of number i, `_places[_bounds[i] : _bounds[i + 1]]` is where it begins.
        self._runs: dict[bytes, int] = {}
        places: list[int] = []
        kinds: list[int] = []
        for start, numbered in zip(self._starts.tolist(), texts, strict=False):
            for place, run in enumerate(_windows(numbered, self._run_length(len(numbered))), start):
                kinds.append(self._runs.setdefault(run, len(self._runs)))
                places.append(place)
        self._places = np.array(places, np.int64)[np.argsort(kinds, kind="stable")]
        self._bounds = np.searchsorted(np.sort(kinds), np.arange(len(self._runs) + 1))
        self._run_lengths = sorted({len(run) // 4 for run in self._runs})

    def _run_length(self, words: int) -> int:
        """The words in a run of a text of so many; 0 if it has no run."""
        run = min(words, self._rule.run)
        return run if run >= min(self._rule.run, self._rule.shortest) else 0

    def match(self, text: str) -> Match | None:
        """The example that a document overlaps with most, of equals the first; None if it overlaps with none."""
        for index in self._equal.get(_digest(text), ()):
            return Match(self._owners[index], 1.0, True, (int(self._starts[index]), int(self._starts[index + 1])))
        indices, scores, places = self._overlaps(text)
        if not len(indices):
            return None
        best = int(np.argmax(scores))
        index = int(indices[best])
        run = self._run_length(int(self._lengths[index]))
        covered: list[int] = []
        for place in places[slice(*np.searchsorted(places, self._starts[index : index + 2]))].tolist():
            if covered and place <= covered[-1]:
                covered[-1] = place + run
            else:
                covered += (place, place + run)
        return Match(self._owners[index], float(scores[best]), False, tuple(covered))

    def equal_to(self, text: str) -> list[int]:
        """The indices of all examples that a document equals, white space and case aside."""
        return [self._owners[index] for index in self._equal.get(_digest(text), ())]

    def sharing_with(self, text: str) -> list[int]:
        """The indices of all examples that a document covers enough of."""
        return [self._owners[index] for index in self._overlaps(text)[0].tolist()]

    def shared_words(self, match: Match) -> str:
        """The covered words of a match in one line, `…` where others stand between them."""
        ends = iter(match.covered)
        runs = (self._words[start:end].tolist() for start, end in zip(ends, ends, strict=True))
        return " … ".join(" ".join(self._spelt[number - 1] for number in run) for run in runs)

    def _overlaps(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """The texts covered enough, ascending; their scores; and the places of all shared runs, ascending."""
        places = self._shared(text)
        if not len(places):
            return places, np.zeros(0), places
        owners = np.searchsorted(self._starts, places, side="right") - 1
        run = np.minimum(self._lengths[owners], self._rule.run)
        fresh = run.copy()  # the words of a run that the run before it in the text does not cover
        same = owners[1:] == owners[:-1]
        fresh[1:][same] = np.minimum(np.diff(places)[same], run[1:][same])
        indices, firsts = np.unique(owners, return_index=True)
        lengths = self._lengths[indices]
        scores = np.add.reduceat(fresh, firsts) / lengths
        short = (lengths <= WHOLE) & (self._rule.share > 0)
        enough = (scores > self._rule.share) & ((scores == 1) | ~short)
        return indices[enough], scores[enough], places

    def _shared(self, text: str) -> NDArray[np.int64]:
        """Where the runs that a document shares begin among the words of all examples, ascending."""
        shared: set[int] = set()
        if self._runs:
            numbers = _numbered(text, self._numbers)
            for length in self._run_lengths:
                shared.update(
                    number for run in _windows(numbers, length) if (number := self._runs.get(run)) is not None
                )
        found = [self._places[self._bounds[number] : self._bounds[number + 1]] for number in shared]
        return np.sort(np.concatenate([np.zeros(0, np.int64), *found]))


def words(text: str) -> list[str]:
    """A text's words, in lower case.

    Example:
        >>> words("Don't panic: 数学 is_fun")
        ['don', 't', 'panic', '数', '学', 'is', 'fun']
    """
    return _WORD.findall(text.lower())


def _windows(numbers: NDArray[np.uint32], length: int) -> Iterator[bytes]:
    """All runs of so many numbers, as bytes; none of length 0."""
    data, width = numbers.tobytes(), 4 * length
    return (data[start : start + width] for start in range(0, len(data) - width + 1 if width else 0, 4))


def _words(text: str) -> list[str]:
    """The words by which texts are compared."""
    return words(_one_form(text))


def _numbered(text: str, numbers: Mapping[str, int]) -> NDArray[np.uint32]:
    """A document's words by their numbers; 0 for those that no example has."""
    return np.fromiter((numbers.get(word, 0) for word in _words(text)), np.uint32)


def _one_form(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _digest(text: str) -> bytes:
    return blake2b(" ".join(_one_form(text).lower().split()).encode(), digest_size=16).digest()


class Verbatim:
    """Examples, to be asked whether a document is or holds one of them whole; memory goes with their words.

    Args:
        examples: their texts.
    """

    def __init__(self, examples: Iterable[str]) -> None:
        self._equal: set[bytes] = set()
        self._numbers: dict[str, int] = {}
        # The examples by their first words, all as the bytes of words' numbers.
        self._by_head: dict[bytes, set[bytes]] = {}
        for text in examples:
            self._equal.add(_digest(text))
            found = _words(text)
            if len(found) >= SHORTEST:
                numbers = (self._numbers.setdefault(word, len(self._numbers) + 1) for word in found)
                whole = np.fromiter(numbers, np.uint32).tobytes()
                self._by_head.setdefault(whole[: 4 * _HEAD], set()).add(whole)
        self._head_lengths = sorted({len(head) // 4 for head in self._by_head})

    def equals(self, text: str) -> bool:
        """Whether a document equals an example, white space and case aside."""
        return _digest(text) in self._equal

    def contains(self, text: str) -> bool:
        """Whether a document holds all words of an example in a row, if those are `SHORTEST` or more."""
        if not self._by_head:
            return False
        numbers = _numbered(text, self._numbers)
        data = numbers.tobytes()
        return any(
            data.startswith(whole, 4 * place)
            for length in self._head_lengths
            for place, head in enumerate(_windows(numbers, length))
            for whole in self._by_head.get(head, ())
        )
