"""What does not fit a model with columns of text is named with its row and column; what callers
raise comes through; nothing is kept.
"""

import gc
import sys
import threading
import tracemalloc
from types import MappingProxyType

import numpy as np
import pytest

import spinney
from coded_models import CODES, DICTS, FRAME, JOBS, NUMBER, ROWS, Mapping, bare_model, coded_model

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def bare():
    return bare_model()


@pytest.fixture(scope="module")
def model(bare):
    return coded_model(bare)


def changed(name, value):
    rows = [dict(row) for row in DICTS[:3]]
    rows[2][name] = value
    return rows


REFUSED = [
    ("age", "39", "row 2, column 'age' holds the text '39', and .* trained on numbers"),
    ("age", b"39", "row 2, column 'age' holds a bytes"),
    ("age", None, "row 2, column 'age' is missing, and the model has no rule"),
    ("age", float("nan"), "row 2, column 'age' is missing"),
    ("age", 10**400, "row 2, column 'age' holds a int"),
    ("age", object(), "row 2, column 'age' holds a object"),
    ("age", 1j, "row 2, column 'age' holds a complex"),
    ("age", np.datetime64("2020-01-01"), "row 2, column 'age' holds"),
    ("job", 3, "row 2, column 'job' holds a int, and .* trained on texts"),
    ("job", 0.5, "row 2, column 'job' holds a float"),
    ("job", b"cook", "row 2, column 'job' holds a bytes"),
    ("job", True, "row 2, column 'job' holds a bool"),
    ("town", "Atlantis", "row 2, column 'town' holds 'Atlantis', which is none of the 40 values"),
    ("town", "\udfff", r"row 2, column 'town' holds the text '\\udfff'"),
    ("town", "x" * 10**6, "row 2, column 'town' holds 'x{60}…'"),
    ("town", None, "row 2, column 'town' is missing"),
    ("is new", 2, "row 2, column 'is new' holds the number 2"),
    ("is new", "yes", "row 2, column 'is new' holds the text 'yes', and .* trained on booleans"),
]


