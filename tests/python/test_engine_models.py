"""Several models and versions in one engine; reloads under load; Python objects and functions."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

import spinney
from spinney import CallableModel, EngineState, InferenceEngine, ModelType
from spinney.engine import load_watch

PLAIN = {"enable_request_deduplication": False}


def constant(value):
    def answer(x):
        return np.full(len(x), float(value))

    return answer


@pytest.fixture
def engine():
    with InferenceEngine(PLAIN) as engine:
        yield engine


def ask(engine, *args, **kwargs):
    success, result, meta = engine.predict(np.ones((1, 3)), *args, **kwargs)
    assert success, meta
    queued = engine.enqueue_prediction(np.ones((1, 3)), 2, None, *args, **kwargs).result(60)
    assert queued == result
    return result[0]


def test_models_by_name_and_version(engine):
    assert engine.load_model(constant(1), name="a")
    assert ask(engine) == 1  # the first is meant where there is none without a name
    assert engine.load_model(constant(2), name="b")
    assert engine.load_model(constant(3), name="b", version="2.0")
    assert engine.load_model(constant(4))
    assert ask(engine) == 4
    assert ask(engine, "a") == 1
    assert ask(engine, "b") == 3
    assert ask(engine, "b", version="1.0") == 2
    assert [(one["name"], one["version"]) for one in engine.list_models()] == [
        ("a", "1.0"),
        ("b", "1.0"),
        ("b", "2.0"),
        ("default", "1.0"),
    ]
    success, _, meta = engine.predict(np.ones((1, 3)), "c")
    assert not success and "'a', 'b', 'default'" in meta["error"]
    success, _, meta = engine.predict(np.ones((1, 3)), "b", version="3")
    assert not success and "'1.0', '2.0'" in meta["error"]
    with pytest.raises(ValueError, match="no model 'c'"):
        engine.enqueue_prediction(np.ones((1, 3)), model="c").result(60)
    assert engine.unload_model("b", "2.0") and ask(engine, "b") == 2
    assert engine.unload_model("b") and not engine.unload_model("b")
    assert not engine.predict(np.ones((1, 3)), "b")[0]
    assert engine.unload_model() and ask(engine) == 1
    assert engine.unload_model("a") and engine.model is None
    assert "load_model" in engine.predict(np.ones((1, 3)))[2]["error"]


def test_each_model_has_its_own_answers_in_the_cache():
    with InferenceEngine() as engine:
        assert engine.load_model(constant(1), name="a")
        assert engine.load_model(constant(2), name="b")
        for _ in range(3):
            assert engine.predict(np.ones((1, 3)), "a")[1] == [1.0]
            assert engine.predict(np.ones((1, 3)), "b")[1] == [2.0]
        assert engine.load_model(constant(3), name="a")
        assert engine.predict(np.ones((1, 3)), "a")[1] == [3.0]


def test_reloads_fail_and_mix_nothing(engine, lightgbm_booster, xgboost_booster, training_data):
    x = training_data[0][:64]
    engine.load_model(lightgbm_booster)
    answers = [engine.predict(x)[1]]
    engine.load_model(xgboost_booster)
    answers.append(engine.predict(x)[1])
    assert answers[0].dtype != answers[1].dtype
    stop, wrong, count = threading.Event(), [], [0]

    def work():
        while not stop.is_set():
            futures = [engine.enqueue_prediction(x[i : i + 2]) for i in range(0, 64, 2)]
            for i, future in enumerate(futures):
                got = future.result(10)
                if not any(np.array_equal(got, a[2 * i : 2 * i + 2]) for a in answers):
                    wrong.append(got)
            success, got, meta = engine.predict(x)
            if not success or not any(np.array_equal(got, a) for a in answers):
                wrong.append(meta)
            count[0] += 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(60):
        assert engine.load_model((lightgbm_booster, xgboost_booster)[i % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and count[0] > 3
    assert engine.active_requests == 0


def test_memory_is_flat_over_reloads(engine, lightgbm_booster, training_data):
    def cycle(times):
        for _ in range(times):
            assert engine.load_model(lightgbm_booster)
            engine.enqueue_prediction(training_data[0][:4]).result(10)

    cycle(60)
    before = load_watch.resident_mb()
    cycle(150)
    assert load_watch.resident_mb() - before < 3


def test_a_failed_load_keeps_the_model_serving(engine, tmp_path):
    assert engine.load_model(constant(1))
    broken = tmp_path / "broken.json"
    broken.write_text('{"learner":')
    assert engine.load_model(broken) is False
    assert engine.state is EngineState.READY and ask(engine) == 1


def test_a_function_of_rows(engine):
    assert engine.load_model(constant(7), ModelType.CUSTOM)
    assert engine.model_type is ModelType.CUSTOM
    assert ask(engine) == 7
    assert engine.load_model(constant(8), ModelType.SKLEARN) is False
    assert "function" in engine.last_error
    found = engine.validate_model()
    assert found["valid"] and found["model_type"] == "CUSTOM" and "note" in found


def test_a_function_whose_answers_do_not_fit_its_rows(engine):
    assert engine.load_model(lambda x: np.zeros(len(x) + 1), "custom")
    success, _, meta = engine.predict(np.ones((2, 3)))
    assert not success and "2 rows" in meta["error"]
    assert isinstance(engine.enqueue_prediction(np.ones((2, 3))).exception(5), RuntimeError)


def test_an_object_without_a_native_path(engine, training_data, tmp_path):
    svm = pytest.importorskip("sklearn.svm")
    x, y = np.nan_to_num(training_data[0][:80]).astype(np.float64), training_data[1][:80]
    svc = svm.SVC(random_state=0).fit(x, y)
    path = tmp_path / "svc.pkl"
    path.write_bytes(pickle.dumps(svc))
    assert engine.load_model(path) is False
    assert "trusted" in engine.last_error or "allowed" in engine.last_error
    assert engine.load_model(path, allowed_classes=["sklearn.svm.SVC", "sklearn.*", "numpy.*"])
    assert "process" in engine.model_info["runs"]
    assert engine.load_model(path, trusted=True, in_process=True, version="here")
    assert engine.model_info["runs"] == "this process"
    for version in ("1.0", "here"):
        np.testing.assert_array_equal(engine.predict(x, version=version)[1], svc.predict(x))
        futures = [engine.enqueue_prediction(row, version=version) for row in x]
        assert [f.result(20)[0] for f in futures] == svc.predict(x).tolist()


def test_max_batch_size_and_batching_switched_off():
    for config, most in (({"max_batch_size": 5}, 5), ({"enable_batching": False}, 1)):
        sizes, go = [], threading.Event()

        def score(x, sizes=sizes, go=go):
            go.wait(5)
            sizes.append(len(x))
            return x[:, 0]

        with InferenceEngine({**PLAIN, **config, "num_threads": 1}) as engine:
            assert engine.load_model(score, "custom")
            futures = [engine.enqueue_prediction(np.full((1, 2), i)) for i in range(21)]
            go.set()
            assert [f.result(60)[0] for f in futures] == list(range(21))
        assert max(sizes) <= most and sum(sizes) == 21


def test_a_wait_for_a_minimum_is_opt_in():
    sizes = []

    def score(x):
        sizes.append(len(x))
        return x[:, 0]

    config = {**PLAIN, "num_threads": 1, "min_batch_size": 8, "batch_timeout": 600.0}
    with InferenceEngine(config) as engine:
        assert engine.load_model(score, "custom")
        futures = [engine.enqueue_prediction(np.full((1, 2), i)) for i in range(8)]
        assert [f.result(60)[0] for f in futures] == list(range(8))
    assert max(sizes) <= 64


def test_pinned_workers_answer(lightgbm_booster, training_data):
    with InferenceEngine({**PLAIN, "set_cpu_affinity": True}) as engine:
        assert engine.load_model(lightgbm_booster)
        answer = engine.enqueue_prediction(training_data[0]).result(60)
        np.testing.assert_array_equal(answer, engine.predict(training_data[0])[1])


def test_a_python_model_is_served_as_it_is_and_stays_its_owner_s():
    mine = CallableModel(constant(5))
    assert spinney.load(mine) is mine
    with pytest.raises(spinney.InvalidInputError, match="source is a CallableModel already"):
        spinney.load(mine, as_booster=True)
    for _ in range(2):
        with InferenceEngine(PLAIN) as engine:
            assert engine.load_model(mine, name="mine"), engine.last_error
            assert ask(engine, "mine") == 5
            assert engine.load_model(mine, name="mine")  # in its own place
            assert ask(engine, "mine") == 5
            assert engine.unload_model("mine")
        assert mine.predict(np.ones((2, 3))).tolist() == [5, 5]
    mine.close()
    with InferenceEngine(PLAIN) as engine:
        assert not engine.load_model(mine) or not engine.predict(np.ones((1, 3)))[0]
