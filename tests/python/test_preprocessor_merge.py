"""Joining what two preprocessors have seen, and writing into the rows themselves."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from modules.engine.data_preprocessor import DataPreprocessor, PreprocessingError


def seen(names, values, options=None):
    rows = np.array([values, np.array(values) * 2.0])
    return DataPreprocessor(options).partial_fit(rows, feature_names=names)


def test_columns_in_another_order_are_not_mixed():
    with pytest.raises(PreprocessingError, match="columns"):
        seen(["a", "b"], [1.0, 100.0]).merge(seen(["b", "a"], [100.0, 1.0]))


def test_other_configurations_and_other_things_are_refused():
    one = seen(["a"], [1.0])
    with pytest.raises(PreprocessingError, match="normalization"):
        one.merge(seen(["a"], [1.0], {"normalization": "minmax"}))
    with pytest.raises(PreprocessingError, match="NoneType"):
        one.merge(None)
    assert one.get_statistics()["n_samples"] == 2


def test_options_of_the_run_may_differ():
    one = seen(["a"], [1.0]).merge(seen(["a"], [3.0], {"cache_size": 7, "n_jobs": 2}))
    assert one.get_statistics()["n_samples"] == 4
    assert one.get_statistics()["mean"].tolist() == [3.0]


def test_two_that_merge_each_other_do_not_wait_forever():
    one, two = seen(["a"], [1.0]), seen(["a"], [2.0])
    pairs = [(one, two), (two, one)]

    def merge(a, b):
        for _ in range(10):
            a.merge(b)

    threads = [threading.Thread(target=merge, args=pair, daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("shape, strides", [((4, 3), (8, 8)), ((4, 3), (0, 8)), ((4, 3), (16, 8))])
def test_rows_that_share_memory_are_not_written_in_place(shape, strides):
    preprocessor = DataPreprocessor().fit(np.random.default_rng(0).normal(size=(9, 3)))
    memory = np.random.default_rng(1).normal(size=16)
    rows = np.lib.stride_tricks.as_strided(memory, shape, strides)
    before, expected = memory.copy(), preprocessor.transform(rows.copy())
    assert np.array_equal(preprocessor.transform(rows, copy=False), expected)
    assert np.array_equal(memory, before)
    assert np.array_equal(
        preprocessor.reverse_transform(rows, copy=False),
        preprocessor.reverse_transform(rows.copy()),
    )


@pytest.mark.parametrize("take", [slice(None), slice(None, None, -1), slice(None, None, 2)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_that_lie_apart_are_written_in_place(take, order):
    preprocessor = DataPreprocessor().fit(np.random.default_rng(0).normal(size=(9, 3)))
    memory = np.array(np.random.default_rng(1).normal(size=(8, 3)), order=order)
    rows = memory[take, ::-1]
    expected = preprocessor.transform(rows.copy())
    assert preprocessor.transform(rows, copy=False) is rows
    assert np.array_equal(rows, expected)


def test_quantiles_between_denormals_give_numbers():
    x = np.array([[5e-324], [0.0], [1e-323]])
    answers = DataPreprocessor({"normalization": "quantile"}).fit_transform(x)
    assert answers[:, 0].tolist() == [0.5, 0.0, 1.0]


def test_what_partial_fit_learnt_is_made_use_of_by_whatever_asks_first(tmp_path):
    rows = np.random.default_rng(2).normal(size=(40, 3))

    def learnt():
        preprocessor = DataPreprocessor({"normalization": "robust"}).fit(rows * 5.0 + 1.0)
        preprocessor.reset()
        for part in np.array_split(rows, 8):
            preprocessor.partial_fit(part)
        return preprocessor

    expected = DataPreprocessor({"normalization": "robust"}).fit(rows).transform(rows)
    assert np.array_equal(learnt().transform(rows), expected)
    assert np.array_equal(learnt().transform(rows, copy=False), expected)
    rows = np.random.default_rng(2).normal(size=(40, 3))
    assert np.allclose(learnt().reverse_transform(expected), rows, rtol=1e-12, atol=1e-12)
    assert learnt().outlier_rows(rows).shape == (40,)
    assert learnt().get_statistics()["n_samples"] == 40
    learnt().serialize(tmp_path / "learnt.prep")
    again = DataPreprocessor.deserialize(tmp_path / "learnt.prep")
    assert np.array_equal(again.transform(rows), expected)
    both = learnt().merge(learnt())
    assert both.get_statistics()["n_samples"] == 80
    again = learnt()
    again.fit(rows + 1.0)
    assert again.get_statistics()["n_samples"] == 40
    again = learnt()
    again.reset()
    assert again.get_statistics() == {}
    with pytest.raises(PreprocessingError, match="not fitted"):
        again.transform(rows)


def test_rows_after_a_transform_change_the_next_one():
    preprocessor = DataPreprocessor({"normalization": "minmax"}).partial_fit(np.array([[0.0], [1]]))
    assert preprocessor.transform(np.array([[1.0]])).tolist() == [[1.0]]
    preprocessor.partial_fit(np.array([[4.0]]))
    assert preprocessor.transform(np.array([[1.0]])).tolist() == [[0.25]]
