"""Wrappers written by several versions of scikit-learn, against those versions' own answers.

tools/make_wrapper_golden.py wrote both; no training library is needed to load them.
"""

from pathlib import Path

import numpy as np
import pytest

import spinney

DATA = Path(__file__).parent.parent / "data" / "sklearn_wrappers"
VERSIONS = sorted(path.name for path in DATA.iterdir())
# Probabilities that pass through numpy's exp.
EXP = {"bagging", "chain", "one_vs_rest", "stacking", "threshold", "voting_soft"}
EXP |= {"adaboost", "adaboost_binary", "adaboost_of_boosting", "adaboost_binary_of_boosting"}


def answers_of(version):
    with np.load(DATA / version / "expected.npz") as expected:
        return dict(expected)


def compare(name, method, wanted, given):
    given = np.array(given)  # a list: one array a target
    assert given.shape == wanted.shape
    if method == "predict_proba" and name in EXP:
        np.testing.assert_array_max_ulp(given, wanted, 8)
    elif method == "decision_function":
        # Boosting begins at a logarithm that numpy takes, in vector code of the CPU's own.
        np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-15)
    else:
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("version", VERSIONS)
def test_golden(version):
    path = DATA / version / "wrappers.joblib"
    answers = answers_of(version)
    rows = answers.pop("rows")
    names = {key.split(".")[0] for key in answers}
    for name in sorted(names):
        model = spinney.load(path, member=name)
        assert model.source["version"] == version
        for method in ("predict", "predict_proba", "decision_function"):
            wanted = answers.get(f"{name}.{method}")
            if wanted is None or (name == "bagging" and method == "decision_function"):
                continue
            compare(name, method, wanted, getattr(model, method)(rows))


def test_every_version_has_its_wrappers():
    assert set(VERSIONS) >= {"1.0.2", "1.1.3", "1.2.2", "1.3.2", "1.5.2", "1.9.1"}
    for version in VERSIONS:
        asked = {key.split(".")[0] for key in answers_of(version)} - {"rows"}
        assert len(asked) >= 26
