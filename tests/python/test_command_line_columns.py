"""Which columns of a file the command line reads, and what it takes for a header."""

import io

import numpy as np
import pytest

import spinney
from command_line_models import save_models
from spinney.cli import main
from spinney.cli.columns import has_header
from spinney.cli.data import Reading, read_chunks
from spinney.cli.errors import UserError

xgboost = pytest.importorskip("xgboost")
linear = pytest.importorskip("sklearn.linear_model")
pandas = pytest.importorskip("pandas")
NAMES = ["age", "height, cm", "weight"]
ROWS = np.array([[30.5, 180.0, 75.25], [41.0, 165.5, np.nan], [3.0, 4.0, 5.0]])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Paths of models of three features: with names, and with none."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder, named=NAMES, bare=None, numbers=["0", "1", "2"])
    x = np.random.default_rng(0).normal(size=(50, 3))
    two = xgboost.DMatrix(x[:, :2], x[:, 0])
    xgboost.train({}, two, 3).save_model(folder / "two.json")
    return folder


def read(models, name, path, *, plain=False, **reading):
    """All rows that the command line reads for a model."""
    model = spinney.load(models / f"{name}.json")
    with pytest.MonkeyPatch.context() as patch:
        if plain:
            patch.setitem(__import__("sys").modules, "pyarrow", None)
        parts = list(read_chunks(str(path), model, None, Reading(**reading)))
    return np.concatenate(parts) if parts else np.empty((0, model.n_features))


