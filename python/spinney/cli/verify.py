"""spinney verify: prove on the user's data, or on hard rows, that answers are the library's own."""

from __future__ import annotations

import warnings

import numpy as np

from spinney.cli.bounds import Bound, bounds_of
from spinney.cli.data import add_data_arguments, read_chunks, reading_of
from spinney.cli.errors import UserError
from spinney.cli.hard_rows import hard_rows
from spinney.cli.models import add_choice_arguments, choice_of, load_for_numbers
from spinney.cli.original import as_named_rows, open_original
from spinney.cli.progress import Progress
from spinney.cli.rivals import LIBRARIES, shown_error
from spinney.cli.table import print_table

EXAMPLES = """examples:
  spinney verify model.json                     on 10,000 rows made from the model's thresholds
  spinney verify model.json --data rows.csv     on your rows
  spinney verify model.pkl --trusted            a pickle: its library has to unpickle it

Exit status 0: every answer is equal, or within what docs/exactness.md states for the few kinds
of models whose library's own answers vary with the CPU; --tolerance sets another bound for all. 1:
some are not."""

METHODS = ("predict_raw", "decision_function", "score_samples", "predict_proba", "predict")


def add_arguments(parser):
    parser.add_argument("model", help="a model file")
    parser.add_argument("--data", metavar="ROWS", help="a file of rows as predict reads it, or -")
    add_data_arguments(parser)
    parser.add_argument("--rows", type=int, default=10_000, help="rows to make without --data")
    parser.add_argument("--seed", type=int, default=0, help="of the rows that are made")
    parser.add_argument("--trusted", action="store_true", help="the model file may be unpickled")
    parser.add_argument(
        "--tolerance", type=int, metavar="ULP", help="largest difference allowed, for all methods"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_choice_arguments(parser)


class Tally:
    """Equal and unequal answers of one method, and whether they keep its bound."""

    def __init__(self, bound):
        self.bound = bound
        self.kept = True
        self.rows = self.equal_rows = 0
        self.largest = 0
        self.mismatch = None  # what is wrong with shape, dtype or labels
        self.worst_row = None  # number of the row with the largest difference

    def add(self, ours, theirs, rows):
        first = self.rows
        self.rows += len(ours)
        if ours.shape != theirs.shape or ours.dtype.kind != theirs.dtype.kind:
            self.mismatch = f"{ours.dtype}{ours.shape}, expected {theirs.dtype}{theirs.shape}"
            return
        if theirs.dtype in (np.float32, np.float64):
            if ours.dtype != theirs.dtype:
                self.mismatch = f"{ours.dtype}, expected {theirs.dtype}"
                return
            apart, allowed = self.bound.distances(ours, theirs, rows)
            self.kept &= bool(allowed.all())
            apart = apart.reshape(len(ours), -1).max(axis=1, initial=0)
        else:
            apart = (ours != theirs).reshape(len(ours), -1).any(axis=1).astype(np.uint64)
            if apart.any() and self.mismatch is None:
                row = int(np.argmax(apart))
                self.mismatch = f"{ours[row]!r}, expected {theirs[row]!r}"
        self.equal_rows += int((apart == 0).sum())
        if len(apart) and int(apart.max()) > self.largest:
            self.largest = int(apart.max())
            self.worst_row = first + int(np.argmax(apart))

    def ok(self):
        return self.mismatch is None and self.kept


# missing, infinite, huge: libraries refuse some of these.
KINDS = [
    (True, True, True),
    (True, False, True),
    (False, False, True),
    (True, False, False),
    (False, False, False),
]


def made_rows(model, original, arguments):
    """Hard rows that the library accepts, and what is in them."""
    dtype = np.float32 if model._cast_type == "float32" else np.float64
    for missing, infinite, huge in KINDS:
        rows = hard_rows(model, arguments.rows, dtype, missing, infinite, arguments.seed, huge)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                original.answers["predict"](as_named_rows(original, model, rows))
        except Exception as error:
            refusal = error
            continue
        kinds = ["thresholds and their neighbours", "zeros", "denormals"]
        kinds += ["huge numbers"] * huge + ["NaN"] * missing + ["infinities"] * infinite
        return rows, f"rows of {', '.join(kinds)}"
    raise UserError(f"{LIBRARIES[original.library]} refuses the rows: {shown_error(refusal)}")


def _answers(original, name, rows):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(original.answers[name](rows))
    except Exception as error:
        raise UserError(
            f"{LIBRARIES[original.library]} refuses the rows: {shown_error(error)}"
        ) from None


def compare(model, original, chunks, progress, tolerance):
    """A Tally for each method that both have."""
    bounds = bounds_of(model, original) if tolerance is None else {}
    plain = Bound() if not tolerance else Bound(tolerance, shown=f"{tolerance} ulp")
    tallies = {name: Tally(bounds.get(name, plain)) for name in METHODS if name in original.answers}
    for rows in chunks:
        named = as_named_rows(original, model, rows)
        for name, tally in list(tallies.items()):
            theirs = _answers(original, name, named)
            tally.add(np.asarray(getattr(model, name)(rows)), theirs, rows)
        progress.add_rows(len(rows))
    progress.close()
    return tallies


def run(arguments):
    if arguments.rows < 1:
        raise UserError("--rows: expected 1 or more")
    reading = reading_of(arguments)
    choice = choice_of(arguments)
    model = load_for_numbers(arguments.model, choice)
    original = open_original(arguments.model, model, arguments.trusted, choice)
    progress = Progress(not arguments.quiet)
    if arguments.data:
        chunks = read_chunks(arguments.data, model, progress.at, reading)
        what = arguments.data
    else:
        rows, what = made_rows(model, original, arguments)
        chunks = (rows[i : i + 4096] for i in range(0, len(rows), 4096))
    print(f"{arguments.model} against {original.library} {original.version}, on {what}")
    tallies = compare(model, original, chunks, progress, arguments.tolerance)
    table = []
    for name, tally in tallies.items():
        difference = tally.mismatch or f"{tally.largest:,} ulp"
        if tally.worst_row is not None:
            difference += f" (row {tally.worst_row:,})"
        table.append(
            [name, f"{tally.rows:,}", f"{tally.equal_rows:,}", difference, tally.bound.shown]
        )
    print_table(["method", "rows", "equal", "largest difference", "expected"], table)
    return say_verdict(list(tallies.values()))


def say_verdict(tallies):
    """Prints it, and gives the exit status."""
    if not all(tally.ok() for tally in tallies):
        print("DIFFERENT")
        return 1
    reasons = {tally.bound.reason: None for tally in tallies if tally.largest}
    stated = [reason for reason in reasons if reason]
    print(f"verified, within the bounds stated: {'; '.join(stated)}" if stated else "verified")
    return 0
