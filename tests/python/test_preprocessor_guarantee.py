"""partial_fit is all or nothing: after an error everything is as it was."""

from __future__ import annotations

import numpy as np
import pytest

from modules.engine.data_preprocessor import (
    DataPreprocessor,
    PreprocessingError,
    StatisticsError,
)

FAR_APART = np.array([1.7e308, -1.7e308, 1.7e308])[:, None] * np.ones(3)
OPTIONS = [
    {},
    {"normalization": "minmax"},
    {"normalization": "robust"},
    {"normalization": "quantile"},
    {"nan_strategy": "median"},
    {"nan_strategy": "most_frequent"},
    {"detect_outliers": True, "outlier_method": "zscore", "outlier_handling": "mean"},
]


def state_of(preprocessor, path):
    preprocessor.serialize(path)
    return path.read_bytes()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    "bad",
    [FAR_APART, np.ones((2, 4)), [["a", "b", "c"]], np.ones((2, 3, 1)), None],
    ids=["far apart", "four columns", "text", "three dimensions", "None"],
)
def test_rows_that_are_refused_leave_no_trace(options, bad, tmp_path):
    if bad is FAR_APART and options.get("normalization") in ("robust", "quantile"):
        pytest.skip("the quantiles of so few large values among others are finite")
    rows = np.random.default_rng(1).normal(size=(300, 3))
    one = DataPreprocessor(options).partial_fit(rows[:200])
    before = state_of(one, tmp_path / "before")
    with pytest.raises(PreprocessingError):
        one.partial_fit(bad)
    assert state_of(one, tmp_path / "after") == before
    # And it goes on as one that never saw them.
    one.partial_fit(rows[200:])
    other = DataPreprocessor(options).partial_fit(rows[:200]).partial_fit(rows[200:])
    np.testing.assert_array_equal(one.transform(rows), other.transform(rows))


def test_names_that_do_not_fit_leave_no_trace(tmp_path):
    one = DataPreprocessor().partial_fit(np.ones((2, 2)), feature_names=["a", "b"])
    before = state_of(one, tmp_path / "before")
    with pytest.raises(PreprocessingError):
        one.partial_fit(np.ones((2, 2)) * 9, feature_names=["b", "a"])
    assert state_of(one, tmp_path / "after") == before


def test_a_merge_that_is_refused_leaves_no_trace(tmp_path):
    one = DataPreprocessor().partial_fit(FAR_APART[:1])
    before = state_of(one, tmp_path / "before")
    with pytest.raises(PreprocessingError):
        one.merge(DataPreprocessor().partial_fit(FAR_APART[1:2]))
    assert state_of(one, tmp_path / "after") == before


def test_the_first_rows_may_be_refused():
    one = DataPreprocessor()
    with pytest.raises(PreprocessingError):
        one.partial_fit(FAR_APART)
    rows = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(
        one.partial_fit(rows).transform(rows), DataPreprocessor().fit_transform(rows)
    )


def test_a_fit_in_the_middle_of_a_transform_leaves_no_stale_answer_in_the_cache():
    rows, other = np.random.default_rng(2).normal(size=(2, 400, 3))
    one = DataPreprocessor({"normalization": "quantile", "cache_enabled": True}).fit(rows)
    fitted = one._serving.fitted

    class Interrupted:
        def __getattr__(self, name):
            return getattr(fitted, name)

        def transform(self, *arguments):
            one.fit(other * 100)  # as if another thread did
            return fitted.transform(*arguments)

    one._serving.fitted = Interrupted()
    before = one.transform(rows)
    after = one.transform(rows)
    expected = DataPreprocessor({"normalization": "quantile"}).fit(other * 100).transform(rows)
    np.testing.assert_array_equal(after, expected)
    assert not np.array_equal(before, after)
    assert one.get_performance_metrics()["cache_hits"] == 0


