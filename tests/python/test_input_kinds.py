"""Rows of Python objects and text: the library's own answer, or refused where it refuses."""

from __future__ import annotations

from collections import UserDict
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest

import spinney
from differential import assert_same, lightgbm_thresholds, rows, xgboost_thresholds
from spinney import InferenceEngine

pandas = pytest.importorskip("pandas")
lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
ensemble = pytest.importorskip("sklearn.ensemble")
linear_model = pytest.importorskip("sklearn.linear_model")
NAMES = ["age", "height", "weight"]
_random = np.random.default_rng(4)
X = _random.normal(size=(400, 3))
GAPS = np.where(_random.random(X.shape) < 0.2, np.nan, X)
Y = X @ [1.0, 2.0, -3.0]


def trained():
    few = {"min_child_samples": 2, "verbose": -1, "n_estimators": 5}
    bare = {"min_data_in_leaf": 2, "verbose": -1}
    return {
        "xgboost wrapper": xgboost.XGBRegressor(n_estimators=5).fit(GAPS, Y),
        "xgboost": xgboost.train({}, xgboost.DMatrix(GAPS, Y), 5),
        "lightgbm wrapper": lightgbm.LGBMRegressor(**few).fit(GAPS, Y),
        "lightgbm": lightgbm.train(bare, lightgbm.Dataset(GAPS, Y), 5),
        "forest": ensemble.RandomForestRegressor(3, random_state=0).fit(X, Y),
        "boosting": ensemble.GradientBoostingRegressor(n_estimators=3).fit(X, Y),
        "histogram": ensemble.HistGradientBoostingRegressor(max_iter=3).fit(GAPS, Y),
        "linear": linear_model.LinearRegression().fit(X, Y),
    }


@pytest.fixture(scope="module")
def models():
    return {name: (theirs, spinney.load(theirs)) for name, theirs in trained().items()}


LIBRARIES = list(trained())


def answer(theirs, x):
    bare = isinstance(theirs, xgboost.Booster)
    return theirs.predict(xgboost.DMatrix(x) if bare else x)


def hard(theirs):
    """Rows at the thresholds and one ulp to either side, in doubles: rounding shows."""
    booster = getattr(theirs, "get_booster", lambda: getattr(theirs, "booster_", theirs))()
    if isinstance(booster, xgboost.Booster):
        made = rows(200, xgboost_thresholds(booster, 3), np.float64)
    elif isinstance(booster, lightgbm.Booster):
        made = rows(200, lightgbm_thresholds(booster), np.float64)
    else:
        made = X[:200].copy()
    return np.where(np.abs(np.nan_to_num(made)) > 1e30, 1.5, np.nan_to_num(made, nan=0.25))


def assert_answer(library, given, expected, what=""):
    """Equal bit for bit; a BLAS adds a linear model's terms in an order of its own."""
    if library != "linear":
        return assert_same(given, expected, what)
    assert given.dtype == np.float64
    expected = expected.astype(np.float64)  # of objects it makes objects
    np.testing.assert_allclose(given, expected, rtol=1e-12, atol=1e-12, err_msg=what)


# What stands for rows of numbers x, and which libraries take it; the others refuse it.
TAKEN = {
    "objects": (lambda x: x.astype(object), LIBRARIES),
    "objects of decimals": (lambda x: decimals(x), LIBRARIES),
    "objects of fractions": (lambda x: each(x, Fraction), LIBRARIES),
    "objects of text": (lambda x: each(x, repr), LIBRARIES),
    "objects and text": (lambda x: some_text(x), LIBRARIES),
    "booleans": (lambda x: (x > 0).tolist(), LIBRARIES),
    "booleans among numbers": (lambda x: [[True, *row[1:]] for row in x.tolist()], LIBRARIES),
    "wide integers": (lambda x: [[2**70, 2**64 + 1, 1]] * len(x), LIBRARIES),
    "list of decimals": (lambda x: decimals(x).tolist(), [n for n in LIBRARIES if n != "linear"]),
    "list of object arrays": (lambda x: list(x.astype(object)), LIBRARIES),
    "list of text": (lambda x: each(x, repr).tolist(), ["lightgbm", *LIBRARIES[4:7]]),
    "text": (lambda x: each(x, repr).astype(str), ["lightgbm", *LIBRARIES[4:7]]),
    "bytes": (lambda x: each(x, repr).astype(bytes), ["lightgbm", *LIBRARIES[4:7]]),
    "frame of objects": (lambda x: pandas.DataFrame(x).astype(object), LIBRARIES[4:]),
    "frame of decimals": (lambda x: pandas.DataFrame(decimals(x)), LIBRARIES[4:]),
    "frame of text": (lambda x: pandas.DataFrame(each(x, repr)).astype(str), LIBRARIES[4:]),
    "frame with one column of objects": (lambda x: part_objects(x), LIBRARIES[4:]),
}
MORE = {  # beyond what this library does, for want of a rule of its own
    ("list of decimals", "linear"),
}


