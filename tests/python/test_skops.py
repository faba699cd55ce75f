"""Files of skops answer as what was saved, and nothing in them is imported."""

import io
import json
import sys
import zipfile

import numpy as np
import pytest

pytest.importorskip("skops")
pytest.importorskip("sklearn")

import skops.io as skops
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import spinney
from sklearn_cases import assert_same, training_data

X, Y, SCORE = training_data(31, rows=200, classes=3)
LABELS = np.array(["low", "mid", "high"])[Y]
ROWS = training_data(32, rows=50)[0]
SMALL = {"n_estimators": 4, "max_depth": 3, "random_state": 0}
MODELS = {
    "tree": DecisionTreeClassifier(max_depth=3).fit(X, LABELS),
    "outputs": DecisionTreeRegressor(max_depth=3).fit(X, np.c_[SCORE, -SCORE]),
    "forest": RandomForestClassifier(**SMALL).fit(X, LABELS.astype(object)),
    "extra": ExtraTreesClassifier(**SMALL).fit(X, Y > 0),
    "values": RandomForestRegressor(**SMALL).fit(X, SCORE),
    "boosting": GradientBoostingClassifier(**SMALL).fit(X, Y),
    "histogram": HistGradientBoostingClassifier(max_iter=4, max_depth=3).fit(X, LABELS),
    "isolation": IsolationForest(n_estimators=4, random_state=0).fit(X),
    "adaboost": AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=3).fit(X, Y),
    "bagging": BaggingRegressor(DecisionTreeRegressor(max_depth=3), 3).fit(X, SCORE),
    "voting": VotingClassifier(
        [("a", DecisionTreeClassifier(max_depth=2)), ("b", RandomForestClassifier(**SMALL))],
        voting="soft",
    ).fit(X, LABELS),
    "search": GridSearchCV(DecisionTreeClassifier(), {"max_depth": [2, 3]}, cv=2).fit(X, LABELS),
    "linear": LogisticRegression().fit(X[:, :3], Y > 0),
}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", MODELS)
def test_models(name, compression, tmp_path):
    model = MODELS[name]
    path = tmp_path / "model.skops"
    skops.dump(model, path, compression=compression)
    loaded = spinney.load(path)
    # The pickle's answers are compared with scikit-learn's own elsewhere.
    other = spinney.load(model)
    rows = ROWS[:, : loaded.n_features]
    assert_same(other.predict(rows), loaded.predict(rows))
    assert_same(other.predict_raw(rows), loaded.predict_raw(rows))
    assert_same(model.predict(rows), loaded.predict(rows))
    if hasattr(model, "classes_"):
        assert_same(other.predict_proba(rows), loaded.predict_proba(rows))
        assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.source == {**other.source, "format": "skops"}
    assert loaded.info()["warnings"] == []


def test_names_of_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X[:, :3], columns=["a", "b\n", "ü"])
    model = RandomForestRegressor(**SMALL).fit(frame, SCORE)
    assert spinney.load(skops.dumps(model)).feature_names == ["a", "b\n", "ü"]


def test_other_libraries():
    xgboost = pytest.importorskip("xgboost")
    lightgbm = pytest.importorskip("lightgbm")
    for model in (
        xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(X, Y),
        lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1).fit(X, Y),
    ):
        try:
            data = skops.dumps(model)
        except Exception as error:
            pytest.skip(f"skops does not write it: {error}")
        loaded = spinney.load(data)
        assert_same(model.predict_proba(ROWS), loaded.predict_proba(ROWS))


def test_containers():
    held = {"model": MODELS["tree"], "columns": ["a"], 3: (1.5, None, np.arange(3))}
    loaded = spinney.load(skops.dumps(held))
    beside = loaded.info()["beside"]
    assert beside["columns"] == ["a"]
    assert beside[3][:2] == [1.5, None]
    assert beside[3][2].tolist() == [0, 1, 2]
    loaded = spinney.load(skops.dumps([MODELS["tree"], MODELS["forest"]]), member="1")
    assert loaded.n_trees == 4


def test_ridge_and_an_estimator_without_a_reader():
    loaded = spinney.load(skops.dumps(Ridge().fit(X[:, :3], SCORE)))
    assert loaded.info()["scorer"] == "linear"
    with pytest.raises(spinney.UnsupportedModelError, match="SVC has no native reader"):
        spinney.load(skops.dumps(SVC().fit(X, Y)))


def parts_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


DATA = skops.dumps(MODELS["tree"])


def changed(change):
    parts = parts_of(DATA)
    schema = json.loads(parts["schema.json"])
    change(schema)
    return packed({**parts, "schema.json": json.dumps(schema)})


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_protocols(protocol):
    loaded = spinney.load(changed(lambda schema: schema.update(protocol=protocol)))
    assert_same(MODELS["tree"].predict_proba(ROWS), loaded.predict_proba(ROWS))


