"""CSV as people have it: delimiters, quotes, decimal commas, encodings, and places of faults."""

import sys

import numpy as np
import pytest

import spinney
from command_line_models import save_models
from spinney.cli import blocks, main
from spinney.cli.data import Reading, read_chunks, read_parts
from spinney.cli.errors import UserError

xgboost = pytest.importorskip("xgboost")
NAMES = ["age", "height, cm", "weight"]
ROWS = np.array([[30.5, 180.25, 75.5], [41.0, 165.5, np.nan], [3.0, 4.0, 5.25]])
HEAD = 'age,"height, cm",weight\n'


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return save_models(tmp_path_factory.mktemp("models"), named=NAMES, bare=None)


@pytest.fixture(params=["pyarrow", "python"])
def reader(request, monkeypatch):
    """Each test reads by both readers."""
    if request.param == "python":
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    else:
        pytest.importorskip("pyarrow")
    return request.param


def read(models, name, path, **reading):
    model = spinney.load(models / f"{name}.json")
    parts = list(read_chunks(str(path), model, None, Reading(**reading)))
    return np.concatenate(parts) if parts else np.empty((0, 3))


def write(tmp_path, text, encoding="utf-8", name="rows.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def table(delimiter, quote='"', decimal=".", header=True):
    lines = [["age", "height, cm", "weight"]] if header else []
    lines += [["" if np.isnan(v) else f"{v:g}".replace(".", decimal) for v in r] for r in ROWS]
    quoted = [[quote + f + quote if delimiter in f else f for f in fields] for fields in lines]
    return "\n".join(delimiter.join(fields) for fields in quoted) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", [True, False])
def test_the_delimiter_is_guessed(models, tmp_path, reader, delimiter, header):
    path = write(tmp_path, table(delimiter, header=header))
    np.testing.assert_array_equal(read(models, "named" if header else "bare", path), ROWS)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("header", [True, False])
def test_decimal_commas(models, tmp_path, reader, delimiter, header):
    path = write(tmp_path, table(delimiter, decimal=",", header=header))
    np.testing.assert_array_equal(read(models, "named" if header else "bare", path), ROWS)


def test_decimal_commas_that_may_be_something_else_are_asked_for(models, tmp_path, reader):
    for text in ("1,234;5;6\n1;2;3\n", "1,5;2.5;3\n"):
        path = write(tmp_path, text)
        with pytest.raises(UserError, match="say --decimal , if those are decimal commas"):
            read(models, "bare", path)
    assert read(models, "bare", write(tmp_path, "1,234;5;6\n"), decimal=",")[0, 0] == 1.234
    later = "1;2;3\n" * 100 + "1,5;2;3\n"
    with pytest.raises(UserError, match=r"line 101, column 1: .* '1,5'; say --decimal ,"):
        read(models, "bare", write(tmp_path, later))
    with pytest.raises(UserError, match=r"line 101, column 1: .* '1.5'; say --decimal \."):
        read(models, "bare", write(tmp_path, "1,5;2;3\n" * 100 + "1.5;2;3\n"))


def test_single_quotes_are_guessed(models, tmp_path, reader):
    text = "'age','height, cm','weight'\n'30.5','180','75'\n"
    np.testing.assert_array_equal(read(models, "named", write(tmp_path, text)), [[30.5, 180, 75]])
    # An apostrophe is no quote.
    text = '\'n,age,"height, cm",weight\n7,30.5,180,75\n'
    np.testing.assert_array_equal(read(models, "named", write(tmp_path, text)), [[30.5, 180, 75]])


def test_delimiter_and_quote_can_be_said(models, tmp_path, reader):
    text = "1:2:~3~\n4:5:6\n"
    path = write(tmp_path, text)
    assert read(models, "bare", path, delimiter=":", quote="~").tolist() == [[1, 2, 3], [4, 5, 6]]
    inches = 'size,age,"height, cm",weight\n5",30.5,180,75\n7",1,2,3\n'
    assert len(read(models, "named", write(tmp_path, inches))) == 2


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--delimiter", "::", "expected one character, or tab or space"),
        ("--delimiter", "a", "expected one character"),
        ("--quote", "ab", "expected one character, or none"),
        ("--encoding", "klingon", "'klingon' is none that is known"),
        ("--encoding", "base64", "'base64' is none that is known"),
    ],
)
def test_options_that_mean_nothing(models, tmp_path, option, value, message, capsys):
    path = str(write(tmp_path, table(",")))
    assert main(["predict", str(models / "named.json"), path, option, value]) == 2
    assert message in capsys.readouterr().err


def test_words_for_delimiters(models, tmp_path, capsys):
    path = str(write(tmp_path, "1\t2\t3\n"))
    for word in ("tab", "\\t", "\t"):
        assert main(["predict", str(models / "bare.json"), path, "--delimiter", word]) == 0
    assert main(["predict", str(models / "bare.json"), path, "--delimiter", "space"]) == 2
    assert "separated by space" not in capsys.readouterr().out


def test_a_wrong_delimiter_is_told_from_a_wrong_name(models, tmp_path):
    path = write(tmp_path, table(";"))
    with pytest.raises(UserError, match=r"its fields seem to be separated by ';'\)"):
        read(models, "named", path, delimiter=",")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_mark_says_the_encoding(models, tmp_path, reader, encoding):
    text = "größe," + HEAD + "ü,30.5,180,75\n"
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    path = write(tmp_path, mark + text, encoding)
    np.testing.assert_array_equal(read(models, "named", path), [[30.5, 180, 75]])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be"])
