"""Files of CatBoost that are damaged or lie are refused, by name, and never crash."""

from __future__ import annotations

import copy
import json
import pickle
import struct

import numpy as np
import pytest

import spinney

ERRORS = (spinney.CorruptModelError, spinney.UnsupportedModelError, spinney.ModelTooLargeError)


def tree(splits=(0, 1), leaves=(1.0, 2.0, 3.0, 4.0)):
    return {
        "splits": [
            {"split_index": s, "split_type": "FloatFeature", "border": 0, "float_feature_index": 0}
            for s in splits
        ],
        "leaf_values": list(leaves),
        "leaf_weights": [1] * len(leaves),
    }


def column(index, borders, **more):
    return {
        "flat_feature_index": index, "feature_index": index, "borders": borders,
        "has_nans": False, "nan_value_treatment": "AsIs", **more,
    }  # fmt: skip


def model(**changes):
    made = {
        "features_info": {"float_features": [column(0, [0.5]), column(1, [-1.0, 2.0])]},
        "model_info": {
            "params": {"loss_function": {"type": "RMSE"}},
            "catboost_version_info": "Branch: tags/v1.2.10",
        },
        "oblivious_trees": [tree(), tree((2,), (0.5, -0.5))],
        "scale_and_bias": [1, [0.25]],
    }
    made.update(copy.deepcopy(changes))
    return made


def load(made):
    return spinney.load(json.dumps(made).encode())


def with_floats(*columns):
    return model(features_info={"float_features": list(columns)})


def test_the_plain_model_loads():
    ours = load(model())
    got = ours.predict([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0], [float("nan"), 2.0]])
    np.testing.assert_array_equal(got, [3 + 0.5 + 0.25, 4 + 0.75, 4 - 0.25, 3.75])


LIES = {
    "a test that there is not": (model(oblivious_trees=[tree((0, 3))]), "has test 3 of 3"),
    "a test before the first": (model(oblivious_trees=[tree((0, -1))]), "number -1"),
    "a leaf too many": (model(oblivious_trees=[tree(leaves=(1, 2, 3, 4, 5))]), "5 leaf values"),
    "a leaf too few": (model(oblivious_trees=[tree(leaves=(1, 2, 3))]), "3 leaf values"),
    "no leaves": (model(oblivious_trees=[tree((), ())]), "0 scores"),
    "trees of several sizes": (
        model(oblivious_trees=[tree(), tree((0,), (1, 2, 3, 4))]),
        "2 scores and those before it 1",
    ),
    "too deep": (model(oblivious_trees=[tree([0] * 25, [1.0])]), "for 25 tests"),
    "borders that descend": (with_floats(column(0, [1.0, 0.5, 0.7])), "do not ascend"),
    "a column twice": (with_floats(column(0, [1.0, 2.0, 3.0]), column(0, [])), "column 0 twice"),
    "no column": (with_floats(column(-1, [1.0, 2.0, 3.0])), "belongs to no column"),
    "two billion columns": (with_floats(column(2**31 - 2, [1.0, 2.0, 3.0])), "columns"),
    "more columns than numbers": (with_floats(column(2**40, [1.0, 2.0, 3.0])), "columns"),
    "NaN treated otherwise": (
        with_floats(column(0, [1.0, 2.0, 3.0], nan_value_treatment="AsYouLike")),
        "AsYouLike",
    ),
    "biases for others": (model(scale_and_bias=[1, [1, 2]]), "adds 2 numbers to 1 scores"),
    "an infinite bias": (model(scale_and_bias=[1, [1e999]]), "adds inf"),
    "a scale that is no number": (model(scale_and_bias=[None, [0]]), "scale_and_bias"),
    "an infinite scale": (model(scale_and_bias=[1e999, [0]]), "multiplies its sums by inf"),
    "three of scale and bias": (model(scale_and_bias=[1, [0], 2]), "not a number and a list"),
    "text": (
        model(features_info={"text_features": [{"feature_id": "words"}]}),
        'text features, such as "words"',
    ),
    "embeddings": (model(features_info={"embedding_features": [{}]}), "embedding features"),
}


@pytest.mark.parametrize("lie", LIES)
def test_json_that_lies(lie):
    made, message = LIES[lie]
    with pytest.raises(ERRORS, match=message.replace("[", r"\[")):
        load(made)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"params": {"loss_function": {"type": 3}}}, "loss_function"),
        ({"class_params": {"class_names": ["a"], "class_label_type": "String"}}, "1 classes"),
        ({"class_params": {"class_names": [1, 2], "class_label_type": "Mood"}}, "Mood"),
        ({"class_params": {"class_names": ["a", 2], "class_label_type": "String"}}, "class_names"),
        ({"class_params": {"class_names": [1, 2, 3], "class_label_type": "Integer"}}, "3 classes"),
        ({"class_params": {"class_names": [0.5, 2], "class_label_type": "Integer"}}, "class_names"),
        ({"params": {"loss_function": {"type": "Logloss"}}, "binclass_probability_threshold": "2"},
         "binclass_probability_threshold"),
        ({"params": {"loss_function": {"type": "Logloss"}}, "binclass_probability_threshold": ""},
         "binclass_probability_threshold"),
        ({"params": {"loss_function": {"type": "RMSEWithUncertainty"}}}, "1 scores"),
    ],
)  # fmt: skip
def test_information_that_lies(info, message):
    with pytest.raises(ERRORS, match=message):
        load(model(model_info=info))


