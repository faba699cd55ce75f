"""What a Model answers and says of itself; several threads at once."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
import time

import numpy as np
import pytest

import spinney
from differential import ROW_COUNTS, assert_same

LABELS = {
    "int64": np.array([3, 5, 7]),
    "int8": np.array([3, 5, 7], dtype=np.int8),
    "uint32": np.array([3, 5, 7], dtype=np.uint32),
    "negative": np.array([-1, 0, 1]),
    "float": np.array([1.0, 2.0, 4.0]),
    "text": np.array(["blue", "green", "red"]),
    "objects": np.array(["blue", "grün", "red"], dtype=object),
    "bytes": np.array([b"a", b"bc", b"d"]),
}


@pytest.fixture(scope="module")
def classifiers(training_data):
    """Kind of labels -> (estimator, its model)."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    x, y = training_data
    out = {}
    for name, labels in LABELS.items():
        estimator = ensemble.RandomForestClassifier(7, max_depth=5, random_state=1)
        estimator.fit(np.nan_to_num(x), labels[y])
        out[name] = estimator, spinney.load(estimator)
    booleans = ensemble.RandomForestClassifier(7, max_depth=5, random_state=1)
    booleans.fit(np.nan_to_num(x), y > 0)
    out["bool"] = booleans, spinney.load(booleans)
    return out


@pytest.mark.parametrize("name", [*LABELS, "bool"])
def test_labels_come_in_their_own_dtype(classifiers, training_data, name):
    estimator, model = classifiers[name]
    x = np.nan_to_num(training_data[0])
    assert_same(model.classes_, estimator.classes_)
    for rows in (0, 1, 63, 500):
        expected = estimator.predict(x)[:rows]
        assert_same(model.predict(x[:rows]), expected, str(rows))
        assert_same(model.predict_proba(x[:rows]), estimator.predict_proba(x)[:rows], str(rows))
    assert_same(model.predict(x.astype(np.float16)), estimator.predict(x.astype(np.float16)))


def test_object_labels_are_counted(classifiers, training_data):
    model = classifiers["objects"][1]
    x = np.nan_to_num(training_data[0])
    label = model.classes_[0]
    before = sys.getrefcount(label)
    answers = [model.predict(x) for _ in range(3)]
    assert sys.getrefcount(label) == before + sum((a == label).sum() for a in answers)
    del answers
    assert sys.getrefcount(label) == before


def test_labels_cannot_be_written_to(classifiers):
    """predict reads the array that classes_ shows."""
    model = classifiers["text"][1]
    with pytest.raises(ValueError, match="read-only"):
        model.classes_[0] = model.classes_[1]


def test_several_targets(training_data):
    tree = pytest.importorskip("sklearn.tree")
    x, y = training_data
    x = np.nan_to_num(x)
    classifier = tree.DecisionTreeClassifier(max_depth=5, random_state=0).fit(
        x, np.stack([y, y > 1], axis=1)
    )
    model = spinney.load(classifier)
    assert_same(model.predict(x), classifier.predict(x))
    assert_same(model.predict_proba(x), classifier.predict_proba(x))
    assert isinstance(model.classes_, list)
    regressor = tree.DecisionTreeRegressor(max_depth=5, random_state=0).fit(
        x, np.stack([y, y * 2.5], axis=1)
    )
    model = spinney.load(regressor)
    assert_same(model.predict(x), regressor.predict(x))
    assert model.n_outputs == 2


def test_leaves(model, lightgbm_booster, training_data):
    x = training_data[0]
    assert_same(model.predict_leaf(x), lightgbm_booster.predict(x, pred_leaf=True).astype(np.int32))


def test_what_a_model_lacks_is_said(model, training_data):
    x = training_data[0]
    for method in ("predict_proba", "decision_function", "score_samples"):
        with pytest.raises(spinney.UnsupportedModelError, match="Booster has no"):
            getattr(model, method)(x)
    assert not hasattr(model, "classes_")


def test_a_model_describes_itself(model, lightgbm_booster, xgboost_model):
    assert model.n_features == 10
    assert model.n_outputs == 1
    assert model.n_trees == lightgbm_booster.num_trees()
    assert model.objective == "regression"
    assert model.source["library"] == "lightgbm"
    assert model.source["format"] == "text"
    assert model.feature_names == lightgbm_booster.feature_name()
    assert model.categories == {}
    info = model.info()
    assert info["model_bytes"] > info["n_nodes"] * 16
    assert info["n_leaves"] == info["n_nodes"] - (info["n_leaves"] - model.n_trees)
    assert info["input_type"] == "float64"
    assert info["kernels"][0]["rows"] == 1
    assert info["plan_bytes"] > 0 or info["kernels"][0]["kernel"] == "reference.scalar"
    assert repr(xgboost_model).startswith("<spinney.Model Booster (xgboost ")
    assert "30 trees, 10 features, binary:logistic>" in repr(xgboost_model)


