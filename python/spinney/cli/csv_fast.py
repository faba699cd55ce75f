"""Blocks of CSV by pyarrow's reader: the same rows as Python's, several times faster."""

from __future__ import annotations

import re

import numpy as np

from spinney.cli.categories import NoSuchValue
from spinney.cli.dialect import MISSING
from spinney.cli.parts import Part


def reader(layout):
    """A FastReader, None where pyarrow is not there."""
    try:
        import pyarrow
        from pyarrow import csv as arrow_csv
    except ImportError:
        return None
    return FastReader(layout, pyarrow, arrow_csv)


class FastReader:
    """Reads blocks; None for one that it cannot, which Python's reader reads or refuses."""

    def __init__(self, layout, pyarrow, arrow_csv):
        self._layout, self._pyarrow, self._csv = layout, pyarrow, arrow_csv
        self._names = [f"c{i}" for i in range(layout.width)]
        self._mapped = set()  # places of features whose fields pyarrow does not take for numbers
        words = {form for word in MISSING for form in (word, word.upper(), word.title())}
        self._nulls = sorted(words | {"NaN"})
        self._options = self._convert_options()

    def _convert_options(self):
        pyarrow, layout = self._pyarrow, self._layout
        coded = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        types = {self._names[c]: pyarrow.string() for c in layout.kept}
        for i, c in enumerate(layout.columns):
            is_text = i in layout.texts.places or i in self._mapped
            # A column that is both a feature and kept is read as text, and mapped.
            types[self._names[c]] = coded if is_text or c in layout.kept else pyarrow.float64()
        options = {} if layout.dialect.decimal == "." else {"decimal_point": ","}
        return self._csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=self._nulls,
            strings_can_be_null=False,
            **options,
        )

    def read(self, block):
        """The Part of the block, or None."""
        table = self._table(block)
        if table is None:
            return None
        layout = self._layout
        columns = [table[self._names[c]] for c in layout.columns]
        try:
            columns = [self._values(i, column) for i, column in enumerate(columns)]
        except (NoSuchValue, ValueError):
            return None
        rows = layout.texts.rows(layout.path, columns, table.num_rows)
        kept = {name: table[self._names[c]] for c, name in layout.kept.items()}
        return Part(rows, {n: k.cast("string").to_pylist() for n, k in kept.items()})

    def _values(self, i, column):
        if column.type == self._pyarrow.float64():
            return column.to_numpy()
        column = column.combine_chunks()
        if isinstance(column, self._pyarrow.ChunkedArray):
            column = column.chunk(0)
        values = column.dictionary.to_pylist()
        codes = column.indices.to_numpy(zero_copy_only=False)
        if i in self._layout.texts.places:
            return self._layout.texts.column(i, values, codes)
        return np.array([self._layout.dialect.number(value) for value in values])[codes]

    def _table(self, block):
        quote = self._layout.dialect.quote
        parsing = self._csv.ParseOptions(
            delimiter=self._layout.dialect.delimiter,
            quote_char=quote or False,
            newlines_in_values=bool(quote) and quote.encode() in block.data,
        )
        # Several pieces at once, where fields hold no ends of lines.
        reading = self._csv.ReadOptions(column_names=self._names, block_size=1 << 20)
        while True:
            try:
                source = self._pyarrow.BufferReader(block.data)
                return self._csv.read_csv(source, reading, parsing, self._options)
            except self._pyarrow.ArrowInvalid as error:
                if "Empty CSV" in str(error):
                    return self._pyarrow.table(
                        {name: self._pyarrow.array([], "float64") for name in self._names}
                    )
                if not self._learn(str(error)):
                    return None

    def _learn(self, message):
        """Whether a refusal names a column, of booleans say, which is mapped from now on."""
        found = re.search(r"CSV column #(\d+).*conversion error", message)
        places = (
            []
            if not found
            else [
                i
                for i, c in enumerate(self._layout.columns)
                if c == int(found.group(1)) and i not in self._mapped
            ]
        )
        self._mapped.update(places)
        self._options = self._convert_options()
        return bool(places)
