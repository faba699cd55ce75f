"""spinney verify: prove on the user's data, or on hard rows, that answers are the library's own."""

from __future__ import annotations

import warnings

import numpy as np

from spinney.cli.data import read_chunks
from spinney.cli.errors import UserError
from spinney.cli.hard_rows import hard_rows
from spinney.cli.models import load_model
from spinney.cli.original import as_named_rows, open_original
from spinney.cli.progress import Progress
from spinney.cli.table import print_table
from spinney.ulp import ulp_distance

EXAMPLES = """examples:
  spinney verify model.json                     on 10,000 rows made from the model's thresholds
  spinney verify model.json --data rows.csv     on your rows
  spinney verify model.pkl --trusted            a pickle: its library has to unpickle it

Exit status 0: every answer is within --tolerance ulp (0 unless given). 1: some are not."""

METHODS = ("predict_raw", "predict_proba", "predict")


def add_arguments(parser):
    parser.add_argument("model", help="a model file")
    parser.add_argument("--data", metavar="ROWS", help=".csv, .tsv, .npy or .parquet file")
    parser.add_argument("--rows", type=int, default=10_000, help="rows to make without --data")
    parser.add_argument("--seed", type=int, default=0, help="of the rows that are made")
    parser.add_argument("--trusted", action="store_true", help="the model file may be unpickled")
    parser.add_argument(
        "--tolerance", type=int, default=0, metavar="ULP", help="largest difference allowed"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


class Tally:
    """Equal and unequal answers of one method."""

    def __init__(self):
        self.rows = self.equal_rows = 0
        self.largest = 0
        self.mismatch = None  # what is wrong with shape, dtype or labels
        self.worst_row = None  # number of the row with the largest difference

    def add(self, ours, theirs):
        first = self.rows
        self.rows += len(ours)
        if ours.shape != theirs.shape or ours.dtype.kind != theirs.dtype.kind:
            self.mismatch = f"{ours.dtype}{ours.shape}, expected {theirs.dtype}{theirs.shape}"
            return
        if theirs.dtype in (np.float32, np.float64):
            if ours.dtype != theirs.dtype:
                self.mismatch = f"{ours.dtype}, expected {theirs.dtype}"
                return
            apart = ulp_distance(ours, theirs).reshape(len(ours), -1).max(axis=1, initial=0)
        else:
            apart = (ours != theirs).reshape(len(ours), -1).any(axis=1).astype(np.uint64)
            if apart.any() and self.mismatch is None:
                row = int(np.argmax(apart))
                self.mismatch = f"{ours[row]!r}, expected {theirs[row]!r}"
        self.equal_rows += int((apart == 0).sum())
        if len(apart) and int(apart.max()) > self.largest:
            self.largest = int(apart.max())
            self.worst_row = first + int(np.argmax(apart))

    def ok(self, tolerance):
        return self.mismatch is None and self.largest <= tolerance


def made_rows(model, original, arguments):
    """Hard rows that the library accepts: with NaN and infinities if it takes them."""
    dtype = np.float32 if model._cast_type == "float32" else np.float64
    for missing, infinite in ((True, True), (True, False), (False, False)):
        rows = hard_rows(model, arguments.rows, dtype, missing, infinite, arguments.seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                original.answers["predict"](as_named_rows(original, model, rows))
        except Exception as error:
            refusal = error
            continue
        return rows, missing, infinite
    raise UserError(f"{original.library} refuses the rows: {str(refusal).splitlines()[0]}")


def compare(model, original, chunks, progress):
    """A Tally for each method that both have."""
    tallies = {
        name: Tally() for name in METHODS if name in original.answers and hasattr(model, name)
    }
    for rows in chunks:
        named = as_named_rows(original, model, rows)
        for name, tally in list(tallies.items()):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = np.asarray(original.answers[name](named))
            tally.add(np.asarray(getattr(model, name)(rows)), theirs)
        progress.add_rows(len(rows))
    progress.close()
    return tallies


def run(arguments):
    if arguments.rows < 1:
        raise UserError("--rows: expected 1 or more")
    model = load_model(arguments.model)
    original = open_original(arguments.model, model, arguments.trusted)
    progress = Progress(not arguments.quiet)
    if arguments.data:
        chunks = read_chunks(arguments.data, model, progress.at)
        what = arguments.data
    else:
        rows, missing, infinite = made_rows(model, original, arguments)
        chunks = (rows[i : i + 4096] for i in range(0, len(rows), 4096))
        kinds = ["thresholds and their neighbours", "zeros", "denormals", "huge numbers"]
        kinds += ["NaN"] * missing + ["infinities"] * infinite
        what = f"rows of {', '.join(kinds)}"
    print(f"{arguments.model} against {original.library} {original.version}, on {what}")
    tallies = compare(model, original, chunks, progress)
    table = []
    for name, tally in tallies.items():
        difference = tally.mismatch or f"{tally.largest:,} ulp"
        if tally.worst_row is not None:
            difference += f" (row {tally.worst_row:,})"
        table.append([name, f"{tally.rows:,}", f"{tally.equal_rows:,}", difference])
    print_table(["method", "rows", "equal", "largest difference"], table)
    good = all(tally.ok(arguments.tolerance) for tally in tallies.values())
    print("verified" if good else "DIFFERENT")
    return 0 if good else 1