def test_objects_and_files_are_one_model(xgboost_booster, xgboost_model, training_data, tmp_path):
    path = tmp_path / "model.ubj"
    xgboost_booster.save_model(path)
    x = training_data[0]
    loaded = spinney.load(path)
    given = spinney.load(xgboost_booster)
    assert given.source["format"] == "object"
    assert spinney.load(given) is given
    for model in (loaded, given, spinney.load(str(path), format="ubj")):
        assert_same(model.predict(x), xgboost_model.predict(x))
    with pytest.raises(spinney.SpinneyError):
        spinney.load(path, format="text")
    with pytest.raises(spinney.InvalidInputError, match="format='ubj'"):
        spinney.load(xgboost_booster, format="ubj")


class Custom:
    """A class that no reader knows."""


@pytest.mark.parametrize("source", [None, Custom, b"bytes", open])
def test_sources_that_are_no_model(source):
    with pytest.raises(spinney.SpinneyError):
        spinney.load(source)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_objects_may_hold_functions_that_pickle_refuses(library, training_data):
    x, y = training_data[:2]

    def halves(labels, predicted):
        return predicted - labels, np.full_like(predicted, 0.5)

    module = pytest.importorskip(library)
    kind = module.XGBRegressor if library == "xgboost" else module.LGBMRegressor
    quiet = {} if library == "xgboost" else {"verbose": -1}
    fitted = kind(n_estimators=5, n_jobs=1, objective=halves, **quiet).fit(x, y)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(fitted)
    assert_same(spinney.load(fitted).predict(x), fitted.predict(x))


def test_objects_without_a_native_path_are_named():
    with pytest.raises(spinney.UnsupportedModelError, match=r"test_model\.Custom"):
        spinney.load(Custom())
    with pytest.raises(spinney.UnsupportedModelError, match="in_process=True alone"):
        spinney.load(Custom(), in_process=True)
    with pytest.raises(spinney.UnsupportedModelError, match="has no predict"):
        spinney.load(Custom(), trusted=True)


def test_a_row_s_answer_does_not_depend_on_its_batch_or_the_threads(xgboost_model, training_data):
    x = np.tile(training_data[0], (3, 1))
    expected = np.concatenate([xgboost_model.predict_raw(x[i : i + 1]) for i in range(len(x))])
    for rows in ROW_COUNTS:
        for threads in (None, 1, 2, 3):
            assert_same(xgboost_model.predict_raw(x[:rows], num_threads=threads), expected[:rows])


def test_many_threads_get_the_same_answers(model, xgboost_model, training_data):
    x = np.tile(training_data[0], (8, 1))
    expected = model.predict(x), xgboost_model.predict(x)
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(60):
            first, rows = rng.integers(0, 2000), rng.integers(1, 2000)
            part = slice(first, first + rows)
            for m, answer in zip((model, xgboost_model), expected):
                if not np.array_equal(m.predict(x[part]), answer[part]):
                    wrong.append((seed, part))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_other_threads_run_during_a_long_call(model, training_data):
    x = np.tile(training_data[0], (2000, 1))
    done = threading.Event()

    def predict():
        model.predict(x, num_threads=1)
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # only a thread that lets go of the lock is switched away from
    try:
        thread = threading.Thread(target=predict)
        thread.start()
        counted = 0
        while not done.is_set() and counted < 10_000:
            counted += 1
            time.sleep(0)
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert counted > 100


def test_copies_are_the_model_itself(model):
    assert copy.copy(model) is model
    assert copy.deepcopy(model) is model


def test_a_saved_model_is_the_same_model(classifiers, xgboost_model, training_data, tmp_path):
    x = np.nan_to_num(training_data[0])
    for model in (classifiers["text"][1], xgboost_model):
        path = tmp_path / "model.spinney"
        model.save(path)
        again = spinney.load(path)
        assert_same(again.predict(x), model.predict(x))
        assert_same(again.predict_proba(x), model.predict_proba(x))
        assert again.source["kind"] == model.source["kind"]
        copied = spinney.Model.from_bytes(model.to_bytes())
        assert_same(copied.predict_raw(x), model.predict_raw(x))
    with pytest.raises(OSError, match="absent"):
        xgboost_model.save(tmp_path / "absent" / "model.spinney")
    with pytest.raises(TypeError):
        xgboost_model.save(3)


def test_a_model_goes_through_pickle(model, training_data):
    again = pickle.loads(pickle.dumps(model))
    assert_same(again.predict(training_data[0]), model.predict(training_data[0]))
