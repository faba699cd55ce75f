"""Trains models on real data, loads each file with Spinney, proves the answers equal, times both;
and serves one of them over HTTP.

    make demo

The data sets are the ones that scikit-learn ships. Exits with status 1 when any answer differs.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import xgboost
from sklearn import datasets, ensemble
from threadpoolctl import threadpool_limits

import spinney
from spinney.cli.table import print_table, shown_ratio, shown_seconds
from spinney.ulp import largest_difference

FOLDER = Path("demo_models")
BULK = 10_000
N_TREES = 300


@dataclass
class Case:
    """A trained model, its file, and how its own library answers."""

    path: Path
    what: str
    rows: np.ndarray  # BULK rows: the data set's own, then others drawn near them
    library: Callable  # rows -> what the saved object's predict gives


def bulk_rows(x: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    drawn = x[rng.integers(len(x), size=BULK - len(x))]
    noise = rng.normal(scale=0.1, size=drawn.shape) * x.std(axis=0)
    return np.concatenate([x, drawn + noise]).astype(np.float32)


def xgboost_case(name: str, what: str, data, kind) -> Case:
    model = kind(n_estimators=N_TREES, max_depth=6, n_jobs=1).fit(*data)
    booster = model.get_booster()
    booster.save_model(FOLDER / name)
    return Case(FOLDER / name, what, bulk_rows(data[0]), booster.inplace_predict)


def lightgbm_case(name: str, what: str, data, kind) -> Case:
    model = kind(n_estimators=N_TREES, n_jobs=1, verbose=-1).fit(*data)
    model.booster_.save_model(FOLDER / name)
    booster = lightgbm.Booster(model_file=FOLDER / name, params={"num_threads": 1})
    return Case(
        FOLDER / name,
        what,
        bulk_rows(data[0]),
        lambda rows: booster.predict(rows, num_threads=1),
    )


def object_case(path: Path, what: str, data, model) -> Case:
    model.fit(*data)
    if path.suffix == ".joblib":
        joblib.dump(model, path, compress=3)
    else:
        path.write_bytes(pickle.dumps(model))
    if "n_jobs" in model.get_params():
        model.set_params(n_jobs=1)
    return Case(path, what, bulk_rows(data[0]), model.predict)


def train() -> list[Case]:
    cancer = datasets.load_breast_cancer(return_X_y=True)
    digits = datasets.load_digits(return_X_y=True)
    diabetes = datasets.load_diabetes(return_X_y=True)
    wine = datasets.load_wine(return_X_y=True)
    FOLDER.mkdir(exist_ok=True)
    forest = ensemble.RandomForestRegressor(N_TREES, random_state=0, n_jobs=2)
    digits_forest = ensemble.RandomForestClassifier(N_TREES, random_state=0, n_jobs=2)
    gradient = ensemble.GradientBoostingClassifier(random_state=0)
    histogram = ensemble.HistGradientBoostingRegressor(random_state=0)
    return [
        object_case(Path("my_model.pkl"), "scikit-learn forest, diabetes", diabetes, forest),
        xgboost_case("cancer.json", "XGBoost, breast cancer", cancer, xgboost.XGBClassifier),
        xgboost_case("digits.ubj", "XGBoost, digits (10 classes)", digits, xgboost.XGBClassifier),
        object_case(
            FOLDER / "xgb_diabetes.pkl",
            "XGBRegressor, diabetes",
            diabetes,
            xgboost.XGBRegressor(n_estimators=N_TREES, n_jobs=1),
        ),
        lightgbm_case("cancer.txt", "LightGBM, breast cancer", cancer, lightgbm.LGBMClassifier),
        lightgbm_case("wine.txt", "LightGBM, wine (3 classes)", wine, lightgbm.LGBMClassifier),
        object_case(FOLDER / "digits.joblib", "scikit-learn forest, digits", digits, digits_forest),
        object_case(FOLDER / "wine.pkl", "GradientBoosting, wine", wine, gradient),
        object_case(FOLDER / "diabetes.pkl", "HistGradientBoosting, diabetes", diabetes, histogram),
    ]


def best_time(predict: Callable, rows: np.ndarray, batch: int) -> float:
    """The best time of one call over `batch` rows; each call sees other rows."""
    best, start, first = float("inf"), time.perf_counter(), 0
    while time.perf_counter() - start < 0.15:
        part = rows[first : first + batch]
        begin = time.perf_counter()
        predict(part)
        best = min(best, time.perf_counter() - begin)
        first = first + batch if first + 2 * batch <= len(rows) else 0
    return best


@dataclass
class Answer:
    """What comparing one case gave: a row for each of the two tables."""

    proof: list[str]
    times: list[str]
    equal: bool


def compare(case: Case) -> Answer:
    start = time.perf_counter()
    model = spinney.load(case.path)
    load_time = time.perf_counter() - start
    difference = largest_difference(model.predict(case.rows), case.library(case.rows))
    verdict = "DIFFERENT" if difference is None else f"{difference:,} ulp"
    times = [str(case.path)]
    for batch in (1, 64, BULK):
        theirs = best_time(case.library, case.rows, batch)
        ours = best_time(lambda rows: model.predict(rows, num_threads=1), case.rows, batch)
        times += [shown_seconds(theirs), shown_seconds(ours), shown_ratio(theirs / ours)]
    proof = [str(case.path), case.what, shown_seconds(load_time), f"{BULK:,}", verdict]
    return Answer(proof, times, difference == 0)


def serve_once(case: Case) -> bool:
    """Serves the case's model, asks once for two rows, and shows both; whether it is right."""
    rows = case.rows[:2]
    tensor = {"name": "rows", "shape": list(rows.shape), "datatype": "FP32", "data": rows.tolist()}
    with spinney.serve(case.path, port=0) as server:
        url = f"{server.url}/v2/models/{case.path.stem}/infer"
        body = json.dumps({"inputs": [tensor]}).encode()
        with urllib.request.urlopen(url, body, timeout=60) as answer:
            said = json.load(answer)["outputs"][0]["data"]
    equal = said == case.library(rows).tolist()
    print(f"Served as Triton and KServe serve: POST {url}\n")
    begin = ", ".join(f"[{row[0]:.3f}, {row[1]:.3f}, …]" for row in rows)
    print(f"    rows {begin}")
    print(f"    answers {said}, {'equal, too' if equal else 'DIFFERENT'}\n")
    return equal


