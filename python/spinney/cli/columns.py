"""Which of a file's columns are the model's features, and whether a first line names them."""

from __future__ import annotations

import difflib
import re

from spinney.cli.dialect import MISSING, Dialect
from spinney.cli.errors import UserError
from spinney.frames import listed, names_to_match

# How pandas calls a column without a name when it reads CSV, and an index when it writes Parquet.
_INDEX = re.compile(r"Unnamed: 0(\.\d+)?|__index_level_\d+__")
_CERTAIN = 5
_ASK = "say --header if it names the columns, --no-header if it is a row"
_AS_THEY_COME = "say --by-position to take the columns as they come"


number = Dialect().number


def as_pandas_names(fields):
    """A header's names; what has none is called as pandas calls it."""
    return [name.strip() or f"Unnamed: {i}" for i, name in enumerate(fields)]


def has_header(path, first, following, model):
    """Whether the first line's fields are names, told by what they are and by the model's names.

    following: the next line's fields, or None. UserError where it may as well be a row.
    """
    names, fields = as_pandas_names(first), [field.strip() for field in first]
    wanted, found = names_to_match(model, names)
    named = bool(wanted) and set(wanted) <= set(found)
    indexed = _INDEX.fullmatch(names[0]) is not None
    body = fields[1:] if indexed else fields
    texts = sum(not _is_number(field) for field in body)
    if texts:
        if not named and texts < sum(field.lower() not in MISSING for field in body):
            raise UserError(f"{path}: its first line holds names as well as numbers; {_ASK}")
        return True
    if indexed and fields[0]:
        return True
    places = [str(i) for i in range(len(body))]
    are_places = sorted(body) == sorted(places) or _equal(body, places)
    if indexed and body == places and len(fields) != model.n_features:
        return True
    if named and sorted(wanted) != sorted(str(i) for i in range(len(wanted))):
        return True
    fits = len(body) == model.n_features and not indexed
    if fits and (named or body == places) and _no_row_beside(body, following):
        return True
    if named or are_places:
        raise UserError(
            f"{path}: its first line, {listed(fields, shown=str)}, may be the columns' names or a "
            f"row; {_ASK}"
        )
    return False


def refuse_names(path, fields, texts=()):
    """A first line that is a row, as somebody said, has to hold numbers, but for the places of
    `texts`, which are categories.
    """
    for place, field in enumerate(fields):
        if place not in texts and not _is_number(field):
            raise UserError(
                f"{path}: its first line holds {field.strip()!r}, which is no number; without "
                "--no-header it is read as the columns' names"
            )


def _no_row_beside(places, following):
    """Whether the numbers of columns are hardly a row of such a file by chance.

    One or two often are. More are not where the next line has fractions, as whole columns of
    floats are written; or else where they are so many that no row of codes begins a file so.
    """
    following = [field.strip() for field in following or ()]
    if not following or following == places or len(places) < 3:
        return False
    return len(places) >= _CERTAIN or not all(field.isdigit() for field in following)


def _is_number(field):
    try:
        number(field)
    except ValueError:
        return False
    return True


def _equal(fields, places):
    return [number(field) for field in fields] == [float(place) for place in places]


def choose_columns(path, names, model, by_position=False, index=(), kept=()):
    """Places of the columns that the model reads, in the model's order.

    index: names of columns that the file itself calls an index. One that pandas made a column of
    is known by its name; neither counts where columns go by position. kept: places of columns that
    are passed through, which are left out where without them the numbers agree.

    Raises UserError where file and model have names that do not fit, and where counts differ.
    """
    wanted, found = names_to_match(model, names)
    if wanted and not by_position:
        return _by_name(path, wanted, found)
    columns = list(range(len(names)))
    if not by_position or len(names) != model.n_features:
        index = {*index, *(name for name in names[:1] if _INDEX.fullmatch(name))}
        index |= {name for name in names if name.startswith("__index_level_")}
        columns = [i for i in columns if names[i] not in index]
    columns = without_kept(columns, kept, model)
    if not by_position:
        _refuse_moved_numbers(path, [names[i] for i in columns])
    check_count(path, len(columns), model)
    return columns


def without_kept(columns, kept, model):
    """Columns without those that are passed through, if there are more than the model reads."""
    if len(columns) == model.n_features:
        return columns
    return [i for i in columns if i not in kept]


def check_count(path, count, model):
    if count != model.n_features:
        hint = keep_hint(count, model)
        raise UserError(f"{path}: expected {model.n_features} columns, found {count}{hint}")


def keep_hint(count, model):
    """What to do about more columns than features, for the end of a message."""
    more = count - model.n_features
    if more <= 0:
        return ""
    which = "the one that is no feature" if more == 1 else f"the {more} that are no features"
    return f"; spinney predict passes {which} through with --keep (a name, or a place from 1)"


def _by_name(path, wanted, found):
    known, place = set(wanted), {name: i for i, name in enumerate(found)}
    repeated = sorted({name for name in found if name in known and found.count(name) > 1})
    if repeated:
        raise UserError(f"{path}: more than one column is named {listed(repeated)}")
    missing = [name for name in wanted if name not in place]
    if not missing:
        return [place[name] for name in wanted]
    extra = [name for name in found if name not in known]
    features = "feature" if len(missing) == 1 else "features"
    message = f"has no column for the {features} {listed(missing)}"
    message += f", but has {listed(extra)}" if extra else ""
    meant = _likely(missing, extra)
    message += f" (did you mean {listed(meant, shown=str)}?)" if meant else ""
    raise UserError(f"{path}: {message}; rename them, or {_AS_THEY_COME}")


def _likely(missing, extra):
    """Which of the file's columns are probably the ones that are missed."""
    spelt = {name.lower(): name for name in extra}
    meant = []
    for name in missing:
        for near in difflib.get_close_matches(name.lower(), list(spelt), n=1):
            meant.append(f"{name!r} for {spelt.pop(near)!r}")
    return meant


def _refuse_moved_numbers(path, names):
    """A model without names reads columns 0, 1, 2 by place; of 2, 0, 1 nobody knows which."""
    places = [str(i) for i in range(len(names))]
    if names != places and sorted(names) == sorted(places):
        raise UserError(
            f"{path}: its columns are numbered in another order, {listed(names, shown=str)}, and "
            f"the model has no names to find them by; {_AS_THEY_COME}"
        )
