"""The command line in pipes: standard input and output, compression, signals, broken pipes."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import spinney
from spinney.cli import compressed, main
from spinney.cli.data import read_chunks
from spinney.cli.errors import UserError

xgboost = pytest.importorskip("xgboost")
NAMES = ["age", "height", "weight"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    x = np.random.default_rng(0).normal(size=(300, 3))
    matrix = xgboost.DMatrix(x, x @ [1, 2, 3], feature_names=NAMES)
    xgboost.train({}, matrix, 3).save_model(folder / "model.json")
    text = "age,height,weight\n" + "".join(",".join(map(repr, r)) + "\n" for r in x.tolist())
    (folder / "rows.csv").write_text(text)
    np.save(folder / "rows.npy", x)
    return folder


def command(*arguments):
    return [sys.executable, "-m", "spinney.cli", *map(str, arguments)]


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def run(folder, *arguments, data=b"", **options):
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        input=data,
        capture_output=True,
        env=environment(),
        **options,
    )


def start(folder, *arguments):
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def expected(folder):
    return spinney.load(folder / "model.json").predict(np.load(folder / "rows.npy"))


def packed(kind, data):
    if kind == "zstd":
        out = io.BytesIO()
        with compressed.zstd_writer("rows.zst")(out) as file:
            file.write(data)
        return out.getvalue()
    return {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "": bytes}[kind](
        data
    )


def has_zstd():
    try:
        compressed.zstd_writer("")
    except UserError:
        return False
    return True


KINDS = ["", "gzip", "bzip2", "xz"] + ["zstd"] * has_zstd()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["rows.csv", "rows.npy"])
def test_standard_input_of_any_kind(folder, kind, name):
    data = packed(kind, (folder / name).read_bytes())
    ran = run(folder, "predict", "model.json", "-", data=data)
    assert (ran.returncode, ran.stderr) == (0, b"")
    values = np.array(ran.stdout.split()[1:], np.float32)
    np.testing.assert_array_equal(values, expected(folder))


@pytest.mark.parametrize("kind", KINDS)
def test_compressed_files(folder, kind, tmp_path):
    suffix = {"": "", "gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"}[kind]
    data = (folder / "rows.csv").read_bytes()
    half = data.index(b"\n", len(data) // 2) + 1
    # Two streams, one behind the other, as `cat` makes them.
    path = tmp_path / f"rows.csv{suffix}"
    path.write_bytes(packed(kind, data[:half]) + packed(kind, data[half:]))
    out = tmp_path / f"out.csv{suffix}"
    assert main(["predict", str(folder / "model.json"), str(path), "-o", str(out)]) == 0
    parts = list(read_chunks(str(path), spinney.load(folder / "model.json")))
    np.testing.assert_array_equal(np.concatenate(parts), np.load(folder / "rows.npy"))
    again = tmp_path / "plain.csv"
    assert main(["predict", str(folder / "model.json"), str(path), "-o", str(again)]) == 0
    opener = {"gzip": gzip.decompress, "bzip2": bz2.decompress, "xz": lzma.decompress}
    if kind in opener:
        assert opener[kind](out.read_bytes()) == again.read_bytes()
    assert sorted(os.listdir(tmp_path)) == sorted({path.name, out.name, "plain.csv"})


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_is_cut_short_is_no_shorter_file(folder, kind, tmp_path, capsys):
    data = packed(kind, (folder / "rows.csv").read_bytes())
    for broken in (data[:-5], data[: len(data) // 2]):
        (tmp_path / "rows.csv").write_bytes(broken)
        out = tmp_path / "out.csv"
        arguments = ["predict", str(folder / "model.json"), str(tmp_path / "rows.csv")]
        assert main([*arguments, "-o", str(out)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and kind in said
        assert os.listdir(tmp_path) == ["rows.csv"]


def test_zstd_without_a_module_says_which(folder, tmp_path, capsys, monkeypatch):
    for name in ("compression", "compression.zstd", "zstandard", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "rows.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(50))
    model = str(folder / "model.json")
    assert main(["predict", model, str(tmp_path / "rows.csv.zst")]) == 2
    assert "pip install zstandard" in capsys.readouterr().err
    out = str(tmp_path / "out.csv.zst")
    assert main(["predict", model, str(folder / "rows.csv"), "-o", out]) == 2
    assert "pip install zstandard" in capsys.readouterr().err


def test_all_commands_read_standard_input(folder):
    data = (folder / "rows.csv").read_bytes()
    ran = run(folder, "verify", "model.json", "--data", "-", data=data)
    assert ran.returncode == 0 and b"verified" in ran.stdout
    ran = run(folder, *"bench model.json --data - --rows 1 --seconds 0.001".split(), data=data)
    assert ran.returncode == 0 and b"Spinney" in ran.stdout


@pytest.mark.parametrize("kind", ["npy", "jsonl", "tsv", "parquet", "arrow"])
def test_standard_output_of_any_kind(folder, kind):
    if kind in ("parquet", "arrow"):
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet")
    ran = run(folder, "predict", "model.json", "rows.csv", "-o", "-", "--output-format", kind)
    assert (ran.returncode, ran.stderr) == (0, b"")
    if kind == "npy":
        values = np.load(io.BytesIO(ran.stdout))
    elif kind == "jsonl":
        values = [json.loads(line)["prediction"] for line in ran.stdout.splitlines()]
    elif kind == "tsv":
        values = ran.stdout.split()[1:]
    elif kind == "parquet":
        values = pyarrow.parquet.read_table(io.BytesIO(ran.stdout))["prediction"].to_numpy()
    else:
        values = pyarrow.ipc.open_stream(ran.stdout).read_all()["prediction"].to_numpy()
    np.testing.assert_array_equal(np.array(values, np.float32), expected(folder))


def test_rows_of_a_slow_writer_are_answered_as_they_come(folder):
    process = start(folder, "predict", "model.json", "-")
    process.stdin.write(b"age,height,weight\n0,1,2\n3,4,5\n")
    process.stdin.flush()
    first = [process.stdout.readline() for _ in range(3)]  # hangs if it waits for the end
    process.stdin.write(b"0,1,2\n")
    process.stdin.flush()
    assert process.stdout.readline() == first[1]
    assert process.communicate()[1] == b"" and process.returncode == 0


def test_a_reader_that_goes_away_is_no_error(folder):
    for arguments in (["predict", "model.json", "-"], ["inspect", "model.json"]):
        process = start(folder, *arguments)
        process.stdout.close()
        try:
            process.stdin.write(b"1,2,3\n" * 100_000)
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert process.stderr.read() == b""
        assert process.wait() == 0
        process.stderr.close()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_no_half_file(folder, tmp_path, sent):
    if signal.getsignal(sent) == signal.SIG_IGN:
        pytest.skip("the signal is ignored here, and what is started inherits that")
    process = start(folder, "predict", "model.json", "-", "-o", tmp_path / "out.csv")
    process.stdin.write(b"1,2,3\n" * 3)
    process.stdin.flush()
    while not os.listdir(tmp_path):
        assert process.poll() is None
        time.sleep(0.01)
    assert re.fullmatch(r"out\.csv\.\d+\.part", os.listdir(tmp_path)[0])
    process.send_signal(sent)
    _, error = process.communicate()
    assert os.listdir(tmp_path) == []
    assert b"Traceback" not in error
    assert process.returncode == 128 + sent


def test_a_full_disk_is_said_in_one_line(folder):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    ran = run(folder, "predict", "model.json", "rows.csv", "-o", "/dev/full")
    assert ran.returncode == 2
    assert ran.stderr.count(b"\n") == 1 and b"No space left" in ran.stderr
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            command("predict", "model.json", "rows.csv"),
            cwd=folder,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
        )
    assert ran.returncode == 2
    assert b"Traceback" not in ran.stderr and b"No space left" in ran.stderr


def test_named_pipes_are_read_and_written(folder, tmp_path):
    os.mkfifo(tmp_path / "in")
    process = start(folder, "predict", "model.json", tmp_path / "in", "-o", "/dev/stdout")
    (tmp_path / "in").write_bytes((folder / "rows.csv").read_bytes())
    out, error = process.communicate()
    assert (process.returncode, error) == (0, b"")
    np.testing.assert_array_equal(np.array(out.split()[1:], np.float32), expected(folder))


def test_an_empty_standard_input(folder):
    ran = run(folder, "predict", "model.json", "-")
    assert ran.returncode == 2 and ran.stderr == b"spinney predict: -: is empty\n"


def test_a_link_is_followed_and_other_files_are_left_alone(folder, tmp_path):
    (tmp_path / "out.csv.part").write_text("mine")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out.csv").write_text("old")
    (tmp_path / "out.csv").symlink_to(tmp_path / "real" / "out.csv")
    arguments = ["predict", str(folder / "model.json"), str(folder / "rows.csv")]
    assert main([*arguments, "-o", str(tmp_path / "out.csv")]) == 0
    assert (tmp_path / "out.csv").is_symlink()
    assert len((tmp_path / "real" / "out.csv").read_text().splitlines()) == 301
    assert (tmp_path / "out.csv.part").read_text() == "mine"
    assert os.listdir(tmp_path / "real") == ["out.csv"]
