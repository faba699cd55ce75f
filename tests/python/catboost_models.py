"""CatBoost models to compare with, the rows that decide about them, and exact comparison."""

from __future__ import annotations

import numpy as np
import pytest

import spinney

catboost = pytest.importorskip("catboost")

N_FEATURES = 6
FIXED = {"verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": 0}
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-45, 1e300, -1e300, 3e38, -3e38]


def training_data(seed=0, n=400):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, N_FEATURES)).astype(np.float32)
    x[:, 1] = np.round(x[:, 1])
    x[rng.random(n) < 0.2, 2] = np.nan
    x[:, 5] = np.exp(x[:, 5] * 20)  # of every size
    signal = x[:, 0] + x[:, 1] * np.nan_to_num(x[:, 2]) + np.isnan(x[:, 2])
    return x, (signal + 0.3 * rng.standard_normal(n)).astype(np.float64)


def target_of(loss, signal):
    name = loss.split(":")[0]
    if name in ("Poisson", "Tweedie"):
        return np.exp(signal / 3)
    if name in ("MultiRMSE", "MultiRMSEWithMissingValues"):
        return np.column_stack([signal, -signal, signal**2])
    if name == "SurvivalAft":
        return np.column_stack([np.exp(signal / 4), np.exp(signal / 4) + 1])
    if name == "Cox":
        return np.exp(signal / 4)
    if name in ("Logloss", "Focal"):
        return (signal > 0).astype(int)
    if name == "CrossEntropy":
        return 1 / (1 + np.exp(-signal))
    if name in ("MultiClass", "MultiClassOneVsAll"):
        return np.digitize(signal, [-0.5, 0.7])
    if name in ("MultiLogloss", "MultiCrossEntropy"):
        return np.column_stack([signal > 0, signal > 1, signal < -1]).astype(int)
    return signal


def borders_of(model):
    """Borders of each column."""
    borders = model.get_borders()
    return [np.array(borders.get(column, []), np.float32) for column in range(N_FEATURES)]


def decisive_rows(model, dtype=np.float32, n=600, seed=1):
    """Rows of borders, their neighbours in float32 and float64, and special values."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, N_FEATURES)) * 2
    for column, borders in enumerate(borders_of(model)):
        pool = [np.array(SPECIAL)]
        for kind in (np.float32, np.float64):
            exact = borders.astype(kind)
            with np.errstate(over="ignore"):
                above = np.nextafter(exact, kind(np.inf))
                below = np.nextafter(exact, kind(-np.inf))
            pool += [exact, above, below]
        pool = np.concatenate([part.astype(np.float64) for part in pool])
        rows[:, column] = np.where(rng.random(n) < 0.7, rng.choice(pool, n), rows[:, column])
    with np.errstate(over="ignore"):
        return rows.astype(dtype)


def same(ours, theirs):
    """Every bit, the shape and the kind of dtype."""
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if theirs.dtype.kind == "f":
        same_number = ours.view(np.uint64) == theirs.view(np.uint64)
        equal = same_number | (np.isnan(ours) & np.isnan(theirs))
    else:
        equal = ours == theirs
    assert equal.all(), (
        f"{(~equal).sum()} of {equal.size} differ; first at {np.argwhere(~equal)[0]}: "
        f"{ours[~equal][0]!r}, CatBoost has {theirs[~equal][0]!r}"
    )


def check(ours, theirs, rows, numbered=None):
    """What both make of the rows, some and all of them; theirs: CatBoost's object.

    numbered: the object whose numbers of leaves are meant, if it is another.
    """
    if type(theirs).__name__ == "CatBoostRanker":
        raw = theirs.predict(rows)
    else:
        raw = theirs.predict(rows, prediction_type="RawFormulaVal")
    same(ours.predict_raw(rows), raw)
    same(ours.predict(rows), theirs.predict(rows))
    if hasattr(theirs, "predict_proba"):
        same(ours.predict_proba(rows), theirs.predict_proba(rows))
    leaves = (numbered or theirs).calc_leaf_indexes(catboost.Pool(rows))
    np.testing.assert_array_equal(ours.predict_leaf(rows), leaves.reshape(len(rows), -1))
    for n in (1, 2, 63, 64, 65, 130):
        same(ours.predict_raw(rows[7 : 7 + n]), raw[7 : 7 + n])


def check_everywhere(model, folder, seed=1):
    """The object, its .cbm and its JSON, and what Spinney saves of it."""
    rows = decisive_rows(model, seed=seed)
    ours = spinney.load(model)
    check(ours, model, rows)
    same(ours.predict_raw(rows.astype(np.float64)), ours.predict_raw(rows))
    model.save_model(str(folder / "m.cbm"))
    model.save_model(str(folder / "m.json"), format="json")
    check(spinney.load(folder / "m.cbm"), model, rows)
    from_json = spinney.load(folder / "m.json")
    assert from_json.source["kind"] == type(model).__name__
    # Trees that are no tables have no numbers of leaves in JSON: CatBoost counts them anew.
    read = type(model)()
    read.load_model(str(folder / "m.json"), format="json")
    check(from_json, model, rows, read)
    ours.save(folder / "m.spinney")
    check(spinney.load(folder / "m.spinney"), model, rows)
    return ours, from_json, rows
