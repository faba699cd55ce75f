"""Messages say what is true of the file or the rows, and what helps."""

import asyncio
import gzip
import json
import lzma

import numpy as np
import pytest

import spinney
from spinney.preprocessing import DataPreprocessor, InputValidationError
from spinney.workers import CallableModel

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(60, 3))


@pytest.fixture(scope="module")
def files(tmp_path_factory, x):
    """Files of models, each in the form that its own library saves."""
    folder = tmp_path_factory.mktemp("models")
    booster = xgboost.train({}, xgboost.DMatrix(x, x[:, 0]), 3)
    for name in ("model.json", "model.ubj"):
        booster.save_model(folder / name)
    booster.dump_model(folder / "trees.json", dump_format="json")
    booster.dump_model(folder / "trees.txt")
    other = lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, x[:, 0]), 3)
    other.save_model(folder / "model.txt")
    (folder / "dump.json").write_text(json.dumps(other.dump_model()))
    spinney.load(folder / "model.json").save(folder / "model.spinney")
    return folder


def refusal(source, **options):
    with pytest.raises(spinney.SpinneyError) as refused:
        spinney.load(source, **options)
    return refused.value


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model.json", "JSON or UBJSON"),
        ("model.ubj", "JSON or UBJSON"),
        ("model.txt", "LightGBM's text"),
        ("model.spinney", "a .spinney file"),
    ],
)
@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_compressed_model_that_is_no_pickle(files, tmp_path, name, what, compress):
    path = tmp_path / "model.gz"
    path.write_bytes(compress((files / name).read_bytes()))
    wanted = f"this is {what}, not a pickle"
    with pytest.raises(spinney.UnsupportedModelError, match=wanted) as error:
        spinney.load(path, format="pickle")
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("dump.json", 'LightGBM\'s dump_model.*save_model\\("model.txt"\\)'),
        ("trees.json", 'XGBoost\'s dump_model.*save_model\\("model.json"\\)'),
        ("trees.txt", 'XGBoost\'s dump_model.*save_model\\("model.json"\\)'),
    ],
)
def test_dumps_to_look_at_are_no_models(files, name, what, trusted):
    with pytest.raises(spinney.UnsupportedModelError, match=what):
        spinney.load(files / name, trusted=trusted)


@pytest.mark.parametrize("options", [{}, {"trusted": True}, {"trusted": True, "in_process": True}])
def test_an_artifact_of_a_later_version_is_named_so(files, tmp_path, options):
    data = bytearray((files / "model.spinney").read_bytes())
    data[8] = 77
    path = tmp_path / "later.spinney"
    path.write_bytes(data)
    error = refusal(path, **options)
    assert isinstance(error, spinney.UnsupportedModelError)
    assert "version 77" in str(error) and "pickl" not in str(error)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{1: 1.0}, {1: 2.0}], "x is a dict whose keys are 1; expected the features' names"),
        ({"a": [1.0], "b": 2.0}, "x is a dict of columns, and 'b' is a float; give all as columns"),
        ({"a": [1.0], "b": []}, "columns that differ in length: 'a' has 1 values and 'b' 0"),
        ([1.0, 2.0, 3.0], r"flat list of 3 values; for one row give \[x\]"),
        ((1.0, 2.0, 3.0), r"flat tuple of 3 values; for one row give \[x\]"),
        ([["a", object(), 2.0]], "row 0, column 0 holds the str 'a', which is no number"),
        ([[1.0, object(), 2.0]], "row 0, column 1 holds a object, which is no number"),
        ([[1.0, 2.0], [1.0]], "numpy refuses"),
    ],
)
def test_lists_are_not_told_what_only_arrays_can_do(rows, what, files):
    for model in (spinney.load(files / "model.json"), CallableModel(len)):
        with pytest.raises(spinney.InvalidInputError, match=what) as refused:
            model.predict(rows)
        assert "reshape" not in str(refused.value) and "astype" not in str(refused.value)
        assert "None columns" not in str(refused.value) and "None)" not in str(refused.value)
    with pytest.raises(InputValidationError, match=what):
        DataPreprocessor().fit(rows)


def test_a_width_that_nobody_knows_is_not_none(x):
    model = CallableModel(len)
    sparse = pytest.importorskip("scipy.sparse")
    for rows in ("text", {1}, None, sparse.coo_array(x[0]), [{1: 2}]):
        with pytest.raises(spinney.InvalidInputError) as refused:
            model.predict(rows)
        assert "None columns" not in str(refused.value) and ", None)" not in str(refused.value)
    with pytest.raises(InputValidationError, match="expected columns of numbers as a 2-D array"):
        DataPreprocessor().fit("text")


@pytest.mark.parametrize("source", [5, 2.5], ids=repr)
def test_an_object_that_is_no_model_is_not_called_a_file(source):
    with pytest.raises(spinney.UnsupportedModelError, match="not a fitted model") as raised:
        spinney.load(source)
    assert "file" not in str(raised.value)


@pytest.mark.parametrize("kind", ["XGBoost", "LightGBM", "function"])
def test_every_way_in_says_the_same_of_a_wrong_width(files, x, kind):
    name = {"XGBoost": "model.json", "LightGBM": "model.txt"}.get(kind)
    model = spinney.load(files / name) if name else CallableModel(lambda rows: rows[:, 0], 3)
    rows = {"array": x[:, :2], "float32": x[:, :2].astype(np.float32), "one": x[:1, :2]}
    rows["integers"] = (x[:, :2] * 9).astype(int)
    with spinney.InferenceEngine() as engine:
        assert engine.load_model(model), engine.last_error
        for given in (*rows.values(), *(each.tolist() for each in rows.values())):
            with pytest.raises(spinney.InvalidInputError) as refused:
                model.predict(given)
            said = str(refused.value)
            assert said == "the rows have 2 columns, but the model was trained on 3 features"
            assert engine.predict(given)[2]["error"] == said
            assert str(engine.enqueue_prediction(given).exception(60)) == said
            assert engine.predict_batch([given], 60)[0][2]["error"] == said
            with pytest.raises(spinney.InvalidInputError, match=said):
                asyncio.run(engine.predict_async(given))
