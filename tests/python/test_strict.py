"""strict=True refuses what the estimator's own library refuses, and answers what it answers."""

import warnings

import numpy as np
import pytest

import spinney

ensemble = pytest.importorskip("sklearn.ensemble")
linear = pytest.importorskip("sklearn.linear_model")
tree = pytest.importorskip("sklearn.tree")

VALUES = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e39, 1e37]


def trained(estimator, missing=False, categories=False):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 4))
    y = x[:, 0] + x[:, 1] ** 2
    if type(estimator).__name__.endswith("Classifier") or hasattr(estimator, "predict_proba"):
        y = (y > 1).astype(int)
    if missing:
        x[rng.random(x.shape) < 0.1] = np.nan
    if categories:
        x[:, 3] = rng.choice([3, 7, 9], len(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return estimator.fit(x, y)
        except ValueError:
            if not missing:
                raise
            return pytest.skip("this scikit-learn takes no NaN here")


def kinds():
    small = {"max_depth": 3, "random_state": 0}
    for name in ("Regressor", "Classifier"):
        one = getattr(tree, f"DecisionTree{name}")(**small)
        forest = getattr(ensemble, f"RandomForest{name}")(2, **small)
        histogram = getattr(ensemble, f"HistGradientBoosting{name}")
        line = linear.LinearRegression() if name == "Regressor" else linear.LogisticRegression()
        yield f"tree {name}", one, {}
        yield f"tree {name} with NaN", one, {"missing": True}
        yield f"forest {name}", forest, {}
        yield f"histogram {name}", histogram(max_iter=3), {}
        yield f"histogram {name} with NaN", histogram(max_iter=3), {"missing": True}
        coded = histogram(max_iter=3, categorical_features=[3])
        yield f"histogram {name} with categories", coded, {"categories": True}
        yield f"boosting {name}", getattr(ensemble, f"GradientBoosting{name}")(n_estimators=2), {}
        yield f"line {name}", line, {}
        members = {"tree": one, "forest": forest, "histogram": histogram(max_iter=3), "line": line}
        voting = getattr(ensemble, f"Voting{name}")
        for member, made in members.items():
            yield f"voting {name} over {member}", voting([("a", made)]), {}
        mixed = voting([("a", forest), ("b", histogram(max_iter=3)), ("c", line)])
        yield f"voting {name} over several", mixed, {}
        bagging = getattr(ensemble, f"Bagging{name}")
        yield f"bagging {name}", bagging(n_estimators=2, random_state=0), {}
        yield f"bagging {name} over lines", bagging(line, n_estimators=2, random_state=0), {}
        part = bagging(line, n_estimators=1, max_features=2, random_state=0)
        yield f"bagging {name} over some columns", part, {}
        ada = getattr(ensemble, f"AdaBoost{name}")
        yield f"ada {name}", ada(n_estimators=2, random_state=0), {}
    yield "isolation", ensemble.IsolationForest(n_estimators=2, random_state=0), {}


def xgboost_kinds():
    xgboost = pytest.importorskip("xgboost")
    for missing in (np.nan, 0.0, np.inf, -np.inf):
        for booster in ("gbtree", "dart", "gblinear"):
            made = xgboost.XGBRegressor(booster=booster, missing=missing, n_estimators=2, n_jobs=1)
            yield f"{booster} missing={missing}", made
    lines = xgboost.XGBRegressor(booster="gblinear", n_estimators=2)
    trees = xgboost.XGBRegressor(n_estimators=2)
    yield "voting over gblinear", ensemble.VotingRegressor([("a", lines)])
    yield "voting over trees", ensemble.VotingRegressor([("a", trees)])
    yield "bagging over gblinear", ensemble.BaggingRegressor(lines, n_estimators=2)


def compare(model, predict, columns=range(4)):
    """Every value in every column, one at a time."""
    for column in columns:
        for value in VALUES:
            rows = np.full((3, 4), 0.5)
            rows[1, column] = value
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                for given in (rows, rows.astype(np.float32)):
                    try:
                        wanted = predict(given)
                    except Exception as error:
                        assert "inf" in str(error).lower() or "nan" in str(error).lower()
                        with pytest.raises(spinney.InvalidInputError, match=f"column {column} is"):
                            model.predict(given, strict=True)
                        continue
                    answer = model.predict(given, strict=True)
                    np.testing.assert_allclose(answer, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "options"), [pytest.param(e, o, id=name) for name, e, o in kinds()]
)
def test_strict_is_the_library_s(estimator, options):
    estimator = trained(estimator, **options)
    model = spinney.load(estimator)
    compare(model, estimator.predict)
    compare(spinney.Model.from_bytes(model.to_bytes()), estimator.predict, [3])


@pytest.mark.parametrize("estimator", [pytest.param(e, id=name) for name, e in xgboost_kinds()])
def test_strict_is_xgboost_s(estimator):
    estimator = trained(estimator)
    compare(spinney.load(estimator), estimator.predict)


def test_strict_is_a_booster_s():
    xgboost = pytest.importorskip("xgboost")
    for kind in ("gbtree", "dart", "gblinear"):
        made = trained(xgboost.XGBRegressor(booster=kind, n_estimators=2))
        booster = made.get_booster()
        compare(spinney.load(booster), lambda x, b=booster: b.predict(xgboost.DMatrix(x)))


@pytest.mark.parametrize(
    ("estimator", "options"),
    [pytest.param(e, o, id=name) for name, e, o in kinds() if "histogram" not in name],
)
def test_strict_is_the_library_s_of_sparse_rows(estimator, options):
    """scikit-learn's trees take NaN in dense rows and refuse it in sparse ones."""
    sparse = pytest.importorskip("scipy.sparse")
    if "several" in str(estimator) or "HistGradient" in str(estimator):
        pytest.skip("histogram boosting takes no sparse rows")
    estimator = trained(estimator, **options)
    model = spinney.load(estimator)
    for value in VALUES:
        rows = np.full((3, 4), 0.5)
        rows[1, 2] = value
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for given in (sparse.csr_matrix(rows), sparse.csc_matrix(rows.astype(np.float32))):
                try:
                    wanted = estimator.predict(given)
                except ValueError:
                    with pytest.raises(spinney.InvalidInputError, match="row 1, column 2 is"):
                        model.predict(given, strict=True)
                    continue
                answer = model.predict(given, strict=True)
                if not (np.isnan(value) and "Isolation" in str(estimator)):  # on purpose otherwise
                    np.testing.assert_allclose(answer, wanted, rtol=1e-6)
