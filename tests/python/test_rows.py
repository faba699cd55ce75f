"""One row, a list of rows, a column: values with labels go by these, and a column is no row."""

import asyncio
import sqlite3
from collections import deque, namedtuple

import numpy as np
import pytest

import spinney
from spinney import InferenceEngine
from spinney.batching import DynamicBatcher, PredictionRequest
from spinney.preprocessing import DataPreprocessor, InputValidationError
from spinney.rows import labelled

pandas = pytest.importorskip("pandas")
ensemble = pytest.importorskip("sklearn.ensemble")
xgboost = pytest.importorskip("xgboost")
NAMES = ["age", "height", "weight", "pulse"]
TURNED = ["pulse", "weight", "age", "height"]
ROWS = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32).astype(np.float64)
FRAME = pandas.DataFrame(ROWS, columns=NAMES)
LABELS = np.where(ROWS[:, 0] + 2 * ROWS[:, 1] > ROWS[:, 3], "yes", "no")


@pytest.fixture(scope="module")
def forest():
    return spinney.load(ensemble.RandomForestClassifier(9, random_state=0).fit(FRAME, LABELS))


@pytest.fixture(scope="module")
def booster():
    matrix = xgboost.DMatrix(FRAME, ROWS @ [1, 5, 3, -2])
    return spinney.load(xgboost.train({}, matrix, 20))


@pytest.fixture(scope="module")
def bare():
    return spinney.load(ensemble.ExtraTreesRegressor(9, random_state=0).fit(ROWS, ROWS[:, 1]))


def record(frame):
    return frame.to_records(index=False)[0]


def sqlite_row(frame):
    base = sqlite3.connect(":memory:")
    base.row_factory = sqlite3.Row
    columns = ", ".join(f"? as {name}" for name in frame.columns)
    return base.execute(f"select {columns}", frame.iloc[0].tolist()).fetchone()


def arrow_struct(frame):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.RecordBatch.from_pandas(frame, preserve_index=False).to_struct_array()[0]


ONE = {
    "series": lambda frame: frame.iloc[0],
    "series of objects": lambda frame: frame.iloc[0].astype(object),
    "nullable series": lambda frame: frame.iloc[0].astype("Float64"),
    "namedtuple": lambda frame: next(frame.itertuples(index=False)),
    "record": record,
    "sqlite": sqlite_row,
    "struct": arrow_struct,
}


def every_way(engine, x):
    """The outcome of each way to ask an engine: an array, or the error."""
    ok, result, told = engine.predict(x)
    found = [result if ok else told["error"]]
    error = engine.enqueue_prediction(x).exception(10)
    found.append(str(error) if error else engine.enqueue_prediction(x).result(10))
    try:
        found.append(asyncio.run(engine.predict_async(x)))
    except spinney.SpinneyError as refused:
        found.append(str(refused))
    ((ok, result, told),) = engine.predict_batch([x])
    found.append(result if ok else told["error"])
    return found


@pytest.mark.parametrize("kind", ONE)
@pytest.mark.parametrize("options", [{}, {"enable_request_deduplication": False}], ids=str)
def test_one_row_goes_by_its_labels(kind, options, forest, booster):
    for model in (forest, booster):
        with InferenceEngine(options) as engine:
            assert engine.load_model(model)
            expected = model.predict(FRAME.iloc[[0]])
            for order in (NAMES, TURNED):
                for found in every_way(engine, ONE[kind](FRAME[order])):
                    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ONE)
def test_lists_of_rows_go_by_their_labels(kind, forest, booster):
    def rows(order):
        return [ONE[kind](FRAME[order].iloc[[i]]) for i in range(3)]

    mixed = rows(NAMES)[:2] + rows(TURNED)[2:]

    class List(list):
        """Of a user's own."""

    for x in (rows(TURNED), tuple(rows(TURNED)), mixed, deque(mixed), List(mixed)):
        for model, methods in ((forest, ("predict", "predict_proba")), (booster, ("predict_raw",))):
            for method in (*methods, "predict_leaf"):
                expected = getattr(model, method)(ROWS[:3])
                np.testing.assert_array_equal(getattr(model, method)(x), expected)
        with InferenceEngine() as engine:
            assert engine.load_model(booster)
            for found in every_way(engine, x):
                np.testing.assert_array_equal(found, booster.predict(ROWS[:3]))


