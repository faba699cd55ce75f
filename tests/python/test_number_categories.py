"""Categories that are numbers: matched by value, or refused, as the training library does."""

import warnings

import numpy as np
import pytest

import spinney

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

KINDS = ["int", "float", "bool", "int8", "negative", "str"]


def values_of(kind, rng, n=400):
    base = rng.choice([7, 10, 20, 40], n)
    return {
        "int": base,
        "float": base + 0.5,
        "bool": base > 15,
        "int8": base.astype(np.int8),
        "negative": base - 15,
        "str": base.astype(str),
    }[kind]


def trained_on(kind):
    """(frame with the column "c" categorical, target)"""
    rng = np.random.default_rng(7)
    values = values_of(kind, rng)
    z = rng.normal(size=len(values))
    frame = pandas.DataFrame({"z": z, "c": pandas.Categorical(values)})
    return frame, z + 3 * frame["c"].cat.codes.to_numpy() % 5


def forms(frame, kind):
    """Frames with the same values in other clothes; name -> frame."""
    values = frame["c"].to_numpy()
    known = list(frame["c"].cat.categories)
    yield "same", frame
    yield "other order", frame.assign(c=frame["c"].cat.reorder_categories(known[::-1]))
    yield (
        "fewer",
        frame[frame["c"] == known[1]].assign(c=lambda f: f["c"].cat.set_categories([known[1]])),
    )
    yield "missing", frame.assign(c=frame["c"].where(frame.index % 3 != 0))
    if kind != "bool":
        yield "more", frame.assign(c=frame["c"].cat.add_categories([known[0] * 2 + known[1]]))
    yield "plain", frame.assign(c=values)
    yield "objects", frame.assign(c=pandas.Categorical(values.astype(object)))
    yield "texts", frame.assign(c=pandas.Categorical(values.astype(str)))
    yield "arrow", pyarrow.table({"z": frame["z"], "c": pyarrow.array(values)})
    yield "polars", polars.DataFrame({"z": frame["z"].to_numpy(), "c": values})
    dictionary = pyarrow.array(values).dictionary_encode()
    yield "dictionary", pyarrow.table({"z": frame["z"], "c": dictionary})
    if kind == "str":
        text = polars.DataFrame({"z": frame["z"].to_numpy(), "c": values})
        yield "enum", text.with_columns(polars.col("c").cast(polars.Enum(known[::-1])))
        return
    for dtype in (np.float64, np.int32, bool):
        if kind != "float" or dtype is np.float64:
            yield f"as {dtype.__name__}", frame.assign(c=pandas.Categorical(values.astype(dtype)))
    yield "plain floats", frame.assign(c=values.astype(float))
    if kind not in ("float", "bool"):
        yield "Int64", frame.assign(c=pandas.array(values, dtype="Int64"))
    yield (
        "plain arrow",
        frame.assign(c=pandas.Series(values).convert_dtypes(dtype_backend="pyarrow")),
    )
    weird = [np.nan, np.inf, -np.inf, -1, 0.5, -0.5, 1.5, 1e9, 2.0**31, 2.0**40, 255, 256, 2.0**24]
    yield "array", np.column_stack([frame["z"], values.astype(float)])
    yield "weird array", np.column_stack([frame["z"], np.resize(weird, len(frame))])
    finite = [value for value in weird if not np.isinf(value)]
    yield "finite array", np.column_stack([frame["z"], np.resize(finite, len(frame))])


