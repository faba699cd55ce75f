"""Linear models add as scikit-learn does: dense rows to the exact sum rounded once, in the wider of
the rows' and the coefficients' types; sparse rows in scipy's own order; gblinear in XGBoost's."""

import math
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    HuberRegressor,
    Lars,
    Lasso,
    LassoLars,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDRegressor,
)
from sklearn.svm import LinearSVR

import spinney
from sklearn_cases import assert_same, load
from spinney.engine import InferenceEngine

sparse = pytest.importorskip("scipy.sparse")

REGRESSORS = [
    BayesianRidge,
    ElasticNet,
    HuberRegressor,
    Lars,
    Lasso,
    LassoLars,
    LinearRegression,
    LinearSVR,
    Ridge,
    SGDRegressor,
]
KINDS = [*REGRESSORS, LogisticRegression]
TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">f8", ">i2"]


def fitted(kind, dtype="f4", targets=1, features=6, seed=0, **options):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, features)).astype(dtype)
    y = x @ rng.normal(size=(features, targets)) + 0.3 * rng.normal(size=(200, targets))
    if kind is LogisticRegression:
        y = np.digitize(y.sum(axis=1), [-1, 1] if targets > 1 else [0])
    elif targets == 1:
        y = y.ravel()
    if kind in (ElasticNet, Lasso, LassoLars):
        options["alpha"] = 1e-3
    return kind(**options).fit(x, y if y.dtype.kind == "i" else y.astype(dtype))


def of_coefficients(w, b, dtype="f8"):
    """A LinearRegression with these coefficients."""
    model = fitted(LinearRegression, dtype, features=len(w))
    model.coef_ = np.asarray(w, dtype)
    model.intercept_ = np.dtype(dtype).type(b)
    return model


def raw(model, x):
    scores = getattr(model, "decision_function", model.predict)
    return scores(x)


def rounded(value, dtype):
    """An exact Fraction as the nearest number of a type, ties to even."""
    try:
        near = float(value)
    except OverflowError:
        return dtype(math.inf if value > 0 else -math.inf)
    if dtype == np.float64:
        return near
    with np.errstate(over="ignore"):
        near = np.float32(near)
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    # Infinity begins where the next power of two would lie.
    places = [Fraction(float(c)) if np.isfinite(c) else int(np.sign(c)) * 2**128 for c in around]
    least = min(abs(place - value) for place in places)
    nearest = [c for c, place in zip(around, places) if abs(place - value) == least]
    return min(nearest, key=lambda c: int(c.view(np.uint32)) & 1)


def exact_scores(x, w, b, dtype):
    """The exact sum rounded once, and then the intercept added."""
    w = [Fraction(float(v)) for v in w]
    sums = [
        rounded(sum((Fraction(float(v)) * c for v, c in zip(row, w)), Fraction(0)), dtype)
        for row in x
    ]
    with np.errstate(over="ignore"):
        return np.array(sums, dtype) + np.dtype(dtype).type(b)


def hard_rows(rng, w, dtype, rows=400):
    """Rows that cancel, spread over all exponents, tie, and come near the ends of the type."""
    n, limit = len(w), 37 if dtype == np.float32 else 300
    x = rng.normal(size=(rows, n))
    kind = np.arange(rows) % 8
    with np.errstate(all="ignore"):
        x[kind == 1] = np.round(4 * x[kind == 1])
        x[kind == 2] *= 10.0 ** rng.integers(-limit, limit, x[kind == 2].shape)
        half = n // 2
        cancelling = kind >= 5
        x[cancelling, half : 2 * half] = (
            -x[cancelling, :half]
            * w[:half]
            / np.where(w[half : 2 * half] == 0, 1, w[half : 2 * half])
        )
        x[kind == 6] *= 2.0 ** (-1060 if dtype == np.float64 else -140)
        x[kind == 7] *= 10.0**limit
        x = x.astype(dtype)
    x[kind == 3, ::2] = 0
    x[kind == 4] = rng.choice([0.0, -0.0, 1.0, np.finfo(dtype).tiny, 3.0], x[kind == 4].shape)
    return np.nan_to_num(x, posinf=1, neginf=-1)


