"""Python models take texts, dicts and frames, in a worker process and in this one."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from spinney import InferenceEngine

pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.feature_extraction import DictVectorizer  # noqa: E402
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder  # noqa: E402

TEXTS = ["good and cheap", "dear and bad", "good", "", "a bad one, läßt nach", "cheap, good"] * 3
LABELS = np.array(["up", "down", "up", "down", "down", "up"] * 3)
DICTS = [{"city": c, "size": float(i % 3)} for i, c in enumerate(["Rom", "Oslo", "Bonn"] * 6)]
DICTS[2] = {"city": "Rom"}
FRAME = pandas.DataFrame({"city": ["Rom", "Oslo", "Bonn"] * 6, "size": np.arange(18) % 4 * 1.0})


@pytest.fixture(scope="module", params=[False, True], ids=["worker", "in process"])
def serve(request):
    """A function that loads an object to be run by Python, and what it loaded so far."""
    loaded = []

    def load(fitted):
        loaded.append(spinney.load(fitted, allowed_classes=["sklearn.*"], in_process=request.param))
        return loaded[-1]

    yield load
    for model in loaded:
        model.close()


@pytest.mark.parametrize("vectorizer", [TfidfVectorizer, CountVectorizer])
def test_one_text_a_row(serve, vectorizer):
    fitted = make_pipeline(vectorizer(), LogisticRegression()).fit(TEXTS, LABELS)
    model = serve(fitted)
    expected = fitted.predict(TEXTS)
    forms = [TEXTS, tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, dtype=object)]
    forms.append(pandas.Series(TEXTS))
    polars = pytest.importorskip("polars")
    forms.append(polars.Series(TEXTS))
    for form in forms:
        np.testing.assert_array_equal(model.predict(form), expected)
        np.testing.assert_array_equal(model.predict_proba(form), fitted.predict_proba(TEXTS))
    assert model.predict(TEXTS[:1]).shape == (1,)
    with pytest.raises(spinney.InvalidInputError):
        model.predict("one text by itself")
    with InferenceEngine() as engine:
        options = {"trusted": True, "in_process": isinstance(model, spinney.workers.LocalModel)}
        assert engine.load_model(fitted, **options), engine.last_error
        for texts in (TEXTS, TEXTS[:1], np.array(TEXTS)):
            success, found, told = engine.predict(texts)
            assert success, told
            np.testing.assert_array_equal(found, expected[: len(texts)])
            assert len(engine.enqueue_prediction(texts).result(30)) == len(texts)


def test_dicts_of_a_vectorizer(serve):
    fitted = make_pipeline(DictVectorizer(), LogisticRegression()).fit(DICTS, LABELS)
    model = serve(fitted)
    unseen = [*DICTS, {"city": "Paris", "size": 2}, {}, {"size": 1.5}]
    np.testing.assert_array_equal(model.predict(unseen), fitted.predict(unseen))
    with pytest.raises(spinney.InvalidInputError, match="keys are 1; expected the features"):
        model.predict([{1: 2.0}])


def test_dicts_and_frames_by_the_names_of_features(serve):
    columns = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    fitted = make_pipeline(columns, Ridge()).fit(FRAME, np.arange(18.0))
    model = serve(fitted)
    expected = fitted.predict(FRAME)
    dicts = [dict(reversed(row.items())) for row in FRAME.to_dict("records")]
    wider = [{"id": 3, **row} for row in dicts]
    for form in (FRAME, dicts, wider):
        np.testing.assert_array_equal(model.predict(form), expected)
    with pytest.raises(spinney.InvalidInputError, match="some of the rows lack 'size'"):
        model.predict([{"city": "Rom"}])


def test_rows_of_text_and_numbers(serve):
    columns = make_column_transformer((OneHotEncoder(), [0]), remainder="passthrough")
    rows = FRAME.to_numpy(dtype=object)
    fitted = make_pipeline(columns, Ridge()).fit(rows, np.arange(18.0))
    model = serve(fitted)
    for form in (rows, rows.tolist(), tuple(map(tuple, rows))):
        np.testing.assert_array_equal(model.predict(form), fitted.predict(rows))


def test_a_function_gets_what_it_was_given():
    model = spinney.CallableModel(lambda rows: np.array([len(row) for row in rows]))
    assert model.predict(["a", "bcd"]).tolist() == [1, 3]
    assert model.predict([{"a": 1}, {}]).tolist() == [1, 0]
