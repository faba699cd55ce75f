"""Models of CatBoost with categories: one-hot, counts and combinations, in every kind of rows."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from catboost_models import FIXED, catboost, same

pandas = pytest.importorskip("pandas")

TEXTS = ["a", "bb", "ccc", "", "é" * 40, "x" * 17, "y" * 33, "z" * 65, "w" * 130, "0", "1", "-3"]
CATEGORIES = ["text", "whole", "truth", "few"]


def training_frame(seed=0, n=800):
    rng = np.random.default_rng(seed)
    frame = pandas.DataFrame(
        {
            "x": rng.normal(size=n),
            "text": rng.choice(TEXTS, n),
            "whole": rng.integers(-5, 60, n),
            "y": rng.normal(size=n),
            "truth": rng.integers(0, 2, n).astype(bool),
            "few": rng.choice(["u", "v", "w"], n),
        }
    )
    frame.loc[rng.random(n) < 0.1, "y"] = np.nan
    size = frame["text"].map(len) % 3 + frame["whole"] % 7 - 2.0 * frame["truth"]
    score = frame["x"] + size + frame["few"].map(ord) % 2 * np.nan_to_num(frame["y"])
    return frame, (score + rng.normal(size=n) * 0.2).to_numpy()


def new_rows(seed=1, n=300):
    """Rows with categories that the training saw, and others."""
    frame, _ = training_frame(seed, n)
    rng = np.random.default_rng(seed)
    frame.loc[rng.random(n) < 0.2, "text"] = "never seen"
    frame.loc[rng.random(n) < 0.1, "whole"] = 2**40
    frame.loc[rng.random(n) < 0.1, "few"] = "ü"
    return frame


def fit(kind, loss, seed=0, **more):
    frame, score = training_frame(seed)
    target = score
    if loss == "Logloss":
        target = (score > np.median(score)).astype(int)
    elif loss in ("MultiClass", "MultiClassOneVsAll"):
        target = np.digitize(score, np.quantile(score, [0.3, 0.6]))
    elif loss == "MultiRMSE":
        target = np.column_stack([score, -score])
    options = {"iterations": 40, "depth": 4, "cat_features": CATEGORIES, **FIXED, **more}
    return kind(loss_function=loss, **options).fit(frame, target)


def check(ours, theirs, rows):
    raw = theirs.predict(rows, prediction_type="RawFormulaVal")
    same(ours.predict_raw(rows), raw)
    same(ours.predict(rows), theirs.predict(rows))
    if hasattr(theirs, "predict_proba"):
        same(ours.predict_proba(rows), theirs.predict_proba(rows))
    for n in (1, 2, 64, 65):
        same(ours.predict_raw(rows.iloc[:n]), raw[:n])


def check_everywhere(model, folder, seed=1):
    rows = new_rows(seed)
    ours = spinney.load(model)
    check(ours, model, rows)
    leaves = model.calc_leaf_indexes(catboost.Pool(rows, cat_features=CATEGORIES))
    np.testing.assert_array_equal(ours.predict_leaf(rows), leaves)
    model.save_model(str(folder / "m.cbm"))
    check(spinney.load(folder / "m.cbm"), model, rows)
    ours.save(folder / "m.spinney")
    for copy in (True, False):
        check(spinney.load(folder / "m.spinney", copy=copy), model, rows)
    if model.get_param("loss_function") == "MultiRMSE":
        return ours
    model.save_model(
        str(folder / "m.json"), format="json", pool=catboost.Pool(rows, cat_features=CATEGORIES)
    )
    check(spinney.load(folder / "m.json"), model, rows)
    return ours


@pytest.mark.parametrize("loss", ["Logloss", "MultiClass", "MultiClassOneVsAll"])
def test_classifiers(loss, tmp_path):
    ours = check_everywhere(fit(catboost.CatBoostClassifier, loss), tmp_path)
    assert list(ours.feature_names) == ["x", "text", "whole", "y", "truth", "few"]


@pytest.mark.parametrize("loss", ["RMSE", "Quantile:alpha=0.3", "MultiRMSE"])
def test_regressors(loss, tmp_path):
    check_everywhere(fit(catboost.CatBoostRegressor, loss), tmp_path)


def test_json_that_does_not_tell_targets_apart(tmp_path):
    model = fit(catboost.CatBoostRegressor, "MultiRMSE")
    pool = catboost.Pool(new_rows(), cat_features=CATEGORIES)
    model.save_model(str(tmp_path / "m.json"), format="json", pool=pool)
    with pytest.raises(spinney.UnsupportedModelError, match="several targets"):
        spinney.load(tmp_path / "m.json")


@pytest.mark.parametrize("policy", ["SymmetricTree", "Depthwise", "Lossguide"])
@pytest.mark.parametrize("one_hot", [0, 2, 255])
def test_trees_and_one_hot(policy, one_hot, tmp_path):
    model = fit(
        catboost.CatBoostClassifier, "Logloss", grow_policy=policy, one_hot_max_size=max(one_hot, 2)
    )
    check_everywhere(model, tmp_path)


COUNTS = [
    "Borders:Prior=0.5:TargetBorderCount=1", "Borders:CtrBorderCount=5:TargetBorderCount=3",
    "Buckets", "Buckets:TargetBorderCount=4", "BinarizedTargetMeanValue", "Counter",
    "FloatTargetMeanValue", "FeatureFreq",
]  # fmt: skip


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("loss", ["RMSE", "MultiClass"])
def test_counts_of_every_kind(counts, loss, tmp_path):
    kind = catboost.CatBoostRegressor if loss == "RMSE" else catboost.CatBoostClassifier
    try:
        model = fit(
            kind, loss, simple_ctr=[counts], combinations_ctr=[counts], max_ctr_complexity=3
        )
    except catboost.CatBoostError as error:
        pytest.skip(f"CatBoost does not train so: {str(error)[:60]}")
    check_everywhere(model, tmp_path)


@pytest.mark.parametrize("seed", range(5))
def test_random_models(seed, tmp_path):
    rng = np.random.default_rng(seed)
    model = fit(
        catboost.CatBoostRegressor,
        "RMSE",
        seed,
        depth=int(rng.integers(1, 8)),
        max_ctr_complexity=int(rng.integers(1, 5)),
        one_hot_max_size=int(rng.choice([2, 3, 20])),
        nan_mode=str(rng.choice(["Min", "Max"])),
    )
    check_everywhere(model, tmp_path, seed + 10)


@pytest.fixture(scope="module")
def pair():
    model = fit(catboost.CatBoostClassifier, "Logloss", one_hot_max_size=3)
    return spinney.load(model), model


def test_rows_of_every_kind(pair):
    ours, theirs = pair
    frame = new_rows()
    expected = theirs.predict_proba(frame)
    objects = frame.to_numpy(dtype=object)
    same(ours.predict_proba(objects), expected)
    same(ours.predict_proba(objects.tolist()), expected)
    same(ours.predict_proba([tuple(row) for row in objects.tolist()]), expected)
    same(ours.predict_proba(frame.to_dict("records")), expected)
    as_categories = frame.astype(dict.fromkeys(("text", "few", "whole"), "category"))
    same(ours.predict_proba(as_categories), theirs.predict_proba(as_categories))
    same(ours.predict_proba(frame[frame.columns[::-1]]), expected)
    same(ours.predict_proba([objects[0].tolist()]), expected[:1])


def test_other_frames(pair):
    ours, theirs = pair
    frame = new_rows()
    expected = theirs.predict_proba(frame)
    polars = pytest.importorskip("polars")
    same(ours.predict_proba(polars.from_pandas(frame, nan_to_null=False)), expected)
    pyarrow = pytest.importorskip("pyarrow")
    same(ours.predict_proba(pyarrow.Table.from_pandas(frame)), expected)


def test_cells_of_every_kind(pair):
    ours, theirs = pair
    for cells in (
        [0.5, "a", 3, 0.1, True, "u"],
        [0.5, "a", "3", 0.1, False, "u"],
        [0.5, b"a", np.int64(3), 0.1, np.bool_(True), np.str_("u")],
        ["0.5", "a", np.uint8(3), "0.1", 1, "u"],
        [None, "a", -5, None, 0, "u"],
        [0.5, "a", 2**62, 0.1, True, "u"],
    ):
        same(ours.predict_proba([cells]), theirs.predict_proba([cells]))


@pytest.mark.parametrize(
    ("place", "cell"), [(1, None), (1, 3.0), (2, float("nan")), (2, 3.5), (5, np.float32(1))]
)
def test_cells_that_are_no_categories(pair, place, cell):
    ours, theirs = pair
    cells = [0.5, "a", 3, 0.1, True, "u"]
    cells[place] = cell
    with pytest.raises((catboost.CatBoostError, TypeError)):
        theirs.predict_proba([cells])
    with pytest.raises(spinney.InvalidInputError, match=f"row 0, column {place} holds a"):
        ours.predict_proba([cells])
    frame = pandas.DataFrame([cells], columns=["x", "text", "whole", "y", "truth", "few"])
    with pytest.raises(spinney.InvalidInputError):
        ours.predict_proba(frame)


def test_rows_that_hold_no_categories(pair):
    ours, _ = pair
    for rows in (np.zeros((2, 6)), np.zeros((2, 6), np.float32), np.zeros(6), [0.5, "a"], [[1, 2]]):
        with pytest.raises(spinney.InvalidInputError):
            ours.predict(rows)
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(spinney.InvalidInputError, match="categories"):
        ours.predict(sparse.csr_matrix(np.zeros((2, 6))))
    with pytest.raises(spinney.InvalidInputError, match="lacks"):
        ours.predict(new_rows().drop(columns="few"))
    missing = new_rows().astype({"text": "category"})
    missing.loc[3, "text"] = None
    with pytest.raises(spinney.InvalidInputError, match="missing"):
        ours.predict(missing)


def test_whole_numbers_in_arrays():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 20, (300, 3))
    model = catboost.CatBoostRegressor(iterations=20, cat_features=[0, 2], **FIXED)
    model.fit(x, x[:, 0] % 5 + x[:, 1])
    ours = spinney.load(model)
    for kind in (np.int64, np.int32, np.uint8):
        same(ours.predict(x.astype(kind)), model.predict(x.astype(kind)))
    same(ours.predict(x.tolist()), model.predict(x.tolist()))


def test_some_trees(pair):
    ours, theirs = pair
    rows = new_rows()
    expected = theirs.predict(rows, prediction_type="RawFormulaVal", ntree_start=5, ntree_end=20)
    same(ours.predict_raw(rows, ntree_start=5, ntree_end=20), expected)


def test_threads_agree(pair):
    ours, _ = pair
    rows = pandas.concat([new_rows(seed) for seed in range(12)])
    alone = ours.predict_raw(rows, num_threads=1)
    same(ours.predict_raw(rows, num_threads=2), alone)


def test_the_hash_of_texts():
    known = {"a": -805065478, "ab": -204718274, "abcdefgh": -24192233, "abcdefghi": -1275414319,
             "y" * 32: -604170273, "z" * 33: -1619511907, "w" * 64: -606514869,
             "v" * 65: -2094967322, "0": -1438285038}  # fmt: skip
    got = spinney._core._hash_column(list(known)).astype(np.int64)
    np.testing.assert_array_equal(got, np.array(list(known.values())) % 2**32)


def test_files_whose_tables_are_damaged(pair, tmp_path):
    _, theirs = pair
    path = tmp_path / "m.cbm"
    theirs.save_model(str(path))
    data = path.read_bytes()
    size = int.from_bytes(data[4:8], "little") + 8
    rng = np.random.default_rng(0)
    errors = (spinney.CorruptModelError, spinney.UnsupportedModelError, spinney.ModelTooLargeError)
    for end in (size, size + 3, size + 8, size + 100, len(data) - 1):
        with pytest.raises(errors):
            spinney.load(data[:end])
    rows = new_rows()
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(rng.integers(1, 5)):
            at = int(rng.integers(size, len(data)))
            changed[at] = int(rng.choice([0, 1, 255, rng.integers(0, 256)]))
        try:
            spinney.load(bytes(changed)).predict(rows)
        except spinney.SpinneyError as error:
            assert str(error)


def test_the_server_refuses_categories():
    model = fit(catboost.CatBoostRegressor, "RMSE")
    with pytest.raises(spinney.UnsupportedModelError, match="has categories, and the server"):
        spinney.serve(model, port=0)