def test_arrays_of_named_fields_are_tables(booster):
    x = FRAME[TURNED].to_records(index=False)
    for rows in (x, np.asarray(x), x[::-2]):
        expected = booster.predict(ROWS[::-2] if len(rows) < 40 else ROWS)
        np.testing.assert_array_equal(booster.predict(rows), expected)
        with InferenceEngine() as engine:
            assert engine.load_model(booster)
            for found in every_way(engine, rows):
                np.testing.assert_array_equal(found, expected)
    with pytest.raises(spinney.InvalidInputError, match="lacks 'pulse' and has 'rate'"):
        booster.predict(FRAME.rename(columns={"pulse": "rate"}).to_records(index=False))
    with pytest.raises(spinney.InvalidInputError, match="expected numbers"):
        booster.predict(np.ma.masked_array(np.asarray(x)))


def columns():
    """A column of the frame, with as many values as the model has features."""
    frame = FRAME.iloc[:4]
    found = {
        "column": frame["age"],
        "other column": frame["age"].rename("other"),
        "unnamed": pandas.Series([1.0, 2.0, 3.0, 4.0]),
        "dates": frame["age"].set_axis(pandas.date_range("2020-01-01", periods=4)),
        "two levels": frame["age"].set_axis(pandas.MultiIndex.from_product([["a", "b"], [1, 2]])),
        "named like a feature": frame["age"].set_axis(NAMES),
        "index": pandas.Index([1.0, 2.0, 3.0, 4.0]),
        "extension array": frame["age"].astype("Float64").array,
    }
    for name in ("polars", "pyarrow"):
        try:
            library = pytest.importorskip(name)
        except pytest.skip.Exception:
            continue
        make = library.DataFrame if name == "polars" else library.table
        found[name] = make({key: frame[key].to_numpy() for key in NAMES})["age"]
    return found


@pytest.mark.parametrize("name", columns())
def test_a_column_is_no_row(name, booster, bare):
    x = columns()[name]
    for model in (booster, bare):
        if name == "named like a feature" and model is bare:
            continue  # nothing tells that it is one
        with InferenceEngine() as engine:
            assert engine.load_model(model)
            for given in (x, [x], [x, x]):
                for found in every_way(engine, given):
                    assert isinstance(found, str) and "a column" in found and "give" in found
        for given in ([x], [x, x]):
            with pytest.raises(spinney.InvalidInputError, match="a column"):
                model.predict(given)
        with pytest.raises(spinney.InvalidInputError, match=r"a column|is one row"):
            model.predict(x)


def test_labels_that_do_not_fit_are_named(booster):
    row = FRAME.iloc[0].rename({"pulse": "rate"})
    with InferenceEngine() as engine:
        assert engine.load_model(booster)
        for found in every_way(engine, row):
            assert "the row lacks 'pulse' and has 'rate'" in found
        for found in every_way(engine, next(FRAME.itertuples())):
            np.testing.assert_array_equal(found, booster.predict(FRAME[:1]))  # Index is no feature
    with pytest.raises(spinney.InvalidInputError, match="different labels"):
        booster.predict([FRAME.iloc[0], row])
    with pytest.raises(spinney.InvalidInputError, match="others have none"):
        booster.predict([FRAME.iloc[0], ROWS[0]])
    Columns = namedtuple("Columns", NAMES)
    with InferenceEngine() as engine:
        assert engine.load_model(booster)
        for found in every_way(engine, Columns(*ROWS.T[:, :4])):
            assert "the value of 'age' is no single number" in found


def test_without_feature_names_labels_count_by_position(bare):
    """As a frame's columns do."""
    frame = FRAME[TURNED]
    np.testing.assert_array_equal(bare.predict(frame), bare.predict(frame.to_numpy()))
    with InferenceEngine() as engine:
        assert engine.load_model(bare)
        for found in every_way(engine, frame.iloc[0]):
            np.testing.assert_array_equal(found, bare.predict(frame.to_numpy()[:1]))


