"""pass@k: the probability that one of k samples passes."""

from __future__ import annotations

import math

from zipfit.errors import ZipfitError


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of the probability that at least one of k samples passes, from n samples of which c passed.

    1 - C(n-c, k) / C(n, k), equation 1 of Chen et al. 2021, as the product of 1 - k/i for i from n-c+1 to n.

    Raises:
        ZipfitError: not 0 <= c <= n or not 1 <= k <= n.

    Example:
        >>> round(pass_at_k(10, 3, 1), 3), round(pass_at_k(10, 3, 5), 3)
        (0.3, 0.917)
    """
    if not 0 <= c <= n:
        raise ZipfitError(f"of {n} samples {c} cannot have passed")
    if not 1 <= k <= n:
        raise ZipfitError(f"pass@{k} needs k of at least 1 and at least {k} samples of each problem, not {n}")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))
