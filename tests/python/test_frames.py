"""Frames and tables give the answer of the same rows as an array, found by feature name."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from differential import assert_same

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

NAMES = ["age", "sex", "body mass", "gap"]
FORMS = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: polars.from_pandas(frame),
    "arrow": lambda frame: pyarrow.Table.from_pandas(frame, preserve_index=False),
    "batch": lambda frame: pyarrow.RecordBatch.from_pandas(frame, preserve_index=False),
}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(2)
    frame = pandas.DataFrame(
        {
            "age": rng.integers(18, 90, 300),
            "sex": rng.integers(0, 2, 300).astype(bool),
            "body mass": rng.normal(size=300),
            "gap": rng.normal(size=300).astype(np.float32),
        }
    )
    frame.loc[::7, "gap"] = np.nan
    return frame


@pytest.fixture(scope="module")
def target(frame):
    return frame["age"] / 40 + frame["body mass"] + frame["gap"].fillna(2)


@pytest.fixture(scope="module")
def boosters(frame, target):
    """Name -> (model, the library's own predict), trained on the frame."""
    lightgbm = pytest.importorskip("lightgbm")
    xgboost = pytest.importorskip("xgboost")
    lgb = lightgbm.train({"verbose": -1, "num_leaves": 9}, lightgbm.Dataset(frame, target), 20)
    xgb = xgboost.train({"max_depth": 4}, xgboost.DMatrix(frame, target), 20)
    return {
        "lightgbm": (spinney.load(lgb), lgb.predict),
        "xgboost": (
            spinney.Model.from_bytes(bytes(xgb.save_raw("ubj"))),
            lambda x: xgb.predict(xgboost.DMatrix(x)),
        ),
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_columns_are_found_by_name(boosters, frame, library, form):
    model, predict = boosters[library]
    expected = predict(frame)
    shuffled = frame[["gap", "body mass", "age", "sex"]]
    for given in (frame, shuffled):
        assert_same(model.predict(FORMS[form](given)), expected)
    for rows in (0, 1, 2):
        assert_same(model.predict(FORMS[form](shuffled.head(rows))), expected[:rows])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_missing_and_extra_columns_are_named(boosters, frame, library, form):
    model = boosters[library][0]
    given = frame.drop(columns="age").assign(height=1.0)
    with pytest.raises(spinney.InvalidInputError, match=r"lacks 'age' and has 'height'"):
        model.predict(FORMS[form](given))
    wide = FORMS[form](frame.assign(height=1.0))
    assert_same(model.predict(wide), model.predict(FORMS[form](frame)))
    with pytest.raises(spinney.InvalidInputError, match=r"'age'.*(str|string|object|String)"):
        model.predict(FORMS[form](frame.assign(age="old")))
    with pytest.raises(spinney.InvalidInputError, match="'age'"):
        model.predict(FORMS[form](frame.assign(age=pandas.Timestamp("2020-01-01"))))


def test_columns_named_twice_are_refused(boosters, frame):
    twice = pandas.concat([frame, frame[["age"]]], axis=1)
    for model, _ in boosters.values():
        with pytest.raises(spinney.InvalidInputError, match="more than one column named 'age'"):
            model.predict(twice)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_nullable_columns(boosters, frame, library):
    model, predict = boosters[library]
    nullable = frame.convert_dtypes()
    assert str(nullable["age"].dtype) == "Int64"
    nullable.loc[3, "age"] = pandas.NA
    nullable.loc[4, "sex"] = pandas.NA
    plain = nullable.astype("float64")
    assert np.isnan(plain.loc[3, "age"])
    expected = predict(plain)
    assert_same(model.predict(nullable), expected)
    assert_same(model.predict(pyarrow.Table.from_pandas(nullable)), expected)
    assert_same(model.predict(polars.from_pandas(nullable)), expected)
    arrow = nullable.convert_dtypes(dtype_backend="pyarrow")
    assert_same(model.predict(arrow), expected)


def test_a_frame_of_one_type_is_not_copied(model, training_data):
    x = training_data[0].astype(np.float64)
    frame = pandas.DataFrame(x, copy=False)
    assert np.shares_memory(frame.to_numpy(), x)
    assert_same(model.predict(frame), model.predict(x))
    counts = pandas.DataFrame(np.arange(20).reshape(2, 10) + 2**24)
    assert_same(model.predict(counts), model.predict(counts.to_numpy().astype(np.float64)))


def test_other_frames(boosters, frame):
    model = boosters["lightgbm"][0]
    with pytest.raises(spinney.InvalidInputError, match="Series"):
        model.predict(frame.iloc[0])
    with pytest.raises(spinney.InvalidInputError, match="collect"):
        model.predict(polars.from_pandas(frame).lazy())
    sparse = frame.astype({"body mass": pandas.SparseDtype(np.float64, 0.0)})
    assert_same(model.predict(sparse), model.predict(frame))
    decimals = pyarrow.Table.from_pandas(frame)
    column = decimals["age"].cast(pyarrow.decimal128(21, 2))
    decimals = decimals.set_column(0, "age", column)
    assert_same(model.predict(decimals), model.predict(frame))
    nothing = pyarrow.Table.from_pandas(frame).set_column(
        3, "gap", pyarrow.nulls(len(frame), pyarrow.null())
    )
    assert_same(model.predict(nothing), model.predict(frame.assign(gap=np.nan)))


@pytest.fixture(scope="module")
def cities(frame):
    rng = np.random.default_rng(4)
    city = rng.choice(["Bern", "Oslo", "Rome", "Wien"], len(frame))
    size = rng.choice([10, 20, 40], len(frame))
    return frame.assign(
        city=pandas.Categorical(city, categories=["Wien", "Rome", "Oslo", "Bern"]),
        size=pandas.Categorical(size),
    )


@pytest.fixture(scope="module")
def other_codes(cities):
    """The same values under other codes, one of them unknown to the training, one missing."""
    values = cities["city"].astype(object).where(cities.index % 11 != 0, "Lima")
    values = values.where(cities.index % 13 != 0, None)
    city = pandas.Categorical(values, categories=["Bern", "Lima", "Oslo", "Rome", "Wien"])
    return cities.assign(city=city)


def test_lightgbm_s_categories(cities, other_codes, target):
    lightgbm = pytest.importorskip("lightgbm")
    target = target + cities["city"].cat.codes * 3 + (cities["size"] == 20) * 5
    booster = lightgbm.train(
        {"verbose": -1, "num_leaves": 9, "min_data_per_group": 5},
        lightgbm.Dataset(cities, target),
        20,
    )
    model = spinney.load(booster)
    assert_same(model.predict(cities), booster.predict(cities))
    assert_same(model.predict(other_codes), booster.predict(other_codes))
    shuffled = other_codes[["city", "gap", "age", "size", "sex", "body mass"]]
    assert_same(model.predict(shuffled), booster.predict(other_codes))
    assert_same(model.predict(pyarrow.Table.from_pandas(other_codes)), booster.predict(other_codes))
    codes = cities.assign(city=cities["city"].cat.codes, size=cities["size"].cat.codes)
    with pytest.raises(spinney.InvalidInputError, match=r"2 categorical columns.*0"):
        model.predict(codes)
    assert_same(model.predict(codes.to_numpy(dtype=np.float64)), booster.predict(cities))


def test_xgboost_s_categories(cities, target):
    xgboost = pytest.importorskip("xgboost")
    target = target + cities["city"].cat.codes * 3
    data = xgboost.DMatrix(cities, target, enable_categorical=True)
    booster = xgboost.train({"max_depth": 4}, data, 20)
    expected = booster.predict(data)
    model = spinney.Model.from_bytes(bytes(booster.save_raw("ubj")))
    assert_same(model.predict(cities), expected)
    table = pyarrow.Table.from_pandas(cities)
    if tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 1):
        with pytest.raises(spinney.InvalidInputError, match="store no categories to match"):
            model.predict(table)
    else:
        assert_same(model.predict(table), expected)
    codes = cities.assign(city=cities["city"].cat.codes, size=cities["size"].cat.codes)
    assert_same(model.predict(codes.to_numpy(dtype=np.float32)), expected)


@pytest.mark.parametrize("names", [["Bern", "Zürich", "Wien", "Genève"], list("中丰串临")])
def test_xgboost_s_categories_beyond_ascii(cities, target, names):
    """XGBoost up to 3.2 cuts such names in the wrong places, and those of a frame alike."""
    xgboost = pytest.importorskip("xgboost")
    city = cities["city"].cat.rename_categories(names)
    train = cities.assign(city=city)
    booster = xgboost.XGBRegressor(n_estimators=9, max_depth=4, enable_categorical=True)
    booster.fit(train, target + city.cat.codes * 3)
    model = spinney.load(booster)
    one = train[city == names[3]].iloc[:1]
    for rows in (train, one):
        assert_same(model.predict(rows), booster.predict(rows))
    if tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 1):
        return  # its models hold no names
    unknown = train.assign(city=pandas.Categorical(["Málaga"] * len(train)))
    with pytest.raises(spinney.InvalidInputError, match="Málaga"):
        model.predict(unknown)


