"""spinney predict: a model's predictions for a file of rows."""

from __future__ import annotations

import numpy as np

from spinney.cli.data import add_data_arguments, read_chunks, reading_of
from spinney.cli.errors import UserError
from spinney.cli.models import add_choice_arguments, choice_of, load_model
from spinney.cli.output import open_output
from spinney.cli.progress import Progress

EXAMPLES = """examples:
  spinney predict model.json rows.csv                     to standard output
  spinney predict model.pkl rows.parquet -o out.parquet
  spinney predict model.txt rows.npy -o proba.npy --proba

Columns are matched by name where the file and the model have names, and names that do not fit are
refused unless --by-position is said; else by position. In CSV files an empty field, NA, NaN, null
or ? is a missing value; a first line of text, of the model's names, or of 0,1,2,… is a header.
Files of any length are read in chunks of bounded size."""


def add_arguments(parser):
    parser.add_argument("model", help="a model file")
    parser.add_argument("data", help="rows: a .csv, .tsv, .npy or .parquet file")
    parser.add_argument("-o", "--output", metavar="OUT", help=".csv, .npy or .parquet file")
    add_data_arguments(parser)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--proba", action="store_true", help="class probabilities")
    kinds.add_argument("--raw", action="store_true", help="raw scores, before the link")
    kinds.add_argument("--leaf", action="store_true", help="the leaf reached in each tree")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="default: all CPUs")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_choice_arguments(parser)


def column_names(model, kind, count):
    """What the columns of the answer are called."""
    if kind == "proba" and model.classes_ is not None and len(model.classes_) == count:
        return [f"proba_{label}" for label in model.classes_]
    name = {"predict": "prediction"}.get(kind, kind)
    return [name] if count == 1 else [f"{name}_{i}" for i in range(count)]


def run(arguments):
    if arguments.threads < 0:
        raise UserError("--threads: expected 0 or more")
    model = load_model(arguments.model, choice_of(arguments))
    kind = "predict"
    for other in ("proba", "raw", "leaf"):
        if getattr(arguments, other):
            kind = other
    call = getattr(model, {"predict": "predict"}.get(kind, f"predict_{kind}"))
    progress = Progress(not arguments.quiet)
    writer, failed = None, True
    try:
        for rows in read_chunks(arguments.data, model, progress.at, reading_of(arguments)):
            values = np.asarray(call(rows, num_threads=arguments.threads or None))
            values = values.reshape(len(rows), -1)
            if writer is None:
                writer = open_output(arguments.output, column_names(model, kind, values.shape[1]))
            writer.write(values)
            progress.add_rows(len(rows))
        if writer is None:  # no row: an empty answer with the right columns
            writer = open_output(arguments.output, column_names(model, kind, 1))
        failed = False
    finally:
        if writer is not None:
            writer.close(failed)
    progress.close()
    return 0
