"""XGBoost models, JSON and UBJSON: equal to XGBoost bit for bit, on hostile rows too."""

import json

import numpy as np
import pytest

import spinney
from xgboost_models import (
    OBJECTIVES,
    assert_same,
    both_formats,
    check,
    data_for,
    hostile_rows,
    params_for,
    training_rows,
    xgb,
)


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective(objective, booster, tmp_path):
    rng = np.random.default_rng(OBJECTIVES.index(objective))
    x, signal = training_rows(rng)
    params = params_for(objective, booster=booster, rate_drop=0.5)
    trained = xgb.train(params, data_for(objective, x, signal), 9)
    check(trained, hostile_rows(rng, trained, 501), tmp_path)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gblinear(objective, tmp_path):
    if objective == "reg:quantileerror":
        pytest.skip("XGBoost trains no gblinear for several quantiles")
    rng = np.random.default_rng(3)
    x, signal = training_rows(rng)
    params = {k: v for k, v in params_for(objective).items() if k != "max_depth"}
    trained = xgb.train({**params, "booster": "gblinear"}, data_for(objective, x, signal), 5)
    check(trained, x, tmp_path)


def test_row_counts_from_1_to_130(tmp_path):
    rng = np.random.default_rng(5)
    x, signal = training_rows(rng)
    trained = xgb.train(params_for("binary:logistic"), data_for("binary:logistic", x, signal), 20)
    rows = hostile_rows(rng, trained, 130)
    wanted = trained.predict(xgb.DMatrix(rows), output_margin=True)
    for model in both_formats(trained, tmp_path):
        for n in range(1, 131):
            assert_same(model.predict_raw(rows[:n]), wanted[:n])


def test_infinities_follow_the_comparison(tmp_path):
    rng = np.random.default_rng(6)
    x, signal = training_rows(rng)
    trained = xgb.train(params_for("reg:squarederror"), data_for("reg:squarederror", x, signal), 20)
    rows = hostile_rows(rng, trained, 300, infinite=True)
    # inplace_predict does not look for infinities, which DMatrix refuses.
    wanted = trained.inplace_predict(rows, predict_type="margin")
    for model in both_formats(trained, tmp_path):
        assert_same(model.predict_raw(rows), wanted)


def test_leaves(tmp_path):
    rng = np.random.default_rng(7)
    x, signal = training_rows(rng)
    # "prune" leaves deleted nodes in the file, which must not shift the leaves' numbers.
    params = params_for("binary:logistic", tree_method="exact", gamma=0.5)
    trained = xgb.train(params, data_for("binary:logistic", x, signal), 10)
    rows = hostile_rows(rng, trained, 100)
    wanted = trained.predict(xgb.DMatrix(rows), pred_leaf=True)
    for model in both_formats(trained, tmp_path):
        np.testing.assert_array_equal(model.predict_leaf(rows), wanted)
    check(trained, rows, tmp_path)


def test_pruned_trees_hold_deleted_nodes():
    rng = np.random.default_rng(7)
    x, signal = training_rows(rng)
    params = params_for("binary:logistic", tree_method="exact", gamma=0.5)
    trained = xgb.train(params, data_for("binary:logistic", x, signal), 10)
    trees = json.loads(bytes(trained.save_raw("json")))["learner"]["gradient_booster"]["model"]
    assert any(int(tree["tree_param"]["num_deleted"]) for tree in trees["trees"])


def test_boosted_random_forest(tmp_path):
    rng = np.random.default_rng(8)
    x, signal = training_rows(rng)
    params = params_for("multi:softprob", num_parallel_tree=4, subsample=0.5)
    trained = xgb.train(params, data_for("multi:softprob", x, signal), 3)
    check(trained, hostile_rows(rng, trained, 65), tmp_path)
    assert spinney.load(tmp_path / "model.json").n_trees == 60


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic", "multi:softprob"])
def test_several_outputs(objective, strategy, tmp_path):
    rng = np.random.default_rng(9)
    x, signal = training_rows(rng)
    if objective == "multi:softprob":
        data = data_for(objective, x, signal)
    else:
        y = np.stack([signal, signal**2, -signal], axis=1)
        data = xgb.DMatrix(x, y > 1 if objective == "binary:logistic" else y)
    params = params_for(objective, multi_strategy=strategy, tree_method="hist")
    trained = xgb.train(params, data, 6)
    check(trained, hostile_rows(rng, trained, 65), tmp_path)


