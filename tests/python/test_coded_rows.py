"""Rows of models with columns of text: dicts, frames, tables and arrays of objects become the coded
rows that the schema says, whatever holds them.
"""

import json
from types import MappingProxyType

import numpy as np
import pytest

import spinney
from coded_models import (
    CODES,
    DICTS,
    FRAME,
    JOBS,
    NAMES,
    NUMBER,
    OBJECTS,
    PRINTABLE,
    ROWS,
    TEXT,
    TOWNS,
    Mapping,
    bare_model,
    coded_model,
)
from spinney import InferenceEngine

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def bare():
    return bare_model()


@pytest.fixture(scope="module")
def model(bare):
    return coded_model(bare)


def turned(rows):
    """Keys in another order, and one that no feature has."""
    return [{"id": object(), **dict(reversed(row.items()))} for row in rows]


def jobs_as_categories():
    known = ["none of them", "unknown", *JOBS[::-1]]
    codes = [-1 if row[1] is None else known.index(row[1]) for row in ROWS]
    return pandas.Categorical.from_codes(codes, pandas.Index(known, dtype=object))


WAYS = {
    "dicts": lambda: DICTS,
    "tuple of dicts": lambda: tuple(DICTS),
    "turned dicts": lambda: turned(DICTS),
    "derived dicts": lambda: [Mapping(row) for row in DICTS],
    "proxies": lambda: [MappingProxyType(row) for row in DICTS],
    "columns": lambda: {name: [row[name] for row in DICTS] for name in NAMES},
    "columns of objects": lambda: {n: FRAME[n].astype(object).to_numpy() for n in NAMES[::-1]},
    "columns of series": lambda: {name: FRAME[name] for name in NAMES},
    "lists": lambda: ROWS,
    "tuples": lambda: tuple(map(tuple, ROWS)),
    "objects": lambda: np.array(ROWS, dtype=object),
    "turned objects": lambda: np.asfortranarray(np.array(ROWS, dtype=object)),
    "frame": lambda: FRAME,
    "turned frame": lambda: FRAME.assign(id="x")[["id", *NAMES[::-1]]],
    "frame of objects": lambda: OBJECTS,
    "categories": lambda: FRAME.assign(job=jobs_as_categories()).astype({"town": "category"}),
    "nullable": lambda: FRAME.astype({"wage": "Float64", "is new": "boolean", "age": "Float32"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_coded_rows(way, model, bare):
    x = WAYS[way]()
    np.testing.assert_array_equal(model.predict(x), bare.predict(CODES))
    np.testing.assert_array_equal(model.predict_raw(x), bare.predict_raw(CODES))


def polars_frame(rows):
    return pytest.importorskip("polars").DataFrame(rows, schema=NAMES, orient="row")


def arrow_table(rows):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({name: [row[i] for row in rows] for i, name in enumerate(NAMES)})


def dictionary_table(rows):
    table = arrow_table(rows)
    return table.set_column(1, "job", table["job"].dictionary_encode())


@pytest.mark.parametrize("make", [polars_frame, arrow_table, dictionary_table])
def test_arrow_tables_give_the_coded_rows(make, model, bare):
    x = make([ROWS[i] for i in PRINTABLE])
    np.testing.assert_array_equal(model.predict(x), bare.predict(CODES[PRINTABLE]))


def test_one_dict_is_an_array_of_one_row(model, bare):
    for i, row in enumerate(DICTS):
        for x in (row, turned([row])[0], Mapping(row), MappingProxyType(row)):
            np.testing.assert_array_equal(model.predict(x), bare.predict(CODES[i : i + 1]))


def test_the_engine_takes_them(model, bare):
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        expected = bare.predict(CODES)
        for x, wanted in ((DICTS[3], expected[3:4]), (FRAME, expected), (DICTS, expected)):
            ok, result, told = engine.predict(x)
            assert ok, told
            np.testing.assert_array_equal(result, wanted)
            np.testing.assert_array_equal(engine.enqueue_prediction(x).result(10), wanted)
        series, one = pandas.Series(DICTS[3], dtype=object), Mapping(DICTS[3])
        for flat in (ROWS[3], tuple(ROWS[3]), np.array(ROWS[3], dtype=object), series, one):
            ok, result, told = engine.predict(flat)
            assert ok, told
            np.testing.assert_array_equal(result, expected[3:4])
            result = engine.enqueue_prediction(flat).result(10)
            np.testing.assert_array_equal(result, expected[3:4])
        report = engine.validate_model()
        assert report["valid"], report
        ok, _, told = engine.predict({**DICTS[0], "town": "Atlantis"})
        assert not ok and "'Atlantis'" in told["error"]
        for numbers in (CODES, CODES[0]):
            ok, _, told = engine.predict(numbers)
            assert not ok and "columns of text" in told["error"], told


def test_artifacts_and_pickles_keep_the_schema(model, bare, tmp_path):
    model.save(tmp_path / "m.spinney")
    again = spinney.load(tmp_path / "m.spinney")
    assert again.columns == model.columns
    np.testing.assert_array_equal(again.predict(DICTS), bare.predict(CODES))


def test_columns_say_what_they_are(model, bare):
    assert model.feature_names == NAMES
    assert model.columns[0] == {"name": "age", "kind": "number", "missing": "refused"}
    assert model.columns[3] == {
        "name": "town",
        "kind": "text",
        "values": TOWNS,
        "unknown": "refused",
        "missing": "refused",
    }
    assert model.columns[1]["values"] == JOBS
    assert bare.columns == [{"name": None, "kind": "number"}] * 5


def test_models_whose_texts_are_all_unknown_can_be_served(bare):
    for missing, unknown in ((True, False), (False, True)):
        columns = [(n, NUMBER, [], True, True) for n in "abcd"]
        strange = bare._with_schema([*columns, ("e", TEXT, [], missing, unknown)])
        with InferenceEngine() as engine:
            assert engine.load_model(strange), engine.last_error


def test_inspect_shows_the_columns(model, tmp_path, capsys):
    from spinney.cli import main

    model.save(tmp_path / "m.spinney")
    assert main(["inspect", str(tmp_path / "m.spinney")]) in (0, None)
    shown = capsys.readouterr().out
    assert "name job, kind text, values 6, unknown allowed, missing allowed" in shown
    assert main(["inspect", str(tmp_path / "m.spinney"), "--json"]) in (0, None)
    assert json.loads(capsys.readouterr().out)["columns"][3]["values"] == TOWNS