def test_tenths_add_up_to_whole_numbers():
    """Ten times 0.1 and the like, where adding one by one gives 0.9999999999999999."""
    for n in (1, 3, 6, 7, 10, 13, 20, 30, 40, 60):
        w = [0.1] * n
        x = np.outer([1.0, 2.0, 4.0, 10.0], np.ones(n))
        expected = exact_scores(x, w, 0.0, np.float64)
        assert_same(expected, load(of_coefficients(w, 0.0)).predict(x))
        if n % 10 == 0:
            assert (expected == x[:, 0] * n / 10).all()


@pytest.mark.parametrize("features", [1, 2, 3, 7, 8, 9, 17, 64, 130])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_sums_are_exact_and_rounded_once(features, dtype):
    rng = np.random.default_rng(features)
    for w in (
        rng.normal(size=features),
        np.round(3 * rng.normal(size=features)),
        rng.normal(size=features) * 10.0 ** rng.integers(-6, 6, features),
    ):
        w = w.astype(dtype)
        model = load(of_coefficients(w, 0.3, dtype))
        x = hard_rows(rng, w, dtype)
        expected = exact_scores(x, w, 0.3, dtype)
        assert_same(expected, model.predict(x))
        for r in range(0, len(x), 7):  # nor does it depend on the batch or the layout
            assert_same(expected[r : r + 1], model.predict(x[r : r + 1]))
        assert_same(expected, model.predict(np.asfortranarray(x)))
        wide = np.zeros((len(x), 2 * features), dtype)
        wide[:, ::2] = x
        assert_same(expected, model.predict(wide[:, ::2]))


def test_partial_sums_may_overflow_or_underflow():
    huge = np.finfo(np.float64).max
    x = np.array([[huge, huge, -huge], [1e300, 1.0, -1e300], [5e-324, 5e-324, 0], [0, -0.0, 0]])
    w = [1.0, 1.0, 1.0]
    assert_same(np.array([huge, 1.0, 1e-323, 0.0]), load(of_coefficients(w, 0.0)).predict(x))
    w = [1e300, 1.0, 1e300]
    given = load(of_coefficients(w, -0.0)).predict(x[1:2])
    assert_same(np.array([1.0]), given)
    special = np.array([[np.inf, 1, 1], [np.inf, 1, -np.inf], [np.nan, 1, 1], [-np.inf, huge, 1]])
    expected = np.array([np.inf, np.nan, np.nan, -np.inf])
    np.testing.assert_array_equal(load(of_coefficients([1, 9, 1], 0)).predict(special), expected)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@pytest.mark.parametrize("fit_type", ["f4", "f8"])
def test_rows_and_coefficients_promote_as_in_scikit_learn(kind, fit_type):
    model = fitted(kind, fit_type)
    loaded = load(model)
    again = spinney.Model.from_bytes(loaded.to_bytes())
    x = 3 * np.random.default_rng(1).normal(size=(150, 6))
    for dtype in TYPES:
        rows = np.abs(x).astype(dtype) if dtype[0] == "u" else x.astype(dtype)
        expected = raw(model, rows)
        narrow = np.result_type(rows, model.coef_) == np.float32
        eps = 8 * np.finfo(np.float32 if narrow else np.float64).eps
        for given in (loaded.predict_raw(rows), again.predict_raw(rows)):
            assert given.dtype == expected.dtype, dtype
            np.testing.assert_allclose(given, expected, rtol=eps, atol=8 * eps)
        if kind is LogisticRegression:
            assert_same(model.predict(rows), loaded.predict(rows))
            probabilities = model.predict_proba(rows)
            assert loaded.predict_proba(rows).dtype == probabilities.dtype
            np.testing.assert_allclose(
                loaded.predict_proba(rows), probabilities, rtol=16 * eps, atol=eps
            )


def test_labels_of_a_float32_model_asked_with_doubles():
    model = fitted(LogisticRegression, "f4", targets=3)
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2000, 6))
    # Onto the border between two classes, as far as doubles go.
    scores = model.coef_.astype(np.float64)
    normal = scores[0] - scores[1]
    apart = x @ normal + float(model.intercept_[0]) - float(model.intercept_[1])
    x -= apart[:, None] * normal / (normal @ normal)
    x += 1e-9 * rng.normal(size=x.shape)
    theirs = model.decision_function(x)
    two = np.sort(theirs, axis=1)
    sure = two[:, -1] - two[:, -2] > 1e-13
    assert sure.sum() > 500
    np.testing.assert_array_equal(load(model).predict(x)[sure], model.predict(x)[sure])


