"""Dicts, lists and tuples that hold models: which one answers, and what lies beside it."""

import gzip
import io
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("joblib")

import joblib
from sklearn.ensemble import (
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import hostile_pickles as hp
import spinney
from sklearn_cases import assert_same, training_data
from spinney.cli import main

X, Y, SCORE = training_data(11, rows=200, classes=3)
LABELS = np.array(["low", "mid", "highest"])[Y]
ROWS = training_data(12, rows=67)[0]


def tree(depth=3, seed=0):
    return DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(X, LABELS)


def joblib_bytes(value, compress=0):
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress)
    return buffer.getvalue()


WRITERS = {
    "pickle": pickle.dumps,
    "old pickle": lambda value: pickle.dumps(value, protocol=2),
    "joblib": joblib_bytes,
    "compressed": lambda value: joblib_bytes(value, 3),
    "object": lambda value: value,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_dict_with_plain_data_beside_the_model(write):
    model = tree()
    held = {
        "model": model,
        "columns": ["a", "b"],
        "threshold": 0.25,
        "version": 7,
        "huge": 2**40,
        "flag": True,
        "nothing": None,
        "notes": {"by": "me", 3: (1, 2.5)},
        "means": np.arange(6.0).reshape(2, 3),
        "order": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "names": np.array(["x", "yy"]),
        "mixed": np.array(["x", 1], dtype=object),
        "one": np.float32(0.5),
        "text": np.str_("t"),
    }
    loaded = spinney.load(write(held))
    assert_same(model.predict_proba(ROWS), loaded.predict_proba(ROWS))
    beside = loaded.info()["beside"]
    for name in ("means", "order"):
        given = beside.pop(name)
        assert given.dtype == held[name].dtype
        assert np.array_equal(given, held[name])
        assert given.flags.writeable
    assert beside == {
        "columns": ["a", "b"],
        "threshold": 0.25,
        "version": 7,
        "huge": 2**40,
        "flag": True,
        "nothing": None,
        "notes": {"by": "me", 3: [1, 2.5]},
        "names": ["x", "yy"],
        "mixed": ["x", 1],
        "one": 0.5,
        "text": "t",
    }
    assert beside["flag"] is True
    assert loaded.info()["warnings"] == []


def test_the_columns_of_a_frame_beside_the_model():
    pandas = pytest.importorskip("pandas")
    columns = pandas.Index(np.array(["a", "b"], dtype=object), dtype=object)
    assert spinney.load((tree(), columns)).info()["beside"] == {1: ["a", "b"]}


@pytest.mark.parametrize("make", [tuple, list])
def test_lists_and_tuples(make):
    model = tree()
    loaded = spinney.load(pickle.dumps(make([["a", "b"], model])))
    assert loaded.info()["beside"] == {0: ["a", "b"]}
    assert_same(model.predict(ROWS), loaded.predict(ROWS))


def test_the_model_lies_deeper():
    held = {"meta": {"v": 1}, "parts": {"inner": [tree(), 3]}}
    loaded = spinney.load(pickle.dumps(held))
    assert loaded.info()["beside"] == {"meta": {"v": 1}, "parts": {"inner": {1: 3}}}


def test_a_model_alone_has_nothing_beside():
    assert spinney.load(pickle.dumps(tree())).info()["beside"] == {}
    assert spinney.load(pickle.dumps([tree()])).info()["beside"] == {}


def test_a_subclass_of_dict():
    from sklearn.utils import Bunch

    assert spinney.load(pickle.dumps(Bunch(model=tree(), v=1))).info()["beside"] == {"v": 1}


def test_objects_beside_the_model_are_named_and_not_read():
    held = {"scaler": StandardScaler().fit(X), "model": tree(), "key": {("a", 1): b"bytes"}}
    info = spinney.load(pickle.dumps(held)).info()
    assert info["beside"]["scaler"] == (
        "<an instance of sklearn.preprocessing._data.StandardScaler, not read>"
    )
    assert info["beside"]["key"] == {"#0": "<bytes, not read>"}
    assert "scaler (an instance of sklearn.preprocessing" in info["warnings"][0]


SEVERAL = {"model": tree(2), "old": {"models": [tree(3), SVC().fit(X, Y)]}, "v": 1}


def test_several_models_are_listed():
    with pytest.raises(
        spinney.InvalidInputError,
        match=r"3 models: model \(DecisionTreeClassifier\), old\.models\.0 \(Dec.*\), "
        r"old\.models\.1 \(SVC\).*member=\"model\"",
    ):
        spinney.load(pickle.dumps(SEVERAL), trusted=True)


def test_one_of_several_is_chosen(tmp_path):
    path = tmp_path / "several.pkl"
    path.write_bytes(pickle.dumps(SEVERAL))
    for member, model in (
        ("model", SEVERAL["model"]),
        ("old.models.0", SEVERAL["old"]["models"][0]),
    ):
        for source in (path, path.read_bytes(), SEVERAL):
            loaded = spinney.load(source, member=member)
            assert_same(model.predict_proba(ROWS), loaded.predict_proba(ROWS))
            assert loaded.info()["beside"] == {"v": 1}
    engine = spinney.InferenceEngine()
    assert engine.load_model(path, member="old.models.0")
    assert engine.predict(ROWS[:1])[1].tolist() == loaded.predict(ROWS[:1]).tolist()
    assert not engine.load_model(path, name="other")
    assert "3 models" in engine.last_error
    engine.shutdown()


def test_a_path_to_a_container_of_one_model():
    held = {"best": {"model": tree(2)}, "all": [tree(3), tree(4)]}
    loaded = spinney.load(held, member="best")
    assert_same(held["best"]["model"].predict(ROWS), loaded.predict(ROWS))
    with pytest.raises(spinney.InvalidInputError, match=r"means several: all\.0 .*, all\.1 "):
        spinney.load(held, member="all")
    with pytest.raises(spinney.InvalidInputError, match=r'"worst", which is none of its models: b'):
        spinney.load(held, member="worst")


@pytest.mark.parametrize("member", ["", 3, b"model"])
def test_a_member_that_is_no_path(member):
    with pytest.raises(spinney.InvalidInputError, match="member is"):
        spinney.load(SEVERAL, member=member)


def test_a_member_of_what_holds_one_model():
    with pytest.raises(spinney.InvalidInputError, match=r"member goes with .*not with an instance"):
        spinney.load(tree(), member="model")
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.train({}, xgboost.DMatrix(X, label=Y), 1)
    for form in ("json", "ubj"):
        with pytest.raises(spinney.InvalidInputError, match="member goes with"):
            spinney.load(bytes(booster.save_raw(form)), member="*")
    with pytest.raises(spinney.InvalidInputError, match="member goes with"):
        spinney.load(spinney.load(tree()).to_bytes(), member="*")


def test_a_container_without_a_model():
    with pytest.raises(spinney.UnsupportedModelError, match="holds no model") as raised:
        spinney.load([1])
    assert "file" not in str(raised.value)
    with pytest.raises(spinney.UnsupportedModelError, match="holds no model"):
        spinney.load(pickle.dumps({"scaler": StandardScaler().fit(X), "v": [1]}))
    with pytest.raises(
        spinney.UnsupportedModelError, match=r"model: sklearn\.svm\._classes\.SVC has"
    ):
        spinney.load(pickle.dumps({"model": SVC().fit(X, Y)}))


def folds(kind, **options):
    made = []
    for fold in range(11):
        rows = np.arange(len(X)) % 11 != fold
        made.append(kind(random_state=fold, **options).fit(X[rows], made_labels(kind)[rows]))
    return made


def made_labels(kind):
    return SCORE if kind in (RandomForestRegressor, DecisionTreeRegressor) else LABELS


def voting(models, **options):
    """scikit-learn's own ensemble of models that are fitted already."""
    named = [(str(i), model) for i, model in enumerate(models)]
    if hasattr(models[0], "classes_"):
        ensemble = VotingClassifier(named, **options)
        ensemble.le_ = type("Names", (), {"inverse_transform": lambda _, y: classes[y]})()
        classes = ensemble.classes_ = models[0].classes_
    else:
        ensemble = VotingRegressor(named, **options)
    ensemble.estimators_ = models
    return ensemble


def test_an_ensemble_of_folds():
    models = folds(RandomForestClassifier, n_estimators=3, max_depth=3)
    loaded = spinney.load(pickle.dumps({"folds": models, "v": 2}), member="*")
    assert_same(voting(models, voting="soft").predict_proba(ROWS), loaded.predict_proba(ROWS))
    assert_same(voting(models, voting="soft").predict(ROWS), loaded.predict(ROWS))
    info = loaded.info()
    assert info["beside"] == {"v": 2}
    assert info["kind"] == "ensemble of 11 RandomForestClassifier"
    models = folds(DecisionTreeRegressor, max_depth=4)
    loaded = spinney.load(models, member="*")
    assert_same(voting(models).predict(ROWS), loaded.predict(ROWS))


def test_an_ensemble_of_a_part():
    models = folds(DecisionTreeClassifier, max_depth=3)
    held = {"final": tree(5), "folds": models}
    loaded = spinney.load(held, member="folds.*")
    assert_same(voting(models, voting="soft").predict_proba(ROWS), loaded.predict_proba(ROWS))
    restored = pickle.loads(pickle.dumps(loaded))
    assert_same(loaded.predict_proba(ROWS), restored.predict_proba(ROWS))


def test_folds_that_have_not_met_every_class():
    few = DecisionTreeClassifier(max_depth=2).fit(X[Y > 0], LABELS[Y > 0])
    models = [few, tree()]
    loaded = spinney.load(models, member="*")
    assert loaded.classes_.tolist() == sorted(set(LABELS))
    assert loaded.classes_.dtype == tree().classes_.dtype
    places = np.searchsorted(loaded.classes_, few.classes_)
    expected = np.zeros((len(ROWS), 3))
    expected[:, places] = few.predict_proba(ROWS)
    expected = (expected + models[1].predict_proba(ROWS)) / 2
    assert_same(expected, loaded.predict_proba(ROWS))


def test_folds_of_other_libraries():
    xgboost = pytest.importorskip("xgboost")
    matrix = xgboost.DMatrix(X, label=Y > 0)
    boosters = [
        xgboost.train({"objective": "binary:logistic", "max_depth": d}, matrix, 4) for d in (2, 3)
    ]
    loaded = spinney.load(pickle.dumps(boosters), member="*")
    rows = xgboost.DMatrix(ROWS)
    expected = np.mean([booster.predict(rows) for booster in boosters], axis=0)
    assert_same(expected, loaded.predict(ROWS))
    assert loaded.source["library"] == "xgboost"
    few = spinney.load(boosters, member="*", iteration_range=(0, 1))
    expected = np.mean([b.predict(rows, iteration_range=(0, 1)) for b in boosters], axis=0)
    assert_same(expected, few.predict(ROWS))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([tree(), DecisionTreeRegressor().fit(X, SCORE)], "not all classifiers"),
        ([tree(), DecisionTreeClassifier().fit(X[:, :3], LABELS)], "model 1 was trained on other"),
        ([tree(), DecisionTreeClassifier().fit(X, Y)], "labels are of different types"),
        (
            [IsolationForest(n_estimators=3).fit(X), IsolationForest(n_estimators=3).fit(X)],
            "not all classifiers",
        ),
        ([tree(), SVC().fit(X, LABELS)], "1: .*SVC has no native reader"),
    ],
)
def test_models_that_make_no_ensemble(models, message):
    with pytest.raises(spinney.UnsupportedModelError, match=message):
        spinney.load(pickle.dumps(models), member="*")


