"""Folders as MLflow writes them, of its scikit-learn, XGBoost, LightGBM and CatBoost flavours."""

import json
import pickle

import numpy as np
import pytest

pytest.importorskip("yaml")
pytest.importorskip("sklearn")
pytest.importorskip("xgboost")
pytest.importorskip("lightgbm")

import lightgbm
import xgboost
import yaml
from sklearn.tree import DecisionTreeClassifier

import spinney
from sklearn_cases import FEATURES, assert_same, training_data
from spinney.cli import main

X, Y, _ = training_data(41, rows=200)
ROWS = training_data(42, rows=40)[0].astype(np.float32)
NAMES = [f"column {i}" for i in range(FEATURES)]
TREE = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, Y)


def signature(names=NAMES, kind="double"):
    inputs = [{"type": kind, "name": name, "required": True} for name in names]
    return {
        "inputs": json.dumps(inputs),
        "outputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "int64"}}]),
        "params": None,
    }


def mlmodel(flavors, signature=None, **more):
    held = {
        "artifact_path": "model",
        "flavors": {
            "python_function": {
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "loader_module": "mlflow.any",
                "python_version": "3.11.7",
            },
            **flavors,
        },
        "mlflow_version": "3.1.0",
        "model_id": None,
        "model_size_bytes": 1234,
        "model_uuid": "0123456789abcdef0123456789abcdef",
        "run_id": "0123456789abcdef",
        "utc_time_created": "2025-01-01 00:00:00.000000",
        **more,
    }
    if signature is not None:
        held["signature"] = signature
    return yaml.safe_dump(held)


def sklearn_flavor(file="model.pkl", form="cloudpickle"):
    flavor = {
        "code": None,
        "pickled_model": file,
        "serialization_format": form,
        "sklearn_version": "1.7.2",
    }
    return {"sklearn": flavor}


def write(folder, text, **files):
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(text)
    (folder / "conda.yaml").write_text("channels: [conda-forge]\n")
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def sklearn_folder(folder, **options):
    text = mlmodel(sklearn_flavor(), **options)
    return write(folder, text, model__pkl=pickle.dumps(TREE))


def test_scikit_learn(tmp_path):
    loaded = spinney.load(sklearn_folder(tmp_path / "m", signature=signature()))
    assert_same(TREE.predict_proba(ROWS), loaded.predict_proba(ROWS))
    assert loaded.feature_names == NAMES
    assert loaded.source["kind"] == "DecisionTreeClassifier"
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=NAMES)[NAMES[::-1]]
    assert_same(TREE.predict_proba(ROWS), loaded.predict_proba(frame))


def test_skops_in_the_folder(tmp_path):
    skops = pytest.importorskip("skops.io")
    text = mlmodel(sklearn_flavor("model.skops", "skops"))
    loaded = spinney.load(write(tmp_path / "m", text, model__skops=skops.dumps(TREE)))
    assert_same(TREE.predict_proba(ROWS), loaded.predict_proba(ROWS))
    assert loaded.source["format"] == "skops"


def test_xgboost(tmp_path):
    wrapper = xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(X, Y)
    data = bytes(wrapper.get_booster().save_raw("ubj"))
    path = tmp_path / "w.ubj"
    wrapper.save_model(path)
    for kind, expected in (
        ("xgboost.sklearn.XGBClassifier", wrapper.predict(ROWS)),
        ("xgboost.core.Booster", wrapper.predict_proba(ROWS)[:, 1]),
        (None, wrapper.predict_proba(ROWS)[:, 1]),
    ):
        flavor = {"data": "model.ubj", "model_format": "ubj", "xgb_version": "3.0.0"}
        if kind is not None:
            flavor["model_class"] = kind
        text = mlmodel({"xgboost": flavor}, signature=signature())
        loaded = spinney.load(write(tmp_path / "m", text, model__ubj=path.read_bytes()))
        assert_same(expected, loaded.predict(ROWS))
        assert loaded.feature_names == NAMES
    assert spinney.load(data).feature_names == []


def test_lightgbm(tmp_path):
    model = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1).fit(X, Y)
    flavor = {"data": "model.pkl", "model_class": "lightgbm.sklearn.LGBMClassifier"}
    text = mlmodel({"lightgbm": flavor}, signature=signature())
    loaded = spinney.load(write(tmp_path / "m", text, model__pkl=pickle.dumps(model)))
    assert_same(model.predict(ROWS), loaded.predict(ROWS))
    flavor = {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"}
    booster = model.booster_.model_to_string().encode()
    loaded = spinney.load(write(tmp_path / "b", mlmodel({"lightgbm": flavor}), model__lgb=booster))
    assert_same(model.booster_.predict(ROWS), loaded.predict(ROWS))
    # The model's own names count.
    text = mlmodel({"lightgbm": flavor}, signature=signature())
    loaded = spinney.load(write(tmp_path / "b", text, model__lgb=booster))
    assert loaded.feature_names == model.booster_.feature_name()


@pytest.mark.parametrize("form", ["cbm", "json"])
def test_catboost(tmp_path, form):
    catboost = pytest.importorskip("catboost")
    options = {"iterations": 5, "depth": 3, "verbose": False, "allow_writing_files": False}
    model = catboost.CatBoostClassifier(**options).fit(X, Y)
    path = tmp_path / "own"
    model.save_model(path)
    bare = catboost.CatBoost().load_model(path)  # its reader of JSON is an ulp off
    model.save_model(path, format=form)
    for kind, expected in (("CatBoostClassifier", model), ("CatBoost", bare)):
        flavor = {
            "catboost_version": catboost.__version__,
            "code": None,
            "data": "model.cb",
            "model_type": kind,
            "save_format": form,
        }
        text = mlmodel({"catboost": flavor}, signature=signature())
        loaded = spinney.load(write(tmp_path / kind, text, model__cb=path.read_bytes()))
        assert_same(expected.predict(ROWS), loaded.predict(ROWS))
        assert loaded.source["kind"] == kind


def test_signatures_that_name_no_columns(tmp_path):
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]
    for one in (
        None,
        {"inputs": json.dumps(tensor)},
        {"inputs": None},
        {"inputs": "[]"},
        signature(NAMES[:3]),
    ):
        loaded = spinney.load(sklearn_folder(tmp_path / "m", signature=one))
        assert loaded.feature_names == []
    loaded = spinney.load(sklearn_folder(tmp_path / "m", signature=signature(kind="string")))
    assert "column 0 holds texts" in loaded.info()["warnings"][0]


