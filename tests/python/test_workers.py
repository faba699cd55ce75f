"""Objects without a native path, run by a worker process: right answers, and what is permitted."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

import spinney
import worker_models
from spinney.exceptions import (
    ForbiddenClassError,
    InvalidInputError,
    PythonModelError,
    UnsupportedModelError,
    WorkerClosedError,
    WorkerStartError,
)
from spinney.workers import CallableModel, LocalModel, WorkerModel

ROWS = np.array([[1.0, 2.0], [3.0, 4.5]])
MINE = [f"worker_models.{name}" for name in ("Answers", "Caller", "Layout", "Sum")]


def worker(model, **options):
    return WorkerModel(pickle.dumps(model), allowed_classes=MINE, **options)


@pytest.fixture(scope="module")
def wine():
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_wine()
    return data.data, data.target_names[data.target]


def fitted(name, wine):
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, SVR

    x, y = wine
    return {
        "SVC": lambda: SVC().fit(x, y),
        "SVR": lambda: SVR().fit(x, x[:, 0]),
        "KNN": lambda: KNeighborsClassifier(algorithm="kd_tree").fit(x, y),
        "balls": lambda: KNeighborsRegressor(algorithm="ball_tree").fit(x, x[:, :2]),
        "pipeline": lambda: make_pipeline(StandardScaler(), SVC()).fit(x, y),
    }[name]()


@pytest.mark.parametrize("name", ["SVC", "SVR", "KNN", "balls", "pipeline"])
def test_scikit_learn_s_own_answers(name, wine, tmp_path):
    joblib = pytest.importorskip("joblib")
    x = wine[0]
    model = fitted(name, wine)
    path = tmp_path / "model.pkl"
    if name in ("KNN", "pipeline"):
        joblib.dump(model, path, compress=3)
    else:
        path.write_bytes(pickle.dumps(model))
    with pytest.raises(UnsupportedModelError, match="allowed_classes"):
        spinney.load(path)
    with spinney.load(path, allowed_classes=["sklearn.*"]) as loaded:
        assert isinstance(loaded, WorkerModel)
        assert loaded.n_features == 13
        assert loaded.source["library"] == "sklearn"
        for rows in (x, x[:1], np.asfortranarray(x), x[::2]):
            for method in ("predict", "predict_proba", "decision_function"):
                if hasattr(model, method):
                    expected = getattr(model, method)(rows)
                    got = getattr(loaded, method)(rows)
                    assert got.dtype == expected.dtype
                    np.testing.assert_array_equal(got, expected)
                else:
                    with pytest.raises(UnsupportedModelError, match=method):
                        getattr(loaded, method)(rows)
        if hasattr(model, "classes_"):
            np.testing.assert_array_equal(loaded.classes_, model.classes_)
        with pytest.raises(InvalidInputError, match="13"):
            loaded.predict(x[:, :4])


def test_frames_and_sparse_rows_arrive_as_such(wine, tmp_path):
    pandas = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    from sklearn.svm import SVC

    x, y = wine
    frame = pandas.DataFrame(x, columns=[f"feature {i}" for i in range(13)])
    model = SVC().fit(frame, y)
    with spinney.load(model, allowed_classes=["sklearn.svm.SVC"]) as loaded:
        np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))
        assert loaded.feature_names == list(frame.columns)
    model = SVC().fit(sparse.csr_matrix(x), y)
    with spinney.load(model, allowed_classes=["sklearn.svm.SVC"]) as loaded:
        rows = sparse.csr_matrix(x)
        np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "\u2603\U0001f40d"]),
        np.array([b"a", b"bc"]),
        np.array(["a", None], dtype=object),
        np.array([1 << 80, 0.1], dtype=object),
        np.array([b"\xff", True], dtype=object),
        np.array([[1, 2], [3, 4]], dtype=np.int16),
        np.array([1 + 2j, np.nan]),
        np.array([np.nan, -0.0], dtype=np.float16),
        np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((2, 0)),
        np.array([True, False]),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_every_kind_of_answer(array):
    with worker(worker_models.Answers(array)) as model:
        got = model.predict(ROWS)
    assert got.dtype == array.dtype
    assert got.shape == array.shape
    assert got.tobytes() == array.tobytes() or got.dtype == object
    assert [repr(v) for v in got.ravel()] == [repr(v) for v in array.ravel()]
    got.setflags(write=True)


def test_rows_arrive_as_they_were_given():
    with worker(worker_models.Layout()) as model:
        for dtype in ("<f4", "<f8", "<i8", ">f8", "|b1"):
            rows = np.zeros((3, 2), dtype=dtype)
            assert model.predict(rows)[0].tolist() == [dtype, "True", "False"]
            assert model.predict(np.asfortranarray(rows))[0].tolist() == [dtype, "False", "True"]
        assert model.predict(np.zeros((6, 4))[::2, ::2])[0].tolist() == ["<f8", "True", "False"]


def test_batches_of_any_size_and_many_threads():
    import threading

    wrong = []
    with worker(worker_models.Sum()) as model:

        def work(seed):
            rng = np.random.default_rng(seed)
            for rows in (1, 3, 1000, 200_000, 1, 50, 0):
                x = rng.normal(size=(rows, 2))
                if not np.array_equal(model.predict(x), x.sum(axis=1)):
                    wrong.append(rows)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        info = model.info()
        assert info["batches"] == 28
        assert info["restarts"] == 0
        assert info["pid"] not in (None, os.getpid())
        assert info["memory_mb"] > 5
        assert 0 < info["round_trip_us"] < 50_000
        assert info["runs"] == "worker process"


@pytest.mark.parametrize(
    "deed", ["give_text", "give_too_few", "give_none", "give_objects", "give_records"]
)
def test_wrong_results_are_refused(deed):
    with worker(worker_models.Sum(deed)) as model:
        with pytest.raises(PythonModelError):
            model.predict(ROWS)
        assert model.predict(ROWS * 0).tolist() == [0, 0]
        assert model.info()["restarts"] == 0


def test_an_answer_may_be_larger_than_was_expected():
    with worker(worker_models.Sum("give_much")) as model:
        assert model.predict(ROWS).shape == (2, 1 << 20)
    model = worker(worker_models.Sum("give_much"), result_limit_mb=8)
    with model, pytest.raises(spinney.WorkerError, match="result_limit_mb"):
        model.predict(ROWS)


def test_what_the_model_raises_is_told():
    with worker(worker_models.Sum("raise_error")) as model:
        with pytest.raises(PythonModelError, match="LookupError: no such thing") as caught:
            model.predict(ROWS)
        assert caught.value.error_type == "LookupError"
        assert model.info()["restarts"] == 0


# What is permitted


def hostile(tmp_path):
    canary = tmp_path / "canary"
    return pickle.dumps(worker_models.Touch(str(canary))), canary


def test_a_hostile_pickle_is_not_run_anywhere(tmp_path):
    data, canary = hostile(tmp_path)
    path = tmp_path / "hostile.pkl"
    path.write_bytes(data)
    with pytest.raises(UnsupportedModelError):
        spinney.load(path)
    for lists in (["sklearn.*"], ["worker_models.*"], ["worker_models.Touch"]):
        for in_process in (False, True):
            with pytest.raises(ForbiddenClassError, match="system"):
                spinney.load(path, allowed_classes=lists, in_process=in_process)
    assert not canary.exists()
    with pytest.raises(spinney.SpinneyError):
        spinney.load(path, trusted=True, worker_options={"sandbox": False})
    assert canary.exists()  # trusted means trusted: the test can fail


def test_a_hostile_array_in_a_joblib_file_is_not_run(tmp_path):
    """joblib reads arrays of objects by an unpickler of their own."""
    joblib = pytest.importorskip("joblib")
    canary = tmp_path / "canary"
    model = worker_models.Answers(np.array([worker_models.Touch(str(canary))], dtype=object))
    path = tmp_path / "hostile.joblib"
    joblib.dump(model, path)
    for in_process in (False, True):
        with pytest.raises(ForbiddenClassError, match="system"):
            spinney.load(path, allowed_classes=MINE, in_process=in_process)
    assert not canary.exists()


@pytest.mark.parametrize(
    "text",
    [
        b"cos\nsystem\n(S'touch CANARY'\ntR.",
        b"cposix\nsystem\n(S'touch CANARY'\ntR.",
        b"\x80\x04\x8c\x0dworker_models\x8c\x09os.system\x93\x8c\x0ctouch CANARY\x85R.",
        b"\x80\x04\x8c\x0dworker_models\x8c\x06os.sys\x93\x8c\x01x\x85R.",
        b'c__builtin__\neval\n(S\'open("CANARY", "w")\'\ntR.',
        b"cworker_models\ntime.sleep\n(I0\ntR.",
        b"cworker_models\nnp.load\n(S'CANARY'\ntR.",
        b"csubprocess\ncall\n((lS'touch'\naS'CANARY'\natR.",
        b"cimportlib\nimport_module\n(S'antigravity'\ntR.",
        b"cfunctools\npartial\n(cos\nsystem\ntR.",
        b"coperator\nattrgetter\n(S'x'\ntR.",
        b"Pan id\n.",
    ],
)
def test_names_outside_the_list_are_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ForbiddenClassError, WorkerStartError)):
        WorkerModel(text, allowed_classes=["worker_models.*", "numpy.random.*"])
    assert not (tmp_path / "CANARY").exists()


def test_every_missing_name_is_listed(wine):
    model = fitted("pipeline", wine)
    with pytest.raises(ForbiddenClassError) as caught:
        spinney.load(model, allowed_classes=["sklearn.svm.SVC"])
    assert "sklearn.pipeline.Pipeline" in str(caught.value)
    assert "StandardScaler" in str(caught.value)
    assert "SVC" not in str(caught.value)
    names = ["sklearn.pipeline.Pipeline", "sklearn.preprocessing.StandardScaler", "sklearn.svm.SVC"]
    with spinney.load(model, allowed_classes=names) as loaded:
        np.testing.assert_array_equal(loaded.predict(wine[0]), model.predict(wine[0]))


@pytest.mark.parametrize(
    "entries",
    ["sklearn.svm.SVC", ["SVC"], ["os.*"], ["builtins.eval"], [3], ["*"], ["a..b"], [".a"]],
)
def test_bad_lists_are_refused(entries):
    with pytest.raises(InvalidInputError, match="allowed_classes"):
        WorkerModel(b"", allowed_classes=entries)


def test_nothing_is_permitted_by_default():
    data = pickle.dumps(worker_models.Sum())
    with pytest.raises(InvalidInputError, match="trusted"):
        WorkerModel(data)
    with pytest.raises(InvalidInputError, match="trusted"):
        WorkerModel(data, allowed_classes=[])


def test_native_models_stay_native(wine):
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier().fit(*wine)
    assert isinstance(spinney.load(tree, trusted=True, in_process=True), spinney.Model)


# In this process


def test_in_process_is_asked_for_twice(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(worker_models.Caller()))
    with spinney.load(path, trusted=True) as there:
        assert there.predict(ROWS)[0] == there.info()["pid"] != os.getpid()
    with spinney.load(path, allowed_classes=MINE, in_process=True) as here:
        assert isinstance(here, LocalModel)
        assert here.predict(ROWS).tolist() == [os.getpid()] * 2
        assert here.info()["runs"] == "this process"
    with pytest.raises(WorkerClosedError):
        here.predict(ROWS)
    with pytest.raises(UnsupportedModelError, match="in_process"):
        spinney.load(path, in_process=True)


def test_a_callable_is_a_model():
    model = CallableModel(lambda x: x.sum(axis=1), n_features=2)
    assert model.predict(ROWS).tolist() == [3.0, 7.5]
    assert model.predict(ROWS.tolist()).tolist() == [3.0, 7.5]
    with pytest.raises(InvalidInputError, match="2 features"):
        model.predict(np.zeros((1, 3)))
    with pytest.raises(InvalidInputError, match="2-D"):
        model.predict(np.zeros(2))
    with pytest.raises(UnsupportedModelError, match="predict_proba"):
        model.predict_proba(ROWS)
    with pytest.raises(InvalidInputError, match="callable"):
        CallableModel(3)
    with pytest.raises(PythonModelError, match="ZeroDivisionError"):
        CallableModel(lambda x: 1 / 0).predict(ROWS)
    with pytest.raises(PythonModelError, match="one answer for each"):
        CallableModel(lambda x: x[:1, 0]).predict(ROWS)
    assert model.info()["runs"] == "this process"


def test_threads_of_python_models_are_limited():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads(x):
        pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
        return np.full(len(x), max(pools, default=1))

    pytest.importorskip("sklearn.svm")  # loads BLAS and OpenMP
    before = threads(ROWS)[0]
    limited = LocalModel(threads, num_threads=1)
    assert limited.predict(ROWS).tolist() == [1, 1]
    assert threads(ROWS)[0] == before
    assert LocalModel(threads).predict(ROWS)[0] == before
    for count in (0, -1, True, 1.5):
        with pytest.raises(InvalidInputError, match="thread"):
            LocalModel(threads, num_threads=count)


def test_options_of_the_worker_go_through_load(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(worker_models.Sum()))
    options = {"num_threads": 1, "memory_limit_mb": 3000, "batch_timeout_s": 2}
    with spinney.load(path, allowed_classes=MINE, worker_options=options) as model:
        info = model.info()
        assert {name: info[name] for name in options} == options
    with pytest.raises(InvalidInputError, match="memory_limit_mb"):
        spinney.load(path, trusted=True, in_process=True, worker_options=options)
    with pytest.raises(InvalidInputError, match="batch_timeout_s"):
        worker(worker_models.Sum(), batch_timeout_s=0)


@pytest.mark.parametrize("in_process", [False, True])
@pytest.mark.parametrize("held", ["dict", "list", "nested"])
def test_the_one_model_of_a_container_is_run(tmp_path, held, in_process):
    svm = pytest.importorskip("sklearn.svm")
    x = np.random.default_rng(0).normal(size=(40, 3))
    model = svm.SVC().fit(x, x[:, 0] > 0)
    whole = {
        "dict": {"model": model, "columns": ["a", "b", "c"]},
        "list": [model],
        "nested": ("v1", {"folds": [model]}),
    }
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(whole[held]))
    with spinney.load(tmp_path / "m.pkl", trusted=True, in_process=in_process) as loaded:
        np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
        assert loaded.source["kind"] == "SVC"


def test_members_of_containers_are_chosen_natively_alone(tmp_path):
    svm = pytest.importorskip("sklearn.svm")
    model = svm.SVC().fit([[0.0], [1.0]], [0, 1])
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"a": model, "b": model}))
    with pytest.raises(spinney.InvalidInputError, match=r"holds 2 models: a \(SVC\), b \(SVC\)"):
        spinney.load(tmp_path / "m.pkl", trusted=True)
    with pytest.raises(spinney.UnsupportedModelError, match="by a file of its own"):
        spinney.load(tmp_path / "m.pkl", trusted=True, member="a")
