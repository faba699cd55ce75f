"""Data frames and arrow tables: columns found by feature name, categories by the training's codes.

Number types follow the training library, whose answers are to be met: XGBoost converts each column
to float32 by itself, LightGBM and scikit-learn a frame of mixed columns to float64.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from spinney import categories, cells, coded
from spinney.exceptions import InvalidInputError
from spinney.tables import Categorical, Labels, PandasTable, Table

_NAMES_SHOWN = 6


@np.errstate(over="ignore")  # a double beyond float32 is infinity to XGBoost, silently
def to_rows(model, table: Table) -> np.ndarray:
    """The table's columns in the model's order, as one array."""
    has_schema = getattr(model, "_has_schema", False)
    if has_schema and table.what == "row" and not set(model.feature_names).isdisjoint(table.names):
        table = coded.WithGaps(table, model.feature_names)
    order = _order(model, table)
    if has_schema:
        return coded.rows_of(model, table, order)
    if getattr(model, "_hashed_columns", ()):
        return categories.rows_of(model, table, _all_columns(model, table, order))
    if order is not None and len(order) < len(table.names):
        table, order = table.of_columns(order), None
    dtype = np.float32 if model.source["library"] == "xgboost" else np.float64
    # Linear models of float32 take a frame in the type that numpy finds for all of its columns.
    promotes = model._small_cast_type != model._cast_type
    whole = None if model.categories else table.as_array(None if promotes else dtype)
    if whole is not None:
        if model.source["library"] == "lightgbm" and whole.dtype.kind != "f":
            whole = whole.astype(np.float64)
        return whole if order is None else whole[:, order]
    order = range(len(table.names)) if order is None else order
    columns = [table.column(i) for i in order]
    names = [table.names[i] for i in order]
    known = _known_categories(model, columns)
    numbers_coded = model._number_coded
    if promotes and not numbers_coded and all(isinstance(column, np.ndarray) for column in columns):
        dtype = table.number_type(columns)
    rows = np.empty((table.n_rows, len(columns)), dtype=dtype)
    for j, column in enumerate(columns):
        if j not in known:
            _refuse_own_codes(model, names[j], column, table)
        if j in numbers_coded and isinstance(column, Categorical):
            column = _numbers_among(column)
        rows[:, j] = _numbers(model, names[j], column, known.get(j))
    return rows


def _all_columns(model, table: Table, order: list[int] | None) -> list[int]:
    order = list(range(len(table.names))) if order is None else order
    if len(order) == model.n_features:
        return order
    raise InvalidInputError(
        f"the {table.what} has {len(order)} columns, but the model was trained on "
        f"{model.n_features} features"
    )


def _order(model, table: Table) -> list[int] | None:
    """Positions in the table of the model's features, which may leave columns out; None if they
    are in order already, or go by position.
    """
    wanted, names = names_to_match(model, table.names)
    if not wanted or names == wanted:
        return None
    if table.is_numbered and model.source["library"] != "xgboost":
        return None  # 0, 1, 2 … are no names, except to XGBoost
    known, position = set(wanted), {name: i for i, name in enumerate(names)}
    repeated = sorted({name for name in names if name in known and names.count(name) > 1})
    if repeated:
        raise InvalidInputError(
            f"the {table.what} has more than one column named {listed(repeated)}"
        )
    missing = [name for name in wanted if name not in position]
    if len(known) != len(wanted):
        repeated = sorted({name for name in wanted if wanted.count(name) > 1})
        raise InvalidInputError(
            f"the model was trained on several columns named {listed(repeated)}, which names do "
            "not tell apart; give an array, or a frame with the model's very names in their order"
        )
    if missing:
        extra = [name for name in names if name not in known]
        unknown = f" and has {listed(extra)}, which the model was not trained on" if extra else ""
        raise InvalidInputError(f"the {table.what} lacks {listed(missing)}{unknown}")
    return [position[name] for name in wanted]


def names_to_match(model, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The model's names, none if columns go by position, and those given; both comparable."""
    wanted, names = list(model.feature_names or ()), list(names)
    if model.source["library"] == "lightgbm":
        # It writes spaces as underscores, and gives columns without a name a number.
        names = [name.replace(" ", "_") for name in names]
        wanted = [name.replace(" ", "_") for name in wanted]
        numbered = wanted == [f"Column_{i}" for i in range(len(wanted))]
        if numbered and not set(wanted) <= set(names):
            wanted = []
    return wanted, names