def test_nested_trees_that_lie():
    split = {"split_index": 0}
    leaf = {"value": 1.0, "weight": 1}
    good = {"split": split, "left": leaf, "right": {"value": 2.0}}

    def nested(*trees):
        made = model(trees=list(trees))
        del made["oblivious_trees"]
        return made

    np.testing.assert_array_equal(
        load(nested(good)).predict([[0.0, 0.0], [1.0, 0.0]]), [1.25, 2.25]
    )
    assert load(nested(leaf)).predict([[0.0, 0.0]]) == [1.25]
    for bad, message in [
        ({"split": split, "left": leaf}, "right"),
        ({"left": leaf, "right": leaf}, "split"),
        ({"split": {}, "left": leaf, "right": leaf}, "split_index"),
        ({"split": {"split_index": 9}, "left": leaf, "right": leaf}, "test 9 of 3"),
        ({"split": split, "left": {"value": [1.0, 2.0]}, "right": leaf}, "1 scores and another 2"),
        ({"split": split, "left": {"value": "x"}, "right": leaf}, "value"),
        ({}, "split"),
    ]:
        with pytest.raises(ERRORS, match=message):
            load(nested(bad))
    deep = leaf
    for _ in range(60):
        deep = {"split": split, "left": leaf, "right": deep}
    with pytest.raises(ERRORS, match="nested more than"):
        load(nested(deep))


@pytest.mark.parametrize("seed", range(3))
def test_json_that_is_cut_or_changed(seed):
    text = json.dumps(model()).encode()
    rng = np.random.default_rng(seed)
    for _ in range(300):
        changed = bytearray(text)
        if rng.random() < 0.3:
            changed = changed[: rng.integers(0, len(text))]
        for _ in range(rng.integers(1, 4)):
            if changed:
                changed[rng.integers(0, len(changed))] = rng.choice(list(b'0123456789-e.",[]{}:tn'))
        try:
            spinney.load(bytes(changed)).predict([[0.0, 0.0]] * 3)
        except spinney.SpinneyError as error:
            assert str(error)


@pytest.fixture(scope="module")
def cbm():
    catboost = pytest.importorskip("catboost")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    files = []
    for policy in ("SymmetricTree", "Lossguide"):
        fitted = catboost.CatBoostRegressor(
            iterations=3, depth=3, grow_policy=policy, verbose=0, allow_writing_files=False
        ).fit(x, x[:, 0])
        files.append(bytes(fitted._serialize_model()))
    return files


def test_cbm_files_that_are_cut(cbm):
    for data in cbm:
        size = struct.unpack("<I", data[4:8])[0] + 8
        for end in [0, 3, 4, 7, 8, 9, 20, 100, size // 2, size - 1]:
            with pytest.raises(ERRORS):
                spinney.load(data[:end], format="cbm")
        with pytest.raises(spinney.CorruptModelError, match="cut short"):
            spinney.load(data[: size - 1])


@pytest.mark.parametrize("size", [0, 1, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_cbm_files_that_lie_about_their_size(cbm, size):
    for data in cbm:
        with pytest.raises(ERRORS):
            spinney.load(data[:4] + struct.pack("<I", size) + data[8:])


@pytest.mark.parametrize("seed", range(4))
def test_cbm_files_that_are_changed(cbm, seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(3, 3))
    for data in cbm:
        # The model's trees lie in front of texts that describe its training.
        end = min(len(data), 3000)
        for _ in range(500):
            changed = bytearray(data)
            for _ in range(rng.integers(1, 4)):
                at = rng.integers(8, end)
                word = rng.choice([0, 1, 4, 0x7FFFFFFF, 0xFFFFFFFF, int(rng.integers(0, 2**32))])
                if rng.random() < 0.5:
                    changed[at] = int(word) & 0xFF
                else:
                    at = at // 4 * 4
                    changed[at : at + 4] = struct.pack("<I", int(word))
            try:
                loaded = spinney.load(bytes(changed))
                if loaded.n_features == 3:
                    loaded.predict(rows)
            except spinney.SpinneyError as error:
                assert str(error)


def test_other_files_that_begin_alike():
    for data in (
        b"CBM1",
        b"CBM1\0\0\0\0",
        b"CBM2" + bytes(40),
        b'{"features_info":',
        b'{"trees":[]}',
    ):
        with pytest.raises(ERRORS):
            spinney.load(data)


def test_pickles_whose_state_is_no_model():
    for held in (b"", b"CBM1", "text", 3, [1]):
        with pytest.raises(ERRORS):
            spinney.load(_forged({"__model": held}))
    with pytest.raises(spinney.InvalidInputError, match="not fitted"):
        spinney.load(_forged({"iterations": 3}))


def _forged(state):
    """A pickle of a CatBoostRegressor with that state."""
    body = pickle.dumps(state, protocol=2)[2:-1]
    return b"\x80\x02ccatboost.core\nCatBoostRegressor\n)\x81" + body + b"b."
