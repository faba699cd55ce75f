"""Kept answers that go by ranks: found more often, and never for a row with another answer."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from spinney import InferenceEngine
from spinney.engine import rank_keys


@pytest.fixture
def engine(model, monkeypatch):
    monkeypatch.setattr(rank_keys, "WORTH", 0)  # whatever this machine's times are
    with InferenceEngine({"max_cache_entries": 100_000}) as engine:
        assert engine.load_model(model)
        assert engine.model_info["cache_key"] == "ranks"
        yield engine


def test_rows_between_the_same_thresholds_share_an_answer(engine, model, training_data):
    x = np.nan_to_num(training_data[0].astype(np.float64))
    assert "cached" not in engine.predict(x[:1])[2]
    found = engine.predict(x[:1] + 1e-12)
    assert found[2]["cached"] and found[1] == model.predict(x[:1] + 1e-12)
    assert engine.enqueue_prediction(x[:1] - 1e-12).done()


def test_no_answer_is_another_row_s(engine, model, training_data):
    rng = np.random.default_rng(3)
    x = training_data[0]
    found = 0
    for scale in (0, 1e-6, 1e-3, 1e-1):
        rows = (x + rng.normal(size=x.shape) * scale).astype(np.float32)
        rows[rng.random(rows.shape) < 0.02] = rng.choice([np.nan, np.inf, -np.inf, -0.0, 1e-45])
        for some in (rows[:150], rows[:150].astype(np.float64)):
            expected = model.predict(some)
            for i in range(len(some)):
                _, answer, metadata = engine.predict(some[i : i + 1])
                assert answer[0] == expected[i] and answer.dtype == expected.dtype
                found += metadata.get("cached", False)
    assert found > 100


def test_several_rows_and_rows_that_do_not_fit(engine, model, training_data):
    x = training_data[0]
    for rows in (x[:3], x[:4], x[3:4]):
        np.testing.assert_array_equal(engine.predict(rows)[1], model.predict(rows))
    assert engine.predict(x[:4])[2]["cached"]
    success, _, metadata = engine.predict(x[:, :3])
    assert not success and "10" in metadata["error"]
    assert engine.predict(x[0])[1] == model.predict(x[:1])
    with pytest.raises(spinney.InvalidInputError):
        engine.enqueue_prediction(x[:, :3]).result(timeout=5)


def test_a_cheap_model_keeps_bytes(model, monkeypatch):
    monkeypatch.setattr(rank_keys, "WORTH", 1e9)
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        assert engine.model_info["cache_key"] == "bytes"