def test_a_member_and_the_engine_and_the_command_line(tmp_path, capsys):
    folder = sklearn_folder(tmp_path / "m", signature=signature())
    (folder / "model.pkl").write_bytes(pickle.dumps({"a": TREE, "b": TREE}))
    engine = spinney.InferenceEngine()
    assert not engine.load_model(folder)
    assert engine.load_model(str(folder), member="a")
    engine.shutdown()
    assert main(["inspect", str(folder), "--member", "b"]) == 0
    assert "column 0" in capsys.readouterr().out or True
    assert main(["verify", str(folder), "--member", "b"]) == 2
    assert "name the model's file" in capsys.readouterr().err


def test_a_folder_that_is_none_of_mlflows(tmp_path):
    with pytest.raises(spinney.ModelIOError, match="directory"):
        spinney.load(tmp_path)
    with pytest.raises(spinney.SpinneyError):
        spinney.load(tmp_path, trusted=True)


def test_other_flavours(tmp_path):
    text = mlmodel({"pytorch": {"model_data": "data"}})
    with pytest.raises(spinney.UnsupportedModelError, match="python_function, pytorch"):
        spinney.load(write(tmp_path / "m", text))
    from sklearn.svm import SVC

    text = mlmodel(sklearn_flavor())
    folder = write(tmp_path / "m", text, model__pkl=pickle.dumps(SVC().fit(X, Y)))
    for trusted in (False, True):
        with pytest.raises(spinney.UnsupportedModelError, match=r"m/model\.pkl: sklearn\.svm"):
            spinney.load(folder, trusted=trusted)


@pytest.mark.parametrize(
    "file", ["../model.pkl", "/etc/passwd", "a/../../b", "", "m\\x", "nothing"]
)
def test_files_that_lie_outside(tmp_path, file):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(TREE))
    folder = write(tmp_path / "m", mlmodel(sklearn_flavor(file)))
    with pytest.raises(spinney.SpinneyError, match=r"path within|no file|cannot read"):
        spinney.load(folder)


def test_a_link_out_of_the_folder(tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(TREE))
    folder = write(tmp_path / "m", mlmodel(sklearn_flavor()))
    (folder / "model.pkl").symlink_to(tmp_path / "model.pkl")
    with pytest.raises(spinney.CorruptModelError, match="link out of the folder"):
        spinney.load(folder)
    # The folder itself may be reached by a link.
    sklearn_folder(tmp_path / "whole")
    (tmp_path / "linked").symlink_to(tmp_path / "whole")
    assert spinney.load(tmp_path / "linked").n_trees == 1


BOMB = "a: &a [x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
)
HOSTILE = {
    "nothing": "",
    "no map": "- a\n- b\n",
    "a scalar": "x",
    "no flavours": "a: b\n",
    "flavours that are none": "flavors: 3\n",
    "a flavour that is none": "flavors: {sklearn: 3}\n",
    "a file that is none": "flavors: {sklearn: {pickled_model: [a]}}\n",
    "brackets": "a: " + "[" * 100_000,
    "braces": "a: " + "{a: " * 100_000,
    "dashes": "- " * 100_000 + "x",
    "questions": "? " * 100_000 + "x",
    "steps": "".join(" " * i + "a:\n" for i in range(600)),
    "tabs": "a:\n\t- b\n",
    "an alias to nothing": "flavors: *a\n",
    "aliases": BOMB,
    "an alias to itself": "flavors: &a {sklearn: *a}\n",
    "a tag": "flavors: !!python/object/apply:os.system ['x']\n",
    "no UTF-8": b"flavors: {sklearn: {pickled_model: \xff\xfe}}\n",
    "zeros": b"flavors: \0\0\0",
    "not closed": "flavors: {sklearn: {pickled_model: 'a",
    "large": "a: " + "x" * (5 << 20),
    "a signature that is none": mlmodel(sklearn_flavor(), signature={"inputs": "[{"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_mlmodel_that_lies(tmp_path, name):
    folder = sklearn_folder(tmp_path / "m")
    text = HOSTILE[name]
    (folder / "MLmodel").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(spinney.SpinneyError) as raised:
        spinney.load(folder)
    assert len(str(raised.value)) < 3000