@pytest.mark.parametrize("protocol", [3, -1, 10**30, "2x", None])
def test_other_protocols(protocol):
    with pytest.raises(spinney.SpinneyError, match="protocol"):
        spinney.load(changed(lambda schema: schema.update(protocol=protocol)))


def test_nothing_is_imported():
    def name_a_module(schema):
        schema["__module__"] = "antigravity"
        schema["content"]["content"]["criterion"] = {
            "__class__": "system",
            "__module__": "this",
            "__loader__": "FunctionNode",
        }

    with pytest.raises(spinney.UnsupportedModelError, match="antigravity"):
        spinney.load(changed(name_a_module))
    assert "antigravity" not in sys.modules
    assert "this" not in sys.modules


def deep(levels):
    node = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}
    for _ in range(levels):
        node = {**node, "content": [node]}
    return node


HOSTILE = {
    "a node that is no object": lambda s: s.update(content=[1]),
    "no loader": lambda s: s.pop("__loader__"),
    "no module": lambda s: s.pop("__module__"),
    "no content": lambda s: s.pop("content"),
    "a dict without content": lambda s: s["content"].pop("content"),
    "deep": lambda s: s["content"]["content"].update(x=deep(60)),
    "very deep": lambda s: s["content"]["content"].update(x=deep(300)),
    "a text that is no JSON": lambda s: s["content"]["content"]["criterion"].update(content="g"),
    "an empty text": lambda s: s["content"]["content"]["criterion"].update(content=""),
    "half a text": lambda s: s["content"]["content"]["criterion"].update(content='"'),
    "a bad escape": lambda s: s["content"]["content"]["criterion"].update(content='"\\ud800"'),
    "a list": lambda s: s["content"]["content"]["criterion"].update(content=[]),
    "no file": lambda s: s["content"]["content"]["classes_"].update(file="../x.npy"),
    "another type": lambda s: s["content"]["content"]["classes_"].update(type="pickle"),
    "objects": lambda s: s["content"]["content"]["classes_"].update(type="json", content=[]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_schema_that_lies(name):
    with pytest.raises(spinney.SpinneyError) as raised:
        spinney.load(changed(HOSTILE[name]))
    assert len(str(raised.value)) < 3000


def npy(header, body=b"", version=1):
    text = header.encode()
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + body


TYPE = "'descr': '<i8', 'fortran_order': False, 'shape': (2,), "
BAD_ARRAYS = {
    "no mark": b"x" * 100,
    "cut short": npy("{" + TYPE + "}")[:20],
    "a long header": npy("{" + TYPE + "}")[:8] + b"\xff\xff" + b"{",
    "too few": npy("{" + TYPE + "}", bytes(8)),
    "too many": npy("{" + TYPE + "}", bytes(24)),
    "no end": npy("{" + TYPE, bytes(16)),
    "more behind": npy("{" + TYPE + "} 1", bytes(16)),
    "a call": npy("{'descr': exit(), 'fortran_order': False, 'shape': (2,)}", bytes(16)),
    "negative": npy("{'descr': '<i8', 'fortran_order': False, 'shape': (-2,)}"),
    "huge": npy("{'descr': '|S0', 'fortran_order': False, 'shape': (99999999999,)}"),
    "wraps": npy("{'descr': '<i8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"),
    "pickled": npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", b"cos\nsystem\n."),
    "a type of no kind": npy("{'descr': '<q8', 'fortran_order': False, 'shape': (2,)}", bytes(16)),
    "many axes": npy("{'descr': '<i8', 'fortran_order': False, 'shape': (%s)}" % ("1," * 99)),
    "version 9": npy("{" + TYPE + "}", bytes(16), version=9),
    "fields of fields": npy(
        "{'descr': [('a', [('b', '<i8')])], 'fortran_order': False, 'shape': (2,)}", bytes(16)
    ),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_arrays_that_lie(name):
    parts = parts_of(DATA)
    schema = json.loads(parts["schema.json"])
    file = schema["content"]["content"]["classes_"]["file"]
    with pytest.raises(spinney.SpinneyError, match=r"\.npy"):
        spinney.load(packed({**parts, file: BAD_ARRAYS[name]}))


def test_arrays_of_other_headers():
    parts = parts_of(DATA)
    schema = json.loads(parts["schema.json"])
    file = schema["content"]["content"]["classes_"]["file"]
    texts = np.array(["a", "b", "c"])
    for version in ((1, 0), (2, 0), (3, 0)):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, texts, version=version)
        loaded = spinney.load(packed({**parts, file: buffer.getvalue()}))
        assert loaded.classes_.tolist() == ["a", "b", "c"]


def test_formats_that_are_named():
    assert spinney.load(DATA, format="skops").source["format"] == "skops"
    for data in (packed({"other.json": b"{}"}), b"{}"):
        with pytest.raises(spinney.CorruptModelError, match=r"schema\.json|zip archive"):
            spinney.load(data, format="skops")