@pytest.mark.parametrize("library", ["lightgbm", "sklearn"])
def test_missing_categories_of_polars(cities, target, library):
    """polars numbers its categories by unsigned integers."""
    if library == "lightgbm":
        kind = pytest.importorskip("lightgbm").LGBMRegressor
        estimator = kind(n_estimators=9, verbose=-1, min_data_per_group=5)
    else:
        kind = pytest.importorskip("sklearn.ensemble").HistGradientBoostingRegressor
        estimator = kind(max_iter=9, categorical_features="from_dtype")
        if not hasattr(kind, "_preprocess_X"):
            pytest.skip("scikit-learn before 1.4 takes no categories of frames")
    train = cities[["age", "city"]]
    train = train.assign(city=train["city"].where(train.index % 7 != 0))
    estimator.fit(train, target + cities["city"].cat.codes * 3)
    texts = train.assign(city=train["city"].astype(object).where(train["city"].notna(), None))
    rows = polars.from_pandas(texts).with_columns(polars.col("city").cast(polars.Categorical))
    assert_same(spinney.load(estimator).predict(rows), estimator.predict(train))


def test_scikit_learn_takes_the_values_of_categories(cities, target):
    tree = pytest.importorskip("sklearn.tree")
    numbers = cities[["age", "size"]].astype({"size": int})
    estimator = tree.DecisionTreeRegressor(max_depth=5, random_state=0).fit(numbers, target)
    model = spinney.load(estimator)
    assert_same(model.predict(cities[["size", "age"]]), estimator.predict(numbers))
    with pytest.raises(spinney.InvalidInputError, match=r"'size'.*no numbers"):
        model.predict(cities[["age"]].assign(size=cities["city"]))


