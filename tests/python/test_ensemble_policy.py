"""Members of an ensemble that are missing, late or failing, and those that are loaded again."""

from __future__ import annotations

import json
import pickle
import threading

import numpy as np
import pytest

import spinney

sklearn_ensemble = pytest.importorskip("sklearn.ensemble")

RNG = np.random.default_rng(9)
X = RNG.normal(size=(100, 4)).astype(np.float32)
Y = X[:, 0] - X[:, 1]


def forest(seed, y=Y, x=X):
    return sklearn_ensemble.RandomForestRegressor(5, max_depth=3, random_state=seed).fit(x, y)


def ones(rows):
    return np.ones(len(rows))


class Held:
    """A member that answers when it is let go."""

    def __init__(self):
        self.go = threading.Event()
        self.asked = 0

    def __call__(self, rows):
        self.asked += 1
        self.go.wait(60)
        return np.zeros(len(rows))


def broken(rows):
    raise KeyError("gone")


def test_members_in_python_are_asked_beside_each_other():
    """Each waits for the other, which one after the other would never end."""
    meeting = threading.Barrier(3, timeout=60)

    def meet(rows):
        meeting.wait()
        return np.full(len(rows), 3.0)

    ensemble = spinney.Ensemble([meet, meet, meet, ones])
    np.testing.assert_array_equal(ensemble.predict(X), np.full(100, 2.5))


def test_a_late_member_is_an_error():
    held = Held()
    ensemble = spinney.Ensemble({"one": ones, "held": held}, timeout_s=0.05)
    with pytest.raises(spinney.MemberLateError, match=r"'held': no answer within 0\.05 s") as late:
        ensemble.predict(X)
    assert isinstance(late.value, TimeoutError)
    held.go.set()
    assert ensemble.ask(X, timeout_s=60).left_out == {}


def test_a_late_member_is_left_out():
    held, member = Held(), forest(0)
    ensemble = spinney.Ensemble(
        {"forest": member, "one": ones, "held": held},
        weights=[3, 1, 4],
        timeout_s=0.05,
        on_failure="leave_out",
    )
    answer = ensemble.ask(X)
    np.testing.assert_array_equal(
        answer.answer, np.average([member.predict(X), ones(X)], axis=0, weights=[3, 1])
    )
    assert answer.weights == {"forest": 0.75, "one": 0.25}
    assert answer.left_out == {"held": "no answer within 0.05 s"}
    assert [one["left_out"] for one in ensemble.info()["members"]] == [0, 0, 1]
    for _ in range(10):  # as many calls as it still has are waited for by nobody, and no more made
        assert "held" in ensemble.ask(X, timeout_s=0.001).left_out
    assert held.asked == 8
    held.go.set()


def test_a_failing_member():
    members = {"one": ones, "broken": broken}
    with pytest.raises(spinney.EnsembleError, match=r"'broken' failed: PythonModelError.*gone"):
        spinney.Ensemble(members).predict(X)
    ensemble = spinney.Ensemble(members, on_failure="leave_out")
    np.testing.assert_array_equal(ensemble.predict(X), ones(X))
    assert "KeyError" in ensemble.ask(X).left_out["broken"]
    strict = spinney.Ensemble(members, on_failure="leave_out", members_min=2)
    with pytest.raises(spinney.EnsembleError, match=r"only 1 members answered.*members_min is 2"):
        strict.predict(X)
    weightless = spinney.Ensemble(members, weights=[0, 1], on_failure="leave_out")
    with pytest.raises(spinney.EnsembleError, match="no weight"):
        weightless.predict(X)
    mixed = spinney.Ensemble({"forest": forest(0), "one": ones}, on_failure="leave_out")
    with pytest.raises(spinney.InvalidInputError):  # the rows are at fault, and no member
        mixed.predict(X[:, :3])


def test_an_engine_s_metadata_says_who_answered():
    members = {"forest": forest(0), "broken": broken}
    with spinney.InferenceEngine() as engine:
        assert engine.load_model(spinney.Ensemble(members, weights=[1, 3], on_failure="leave_out"))
        success, result, metadata = engine.predict(X)
        assert success and metadata["member_weights"] == {"forest": 1.0}
        assert "KeyError" in metadata["members_left_out"]["broken"]
        np.testing.assert_array_equal(result, members["forest"].predict(X))
        assert engine.enqueue_prediction(X[:4]).result().shape == (4,)
        members["broken"] = lambda rows: rows[:, 0] if len(rows) == 1 else broken(rows)
        assert engine.load_model(spinney.Ensemble(members), name="strict"), engine.last_error
        success, _, metadata = engine.predict(X, "strict")
        assert not success and "'broken' failed" in metadata["error"]
        ensemble = spinney.Ensemble(members, on_failure="leave_out")
        assert not engine.load_model(ensemble, idempotent=True, name="kept")
        assert "may lack a member" in engine.last_error