def answer(predict, rows):
    """What predict gives, or None where it refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(predict(rows))
        except Exception:
            return None


def ours(model, rows):
    try:
        return model.predict(rows)
    except spinney.InvalidInputError:
        return None


def assert_same_or_refused(model, predict, frame, kind, may_answer=(), may_refuse=()):
    """may_answer: forms that the library refuses and that are matched by value all the same;
    may_refuse: forms whose numbers the library takes for codes.
    """
    by_value = answer(predict, frame)
    answered = 0
    for name, rows in forms(frame, kind):
        wanted, given = answer(predict, rows), ours(model, rows)
        if wanted is None:
            assert given is None or name in may_answer, name
            if given is not None and len(given) == len(by_value):
                np.testing.assert_array_equal(given, by_value, name)
            continue
        answered += 1
        assert given is not None or name in may_refuse, name
        if given is None:
            continue
        np.testing.assert_array_equal(given, wanted, name)
    assert answered >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_lightgbm(kind):
    lightgbm = pytest.importorskip("lightgbm")
    frame, y = trained_on(kind)
    few = {"n_estimators": 9, "min_data_per_group": 5, "min_child_samples": 3}
    fitted = lightgbm.LGBMRegressor(verbose=-1, n_jobs=1, **few).fit(frame, y)
    by_value = ("dictionary", "enum")
    model = spinney.load(fitted)
    # Of an arrow table LightGBM does not look whether columns are categorical.
    assert_same_or_refused(model, fitted.predict, frame, kind, by_value, ["arrow", "polars"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["from_dtype", "by number"])
def test_histogram(kind, how):
    estimator = pytest.importorskip("sklearn.ensemble").HistGradientBoostingRegressor
    if not hasattr(estimator, "_preprocess_X"):
        pytest.skip("scikit-learn before 1.4 takes no categories of frames")
    frame, y = trained_on(kind)
    columns = "from_dtype" if how == "from_dtype" else [1]
    fitted = estimator(max_iter=9, min_samples_leaf=3, categorical_features=columns).fit(frame, y)
    # An array of numbers is refused where the categories were texts; so are infinities.
    scored = ("array", "weird array", "dictionary", "enum", "polars", "arrow", "plain arrow")
    model = spinney.load(fitted)
    for name, rows in forms(frame, kind):
        wanted, given = answer(fitted.predict, rows), ours(model, rows)
        if wanted is None:
            assert given is None or name in scored, name
        elif given is not None or name not in ("objects",):
            assert given is not None, name
            np.testing.assert_array_equal(given, wanted, name)


@pytest.mark.parametrize("kind", ["int", "int8", "negative", "str"])
@pytest.mark.parametrize("as_booster", [False, True])
def test_xgboost(kind, as_booster, tmp_path):
    xgboost = pytest.importorskip("xgboost")
    if tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 1):
        pytest.skip("files of XGBoost before 3.1 store no categories")
    frame, y = trained_on(kind)
    few = {"n_estimators": 9, "max_depth": 3, "n_jobs": 1}
    fitted = xgboost.XGBRegressor(enable_categorical=True, **few).fit(frame, y)
    fitted.save_model(tmp_path / "model.json")
    model = spinney.load(tmp_path / "model.json", as_booster=as_booster)
    if not model.categories:
        pytest.skip("this XGBoost does not know this pandas")
    # Matched by value where XGBoost refuses another type of the same numbers, or a category that no
    # row holds.
    by_value = ["more", "objects", "dictionary", "enum", "as float64", "as int32", "as bool"]
    by_value += {
        "str": ["plain", "arrow", "polars", "plain arrow"],
        "int8": ["other order", "fewer"],
    }.get(kind, [])
    assert_same_or_refused(model, fitted.predict, frame, kind, by_value)
    plain = frame.assign(c=frame["c"].to_numpy())
    with pytest.raises(spinney.InvalidInputError, match=r"'c'.*(categorical|not trained)"):
        model.predict(plain.assign(c=frame["c"].cat.codes))
    codes = np.column_stack([frame["z"], frame["c"].cat.codes]).astype(np.float32)
    np.testing.assert_array_equal(model.predict(codes), fitted.predict(codes))
    nothing = plain.assign(c=np.nan)
    np.testing.assert_array_equal(model.predict(nothing), fitted.predict(nothing.to_numpy()))
    assert len(model.predict(plain.iloc[:0])) == 0


def test_xgboost_files_without_categories():
    """A pandas frame's own codes, as XGBoost takes them; arrow and polars have none that count."""
    from pathlib import Path

    path = Path(__file__).parent.parent / "data" / "xgboost" / "2.1.4" / "one_hot.json"
    model = spinney.load(path)
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(60, 4)).astype(np.float32)
    rows[:, 3] = rng.integers(0, 40, 60)
    wanted = model.predict(rows)
    names = model.feature_names or [f"f{i}" for i in range(4)]
    numbers = pandas.DataFrame(rows, columns=names)
    coded = numbers.assign(
        **{names[3]: pandas.Categorical(rows[:, 3].astype(int), categories=range(40))}
    )
    np.testing.assert_array_equal(model.predict(numbers), wanted)
    np.testing.assert_array_equal(model.predict(coded), wanted)
    texts = pyarrow.array(rows[:, 3].astype(int).astype(str)).dictionary_encode()
    table = pyarrow.table({**{n: rows[:, i] for i, n in enumerate(names[:3])}, names[3]: texts})
    with pytest.raises(spinney.InvalidInputError, match="store no categories"):
        model.predict(table)
    with pytest.raises(spinney.InvalidInputError, match="store no categories"):
        model.predict(polars.from_arrow(table))
    np.testing.assert_array_equal(model.predict(polars.from_pandas(numbers)), wanted)
