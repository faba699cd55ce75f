"""Spinney differs from the training library where docs/exactness.md says so, and in that way."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest, RandomForestRegressor

import spinney
from differential import assert_same

# Of numpy, on sums over rows with infinities of both signs.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning")

lightgbm = pytest.importorskip("lightgbm")
sparse = pytest.importorskip("scipy.sparse")
xgboost = pytest.importorskip("xgboost")


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(400, 4))


@pytest.mark.parametrize("order", [">f4", ">f8", ">i4"])
def test_big_endian_arrays_are_read_as_their_numbers(x, order):
    rows = np.round(10 * x).astype(order)
    native = rows.astype(rows.dtype.newbyteorder("="))
    fitted = xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(native, x[:, 0])
    assert_same(spinney.load(fitted).predict(rows), fitted.predict(native))


def trained(x):
    """(fitted object, Model, what it answers) of each library, on a frame of named columns."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, columns=["a", "b", "c d", "e"])
    target = x[:, 0] + 3 * x[:, 1]
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(frame, target), 9)
    for fitted in (
        booster,
        lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1).fit(frame, target),
        xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(frame, target),
        HistGradientBoostingRegressor(max_iter=5).fit(frame, target),
        RandomForestRegressor(5, random_state=0).fit(frame, target),
    ):
        yield frame, fitted, spinney.load(fitted)


def test_frames_in_another_order_go_by_name(x):
    for frame, fitted, model in trained(x):
        turned = frame[["e", "c d", "a", "b"]]
        expected = fitted.predict(frame)
        assert_same(model.predict(turned), expected)
        if "lightgbm" in type(fitted).__module__:  # by position, with columns that are others
            plain = fitted.predict(turned.to_numpy())
            assert_same(np.asarray(fitted.predict(turned, validate_features=False)), plain)
            assert not np.array_equal(plain, expected)
        else:
            with pytest.raises(ValueError, match=r"(?i)feature"):
                fitted.predict(turned)
        for other in (frame.rename(columns={"e": "f"}), frame[["a", "b", "e"]]):
            with pytest.raises(spinney.InvalidInputError, match=r"the frame lacks 'e|'c"):
                model.predict(other)


def test_rows_with_labels_go_by_these(x):
    for frame, fitted, model in trained(x):
        turned = frame[["e", "c d", "a", "b"]]
        rows = [turned.iloc[i] for i in range(5)]
        assert_same(model.predict(rows), fitted.predict(frame[:5]))


def test_masked_cells_are_missing(x):
    masked = np.ma.masked_array(x, mask=np.abs(x) > 1)
    filled = masked.filled(np.nan)
    for frame, fitted, model in trained(x):
        if isinstance(fitted, RandomForestRegressor):
            continue  # which refuses missing values in its older versions
        names = frame.columns
        holes = fitted.predict(type(frame)(filled, columns=names))
        assert_same(model.predict(masked), holes)
        if "xgboost" not in type(fitted).__module__:  # what it does varies with its version
            beneath = np.asarray(fitted.predict(masked))
            assert not np.array_equal(beneath, holes)
            assert_same(beneath, fitted.predict(x))


def test_nulls_are_missing_to_all_alike(x):
    whole = np.round(10 * x)
    for frame, fitted, model in trained(whole):
        if isinstance(fitted, RandomForestRegressor):
            continue
        frame = frame.mask(frame > 9)
        nullable = frame.astype({"a": "Int64", "b": "Float64", "c d": "Int16"})
        expected = fitted.predict(frame)
        assert_same(model.predict(nullable), expected)
        try:
            theirs = fitted.predict(nullable)
        except (TypeError, ValueError):
            continue  # older versions take no nullable columns
        assert_same(np.asarray(theirs), expected)


def test_tiny_numbers_in_sparse_rows_count_as_zero(x):
    rows = np.where(np.abs(x) < 1, 0, x)
    data = lightgbm.Dataset(rows, x[:, 0])
    booster = lightgbm.train({"verbose": -1, "num_threads": 1, "zero_as_missing": True}, data, 9)
    tiny = np.where(rows == 0, 1e-36, rows)
    given = spinney.load(booster).predict(sparse.csr_matrix(tiny))
    assert_same(given, booster.predict(tiny))
    assert_same(given, booster.predict(sparse.csr_matrix(rows)))


def test_nan_in_sparse_rows_goes_where_it_goes_in_dense_ones(x):
    rows = x.copy()
    rows[::3, 1] = np.nan
    try:
        fitted = IsolationForest(n_estimators=9, random_state=0).fit(rows)
    except ValueError as error:  # older versions of scikit-learn
        if "NaN" not in str(error):
            raise
        pytest.skip(f"this scikit-learn's isolation forests refuse it: {error}")
    model = spinney.load(fitted)
    assert_same(model.predict_raw(sparse.csr_matrix(rows)), model.predict_raw(rows))


def test_a_cell_given_twice_fills_no_other(x):
    """XGBoost counts the entries of a sparse row to tell whether any cell is missing."""
    holes = np.where(x > 1, np.nan, x)
    fitted = xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(holes, np.nansum(holes, axis=1))
    model = spinney.load(fitted)
    cells, begin = [0, 1, 2, 2], [0, 4]
    differ = 0
    for values in x[:50]:
        full = sparse.csr_matrix((values, cells, begin), shape=(1, 4))
        dense = np.array([[values[0], values[1], values[3], np.nan]])
        assert_same(model.predict(full), fitted.predict(dense))
        differ += fitted.predict(full)[0] != model.predict(full)[0]
    assert differ


def test_histogram_boosting_reads_sparse_rows(x):
    rows = np.where(np.abs(x) < 1, 0, x)
    fitted = HistGradientBoostingRegressor(max_iter=5).fit(rows, x[:, 0])
    with pytest.raises(TypeError):
        fitted.predict(sparse.csr_matrix(rows))
    assert_same(spinney.load(fitted).predict(sparse.csr_matrix(rows)), fitted.predict(rows))


def test_a_single_class_has_two_columns(x):
    fitted = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(x, np.zeros(len(x), dtype=int))
    model = spinney.load(fitted)
    assert fitted.classes_.tolist() == [0]
    assert model.classes_.tolist() == [0, 1]
    assert_same(model.predict(x), fitted.predict(x))
    assert_same(model.predict_proba(x), fitted.predict_proba(x))


def test_infinities_are_scored_unless_strict(x):
    fitted = RandomForestRegressor(5, random_state=0).fit(x, x[:, 0])
    model = spinney.load(fitted)
    rows = x[:5].copy()
    rows[0, 0], rows[1, 1] = np.inf, -np.inf
    with pytest.raises(ValueError, match="infinity"):
        fitted.predict(rows)
    huge = np.clip(rows, -3e38, 3e38)  # the same side of every threshold
    assert_same(model.predict_raw(rows), model.predict_raw(huge))
    with pytest.raises(spinney.InvalidInputError, match="strict"):
        model.predict(rows, strict=True)
