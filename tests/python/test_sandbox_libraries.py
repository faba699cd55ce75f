"""What libraries do behind the walls of a worker's sandbox, as they do it before them."""

from __future__ import annotations

import hashlib
import pickle
import sys

import numpy as np
import pytest

import sandbox_models
import sklearn_estimators
import spinney
from spinney.exceptions import PythonModelError
from spinney.workers import WorkerModel, sandbox

ALL = np.arange(8.0).reshape(-1, 1)


@pytest.fixture(scope="module", autouse=True)
def walls():
    with WorkerModel(pickle.dumps(sandbox_models.Loky()), trusted=True) as model:
        found = model.info()["sandbox"]
    if not found["seccomp"]:
        pytest.skip(f"no sandbox can be had here: {found['missing']}")


class Many:
    """Several models as one: row i asks the i-th about the rows that were kept for it."""

    n_features_in_ = 1

    def __init__(self, models):
        self.models = list(models)

    def predict(self, x):
        return np.array([_words(*self.models[int(i)]) for i in x[:, 0]], dtype=object)


def _words(estimator, method, rows):
    answer = sklearn_estimators.answer(estimator, method, rows)
    values = repr(answer.tolist()).encode() if answer.dtype == object else answer.tobytes()
    return f"{answer.dtype} {answer.shape} {hashlib.sha256(values).hexdigest()}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_of_scikit_learn_runs_in_the_sandbox():
    pytest.importorskip("sklearn")
    found = sklearn_estimators.fitted_estimators()
    models = Many(found.values())
    data = pickle.dumps(models)
    own = pickle.loads(data).predict(np.arange(float(len(found))).reshape(-1, 1))
    allowed = ["sklearn.*", "pandas.*", "test_sandbox_libraries.Many"]
    with WorkerModel(data, allowed_classes=allowed, batch_timeout_s=300, num_threads=1) as model:
        got = model.predict(np.arange(float(len(found))).reshape(-1, 1))
    assert [name for name, a, b in zip(found, own, got) if a != b] == []


@pytest.mark.slow
def test_threads_of_numerical_libraries_work(capfd):
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    x, y = load_iris(return_X_y=True)
    voting = VotingClassifier(
        [
            ("trees", HistGradientBoostingClassifier(max_iter=5)),
            ("near", KNeighborsClassifier(n_jobs=2)),
        ]
    ).fit(x, y)
    several = MultiOutputClassifier(SVC(), n_jobs=2).fit(x, np.c_[y, y % 2])
    for fitted in (voting, several):
        with spinney.load(
            fitted, allowed_classes=["sklearn.*"], worker_options={"num_threads": 2}
        ) as model:
            np.testing.assert_array_equal(model.predict(x), fitted.predict(x))
    told = capfd.readouterr().err
    assert "serial" not in told and "Operation not permitted" not in told


def test_cores_are_counted_without_a_program(capfd):
    joblib = pytest.importorskip("joblib")
    with WorkerModel(pickle.dumps(sandbox_models.Cores()), trusted=True) as model:
        assert model.predict(ALL[:1])[0] == joblib.cpu_count(only_physical_cores=True)
    assert "physical cores" not in capfd.readouterr().err


def test_processes_of_joblib_are_refused_with_the_reason():
    pytest.importorskip("joblib")
    model = WorkerModel(pickle.dumps(sandbox_models.Loky()), trusted=True)
    with model, pytest.raises(PythonModelError, match="sandbox lets it start no process"):
        model.predict(ALL[:4])


def test_libraries_may_ask_for_the_folder_of_temporary_files():
    model = WorkerModel(pickle.dumps(sandbox_models.Temporary()), trusted=True)
    with model, pytest.raises(PythonModelError, match="sandbox lets it start no process"):
        model.predict(ALL[:4])


def test_scipy_builds_that_write_files_are_done_without(monkeypatch, tmp_path):
    (tmp_path / "scipy" / "_lib").mkdir(parents=True)
    (tmp_path / "scipy" / "__init__.py").touch()
    extension = tmp_path / "scipy" / "_lib" / "messagestream.any.so"
    monkeypatch.setattr(sandbox, "_WRITER", "a_part_of_scipy")
    monkeypatch.delitem(sys.modules, "scipy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    extension.write_bytes(b"...open_memstream...")
    sandbox.do_without_files_of_scipy()
    assert "a_part_of_scipy" not in sys.modules
    extension.write_bytes(b"...mkstemp...")
    try:
        sandbox.do_without_files_of_scipy()
        from a_part_of_scipy import Sampler

        with pytest.raises(PermissionError, match="writes files for Sampler"):
            Sampler()
    finally:
        sys.modules.pop("a_part_of_scipy", None)
