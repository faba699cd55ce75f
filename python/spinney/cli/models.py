"""Opening the model file that a command names, and which of its answers are meant."""

from __future__ import annotations

import spinney
from spinney.cli.errors import UserError


def add_choice_arguments(parser):
    """The options that spinney.load has as keywords."""
    group = parser.add_argument_group("which answers, where the model can give several")
    group.add_argument(
        "--as-booster",
        action="store_true",
        help="the bare Booster's, where a scikit-learn wrapper of XGBoost or LightGBM was saved; "
        "raw scores of CatBoost",
    )
    group.add_argument(
        "--iteration-range", metavar="A:B", help="XGBoost: of iterations A to B - 1 only"
    )
    group.add_argument(
        "--start-iteration", type=int, metavar="N", help="LightGBM: from this iteration on"
    )
    group.add_argument(
        "--num-iteration", type=int, metavar="N", help="LightGBM: of this many iterations"
    )
    group.add_argument("--ntree-start", type=int, metavar="N", help="CatBoost: from this tree on")
    group.add_argument(
        "--ntree-end", type=int, metavar="N", help="CatBoost: up to before this tree"
    )
    group.add_argument(
        "--missing", type=float, metavar="X", help="XGBoost: X is missing, too, besides NaN"
    )
    group.add_argument(
        "--member",
        metavar="PATH",
        help="of a file that holds several models: this one, such as model or models.0; "
        "'*' for the mean of all",
    )


def choice_of(arguments):
    """Keywords of spinney.load that the user gave."""
    choice = {"as_booster": True} if arguments.as_booster else {}
    if arguments.iteration_range is not None:
        parts = arguments.iteration_range.split(":")
        try:
            first, behind = (int(part or 0) for part in parts)
        except ValueError:
            raise UserError(
                f"--iteration-range: expected two numbers such as 0:10, found "
                f"{arguments.iteration_range!r}"
            ) from None
        choice["iteration_range"] = (first, behind)
    names = ("start_iteration", "num_iteration", "ntree_start", "ntree_end", "missing", "member")
    for name in names:
        if getattr(arguments, name) is not None:
            choice[name] = getattr(arguments, name)
    return choice


def load_model(path, choice=None):
    """The Model in the file; warnings of the loader go to standard error as they come."""
    if path == "-":
        raise UserError("-: a model is read from a file; standard input is for rows")
    return spinney.load(path, **(choice or {}))


def load_for_numbers(path, choice=None):
    """The same of a model whose rows are numbers, which is what commands read or make."""
    model = load_model(path, choice)
    if getattr(model, "_hashed_columns", ()) or getattr(model, "_has_texts", False):
        cells = "columns of text" if getattr(model, "_has_texts", False) else "categories"
        raise UserError(
            f"{path}: this {model.source['kind']} has {cells}, and commands read numbers alone; "
            "predict from Python, where rows are frames or lists: spinney.load(path).predict(rows)"
        )
    return model
