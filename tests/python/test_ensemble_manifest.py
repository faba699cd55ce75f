"""Manifests of ensembles: what spinney.load and load_model take, and what they refuse."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest

import spinney

sklearn_ensemble = pytest.importorskip("sklearn.ensemble")
from sklearn.linear_model import LinearRegression  # noqa: E402
from sklearn.svm import SVR  # noqa: E402

RNG = np.random.default_rng(8)
X = RNG.normal(size=(200, 4)).astype(np.float32)
Y = X[:, 0] - X[:, 1]


@pytest.fixture(scope="module")
def members():
    return [
        sklearn_ensemble.RandomForestRegressor(10, max_depth=4, random_state=i).fit(X, Y)
        for i in range(3)
    ]


@pytest.fixture
def folder(tmp_path, members):
    (tmp_path / "inside").mkdir()
    for name, member in zip(("a.pkl", "b.pkl", "inside/c.pkl"), members):
        (tmp_path / name).write_bytes(pickle.dumps(member))
    return tmp_path


def write(folder, said, name="ensemble.json"):
    path = folder / name
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    return path


def expected(members, weights=None):
    return np.average([m.predict(X) for m in members], axis=0, weights=weights)


@pytest.mark.parametrize(
    ("said", "weights"),
    [
        ({"models": ["a.pkl", "b.pkl", "inside/c.pkl"]}, None),
        ({"model_paths": ["a.pkl", "b.pkl", "./inside/c.pkl"], "method": "average"}, None),
        (
            {
                "method": "average",
                "models": ["a.pkl", "b.pkl", "inside/c.pkl"],
                "weights": [1, 2, 0.5],
            },
            [1, 2, 0.5],
        ),
        (
            {
                "models": [
                    "a.pkl",
                    {"path": "b.pkl", "weight": 3},
                    {"path": "inside/c.pkl", "name": "c"},
                ]
            },
            [1, 3, 1],
        ),
    ],
)
def test_a_manifest_is_loaded(folder, members, said, weights):
    path = write(folder, said)
    ensemble = spinney.load(path)
    assert isinstance(ensemble, spinney.Ensemble) and ensemble.members == ["a", "b", "c"]
    np.testing.assert_array_equal(ensemble.predict(X), expected(members, weights))
    with spinney.InferenceEngine() as engine:
        assert engine.load_model(str(path)), engine.last_error
        success, result, metadata = engine.predict(X)
        assert success
        np.testing.assert_array_equal(result, expected(members, weights))
        assert engine.model_type is spinney.ModelType.ENSEMBLE
        assert engine.model_info["members"] == ["a", "b", "c"]
        assert engine.model_info["runs"] == "native kernels"
        total = sum(weights or [1, 1, 1])
        assert metadata["member_weights"] == {
            name: weight / total for name, weight in zip("abc", weights or [1, 1, 1])
        }
        assert metadata["members_left_out"] == {}
        np.testing.assert_array_equal(
            engine.enqueue_prediction(X[:5]).result(), expected(members, weights)[:5]
        )
        assert engine.load_model(path, "ensemble", name="other")
        assert not engine.load_model(folder / "a.pkl", "ensemble")
        assert "model_type is ENSEMBLE" in engine.last_error


def test_every_method_and_meta(folder, members):
    last = LinearRegression().fit(np.stack([m.predict(X) for m in members], axis=1), Y)
    (folder / "meta.pkl").write_bytes(pickle.dumps(last))
    np.save(folder / "rows.npy", X)
    models = ["a.pkl", "b.pkl", "inside/c.pkl"]
    stack = spinney.load(write(folder, {"models": models, "method": "stack", "meta": "meta.pkl"}))
    columns = np.stack([m.predict(X) for m in members], axis=1)
    np.testing.assert_array_equal(stack.predict(X), spinney.load(last).predict(columns))
    median = spinney.load(write(folder, {"models": models, "method": "median"}))
    np.testing.assert_array_equal(median.predict(X), np.median([m.predict(X) for m in members], 0))
    ranked = {"models": models, "method": "rank"}
    with spinney.InferenceEngine() as engine:
        assert not engine.load_model(write(folder, ranked))
        assert "rank without reference rows" in engine.last_error
        assert engine.load_model(write(folder, {**ranked, "reference": "rows.npy"}))
        assert engine.predict(X[:3])[0] and engine.model_info["runs"] == "members beside each other"


def test_manifests_within_manifests(folder, members):
    write(folder, {"models": ["c.pkl"]}, "inside/inner.json")
    outer = write(folder, {"models": ["a.pkl", "inside/inner.json"]})
    ensemble = spinney.load(outer)
    assert ensemble.members == ["a", "inner"]
    np.testing.assert_array_equal(ensemble.predict(X), expected([members[0], members[2]]))
    ensemble.reload("inner")
    assert isinstance(ensemble["inner"], spinney.Ensemble)
    write(folder, {"models": ["a.pkl", "one.json"]}, "two.json")
    write(folder, {"models": ["b.pkl", "two.json"]}, "one.json")
    with pytest.raises(spinney.InvalidInputError, match=r"of itself: one\.json -> two\.json"):
        spinney.load(folder / "one.json")
    write(folder, {"models": ["b.pkl", "one.json"], "on_failure": "leave_out"}, "one.json")
    with pytest.raises(spinney.InvalidInputError, match="member of itself"):
        spinney.load(folder / "one.json")
    for i in range(6):
        write(folder, {"models": [f"deep{i + 1}.json"]}, f"deep{i}.json")
    write(folder, {"models": ["a.pkl"]}, "deep6.json")
    with pytest.raises(spinney.InvalidInputError, match="more than 4 deep"):
        spinney.load(folder / "deep0.json")
    write(folder, {"models": ["a.pkl"] * 200}, "wide.json")
    with pytest.raises(spinney.InvalidInputError, match="more than 256 members"):
        spinney.load(write(folder, {"models": ["wide.json", "wide.json"]}))


@pytest.mark.parametrize(
    "path",
    ["../a.pkl", "/etc/passwd", "inside/../../a.pkl", "out/a.pkl", "link.pkl", "..\\a.pkl", "."],
)
def test_nothing_outside(folder, tmp_path_factory, path):
    other = tmp_path_factory.mktemp("other")
    (other / "a.pkl").write_bytes((folder / "a.pkl").read_bytes())
    os.symlink(other, folder / "out")
    os.symlink(other / "a.pkl", folder / "link.pkl")
    for said in (
        {"models": [path]},
        {"models": ["a.pkl", path], "on_failure": "leave_out"},
        {"models": ["a.pkl"], "method": "stack", "meta": path},
        {"models": ["a.pkl"], "method": "rank", "reference": path},
    ):
        with pytest.raises(spinney.InvalidInputError, match="outside"):
            spinney.load(write(folder, said))


def test_a_link_that_stays_below_is_followed(folder, members):
    os.symlink(folder / "inside" / "c.pkl", folder / "link.pkl")
    ensemble = spinney.load(write(folder, {"models": ["link.pkl"]}))
    np.testing.assert_array_equal(ensemble.predict(X), members[2].predict(X))


def test_a_manifest_grants_no_permission(folder):
    (folder / "svr.pkl").write_bytes(pickle.dumps(SVR().fit(X, Y)))
    for key, value in (("trusted", True), ("allowed_classes", ["*"]), ("in_process", True)):
        with pytest.raises(spinney.InvalidInputError, match="grants no permission"):
            spinney.load(write(folder, {"models": ["svr.pkl"], key: value}))
    path = write(folder, {"models": ["a.pkl", "svr.pkl"]})
    with pytest.raises(spinney.UnsupportedModelError, match="'svr'"):
        spinney.load(path)
    with spinney.load(path, allowed_classes=["sklearn.svm._classes.SVR"]) as ensemble:
        assert "worker" in ensemble.info()["members"][1]["runs"]
        assert ensemble.predict(X[:2]).shape == (2,)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"models": []}, "expected a list of paths"),
        ({"models": "a.pkl"}, "expected a list of paths"),
        ({"models": [3]}, r"models\[0\] is 3"),
        ({"models": [{"path": "a.pkl", "trusted": True}]}, r"models\[0\]"),
        ({"models": [{"path": 3}]}, "expected a text"),
        ({"models": [{"path": "a.pkl", "name": 3}]}, "a name that is no text"),
        ({"models": ["a.pkl"], "model_paths": ["a.pkl"]}, "one list of members"),
        ({"models": ["a.pkl"], "colour": "red"}, "has no 'colour'"),
        ({"models": ["a.pkl"], "weights": [1, 2]}, "2 weights for 1"),
        ({"models": ["a.pkl"], "weights": [-1]}, "weight 0 is -1"),
        ({"models": ["a.pkl"], "weights": [True]}, "expected a number"),
        ({"models": ["a.pkl"], "weights": "1"}, "expected a list of numbers"),
        ({"models": [{"path": "a.pkl", "weight": 1}], "weights": [1]}, "said twice"),
        ('{"models": ["a.pkl"], "weights": [NaN]}', "weight 0 is nan"),
        ('{"models": ["a.pkl"], "weights": [1' + "0" * 400 + "]}", "range of numbers"),
        ({"models": ["a.pkl"], "method": ["average"]}, "method is"),
        ({"models": ["a.pkl"], "on_failure": 3}, "on_failure is 3"),
        ({"models": ["a.pkl"], "members_min": True}, "members_min is True"),
        ({"models": ["a.pkl"], "timeout_s": "soon"}, "timeout_s is 'soon'"),
        ({"models": ["a.pkl"], "classes": [[1], [2]]}, "classes is"),
        ({"models": ["a\0.pkl"]}, "expected a text"),
    ],
)
def test_bad_manifests(folder, said, message):
    with pytest.raises(spinney.InvalidInputError, match=message):
        spinney.load(write(folder, said))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('{"models": ["a.pkl"], "models": ["b.pkl"]}', "'models' twice"),
        ('{"models": ["a.pkl"', "is no manifest"),
        ('{"models": ' + "[" * 100_000, "is no manifest"),
    ],
)
def test_broken_manifests(folder, said, message):
    with pytest.raises(spinney.CorruptModelError, match=message):
        spinney.load(write(folder, said))


def test_files_that_are_none(folder, members):
    with pytest.raises(spinney.CorruptModelError, match="holds a list"):
        spinney.load(write(folder, "[]"), format="ensemble")
    with pytest.raises(spinney.ModelNotFoundError):
        spinney.load(folder / "none.json", format="ensemble")
    with pytest.raises(spinney.ModelNotFoundError, match="'none'"):
        spinney.load(write(folder, {"models": ["none.pkl"]}))
    huge = write(folder, '{"models": ["a.pkl"' + " " * (1 << 20) + "]}")
    with pytest.raises(spinney.ModelTooLargeError, match="1,048,576 bytes"):
        spinney.load(huge)
    path = write(folder, {"models": ["a.pkl"]})
    with pytest.raises(spinney.InvalidInputError, match="by its path"):
        spinney.load(path.read_bytes())
    with pytest.raises(spinney.InvalidInputError, match="goes with a model"):
        spinney.load(path, member="*")
    (folder / "rows.npy").write_bytes(pickle.dumps(X))
    with pytest.raises(spinney.CorruptModelError, match="no rows that numpy saved"):
        spinney.load(
            write(folder, {"models": ["a.pkl"], "method": "rank", "reference": "rows.npy"})
        )


def test_models_of_json_are_none(folder):
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.train(
        {"nthread": 1}, xgboost.DMatrix(X, Y, feature_names=["models", *"bcd"]), 2
    )
    booster.save_model(folder / "x.json")
    assert isinstance(spinney.load(folder / "x.json"), spinney.Model)