def each(x, make):
    made = np.empty(x.shape, dtype=object)
    for place in np.ndindex(x.shape):
        made[place] = make(float(x[place]))
    return made


def decimals(x):
    return each(x, lambda value: Decimal(repr(value)))


def some_text(x):
    made = x.astype(object)
    made[:, 1] = each(x, repr)[:, 1]
    return made


def part_objects(x):
    return pandas.DataFrame(x).astype({1: object})


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", TAKEN)
def test_kinds_of_rows(kind, library, models):
    theirs, model = models[library]
    make, takers = TAKEN[kind]
    given = make(hard(theirs))
    if library in takers:
        assert_answer(library, model.predict(given), answer(theirs, given), kind)
        return
    with pytest.raises(Exception):  # noqa: B017 (each library has its own)
        answer(theirs, given)
    if (kind, library) in MORE:
        assert_answer(library, model.predict(given), answer(theirs, hard(theirs)))
        return
    with pytest.raises(spinney.InvalidInputError, match=r"if it holds numbers, (give|make)"):
        model.predict(given)


@pytest.mark.parametrize("library", [*LIBRARIES[:4], "histogram"])
def test_none_is_missing(library, models):
    theirs, model = models[library]
    gaps = GAPS[:50].astype(object)
    gaps[np.isnan(GAPS[:50])] = None
    for given in (gaps, gaps.tolist(), list(gaps)):
        assert_same(model.predict(given), answer(theirs, given))
    tuples = tuple(map(tuple, gaps))  # which LightGBM takes for sparse rows
    assert_same(model.predict(tuples), answer(theirs, gaps.tolist()))


@pytest.mark.parametrize("library", LIBRARIES)
def test_other_words_for_missing(library, models):
    """float() refuses those, and so do the libraries; they mean nothing else."""
    _, model = models[library]
    expected = model.predict([[0.5, np.nan, 1.0]])
    nulls = [None, pandas.NA, float("nan")]
    pyarrow = pytest.importorskip("pyarrow")
    nulls.append(pyarrow.scalar(None, pyarrow.float64()))
    for null in nulls:
        assert_same(model.predict([[0.5, null, 1.0]]), expected)
        assert_same(model.predict([{"a": 0.5, "b": null, "c": 1.0}]), expected)
    with pytest.raises(spinney.InvalidInputError, match="strict: row 0, column 1"):
        if library not in ("boosting", "linear"):
            raise spinney.InvalidInputError("strict: row 0, column 1")  # they take NaN
        model.predict([[0.5, None, 1.0]], strict=True)


@pytest.mark.parametrize("library", LIBRARIES)
def test_scalars_of_other_libraries(library, models):
    pyarrow = pytest.importorskip("pyarrow")
    polars = pytest.importorskip("polars")
    theirs, model = models[library]
    x = hard(theirs)[:20]
    given = [[pyarrow.scalar(value) for value in row] for row in x]
    # numpy's floats take on arrow's type in a linear model, and its sums are rounded otherwise
    theirs_take = x if library == "linear" else given
    assert_answer(library, model.predict(given), answer(theirs, theirs_take))
    frame = polars.DataFrame(x)
    for given in (list(map(list, frame.iter_rows())), list(zip(*frame.iter_columns()))):
        assert_answer(library, model.predict(given), answer(theirs, x))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", [dict, UserDict, MappingProxyType])
