from __future__ import annotations

import hashlib
import math
import sys
from decimal import Decimal, localcontext

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zipfit.system.logarithm import natural_log


def exact(x):
    with localcontext() as context:
        context.prec = 40
        return Decimal(x).ln()


@given(st.floats(sys.float_info.min, sys.float_info.max))
def test_it_is_the_logarithm(x):
    found, true = float(natural_log(x)), exact(x)
    assert abs(Decimal(found) - true) <= 2 * Decimal(math.ulp(float(true)))


def test_it_is_so_near_to_one_and_in_any_shape():
    near = 1 + np.arange(-2000, 2000).reshape(4, 20, 50) * 2.0**-52
    found = natural_log(near)
    assert found.shape == near.shape
    for x, log in zip(near.ravel().tolist(), found.ravel().tolist(), strict=True):
        assert abs(Decimal(log) - exact(x)) <= 2 * Decimal(math.ulp(float(exact(x))))
    assert natural_log([]).shape == (0,)


def test_its_bits_are_these_on_every_machine():
    values = np.random.Generator(np.random.PCG64(0)).random(200_000) + 1e-8
    found = natural_log(values)
    assert hashlib.sha256(found.astype("<f8").tobytes()).hexdigest()[:16] == "eb820eea2f57561f"
