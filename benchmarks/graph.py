"""Models of models: what their graph costs, and what forests over the same columns save together.

    SPINNEY_MEASURE=0 python benchmarks/graph.py [--seconds 2]

One thread, calls of 1, 64 and 10,000 rows of 28 columns, from Python. The second table has a
VotingRegressor of three XGBRegressors of 500 trees, whose forests are run as one, beside its
members called one after the other, and beside three kernels and one ranking: the kernel's time for
500 trees is twice what models of 500 and of 250 trees differ by, the ranking what is left of the
former. The figures are those of docs/decisions/model-graph.md.
"""

from __future__ import annotations

import argparse

import numpy as np
import xgboost
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)

import spinney
from machine import describe
from spinney.cli.table import print_table, shown_seconds
from spinney.cli.timing import measure

SIZES = (1, 64, 10_000)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(20_000, 28)).astype(np.float32)
SCORE = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3]
TRAINED = slice(0, 4000)


def boosted(kind, seed, trees=500):
    return kind(n_estimators=trees, max_depth=6, subsample=0.8, random_state=seed, n_jobs=1)


def classifiers():
    voters = [(f"v{i}", boosted(xgboost.XGBClassifier, i)) for i in range(3)]
    bagged = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    small = RandomForestClassifier(3, max_depth=6, random_state=0)
    return {
        "one XGBClassifier, 500 trees (no graph)": boosted(xgboost.XGBClassifier, 0),
        "VotingClassifier, three of those, soft": VotingClassifier(voters, voting="soft"),
        "Bagging, 10 HistGradientBoosting, half of the columns": BaggingClassifier(
            bagged, n_estimators=10, max_features=0.5, random_state=0
        ),
        "AdaBoost, 20 forests of 3 trees, votes": AdaBoostClassifier(
            small, n_estimators=20, random_state=0
        ),
    }


def best(calls, size, seconds):
    found = measure(calls, X, size, seconds)
    return {name: timing.best for name, timing in found.items()}


def ask(model):
    loaded = spinney.load(model)
    return lambda rows: loaded.predict_raw(rows, num_threads=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each model and size")
    seconds = parser.parse_args().seconds
    print(describe())
    labels = SCORE[TRAINED] > 0
    calls = {name: ask(model.fit(X[TRAINED], labels)) for name, model in classifiers().items()}
    times = {size: best(calls, size, seconds) for size in SIZES}
    rows = [[name, *(shown_seconds(times[size][name]) for size in SIZES)] for name in calls]
    print_table(["model", *(f"{size:,} rows" for size in SIZES)], rows)

    members = [boosted(xgboost.XGBRegressor, seed) for seed in range(3)]
    voting = VotingRegressor([(f"r{i}", member) for i, member in enumerate(members)])
    voting.fit(X[TRAINED], SCORE[TRAINED])
    apart = [ask(member) for member in voting.estimators_]
    half = boosted(xgboost.XGBRegressor, 0, trees=250).fit(X[TRAINED], SCORE[TRAINED])
    calls = {
        "apart": lambda rows: [member(rows) for member in apart],
        "as one": ask(voting),
        "500": apart[0],
        "250": ask(half),
    }
    rows = []
    for size in SIZES:
        took = best(calls, size, seconds)
        kernel = 2 * (took["500"] - took["250"])
        ideal = 3 * kernel + (took["500"] - kernel)
        figures = [shown_seconds(t) for t in (took["apart"], took["as one"], ideal)]
        rows.append([f"{size:,}", *figures, f"{took['as one'] / ideal:.2f}"])
    print_table(["rows", "apart", "as one", "kernels and one ranking", "of that"], rows)


if __name__ == "__main__":
    main()