def test_a_missing_member(tmp_path):
    for name, seed in (("a.pkl", 0), ("b.pkl", 1)):
        (tmp_path / name).write_bytes(pickle.dumps(forest(seed)))
    said = {"models": ["a.pkl", "b.pkl", "c.pkl"], "weights": [1, 3, 4]}
    path = tmp_path / "ensemble.json"
    path.write_text(json.dumps(said))
    with pytest.raises(spinney.ModelNotFoundError, match="'c'"):
        spinney.load(path)
    path.write_text(json.dumps({**said, "on_failure": "leave_out"}))
    ensemble = spinney.load(path)
    theirs = [forest(seed).predict(X) for seed in (0, 1, 2)]
    np.testing.assert_array_equal(
        ensemble.predict(X), np.average(theirs[:2], axis=0, weights=[1, 3])
    )
    assert ensemble.ask(X).weights == {"a": 0.25, "b": 0.75}
    assert "no such file" in ensemble.info()["members"][2]["missing"].lower()
    with spinney.InferenceEngine() as engine:
        assert engine.load_model(ensemble)
        metadata = engine.predict(X)[2]
        assert list(metadata["members_left_out"]) == ["c"]
        assert metadata["member_weights"] == {"a": 0.25, "b": 0.75}
        assert not engine.reload_member("c") and "'c'" in engine.last_error
        (tmp_path / "c.pkl").write_bytes(pickle.dumps(forest(2)))
        assert engine.reload_member("c"), engine.last_error
        _, result, metadata = engine.predict(X)
        np.testing.assert_array_equal(result, np.average(theirs, axis=0, weights=[1, 3, 4]))
        assert metadata["members_left_out"] == {}
    path.write_text(json.dumps({**said, "on_failure": "leave_out", "members_min": 3}))
    (tmp_path / "c.pkl").write_bytes(b"no model")
    with pytest.raises(spinney.EnsembleError, match="only 2 of 3 members are there"):
        spinney.load(path)


def test_members_reload_one_by_one():
    ensemble = spinney.Ensemble({"a": forest(0), "b": forest(1)})
    kept = ensemble["a"]
    ensemble.reload("b", forest(7))
    assert ensemble["a"] is kept
    np.testing.assert_array_equal(
        ensemble.predict(X), np.mean([forest(0).predict(X), forest(7).predict(X)], axis=0)
    )
    before = ensemble.predict(X)
    with pytest.raises(spinney.InvalidInputError, match="columns"):
        ensemble.reload("b", forest(1, x=X[:, :3]))
    with pytest.raises(spinney.ModelNotFoundError):
        ensemble.reload("b", "none.pkl")
    with pytest.raises(spinney.InvalidInputError, match="there is no member 'z'"):
        ensemble.reload("z")
    np.testing.assert_array_equal(ensemble.predict(X), before)
    with spinney.InferenceEngine() as engine:
        assert not engine.reload_member("a")
        assert engine.load_model(ensemble, name="both")
        assert engine.reload_member("a", forest(3), model="both"), engine.last_error
        theirs = np.mean([forest(3).predict(X), forest(7).predict(X)], axis=0)
        np.testing.assert_array_equal(engine.predict(X, "both")[1], theirs)
        assert engine.load_model(forest(0), name="one")
        assert not engine.reload_member("a", model="one")
        assert "is no ensemble" in engine.last_error


def test_requests_while_a_member_is_reloaded():
    """Every answer is of one set of members, and none fails."""
    wanted = [np.mean([forest(0).predict(X), forest(seed).predict(X)], axis=0) for seed in (1, 2)]
    with spinney.InferenceEngine() as engine:
        assert engine.load_model(spinney.Ensemble({"a": forest(0), "b": forest(1)}))
        stop, wrong = threading.Event(), []

        def ask():
            while not stop.is_set():
                success, result, metadata = engine.predict(X)
                if not success or not any(np.array_equal(result, one) for one in wanted):
                    wrong.append(metadata)

        asking = [threading.Thread(target=ask) for _ in range(2)]
        for thread in asking:
            thread.start()
        for i in range(10):
            assert engine.reload_member("b", forest(2 - i % 2)), engine.last_error
        stop.set()
        for thread in asking:
            thread.join()
        assert not wrong


class OpensSlowly:
    """A path during whose opening something else happens."""

    def __init__(self, path, meanwhile):
        self.path, self.meanwhile = path, meanwhile

    def __fspath__(self):
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return str(self.path)


def test_of_two_reloads_at_once_neither_is_lost(tmp_path):
    paths = [tmp_path / f"{i}.spinney" for i in range(3)]
    models = [spinney.load(forest(i)) for i in range(3)]
    for path, model in zip(paths, models):
        model.save(path)
    ensemble = spinney.Ensemble({"a": paths[0], "b": paths[0]})

    def says(name, model):
        np.testing.assert_array_equal(ensemble[name].predict(X), model.predict(X))

    # of the same member: what is there last is what came last
    ensemble.reload("a", OpensSlowly(paths[2], lambda: ensemble.reload("a", paths[1])))
    says("a", models[2])
    ensemble.reload("a", OpensSlowly(paths[1], lambda: ensemble.reload("b", paths[2])))
    says("a", models[1])
    says("b", models[2])
    expected = spinney.Ensemble([models[1], models[2]]).predict(X)
    np.testing.assert_array_equal(ensemble.predict(X), expected)
