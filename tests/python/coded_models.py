"""A model with columns of text for tests, its rows as people have them and as codes."""

import numpy as np
import pytest

import spinney

pandas = pytest.importorskip("pandas")
ensemble = pytest.importorskip("sklearn.ensemble")

NUMBER, TEXT, BOOLEAN = 0, 1, 2
JOBS = ["clerk", "cook", "", "smith \U0001f332", "\ud800", "a\0b"]
TOWNS = [f"town {i}" for i in range(40)]
NAMES = ["age", "job", "wage", "town", "is new"]
CODES = np.random.default_rng(0).integers(0, 40, (60, 5)).astype(np.float64)
CODES[:, 0] -= 20.5
CODES[:, 1] %= 7  # 6 is a job that it does not know
CODES[::7, 1] = np.nan
CODES[:, 3] %= 40
CODES[:, 4] %= 2
CODES[::11, 2] = np.nan


def bare_model():
    """The forest behind the codes: what coded rows must give."""
    y = (np.nan_to_num(CODES) @ [1, 5, 1, 2, 9]) % 7
    x = np.nan_to_num(CODES, nan=-1)
    fitted = ensemble.HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=2).fit(x, y)
    return spinney.load(fitted)


def coded_model(bare):
    return bare._with_schema(
        [
            ("age", NUMBER, [], False, True),
            ("job", TEXT, JOBS, True, True),
            ("wage", NUMBER, [], True, True),
            ("town", TEXT, TOWNS, False, False),
            ("is new", BOOLEAN, [], True, True),
        ]
    )


def cells():
    rows = []
    for age, job, wage, town, new in CODES:
        known = None if np.isnan(job) else [*JOBS, "unknown"][int(job)]
        wage = None if np.isnan(wage) else float(wage)
        rows.append([float(age), known, wage, TOWNS[int(town)], bool(new)])
    return rows


ROWS = cells()
DICTS = [dict(zip(NAMES, row)) for row in ROWS]
OBJECTS = pandas.DataFrame(ROWS, columns=NAMES, dtype=object)
FRAME = OBJECTS.astype({"age": float, "wage": float, "is new": bool})
PRINTABLE = [i for i, row in enumerate(ROWS) if row[1] != "\ud800"]  # what Arrow can hold


class Mapping(dict):
    """Of a user's own."""