@pytest.mark.parametrize(("name", "value", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_does_not_fit_is_named(name, value, message, model):
    rows = changed(name, value)
    for x in (rows, [list(row.values()) for row in rows], [Mapping(row) for row in rows]):
        with pytest.raises(spinney.InvalidInputError, match=message):
            model.predict(x)
    if not isinstance(value, np.datetime64):
        frame = pandas.DataFrame(rows, dtype=object)
        with pytest.raises(spinney.InvalidInputError, match=message):
            model.predict(frame)
    if isinstance(value, str) and name == "town" and "\udfff" not in value:
        with pytest.raises(spinney.InvalidInputError, match=message):
            model.predict(frame.astype({"town": "category"}))


def test_plain_numbers_are_refused(model):
    from scipy import sparse

    masked = np.ma.masked_array(CODES)
    for x in (
        CODES,
        CODES.astype(np.float32),
        CODES.astype(int),
        sparse.csr_matrix((2, 5)),
        masked,
    ):
        with pytest.raises(spinney.InvalidInputError, match=r"columns of text.*give a frame"):
            model.predict(x)


class Raises(dict):
    def __getitem__(self, key):
        raise RuntimeError("no item")

    def values(self):
        raise RuntimeError("no values")


class Number:
    def __float__(self):
        raise KeyboardInterrupt


def test_nothing_is_kept(model):
    text = "".join(["a text of ", "its own"])
    row = {**DICTS[0], "job": text, "age": 1234.5}
    bad = {**row, "town": text}
    before = [sys.getrefcount(each) for each in (text, row, None)][:2]

    def ask():
        model.predict(row)
        model.predict([row, row])
        model.predict([list(row.values())])
        with pytest.raises(spinney.InvalidInputError):
            model.predict(bad)

    for _ in range(20):
        ask()
    tracemalloc.start()
    try:
        for _ in range(50):
            ask()
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            ask()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - first < 50_000
    finally:
        tracemalloc.stop()
    assert [sys.getrefcount(each) for each in (text, row)] == before


def test_a_missing_key_is_missing_where_there_is_a_rule(model, bare):
    row = dict(DICTS[1])
    del row["job"], row["wage"]
    codes = CODES[1:2].copy()
    codes[0, [1, 2]] = np.nan
    for kind in (dict, Mapping, MappingProxyType):
        np.testing.assert_array_equal(model.predict(kind(row)), bare.predict(codes))
        np.testing.assert_array_equal(model.predict([kind(row)]), bare.predict(codes))
    del row["town"]
    with pytest.raises(spinney.InvalidInputError, match="row 0 lacks 'town'"):
        model.predict(row)
    with pytest.raises(spinney.InvalidInputError, match="lacks 'job'"):
        model.predict(FRAME.drop(columns="job"))
    for empty in ({}, Mapping(), [DICTS[0], {}][1:]):
        with pytest.raises(spinney.InvalidInputError, match="row 0 is an empty dict"):
            model.predict(empty)


def test_dicts_of_a_list_may_lack_different_keys(model, bare):
    rows, codes = [dict(row) for row in DICTS[:3]], CODES[:3].copy()
    del rows[0]["wage"], rows[2]["job"]
    codes[0, 2] = codes[2, 1] = np.nan
    for kind in (dict, Mapping, MappingProxyType):
        np.testing.assert_array_equal(model.predict([kind(r) for r in rows]), bare.predict(codes))
    rows[2].pop("town")
    for kind in (dict, Mapping, MappingProxyType):
        with pytest.raises(spinney.InvalidInputError, match="row 2 lacks 'town'"):
            model.predict([kind(row) for row in rows])


def test_a_dict_without_any_of_the_columns_is_refused(bare):
    lenient = bare._with_schema([(n, NUMBER, [], True, True) for n in "abcde"])
    for x in ({"A": 1.0}, Mapping(A=1.0), [{"a": 1.0}, {1: 2.0}], {"A": [1.0]}):
        with pytest.raises(
            spinney.InvalidInputError, match=r"none of the model's columns.*'a'|lacks 'a'"
        ):
            lenient.predict(x)


def test_rows_of_another_shape_are_refused(model):
    for x in ([ROWS[0][:4]], [[*ROWS[0], 1]], np.empty((2, 3), dtype=object)):
        with pytest.raises(spinney.InvalidInputError, match="rows of 5 values are expected"):
            model.predict(x)
    with pytest.raises(spinney.InvalidInputError, match="differ in length"):
        model.predict([ROWS[0], ROWS[1][:3]])
    with pytest.raises(spinney.InvalidInputError, match="differ in length"):
        model.predict({"age": [1.0, 2.0], "town": ["town 1"]})
    with pytest.raises(spinney.InvalidInputError, match="'town' is a str"):
        model.predict({"age": [1.0], "town": "town 1"})
    with pytest.raises(spinney.InvalidInputError, match="more than one column named 'job'"):
        model.predict(pandas.concat([FRAME, FRAME[["job"]]], axis=1))
    for keys in ({1: 2}, {b"age": 2}):
        with pytest.raises(spinney.InvalidInputError):
            model.predict(keys)


def test_what_callers_raise_comes_through(model):
    with pytest.raises(RuntimeError):
        model.predict(Raises(DICTS[0]))
    with pytest.raises(KeyboardInterrupt):
        model.predict({**DICTS[0], "age": Number()})


def test_rows_that_change_as_they_are_read(model):
    class Clears:
        def __init__(self, held):
            self.held = held

        def __float__(self):
            self.held.clear()
            return 1.0

    rows = [dict(row) for row in DICTS]
    rows[3]["age"] = Clears(rows)
    with pytest.raises(spinney.InvalidInputError, match="changed"):
        model.predict(rows)
    lists = [list(row) for row in ROWS]
    lists[3][0] = Clears(lists)
    with pytest.raises(spinney.InvalidInputError, match="changed"):
        model.predict(lists)
    row = dict(DICTS[0])
    row["age"] = Clears(row)
    with pytest.raises(spinney.InvalidInputError, match="lacks 'town'"):
        model.predict(row)


def test_arrays_that_other_threads_change(model):
    x = np.array(ROWS, dtype=object)
    done = threading.Event()

    def change():
        while not done.is_set():
            for i in range(len(x)):
                x[i, 1] = JOBS[i % 3] + "x" * (i % 2)

    other = threading.Thread(target=change)
    other.start()
    try:
        for _ in range(200):
            assert len(model.predict(x)) == len(x)
    finally:
        done.set()
        other.join()


def test_the_server_refuses_what_it_cannot_read(model):
    with pytest.raises(spinney.UnsupportedModelError, match="columns of text, and the server"):
        spinney.serve(model, port=0)


def test_schemas_of_other_widths_are_refused(bare):
    with pytest.raises(spinney.SpinneyError, match="describes 1 columns of 5"):
        bare._with_schema([("a", NUMBER, [], True, True)])