def show_next_steps() -> None:
    print("Your turn (.venv/bin/python):\n")
    print("    import spinney")
    print('    model = spinney.load("my_model.pkl")')
    print("    model.predict([[0.02, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0.0, 0.02, -0.02]])\n")
    print("A service: .venv/bin/spinney serve my_model.pkl")
    print("On files: .venv/bin/spinney predict MODEL DATA.csv -o OUT.csv   (--help shows the rest)")


def main() -> int:
    warnings.simplefilter("ignore")
    print("Training models on the data sets that scikit-learn ships …", flush=True)
    cases = train()
    print("Loading each file, comparing every answer, timing both (one thread) …\n", flush=True)
    with threadpool_limits(1):  # the libraries that use OpenMP
        answers = [compare(case) for case in cases]
    print_table(
        ["file", "model", "opens in", "rows compared", "largest difference"],
        [answer.proof for answer in answers],
    )
    print()
    print_table(
        ["library → Spinney", "1 row", "", "", "64 rows", "", "", f"{BULK:,} rows", "", ""],
        [answer.times for answer in answers],
    )
    print()
    if not all(answer.equal for answer in answers):
        print("Some answers differ from the training library's. This is a bug.", file=sys.stderr)
        return 1
    print(f"All {BULK * len(cases):,} predictions are equal to the training libraries' own.\n")
    if not serve_once(cases[0]):
        return 1
    show_next_steps()
    return 0


if __name__ == "__main__":
    sys.exit(main())