@pytest.mark.filterwarnings("error")
def test_doubles_beyond_float32_are_infinity_to_xgboost(boosters, frame):
    model = boosters["xgboost"][0]
    huge = frame.assign(**{"body mass": 1e300})
    rows = huge.to_numpy(dtype=np.float64)
    assert_same(model.predict(huge), model.predict(rows))
    assert_same(model.predict(pyarrow.Table.from_pandas(huge)), model.predict(rows))


def test_names_that_a_model_repeats_tell_nothing_apart(frame, target):
    linear_model = pytest.importorskip("sklearn.linear_model")
    two = frame[["age", "body mass"]]
    fitted = linear_model.LinearRegression().fit(two, target)
    expected = fitted.predict(two)
    fitted.feature_names_in_ = np.array(["x", "x"], dtype=object)  # not all versions refuse it
    model = spinney.load(fitted)
    assert model.feature_names == ["x", "x"]
    twice = two.set_axis(["x", "x"], axis=1)
    assert np.allclose(model.predict(twice), expected)
    with pytest.raises(spinney.InvalidInputError, match="several columns named 'x'"):
        model.predict(twice.set_axis(["x", "y"], axis=1))


@pytest.mark.parametrize(
    "types",
    [
        ["Float32"] * 6,
        ["Int16"] * 6,
        ["f4", "Int8"] * 3,
        ["f4", "boolean"] * 3,
        ["float[pyarrow]"],
    ],
)
def test_frames_with_nullable_columns_are_of_float64(types):
    """scikit-learn converts such a frame as a whole, whatever the columns hold."""
    linear = pytest.importorskip("sklearn.linear_model")
    x = np.round(5 * np.random.default_rng(7).normal(size=(40, 6)))
    small = x.astype(np.float32)
    model = linear.LinearRegression().fit(small, small @ np.arange(6, dtype=np.float32))
    columns = {}
    for i, kind in enumerate(types * (6 // len(types))):
        columns[f"c{i}"] = pandas.Series(x[:, i] > 0 if kind == "boolean" else x[:, i]).astype(kind)
    frame = pandas.DataFrame(columns)
    expected, given = model.predict(frame), spinney.load(model).predict(frame)
    assert given.dtype == expected.dtype == np.float64
    np.testing.assert_allclose(given, expected, rtol=1e-13, atol=1e-13)