def test_missing_values_and_categories_of_a_row():
    colours = pandas.Categorical(["red", "green", "blue"] * 10)
    frame = pandas.DataFrame({"colour": colours, "size": np.arange(30.0) % 7})
    matrix = xgboost.DMatrix(frame, np.arange(30) % 3 + frame["size"], enable_categorical=True)
    model = spinney.load(xgboost.train({"min_child_weight": 0}, matrix, 10))
    if not model.categories:
        pytest.skip("this XGBoost keeps no categories")
    expected = model.predict(frame.iloc[[1]])
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        for found in every_way(engine, frame.iloc[1][["size", "colour"]]):
            np.testing.assert_array_equal(found, expected)
        lacking = frame.iloc[[1]].assign(size=np.nan)
        for missing in (None, pandas.NA, np.nan):
            row = frame.iloc[1].copy()
            row["size"] = missing
            for found in every_way(engine, row):
                np.testing.assert_array_equal(found, model.predict(lacking))


def named_first(x):
    return np.asarray(x)[:, 0]


def test_python_models_see_rows_in_their_order(tmp_path):
    neighbors = pytest.importorskip("sklearn.neighbors")
    fitted = neighbors.KNeighborsRegressor(3).fit(FRAME, ROWS[:, 1])
    local = spinney.load(fitted, trusted=True, in_process=True)
    expected = fitted.predict(FRAME.iloc[:1])
    with InferenceEngine() as engine:
        assert engine.load_model(fitted, trusted=True)
        worker = engine.model
        for kind in ONE.values():
            x = kind(FRAME[TURNED])
            for found in every_way(engine, x):
                np.testing.assert_array_equal(found, expected)
            for model in (local, worker):
                np.testing.assert_array_equal(model.predict([x]), expected)
        for x in columns().values():
            for found in every_way(engine, x):
                assert isinstance(found, str) and "a column" in found
    with InferenceEngine() as engine:
        assert engine.load_model(named_first, model_type="CUSTOM")
        for found in every_way(engine, FRAME.iloc[0]):
            np.testing.assert_array_equal(found, ROWS[:1, 0])
        for found in every_way(engine, FRAME["age"]):
            assert isinstance(found, str) and "a column" in found


def test_the_preprocessor_finds_columns_by_label():
    fitted = DataPreprocessor().fit(FRAME)
    expected = fitted.transform(ROWS[:1])
    for kind in ONE.values():
        np.testing.assert_array_equal(fitted.transform([kind(FRAME[TURNED])]), expected)
        with pytest.raises(InputValidationError, match="is one row"):
            fitted.transform(kind(FRAME))
    with pytest.raises(InputValidationError, match="a column"):
        fitted.transform(FRAME["age"])
    rows = list(FRAME[TURNED].itertuples(index=False))
    assert DataPreprocessor().fit(rows).get_feature_names() == TURNED


@pytest.mark.parametrize("kind", [*ONE, "frame"])
def test_scaling_and_quantizing_keep_labels(kind, booster):
    x = FRAME[TURNED].iloc[[0]] if kind == "frame" else ONE[kind](FRAME[TURNED])
    fitted = DataPreprocessor().fit(FRAME)
    quantized = {"enable_quantization": True, "enable_input_quantization": True}
    for options in ({"enable_feature_scaling": True}, quantized):
        with InferenceEngine(options) as engine:
            assert engine.load_model(booster)
            if "enable_feature_scaling" in options:
                engine.preprocessor = fitted
            expected = engine.predict(ROWS[:1])[1]
            for found in every_way(engine, x):
                np.testing.assert_array_equal(found, expected)
            for found in every_way(engine, FRAME["age"].iloc[:4]):
                assert isinstance(found, str) and "a column" in found