@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("kind", [Lasso, LinearRegression, LogisticRegression, Ridge])
@pytest.mark.parametrize("fit_type", ["f4", "f8"])
def test_sparse_rows_add_up_in_scipys_order(kind, targets, fit_type):
    model = fitted(kind, fit_type, targets, features=40)
    loaded = load(model)
    rng = np.random.default_rng(2)
    dense = np.where(rng.random((300, 40)) < 0.4, 3 * rng.normal(size=(300, 40)), 0)
    for dtype in ("f4", "f8", "i1", "i4", "i8", "?"):
        csr = sparse.csr_matrix(dense.astype(dtype))
        shuffled = csr.copy()
        for begin, end in zip(csr.indptr, csr.indptr[1:]):
            order = begin + rng.permutation(end - begin)
            shuffled.indices[begin:end] = csr.indices[order]
            shuffled.data[begin:end] = csr.data[order]
        shuffled.has_sorted_indices = False
        for rows in (csr, shuffled, csr.tocsc(), csr.tocoo(), csr.tolil(), csr.todok()):
            assert_same(raw(model, rows), loaded.predict_raw(rows))
        assert_same(raw(model, csr[:1]), loaded.predict_raw(csr[:1]))
    if kind is LogisticRegression:
        assert_same(model.predict(csr), loaded.predict(csr))


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("kind", [Lasso, LinearRegression, LogisticRegression, SGDRegressor])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_linear_models_and_cells_given_twice(kind, form, dtype):
    model = fitted(kind, dtype)
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 6, (50, 9))
    values = rng.normal(size=cells.shape).astype(dtype)
    rows = np.repeat(np.arange(50), 9)
    order = rng.permutation(450)
    coo = sparse.coo_matrix(
        (values.ravel()[order], (rows[order], cells.ravel()[order])), shape=(50, 6)
    )
    begin = np.arange(51) * 9
    twice = {
        "coo": coo,
        "csr": sparse.csr_matrix((values.ravel(), cells.ravel(), begin), shape=(50, 6)),
        "csc": sparse.csc_matrix(
            (
                values.ravel(),
                np.sort(rng.integers(0, 50, (6, 75)), axis=1).ravel(),
                np.arange(7) * 75,
            ),
            shape=(50, 6),
        ),
    }[form]
    if form == "csc":
        twice.data = np.resize(values.ravel(), twice.data.shape)
    assert_same(raw(model, twice.copy()), load(model).predict_raw(twice))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_trees_and_cells_given_twice(dtype):
    """The last entry counts where scikit-learn has nothing to convert; else scipy adds them up."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 6))
    cells = rng.integers(0, 6, (60, 5))
    values = (3 * rng.normal(size=cells.shape)).astype(dtype)
    twice = sparse.csr_matrix((values.ravel(), cells.ravel(), np.arange(61) * 5), shape=(60, 6))
    forest = RandomForestRegressor(5, random_state=0).fit(x, x.sum(axis=1))
    assert_same(forest.predict(twice.copy()), load(forest).predict(twice))
    both = VotingRegressor([("f", forest), ("l", Ridge())]).fit(x, x.sum(axis=1))
    if dtype == "f4":
        assert_same(both.predict(twice.copy()), load(both).predict(twice))
    else:
        with pytest.raises(spinney.InvalidInputError, match="sum_duplicates"):
            load(both).predict(twice)


def test_ensembles_of_linear_models_on_sparse_rows_and_wider_types():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(300, 6)).astype("f4")
    y = (x @ np.arange(6.0) + rng.normal(size=300)).astype("f4")
    csr = sparse.csr_matrix(np.where(rng.random((80, 6)) < 0.6, rng.normal(size=(80, 6)), 0))
    members = [("a", LinearRegression()), ("b", Ridge(3.0)), ("c", Lasso(0.1))]
    for model in (
        VotingRegressor(members),
        BaggingRegressor(LinearRegression(), 4, random_state=0),
        BaggingRegressor(LinearRegression(), 4, max_features=0.6, random_state=0),
        AdaBoostRegressor(Ridge(), n_estimators=5, random_state=0),
    ):
        model.fit(x, y)
        loaded = load(model)
        for dtype in ("f4", "f8", "i2", "i8"):
            assert_same(model.predict(csr.astype(dtype)), loaded.predict(csr.astype(dtype)))
            rows = (3 * csr.toarray()).astype(dtype)
            expected = model.predict(rows)
            given = loaded.predict(rows)
            assert given.dtype == expected.dtype
            eps = np.finfo(expected.dtype).eps
            np.testing.assert_allclose(given, expected, rtol=16 * eps, atol=64 * eps)
    voting = VotingClassifier(
        [("a", LogisticRegression()), ("b", LogisticRegression(C=0.1))], voting="soft"
    ).fit(x, y > 0)
    for dtype in ("f4", "f8"):
        given = load(voting).predict_proba(csr.astype(dtype))
        expected = voting.predict_proba(csr.astype(dtype))
        assert given.dtype == expected.dtype
        np.testing.assert_allclose(given, expected, rtol=64 * np.finfo(expected.dtype).eps)


def test_frames_promote_as_numpy_does():
    pandas = pytest.importorskip("pandas")
    model = fitted(LinearRegression, "f4")
    loaded = load(model)
    x = 5 * np.random.default_rng(7).normal(size=(40, 6))
    for types in (
        ["f4"] * 6,
        ["f4", "i1"] * 3,
        ["f4", "?"] * 3,
        ["f4", "i4"] * 3,
        ["i2"] * 6,
        ["f4", "f8"] * 3,
        ["i8"] * 6,
    ):
        frame = pandas.DataFrame({f"c{i}": x[:, i].astype(t) for i, t in enumerate(types)})
        expected = model.predict(frame.to_numpy(np.result_type(*types)))
        assert model.predict(frame).dtype == expected.dtype
        given = loaded.predict(frame)
        assert given.dtype == expected.dtype, types
        eps = 8 * np.finfo(expected.dtype).eps
        np.testing.assert_allclose(given, expected, rtol=eps, atol=8 * eps)


def test_an_engine_answers_rows_of_either_type():
    model = fitted(LogisticRegression, "f4")
    loaded = load(model)
    regressor = load(fitted(Ridge, "f4"))
    x = np.random.default_rng(8).normal(size=(30, 6))
    with InferenceEngine() as engine:
        assert engine.load_model(loaded, name="labels")
        assert engine.load_model(regressor, name="values")
        for dtype in ("f4", "f8", "f4"):
            rows = x.astype(dtype)
            for row in (rows, rows[:1], rows[0]):
                for name, model in (("labels", loaded), ("values", regressor)):
                    expected = model.predict(np.atleast_2d(row))
                    success, answer, _ = engine.predict(row, name)
                    assert success
                    assert_same(expected, answer)
                    queued = engine.enqueue_prediction(row, 2, None, name)
                    assert_same(expected, queued.result(60))


def test_strict_looks_at_every_stored_entry():
    model = load(fitted(LinearRegression))
    rows = sparse.csr_matrix((np.array([np.nan, 1.0]), np.array([2, 2]), [0, 2]), shape=(1, 6))
    assert np.isnan(model.predict(rows)).all()
    with pytest.raises(spinney.InvalidInputError, match="strict: row 0"):
        model.predict(rows, strict=True)


@pytest.mark.parametrize("missing", [np.nan, 0.5])
@pytest.mark.parametrize("entries", [5, 40])  # from 17 on its sort is not stable
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_gblinear_adds_every_entry_in_the_order_of_columns(missing, form, entries):
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(9)
    x = rng.normal(size=(300, 50)).astype("f4")
    model = xgboost.XGBRegressor(n_estimators=5, booster="gblinear", missing=missing, n_jobs=1)
    model.fit(x, x @ np.arange(1, 51, dtype="f4"))
    cells = rng.integers(0, 50, (70, entries)) % (5 if entries == 5 else 50)
    values = rng.normal(size=cells.shape).astype("f4")
    values[::3, ::2] = 0.5
    twice = sparse.csr_matrix(
        (values.ravel(), cells.ravel(), np.arange(71) * entries), shape=(70, 50)
    )
    rows = twice.asformat(form)
    assert_same(model.predict(rows.copy()), spinney.load(model).predict(rows))
    booster = model.get_booster()
    plain = booster.predict(xgboost.DMatrix(rows, missing=missing))
    assert_same(plain, spinney.load(model).predict(rows))