def listed(names: Sequence[str], shown=repr) -> str:
    """The first of them, for a message, and how many more there are."""
    first = ", ".join(shown(name) for name in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{first} and {more} more" if more > 0 else first


def _known_categories(model, columns) -> dict:
    """Position of a column -> its categories in training, in code order."""
    stored = model.categories
    if not stored or not model._categories_by_position:
        return stored
    # One list for each categorical column of the training's frame, in the frame's order.
    places = [j for j, column in enumerate(columns) if isinstance(column, Categorical)]
    if len(places) != len(stored):
        raise InvalidInputError(
            f"the model was trained on {len(stored)} categorical columns, but the frame has "
            f"{len(places)}"
        )
    return dict(zip(places, stored.values()))


def _numbers(model, name: str, column, known: Sequence[Any] | None):
    if isinstance(column, Categorical):
        return _codes(model, name, column, known)
    if (
        known is not None
        and not isinstance(column, Labels)
        and model.source["library"] == "xgboost"
    ):
        return _all_missing(name, column, known)
    if isinstance(column, Labels):
        if known is None:
            return cells.column(model, name, column)
        values = [None if _is_missing(value) else value for value in column.values]
        found = list(dict.fromkeys(value for value in values if value is not None))
        code = {value: i for i, value in enumerate(found)}
        codes = np.array([-1 if value is None else code[value] for value in values], dtype=np.int64)
        return _codes(model, name, Categorical(codes, found), known)
    return column


def _numbers_among(column: Categorical) -> np.ndarray:
    """The values of a column whose categories were numbers in training: texts are none of them,
    even those that read as numbers.
    """
    kinds = (int, float, np.number, np.bool_)
    values = [float(v) if isinstance(v, kinds) else np.nan for v in column.categories]
    return np.array([*values, np.nan], dtype=np.float64)[np.asarray(column.codes)]


def _refuse_own_codes(model, name: str, column, table: Table) -> None:
    """XGBoost before 3.1 stores no categories and takes a frame's own codes: pandas has them in
    the order of the values, arrow and polars as they come. XGBoost takes categories of neither.
    """
    if not isinstance(column, Categorical) or isinstance(table, PandasTable):
        return
    source = model.source
    if source["library"] != "xgboost" or not source["version"]:
        return
    if tuple(map(int, source["version"].split(".")[:2])) < (3, 1):
        raise InvalidInputError(
            f"column {name!r} is categorical, but files of XGBoost {source['version']} store no "
            "categories to match; give a pandas frame with the training's categories, or the "
            "training's codes as numbers"
        )


def _all_missing(name: str, column, known: Sequence[Any]):
    """Plain numbers where the training had categories: values or codes, which nobody can tell.

    XGBoost's inplace_predict refuses them; its DMatrix takes them for codes, silently.
    """
    column = np.asarray(column)
    if column.dtype.kind == "f" and np.isnan(column).all():
        return column
    if not len(column):
        return column
    raise InvalidInputError(
        f"column {name!r} holds plain numbers, but was categorical in training, with "
        f"{listed(known)}; make it categorical, so that values are matched (in pandas by "
        "astype('category')), or give the training's codes in an array instead of a frame"
    )


def _is_missing(value) -> bool:
    return value != value if isinstance(value, float) else cells.is_missing(value)


def _codes(model, name: str, column: Categorical, known: Sequence[Any] | None) -> np.ndarray:
    """The column's codes in training as floats, NaN where there is none."""
    library = model.source["library"]
    codes = np.asarray(column.codes)
    if known is not None:
        table = _places(column.categories, known)
        if library == "xgboost":
            table = _without_unknown(name, column, codes, table, known)
    elif library == "sklearn":
        return _category_values(name, column)
    elif library == "lightgbm":
        raise InvalidInputError(
            f"column {name!r} is categorical, but the model keeps no categories of its "
            "training; give the codes that it was trained on"
        )
    else:
        table = np.append(np.arange(len(column.categories), dtype=np.float64), np.nan)
    return table[codes]


def _places(categories: Sequence[Any], known: Sequence[Any]) -> np.ndarray:
    """The place of each category among those known, or NaN; one more NaN for the code -1."""
    place = {}
    for i, value in enumerate(known):
        place.setdefault(value, i)
    return np.array([*(place.get(value, np.nan) for value in categories), np.nan], dtype=np.float64)


def _without_unknown(name: str, column: Categorical, codes, table, known) -> np.ndarray:
    """XGBoost refuses a category that the training did not have, if any row holds it."""
    if not np.isnan(table[:-1]).any():
        return table
    as_cut = _places(_cut_names(column.categories), known)
    if not np.isnan(as_cut[:-1]).any():
        return as_cut
    used = np.unique(codes[codes >= 0])
    for i in used[np.isnan(table[used])]:
        raise InvalidInputError(
            f"column {name!r} holds the category {column.categories[i]!r}, which the model was not "
            "trained on"
        )
    return table


def _cut_names(categories: Sequence[Any]) -> list[Any]:
    """Category names as XGBoost up to 3.2 stores a pandas column's.

    It joins them in UTF-8, but cuts by their lengths in characters: names beyond ASCII lose bytes
    to those behind them. Its predict cuts a frame's names alike, so that equal lists still match.
    """
    if not all(isinstance(value, str) for value in categories):
        return list(categories)
    joined = "".join(categories).encode("utf-8", "replace")
    names, begin = [], 0
    for value in categories:
        piece = joined[begin : begin + len(value)]
        begin += len(value)
        names.append(piece.decode("utf-8", "backslashreplace"))
    return names


def _category_values(name: str, column: Categorical) -> np.ndarray:
    """scikit-learn's plain estimators see a categorical column's values."""
    try:
        values = np.asarray(column.categories, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"column {name!r} has categories that are no numbers, and the model was trained on "
            "numbers"
        ) from error
    return np.append(values, np.nan)[np.asarray(column.codes)]
