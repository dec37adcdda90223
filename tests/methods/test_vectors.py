from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zipfit.errors import ZipfitError
from zipfit.methods import vectors as module
from zipfit.methods.vectors import GRID, cosines, unit

MATRICES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 12), st.integers(1, 9)),
    elements=st.floats(-1, 1, width=32) | st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(MATRICES)
def test_unit_vectors_have_length_one_and_lie_on_the_grid(matrix):
    result = unit(matrix)
    assert result.dtype == np.float32
    steps = result.astype(np.float64) / GRID
    assert (steps == np.rint(steps)).all()
    lengths = np.linalg.norm(result.astype(np.float64), axis=1)
    empty = (matrix == 0).all(axis=1)
    assert np.allclose(lengths[~empty], 1, atol=1e-6)
    assert (lengths[empty] == 0).all()
    exact = matrix.astype(np.float64)
    exact[~empty] /= np.linalg.norm(exact[~empty], axis=1, keepdims=True)
    assert np.allclose(result, exact, rtol=0, atol=GRID)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 700), st.integers(0, 9), st.integers(0, 5), st.integers(1, 4))
def test_cosines_are_exact_in_any_blocks(seed, dimension, count, others, block):
    generator = np.random.default_rng(seed)
    matrix = unit(generator.standard_normal((10, dimension)))
    against = unit(generator.standard_normal((others, dimension)))
    rows = generator.integers(0, 10, count)
    found = np.zeros((count, others))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        for piece, values in cosines(matrix, rows, against):
            found[piece] = values
    steps, other_steps = (
        np.rint(m.astype(np.float64) / GRID).astype(np.int64).astype(object) for m in (matrix, against)
    )
    exact = steps[rows] @ other_steps.T  # integers of Python, in units of GRID**2
    assert ((found / GRID**2).astype(object) == exact).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(value):
    with pytest.raises(ZipfitError, match="not finite"):
        unit(np.array([1.0, value]))
