"""Python models that answer a list of arrays, one a target, through every way in."""

from __future__ import annotations

import asyncio
import pickle

import numpy as np
import pytest

from spinney import InferenceEngine, ModelType

LONG = 60


def two_targets(rows):
    """Of each row two probabilities for one target and three for another."""
    first = np.asarray(rows)[:, 0].astype(float)
    return [
        np.stack([first, 1 - first], axis=1),
        np.stack([first, first / 2, 1 - first * 1.5], axis=1),
    ]


def assert_targets(found, expected):
    assert type(found) is list and len(found) == len(expected)
    for mine, theirs in zip(found, expected):
        assert type(mine) is np.ndarray and mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


@pytest.fixture(params=[False, True], ids=["once", "idempotent"])
def engine(request):
    with InferenceEngine() as engine:
        assert engine.load_model(two_targets, ModelType.CUSTOM, idempotent=request.param)
        yield engine


ROWS = np.random.default_rng(2).random((300, 3))
KINDS = {
    "float64": ROWS,
    "float32": ROWS.astype(np.float32),
    "integers": (ROWS * 100).astype(np.int16),
    "list": ROWS[:7].tolist(),
    "flat": ROWS[0],
    "one": ROWS[:1],
    "none": ROWS[:0],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_in_gives_the_same_list(engine, kind):
    rows = KINDS[kind]
    expected = two_targets(np.atleast_2d(rows))
    for _ in range(2):  # the second may be kept
        success, found, metadata = engine.predict(rows)
        assert success, metadata
        assert metadata["batch_size"] == len(expected[0])
        assert_targets(found, expected)
        future = engine.enqueue_prediction(rows)
        assert_targets(future.result(LONG), expected)
        assert future.metadata["batch_size"] == len(expected[0])
        assert_targets(engine.predict_batch([rows], LONG)[0][1], expected)
        assert_targets(asyncio.run(engine.predict_async(rows)), expected)


def test_a_batch_of_many_requests_is_cut_into_their_lists(engine):
    futures = [engine.enqueue_prediction(ROWS[i : i + 1 + i % 4]) for i in range(200)]
    for i, future in enumerate(futures):
        found = future.result(LONG)
        assert_targets(found, two_targets(ROWS[i : i + 1 + i % 4]))
        assert all(part.base is None for part in found)  # so that none keeps another's alive


def test_probabilities_of_several_targets_of_a_worker(tmp_path):
    neighbors = pytest.importorskip("sklearn.neighbors")
    y = np.stack([ROWS[:, 0] > 0.5, np.digitize(ROWS[:, 1], [0.3, 0.6])], axis=1).astype(int)
    theirs = neighbors.KNeighborsClassifier(3).fit(ROWS, y)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(theirs))
    with InferenceEngine({"return_probabilities": True}) as engine:
        assert engine.load_model(path, allowed_classes=["sklearn.*"]), engine.last_error
        expected = theirs.predict_proba(ROWS[:9])
        assert_targets(engine.predict(ROWS[:9])[1], expected)
        assert_targets(engine.enqueue_prediction(ROWS[:9]).result(LONG), expected)


def test_lists_that_are_no_answer_fail():
    def no_target(rows):
        return []

    def too_short(rows):
        return [np.zeros(len(rows)), np.zeros(len(rows) + 1)]

    with InferenceEngine() as engine:
        for function in (no_target, too_short):
            assert engine.load_model(function, name=function.__name__)
            success, _, metadata = engine.predict(ROWS[:3], function.__name__)
            assert not success and "3 rows" in metadata["error"]
            future = engine.enqueue_prediction(ROWS[:3], model=function.__name__)
            assert "3 rows" in str(future.exception(LONG))
