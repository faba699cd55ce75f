"""The README's first lines of Python run as they stand, where `make demo` left my_model.pkl."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).resolve().parent.parent.parent / "README.md"


def test_the_first_lines_run(tmp_path, monkeypatch):
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 10))
    forest = ensemble.RandomForestRegressor(5, random_state=0).fit(x, x[:, 0])
    monkeypatch.chdir(tmp_path)
    Path("my_model.pkl").write_bytes(pickle.dumps(forest))
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names = {"rows": x}
    exec(block, names)
    np.testing.assert_array_equal(names["model"].predict(x), forest.predict(x))
