"""The command line says what spinney.load says of wrappers' files, and takes its keywords."""

import json

import numpy as np
import pytest

import spinney
from spinney.cli import main

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("choice")
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 4))
    y = np.round(np.abs(x[:, 0] + x[:, 1] ** 2)).clip(0, 2).astype(int)
    few = {"n_estimators": 12, "max_depth": 3, "learning_rate": 1.0, "n_jobs": 1}
    noise = [(x, rng.permutation(y))]
    stopped = xgboost.XGBClassifier(
        early_stopping_rounds=2, num_parallel_tree=2, subsample=0.5, **few
    )
    stopped.fit(x, y, eval_set=noise, verbose=False).save_model(folder / "stopped.json")
    dart = xgboost.XGBRegressor(booster="dart", rate_drop=0.5, base_score=0.7, **few).fit(x, y)
    dart.save_model(folder / "dart.ubj")
    line = xgboost.XGBRegressor(booster="gblinear", n_estimators=3).fit(x, y)
    line.save_model(folder / "line.json")
    ranker = xgboost.XGBRanker(**few).fit(x, y, group=[100] * 3)
    ranker.save_model(folder / "ranker.json")
    stopped.get_booster().save_model(folder / "booster.json")
    boosted = lightgbm.LGBMClassifier(n_estimators=10, num_leaves=4, verbose=-1).fit(x, y)
    boosted.booster_.save_model(folder / "boosted.txt")
    np.save(folder / "rows.npy", x)
    return folder, x, stopped


VERIFIED = [
    ("stopped.json", []),
    ("stopped.json", ["--as-booster"]),
    ("stopped.json", ["--iteration-range", "1:3"]),
    ("stopped.json", ["--iteration-range", ":3", "--as-booster"]),
    ("dart.ubj", []),
    ("dart.ubj", ["--as-booster"]),
    ("line.json", []),
    ("ranker.json", []),
    ("booster.json", []),
    ("booster.json", ["--iteration-range", "1:0"]),
    ("boosted.txt", ["--num-iteration", "3", "--start-iteration", "2"]),
    ("stopped.json", ["--missing", "0"]),
    ("booster.json", ["--missing", "-1.5", "--iteration-range", "0:2"]),
]


@pytest.mark.parametrize(("name", "options"), VERIFIED, ids=str)
def test_verify_compares_with_the_same_object(files, name, options, capsys):
    folder, _, _ = files
    arguments = ["verify", str(folder / name), "--rows", "400", "--quiet", *options]
    assert main(arguments) == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    assert "verified" in shown
    wrapped = name == "stopped.json" and "--as-booster" not in options
    assert ("predict_proba" in shown) == wrapped


def test_predict_gives_labels(files, tmp_path):
    folder, x, stopped = files
    out = str(tmp_path / "out.npy")
    arguments = ["predict", str(folder / "stopped.json"), str(folder / "rows.npy"), "-o", out]
    assert main(arguments) == 0
    np.testing.assert_array_equal(np.load(out), stopped.predict(x))
    assert main([*arguments, "--iteration-range", "0:3"]) == 0
    np.testing.assert_array_equal(np.load(out), stopped.predict(x, iteration_range=(0, 3)))
    assert main([*arguments, "--as-booster"]) == 0
    wanted = stopped.get_booster().predict(xgboost.DMatrix(x))
    np.testing.assert_array_equal(np.load(out), wanted)


