"""JSON lines, Arrow files, categories as texts, booleans, and columns that are passed through."""

import csv
import json
import sys

import numpy as np
import pytest

import spinney
from command_line_models import save_models
from spinney.cli import main
from spinney.cli.data import Reading, read_chunks, read_parts
from spinney.cli.errors import UserError

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
NAMES = ["age", "height", "weight"]
ROWS = np.array([[30.5, 180.0, 75.25], [41.0, 165.5, np.nan], [3.0, 4.0, 5.0]])
IDS = ["a,1", "b", "ü"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return save_models(tmp_path_factory.mktemp("models"), named=NAMES, bare=None)


def read(models, name, path, **reading):
    model = spinney.load(models / f"{name}.json")
    return np.concatenate(list(read_chunks(str(path), model, None, Reading(**reading))))


def write(tmp_path, text, name="rows.jsonl"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def objects(indent=None):
    for row, one in zip(ROWS, IDS):
        values = [None if np.isnan(v) else v for v in row.tolist()]
        yield {"id": one, **dict(zip(NAMES[::-1], values[::-1]))}


@pytest.mark.parametrize("shape", ["lines", "array", "pretty", "pretty array", "arrays", "nested"])
def test_json_of_every_shape(models, tmp_path, shape):
    values = list(objects())
    name = "named"
    if shape in ("arrays", "nested"):
        name, values = "bare", [[value[n] for n in NAMES] for value in values]
    text = {
        "lines": "\n".join(map(json.dumps, values)),
        "arrays": "\n".join(map(json.dumps, values)),
        "array": json.dumps(values),
        "nested": json.dumps(values),
        "pretty": "\n".join(json.dumps(value, indent=2) for value in values),
        "pretty array": json.dumps(values, indent=2),
    }[shape]
    np.testing.assert_array_equal(read(models, name, write(tmp_path, text)), ROWS)


def test_json_in_many_parts(models, tmp_path):
    """Longer than any buffer, as lines and as one array in one line."""
    one = json.dumps(dict(zip(NAMES, [0.5, 1.5, 2.5])))
    for text in ("\n".join([one] * 20_000), "[" + ", ".join([one] * 20_000) + "]"):
        assert read(models, "named", write(tmp_path, text)).shape == (20_000, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"age": 1, "height": 2, "weight": 3}\n{"age": 1, "height": 2}',
            "line 2: has no 'weight'",
        ),
        (
            '{"age": 1, "height": 2, "weight": "x"}',
            "line 1: 'weight': expected a number, found 'x'",
        ),
        ('{"age": 1, "height": 2, "weight": [3]}', r"'weight': expected a number, found \[3\]"),
        ('{"age": 1, "height": 2, "weight": 3}\n{"age": 1,, ', "line 2, character 11: is no JSON"),
        ('{"age": 1, "height": 2, "weight": 3}\n[1, 2, 3]', "line 2: expected an object as before"),
        ('{"age": 1, "height": 2, "wieght": 3}', "did you mean 'weight' for 'wieght'"),
        ('[\n{"age": 1, "height": 2, "weight": 3},\n', "the array that begins the file has no end"),
        ("[[" * 100_000, "too deep|no JSON"),
        ('{"age": 1, "height": 2, "weight": 3} x', "line 1, character 38: is no JSON"),
    ],
)
def test_faults_of_json_are_found(models, tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(models, "named", write(tmp_path, text))
    with pytest.raises(UserError, match="has 2 columns, expected 3"):
        read(models, "bare", write(tmp_path, "[1, 2, 3]\n[1, 2]"))
    with pytest.raises(UserError, match="expected an object or an array, found 7"):
        read(models, "bare", write(tmp_path, "7", "rows.json"))


def test_json_in_other_encodings(models, tmp_path):
    path = tmp_path / "rows.jsonl"
    line = {"größe": 1, "age": 1, "height": 2, "weight": 3}
    path.write_bytes(json.dumps(line, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(UserError, match="line 1: is not UTF-8; say --encoding"):
        read(models, "named", path)
    assert read(models, "named", path, encoding="latin-1").tolist() == [[1, 2, 3]]
    path.write_bytes(json.dumps(line).encode("utf-16"))
    assert read(models, "named", path).tolist() == [[1, 2, 3]]


def test_json_out_reads_back(models, tmp_path):
    rows = write(tmp_path, "\n".join(map(json.dumps, objects())))
    out = tmp_path / "out.jsonl"
    command = ["predict", str(models / "named.json"), str(rows), "-o", str(out), "--keep", "id"]
    assert main(command) == 0
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [one["id"] for one in found] == IDS
    expected = spinney.load(models / "named.json").predict(ROWS)
    np.testing.assert_array_equal(np.float32([one["prediction"] for one in found]), expected)


def test_what_json_has_no_numbers_for(tmp_path):
    from spinney.cli.output import open_output

    writer = open_output(str(tmp_path / "out.jsonl"), ["100%"])
    writer.write(np.array([[np.nan], [np.inf], [-np.inf], [0.1]], np.float32), {"k": [None] * 4})
    writer.close()
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["100%"] for line in lines] == [None, "Infinity", "-Infinity", 0.1]


def tables(tmp_path):
    """The same table as every kind of file; None for the names where it has none."""
    pyarrow = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"id": IDS, **dict(zip(NAMES[::-1], ROWS.T[::-1].copy()))})
    feather.write_feather(table, str(tmp_path / "rows.feather"))
    parquet.write_table(table, tmp_path / "rows.parquet")
    for name, new in (
        ("rows.arrow", pyarrow.ipc.new_file),
        ("rows.arrows", pyarrow.ipc.new_stream),
    ):
        with pyarrow.OSFile(str(tmp_path / name), "wb") as file, new(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    write(tmp_path, "\n".join(map(json.dumps, objects())))
    with open(tmp_path / "rows.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *NAMES])
        writer.writerows([[one, *row] for one, row in zip(IDS, ROWS.tolist())])
    return ["feather", "parquet", "arrow", "arrows", "jsonl", "csv"]


def test_every_kind_of_file_holds_the_same(models, tmp_path):
    for kind in tables(tmp_path):
        path = tmp_path / f"rows.{kind}"
        np.testing.assert_array_equal(read(models, "named", path), ROWS)
        parts = read_parts(
            str(path), spinney.load(models / "named.json"), None, Reading(keep=("id",))
        )
        kept = [one for part in parts for one in _list(part.kept["id"])]
        assert kept == IDS, kind


def _list(column):
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


@pytest.mark.parametrize("out", ["csv", "tsv", "jsonl", "parquet", "arrow", "feather"])
def test_columns_are_passed_through_to_every_kind(models, tmp_path, out):
    pyarrow = pytest.importorskip("pyarrow")
    expected = spinney.load(models / "named.json").predict(ROWS)
    for kind in tables(tmp_path):
        path = tmp_path / f"out.{out}"
        command = ["predict", str(models / "named.json"), str(tmp_path / f"rows.{kind}")]
        assert main([*command, "-o", str(path), "--keep", "id,age"]) == 0
        if out in ("csv", "tsv"):
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file, delimiter="," if out == "csv" else "\t"))
            assert rows.pop(0) == ["id", "age", "prediction"]
        elif out == "jsonl":
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = [list(json.loads(line).values()) for line in lines]
        else:
            reader = {"parquet": "pyarrow.parquet"}.get(out, "pyarrow.feather")
            table = __import__(reader, fromlist=["read_table"]).read_table(str(path))
            assert table.column_names == ["id", "age", "prediction"]
            rows = [list(row.values()) for row in table.to_pylist()]
        assert [row[0] for row in rows] == IDS, kind
        assert [float(row[1]) for row in rows] == ROWS[:, 0].tolist()
        np.testing.assert_array_equal(np.array([row[2] for row in rows], np.float32), expected)
    assert pyarrow is not None