@pytest.mark.parametrize("one_hot", [1, 100])
def test_categorical_splits(one_hot, tmp_path):
    rng = np.random.default_rng(10)
    x = rng.integers(0, 60, size=(800, 4)).astype(np.float32)
    x[:, 3] = rng.normal(size=800)
    x[rng.random(x.shape) < 0.05] = np.nan
    y = np.isin(x[:, 0], rng.choice(60, 25)) + 0.5 * np.isin(x[:, 1], [3, 5, 40]) + x[:, 3] * 0.1
    kinds = ["c", "c", "c", "q"]
    data = xgb.DMatrix(x, np.nan_to_num(y), feature_types=kinds, enable_categorical=True)
    params = params_for("reg:squarederror", max_cat_to_onehot=one_hot, tree_method="hist")
    trained = xgb.train(params, data, 10)
    rows = rng.integers(0, 60, size=(500, 4)).astype(np.float32)
    odd = [-1, -0.5, 0.5, 31.5, 59.99, 60, 64, 95, 96, 1e6, 2**24 - 1, 2**24, 3e9, 1e30, np.nan]
    picked = rng.random(rows.shape) < 0.3
    rows[picked] = rng.choice(np.array(odd, np.float32), picked.sum())
    wanted = trained.inplace_predict(rows, predict_type="margin")
    for model in both_formats(trained, tmp_path):
        assert_same(model.predict_raw(rows), wanted)


def test_categories_of_a_data_frame(tmp_path):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "colour": pd.Categorical(rng.choice(["red", "grün", "", "blue"], 300)),
            "size": rng.normal(size=300),
            "zone": pd.Categorical(rng.choice([30, 10, 20], 300), categories=[30, 10, 20]),
        }
    )
    y = (frame["colour"] == "red") * 1.0 + (frame["zone"] == 10) + frame["size"] * 0.1
    data = xgb.DMatrix(frame, y, enable_categorical=True)
    trained = xgb.train(params_for("reg:squarederror", tree_method="hist"), data, 5)
    codes = np.stack(
        [frame["colour"].cat.codes, frame["size"], frame["zone"].cat.codes], axis=1
    ).astype(np.float32)
    wanted = trained.predict(data, output_margin=True)
    for model in both_formats(trained, tmp_path):
        assert_same(model.predict_raw(codes), wanted)


def test_thousands_of_classes(tmp_path):
    rng = np.random.default_rng(12)
    x = rng.normal(size=(2000, 2)).astype(np.float32)
    y = np.arange(2000)
    params = {
        "objective": "multi:softprob",
        "num_class": 2000,
        "max_depth": 1,
        "nthread": 1,
        "max_bin": 2,
    }
    trained = xgb.train(params, xgb.DMatrix(x, y), 1)
    check(trained, x[:33], tmp_path)


@pytest.mark.parametrize("objective", ["binary:logistic", "reg:squarederror", "count:poisson"])
def test_no_trees_at_all(objective, tmp_path):
    rng = np.random.default_rng(13)
    x, signal = training_rows(rng)
    trained = xgb.train(params_for(objective), data_for(objective, x, signal), 0)
    path = tmp_path / "none.json"
    trained.save_model(path)
    again = xgb.Booster(model_file=path)
    wanted = again.predict(xgb.DMatrix(x), output_margin=True)
    assert_same(spinney.load(path).predict_raw(x), wanted)


LINKS = ["binary:logistic", "reg:gamma", "binary:hinge", "multi:softprob", "multi:softmax"]