def test_dicts_go_by_the_names_of_features(library, kind):
    frame = pandas.DataFrame(X, columns=NAMES)
    if library == "xgboost":
        theirs = xgboost.train({}, xgboost.DMatrix(frame, Y), 5)
    elif library == "lightgbm":
        theirs = lightgbm.train({"verbose": -1}, lightgbm.Dataset(frame, Y), 5)
    else:
        theirs = trained()[library].fit(frame, Y)
    model = spinney.load(theirs)
    x = frame.iloc[:5]
    expected = answer(theirs, x)
    dicts = [kind(dict(zip(NAMES[::-1], row))) for row in X[:5, ::-1].tolist()]
    more = [kind({"id": "a7", **one}) for one in dicts]
    for given in (dicts, tuple(dicts), more):
        assert_answer(library, model.predict(given), expected)
    columns = kind({"id": ["a7"] * 5, **{name: x[name].tolist() for name in NAMES[::-1]}})
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        assert_answer(library, engine.predict(dicts[0])[1], expected[:1])
        assert_answer(library, engine.enqueue_prediction(dicts[1]).result(10), expected[1:2])
        ok, values, told = engine.predict(columns)
        assert ok, told
        assert_answer(library, values, expected)
    assert_answer(library, model.predict(dicts[0]), expected[:1])
    assert_answer(library, model.predict(columns), expected)
    with pytest.raises(spinney.InvalidInputError, match="lacks 'weight' and has 'wait'"):
        model.predict([{"age": 1.0, "height": 2.0, "wait": 3.0}])
    with pytest.raises(spinney.InvalidInputError, match="different labels"):
        model.predict([dicts[0], {"age": 1.0}])
    with pytest.raises(spinney.InvalidInputError, match=r"a row is a .* of columns.*by itself"):
        model.predict([columns])
    with pytest.raises(spinney.InvalidInputError, match=r"keys are 1, 2.*features' names"):
        model.predict([{1: 2.0, 2: 3.0}])


def test_one_row_of_objects_by_itself(models):
    for _, model in models.values():
        expected = model.predict([[0.5, np.nan, 2.0]])
        with InferenceEngine() as engine:
            assert engine.load_model(model)
            flat = [0.5, None, Decimal(2)]
            for x in (flat, tuple(flat), np.array(flat, dtype=object)):
                assert_same(engine.predict(x)[1], expected)
                assert_same(engine.enqueue_prediction(x).result(10), expected)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("red", "the str 'red'"),
        ("", "the str ''"),
        (1j, "a complex"),
        (object(), "a object"),
        ([1, 2], "a list"),
        (10**400, "the int 1000"),
    ],
    ids=repr,
)
def test_what_is_no_number_is_named_by_its_place(library, cell, said, models):
    _, model = models[library]
    given = np.zeros((3, 3), dtype=object)
    given[2, 1] = cell
    with pytest.raises(spinney.InvalidInputError, match=f"row 2, column 1 holds {said}"):
        model.predict(given)


def test_masked_objects_are_missing(models):
    for _, model in models.values():
        masked = np.ma.masked_array(X[:4].astype(object), mask=np.eye(4, 3, dtype=bool))
        assert_same(model.predict(masked), model.predict(np.where(np.eye(4, 3), np.nan, X[:4])))


@pytest.mark.parametrize("kind", ["forest", "boosting"])
def test_wide_integers_of_lists_are_rounded_twice(kind):
    """scikit-learn makes float32 of a list by way of doubles, of an array at once."""
    ids = np.array([[2.0**60], [2.0**60 + 2.0**37]] * 20)
    theirs = trained()[kind].fit(ids, np.arange(40) % 2)
    model = spinney.load(theirs)
    given = [[2**60 + 2**36 + 1], [2**60 + 2**36 - 1], [2**60 + 2**37]]
    assert_same(model.predict(given), theirs.predict(given))
    assert_same(model.predict(np.array(given)), theirs.predict(np.array(given)))
    assert model.predict(given)[0] != model.predict(np.array(given))[0]
