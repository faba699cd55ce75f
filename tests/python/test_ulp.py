"""Distances between floating point numbers."""

import numpy as np
import pytest

from spinney.ulp import largest_difference, ulp_distance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances(dtype):
    tiny = np.nextafter(dtype(0), dtype(1))
    largest = np.finfo(dtype).max
    left = np.array([1, 0.0, tiny, -1, np.nan, np.nan, largest], dtype)
    right = np.array([np.nextafter(dtype(1), dtype(2)), -0.0, -tiny, -1, np.nan, 1, np.inf], dtype)
    far = np.iinfo(np.uint64).max
    assert ulp_distance(left, right).tolist() == [1, 0, 2, 0, 0, far, 1]


def test_extremes_do_not_overflow():
    distance = ulp_distance(np.array([-np.inf]), np.array([np.inf]))
    assert distance[0] == 2 * 0x7FF0000000000000


def test_largest_difference_looks_at_shape_dtype_and_labels():
    assert largest_difference(np.ones(3), np.ones(3)) == 0
    assert largest_difference(np.ones(3), np.ones((3, 1))) is None
    assert largest_difference(np.ones(3, np.float32), np.ones(3)) is None
    assert largest_difference(np.array(["a"]), np.array(["b"])) is None
    assert largest_difference(np.array(["a"]), np.array(["a"])) == 0
    assert largest_difference(np.ones(0), np.ones(0)) == 0


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="expected two float32"):
        ulp_distance(np.ones(2), np.ones(2, np.float32))
