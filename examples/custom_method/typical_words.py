"""A method of one's own: documents made of the words that the target uses more than the pool does."""

from collections import Counter
from dataclasses import dataclass

import numpy as np


@dataclass
class TypicalWords:
    """The mean, over a document's words, of log((target's share + s) / (pool's share + s)); s is `smoothing`.

    Words that the target and the pool use alike count nothing; those of the target count for it, the others against it.
    """

    smoothing: float = 1e-4

    def fit(self, target, pool):
        """Count the words of both."""
        wanted = Counter(word for text in target for word in text.split())
        there = Counter()
        for batch in pool:
            for text in batch:
                there.update(text.split())
        totals = wanted.total(), there.total()
        self._weights = {
            word: np.log((wanted[word] / totals[0] + self.smoothing) / (there[word] / totals[1] + self.smoothing))
            for word in wanted.keys() | there.keys()
        }
        return self

    def score(self, texts):
        """The mean weight of each text's words, shape (len(texts),); a text without words is the last of all."""
        return np.array([np.mean([self._weights[word] for word in text.split()] or [-np.inf]) for text in texts])
