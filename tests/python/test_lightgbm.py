"""Models that LightGBM saved as text give LightGBM's own answers, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from lightgbm_models import (
    BOOSTING,
    OBJECTIVES,
    check,
    decisive_rows,
    lightgbm,
    same_bits,
    train,
    training_data,
)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("boosting", BOOSTING)
def test_objectives(objective, boosting, tmp_path):
    parameters = {"objective": objective, **OBJECTIVES[objective], **BOOSTING[boosting]}
    check(train(parameters), tmp_path / "m.txt")


@pytest.mark.parametrize(
    "objective", ["regression", "regression_l1", "fair", "quantile", "huber", "poisson"]
)
def test_square_root_of_the_target(objective, tmp_path):
    kind = "positive" if objective == "poisson" else "regression"
    check(train({"objective": objective, "reg_sqrt": True, "kind": kind}), tmp_path / "m.txt")


@pytest.mark.parametrize("sigmoid", [0.5, 0.7, 1.23, 2, 0.123456789, 17.3, 1e-3, 1234567])
@pytest.mark.parametrize("objective", ["binary", "multiclassova"])
def test_sigmoid_parameter(objective, sigmoid, tmp_path):
    parameters = {"objective": objective, **OBJECTIVES[objective], "sigmoid": sigmoid}
    check(train(parameters, n_rounds=5), tmp_path / "m.txt")


MISSING = {
    "nan": {},
    "zero": {"zero_as_missing": True},
    "none": {"use_missing": False},
}


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tree", ["plain", "linear", "categorical", "both"])
def test_missing_rules(missing, seed, tree, tmp_path):
    if missing == "zero" and tree in ("linear", "both"):
        pytest.skip("LightGBM trains no linear trees with zero_as_missing")
    categorical = (1, 4) if tree in ("categorical", "both") else ()
    parameters = {"objective": "regression", "linear_tree": tree in ("linear", "both")}
    booster = train({**parameters, **MISSING[missing]}, seed, categorical)
    check(booster, tmp_path / "m.txt", categorical)


def test_onehot_and_large_categories(tmp_path):
    parameters = {"objective": "binary", "kind": "binary", "max_cat_to_onehot": 100}
    check(train(parameters, categorical=(0, 5)), tmp_path / "m.txt", (0, 5))
    parameters["max_cat_to_onehot"] = 1
    check(train(parameters, categorical=(0, 5)), tmp_path / "m.txt", (0, 5))


def test_many_leaves_and_classes(tmp_path):
    parameters = {"objective": "regression", "num_leaves": 255, "min_data_in_leaf": 1}
    check(train(parameters, n_rounds=10), tmp_path / "m.txt")
    parameters = {"objective": "multiclass", "num_class": 40, "kind": "multiclass"}
    check(train(parameters, n_rounds=3), tmp_path / "m.txt")


def test_constant_target_gives_single_leaves(tmp_path):
    x, _ = training_data(0)
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, np.full(len(x), 3.25)), 3)
    check(booster, tmp_path / "m.txt")


def test_no_trees(tmp_path):
    x, y = training_data(0, "multiclass")
    parameters = {"verbose": -1, "objective": "multiclass", "num_class": 3}
    booster = lightgbm.Booster(parameters, lightgbm.Dataset(x, y))
    check(booster, tmp_path / "m.txt")


def test_own_objective(tmp_path):
    x, y = training_data(0, "multiclass")

    def gradient(scores, data):
        onehot = np.eye(3)[y.astype(int)]
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return p - onehot, p * (1 - p)

    parameters = {"verbose": -1, "objective": gradient, "num_class": 3, "num_leaves": 7}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), 5)
    check(booster, tmp_path / "m.txt")


def test_best_iteration_is_where_a_saved_booster_ends(tmp_path):
    x, y = training_data(0)
    valid = lightgbm.Dataset(*training_data(1))
    booster = lightgbm.train(
        {"verbose": -1, "learning_rate": 0.9, "num_leaves": 60},
        lightgbm.Dataset(x, y),
        100,
        valid_sets=[valid],
        keep_training_booster=True,
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )
    assert 0 < booster.best_iteration < booster.current_iteration()
    check(booster, tmp_path / "m.txt")
    rows = decisive_rows(booster, np.float64)
    same_bits(spinney.load(tmp_path / "m.txt").predict(rows), booster.predict(rows))


def test_thread_counts_agree(tmp_path):
    booster = train({"objective": "binary", "kind": "binary"})
    booster.save_model(tmp_path / "m.txt")
    rows = decisive_rows(booster, np.float64, n_rows=5000)
    model = spinney.load(tmp_path / "m.txt")
    one = model.predict_raw(rows, num_threads=1)
    same_bits(model.predict_raw(rows, num_threads=2), one)
    same_bits(one, booster.predict(rows, raw_score=True, num_threads=1))


def test_a_cut_file_is_refused(tmp_path):
    booster = train({"objective": "regression"})
    text = booster.model_to_string()
    path = tmp_path / "cut.txt"
    for share in (0.1, 0.5, 0.7):
        path.write_text(text[: int(share * text.index("end of trees"))])
        with pytest.raises(spinney.CorruptModelError):
            spinney.load(path)


def model_of_scores(scores, objective):
    """Text of a model that gives scores[i] to the row [i], as a chain of splits."""
    n = len(scores)
    splits = range(n - 1)
    tree = "\n".join(
        [
            "Tree=0",
            f"num_leaves={n}",
            "num_cat=0",
            "split_feature=" + " ".join("0" for _ in splits),
            "threshold=" + " ".join(f"{i + 0.5}" for i in splits),
            "decision_type=" + " ".join("2" for _ in splits),
            "left_child=" + " ".join(str(-1 - i) for i in splits),
            "right_child=" + " ".join(str(i + 1 if i + 2 < n else -n) for i in splits),
            "leaf_value=" + " ".join(repr(float(score)) for score in scores),
            "shrinkage=1",
            "\n\n",
        ]
    )
    return (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx=0\nobjective={objective}\nfeature_names=x\nfeature_infos=[0:{n}]\n"
        f"tree_sizes={len(tree)}\n\n{tree}end of trees\n\npandas_categorical:null\n"
    )


LINKS = ["binary sigmoid:1", "binary sigmoid:1.23", "poisson", "cross_entropy",
         "cross_entropy_lambda", "regression sqrt", "regression", "lambdarank"]  # fmt: skip


@pytest.mark.parametrize("objective", LINKS)
def test_links_over_many_scores(objective, tmp_path):
    rng = np.random.default_rng(0)
    scores = np.concatenate(
        [
            rng.standard_normal(1200) * 10.0 ** rng.integers(-12, 3, 1200),
            np.linspace(-750, 750, 301),
            [0.0, -0.0, 5e-324, -5e-324, 1e-300, 709.78, 709.79, -745.13, -745.14, 1e300, -1e300],
        ]
    )
    text = model_of_scores(scores, objective)
    (tmp_path / "m.txt").write_text(text)
    rows = np.arange(len(scores), dtype=float)[:, None]
    ours = spinney.load(tmp_path / "m.txt")
    theirs = lightgbm.Booster(model_str=text)
    same_bits(ours.predict_raw(rows), theirs.predict(rows, raw_score=True))
    same_bits(ours.predict(rows), theirs.predict(rows))
