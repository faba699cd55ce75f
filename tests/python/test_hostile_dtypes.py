"""Pickles whose dtypes and shapes lie: refused while they are read, saying which dtype or shape."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import hostile_pickles as h
import spinney

DATA = Path(__file__).resolve().parent.parent / "data"


def refused(value: bytes, match: str) -> str:
    with pytest.raises(spinney.SpinneyError, match=match) as caught:
        spinney.Model.from_bytes(value, "pickle")
    assert "declares a size beyond" not in str(caught.value)  # a length_error: found too late
    return str(caught.value)


@pytest.mark.parametrize("make", [h.linear, h.logistic, h.tree], ids=lambda make: make.__name__)
def test_the_builder_s_models_are_sound(make):
    model = spinney.Model.from_bytes(h.pickled(make()), "pickle")
    expected = {"linear": 3.0, "logistic": 1, "tree": 3.0}[make.__name__]
    assert (model.predict(np.ones((2, model.n_features))) == expected).all()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("wide_text_dtype.pkl.z", r"U4398046511104\", which numpy never writes"),
        ("structured_dtype.pkl.z", r"V1099511627776\", which numpy never writes"),
        ("text_object_dtype.pkl", r"a dtype is \"<U5,O\", which numpy never writes"),
        ("members_of_members.pkl", "names the same values again and again"),
    ],
)
def test_files_that_crashed_or_blew_up(name, match):
    refused((DATA / "hostile" / name).read_bytes(), match)


# dtypes --------------------------------------------------------------------------------------

NO_DTYPES = [
    "U5,O", "O,O", "i8,i8", "U4398046511104", "U536870912", "S2147483648", "V2147483648", "f3",
    "f0", "f32", "i16", "b2", "?8", "U-1", "U+5", "U 5", "U5 ", "U0x5", "f", "", "8", "<", "<<f8",
    ">f8", "O5", "OO", "(2,)i8", "i8[ns]", "M4", "T16", "U18446744073709551617", "U5\0",
    "U99999999999999999999", "ü8",
]  # fmt: skip


@pytest.mark.parametrize("code", NO_DTYPES)
def test_no_dtype_of_numpy_s(code):
    """As labels, as weights, as a field of nodes, as a scalar, and where nobody looks."""
    own = h.dtype(code)
    two = h.array((2,), own, h.data(bytes(16)))
    scalar = h.called("numpy._core.multiarray.scalar", own, h.data(bytes(8)))
    nodes = h.record_dtype(64, {"left_child": (own, 0)})
    for value in (
        h.logistic(classes_=two),
        h.linear(coef_=two),
        h.linear(intercept_=scalar),
        h.linear(unrelated=two),
        h.tree(nodes=h.array((1,), nodes, h.data(bytes(64)))),
    ):
        assert code.split("\0")[0] in refused(h.pickled(value), "which numpy never writes")


@pytest.mark.parametrize("order", ["!", "<>", "native", "|"])
def test_no_order_of_bytes(order):
    refused(
        h.pickled(h.linear(coef_=h.array((1,), h.dtype("f8", order), h.data(bytes(8))))),
        "a dtype is",
    )


@pytest.mark.parametrize("code", ["O", "U5", "S5", "V8", "c16", "M8", "m8", "f16", "|O"])
def test_types_that_are_no_numbers(code):
    size = {"U5": 20, "S5": 5, "c16": 16, "f16": 16}.get(code, 8)
    order = "|" if code[-1:] == "O" or code[0] in "SV" else "<"
    raw = h.many(b"N", b"N") if code.endswith("O") else h.data(bytes(2 * size))
    made = h.array((2,), h.dtype(code, order), raw)
    refused(h.pickled(h.linear(coef_=made)), r"coef_.* element 0 is ")
    if code not in ("U5", "S5"):
        refused(h.pickled(h.logistic(classes_=made)), "classes_")


def test_labels_that_are_records():
    kind = h.record_dtype(8, {"a": (h.dtype("i8"), 0)})
    refused(h.pickled(h.logistic(classes_=h.array((2,), kind, h.data(bytes(16))))), r"classes_.*V8")
    # A class of numpy's in place of the text, as np.recarray has, is a record all the same.
    other = h.called("numpy.dtype", b"cnumpy\nrecord\n", b"\x89", b"\x88")
    made = h.array((2,), other, h.data(bytes(16)))
    refused(h.pickled(h.logistic(classes_=made)), "numpy alone does not know")


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (h.node_dtype(2**40), "never writes"),
        (h.node_dtype(2**40, "V64"), "lacks its fields or their size"),
        (h.node_dtype(-1, "V64"), "lacks its fields or their size"),
        (h.node_dtype(code="V8"), r"64 bytes an item calls itself \|V8"),
        (h.node_dtype(code="i1"), r"64 bytes an item calls itself \|i1"),
        (h.node_dtype(code="O"), r"64 bytes an item calls itself \|O"),
        (h.node_dtype(feature=57), "field feature lies outside its 64-byte record"),
        (h.node_dtype(feature=-8), "field feature lies outside its 64-byte record"),
        (h.node_dtype(feature=2**63 - 1), "field feature lies outside its 64-byte record"),
        (h.node_dtype(feature=2**64 - 8), "field feature lies outside its 64-byte record"),
        (h.record_dtype(64, {"left_child": (h.node_dtype(), 0)}), "left_child as .V64, not <i8"),
        (h.record_dtype(64, {"left_child": (b"N", 0)}), "field is not described"),
        (h.record_dtype(64, {f"f{i}": (h.dtype("u1", "|"), 0) for i in range(65)}), "too many"),
    ],
)
def test_records_that_lie(kind, match):
    leaf = h.NODE.pack(-1, -1, -2, -2.0, 0, 1, 1, 0)
    refused(h.pickled(h.tree(nodes=h.array((1,), kind, h.data(leaf)))), match)


# Shapes --------------------------------------------------------------------------------------

HUGE = 2**62


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((-1,), "shape holds an int"),
        ((-2, -1), "shape holds an int"),
        ((2**63,), "shape holds a big int"),
        ((2**64 + 2,), "shape holds a big int"),
        ((HUGE, 4), "more elements than memory can hold"),
        ((2**32, 2**32), "more elements than memory can hold"),  # 0 in 64 bits
        ((0x5555555555555556 // 2, 6), "more elements than memory can hold"),  # 2 in 64 bits
        ((0, HUGE, HUGE), "more elements than memory can hold"),
        ((HUGE, HUGE, 0), "more elements than memory can hold"),
        ((2**61,), "is larger than the file"),  # 0 bytes in 64 bits
        ((2**61 + 1,), "is larger than the file"),  # 8 bytes
        ((2**40,), "is larger than the file"),
        ((3,), "holds 8 bytes"),
        ((0,), "holds 8 bytes"),
        ((1,) * 65, "shape is a list or tuple"),
    ],
    ids=str,
)
@pytest.mark.parametrize("fortran", [False, True])
def test_shapes_that_lie(shape, match, fortran):
    made = h.array(shape, h.dtype("f8"), h.data(bytes(8)), fortran)
    refused(h.pickled(h.linear(coef_=made)), match)
    objects = h.array(shape, h.dtype("O", "|"), h.many(b"N"), fortran)
    refused(h.pickled(h.linear(coef_=objects)), match.replace("8 bytes", "a list or tuple"))


@pytest.mark.parametrize("code", ["U0", "S0", "V0"])
def test_items_of_no_size(code):
    order = "<" if code == "U0" else "|"
    for count, match in ((2**40, "larger than the file"), (2**62, "larger than the file")):
        made = h.array((count,), h.dtype(code, order), h.data(b""))
        refused(h.pickled(h.logistic(classes_=made)), match)
    made = h.array((2,), h.dtype(code, order), h.data(b"abc"))
    refused(h.pickled(h.logistic(classes_=made)), "holds 3 bytes")


def test_items_that_wrap_to_as_many_bytes_as_there_are():
    """count × size is 8 in 64 bits, for the largest item that is one."""
    for code, size in (("U536870911", 4 * 536870911), ("V2147483647", 2147483647)):
        count = 8 * pow(size // (4 if code[0] == "U" else 1), -1, 2**62) % 2**62
        made = h.array((count,), h.dtype(code, "<" if code[0] == "U" else "|"), h.data(bytes(8)))
        refused(h.pickled(h.linear(coef_=made)), "more elements|larger than the file")


def test_arrays_in_joblib_s_way_and_of_protocol_5():
    def wrapped(shape, kind):
        made = h.called("joblib.numpy_pickle.NumpyArrayWrapper") + h.state(
            shape=h.many(*map(h.whole, shape)), order=h.text("F"), dtype=kind, allow_mmap=b"\x88"
        )
        return made + b"b" + bytes(64)

    def buffered(shape, kind):
        shape = h.many(*map(h.whole, shape))
        return h.called(
            "numpy._core.numeric._frombuffer", h.data(bytes(8)), kind, shape, h.text("F")
        )

    for make in (wrapped, buffered):
        for shape, kind, match in (
            ((2**61 + 1,), h.dtype("f8"), "larger than the file"),
            ((2**32, 2**32), h.dtype("f8"), "more elements than memory can hold"),
            ((-1,), h.dtype("f8"), "shape holds"),
            ((1,), h.dtype("U4398046511104"), "never writes"),
            ((1,), h.node_dtype(2**40, "V64"), "lacks its fields"),
        ):
            refused(h.pickled(h.linear(coef_=make(shape, kind))), match)


def test_honest_arrays_of_every_order_still_load():
    LinearRegression = pytest.importorskip("sklearn.linear_model").LinearRegression
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))
    for kind in ("<f8", ">f8", "<f4", ">f4", "<f2", ">i4", "<i8", "|u1"):
        fitted = LinearRegression().fit(x, x @ rng.normal(size=(4, 3)))
        fitted.coef_ = np.asfortranarray((fitted.coef_ * 50).astype(kind))
        fitted.intercept_ = np.zeros(3)
        fitted.a_masked_array = np.ma.masked_array([1, 2], [True, False])
        fitted.a_recarray = np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
        fitted.a_date = np.array(["2020-01-01"], "M8[D]")
        fitted.a_nested = np.zeros(2, [("a", [("x", "f4", (2,))]), ("b", "O")])["a"]
        model = spinney.Model.from_bytes(pickle.dumps(fitted), "pickle")
        assert np.allclose(model.predict(x), x @ fitted.coef_.astype(float).T, rtol=1e-4)


# Budget --------------------------------------------------------------------------------------


def members(name: str, inner: bytes, width: int) -> bytes:
    return h.record(
        name,
        estimators_=h.many(inner + b"q\x00", *[b"h\x00"] * (width - 1)),
        n_features_in_=h.whole(2),
        _sklearn_version=h.text("1.5.2"),
    )


def test_members_that_name_one_another():
    voting = "sklearn.ensemble._voting.VotingRegressor"
    for width, depth in ((20, 4), (60000, 1), (300, 2), (2, 7)):
        inner = h.linear()
        for _ in range(depth):
            inner = members(voting, inner, width)
        if (width, depth) == (2, 7):  # 128 of them: few, whoever wrote it
            assert spinney.Model.from_bytes(h.pickled(inner)).predict([[1, 1]])[0] == 3
        else:
            refused(h.pickled(inner), "again and again")


def test_tables_that_the_file_only_numbers():
    """Numbers of outputs or features that tables follow before anything bears them out."""
    many = h.whole(2**24)
    none = h.array((2**24, 0), h.dtype("f8"), h.data(b""))
    one = h.linear(coef_=none, intercept_=h.floats(0))
    voting = "sklearn.ensemble._voting.VotingRegressor"
    for value in (
        h.tree(n_outputs_=many),
        one,
        members(voting, one, 20),
        h.record(
            "sklearn.ensemble.HistGradientBoostingRegressor",
            n_features_in_=many,
            loss=h.text("squared_error"),
            n_trees_per_iteration_=h.whole(1),
            _baseline_prediction=h.floats(0),
            _predictors=h.many(),
        ),
    ):
        refused(h.pickled(value), "far more memory|outputs of 16777216|n_outputs")
