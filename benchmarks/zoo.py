"""The models that every benchmark runs on, trained once and kept under build/bench_models.

    python benchmarks/zoo.py            trains what is missing and lists the models

Each has a model file as people keep it (XGBoost JSON, LightGBM text, scikit-learn pickle) and a
file of rows it never saw in training (float32 .npy, or .npz for sparse rows).
SPINNEY_BENCH_MODELS names another folder.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("SPINNEY_BENCH_MODELS", ROOT / "build" / "bench_models"))
N_TRAIN = 20_000
N_ROWS = 10_240


@dataclass(frozen=True)
class Entry:
    """One benchmark model: how to train it, and what the tables call it."""

    name: str
    title: str
    library: str  # xgboost, lightgbm or sklearn
    data: str  # which of make_data's data sets
    train: Callable  # (x, y) -> fitted estimator
    goals: tuple[float, float, float] | None = None  # times the best rival at 1, 64, 10,000 rows

    @property
    def path(self) -> Path:
        suffix = {"xgboost": "json", "lightgbm": "txt", "sklearn": "pkl"}[self.library]
        return FOLDER / f"{self.name}.{suffix}"

    @property
    def rows_path(self) -> Path:
        return FOLDER / f"rows_{self.data}.{'npz' if self.data == 'sparse' else 'npy'}"

    def rows(self):
        """Rows to predict: float32, N_ROWS x features; a CSR matrix for the sparse data."""
        if self.data == "sparse":
            return scipy.sparse.load_npz(self.rows_path)
        return np.load(self.rows_path)


def make_data(name: str):
    """Training rows, labels and N_ROWS other rows of the data set `name`."""
    from sklearn.datasets import make_classification

    options = {
        "binary": {"n_features": 28, "n_informative": 16},
        "deep": {"n_features": 28, "n_informative": 16, "flip_y": 0.05},
        "classes": {"n_features": 54, "n_informative": 24, "n_classes": 7},
        "wide": {"n_features": 320, "n_informative": 120, "n_redundant": 40},
        "sparse": {"n_features": 320, "n_informative": 120, "n_redundant": 40, "shift": None},
    }[name]
    n_train = 60_000 if name == "deep" else N_TRAIN
    x, y = make_classification(n_samples=n_train + N_ROWS, random_state=7, **options)
    x = x.astype(np.float32)
    if name == "sparse":
        x[np.random.default_rng(7).random(x.shape) > 0.05] = 0
        x = scipy.sparse.csr_matrix(x)
    return x[:n_train], y[:n_train], x[n_train:]


def _xgboost(n_estimators: int, max_depth: int, **more):
    def train(x, y):
        import xgboost

        return xgboost.XGBClassifier(
            n_estimators=n_estimators,
            max_depth=max_depth,
            tree_method="hist",
            learning_rate=0.1,
            n_jobs=2,
            **more,
        ).fit(x, y)

    return train


def _lightgbm(n_estimators: int, num_leaves: int):
    def train(x, y):
        import lightgbm

        return lightgbm.LGBMClassifier(
            n_estimators=n_estimators, num_leaves=num_leaves, n_jobs=2, verbose=-1
        ).fit(x, y)

    return train


def _sklearn(module: str, name: str, **options):
    def train(x, y):
        import importlib

        model = getattr(importlib.import_module(f"sklearn.{module}"), name)
        return model(random_state=7, **options).fit(x, y)

    return train


ENTRIES = [
    Entry(
        "xgb_100x4",
        "XGBoost 100 trees, depth 4",
        "xgboost",
        "binary",
        _xgboost(100, 4),
        (3, 9, 5),
    ),
    Entry(
        "xgb_500x6",
        "XGBoost 500 trees, depth 6",
        "xgboost",
        "binary",
        _xgboost(500, 6),
        (6, 20, 10),
    ),
    Entry(
        "xgb_7c_100x6",
        "XGBoost 7 classes × 100, depth 6",
        "xgboost",
        "classes",
        _xgboost(100, 6),
        (8, 20, 10),
    ),
    Entry(
        "xgb_1000x8",
        "XGBoost 1,000 trees, depth 8",
        "xgboost",
        "binary",
        _xgboost(1000, 8),
        (8, 12, 6),
    ),
    Entry(
        "lgb_500x63",
        "LightGBM 500 × 63 leaves",
        "lightgbm",
        "binary",
        _lightgbm(500, 63),
        (6, 20, 15),
    ),
    Entry(
        "rf_300x12",
        "RandomForest 300, depth 12",
        "sklearn",
        "deep",
        _sklearn("ensemble", "RandomForestClassifier", n_estimators=300, max_depth=12, n_jobs=2),
        (6, 10, 10),
    ),
    Entry("xgb_stumps", "XGBoost 10 stumps", "xgboost", "binary", _xgboost(10, 1)),
    Entry("xgb_wide", "XGBoost 200 × depth 6, 320 features", "xgboost", "wide", _xgboost(200, 6)),
    Entry(
        "xgb_bins",
        "XGBoost 300 × depth 8, 4,096 bins",
        "xgboost",
        "binary",
        _xgboost(300, 8, max_bin=4096),
    ),
    Entry(
        "xgb_sparse",
        "XGBoost 200 × depth 6, sparse rows",
        "xgboost",
        "sparse",
        _xgboost(200, 6),
    ),
    Entry(
        "lgb_7c_100x31",
        "LightGBM 7 classes × 100, 31 leaves",
        "lightgbm",
        "classes",
        _lightgbm(100, 31),
    ),
    Entry(
        "hgb_200x31",
        "HistGradientBoosting 200 × 31 leaves",
        "sklearn",
        "binary",
        _sklearn("ensemble", "HistGradientBoostingClassifier", max_iter=200, early_stopping=False),
    ),
    Entry(
        "iforest_100",
        "IsolationForest 100",
        "sklearn",
        "binary",
        _sklearn("ensemble", "IsolationForest", n_estimators=100),
    ),
]


def write_model(entry: Entry, estimator) -> None:
    """Keeps the model as its users do; written beside and renamed, so that none is ever half."""
    part = entry.path.with_name("part_" + entry.path.name)
    if entry.library == "xgboost":
        estimator.get_booster().save_model(part)
    elif entry.library == "lightgbm":
        estimator.booster_.save_model(part)
    else:
        with open(part, "wb") as out:
            pickle.dump(estimator, out, protocol=5)
    part.rename(entry.path)


def ensure(names: list[str] | None = None) -> list[Entry]:
    """Trains the models that are missing; returns the entries asked for (all by default)."""
    unknown = set(names or ()) - {entry.name for entry in ENTRIES}
    if unknown:
        raise SystemExit(f"no such model: {', '.join(sorted(unknown))}; run benchmarks/zoo.py")
    entries = [entry for entry in ENTRIES if not names or entry.name in names]
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = {}
    for entry in entries:
        if entry.path.exists() and entry.rows_path.exists():
            continue
        start = time.perf_counter()
        if entry.data not in made:
            made[entry.data] = make_data(entry.data)
        x, y, rows = made[entry.data]
        if entry.data == "sparse":
            scipy.sparse.save_npz(entry.rows_path, rows)
        else:
            np.save(entry.rows_path, rows)
        write_model(entry, entry.train(x, y))
        seconds = time.perf_counter() - start
        print(f"trained {entry.title} in {seconds:.0f} s", file=sys.stderr, flush=True)
    return entries


if __name__ == "__main__":
    for one in ensure(sys.argv[1:]):
        print(f"{one.name:14} {one.path.stat().st_size / 1e6:8.1f} MB  {one.title}")
