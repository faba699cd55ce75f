"""The command line proves CatBoost's models equal, and says what it does not read."""

from __future__ import annotations

import pytest

from catboost_models import FIXED, catboost, target_of, training_data
from spinney.cli import main


@pytest.fixture(params=["Logloss", "RMSEWithUncertainty", "MultiClass"])
def model(request):
    loss = request.param
    kind = catboost.CatBoostClassifier if "oss" in loss else catboost.CatBoostRegressor
    kind = catboost.CatBoostClassifier if loss == "MultiClass" else kind
    x, signal = training_data()
    options = {"iterations": 30, "depth": 4, "loss_function": loss, **FIXED}
    return kind(**options).fit(x, target_of(loss, signal))


def test_a_cbm_file_is_equal(model, tmp_path, capsys):
    path = tmp_path / "m.cbm"
    model.save_model(str(path))
    assert main(["verify", str(path), "--rows", "2000", "--quiet"]) == 0
    assert "JSON" not in capsys.readouterr().out


def test_json_is_within_what_catboost_s_own_reader_is_off(model, tmp_path, capsys):
    path = tmp_path / "m.json"
    model.save_model(str(path), format="json")
    assert main(["verify", str(path), "--rows", "2000", "--quiet"]) == 0
    assert main(["inspect", str(path)]) == 0
    assert "catboost" in capsys.readouterr().out


def test_some_trees(model, tmp_path):
    path = tmp_path / "m.cbm"
    model.save_model(str(path))
    choice = ["--ntree-start", "3", "--ntree-end", "20"]
    assert main(["verify", str(path), "--rows", "500", "--quiet", *choice]) == 0


def test_categories_are_refused(tmp_path, capsys):
    fitted = catboost.CatBoostRegressor(iterations=3, cat_features=[0], **FIXED)
    fitted.fit([["a", 1.0], ["b", 2.0], ["c", 0.5], ["a", 0.1]], [1, 2, 3, 4])
    path = tmp_path / "m.cbm"
    fitted.save_model(str(path))
    for command in ("verify", "bench"):
        assert main([command, str(path)]) != 0
        assert "has categories" in capsys.readouterr().err
    assert main(["inspect", str(path)]) == 0
