"""XGBoost models, JSON and UBJSON: equal to XGBoost bit for bit, on hostile rows too."""

import json
import pickle

import numpy as np
import pytest

import spinney

xgb = pytest.importorskip("xgboost")

OBJECTIVES = [
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    "reg:gamma",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
]


def bits(array):
    return np.ascontiguousarray(array, dtype=np.float32).view(np.int32)


def assert_same(given, wanted):
    assert given.dtype == wanted.dtype == np.float32
    assert given.shape == wanted.shape
    different = bits(given) != bits(wanted)
    assert not different.any(), f"{different.sum()} of {different.size} values differ"


def training_rows(rng, n=400, width=6):
    x = rng.normal(size=(n, width)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2


def data_for(objective, x, signal):
    positive = np.abs(signal) + np.float32(0.1)
    labels = {
        "binary": signal > 1,
        "multi": np.round(positive).clip(0, 4),
        "rank": np.round(positive).clip(0, 4),
        "count": np.round(positive),
        "survival": positive,
    }.get(objective.split(":")[0], signal)
    if objective in ("reg:gamma", "reg:tweedie", "reg:squaredlogerror"):
        labels = positive
    if objective == "reg:logistic":
        labels = 1 / (1 + np.exp(-signal))
    if objective == "rank:map":
        labels = signal > 1
    if objective == "survival:aft":
        data = xgb.DMatrix(x)
        data.set_float_info("label_lower_bound", positive)
        data.set_float_info("label_upper_bound", positive + 0.5)
        return data
    data = xgb.DMatrix(x, labels)
    if objective.startswith("rank"):
        data.set_group([50] * (len(x) // 50))
    return data


def params_for(objective, **more):
    params = {"objective": objective, "max_depth": 5, "nthread": 1, "verbosity": 0, **more}
    if objective.startswith("multi"):
        params["num_class"] = 5
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = [0.1, 0.5, 0.9]
    return params


def thresholds_of(booster):
    trees = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    trees = trees.get("gbtree", trees)["model"]["trees"]
    found = [np.empty(0, np.float32)]
    for tree in trees:
        conditions = np.array(tree["split_conditions"], np.float32)
        found.append(conditions[np.array(tree["left_children"]) != -1])
    return np.unique(np.concatenate(found))


def hostile_rows(rng, booster, n, infinite=False):
    """Rows of thresholds, their neighbours, missing values, zeros, denormals and large numbers."""
    edges = thresholds_of(booster)
    special = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, np.nan]
    if infinite:
        special += [np.inf, -np.inf]
    pool = np.concatenate(
        [
            edges,
            np.nextafter(edges, np.float32(np.inf)),
            np.nextafter(edges, np.float32(-np.inf)),
            np.array(special * (1 + len(edges) // 8), np.float32),
            rng.normal(size=20).astype(np.float32),
        ]
    ).astype(np.float32)
    return rng.choice(pool, size=(n, booster.num_features()))


def both_formats(booster, tmp_path):
    for suffix in ("json", "ubj"):
        path = tmp_path / f"model.{suffix}"
        booster.save_model(path)
        model = spinney.load(path)
        assert model.n_trees == (booster.num_boosted_rounds() and model.n_trees)
        yield model


def check(booster, rows, tmp_path):
    data = xgb.DMatrix(rows)
    margins = booster.predict(data, output_margin=True)
    values = booster.predict(data)
    for model in both_formats(booster, tmp_path):
        assert_same(model.predict_raw(rows), margins)
        assert_same(model.predict(rows), values)


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
        "nthread": 2,
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


def test_the_old_binary_format_is_refused_by_name(tmp_path):
    for head in (b"binf" + bytes(400), bytes(136) + bytes([15] + [0] * 7) + b"binary:logistic"):
        path = tmp_path / "old.model"
        path.write_bytes(head)
        with pytest.raises(spinney.UnsupportedModelError, match="save_model"):
            spinney.load(path)


def test_missing_files_and_directories(tmp_path):
    with pytest.raises(spinney.ModelNotFoundError, match=r"absent\.json"):
        spinney.load(tmp_path / "absent.json")
    with pytest.raises(spinney.ModelIOError, match="directory"):
        spinney.load(tmp_path)
    (tmp_path / "empty.json").write_bytes(b"")
    with pytest.raises(spinney.SpinneyError, match="empty"):
        spinney.load(tmp_path / "empty.json")


def assert_wrapper(model, fitted, x):
    """predict, predict_proba and margins of an object as it was pickled."""
    wanted = fitted.predict(x)
    given = model.predict(x)
    assert given.dtype == wanted.dtype
    assert given.shape == wanted.shape
    np.testing.assert_array_equal(given, wanted)
    assert_same(model.predict_raw(x), fitted.predict(x, output_margin=True))
    if not hasattr(fitted, "predict_proba"):
        return
    wanted = fitted.predict_proba(x)
    given = model.predict_proba(x)
    assert given.dtype == wanted.dtype
    assert given.shape == wanted.shape
    if fitted.objective == "multi:softmax":  # scipy's softmax, not XGBoost's
        np.testing.assert_allclose(given, wanted, rtol=1e-6)
    else:
        np.testing.assert_array_equal(bits(given), bits(wanted))


def reload(fitted, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(fitted))
    model = spinney.load(path)
    assert model.source["kind"] == type(fitted).__name__
    return model


def wrappers():
    few = {"n_estimators": 7, "max_depth": 4, "n_jobs": 1}
    yield "two classes", xgb.XGBClassifier(**few), "two"
    yield "five classes", xgb.XGBClassifier(**few), "five"
    yield "softmax", xgb.XGBClassifier(objective="multi:softmax", **few), "five"
    yield "hinge", xgb.XGBClassifier(objective="binary:hinge", **few), "two"
    yield "logitraw", xgb.XGBClassifier(objective="binary:logitraw", **few), "two"
    yield "multi-label", xgb.XGBClassifier(**few), "labels"
    yield "dart", xgb.XGBClassifier(booster="dart", rate_drop=0.5, **few), "five"
    yield "dart values", xgb.XGBRegressor(booster="dart", rate_drop=0.5, **few), "value"
    yield "linear", xgb.XGBClassifier(booster="gblinear", n_estimators=7, n_jobs=1), "two"
    yield "forest of two", xgb.XGBRFClassifier(**few), "two"
    yield "forest of five", xgb.XGBRFClassifier(**few), "five"
    yield "forest of values", xgb.XGBRFRegressor(**few), "value"
    yield "values", xgb.XGBRegressor(**few), "value"
    yield "missing zero", xgb.XGBRegressor(missing=0.0, **few), "zeros"
    yield "missing 0.1", xgb.XGBRegressor(missing=0.1, **few), "tenths"
    yield "poisson", xgb.XGBRegressor(objective="count:poisson", **few), "count"
    yield "several values", xgb.XGBRegressor(**few), "values"
    trees = {"multi_strategy": "multi_output_tree", "tree_method": "hist", **few}
    yield "vector leaves", xgb.XGBRegressor(**trees), "values"
    yield "vector labels", xgb.XGBClassifier(**trees), "labels"
    yield "vector classes", xgb.XGBClassifier(**trees), "five"


@pytest.mark.parametrize(
    ("fitted", "kind"), [pytest.param(m, k, id=name) for name, m, k in wrappers()]
)
def test_pickled_wrappers(fitted, kind, tmp_path):
    rng = np.random.default_rng(20)
    x, signal = training_rows(rng)
    y = {
        "two": signal > 1,
        "five": np.round(np.abs(signal)).clip(0, 4),
        "labels": np.stack([signal > 1, signal < 0.5, signal > 2], axis=1).astype(int),
        "values": np.stack([signal, signal**2], axis=1),
        "count": np.round(np.abs(signal)),
    }.get(kind, signal)
    if kind in ("zeros", "tenths"):
        x[rng.random(x.shape) < 0.2] = 0.0 if kind == "zeros" else 0.1
    fitted.fit(x, y)
    model = reload(fitted, tmp_path)
    assert_wrapper(model, fitted, x)
    if kind in ("zeros", "tenths"):
        doubles = x.astype(np.float64)
        doubles[np.isclose(doubles, 0.1)] = 0.1
        assert_wrapper(model, fitted, doubles)


@pytest.mark.parametrize("kind", ["two", "five", "forest"])
def test_pickled_wrappers_stop_at_the_best_iteration(kind, tmp_path):
    rng = np.random.default_rng(21)
    x, signal = training_rows(rng)
    n = 5 if kind == "five" else 2
    y = np.round(np.abs(signal)).clip(0, n - 1)
    more = {"num_parallel_tree": 3, "subsample": 0.5} if kind == "forest" else {}
    fitted = xgb.XGBClassifier(
        n_estimators=40, max_depth=4, learning_rate=1.0, early_stopping_rounds=3, n_jobs=1, **more
    )
    noise = np.concatenate([np.arange(n), rng.integers(0, n, len(x) - n)])
    fitted.fit(x, y, eval_set=[(x, noise)], verbose=False)
    booster = fitted.get_booster()
    assert fitted.best_iteration + 1 < booster.num_boosted_rounds()
    model = reload(fitted, tmp_path)
    assert_wrapper(model, fitted, x)
    groups = n if n > 2 else 1
    parallel = more.get("num_parallel_tree", 1)
    assert model.n_trees == (fitted.best_iteration + 1) * groups * parallel
    whole = reload(booster, tmp_path)
    assert_same(whole.predict(x), booster.predict(xgb.DMatrix(x)))


def test_pickled_ranker(tmp_path):
    rng = np.random.default_rng(22)
    x, signal = training_rows(rng)
    fitted = xgb.XGBRanker(n_estimators=5, n_jobs=1)
    fitted.fit(x, np.round(np.abs(signal)).clip(0, 4), group=[50] * 8)
    model = reload(fitted, tmp_path)
    assert_same(model.predict(x), fitted.predict(x))


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_pickled_booster(booster, tmp_path):
    rng = np.random.default_rng(23)
    x, signal = training_rows(rng)
    params = params_for("multi:softprob", booster=booster, rate_drop=0.5)
    trained = xgb.train(params, data_for("multi:softprob", x, signal), 6)
    assert_same(reload(trained, tmp_path).predict(x), trained.predict(xgb.DMatrix(x)))


def test_a_wrapper_that_was_never_fitted(tmp_path):
    with pytest.raises(spinney.SpinneyError, match="not fitted"):
        reload(xgb.XGBRegressor(), tmp_path)
