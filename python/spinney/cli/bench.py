"""spinney bench: how long the model takes here, and with every rival that is installed."""

from __future__ import annotations

import contextlib
import sys
import warnings

import numpy as np

from spinney.cli.chart import refuse_chart, save_times
from spinney.cli.data import add_data_arguments, read_chunks, reading_of
from spinney.cli.errors import UserError
from spinney.cli.hard_rows import plain_rows
from spinney.cli.models import add_choice_arguments, choice_of, load_for_numbers
from spinney.cli.original import open_original
from spinney.cli.rivals import Subject, find_rivals, shown_error
from spinney.cli.table import print_table, shown_ratio, shown_seconds
from spinney.cli.timing import fastest_of, measure

EXAMPLES = """examples:
  spinney bench model.json
  spinney bench model.json --data rows.csv --rows 1,256 --chart times.svg
  spinney bench model.pkl --trusted             a pickle: its library has to unpickle it

Rivals: the training library, ONNX Runtime and daal4py where they are installed; with --compiled
also lleaves and TL2cgen, which compile for minutes. All on one thread, taking turns. One that
cannot run the model, or refuses the rows, is named with its reason."""

OURS = "Spinney"


def _sizes(text):
    try:
        sizes = [int(one) for one in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise UserError(f"--rows: expected numbers such as 1,64,10000, found {text!r}")
    return list(dict.fromkeys(sizes))


def add_arguments(parser):
    parser.add_argument("model", help="a model file")
    parser.add_argument("--data", metavar="ROWS", help="a file of rows as predict reads it, or -")
    add_data_arguments(parser)
    parser.add_argument("--rows", default="1,64,10000", help="rows in a call (1,64,10000)")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each measurement")
    parser.add_argument("--chart", metavar="OUT", help="write a chart, .png or .svg")
    parser.add_argument("--trusted", action="store_true", help="the model file may be unpickled")
    parser.add_argument("--compiled", metavar="FOLDER", help="also rivals that compile, kept there")
    parser.add_argument("--quiet", action="store_true", help="the table only")
    add_choice_arguments(parser)


def _rows(arguments, model, most):
    reading = reading_of(arguments)
    if not arguments.data:
        return plain_rows(model, min(most * 4, max(40_960, most)))
    parts, count = [], 0
    for part in read_chunks(arguments.data, model, None, reading):
        with np.errstate(over="ignore"):  # beyond float32 is infinity
            parts.append(np.asarray(part, np.float32))
        count += len(part)
        if count >= most * 4:
            break
    if not count:
        raise UserError(f"{arguments.data}: has no rows")
    rows = np.concatenate(parts)
    return rows if count >= most else np.resize(rows, (most, rows.shape[1]))


def _rivals(arguments, model, method):
    try:
        choice = choice_of(arguments)
        original = open_original(arguments.model, model, arguments.trusted, choice)
    except UserError as error:
        return [], [str(error)]
    return find_rivals(
        Subject(
            path=arguments.model,
            library=original.library,
            original=original.model,
            n_features=model.n_features,
            method=method,
            compiled=arguments.compiled,
            trees=original.trees,
            missing=original.missing,
            all_trees=model.n_trees == model.info()["n_trees_in_file"],
        )
    )


def _say(arguments, text):
    """A passing line on the terminal; none clears it."""
    if sys.stderr.isatty() and not arguments.quiet:
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _one_thread():
    """Holds rivals to one thread that take no such option, as histogram boosting does not."""
    try:
        from threadpoolctl import threadpool_limits  # scikit-learn needs it, and brings it
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1)


def _times(arguments, calls, names, sizes, rows):
    """Rows in a call -> {name: seconds}, and why rivals that refuse the rows do."""
    times, errors = {}, {}
    for size in sizes:
        _say(arguments, f"timing calls of {size:,} row{'s' * (size > 1)} …")
        failed = {}
        timings = measure(calls, rows, size, arguments.seconds, failed)
        if "0" in failed:
            raise failed["0"]
        errors.update(failed)
        times[size] = {n: t.best for n, t in fastest_of(timings, names).items()}
    _say(arguments, "")
    timed = {name for one in times.values() for name in one}
    refusals = {names[key]: error for key, error in errors.items() if names[key] not in timed}
    return times, [
        f"{name}: cannot run these rows ({shown_error(error)})" for name, error in refusals.items()
    ]


def _table(times, names, versions):
    table = []
    for name in names:
        cells = [f"{name} {versions.get(name, '')}".strip()]
        for one in times.values():
            if name not in one:
                cells.append("–")
                continue
            ratio = "" if name == OURS else f"  ({shown_ratio(one[name] / one[OURS])})"
            cells.append(shown_seconds(one[name]) + ratio)
        if set(cells[1:]) != {"–"}:
            table.append(cells)
    return table


def run(arguments):
    sizes = _sizes(arguments.rows)
    if not arguments.seconds > 0:
        raise UserError("--seconds: expected a number above 0")
    if arguments.chart:
        refuse_chart(arguments.chart)
    model = load_for_numbers(arguments.model, choice_of(arguments))
    classifies = model.source["kind"] != "Booster" and model.info()["has_probabilities"]
    method = "predict_proba" if classifies else "predict"
    rows = _rows(arguments, model, max(sizes))
    ours = getattr(model, method)
    calls = {"0": lambda part: ours(part, num_threads=1)}
    names = {"0": OURS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rivals' own, of rows without names and the like
        rivals, notes = _rivals(arguments, model, method)
        for i, rival in enumerate(rivals, 1):
            calls[str(i)], names[str(i)] = rival.call, rival.name
        with _one_thread():
            times, refusals = _times(arguments, calls, names, sizes, rows)
    notes += refusals
    versions = {rival.name: rival.version for rival in rivals}
    headings = [f"{method}, one thread"]
    headings += [f"{size:,} row{'s' if size > 1 else ''}" for size in sizes]
    print_table(headings, _table(times, dict.fromkeys(names.values()), versions))
    for note in notes:
        print(note, file=sys.stderr)
    if arguments.chart:
        save_times(arguments.chart, arguments.model, times, notes)
    return 0
