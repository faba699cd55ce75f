"""Trains three models, names them in a manifest, serves them as one and says how good that is.

    python examples/ensemble.py [FOLDER]

Writes the models' files, ensemble.json and ensemble.svg into FOLDER (ensemble_models).
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import spinney


def main(folder):
    folder.mkdir(exist_ok=True)
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, random_state=0)
    models = {
        "forest": RandomForestClassifier(100, random_state=0),
        "extra": ExtraTreesClassifier(100, random_state=0),
        "linear": LogisticRegression(solver="liblinear"),
    }
    for name, model in models.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model.fit(x_train, y_train)))

    manifest = folder / "ensemble.json"
    said = {
        "models": ["forest.pkl", "extra.pkl", {"path": "linear.pkl", "weight": 2}],
        "method": "average",
    }
    manifest.write_text(json.dumps(said, indent=2))

    with spinney.InferenceEngine() as engine:
        if not engine.load_model(manifest):
            raise SystemExit(engine.last_error)
        success, labels, metadata = engine.predict(x_test)
        odds = [model.predict_proba(x_test) for model in models.values()]
        wanted = np.average(odds, axis=0, weights=[1, 1, 2]).argmax(axis=1)
        print(f"members: {engine.model_info['members']}, weights: {metadata['member_weights']}")
        print(f"as numpy averages them: {success and bool((labels == wanted).all())}\n")

        # trusted: these pickles are our own, and are compared with what scikit-learn makes of them.
        report = engine.validate_ensemble(x_test, y_test, fit_weights=True, trusted=True)
        print(report)
        report.save_chart(folder / "ensemble.svg")
    return 0 if report.valid else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "ensemble_models")))
