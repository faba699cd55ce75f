"""Rank keys: rows with equal keys have equal answers bit for bit; unsuitable models have none."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from spinney._core import RankKey


def related_rows(rows, random):
    """Each row, and copies of it with noise of many sizes in one column."""
    out = [rows]
    for scale in (1e-7, 1e-4, 1e-2, 1):
        copy = rows.copy()
        column = random.integers(0, rows.shape[1], len(rows))
        copy[np.arange(len(rows)), column] += random.normal(size=len(rows)) * scale
        out.append(copy.astype(rows.dtype))
    return np.concatenate(out)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("which", ["model", "xgboost_model"])
def test_equal_keys_are_equal_answers(which, dtype, request, training_data):
    model = request.getfixturevalue(which)
    key = RankKey.make(model)
    rows = related_rows(training_data[0].astype(dtype), np.random.default_rng(3))
    raw = model.predict_raw(rows)
    leaves = model.predict_leaf(rows)
    together = key.of(rows)
    assert len(together) == len(rows) * key.row_bytes
    groups = {}
    for r in range(len(rows)):
        one = key.of(rows[r : r + 1])
        assert one == together[r * key.row_bytes : (r + 1) * key.row_bytes]
        groups.setdefault(one, []).append(r)
    assert len(groups) < len(rows)  # some share a key, or this would prove nothing
    for members in groups.values():
        first = raw[members[0]].tobytes()
        assert all(raw[r].tobytes() == first for r in members)
        assert (leaves[members] == leaves[members[0]]).all()
    # Rows whose leaves differ have different keys.
    by_leaves = {}
    for one, members in groups.items():
        by_leaves.setdefault(leaves[members[0]].tobytes(), set()).add(one)
    assert sum(map(len, by_leaves.values())) == len(groups)


def test_frames_and_lists_have_the_array_s_key(model, training_data):
    key = RankKey.make(model)
    rows = training_data[0][:3].astype(np.float64)
    assert key.of(rows.tolist()) == key.of(rows) == key.of(np.asfortranarray(rows))


def test_sparse_rows_and_wrong_rows(model):
    sparse = pytest.importorskip("scipy.sparse")
    key = RankKey.make(model)
    assert key.of(sparse.csr_matrix(np.eye(10))) is None
    with pytest.raises(spinney.InvalidInputError):
        key.of(np.zeros((1, 3)))


def test_models_that_depend_on_more_than_ranks_have_no_key(tmp_path, training_data):
    lightgbm = pytest.importorskip("lightgbm")
    x, y = training_data
    parameters = {"objective": "regression", "verbose": -1, "num_threads": 1}
    data = lightgbm.Dataset(x, y, params={"linear_tree": True})
    booster = lightgbm.train({**parameters, "linear_tree": True}, data, 5)
    assert RankKey.make(spinney.Model.from_bytes(booster.model_to_string().encode())) is None
    xgboost = pytest.importorskip("xgboost")
    linear = xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(x, y), 3)
    assert RankKey.make(spinney.Model.from_bytes(bytes(linear.save_raw("json")))) is None
