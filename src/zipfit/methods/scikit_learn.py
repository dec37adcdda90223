"""A method as an estimator of scikit-learn, for pipelines, cross-validation and searches over options.

Its interface is that of `sklearn.neighbors.KernelDensity`: fitted to examples, it scores samples by how well they fit.
Needs scikit-learn (1.6, the extra `sklearn`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError, need, needing
from zipfit.methods.base import calling, is_scorer, scores_of
from zipfit.methods.registry import build_method, check_method, short_name
from zipfit.system.texts import Texts

with needing("an estimator of scikit-learn", "sklearn"):
    from sklearn.base import BaseEstimator, clone
    from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Scorer


class TextScorer(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Scores texts by how well they fit the texts that it was fitted to: a task's examples.

    Args:
        method: a name, or a method as an object, which stays as it is: `fit` works on a copy. One that scores each text
            on its own and needs no pool: `zipfit`, but by turns, `gain`, or your own. The options of a method that has
            `get_params` can be searched, as `method__level`.

    Attributes:
        method_: the fitted method.

    Example:
        >>> scorer = TextScorer("zipfit").fit(["def add(a, b): return a + b"])
        >>> scorer.score_samples(["def sub(a, b): return a - b", "To be or not to be, that is the question"]).round(2)
        array([0.77, 0.41])
    """

    def __init__(self, method: str | Scorer = "zipfit") -> None:
        self.method = method

    def fit(self, X: Sequence[str], y: object = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's signature
        """Learn the task's n examples and return self.

        Args:
            X: texts, shape (n,): a list, a series, an array of one dimension.
            y: nothing.

        Raises:
            ZipfitError: X holds anything but texts, or none; the method ranks the pool as a whole; or as its own `fit`.
        """
        method = build_method(self.method, {}) if isinstance(self.method, str) else clone(self.method, safe=False)
        check_method(method)
        if not is_scorer(method):
            raise ZipfitError(f"{short_name(method)} ranks a pool and scores no text on its own: use zipfit.select")
        with calling(method, "fit"):
            self.method_ = method.fit(_texts(X))
        return self

    def score_samples(self, X: Sequence[str]) -> NDArray[np.float64]:  # noqa: N803
        """Return the score of each text, shape (n,); higher fits better.

        Raises:
            NotFittedError: called before `fit`.
            ZipfitError: X holds anything but texts.
        """
        check_is_fitted(self)
        return scores_of(self.method_, _texts(X))

    def score(self, X: Sequence[str], y: object = None) -> float:  # noqa: ARG002, N803
        """Return the mean score of the texts, which cross-validation compares; raises as `score_samples`."""
        scores = self.score_samples(X)
        need(len(scores) > 0, "there are no texts to take the mean score of")
        return math.fsum(scores) / len(scores)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags


def _texts(given: Sequence[str]) -> Texts:
    """A batch of what may be a list, a series or an array.

    Raises:
        ZipfitError: it is one text, a frame or a mapping, of which Python would take the letters or the names, or holds
            anything but texts.
    """
    need(
        not isinstance(given, (str, bytes, Mapping)) and getattr(given, "ndim", 1) == 1,
        f"X must be texts, one an entry, not a {type(given).__name__}: give a list, or one column of a frame",
    )
    return Texts.of(given)
