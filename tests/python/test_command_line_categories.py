"""Models that were trained on texts as categories take them from CSV, JSON lines and Parquet."""

import json
import sys

import numpy as np
import pytest

import spinney
from spinney.cli import main
from spinney.cli.data import read_chunks
from spinney.cli.errors import UserError

pandas = pytest.importorskip("pandas")
xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
ensemble = pytest.importorskip("sklearn.ensemble")


def frame_of(count=400):
    rng = np.random.default_rng(5)
    colours = rng.choice(["red", "green", "blue, dark", "NA-7"], count)
    sizes = rng.choice(["S", "M", "L"], count)
    frame = pandas.DataFrame({"z": rng.normal(size=count), "colour": colours, "size": sizes})
    frame.loc[3, "colour"] = None
    frame.loc[5, "z"] = np.nan
    for name in ("colour", "size"):
        frame[name] = frame[name].astype("category")
    return frame


@pytest.fixture(scope="module", params=["xgboost", "lightgbm", "sklearn"])
def case(request, tmp_path_factory):
    """A folder with a model file and rows of every kind, and what its library answers."""
    folder = tmp_path_factory.mktemp(request.param)
    frame = frame_of()
    y = frame["z"].fillna(0) + frame["colour"].cat.codes + 2 * frame["size"].cat.codes
    if request.param == "xgboost":
        fitted = xgboost.XGBRegressor(n_estimators=5, enable_categorical=True, n_jobs=1)
        fitted.fit(frame, y).save_model(folder / "model.json")
        path = folder / "model.json"
    elif request.param == "lightgbm":
        fitted = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, min_data_per_group=5)
        fitted.fit(frame, y).booster_.save_model(folder / "model.txt")
        path = folder / "model.txt"
    else:
        import joblib

        kind = ensemble.HistGradientBoostingRegressor
        fitted = kind(max_iter=5, categorical_features="from_dtype").fit(frame, y)
        path = folder / "model.joblib"
        joblib.dump(fitted, path)
    if not spinney.load(path).categories:
        pytest.skip("this version of the library stores no categories")
    turned = frame[["size", "z", "colour"]]
    turned.to_csv(folder / "rows.csv", index=False)
    turned.to_csv(folder / "rows.tsv", index=False, sep="\t")
    plain = [
        {n: None if v != v else v for n, v in row.items()} for row in turned.to_dict("records")
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, plain)))
    return folder, path, fitted, frame, fitted.predict(frame)


def answers(path, rows):
    model = spinney.load(path)
    return model.predict(np.concatenate(list(read_chunks(str(rows), model))))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("rows", ["rows.csv", "rows.tsv", "rows.jsonl"])
def test_texts_are_the_training_s_categories(case, rows, plain, monkeypatch):
    folder, path, _, _, expected = case
    if plain:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    np.testing.assert_array_equal(answers(path, folder / rows), expected)


def test_parquet_of_texts_and_of_categories(case, tmp_path):
    pytest.importorskip("pyarrow")
    _, path, _, frame, expected = case
    for kind in ("category", object):
        frame.astype({"colour": kind, "size": kind}).to_parquet(tmp_path / "rows.parquet")
        found = answers(path, tmp_path / "rows.parquet")
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("plain", [False, True])
def test_codes_in_place_of_texts_are_refused(case, tmp_path, plain, monkeypatch):
    path = case[1]
    if plain:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "rows.csv").write_text("z,colour,size\n1,red,S\n2,green,M\n3,2,L\n")
    with pytest.raises(UserError, match=r"line 4, column 2 \('colour'\): expected one of .* 2$"):
        answers(path, tmp_path / "rows.csv")


def test_a_category_that_the_training_had_not(case, tmp_path):
    path, fitted = case[1:3]
    (tmp_path / "rows.csv").write_text("z,colour,size\n1,red,S\n2,pink,M\n")
    model = spinney.load(path)
    if model.source["library"] == "xgboost":
        with pytest.raises(UserError, match=r"line 3, column 2 .* category 'pink'"):
            answers(path, tmp_path / "rows.csv")
        return
    new = pandas.DataFrame({"z": [1.0, 2.0], "colour": ["red", "pink"], "size": ["S", "M"]})
    new = new.astype({"colour": "category", "size": "category"})
    np.testing.assert_array_equal(answers(path, tmp_path / "rows.csv"), fitted.predict(new))


def test_numbers_where_texts_belong_in_json(case, tmp_path):
    path = case[1]
    rows = [{"z": 1, "colour": "red", "size": "S"}, {"z": 1, "colour": 1, "size": "S"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match="line 2: 'colour': expected one of the categories"):
        answers(path, tmp_path / "rows.jsonl")


def test_verify_reads_texts(case, capsys):
    folder, path = case[:2]
    trusted = ["--trusted"] if path.suffix == ".joblib" else []
    status = main(["verify", str(path), "--data", str(folder / "rows.csv"), *trusted])
    assert (status, "verified" in capsys.readouterr().out) == (0, True)


def test_texts_without_a_header(case, tmp_path):
    _, path, _, frame, expected = case
    frame.to_csv(tmp_path / "rows.csv", index=False, header=False)
    with pytest.raises(UserError, match="say --header"):
        answers(path, tmp_path / "rows.csv")
    out = str(tmp_path / "out.npy")
    command = ["predict", str(path), str(tmp_path / "rows.csv"), "--no-header", "-o", out]
    assert main(command) == 0
    np.testing.assert_array_equal(np.load(out), expected)