@pytest.mark.parametrize("kind", ["series", "namedtuple", "frame"])
@pytest.mark.parametrize("fitted_on", ["array", "turned frame"])
def test_scaled_columns_meet_the_model_s_own(kind, fitted_on, booster):
    """A preprocessor without names goes by position, and one with names may have another order."""
    x = FRAME[TURNED].iloc[[0]] if kind == "frame" else ONE[kind](FRAME[TURNED])
    scales = [1.0, 10.0, 100.0, 1000.0]
    wide = FRAME * scales
    x = x.astype({"age": "float32"}) if kind == "frame" else x  # mixed columns
    with InferenceEngine({"enable_feature_scaling": True}) as engine:
        assert engine.load_model(booster)
        engine.preprocessor = fitted = DataPreprocessor()
        fitted.fit(wide.to_numpy() if fitted_on == "array" else wide[TURNED])
        expected = booster.predict(DataPreprocessor().fit(wide).transform(FRAME.iloc[[0]]))
        for found in every_way(engine, x):
            np.testing.assert_array_equal(found, expected)


def test_masked_cells_of_one_row_and_of_lists_are_missing(booster):
    masked = np.ma.masked_array(ROWS[:2], mask=[[0, 1, 0, 0], [0, 0, 0, 1]])
    expected = booster.predict(masked)
    assert not np.array_equal(expected, booster.predict(ROWS[:2]))
    np.testing.assert_array_equal(booster.predict([masked[0], masked[1]]), expected)
    with InferenceEngine() as engine:
        assert engine.load_model(booster)
        for found in every_way(engine, masked[0]):
            np.testing.assert_array_equal(found, expected[:1])
        for found in every_way(engine, [masked[0], masked[1]]):
            np.testing.assert_array_equal(found, expected)


def test_a_batcher_in_place_of_the_engine_s_own_gets_the_model_s_order(booster, monkeypatch):
    own = type("Own", (DynamicBatcher,), {})
    monkeypatch.setattr("modules.engine.inference_engine.DynamicBatcher", own)
    with InferenceEngine({"enable_monitoring": False}) as engine:
        assert engine.load_model(booster)
        assert type(engine.dynamic_batcher) is own
        for x in (FRAME[TURNED].iloc[0], FRAME[TURNED].iloc[:1], [FRAME[TURNED].iloc[0]]):
            for found in every_way(engine, x):
                np.testing.assert_array_equal(found, booster.predict(ROWS[:1]))
        for found in every_way(engine, FRAME["age"].iloc[:4]):
            assert "a column" in found


def test_a_batch_of_arrays_takes_no_names():
    batcher = DynamicBatcher(named_first)
    batcher.start()
    try:
        for x in (FRAME, FRAME.iloc[0], FRAME["age"], [FRAME.iloc[0]]):
            with pytest.raises(spinney.InvalidInputError, match=r"names are lost|a column"):
                batcher.enqueue(PredictionRequest(1, x))
    finally:
        batcher.stop()


class Foreign:
    """A frame or series of a library that is not known here, which numpy reads by position."""

    def __init__(self, values):
        self.shape = values.shape
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return self._values


@pytest.mark.parametrize("values", [ROWS[:3], ROWS[0]], ids=["frame", "series"])
def test_names_of_other_libraries_are_not_dropped(values, booster):
    plain = Foreign(values)  # a tensor, say
    x = type("DataFrame" if values.ndim == 2 else "Series", (Foreign,), {})(values)
    protocol = type("Table", (Foreign,), {"__dataframe__": None})(values)
    with InferenceEngine() as engine:
        assert engine.load_model(booster)
        for found in every_way(engine, plain):
            np.testing.assert_array_equal(found, booster.predict(np.atleast_2d(values)))
        for given in (x, [x], protocol):
            for found in every_way(engine, given):
                assert isinstance(found, str) and "whose names numpy does not keep" in found
        wrong = FRAME.rename(columns={"age": "Age"})
        for found in every_way(engine, wrong):
            assert "the frame lacks 'age' and has 'Age'" in found
        frames = type("MyFrame", (pandas.DataFrame,), {})
        for found in every_way(engine, frames(FRAME[TURNED])):
            np.testing.assert_array_equal(found, booster.predict(FRAME))


def test_plain_values_have_no_labels():
    for x in ([1.0, 2.0], [[1, 2], [3, 4]], (ROWS[0], ROWS[1]), ROWS, 3.0, "text", [], [[]], None):
        assert labelled(x) is None