def test_what_cannot_be_kept_is_said(models, tmp_path, capsys):
    path = tmp_path / "rows.csv"
    path.write_text("id,age,height,weight,prediction\n7,1,2,3,4\n")
    model = str(models / "named.json")
    for options, message in (
        (["--keep", "ids"], "--keep ids: has no such column (did you mean 'id'?)"),
        (["--keep", "prediction"], "--keep prediction: the answer has a column of that name"),
        (["--keep", "id", "-o", str(tmp_path / "out.npy")], "a .npy array has no named columns"),
    ):
        assert main(["predict", model, str(path), *options]) == 2
        assert message in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["rows.csv"]


def test_columns_without_names_are_kept_by_number(models, tmp_path, capsys):
    path = tmp_path / "rows.csv"
    path.write_text("first,1,2,3\n")
    model = str(models / "bare.json")
    assert main(["predict", model, str(path), "--no-header", "--keep", "1"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "column_1,prediction" and row.startswith("first,")
    assert main(["predict", model, str(path), "--no-header", "--keep", "5"]) == 2
    assert "expected a number from 1 to 4" in capsys.readouterr().err
    np.save(tmp_path / "rows.npy", [[9.0, 1, 2, 3]])
    assert main(["predict", model, str(tmp_path / "rows.npy"), "--keep", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "9.0," + row.split(",")[1]


def test_a_nameless_model_leaves_out_what_is_kept(models, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("x,y,id,z\n1,2,n,3\n")
    assert read(models, "bare", path, keep=("id",)).tolist() == [[1, 2, 3]]
    with pytest.raises(UserError, match=r"expected 3 columns, found 4; .* one .* --keep"):
        read(models, "bare", path)


@pytest.mark.parametrize("name", ["rows.csv", "bare.csv", "rows.jsonl", "rows.parquet", "bare.npy"])
def test_one_column_too_many_points_to_keep(models, tmp_path, capsys, name):
    """What the message says to do does it."""
    path, keep = tmp_path / name, "id"
    if name == "rows.csv":
        path.write_text("x,id,y,z\n1,7,2,3\n")
    elif name == "bare.csv":
        path.write_text("1,7,2,3\n")
        keep = "2"
    elif name == "bare.npy":
        np.save(path, [[1.0, 7.0, 2.0, 3.0]])
        keep = "2"
    elif name == "rows.jsonl":
        path.write_text('{"x": 1, "id": 7, "y": 2, "z": 3}\n')
    else:
        pandas = pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        pandas.DataFrame({"x": [1.0], "id": [7], "y": [2.0], "z": [3.0]}).to_parquet(path)
    model = str(models / "bare.json")
    assert main(["predict", model, str(path)]) == 2
    said = capsys.readouterr().err
    assert "; spinney predict passes the one that is no feature through with --keep" in said
    assert main(["predict", model, str(path), "--keep", keep]) == 0
    answer = capsys.readouterr().out.splitlines()[-1].split(",")
    expected = spinney.load(model).predict([[1, 2, 3]])[0]
    assert {"7", "7.0"} & set(answer) and float(answer[-1]) == pytest.approx(float(expected))


def test_too_few_columns_do_not(models, tmp_path):
    path = write(tmp_path, "x,y\n1,2\n", "rows.csv")
    with pytest.raises(UserError) as refused:
        read(models, "bare", path)
    assert str(refused.value).endswith("expected 3 columns, found 2")


@pytest.mark.parametrize("plain", [False, True])
def test_booleans(models, tmp_path, plain, monkeypatch):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": [True, False], "height": [1.5, 2.5], "weight": [True, None]})
    expected = [[1, 1.5, 1], [0, 2.5, np.nan]]
    if not plain:
        frame["weight"] = frame["weight"].astype("boolean")
        frame.to_parquet(tmp_path / "rows.parquet")
        np.testing.assert_array_equal(read(models, "named", tmp_path / "rows.parquet"), expected)
    else:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    np.testing.assert_array_equal(read(models, "named", tmp_path / "rows.csv"), expected)
    lines = '{"age": true, "height": 1.5, "weight": true}\n{"age":false,"height":2.5,"weight":null}'
    np.testing.assert_array_equal(read(models, "named", write(tmp_path, lines)), expected)
