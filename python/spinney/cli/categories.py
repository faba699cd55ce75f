"""Features that are categories, in files that hold them as texts: CSV and JSON lines."""

from __future__ import annotations

import numpy as np

from spinney.cli.dialect import MISSING, TRUTHS
from spinney.cli.errors import UserError
from spinney.exceptions import InvalidInputError
from spinney.frames import listed, to_rows
from spinney.tables import Categorical, Table


class NoSuchValue(Exception):
    """A text that a column cannot hold; who knows the lines says where it stands."""

    def __init__(self, place, value, reason):
        super().__init__(reason)
        self.place, self.value, self.reason = place, value, reason


class TextColumns:
    """Which features of a model are texts in a file, and rows with the training's codes for them.

    places: place of a feature -> its categories in training.
    """

    def __init__(self, path, model, holds_text):
        """holds_text: places of features -> those that hold text in the first rows."""
        self._model = model
        stored = dict(model.categories or {})
        coded = set(model._number_coded or ())  # whose numbers are values, never codes
        if model._categories_by_position and stored:
            texts = holds_text(range(model.n_features))
            self._refuse_codes(path, stored.values())
            if len(texts) != len(stored):
                raise UserError(
                    f"{path}: the model was trained on {len(stored)} categorical columns, and "
                    f"{len(texts)} columns hold text in the first rows"
                )
            stored = dict(zip(sorted(texts), stored.values()))
        else:
            stored = {place: known for place, known in stored.items() if place not in coded}
            self._refuse_codes(path, stored.values())
        self.places = stored

    @staticmethod
    def _refuse_codes(path, lists):
        """Categories that are numbers may be meant by themselves or by their codes."""
        if any(all(_is_number(value) for value in known) for known in lists):
            raise UserError(
                f"{path}: the model was trained on categorical columns of numbers, and a text file "
                "does not say whether its numbers are their values or codes; give the training's "
                "codes as a .npy file"
            )

    def column(self, place, values, codes):
        """The Categorical of distinct texts and codes into them, -1 where nothing is."""
        known = {str(value): value for value in self.places[place]}
        places, categories = [], []
        for value in values:
            text = None if value is None else value.strip()
            if text is None or (text not in known and text.lower() in MISSING):
                places.append(-1)
                continue
            if text not in known:
                self._refuse(place, text)
            places.append(len(categories))
            categories.append(known.get(text, text))
        table = np.array([*places, -1], dtype=np.int64)
        return Categorical(table[codes], categories)

    def _refuse(self, place, text):
        known = listed(self.places[place])
        if _is_number(text):
            raise NoSuchValue(
                place, text, f"expected one of the categories {known}, found the number {text}"
            )
        if self._model.source["library"] == "xgboost":
            raise NoSuchValue(
                place, text, f"the model was not trained on the category {text!r}, but on {known}"
            )

    def rows(self, path, columns, count):
        """An array of rows from one column for each feature, an array or a Categorical."""
        if not self._model.categories:
            rows = np.empty((count, len(columns)), np.float64)
            for i, column in enumerate(columns):
                rows[:, i] = column
            return rows
        names = self._model.feature_names or [f"column {i + 1}" for i in range(len(columns))]
        try:
            return to_rows(self._model, _Columns(list(names), columns, count))
        except InvalidInputError as error:
            raise UserError(f"{path}: {error}") from None


class _Columns(Table):
    what = "file"

    def __init__(self, names, columns, count):
        self.names, self._columns, self.n_rows = names, columns, count

    def column(self, i):
        return self._columns[i]


def _is_number(value):
    if isinstance(value, (int, float, np.number, np.bool_)):
        return True
    try:
        float(value)
    except (TypeError, ValueError):
        return str(value).lower() in TRUTHS
    return True


def codes_of(values):
    """Distinct values in the order in which they come, and codes into them; None is -1."""
    place, codes = {}, np.empty(len(values), np.int64)
    for i, value in enumerate(values):
        codes[i] = -1 if value is None else place.setdefault(value, len(place))
    return list(place), codes