def test_convert_keeps_the_choice(files, tmp_path, capsys):
    folder, x, stopped = files
    out = str(tmp_path / "model.spinney")
    assert main(["convert", str(folder / "stopped.json"), out, "--iteration-range", "0:2"]) == 0
    np.testing.assert_array_equal(
        spinney.load(out).predict_proba(x), stopped.predict_proba(x, iteration_range=(0, 2))
    )
    assert main(["inspect", out, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["trees_rule"] == "iteration_range=(0, 2)"
    assert facts["n_trees"] == 2 * 2 * 3 < facts["n_trees_in_file"]
    assert main(["inspect", out, "--as-booster"]) != 0
    assert "converted" in capsys.readouterr().err


def test_bench_runs_the_same_trees(files, capsys):
    folder, _, _ = files
    arguments = [
        "bench",
        str(folder / "stopped.json"),
        "--rows",
        "1",
        "--seconds",
        "0.01",
        "--quiet",
    ]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "predict_proba" in shown.out and "XGBoost" in shown.out
    assert "ONNX Runtime: runs all trees" in shown.err


@pytest.mark.parametrize("name", ["stopped.json", "booster.json", "line.json"])
def test_another_missing_value(files, name, tmp_path, capsys):
    folder, x, _ = files
    whole, rows = np.round(x), str(tmp_path / "rows.npy")
    np.save(rows, whole)
    booster = xgboost.Booster(model_file=folder / name)
    wanted = booster.predict(xgboost.DMatrix(whole, missing=1.0))
    assert (wanted != booster.predict(xgboost.DMatrix(whole))).any()
    model, out = str(folder / name), str(tmp_path / "out.npy")
    assert main(["predict", model, rows, "-o", out, "--as-booster", "--missing", "1"]) == 0
    np.testing.assert_array_equal(np.load(out), wanted)
    for options in ([], ["--as-booster"]):
        options = ["--data", rows, "--quiet", "--missing", "1", *options]
        assert main(["verify", model, *options]) == 0, capsys.readouterr().out
    converted = str(tmp_path / "model.spinney")
    assert main(["convert", model, converted, "--as-booster", "--missing", "1"]) == 0
    np.testing.assert_array_equal(spinney.load(converted).predict(whole), wanted)
    timed = ["--rows", "1", "--seconds", "0.01", "--quiet", "--as-booster", "--missing", "1"]
    assert main(["bench", model, *timed]) == 0
    assert "ONNX Runtime: takes NaN alone" in capsys.readouterr().err
    boosted = str(folder / "boosted.txt")
    assert main(["predict", boosted, rows, "--missing", "1"]) == 2
    assert "missing=1.0 goes with models of XGBoost" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["predict", model, rows, "--missing", "none"])


@pytest.mark.parametrize("options", [["--iteration-range", "3"], ["--iteration-range", "a:b"]])
def test_a_range_that_is_none(files, options, capsys):
    folder, _, _ = files
    assert main(["inspect", str(folder / "stopped.json"), *options]) != 0
    assert "0:10" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["texts", "numbers"])
def test_categories(kind, tmp_path, capsys):
    """Numbers of a file may be values or codes; Parquet keeps categories that are texts."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(5)
    values = rng.choice([10, 20, 40, 7], 300)
    given = pandas.Categorical(values.astype(str) if kind == "texts" else values)
    frame = pandas.DataFrame({"z": rng.normal(size=300), "c": given})
    fitted = lightgbm.LGBMRegressor(n_estimators=9, verbose=-1, min_data_per_group=5)
    fitted.fit(frame, frame["z"] + values % 9)
    fitted.booster_.save_model(tmp_path / "model.txt")
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    np.save(tmp_path / "rows.npy", np.column_stack([frame["z"], frame["c"].cat.codes]))
    out = str(tmp_path / "out.npy")
    arguments = ["predict", str(tmp_path / "model.txt"), "-o", out]
    assert main([*arguments, str(tmp_path / "rows.npy")]) == 0
    np.testing.assert_array_equal(np.load(out), fitted.predict(frame))
    assert (main([*arguments, str(tmp_path / "rows.parquet")]) == 0) == (kind == "texts")
    np.testing.assert_array_equal(np.load(out), fitted.predict(frame))
    assert main([*arguments, str(tmp_path / "rows.csv")]) != 0
    assert "categorical" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--by-position"]])
def test_what_a_parquet_file_does_not_keep_of_categories(options, tmp_path, capsys):
    """pandas writes categories that are numbers as plain ones: what to do is said of the file."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    codes = np.arange(300) % 3
    frame = pandas.DataFrame({"z": np.arange(300) / 7.0})
    fitted = xgboost.XGBRegressor(n_estimators=3, enable_categorical=True)
    for name, values in {"numbers": [70, 30, 50], "texts": ["x", "y", "z"]}.items():
        kinds = frame.assign(c=pandas.Categorical.from_codes(codes, values))
        fitted.fit(kinds, codes * 2.0 + frame["z"])
        fitted.save_model(tmp_path / f"{name}.json")
        kinds.to_parquet(tmp_path / f"{name}.parquet")
    command = ["predict", *options, "-o", str(tmp_path / "out.npy")]
    numbers = tmp_path / "numbers.parquet"
    assert main([*command, str(tmp_path / "numbers.json"), str(numbers)]) == 2
    said = capsys.readouterr().err
    assert f"{numbers}: column 'c' holds plain numbers" in said and "70, 30, 50" in said
    assert "codes in a .npy file" in said and "astype" not in said
    assert main([*command, str(tmp_path / "texts.json"), str(tmp_path / "texts.parquet")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), fitted.predict(kinds))
    assert main([*command, str(tmp_path / "numbers.json"), str(tmp_path / "texts.parquet")]) == 2
    said = capsys.readouterr().err
    assert "texts.parquet: column 'c' holds the category 'x'" in said and ".npy" not in said
