"""How a file of rows is to be read, and a part of its rows as readers give and writers take it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Part:
    """rows: as the model takes them; kept: name -> the values of a column passed through."""

    rows: np.ndarray
    kept: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """How a file is to be read, where it is not to be told by its content.

    by_position: columns in the file's order, whatever they are called. header: whether the first
    line of a CSV file names the columns; None to tell by what is in it. format: one of
    source.FORMATS. encoding, delimiter, quote ("" for none), decimal: of a CSV file. keep: columns
    that are passed through.
    """

    by_position: bool = False
    header: bool | None = None
    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    decimal: str | None = None
    keep: tuple = ()
