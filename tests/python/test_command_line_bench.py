"""spinney bench: rivals that cannot run are named, charts show all."""

import pickle
import sys

import numpy as np
import pytest

import spinney
from spinney.cli import main
from spinney.cli.chart import save_times
from spinney.cli.rivals import Subject, find_rivals
from spinney.cli.timing import Timing

datasets = pytest.importorskip("sklearn.datasets")
ensemble = pytest.importorskip("sklearn.ensemble")
xgboost = pytest.importorskip("xgboost")
QUICK = ["--rows", "1,8", "--seconds", "0.001", "--trusted"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The demonstration's regressors, smaller; its rows, and the same with a missing value."""
    folder = tmp_path_factory.mktemp("bench")
    x, y = datasets.load_diabetes(return_X_y=True)
    models = {
        "forest": ensemble.RandomForestRegressor(5, random_state=0),
        "gradient": ensemble.GradientBoostingRegressor(n_estimators=5),
        "histogram": ensemble.HistGradientBoostingRegressor(max_iter=5),
        "xgb": xgboost.XGBRegressor(n_estimators=5, n_jobs=1),
    }
    for name, model in models.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model.fit(x, y)))
    x = x.copy()
    x[5, 2] = np.nan
    np.savetxt(folder / "missing.csv", x, delimiter=",")
    return folder


@pytest.mark.parametrize("model", ["forest", "gradient", "histogram", "xgb"])
@pytest.mark.parametrize("data", [[], ["--data", "missing.csv"]])
def test_regressors_of_the_demonstration(folder, model, data, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["bench", f"{model}.pkl", *QUICK, *data]) == 0
    said = capsys.readouterr()
    assert "Spinney" in said.out and "Traceback" not in said.err
    library = "XGBoost" if model == "xgb" else "scikit-learn"
    if model == "gradient" and data:
        assert library not in said.out
        assert "scikit-learn: cannot run these rows (Input X contains NaN.)" in said.err
    else:
        assert library in said.out


def test_verify_says_that_the_library_refuses_the_rows(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["verify", "gradient.pkl", "--trusted", "--data", "missing.csv"]) == 2
    said = capsys.readouterr().err
    assert said == "spinney verify: scikit-learn refuses the rows: Input X contains NaN.\n"


def test_a_pickled_booster_has_all_its_rivals(folder):
    """They are made from the object, not from the file, which they cannot read."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxmltools")
    model = pickle.loads((folder / "xgb.pkl").read_bytes())
    path = str(folder / "xgb.pkl")
    rivals, notes = find_rivals(Subject(path, "xgboost", model, 10, "predict"))
    assert "ONNX Runtime" in [rival.name for rival in rivals], notes
    rows = datasets.load_diabetes().data[:9].astype(np.float32)
    expected = model.predict(rows)
    for rival in rivals:
        np.testing.assert_allclose(np.ravel(rival.call(rows)), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("chart", "message"),
    [
        ("times.pdf", "charts are written as .png or .svg"),
        ("absent/times.svg", "there is no folder"),
        ("times.svg", "charts need matplotlib: pip install matplotlib"),
    ],
)
def test_a_chart_that_cannot_be_is_refused_before_the_work(
    folder, chart, message, capsys, monkeypatch
):
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("spinney.cli.bench.measure", lambda *_: pytest.fail("it was timed"))
    assert main(["bench", "forest.pkl", *QUICK, "--chart", chart]) == 2
    assert message in capsys.readouterr().err


def test_the_chart_names_every_rival_with_its_ratio(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    times = {
        1: {"Spinney": 2e-7, "ONNX Runtime": 3e-7, "scikit-learn": 8e-3},
        64: {"Spinney": 2e-6, "ONNX Runtime": 1e-6},
    }
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        save_times(str(tmp_path / "t.svg"), "model.pkl", times, ["daal4py: not installed"])
    text = (tmp_path / "t.svg").read_text()
    for shown in ("(40000×)", "(1.5×)", "(0.5×)", "not run", "daal4py: not installed", "8.0 ms"):
        assert shown in text, shown


def test_bars_of_a_chart_are_seen_whatever_the_ratio(tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    widths = []
    monkeypatch.setattr(pyplot, "close", lambda figure: widths.extend(_widths(figure)))
    times = {1: {"Spinney": 2e-7, "ONNX Runtime": 3e-7, "scikit-learn": 8e-3}}
    save_times(str(tmp_path / "t.png"), "model.pkl", times)
    assert len(widths) == 3 and min(widths) > 0.03, widths


def _widths(figure):
    """Of each bar, as a share of its panel."""
    panel = figure.axes[0]
    frame = panel.get_window_extent()
    return [bar.get_window_extent().width / frame.width for bar in panel.patches]


def test_rows_that_spinney_itself_refuses_are_an_error(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    np.save("narrow.npy", np.zeros((3, 4)))
    assert main(["bench", "forest.pkl", *QUICK, "--data", "narrow.npy"]) == 2
    assert "(rows, 10)" in capsys.readouterr().err
    assert spinney.load("forest.pkl").n_features == 10


def test_rivals_without_an_option_have_one_thread(folder, capsys, monkeypatch):
    """Histogram boosting takes as many as OpenMP has."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    seen = []

    def measure(*_):
        seen.extend(pool["num_threads"] for pool in threadpoolctl.threadpool_info())
        return {"0": Timing(1e-6, 1e-6, 5), "1": Timing(1e-3, 1e-3, 5)}

    monkeypatch.chdir(folder)
    monkeypatch.setattr("spinney.cli.bench.measure", measure)
    with threadpoolctl.threadpool_limits(3):
        assert main(["bench", "histogram.pkl", *QUICK]) == 0
    assert seen and set(seen) == {1}
    assert "scikit-learn" in capsys.readouterr().out
