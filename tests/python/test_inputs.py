"""Every form of input gives the answer of the same rows as a plain array, or a clear error."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from differential import assert_same, lightgbm_thresholds, rows, xgboost_thresholds


class Subclass(np.ndarray):
    pass


@pytest.fixture(scope="module")
def x(training_data):
    return training_data[0]


def test_layouts_are_read_where_they_lie(model, x):
    expected = model.predict(x)
    wide = np.zeros((2 * len(x), 2 * x.shape[1]), dtype=x.dtype)
    wide[::2, ::2] = x
    frozen = x.copy()
    frozen.setflags(write=False)
    unaligned = np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(np.float32)
    layouts = {
        "fortran": np.asfortranarray(x),
        "strided": wide[::2, ::2],
        "backwards": x[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": frozen,
        "unaligned": unaligned.reshape(x.shape),
        "big-endian": x.astype(">f4"),
        "float64": x.astype(np.float64),
        "float64 fortran": np.asfortranarray(x.astype(np.float64)),
        "longdouble": x.astype(np.longdouble),
        "list": x.tolist(),
        "subclass": x.view(Subclass),
        "masked": np.ma.masked_invalid(x),
        "memoryview": memoryview(x),
    }
    for name, given in layouts.items():
        assert_same(model.predict(given), expected, name)


def test_broadcast_rows_have_a_stride_of_zero(model, x):
    repeated = np.broadcast_to(x[:1], (70, x.shape[1]))
    assert_same(model.predict(repeated), np.repeat(model.predict(x[:1]), 70))


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "f2", ">i4"])
def test_other_number_types(kind, lightgbm_booster, model, xgboost_booster, xgboost_model):
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(3)
    given = rng.integers(0, 3, size=(90, model.n_features)).astype(kind)
    assert_same(model.predict(given), lightgbm_booster.predict(given))
    native = given.astype(given.dtype.newbyteorder("="))
    theirs = xgboost_booster.predict(xgboost.DMatrix(native))
    assert_same(xgboost_model.predict(given), theirs)


def test_large_integers_are_rounded_as_the_library_does(training_data):
    """LightGBM rounds integer arrays to float32 before it compares doubles."""
    lightgbm = pytest.importorskip("lightgbm")
    ids = (np.arange(400, dtype=np.int64) + 2**24).reshape(-1, 1)
    booster = lightgbm.train(
        {"objective": "regression", "verbose": -1, "min_data_in_leaf": 1, "max_bin": 500},
        lightgbm.Dataset(ids.astype(np.float64), np.arange(400) % 7),
        20,
    )
    model = spinney.Model.from_bytes(booster.model_to_string().encode())
    assert_same(model.predict(ids), booster.predict(ids))
    assert_same(model.predict(ids.astype(np.float64)), booster.predict(ids.astype(np.float64)))


def test_conversion_in_blocks_covers_every_row(model):
    rng = np.random.default_rng(5)
    many = rng.integers(-3, 3, size=(250_000, model.n_features), dtype=np.int8)
    assert_same(model.predict_raw(many), model.predict_raw(many.astype(np.float32)))


def test_thresholds_and_their_neighbours(lightgbm_booster, model, xgboost_booster, xgboost_model):
    xgboost = pytest.importorskip("xgboost")
    for dtype in (np.float32, np.float64):
        given = rows(3000, lightgbm_thresholds(lightgbm_booster), dtype)
        assert_same(model.predict(given), lightgbm_booster.predict(given, num_threads=1))
        given = rows(3000, xgboost_thresholds(xgboost_booster, model.n_features), dtype)
        given[np.isinf(given)] = 0  # XGBoost's DMatrix refuses infinity
        given[np.abs(given) > 1e38] = 1
        theirs = xgboost_booster.predict(xgboost.DMatrix(given), output_margin=True)
        assert_same(xgboost_model.predict_raw(given), theirs)


def test_no_rows_give_empty_answers(model, xgboost_model, training_data):
    for dtype in (np.float32, np.int64):
        none = np.empty((0, model.n_features), dtype=dtype)
        assert model.predict(none).shape == (0,)
        assert model.predict(none).dtype == np.float64
        assert model.predict_leaf(none).shape == (0, model.n_trees)
        assert xgboost_model.predict_proba(none).shape == (0, 2)
    with pytest.raises(spinney.InvalidInputError, match="trained on 10"):
        model.predict(np.empty((0, 4)))
    with pytest.raises(spinney.InvalidInputError, match="trained on 10"):
        model.predict(np.empty((0, 4), dtype=int))


REFUSED = {
    "one row flat": (np.zeros(10), r"shape \(rows, 10\).*\(10,\).*reshape\(1, -1\)"),
    "three axes": (np.zeros((1, 2, 10)), r"2-D.*\(1, 2, 10\)"),
    "number": (np.float64(3), "shape"),
    "too narrow": (np.zeros((2, 9)), "9 columns.*10"),
    "too wide": (np.zeros((2, 11), dtype=np.int32), "11 columns.*10"),
    "text": (np.full((1, 10), "a"), "numbers.*<U1"),
    "bytes": (np.full((1, 10), b"a"), "numbers.*S1"),
    "objects": (np.full((1, 10), "a", object), "numbers.*object.*row 0, column 0 holds"),
    "complex": (np.zeros((1, 10), dtype=complex), "numbers.*complex128"),
    "dates": (np.zeros((1, 10), dtype="M8[s]"), "numbers.*datetime64"),
    "records": (np.zeros((1, 10), dtype=[("a", "f4")]), "numbers"),
    "ragged": ([[1.0, 2.0], [3.0]], "list"),
    "none": (None, "NoneType"),
    "str": ("data.csv", "str"),
    "dict": ({"a": 1}, "1 columns"),
    "object": (object(), "object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, model):
    given, message = REFUSED[name]
    for predict in (model.predict, model.predict_raw, model.predict_leaf):
        with pytest.raises(ValueError, match=message) as raised:
            predict(given)
        assert isinstance(raised.value, spinney.InvalidInputError)


def test_arguments_are_checked(model, x):
    with pytest.raises(TypeError, match="missing the argument x"):
        model.predict()
    with pytest.raises(TypeError, match="by position"):
        model.predict(x, 1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'threads'"):
        model.predict(x, threads=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'x'"):
        model.predict(x, x=x)
    for wrong in (0, -1, 10**6, 10**30, -(10**30)):
        with pytest.raises(spinney.InvalidInputError, match="num_threads"):
            model.predict(x, num_threads=wrong)
    with pytest.raises(TypeError):
        model.predict(x, num_threads="two")
    assert_same(model.predict(x=x, num_threads=np.int64(2)), model.predict(x))
    assert_same(model.predict(x, num_threads=None), model.predict(x))


def test_sparse_rows_mean_what_they_mean_to_the_library(
    lightgbm_booster, model, xgboost_booster, xgboost_model, x
):
    sparse = pytest.importorskip("scipy.sparse")
    xgboost = pytest.importorskip("xgboost")
    dense = np.where(np.abs(np.nan_to_num(x)) > 0.7, x, 0)
    for dtype in (np.float32, np.float64):
        csr = sparse.csr_matrix(dense.astype(dtype))
        csr.data[::17] = 0.0  # zeros that are stored are zeros to all
        forms = [csr, csr.tocsc(), csr.tocoo(), sparse.csr_array(csr)]
        wide = csr.copy()
        wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
        for form in [*forms, wide]:
            assert_same(model.predict(form), lightgbm_booster.predict(csr))
            theirs = xgboost_booster.predict(xgboost.DMatrix(csr))
            assert_same(xgboost_model.predict(form), theirs)
    counts = sparse.csr_matrix((dense > 1).astype(np.int32))
    assert_same(model.predict(counts), lightgbm_booster.predict(counts.astype(np.float64)))


def test_sparse_cells_given_twice(lightgbm_booster, xgboost_booster, x):
    """scikit-learn adds doubles up; to XGBoost and LightGBM the last one counts."""
    sparse = pytest.importorskip("scipy.sparse")
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(6)
    width, rows = x.shape[1], 60
    cells = rng.integers(0, width, (rows, width - 1))
    values = rng.normal(size=cells.shape)
    begin = np.arange(rows + 1) * (width - 1)
    twice = sparse.csr_matrix((values.ravel(), cells.ravel(), begin), shape=(rows, width))
    held = twice.data.copy()
    plain = np.nan_to_num(x)
    forest = ensemble.RandomForestRegressor(5, random_state=0).fit(plain, plain.sum(axis=1))
    assert_same(spinney.load(forest).predict(twice), forest.predict(twice.copy()))
    boosters = {lightgbm_booster: lightgbm_booster.predict, xgboost_booster: None}
    for booster, predict in boosters.items():
        predict = predict or booster.inplace_predict
        assert_same(spinney.load(booster).predict(twice), predict(twice.copy()))
    np.testing.assert_array_equal(twice.data, held)


@pytest.mark.parametrize("missing", [np.nan, 0.0, 2.0])
@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_a_missing_entry_hides_none_of_its_sparse_cell(booster, missing):
    """XGBoost leaves missing entries out as it reads, so that the value before one counts."""
    sparse = pytest.importorskip("scipy.sparse")
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(9)
    x = rng.normal(size=(200, 7))
    x[rng.random(x.shape) < 0.3] = missing
    trained = xgboost.XGBRegressor(n_estimators=5, booster=booster, missing=missing, n_jobs=1)
    trained.fit(x, np.nan_to_num(x) @ np.arange(7))
    model = spinney.load(trained)
    cells = np.tile([0, 3, 1, 2, 3], 60)
    for last in (np.nan, 0.0, 2.0, 5.0):
        values = rng.normal(size=(60, 5))
        values[:, 4] = last
        for dtype in (np.float32, np.float64):
            data = values.ravel().astype(dtype)
            twice = sparse.csr_matrix((data, cells, np.arange(61) * 5), shape=(60, 7))
            assert_same(model.predict(twice), trained.predict(twice.copy()))
            matrix = xgboost.DMatrix(twice.copy(), missing=missing)
            if booster == "gbtree":  # DART rounds otherwise there before XGBoost 3.3
                assert_same(model.predict_raw(twice), trained.get_booster().predict(matrix))


def test_sparse_rows_that_do_not_fit(model):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(spinney.InvalidInputError, match=r"9 columns.*10"):
        model.predict(sparse.csr_matrix((3, 9)))
    assert model.predict(sparse.csr_matrix((0, 10))).shape == (0,)
    broken = sparse.csr_matrix(np.eye(3, 10))
    broken.indices[1] = 12
    with pytest.raises(spinney.InvalidInputError, match="column 12 of 10"):
        model.predict(broken)
    with pytest.raises(spinney.InvalidInputError, match="complex"):
        model.predict(sparse.csr_matrix(np.eye(3, 10) * 1j))


def test_strict_refuses_what_the_library_refuses(xgboost_booster, xgboost_model, model, x):
    xgboost = pytest.importorskip("xgboost")
    for value in (np.inf, -np.inf, 1e300):
        given = x.astype(np.float64)
        given[4, 2] = value
        with pytest.raises(ValueError):
            xgboost_booster.predict(xgboost.DMatrix(given))
        with pytest.raises(spinney.InvalidInputError, match="row 4, column 2"):
            xgboost_model.predict(given, strict=True)
        assert xgboost_model.predict(given).shape == (len(x),)
        assert_same(model.predict(given, strict=True), model.predict(given))
    assert_same(xgboost_model.predict(x, strict=True), xgboost_model.predict(x))  # NaN is fine
