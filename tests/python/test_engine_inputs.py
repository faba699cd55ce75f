"""Whatever predict takes, the queue takes, and answers alike; also what other threads do to it."""

from __future__ import annotations

import asyncio
import threading
import weakref

import numpy as np
import pytest

from spinney import InferenceEngine, ModelType
from spinney.engine import answering, answers

WIDTH = 10


def arrays():
    x = np.random.default_rng(4).normal(size=(6, WIDTH)).astype(np.float32)
    read_only = x.copy()
    read_only.setflags(write=False)
    numbers = {
        name: np.arange(2 * WIDTH).reshape(2, WIDTH).astype(name)
        for name in ("int64", "int32", "int8", "uint8", "uint64", "float16", "longdouble", ">f4")
    }
    return {
        **numbers,
        "float32": x[:3],
        "float64": x[:3].astype(np.float64),
        "one row": x[:1],
        "flat": x[0],
        "flat integers": np.arange(WIDTH),
        "no rows": x[:0],
        "no integers": np.zeros((0, WIDTH), np.int64),
        "Fortran": np.asfortranarray(x[:3]),
        "strided": x[::2],
        "backwards": x[:3, ::-1],
        "read-only": read_only,
        "bool": x[:3] > 0,
        "beyond 2**53": np.full((2, WIDTH), 2**53 + 1),
        "beyond 2**63": np.full((2, WIDTH), 2**64 - 1, np.uint64),
        "list": x[:3].tolist(),
        "tuple": tuple(map(tuple, x[:2].tolist())),
        "flat list": x[0].tolist(),
        "list of integers": [list(range(WIDTH))],
        "memoryview": memoryview(np.ascontiguousarray(x[:3])),
        "masked": np.ma.masked_array(x[:3], mask=x[:3] > 1),
        "matrix": np.asmatrix(x[:3]),
    }


def refused():
    return {
        "an empty list": [],
        "a row of nothing": [[]],
        "three dimensions": np.zeros((1, 2, WIDTH), np.float32),
        "a number": np.float32(1),
        "text": "abc",
        "nothing": None,
        "a set": {1},
        "ragged": [[1, 2], [1]],
        "objects": np.full((2, WIDTH), object()),
        "complex numbers": np.zeros((2, WIDTH), np.complex128),
        "dates": np.zeros((1, WIDTH), "M8[s]"),
        "a column short": np.zeros((2, WIDTH - 1), np.float32),
    }


def frames():
    x = np.random.default_rng(4).normal(size=(3, WIDTH)).astype(np.float32)
    names = [f"Column_{i}" for i in range(WIDTH)]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, columns=names)
    found = {"frame": frame, "series": frame.iloc[0], "empty frame": frame.iloc[:0]}
    for name in ("polars", "pyarrow", "scipy.sparse"):
        try:
            library = pytest.importorskip(name)
        except pytest.skip.Exception:
            continue
        columns = {each: x[:, i] for i, each in enumerate(names)}
        if name == "polars":
            found[name] = library.DataFrame(columns)
        elif name == "pyarrow":
            found[name] = library.table(columns)
        else:
            found.update(csr=library.csr_matrix(x), csc=library.csc_matrix(x))
    return found


def seen_by(rows):
    """A model that tells what it is shown: the sum of each row in its own number type."""
    return np.asarray(rows.sum(axis=1)).reshape(len(rows.index) if hasattr(rows, "index") else -1)


def described(success, result):
    if not success:
        return "refused"
    padded = result.dtype == np.longdouble  # its bytes beyond the tenth are whatever was there
    values = result.tolist() if padded else result.tobytes()
    return type(result).__name__, result.dtype, result.shape, values


@pytest.fixture(params=["native", "python", "native, kept", "python, kept"])
def engine(request, model):
    kept = "kept" in request.param
    with InferenceEngine({"enable_request_deduplication": kept}) as engine:
        python = "python" in request.param
        loaded = engine.load_model(*([seen_by, ModelType.CUSTOM] if python else [model]))
        assert loaded, engine.last_error
        yield engine


@pytest.mark.parametrize("kinds", [arrays, refused, frames])
def test_every_way_in_answers_alike(engine, kinds):
    def queued(rows):
        future = engine.enqueue_prediction(rows)
        failed = future.exception(timeout=30) is not None
        return not failed, None if failed else future.result()

    def awaited(rows):
        try:
            return True, asyncio.run(engine.predict_async(rows))
        except Exception:
            return False, None

    for name, rows in kinds().items():
        expected = described(*engine.predict(rows)[:2])
        assert expected == "refused" or kinds is not refused or engine.model_type.name == "CUSTOM"
        for ask in (queued, awaited, lambda rows: engine.predict_batch([rows], 30)[0][:2]):
            for _ in range(2):
                assert described(*ask(rows)) == expected, (name, ask)


