"""The commands that docs/command-line.md and the helps show are run as they stand."""

import gzip
import json
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spinney.cli import COMMANDS, make_parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"
xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of the names that the examples have."""
    folder = tmp_path_factory.mktemp("page")
    x = np.random.default_rng(0).normal(size=(40, 3))
    names = ["age", "height", "weight"]
    frame = pandas.DataFrame(x, columns=names)
    model = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(frame, x[:, 0])
    model.save_model(folder / "model.json")
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    data = lightgbm.Dataset(x, x[:, 0] > 0)
    booster = lightgbm.train({"objective": "binary", "verbose": -1}, data, 60)
    booster.save_model(folder / "model.txt")
    np.save(folder / "rows.npy", x)
    frame.insert(0, "id", range(40))
    frame.insert(1, "date", "2024-01-01")
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_parquet(folder / "rows.parquet")
    frame.to_json(folder / "rows.jsonl", orient="records", lines=True)
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    return folder


def examples():
    """Commands of the page, and of each command's help."""
    (block,) = re.findall(r"## predict\n\n```\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = block.splitlines()
    for name, (module, _) in COMMANDS.items():
        text = __import__(f"spinney.cli.{module}", fromlist=["EXAMPLES"]).EXAMPLES
        found = [line.strip() for line in text.split("\n\n")[0].splitlines()[1:]]
        assert found, name
        # serve does not end by itself; test_serving_lifecycle.py runs it
        lines += found if name not in ("completion", "serve") else []
    # What stands behind wide space says what the line does.
    return list(dict.fromkeys(re.split(r"\s{3,}", line.strip())[0] for line in lines))


@pytest.mark.parametrize("line", examples())
def test_examples(folder, line):
    for program in re.findall(r"(?:^|\| )(\w+)", line):
        if program != "spinney" and shutil.which(program) is None:
            pytest.skip(f"{program} is not here")
    if "--chart" in line:
        pytest.importorskip("matplotlib")
    if line.startswith("spinney bench"):
        line += " --seconds 0.001"
    spinney = f'spinney() {{ {shlex.quote(sys.executable)} -m spinney.cli "$@"; }}\n'
    ran = subprocess.run(
        ["bash", "-c", spinney + "set -o pipefail\n" + line],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.returncode == 0, (line, ran.stderr)
    assert "Traceback" not in ran.stderr
    if "-o" not in line and not line.startswith("spinney convert"):
        assert ran.stdout


def test_the_page_names_every_command_and_option():
    text = PAGE.read_text()
    for name in ("--keep", "--delimiter", "--quote", "--decimal", "--encoding", "--input-format"):
        assert name in text
    helped = make_parser().format_help()
    for name in COMMANDS:
        assert name in helped and name in text


def test_json_out_is_what_jq_reads(folder):
    arguments = "predict model.json rows.csv.gz --output-format jsonl --keep id".split()
    ran = subprocess.run(
        [sys.executable, "-m", "spinney.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [row["id"] for row in rows] == list(map(str, range(40)))
