"""Rows in an xgboost.DMatrix, whose missing values are absent already."""

from __future__ import annotations

import sys

import numpy as np

from spinney.exceptions import InvalidInputError
from spinney.frames import listed, names_to_match


def is_dmatrix(x) -> bool:
    kind = getattr(sys.modules.get("xgboost"), "DMatrix", None)
    return isinstance(kind, type) and isinstance(x, kind)


def read(model, x):
    """(values, columns, row_begin, width, True), and the base margins if it has some."""
    if model.source["library"] != "xgboost" or not hasattr(model, "predict_raw"):
        raise InvalidInputError(
            "x is an xgboost.DMatrix, which is for models of XGBoost; give the rows that it was "
            "made of"
        )
    if isinstance(x, getattr(sys.modules["xgboost"], "QuantileDMatrix", ())):
        raise InvalidInputError(
            "x is a QuantileDMatrix, which keeps no rows but their quantiles; give the rows"
        )
    if not hasattr(x, "get_data"):
        raise InvalidInputError(
            "x is a DMatrix of an XGBoost before 1.7, which gives its rows to nobody; give the rows"
        )
    if model.categories and "c" in (x.feature_types or ()):
        raise InvalidInputError(
            "x is a DMatrix with categories, whose codes may be others than the training's; give "
            "the frame that it was made of"
        )
    csr = x.get_data()
    columns = csr.indices.astype(np.int64)
    width = csr.shape[1]
    order = _places(model, list(x.feature_names or ()))
    if order is not None:
        columns, csr, width = _reordered(csr, columns, order)
    made = (
        np.ascontiguousarray(csr.data, dtype=np.float32),
        columns,
        np.ascontiguousarray(csr.indptr, dtype=np.int64),
        max(width, model.n_features) if order is None else width,  # what is not there is missing
        True,
    )
    margin = (
        x.get_base_margin() if hasattr(x, "get_base_margin") else x.get_float_info("base_margin")
    )
    return made if np.size(margin) == 0 else (*made, np.asarray(margin))


def _places(model, names):
    """Of each of the matrix's columns its place in the model, -1 for none; None if as they are."""
    wanted, names = names_to_match(model, names)
    if not wanted or not names or names == wanted:
        return None
    lacking = [name for name in wanted if name not in set(names)]
    if lacking:
        raise InvalidInputError(f"the DMatrix lacks {listed(lacking)}")
    place = {name: i for i, name in enumerate(wanted)}
    return np.array([place.get(name, -1) for name in names])


def _reordered(csr, columns, places):
    kept = csr[:, np.flatnonzero(places >= 0)]
    order = places[places >= 0]
    return order[kept.indices].astype(np.int64), kept, len(order)