@pytest.mark.parametrize("objective", LINKS)
def test_links_over_many_margins(objective, tmp_path):
    """A gblinear model with unit weights, so that the margins are the inputs."""
    rng = np.random.default_rng(18)
    x, signal = training_rows(rng)
    width = 5 if objective.startswith("multi") else 1
    params = {k: v for k, v in params_for(objective).items() if k != "max_depth"}
    data = data_for(objective, x[:, :width].copy(), signal)
    trained = xgb.train({**params, "booster": "gblinear", "base_score": 0.5}, data, 1)
    text = json.loads(bytes(trained.save_raw("json")))
    weights = np.concatenate([np.eye(width), np.zeros((1, width))])
    text["learner"]["gradient_booster"]["model"]["weights"] = weights.ravel().tolist()
    (tmp_path / "units.json").write_text(json.dumps(text))
    units = xgb.Booster(model_file=tmp_path / "units.json")
    everywhere = rng.integers(0, 2**32, 100_000, dtype=np.uint32).view(np.float32)
    everywhere = everywhere[np.isfinite(everywhere)]
    margins = np.concatenate([everywhere, rng.normal(scale=20, size=150_000)]).astype(np.float32)
    margins = margins[: len(margins) // width * width].reshape(-1, width)
    check(units, margins, tmp_path)


@pytest.mark.parametrize("objective", ["binary:logistic", "reg:gamma", "multi:softprob"])
def test_base_scores_given_by_the_user(objective, tmp_path):
    rng = np.random.default_rng(14)
    x, signal = training_rows(rng)
    data = data_for(objective, x, signal)
    for base in rng.random(10):
        trained = xgb.train(params_for(objective, base_score=float(base), max_depth=1), data, 1)
        check(trained, x[:5], tmp_path)


def test_custom_objective_leaves_margins_alone(tmp_path):
    rng = np.random.default_rng(15)
    x, signal = training_rows(rng)
    data = xgb.DMatrix(x, signal)

    def halves(predicted, given):
        return predicted - given.get_label(), np.full_like(predicted, 0.5)

    trained = xgb.train({"max_depth": 3}, data, 5, obj=halves)
    check(trained, hostile_rows(rng, trained, 20), tmp_path)


def test_a_file_is_the_booster_with_all_its_trees(tmp_path):
    rng = np.random.default_rng(16)
    x, signal = training_rows(rng)
    data = data_for("binary:logistic", x, signal)
    noise = xgb.DMatrix(x, rng.integers(0, 2, len(x)))
    trained = xgb.train(
        params_for("binary:logistic", eta=1.0),
        data,
        30,
        evals=[(noise, "noise")],
        early_stopping_rounds=3,
        verbose_eval=False,
    )
    assert trained.best_iteration + 1 < trained.num_boosted_rounds()
    check(trained, x, tmp_path)


def test_probabilities_of_a_booster(tmp_path):
    rng = np.random.default_rng(17)
    x, signal = training_rows(rng)
    trained = xgb.train(params_for("binary:logistic"), data_for("binary:logistic", x, signal), 5)
    wanted = trained.predict(xgb.DMatrix(x))
    for model in both_formats(trained, tmp_path):
        assert_same(model.predict_proba(x), np.stack([1 - wanted, wanted], axis=1))
    trained = xgb.train(params_for("multi:softprob"), data_for("multi:softprob", x, signal), 5)
    for model in both_formats(trained, tmp_path):
        assert_same(model.predict_proba(x), trained.predict(xgb.DMatrix(x)))


def test_what_only_begins_as_the_old_binary_format_is_refused(tmp_path):
    for head in (b"binf" + bytes(400), bytes(136) + bytes([15] + [0] * 7) + b"binary:logistic"):
        path = tmp_path / "old.model"
        path.write_bytes(head)
        with pytest.raises(spinney.CorruptModelError, match=r"old\.model"):
            spinney.load(path)


def test_missing_files_and_directories(tmp_path):
    with pytest.raises(spinney.ModelNotFoundError, match=r"absent\.json"):
        spinney.load(tmp_path / "absent.json")
    with pytest.raises(spinney.ModelIOError, match="directory"):
        spinney.load(tmp_path)
    (tmp_path / "empty.json").write_bytes(b"")
    with pytest.raises(spinney.SpinneyError, match="empty"):
        spinney.load(tmp_path / "empty.json")


def test_survival_aft_takes_the_exp_of_doubles():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(20000, 4)).astype(np.float32)
    data = xgb.DMatrix(x)
    time = np.exp(x[:, 0])
    data.set_float_info("label_lower_bound", time)
    data.set_float_info("label_upper_bound", time + 0.5)
    booster = xgb.train({"objective": "survival:aft", "nthread": 1, "max_depth": 8}, data, 40)
    model = spinney.load(booster)
    assert_same(model.predict_raw(x), booster.predict(data, output_margin=True))
    assert_same(model.predict(x), booster.predict(data))
    single = np.exp(booster.predict(data, output_margin=True))
    assert (single != booster.predict(data)).any()
