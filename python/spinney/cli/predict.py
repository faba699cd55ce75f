"""spinney predict: a model's predictions for a file of rows."""

from __future__ import annotations

import numpy as np

from spinney.cli.data import add_data_arguments, read_parts, reading_of
from spinney.cli.errors import UserError
from spinney.cli.kept import refuse_same_names
from spinney.cli.models import add_choice_arguments, choice_of, load_for_numbers
from spinney.cli.output import FORMATS, open_output, refuse_output
from spinney.cli.progress import Progress

EXAMPLES = """examples:
  spinney predict model.json rows.csv                     to standard output, as CSV
  spinney predict model.pkl rows.parquet -o out.parquet
  spinney predict model.txt rows.npy -o proba.npy --proba
  spinney predict model.json rows.csv.gz -o out.csv.gz --keep id
  zcat rows.csv.gz | spinney predict model.json - | head
  spinney predict model.json rows.jsonl --output-format jsonl | jq .prediction

Rows are CSV, TSV, JSON lines, .npy, Parquet or Arrow, compressed by gzip, zstd, bzip2 or xz or not
at all; - is standard input. Delimiter, quotes and decimal mark of CSV are told from the first rows.
Columns are matched by name where the file and the model have names, and names that do not fit are
refused unless --by-position is said; else by position. In CSV files an empty field, NA, NaN, null
or ? is a missing value; a first line of text, of the model's names, or of 0,1,2,… is a header.
Files of any length are read in parts of bounded size."""


def add_arguments(parser):
    parser.add_argument("model", help="a model file")
    parser.add_argument("data", metavar="ROWS", help="a file of rows, or - for standard input")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        default="-",
        help=".csv, .tsv, .jsonl (these also .gz, .zst), .npy, .parquet or .arrow file; "
        "- for standard output, the default",
    )
    parser.add_argument("--output-format", choices=FORMATS, help="where OUT does not say it")
    parser.add_argument(
        "--keep",
        action="append",
        metavar="COLUMNS",
        help="columns of the rows' file to pass through, such as id or id,date; may be repeated",
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--proba", action="store_true", help="class probabilities")
    kinds.add_argument("--raw", action="store_true", help="raw scores, before the link")
    kinds.add_argument("--leaf", action="store_true", help="the leaf reached in each tree")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="default: all CPUs")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_data_arguments(parser)
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
    reading = reading_of(arguments)
    refuse_output(arguments.output, arguments.output_format)
    model = load_for_numbers(arguments.model, choice_of(arguments))
    kind = "predict"
    for other in ("proba", "raw", "leaf"):
        if getattr(arguments, other):
            kind = other
    call = getattr(model, {"predict": "predict"}.get(kind, f"predict_{kind}"))
    progress = Progress(not arguments.quiet, arguments.output)
    writer, failed = None, True

    def opened(names, kept=()):
        refuse_same_names(kept, names)
        return open_output(arguments.output, names, arguments.output_format)

    try:
        for part in read_parts(arguments.data, model, progress.at, reading):
            values = np.asarray(call(part.rows, num_threads=arguments.threads or None))
            values = values.reshape(len(part.rows), -1)
            if writer is None:
                writer = opened(column_names(model, kind, values.shape[1]), part.kept)
            writer.write(values, part.kept)
            progress.add_rows(len(part.rows))
        if writer is None:  # no row: an empty answer with the right columns
            writer = opened(column_names(model, kind, _columns_without_rows(model, call)))
        failed = False
    finally:
        progress.close(failed)
        if writer is not None:
            writer.close(failed)
    return 0


def _columns_without_rows(model, call):
    empty = np.empty((0, model.n_features))
    try:
        shape = np.shape(call(empty))
    except Exception:
        return 1
    return shape[1] if len(shape) > 1 else 1