def test_rows_that_change_in_the_middle_of_a_transform_do_not_spoil_the_cache():
    rows = np.random.default_rng(3).normal(size=(400, 3))
    one = DataPreprocessor({"normalization": "quantile", "cache_enabled": True}).fit(rows)
    expected = one.transform(rows)
    one = DataPreprocessor({"normalization": "quantile", "cache_enabled": True}).fit(rows)
    fitted, given = one._serving.fitted, rows.copy()

    class Meddling:
        def __getattr__(self, name):
            return getattr(fitted, name)

        def transform(self, *arguments):
            given.fill(0)
            return fitted.transform(*arguments)

    one._serving.fitted = Meddling()
    np.testing.assert_array_equal(one.transform(given), expected)
    np.testing.assert_array_equal(one.transform(rows), expected)
    assert one.get_performance_metrics()["cache_hits"] == 1


class InterruptedAfter:
    """Statistics whose update ends with an interrupt, once the rows are taken."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def update(self, *arguments):
        self.inner.update(*arguments)
        raise KeyboardInterrupt


def test_an_interrupt_leaves_what_is_known_and_what_serves_in_agreement():
    rows = np.random.default_rng(4).normal(size=(60, 3))
    one = DataPreprocessor().fit(rows[:30])
    real = one._statistics
    one._statistics = InterruptedAfter(real)
    with pytest.raises(KeyboardInterrupt):
        one.partial_fit(rows[30:] * 7)
    one._statistics = real
    both = np.vstack([rows[:30], rows[30:] * 7])
    assert one.get_statistics()["n_samples"] == 60
    np.testing.assert_array_equal(
        one.transform(rows), DataPreprocessor().partial_fit(both).transform(rows)
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("name", ["custom_center_func", "custom_scale_func"])
def test_a_function_that_fails_leaves_what_was_fitted(name, error, tmp_path):
    rows = np.random.default_rng(5).normal(size=(30, 3))
    failing = []

    def function(column):
        if failing:
            raise error
        return float(np.ptp(column))

    one = DataPreprocessor({name: function}).fit(rows)
    before, answers = state_of(one, tmp_path / "before"), one.transform(rows)
    failing.append(True)
    with pytest.raises((KeyboardInterrupt, StatisticsError)):
        one.fit(rows * 3)
    assert state_of(one, tmp_path / "after") == before
    np.testing.assert_array_equal(one.transform(rows), answers)


def test_scales_and_forests_of_fit_are_not_lost_to_one_pass(tmp_path):
    """partial_fit and merge would put the normalization's own scales in their place."""
    rows = np.random.default_rng(6).normal(size=(50, 3))
    own = DataPreprocessor({"custom_center_func": np.min}).fit(rows)
    own.serialize(tmp_path / "own")
    kinds = [own, DataPreprocessor.deserialize(tmp_path / "own")]
    try:
        import sklearn  # noqa: F401
    except ImportError:
        pass
    else:
        forest = {"detect_outliers": True, "outlier_method": "isolation_forest"}
        kinds.append(DataPreprocessor(forest).fit(rows))
    for one in kinds:
        before, answers = state_of(one, tmp_path / "before"), one.transform(rows)
        with pytest.raises(StatisticsError, match=r"fit\(\) instead"):
            one.partial_fit(rows * 2)
        with pytest.raises(StatisticsError, match=r"fit\(\) instead"):
            one.merge(one)
        assert state_of(one, tmp_path / "after") == before
        np.testing.assert_array_equal(one.transform(rows), answers)


def test_one_that_is_merged_with_itself_has_seen_all_twice():
    rows = np.random.default_rng(7).normal(size=(5000, 2))
    options = {"normalization": "robust", "nan_strategy": "most_frequent", "sketch_size": 64}
    one = DataPreprocessor(options).partial_fit(rows)
    before = one.get_statistics()
    after = one.merge(one).get_statistics()
    assert after["n_samples"] == 10_000
    np.testing.assert_allclose(after["mean"], before["mean"], rtol=1e-12)
    assert (after["rank_error_max"] < 0.2).all()


def test_a_merge_that_is_refused_after_fit_still_serves():
    rows = np.random.default_rng(8).normal(size=(50, 2))
    one = DataPreprocessor({"normalization": "robust"}).fit(rows)
    answers = one.transform(rows)
    for _ in range(2):
        with pytest.raises(PreprocessingError, match="summaries"):
            one.merge(DataPreprocessor({"normalization": "robust"}).partial_fit(rows))
    np.testing.assert_array_equal(one.transform(rows), answers)
