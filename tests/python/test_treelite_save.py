"""Forests saved as checkpoints of Treelite, which reads them back and answers the same."""

import numpy as np
import pytest
from treelite.model_builder import PostProcessorFunc

import spinney
from treelite_models import build, rows

treelite = pytest.importorskip("treelite")

X = np.random.default_rng(0).normal(size=(300, 4))
X[::7, 1] = np.nan
Y = np.nan_to_num(X[:, 1]) + X[:, 0] * X[:, 2]
CLASSES = np.digitize(Y, [-0.5, 0.5])


def saved(model, tmp_path):
    path = tmp_path / "model.tl"
    model.save(path, format="treelite")
    return treelite.Model.deserialize(str(path))


def raw(original, x):
    out = treelite.gtil.predict(original, x, nthread=1, pred_margin=True)
    return out.reshape(len(x), -1)


def proven(model, tmp_path, x=X):
    """The raw scores are equal in the checkpoint's type, at thresholds and beside them too."""
    original = saved(model, tmp_path)
    assert original.num_feature == model.n_features
    got = model.predict_raw(x).reshape(len(x), -1)
    expected = raw(original, np.ascontiguousarray(x, got.dtype))
    np.testing.assert_array_equal(got, expected)
    again = spinney.load(tmp_path / "model.tl")
    np.testing.assert_array_equal(again.predict_raw(x).reshape(len(x), -1), expected)
    return original


def near_thresholds(trees, width):
    """Rows of float64 at the thresholds, and about where they round to others as float32."""
    at = np.asarray(trees, np.float64)[:200]
    up = np.nextafter(at.astype(np.float32), np.float32(np.inf)).astype(np.float64)
    down = np.nextafter(at.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    middles = np.concatenate([(at + up) / 2, (at + down) / 2])
    values = np.concatenate([at, up, down, middles])
    values = np.concatenate([values, np.nextafter(middles, np.inf), np.nextafter(middles, -np.inf)])
    return np.random.default_rng(1).choice(values, size=(2000, width))


@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic", "count:poisson"])
def test_xgboost(objective, tmp_path):
    xgboost = pytest.importorskip("xgboost")
    y = {"reg:squarederror": Y, "binary:logistic": Y > 0}.get(objective, np.abs(Y))
    fitted = xgboost.train(
        {"objective": objective, "max_depth": 4}, xgboost.DMatrix(X, y), num_boost_round=20
    )
    model = spinney.load(fitted)
    original = proven(model, tmp_path)
    x = X.astype(np.float32)
    values = treelite.gtil.predict(original, x).reshape(-1)
    np.testing.assert_allclose(values, model.predict(x), rtol=3e-7)


def test_xgboost_of_several_classes_and_targets(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    fitted = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(X, CLASSES), 10
    )
    proven(spinney.load(fitted), tmp_path)
    both = np.stack([Y, -Y], axis=1)
    for strategy in ("one_output_per_tree", "multi_output_tree"):
        fitted = xgboost.train(
            {"multi_strategy": strategy, "tree_method": "hist"}, xgboost.DMatrix(X, both), 10
        )
        assert proven(spinney.load(fitted), tmp_path).num_tree >= 10


def test_lightgbm(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    options = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    for x in (X, np.nan_to_num(X) + 0.25):
        fitted = lightgbm.train({**options, "objective": "binary"}, lightgbm.Dataset(x, Y > 0), 20)
        proven(spinney.load(fitted), tmp_path, X)
    options.update(objective="multiclass", num_class=3)
    fitted = lightgbm.train(options, lightgbm.Dataset(X, CLASSES), 10)
    proven(spinney.load(fitted), tmp_path)


def test_scikit_learn_rounds_to_float32_and_the_checkpoint_where_it_rounds_to(tmp_path):
    pytest.importorskip("sklearn")
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

    x = np.nan_to_num(X)
    for estimator, y in (
        (RandomForestRegressor(12, random_state=0), Y),
        (ExtraTreesRegressor(12, random_state=0), np.stack([Y, -Y], axis=1)),
        (RandomForestClassifier(12, random_state=0), CLASSES),
    ):
        fitted = estimator.fit(x, y)
        thresholds = np.concatenate([tree.tree_.threshold for tree in fitted.estimators_])
        model = spinney.load(fitted)
        proven(model, tmp_path, near_thresholds(thresholds, 4))
        assert model.predict_raw(x).dtype == np.float64


def test_checkpoints_themselves(tmp_path):
    rng = np.random.default_rng(3)
    for dtype in ("float32", "float64"):
        original = build(rng, dtype, categories=True, average=True, base=[0.3], trees=10)
        model = spinney.load(original.serialize_bytes())
        proven(model, tmp_path, rows(rng, np.dtype(dtype).type))


def test_a_softmax_is_of_classes_whatever_the_task(tmp_path):
    original = build(
        np.random.default_rng(4),
        classes=(2,),
        ids=((0, 0), (0, 1)),
        postprocessor=PostProcessorFunc(name="softmax"),
        task="kBinaryClf",
    )
    model = spinney.load(original.serialize_bytes())
    x = rows(np.random.default_rng(4), np.float32)
    again = proven(model, tmp_path, x)
    np.testing.assert_array_equal(treelite.gtil.predict(again, x)[:, 0], model.predict(x))


def test_what_cannot_be_expressed_is_named(tmp_path):
    pytest.importorskip("sklearn")
    from sklearn.ensemble import AdaBoostRegressor, GradientBoostingClassifier
    from sklearn.linear_model import LinearRegression

    x = np.nan_to_num(X)
    path = tmp_path / "none.tl"
    for fitted, words in (
        (LinearRegression().fit(x, Y), "LinearRegression"),
        (AdaBoostRegressor(n_estimators=3, random_state=0).fit(x, Y), "median|no forest"),
    ):
        with pytest.raises(spinney.UnsupportedModelError, match=words):
            spinney.load(fitted).save(path, format="treelite")
        assert not path.exists()
    model = spinney.load(GradientBoostingClassifier(n_estimators=3).fit(x, Y > 0))
    proven(model, tmp_path, x)
    with pytest.raises(spinney.InvalidInputError, match="format is 'onnx'"):
        model.save(path, format="onnx")


def test_lightgbm_whose_zeros_are_missing_is_refused(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    data = lightgbm.Dataset(np.where(X > 1, 0, X), Y, params={"zero_as_missing": True})
    options = {"verbose": -1, "zero_as_missing": True, "min_data_in_leaf": 5}
    model = spinney.load(lightgbm.train(options, data, 10))
    with pytest.raises(spinney.UnsupportedModelError, match="zeros are missing"):
        model.save(tmp_path / "none.tl", format="treelite")