def test_requests_of_many_kinds_in_one_batch_are_not_mixed():
    entered, go_on = threading.Event(), threading.Event()
    shown = []

    def model(rows):
        entered.set()
        assert go_on.wait(30)
        shown.append((rows.dtype, len(rows)))
        return rows.sum(axis=1)

    options = {"enable_warmup": False, "enable_request_deduplication": False, "num_threads": 1}
    options.update(initial_batch_size=64, enable_adaptive_batching=False)
    with InferenceEngine(options) as engine:
        assert engine.load_model(model, ModelType.CUSTOM)
        first = engine.enqueue_prediction([[0.5, 0.5, 0.5]])
        assert entered.wait(30)
        given = []
        for i in range(5):
            given += [
                np.full((1, 3), i, np.int64),
                np.full((2, 3), i + 0.5),  # as wide as what is queued for the others
                np.full((3, 3), 2**62 + i, np.uint64),
                np.full((1, 3), i, np.int64),
            ]
        futures = [engine.enqueue_prediction(rows) for rows in given]
        changed = [rows.copy() for rows in given]
        for rows in given:
            rows[:] = 0  # the queue has copies
        go_on.set()
        assert first.result(timeout=30).tolist() == [1.5]
        for rows, future in zip(changed, futures):
            answer = future.result(timeout=30)
            assert answer.dtype == rows.dtype
            np.testing.assert_array_equal(answer, rows.sum(axis=1))
    assert sum(count for _, count in shown) == 1 + 5 * 7
    assert max(count for dtype, count in shown if dtype == np.int64) == 10  # they were a batch


def test_rows_of_a_request_that_never_ran_are_let_go(monkeypatch):
    from spinney.engine import parcels

    alive = weakref.WeakSet()
    make = parcels.Parcel.__init__
    monkeypatch.setattr(
        parcels.Parcel, "__init__", lambda self, *given: (alive.add(self), make(self, *given))[1]
    )
    release = threading.Event()

    def model(rows):
        assert release.wait(30)
        return rows.sum(axis=1)

    with InferenceEngine({"enable_warmup": False, "num_threads": 1}) as engine:
        assert engine.load_model(model, ModelType.CUSTOM)
        futures = [engine.enqueue_prediction(np.full((1, 2), i)) for i in range(20)]
        assert all(future.cancel() for future in futures[5:])
        release.set()
        for i, future in enumerate(futures[:5]):
            assert future.result(timeout=30).tolist() == [2 * i]
        del futures, future
        engine.enqueue_prediction([[1.0]]).result(timeout=30)  # gives up what workers left behind
    assert len(alive) <= 1


@pytest.mark.parametrize("asked", ["predict", "enqueue_prediction"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "longdouble"])
def test_rows_that_change_meanwhile_spoil_no_kept_answer(model, monkeypatch, asked, dtype):
    """An answer is computed from the bytes that its key was taken of. Native models' keys are made
    by the core, whose own test is EngineDirect.AnAnswerIsOfTheRowsThatItsKeyWasMadeOf."""
    x = (10 * np.random.default_rng(8).normal(size=(40, WIDTH))).astype(dtype)
    make = answers.keyed
    asked_for = []

    def keyed(features):
        found = make(features)
        asked_for.append(len(features))
        features[:] = x[::-1][: len(features)]  # as another thread may, at the worst moment
        return found

    with InferenceEngine() as engine:
        assert engine.load_model(model.predict, ModelType.CUSTOM, idempotent=True)
        for module in (answering, answers):
            monkeypatch.setattr(module, "keyed", keyed)
        for i in range(0, len(x), 2):
            changing = x[i : i + 2].copy()
            if asked == "predict":
                answer = engine.predict(changing)[1]
            else:
                answer = engine.enqueue_prediction(changing).result(timeout=30)
            np.testing.assert_array_equal(answer, model.predict(x[i : i + 2]))
        assert len(asked_for) == len(x) // 2
        monkeypatch.undo()
        for i in range(0, len(x), 2):
            _, answer, metadata = engine.predict(x[i : i + 2])
            assert metadata["cached"]
            np.testing.assert_array_equal(answer, model.predict(x[i : i + 2]))


def test_a_python_model_may_write_into_its_rows():
    def model(rows):
        rows *= 2
        return rows.sum(axis=1)

    with InferenceEngine({"enable_warmup": False}) as engine:
        assert engine.load_model(model, ModelType.CUSTOM)
        for ask in (
            lambda x: engine.predict(x)[1],
            lambda x: engine.enqueue_prediction(x).result(30),
        ):
            for rows in (np.ones((2, 3)), np.ones((2, 3), np.int64)):
                for _ in range(2):
                    np.testing.assert_array_equal(ask(rows + len(rows)), [18, 18])