def test_other_encodings_are_named(models, tmp_path, reader, encoding, capsys):
    path = write(tmp_path, "größe," + HEAD + "1,30.5,180,75\n", encoding)
    assert main(["predict", str(models / "named.json"), str(path)]) == 2
    said = capsys.readouterr().err
    assert "rows.csv" in said and "--encoding" in said and said.count("\n") == 1
    np.testing.assert_array_equal(read(models, "named", path, encoding=encoding), [[30.5, 180, 75]])


def test_a_byte_that_is_not_utf8_is_found_in_any_column(models, tmp_path, reader):
    text = "name," + HEAD + "a,1,2,3\n" * 30_000 + "M\u00fcller,4,5,6\n"
    path = write(tmp_path, text, "latin-1")
    with pytest.raises(UserError, match=r"line 30002, column 1: the byte 0xfc is not UTF-8"):
        read(models, "named", path)
    parts = list(
        read_parts(
            str(path),
            spinney.load(models / "named.json"),
            None,
            Reading(encoding="latin-1", keep=("name",)),
        )
    )
    assert parts[-1].kept["name"][-1] == "Müller"


@pytest.mark.parametrize("small", [False, True])
def test_faults_are_found_by_line_and_column(models, tmp_path, reader, small, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64 if small else 8 << 20)
    good = "30.5,180,75\n"
    for text, where in (
        (HEAD + good * 500 + "1,tall,3\n" + good, r"line 502, column 2 \('height, cm'\): .*'tall'"),
        (HEAD + good * 500 + "1,2\n" + good, r"line 502: has 2 columns, expected 3"),
        (HEAD + good * 500 + "1,2,3,4\n", r"line 502: has 4 columns, expected 3"),
        (HEAD + "\n\n" + good * 9 + "1,2,x\n", r"line 13, column 3"),
        (HEAD.replace("\n", "\r\n") + "1,2,3\r\n" * 50 + "1,2,x\r\n", r"line 52, column 3"),
        (HEAD + '"1",2,3\n"4",5,"x"\n', r"line 3, column 3"),
        ("note," + HEAD + '"a\nb",1,2,3\n"c\nd",4,x,6\n', r"line 4, column 3"),
        (
            "note," + HEAD + '"a\nb",1,2,3\n"c\nd",4,5,6\n1,2,"3',
            r"line 6, column 3: the field that",
        ),
        (HEAD + "1,2,3\n1_0,2,3\n", r"line 3, column 1 \('age'\)"),
        ("1,2,3\n1,2,\n4,5,z\n", r"line 3, column 3: expected a number"),
    ):
        path = write(tmp_path, text)
        with pytest.raises(UserError, match=r"rows.csv, " + where):
            read(models, "named", path)


def test_blocks_never_cut_a_record(models, tmp_path, reader, monkeypatch):
    text = (
        "note,"
        + HEAD
        + "".join(f'"x{"y" * (i % 7)}\n""{i}"" 5\'",{i},{i / 2},{-i}\n' for i in range(300))
    )
    path = write(tmp_path, text)
    whole = read(models, "named", path)
    assert whole.shape == (300, 3) and whole[299].tolist() == [299, 149.5, -299]
    for size in (1, 7, 50, 333):
        monkeypatch.setattr(blocks, "BLOCK", size)
        np.testing.assert_array_equal(read(models, "named", path), whole)


def test_old_macs_and_windows_end_lines_otherwise(models, tmp_path, reader):
    for end in ("\r", "\r\n"):
        path = write(tmp_path, table(",").replace("\n", end))
        np.testing.assert_array_equal(read(models, "named", path), ROWS)


def test_blank_lines_and_long_headers_come_first(models, tmp_path, reader):
    text = "\n" * 200_000 + "\n".join(["", *table(",").splitlines(), ""])
    np.testing.assert_array_equal(read(models, "named", write(tmp_path, text)), ROWS)
    names = ",".join(f"column_{i}" for i in range(20_000))
    text = f'"a\nb",{names},{HEAD}' + f"0{',7' * 20_000},30.5,180,75\n"
    path = write(tmp_path, text)
    np.testing.assert_array_equal(read(models, "named", path), [[30.5, 180, 75]])


def test_booleans_are_ones_and_zeros(models, tmp_path, reader):
    text = HEAD + "True,false,TRUE\n,1.5,FALSE\n"
    expected = [[1, 0, 1], [np.nan, 1.5, 0]]
    np.testing.assert_array_equal(read(models, "named", write(tmp_path, text)), expected)
    # Also where they come only later, and in front of a fault.
    text = HEAD + "1,2,3\n" * 1000 + "True,2,3\n"
    assert read(models, "named", write(tmp_path, text))[-1].tolist() == [1, 2, 3]
    with pytest.raises(UserError, match=r"line 1003, column 2"):
        read(models, "named", write(tmp_path, text + "true,x,1\n"))


def test_what_is_no_table_is_said_so(models, tmp_path):
    for data, message in (
        (b"PK\x03\x04zip", "zip archive, such as .xlsx"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
    ):
        with pytest.raises(UserError, match=message):
            read(models, "named", write(tmp_path, data))
    with pytest.raises(UserError, match="is a folder"):
        read(models, "named", tmp_path)


def test_any_name_is_taken_where_the_content_says_what_it_is(models, tmp_path):
    path = write(tmp_path, table(";"), name="rows.txt")
    np.testing.assert_array_equal(read(models, "named", path), ROWS)
    np.save(tmp_path / "rows.npy", ROWS)
    (tmp_path / "rows.npy").rename(tmp_path / "rows")
    np.testing.assert_array_equal(read(models, "named", tmp_path / "rows"), ROWS)
