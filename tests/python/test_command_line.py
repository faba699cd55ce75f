"""The command line, run as people run it: files in, files and exit status out."""

import csv
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import spinney
from spinney.cli import main
from spinney.cli.data import read_chunks
from spinney.cli.output import open_output

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
NAMES = ["age", "height, cm", "weight"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Model files and rows in every format; one folder for all tests of this file."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 3))
    x[rng.random(x.shape) < 0.05] = np.nan
    y = (np.nansum(x, axis=1) > 0).astype(int)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3},
        xgboost.DMatrix(x, y, feature_names=NAMES),
        num_boost_round=12,
    )
    booster.save_model(folder / "model.json")
    multi = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_leaves": 4},
        lightgbm.Dataset(x, rng.integers(0, 3, size=len(x))),
        num_boost_round=5,
    )
    multi.save_model(folder / "multi.txt")
    labels = np.array(["no, never", "yes"])[y]
    classifier = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(np.nan_to_num(x), labels)
    (folder / "labels.pkl").write_bytes(pickle.dumps(classifier))
    np.save(folder / "rows.npy", x)
    with open(folder / "rows.csv", "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["target", *reversed(NAMES)])
        for row, target in zip(x, y):
            writer.writerow([target, *("" if np.isnan(v) else repr(float(v)) for v in row[::-1])])
    with open(folder / "bare.csv", "w") as out:
        for row in x:
            out.write(",".join("NaN" if np.isnan(v) else repr(float(v)) for v in row) + "\n")
    return folder, x


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("data", ["rows.npy", "rows.csv", "bare.csv"])
def test_predict_reads_every_format(files, data, tmp_path):
    folder, x = files
    out = tmp_path / "out.npy"
    assert main(["predict", str(folder / "model.json"), str(folder / data), "-o", str(out)]) == 0
    np.testing.assert_array_equal(np.load(out), spinney.load(folder / "model.json").predict(x))
    assert os.listdir(tmp_path) == ["out.npy"]


def test_predict_reads_and_writes_parquet(files, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder, x = files
    table = pyarrow.table({"other": ["x"] * len(x), **dict(zip(NAMES, x.T.copy()))})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=150)
    out = tmp_path / "out.parquet"
    model = str(folder / "model.json")
    assert main(["predict", model, str(tmp_path / "rows.parquet"), "-o", str(out)]) == 0
    expected = spinney.load(model).predict(x)
    found = parquet.read_table(out)
    assert found.column_names == ["prediction"]
    np.testing.assert_array_equal(found["prediction"].to_numpy(), expected)


def test_csv_output_reads_back_as_the_same_numbers(files, tmp_path):
    folder, x = files
    out = tmp_path / "out.csv"
    command = ["predict", str(folder / "multi.txt"), str(folder / "rows.npy"), "-o", str(out)]
    assert main([*command, "--raw"]) == 0
    header, *lines = read_csv(out)
    assert header == ["raw_0", "raw_1", "raw_2"]
    expected = spinney.load(folder / "multi.txt").predict_raw(x)
    np.testing.assert_array_equal(np.array(lines, expected.dtype), expected)


def test_labels_and_probabilities_are_named(files, tmp_path):
    folder, x = files
    model, data = str(folder / "labels.pkl"), str(folder / "rows.npy")
    assert main(["predict", model, data, "-o", str(tmp_path / "labels.csv")]) == 0
    header, *lines = read_csv(tmp_path / "labels.csv")
    assert header == ["prediction"]
    assert [line[0] for line in lines] == spinney.load(model).predict(x).tolist()
    assert main(["predict", model, data, "--proba", "-o", str(tmp_path / "p.csv")]) == 0
    assert read_csv(tmp_path / "p.csv")[0] == ["proba_no, never", "proba_yes"]


def test_chunks_are_bounded_and_change_nothing(files, tmp_path, monkeypatch):
    folder, x = files
    monkeypatch.setattr("spinney.cli.data.CHUNK_VALUES", 3 * 64)
    model = spinney.load(folder / "model.json")
    parts = list(read_chunks(str(folder / "rows.npy"), model))
    assert max(map(len, parts)) == 64
    np.testing.assert_array_equal(np.concatenate(parts), x)
    out = tmp_path / "out.npy"
    command = ["predict", str(folder / "model.json"), str(folder / "rows.npy"), "-o", str(out)]
    assert main(command) == 0
    np.testing.assert_array_equal(np.load(out), model.predict(x))


def test_csv_is_read_alike_without_pyarrow(files, monkeypatch):
    folder, x = files
    model = spinney.load(folder / "model.json")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("rows.csv", "bare.csv"):
        parts = list(read_chunks(str(folder / name), model))
        np.testing.assert_array_equal(np.concatenate(parts), x)


@pytest.mark.parametrize("module", ["spinney", "spinney.cli"])
def test_output_is_quiet_when_piped(files, module):
    folder, x = files
    ran = subprocess.run(
        [sys.executable, "-m", module, "predict", "model.json", "rows.csv"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) == len(x) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "absent.json", "rows.npy"], "absent.json"),
        (["predict", "model.json", "absent.csv"], "absent.csv: no such file"),
        (["predict", "model.json", "model.json"], "but has 'learner', 'version'"),
        (["predict", "rows.csv", "rows.csv"], "rows.csv"),
        (["predict", "model.json", "wide.npy"], "shape (rows, 3), found (2, 4)"),
        (["predict", "model.json", "text.csv"], "tall"),
        (["predict", "model.json", "narrow.csv"], "no column for the feature 'height, cm'"),
        (["predict", "model.json", "rows.npy", "-o", "out.xls"], "out.xls"),
        (["predict", "model.json", "rows.npy", "-o", "no/out.csv"], "there is no folder"),
        (["predict", "model.json", "rows.npy", "--threads", "-1"], "--threads"),
        (["inspect", "absent.json"], "absent.json"),
        (["verify", "labels.pkl"], "--trusted"),
        (["verify", "model.json", "--rows", "0"], "--rows"),
        (["verify", "model.json", "--no-header"], "go with --data"),
        (["bench", "model.json", "--by-position"], "go with --data"),
        (["bench", "model.json", "--rows", "some"], "--rows"),
        (["bench", "model.json", "--seconds", "0"], "--seconds"),
        (["convert", "model.json", "model.onnx"], "ends in .spinney"),
    ],
)
def test_mistakes_are_said_in_one_line(files, arguments, message, capsys, monkeypatch):
    folder, _ = files
    np.save(folder / "wide.npy", np.zeros((2, 4)))
    (folder / "text.csv").write_text("1,2,3\n4,tall,6\n")
    (folder / "narrow.csv").write_text("age,weight\n4,5\n")
    monkeypatch.chdir(folder)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not (folder / "out.xls").exists()