def test_the_command_line(tmp_path, capsys):
    path = tmp_path / "several.pkl"
    path.write_bytes(pickle.dumps(SEVERAL))
    rows = tmp_path / "rows.npy"
    np.save(rows, ROWS)
    assert main(["predict", str(path), str(rows)]) == 2
    assert "3 models: model" in capsys.readouterr().err
    assert main(["predict", str(path), str(rows), "--member", "model"]) == 0
    assert capsys.readouterr().out.split()[1:] == SEVERAL["model"].predict(ROWS).tolist()
    assert main(["inspect", str(path), "--member", "model"]) == 0
    assert "v 1" in capsys.readouterr().out
    assert main(["verify", str(path), "--member", "old.models.0", "--trusted"]) == 0
    assert main(["verify", str(path), "--member", "*", "--trusted"]) == 2
    converted = tmp_path / "one.spinney"
    assert main(["convert", str(path), str(converted), "--member", "model"]) == 0
    assert spinney.load(converted).info()["beside"] == {}


def cyclic():
    held = [1]
    held.append(held)
    return held


def repeated(depth):
    held = ["x" * 100]
    for _ in range(depth):
        held = [held] * 10
    return held


@pytest.mark.parametrize(
    "beside",
    [cyclic(), repeated(9), list(range(200_000)), np.zeros(1 << 20), {"a" * 10_000: {"b": []}}],
    ids=["cyclic", "repeated", "long", "large", "long key"],
)
def test_what_is_beside_costs_no_more_than_the_file_holds(beside):
    model = tree()
    loaded = spinney.load(pickle.dumps({"model": model, "beside": beside}))
    assert_same(model.predict(ROWS), loaded.predict(ROWS))
    assert set(loaded.info()["beside"]) == {"beside"}


def test_models_without_end():
    model = tree()
    with pytest.raises(spinney.SpinneyError):
        spinney.load(pickle.dumps([[[[[model] * 99] * 99] * 99] * 99]))
    with pytest.raises(spinney.SpinneyError):
        spinney.load(pickle.dumps([model] * 5000), member="*")
    with pytest.raises(spinney.InvalidInputError, match="and 980 more"):
        spinney.load(pickle.dumps([tree()] * 1000))
    held = [model]
    held.append(held)
    with pytest.raises(spinney.InvalidInputError, match="models"):
        spinney.load(pickle.dumps(held))


def test_a_record_that_appends_itself():
    held = hp.called("collections.UserList") + b"(" + hp.whole(1) + b"e."
    with pytest.raises(spinney.UnsupportedModelError, match="holds no model"):
        spinney.Model.from_bytes(held, "pickle")


def test_a_gzip_of_a_container():
    data = gzip.compress(pickle.dumps({"model": tree(), "v": 1}))
    assert spinney.load(data).info()["beside"] == {"v": 1}