def write(tmp_path, text, name="rows.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


FRAME = pandas.DataFrame(ROWS, columns=NAMES)
TURNED = FRAME[["weight", "age", "height, cm"]]


@pytest.mark.parametrize("plain", [False, True])
def test_columns_go_by_name_in_any_order_and_with_any_index(models, tmp_path, plain):
    indexed = TURNED.set_axis([7, 5, 3])
    once = io.StringIO(indexed.to_csv())
    again = pandas.read_csv(once).to_csv()  # its columns are "", "Unnamed: 0" and the features
    for text in (TURNED.to_csv(index=False), indexed.to_csv(), again, "\ufeff" + indexed.to_csv()):
        path = write(tmp_path, text)
        np.testing.assert_array_equal(read(models, "named", path, plain=plain), ROWS)


def test_a_header_that_does_not_fit_is_refused_by_name(models, tmp_path, capsys):
    path = write(tmp_path, TURNED.rename(columns={"weight": "wieght"}).to_csv(index=False))
    command = ["predict", str(models / "named.json"), str(path)]
    assert main(command) == 2
    said = capsys.readouterr()
    assert "has no column for the feature 'weight', but has 'wieght'" in said.err
    assert "did you mean 'weight' for 'wieght'?" in said.err and "--by-position" in said.err
    assert said.out == ""
    assert main([*command, "--by-position"]) == 0
    values = TURNED.to_numpy()
    expected = spinney.load(models / "named.json").predict(values)
    lines = capsys.readouterr().out.splitlines()[1:]
    np.testing.assert_array_equal(np.array(lines, np.float32), expected)


@pytest.mark.parametrize("plain", [False, True])
def test_names_are_no_row_even_if_asked_for(models, tmp_path, plain):
    path = write(tmp_path, FRAME.to_csv(index=False))
    with pytest.raises(UserError, match=r"first line holds 'age', .* without --no-header"):
        read(models, "named", path, plain=plain, header=False)


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_the_other_commands_refuse_alike(models, tmp_path, command, capsys):
    path = write(tmp_path, TURNED.rename(columns={"age": "Ages"}).to_csv(index=False))
    asked = [command, str(models / "named.json"), "--data", str(path), "--quiet"]
    asked += ["--seconds", "0.01", "--rows", "1"] if command == "bench" else []
    assert main(asked) == 2
    assert "did you mean 'age' for 'Ages'" in capsys.readouterr().err
    assert main([*asked, "--by-position"]) == 0


def test_every_feature_that_is_missing_is_named(models, tmp_path):
    path = write(tmp_path, "a,b,c\n1,2,3\n")
    with pytest.raises(UserError) as refused:
        read(models, "named", path)
    for name in (*NAMES, "a", "b", "c"):
        assert repr(name) in str(refused.value)
    assert "did you mean" not in str(refused.value)
    with pytest.raises(UserError, match="expected 3 columns, found 4"):
        read(models, "named", write(tmp_path, "a,b,c,d\n1,2,3,4\n"), by_position=True)


def test_a_name_given_twice_is_refused(models, tmp_path):
    path = write(tmp_path, 'age,"height, cm",weight,age\n1,2,3,4\n')
    with pytest.raises(UserError, match="more than one column is named 'age'"):
        read(models, "named", path)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("model", ["bare", "numbers"])
def test_numbered_columns_of_to_csv_are_a_header(models, tmp_path, model, plain):
    frame = pandas.DataFrame(ROWS)
    for text in (frame.to_csv(index=False), frame.to_csv(), "\ufeff" + frame.to_csv()):
        path = write(tmp_path, text)
        np.testing.assert_array_equal(read(models, model, path, plain=plain), ROWS)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("model", ["bare", "numbers", "named"])
def test_a_first_row_of_other_numbers_is_a_row(models, tmp_path, model, plain):
    for text in (FRAME.to_csv(index=False, header=False), "30.5,180,75.25\n41,165.5,NA\n3,4,5"):
        for mark in ("", "\ufeff"):
            path = write(tmp_path, mark + text)
            np.testing.assert_array_equal(read(models, model, path, plain=plain), ROWS)


def test_a_row_that_begins_with_a_missing_value_is_a_row(models, tmp_path):
    path = write(tmp_path, ",180,75.25\n41,165.5,NA\n")
    assert read(models, "bare", path).shape == (2, 3)


def test_a_numbered_frame_in_another_order(models, tmp_path):
    text = pandas.DataFrame(ROWS)[[2, 0, 1]].to_csv(index=False)
    path = write(tmp_path, text)
    np.testing.assert_array_equal(read(models, "numbers", path), ROWS)
    with pytest.raises(UserError, match="--header"):
        read(models, "bare", path)
    with pytest.raises(UserError, match="numbered in another order, 2, 0, 1"):
        read(models, "bare", path, header=True)
    assert read(models, "bare", path, header=True, by_position=True)[0, 0] == 75.25
    assert read(models, "bare", path, header=False)[0].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("two", "0,1\n5,6\n"),
        ("two", "1,0\n5,6\n"),
        ("two", "0.0,1.0\n5,6\n"),
        ("bare", "0,1,2"),  # the only line
        ("bare", "0,1,2\n2,1,0\n"),  # codes, perhaps
        ("numbers", "2,1,0\n2,1,0\n"),
        ("numbers", "0,1,2\n"),
        ("bare", "age,180,75\n1,2,3\n"),
        ("named", "age,180,75\n1,2,3\n"),
    ],
)
def test_what_may_be_a_header_or_a_row_is_asked_for(models, tmp_path, model, text, capsys):
    path = write(tmp_path, text)
    with pytest.raises(UserError, match="say --header if it names the columns, --no-header"):
        read(models, model, path)
    lines = len(text.splitlines())
    command = ["predict", str(models / f"{model}.json"), str(path)]
    if "age" not in text:
        assert len(read(models, model, path, header=False)) == lines
        assert main([*command, "--no-header"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1 + lines
    if model != "named":
        by_position = text.startswith("1,0")
        assert len(read(models, model, path, header=True, by_position=by_position)) == lines - 1


def test_a_file_of_one_line(models, tmp_path):
    assert read(models, "named", write(tmp_path, "30.5,180,75")).tolist() == [[30.5, 180, 75]]
    header = FRAME.iloc[:0].to_csv(index=False)
    assert len(read(models, "named", write(tmp_path, header))) == 0
    assert len(read(models, "bare", write(tmp_path, header))) == 0


@pytest.mark.parametrize("plain", [False, True])
def test_quoted_headers_may_hold_anything(models, tmp_path, plain):
    text = '\n"height, cm","a ""b""\nc","age","weight"\n180,0,30.5,75.25\n'
    path = write(tmp_path, "\ufeff" + text)
    assert read(models, "named", path, plain=plain).tolist() == [[30.5, 180, 75.25]]


@pytest.mark.parametrize("plain", [False, True])
def test_rows_of_another_length_are_refused(models, tmp_path, plain):
    """Other programs leave the index out of the header."""
    text = 'age,"height, cm",weight\n0,30.5,180,75.25\n1,41,165.5,3\n'
    with pytest.raises(UserError, match=r"(?i)expected 3"):
        read(models, "named", write(tmp_path, text), plain=plain)


def test_blank_lines_end_nothing(models, tmp_path):
    text = "1,2,3\n" + "\n" * 300_000 + "4,5,6\n"
    for plain in (False, True):
        assert len(read(models, "named", write(tmp_path, text), plain=plain)) == 2


@pytest.mark.parametrize(
    "content", [b"\xff\xfe1\x00,\x002\x00", b'a,"b\n1,2,3' + b"x" * 200_000, b"\xff\xff,2,3\n1,2,3"]
)
def test_what_is_no_csv_is_said_in_one_line(models, tmp_path, content, capsys):
    path = write(tmp_path, content)
    assert main(["predict", str(models / "named.json"), str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said and "Traceback" not in said


def test_parquet_goes_by_name_and_leaves_indices_out(models, tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "rows.parquet"
    indexed = TURNED.set_axis([7, 5, 3])
    for frame in (TURNED, indexed, indexed.rename_axis("key")):
        frame.to_parquet(path)
        np.testing.assert_array_equal(read(models, "named", path), ROWS)
    for frame in (FRAME, FRAME.set_axis([7, 5, 3]), FRAME.set_axis([7, 5, 3]).rename_axis("key")):
        frame.to_parquet(path)
        np.testing.assert_array_equal(read(models, "bare", path), ROWS)
    TURNED.rename(columns={"age": "agee"}).to_parquet(path)
    with pytest.raises(UserError, match="did you mean 'age' for 'agee'"):
        read(models, "named", path)
    with pytest.raises(UserError, match="--header and --no-header are for"):
        read(models, "named", path, header=True)
    assert read(models, "named", path, by_position=True)[0, 0] == 75.25
    FRAME.astype({"age": str}).to_parquet(path)
    with pytest.raises(UserError, match=r"parquet: column 'age': expected numbers, found text"):
        read(models, "named", path)


def test_npy_of_named_fields_goes_by_name(models, tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, TURNED.to_records(index=False))
    np.testing.assert_array_equal(read(models, "named", path), ROWS)
    np.save(path, TURNED.rename(columns={"age": "agee"}).to_records(index=False))
    with pytest.raises(UserError, match="did you mean 'age' for 'agee'"):
        read(models, "named", path)
    np.save(path, ROWS)
    np.testing.assert_array_equal(read(models, "named", path), ROWS)


def test_names_as_lightgbm_writes_them(tmp_path):
    """It makes underscores of spaces, and numbers columns that have no name."""
    lightgbm = pytest.importorskip("lightgbm")
    x = np.random.default_rng(0).normal(size=(200, 2))
    for names, asked in ((["b c", "a"], ["a", "b c"]), ("auto", ["Column_1", "Column_0"])):
        data = lightgbm.Dataset(x, x[:, 0], feature_name=names)
        lightgbm.train({"verbose": -1}, data, 2).save_model(tmp_path / "model.txt")
        model = spinney.load(tmp_path / "model.txt")
        frame = pandas.DataFrame(x[:, ::-1], columns=asked)
        path = write(tmp_path, frame.to_csv(index=False))
        np.testing.assert_array_equal(np.concatenate(list(read_chunks(str(path), model))), x)
        np.testing.assert_array_equal(model.predict(frame), model.predict(x))


def test_the_rule_for_a_first_line(models):
    """By the model, the line, and whether more follow."""
    named, bare = (spinney.load(models / f"{name}.json") for name in ("named", "bare"))
    for model, line, following, expected in (
        (named, "age,height,weight", "1,2,3", True),
        (named, "2,1.5,3", "1,2,3", False),
        (named, "NA,?,null", "1,2,3", False),
        (named, "0,1,2", "1.0,2,3", True),
        (named, "0,1,2", "1,2,", True),
        (bare, ",0,1,2", "0,1,2,3", True),
        (bare, "Unnamed: 0,0,1,2", None, True),
        (bare, "x,y,z", None, True),
        (bare, "1,2,3", "1,2,3", False),
        (bare, "1_0,2_0,3_0", "1,2,3", True),
        (bare, "1e3,-inf,nan", "1,2,3", False),
    ):
        following = following and following.split(",")
        assert has_header("rows.csv", line.split(","), following, model) is expected, line


def test_many_numbered_columns_are_a_header_over_whole_numbers(tmp_path):
    x = np.random.default_rng(0).integers(0, 9, size=(50, 5))
    model = spinney.load(linear.LinearRegression().fit(x, x[:, 0]))
    path = write(tmp_path, pandas.DataFrame(x).to_csv(index=False))
    np.testing.assert_array_equal(np.concatenate(list(read_chunks(str(path), model))), x)
    path = write(tmp_path, "0,1,2,3,4\n" * 3)
    with pytest.raises(UserError, match="say --header"):
        list(read_chunks(str(path), model))


def test_an_index_without_a_header_is_no_name(models, tmp_path):
    """The model's features are called 0, 1 and 2, and so is the first row, index included."""
    for text in ("0,1,2,3\n1,5.5,6,7\n", "0,2,1,-3.5\n1,5.5,6,7\n"):
        with pytest.raises(UserError, match="say --header"):
            read(models, "numbers", write(tmp_path, text))
    x = np.random.default_rng(0).normal(size=(50, 2))
    matrix = xgboost.DMatrix(x, x[:, 0], feature_names=["2020", "2021"])
    xgboost.train({}, matrix, 3).save_model(tmp_path / "years.json")
    path = write(tmp_path, "2019,2021,2020\n1,2,3\n")  # years are names
    assert read(tmp_path, "years", path).tolist() == [[3, 2]]
