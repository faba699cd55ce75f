"""Columns of the rows' file that are passed through beside the answers."""

from __future__ import annotations

import difflib

from spinney.cli.errors import UserError
from spinney.frames import listed


def kept_names(arguments):
    """What --keep says, each as it was typed: a name, or several between commas."""
    return tuple(arguments.keep or ()) if hasattr(arguments, "keep") else ()


def choose_kept(path, names, wanted):
    """Place -> name of the columns that are kept."""
    chosen = {}
    for text in wanted:
        for name in [text] if text in names else [one.strip() for one in text.split(",")]:
            chosen[_place(path, names, name)] = name
    return chosen


def choose_numbered(path, count, wanted):
    """The same for a file without names, whose columns are numbered from 1."""
    chosen = {}
    for name in (one.strip() for text in wanted for one in text.split(",")):
        if not name.isdigit() or not 1 <= int(name) <= count:
            raise UserError(
                f"{path}: --keep {name}: its columns have no names; expected a number from 1 to "
                f"{count}"
            )
        chosen[int(name) - 1] = f"column_{name}"
    return chosen


def _place(path, names, name):
    found = [i for i, one in enumerate(names) if one == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{path}: --keep {name}: more than one column has that name")
    near = difflib.get_close_matches(name, names, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise UserError(f"{path}: --keep {name}: has no such column{meant}; it has {listed(names)}")


def refuse_same_names(kept, names):
    """A column of the answer and one that is kept cannot have the same name."""
    for name in kept:
        if name in names:
            raise UserError(f"--keep {name}: the answer has a column of that name")
