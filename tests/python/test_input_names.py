"""Names of columns: numbered ones, several levels, and more of them than the model has."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from differential import assert_same
from spinney.preprocessing import DataPreprocessor

pandas = pytest.importorskip("pandas")
lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
ensemble = pytest.importorskip("sklearn.ensemble")
linear_model = pytest.importorskip("sklearn.linear_model")
NAMES = ["age", "height", "weight"]
X = np.random.default_rng(4).integers(0, 9, (300, 3)).astype(np.float64)
Y = X @ [1.0, 2.0, -3.0]
FRAME = pandas.DataFrame(X, columns=NAMES)
LIBRARIES = ["xgboost", "xgboost wrapper", "lightgbm", "lightgbm wrapper", "forest", "linear"]


def train(library, x):
    if library == "xgboost":
        return xgboost.train({}, xgboost.DMatrix(x, Y), 5)
    if library == "lightgbm":
        return lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, Y), 5)
    return {
        "xgboost wrapper": xgboost.XGBRegressor(n_estimators=5),
        "lightgbm wrapper": lightgbm.LGBMRegressor(n_estimators=5, verbose=-1),
        "forest": ensemble.RandomForestRegressor(3, random_state=0),
        "linear": linear_model.LinearRegression(),
    }[library].fit(x, Y)


def answer(theirs, x):
    return theirs.predict(xgboost.DMatrix(x) if isinstance(theirs, xgboost.Booster) else x)


def same(library, given, expected):
    if library == "linear":
        np.testing.assert_allclose(given, expected, rtol=1e-12, atol=1e-12)
    else:
        assert_same(given, expected)


NUMBERED = {
    "range": pandas.DataFrame(X),
    "integers": pandas.DataFrame(dict(enumerate(X.T))),
    "rows": pandas.DataFrame(X.tolist()),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("trained_on", ["array", "names", "numbers"])
@pytest.mark.parametrize("kind", NUMBERED)
def test_numbered_columns_go_by_position_but_to_xgboost(library, trained_on, kind):
    x = {"array": X, "names": FRAME, "numbers": pandas.DataFrame(X)}[trained_on]
    theirs = train(library, x)
    model = spinney.load(theirs)
    given = NUMBERED[kind].iloc[:9]
    if library.startswith("xgboost") and trained_on == "names":
        with pytest.raises(ValueError, match="feature_names mismatch"):
            answer(theirs, given)
        with pytest.raises(spinney.InvalidInputError, match=r"lacks 'age'.* and has '0'"):
            model.predict(given)
        return
    same(library, model.predict(given), answer(theirs, given))
    same(library, model.predict(given), answer(train(library, X), X[:9]))
    with pytest.raises(spinney.InvalidInputError, match="4 columns"):
        spinney.load(train(library, X)).predict(pandas.DataFrame(np.ones((2, 4))))


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_in_another_order_are_names(library):
    model = spinney.load(train(library, FRAME))
    with pytest.raises(spinney.InvalidInputError, match="lacks 'age'"):
        model.predict(pandas.DataFrame(X)[[2, 0, 1]])


@pytest.mark.parametrize("library", ["xgboost", "xgboost wrapper", "forest", "linear"])
def test_several_levels_of_names(library):
    """XGBoost joins them with a space, scikit-learn keeps none. LightGBM refuses to train."""
    frame = FRAME.copy()
    frame.columns = pandas.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", 3)])
    theirs = train(library, frame)
    model = spinney.load(theirs)
    same(library, model.predict(frame[:9]), answer(theirs, frame[:9]))
    if library.startswith("xgboost"):
        assert model.feature_names == ["a x", "a y", "b 3"]
        turned = frame[[("b", 3), ("a", "x"), ("a", "y")]]
        assert_same(model.predict(turned[:9]), answer(theirs, frame[:9]))
        flat = FRAME.set_axis(model.feature_names, axis=1)
        assert_same(model.predict(flat[:9]), answer(theirs, frame[:9]))
        with pytest.raises(spinney.InvalidInputError, match="lacks 'b 3' and has 'b 4'"):
            model.predict(frame.rename(columns={3: 4}))


def wider(frame):
    """Columns that the model does not have, which are read by nobody: no numbers, twice, dates."""
    wide = frame.assign(id=[f"n{i}" for i in range(len(frame))], when=pandas.Timestamp(0))
    wide = pandas.concat([wide, wide[["id"]], wide[["when"]] + pandas.Timedelta(1)], axis=1)
    return wide[["id", "weight", "when", "age", "height"]]


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_that_the_model_does_not_know_are_left_out(library):
    """As the command line does; the libraries refuse a frame that has more."""
    theirs = train(library, FRAME)
    model = spinney.load(theirs)
    expected = answer(theirs, FRAME[:9])
    wide = wider(FRAME[:9])
    with pytest.raises(Exception):  # noqa: B017 (each library has its own)
        answer(theirs, wide)
    same(library, model.predict(wide), expected)
    plain = FRAME[:9].assign(extra=1.5)
    for given in (plain, plain[["extra", *NAMES]], plain.astype({"age": int, "extra": bool})):
        same(library, model.predict(given), expected)
        same(library, model.predict(given.to_records(index=False)), expected)
        same(library, model.predict(list(given.itertuples())), expected)
    for make in (pytest.importorskip("polars").DataFrame, arrow):
        same(library, model.predict(make(plain)), expected)
    with pytest.raises(spinney.InvalidInputError, match=r"lacks 'age' and has .*'id'"):
        model.predict(wide.drop(columns="age"))
    with pytest.raises(spinney.InvalidInputError, match="more than one column named 'age'"):
        model.predict(pandas.concat([wide, wide[["age"]]], axis=1))


def arrow(frame):
    return pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)


@pytest.mark.parametrize("extra", [2.5, True, 7])
def test_what_is_left_out_changes_no_type(extra):
    """Integers beyond a double's: alone they are rounded to float32 at once."""
    ids = pandas.DataFrame({"id": 2**60 + 2**36 + np.array([1, -1, 2**36 - 1])})
    fit = pandas.DataFrame({"id": [2**60, 2**60 + 2**37] * 20})
    theirs = ensemble.RandomForestRegressor(3, random_state=0).fit(fit, np.arange(40) % 2)
    model = spinney.load(theirs)
    assert_same(model.predict(ids.assign(extra=extra)), theirs.predict(ids))
    fit = fit.astype(np.float32)
    linear = spinney.load(linear_model.LinearRegression().fit(fit, fit["id"] * 2))
    narrow = fit[:3]
    assert linear.predict(narrow).dtype == np.float32
    assert_same(linear.predict(narrow.assign(extra=extra)), linear.predict(narrow))


def test_categories_beside_columns_that_are_left_out():
    frame = pandas.DataFrame(
        {"size": X[:, 0], "colour": pandas.Categorical(["red", "green", "blue"] * 100)}
    )
    y = X[:, 0] + np.arange(300) % 3
    lgb = lightgbm.LGBMRegressor(n_estimators=5, min_child_samples=2, verbose=-1).fit(frame, y)
    xgb = xgboost.XGBRegressor(n_estimators=5, enable_categorical=True).fit(frame, y)
    other = pandas.Categorical(["x", "y", "z"] * 100)
    for theirs in (lgb, xgb):
        wide = frame.assign(kind=other)[["kind", "colour", "size"]]
        assert_same(spinney.load(theirs).predict(wide), theirs.predict(frame))


def test_the_preprocessor_leaves_columns_out_as_well():
    fitted = DataPreprocessor().fit(FRAME)
    expected = fitted.transform(FRAME)
    np.testing.assert_array_equal(fitted.transform(FRAME.assign(more=1.0)), expected)