def test_a_failure_leaves_no_half_file(files, tmp_path):
    folder, _ = files
    data = tmp_path / "rows.csv"
    data.write_text("1,2,3\n" * 200_000 + "4,tall,6\n")
    out = tmp_path / "out.csv"
    assert main(["predict", str(folder / "model.json"), str(data), "-o", str(out)]) == 2
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_no_command_shows_help(capsys):
    assert main([]) == 2
    assert "predict" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["predict", "inspect", "verify", "bench", "convert"])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert "usage: spinney" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: model, ROWS"),
        (["model.json", "rows.csv", "--threads", "x"], "invalid int value: 'x'"),
        (["model.json", "rows.csv", "--colour"], "unrecognized arguments: --colour"),
        (["model.json", "rows.csv", "--raw", "--leaf"], "not allowed with argument --raw"),
    ],
)
def test_arguments_that_do_not_fit_are_said_in_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *arguments])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert message in said and "--help says more" in said and said.count("\n") == 1


def test_a_model_is_no_stream(capsys):
    assert main(["inspect", "-"]) == 2
    assert "a model is read from a file" in capsys.readouterr().err


def test_inspect_says_what_the_model_is(files, capsys):
    folder, _ = files
    assert main(["inspect", str(folder / "model.json")]) == 0
    text = capsys.readouterr().out
    assert "xgboost" in text and "binary:logistic" in text and "kernel" in text
    assert main(["inspect", "--json", str(folder / "model.json")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["n_features"] == 3 and facts["n_trees"] == 12


@pytest.mark.parametrize("model", ["model.json", "multi.txt"])
def test_verify_proves_equality(files, model, capsys):
    folder, _ = files
    assert main(["verify", str(folder / model), "--rows", "3000"]) == 0
    assert "verified" in capsys.readouterr().out
    command = ["verify", str(folder / model), "--data", str(folder / "rows.csv")]
    if model == "model.json":  # the other model's names are not in that file
        assert main(command) == 0
        assert "400    400               0 ulp" in capsys.readouterr().out


def test_verify_takes_a_trusted_pickle(files, capsys):
    folder, _ = files
    assert main(["verify", str(folder / "labels.pkl"), "--trusted", "--rows", "2000"]) == 0
    text = capsys.readouterr().out
    assert "predict_proba" in text and "verified" in text


def test_verify_reports_a_difference(files, capsys, monkeypatch):
    from spinney.cli import verify

    folder, _ = files
    open_original = verify.open_original

    def off_by_one_ulp(*arguments):
        original = open_original(*arguments)
        predict = original.answers["predict"]
        original.answers["predict"] = lambda rows: np.nextafter(
            predict(rows), np.float32(2), dtype=np.float32
        )
        return original

    monkeypatch.setattr(verify, "open_original", off_by_one_ulp)
    command = ["verify", str(folder / "model.json"), "--rows", "100"]
    assert main(command) == 1
    assert "1 ulp" in capsys.readouterr().out
    assert main([*command, "--tolerance", "1"]) == 0


def bounded_models():
    """Models whose library's own answers vary, by the reason that verify gives."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    linear = pytest.importorskip("sklearn.linear_model")
    yield "numpy", "three", ensemble.GradientBoostingClassifier(n_estimators=3)
    yield "numpy", "three", ensemble.HistGradientBoostingClassifier(max_iter=3)
    yield "numpy", "three", ensemble.AdaBoostClassifier(n_estimators=3)
    yield "numpy", "value", ensemble.IsolationForest(n_estimators=5)
    yield "numpy", "positive", ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=3)
    yield "BLAS", "value", linear.LinearRegression()
    yield "BLAS", "three", linear.LogisticRegression()
    yield "BLAS", "two", linear.LogisticRegression()
    members = [("a", ensemble.RandomForestClassifier(3)), ("b", ensemble.ExtraTreesClassifier(3))]
    yield "nothing", "three", ensemble.VotingClassifier(members, voting="soft")
    yield "nothing", "value", ensemble.RandomForestRegressor(3)


@pytest.mark.parametrize(
    ("reason", "kind", "fitted"),
    [pytest.param(*m, id=type(m[2]).__name__) for m in bounded_models()],
)
def test_verify_holds_each_kind_to_its_bound(reason, kind, fitted, tmp_path, capsys, monkeypatch):
    from spinney.cli import verify

    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 4))
    value = x[:, 0] + x[:, 1] ** 2
    targets = {"two": value > 1, "three": np.digitize(value, [0, 1]), "positive": np.abs(value)}
    fitted.fit(x, targets.get(kind, value))
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(fitted))
    command = ["verify", str(path), "--trusted", "--rows", "2000"]
    assert main(command) == 0
    verdict = capsys.readouterr().out.splitlines()[-1]
    assert verdict == "verified" or reason in verdict

    open_original = verify.open_original

    def off_by_many_ulp(*arguments):
        original = open_original(*arguments)
        for name, answer in list(original.answers.items()):
            if name != "predict" or not hasattr(fitted, "classes_"):
                original.answers[name] = lambda rows, answer=answer: answer(rows) * (1 + 1e-12)
        return original

    monkeypatch.setattr(verify, "open_original", off_by_many_ulp)
    assert main(command) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def test_verify_makes_rows_for_thresholds_of_any_size(tmp_path, capsys):
    """LightGBM splits off infinity at 1e300."""
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(4)
    x = rng.choice([-1e300, 1e300, 1.0, np.nan], size=(300, 2))
    data = lightgbm.Dataset(x, np.nan_to_num(x[:, 0]) > 1e299)
    booster = lightgbm.train({"verbose": -1, "num_threads": 1, "min_data_in_bin": 1}, data, 3)
    booster.save_model(tmp_path / "huge.txt")
    assert main(["verify", str(tmp_path / "huge.txt"), "--rows", "500"]) == 0
    assert "verified" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(spinney.Model, "save"), reason="models cannot be saved yet")
def test_convert_keeps_every_answer(files, tmp_path):
    folder, x = files
    out = tmp_path / "model.spinney"
    assert main(["convert", str(folder / "model.json"), str(out)]) == 0
    expected = spinney.load(folder / "model.json").predict(x)
    np.testing.assert_array_equal(spinney.load(out).predict(x), expected)


def test_bench_shows_the_library_beside_spinney(files, capsys, tmp_path):
    folder, _ = files
    chart = tmp_path / "times.svg"
    command = ["bench", str(folder / "model.json"), "--rows", "1,8", "--seconds", "0.01"]
    pytest.importorskip("matplotlib")
    assert main([*command, "--chart", str(chart)]) == 0
    text = capsys.readouterr().out
    assert "Spinney" in text and "XGBoost" in text and "×" in text
    assert chart.read_text().startswith("<?xml")


def test_growing_npy_header_holds_any_count(tmp_path):
    path = str(tmp_path / "out.npy")
    writer = open_output(path, ["a", "b"])
    for _ in range(3):
        writer.write(np.ones((7, 2), np.float32))
    writer.close()
    assert np.load(path).shape == (21, 2)
