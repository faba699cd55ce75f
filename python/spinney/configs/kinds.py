"""What an option may hold: one class for each kind of value, used by every configuration class.

`accept` turns a value into the one that is kept or raises, `parse` reads the text of an environment
variable, `plain` gives what JSON and TOML can hold, `says` is what the documentation prints.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from operator import index

import numpy as np

from spinney.exceptions import ConfigError, ConfigTypeError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def wrong_type(where, value, says):
    return ConfigTypeError(f"{where} is {value!r} of type {type(value).__name__}; give {says}")


def wrong_value(where, value, says):
    return ConfigError(f"{where} is {value!r}; give {says}")


class Kind:
    """The base: keeps anything."""

    says = "any object"

    def accept(self, where, value):
        return value

    def parse(self, where, text):
        raise ConfigError(f"{where} cannot be given as text; give {self.says} in the program")

    def plain(self, value):
        return value


class Bool(Kind):
    says = "True or False"

    def accept(self, where, value):
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        raise wrong_type(where, value, self.says)

    def parse(self, where, text):
        word = text.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise wrong_value(where, text, "true or false")


class Int(Kind):
    """An integer from low to high, both included."""

    def __init__(self, low, high):
        self.low, self.high = low, high
        self.says = f"an integer from {low:,} to {high:,}"

    def accept(self, where, value):
        if isinstance(value, (bool, np.bool_)):
            raise wrong_type(where, value, self.says)
        try:
            number = index(value)
        except TypeError:
            raise wrong_type(where, value, self.says) from None
        if not self.low <= number <= self.high:
            raise wrong_value(where, number, self.says)
        return number

    def parse(self, where, text):
        try:
            return int(text)
        except ValueError:
            raise wrong_value(where, text, self.says) from None


class Real(Kind):
    """A finite number from low to high; infinite=True lets ±inf through too, never NaN."""

    def __init__(self, low=-math.inf, high=math.inf, *, above=False, infinite=False):
        self.low, self.high, self.above, self.infinite = low, high, above, infinite
        if above:
            span = f" above {low:g}" + ("" if high == math.inf else f", at most {high:g}")
        elif high != math.inf:
            span = f" from {low:g} to {high:g}"
        else:
            span = "" if low == -math.inf else f", {low:g} or more"
        self.says = ("a number" if infinite else "a finite number") + span

    def accept(self, where, value):
        if isinstance(value, (bool, np.bool_)) or not isinstance(
            value, (int, float, np.integer, np.floating)
        ):
            raise wrong_type(where, value, self.says)
        try:
            number = float(value)
        except OverflowError:
            raise wrong_value(where, value, self.says) from None
        outside = not self.low <= number <= self.high or (self.above and number == self.low)
        if number != number or outside or (math.isinf(number) and not self.infinite):
            raise wrong_value(where, number, self.says)
        return number

    def parse(self, where, text):
        try:
            return float(text)
        except ValueError:
            raise wrong_value(where, text, self.says) from None


class Text(Kind):
    says = "text"

    def accept(self, where, value):
        if isinstance(value, str):
            return value
        raise wrong_type(where, value, self.says)

    def parse(self, where, text):
        return text


class Choice(Kind):
    """One of a few words."""

    def __init__(self, *words):
        self.words = words
        self.says = "one of " + ", ".join(words)

    def accept(self, where, value):
        if not isinstance(value, str):
            raise wrong_type(where, value, self.says)
        if value.lower() in self.words:
            return value.lower()
        raise wrong_value(where, value, self.says)

    def parse(self, where, text):
        return text


class Named(Kind):
    """A member of an enumeration, also by its name or value in any case."""

    def __init__(self, enum):
        self.enum = enum
        self.says = f"a {enum.__name__} or its name: " + ", ".join(m.name for m in enum)

    def accept(self, where, value):
        if isinstance(value, self.enum):
            return value
        if not isinstance(value, str) or isinstance(value, Enum):
            raise wrong_type(where, value, self.says)
        for member in self.enum:
            if value.lower() in (member.name.lower(), str(member.value).lower()):
                return member
        raise wrong_value(where, value, self.says)

    def parse(self, where, text):
        return text

    def plain(self, value):
        return value.name


class Names(Kind):
    """Several texts; kept as a tuple."""

    says = "a sequence of texts"

    def accept(self, where, value):
        if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset)):
            raise wrong_type(where, value, self.says)
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        for item in items:
            if not isinstance(item, str):
                raise wrong_type(f"an item of {where}", item, "text")
        return tuple(items)

    def parse(self, where, text):
        return tuple(part.strip() for part in text.split(",") if part.strip())

    def plain(self, value):
        return list(value)


class Span(Kind):
    """Two numbers, the first below the second; kept as a tuple."""

    def __init__(self, low, high, *, infinite=False):
        self.number = Real(low, high, infinite=infinite)
        self.says = f"two numbers, the first below the second, each {self.number.says}"

    def accept(self, where, value):
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise wrong_type(where, value, self.says)
        first, second = (self.number.accept(f"a number of {where}", item) for item in value)
        if first >= second:
            raise wrong_value(where, value, self.says)
        return (first, second)

    def parse(self, where, text):
        return tuple(self.number.parse(where, part) for part in text.split(","))

    def plain(self, value):
        return list(value)


class Floating(Kind):
    """numpy's float32 or float64."""

    says = "float32 or float64"

    def accept(self, where, value):
        try:
            dtype = np.dtype(value)
        except TypeError:
            raise wrong_type(where, value, self.says) from None
        if value is None or dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise wrong_value(where, value, self.says)
        return dtype

    def parse(self, where, text):
        return text

    def plain(self, value):
        return value.name


class Function(Kind):
    says = "a callable"

    def accept(self, where, value):
        if callable(value):
            return value
        raise wrong_type(where, value, self.says)

    def plain(self, value):
        raise ConfigError(
            f"a callable ({value!r}) cannot be written to a file; leave it out of the "
            "configuration and set it in the program"
        )


class Nested(Kind):
    """Another configuration, as an object or as a mapping of its options."""

    def __init__(self, config_class):
        self.config_class = config_class
        self.says = f"a {config_class.__name__} or a mapping of its options"

    def accept(self, where, value):
        if isinstance(value, self.config_class):
            return value
        if not isinstance(value, Mapping):
            raise wrong_type(where, value, self.says)
        return self.config_class.from_dict(value)

    def parse(self, where, text):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ConfigError(f"{where} is not JSON ({error}); give an object of options") from None

    def plain(self, value):
        return value.to_dict()


class Optional(Kind):
    """The kind within, or None."""

    def __init__(self, kind):
        self.kind = kind
        self.says = f"{kind.says}, or None"

    def accept(self, where, value):
        if value is None:
            return None
        try:
            return self.kind.accept(where, value)
        except ConfigError as error:
            if self.kind.says in str(error):
                raise type(error)(f"{error}, or None") from None
            raise

    def parse(self, where, text):
        return (
            None if text.strip().lower() in ("", "none", "null") else self.kind.parse(where, text)
        )

    def plain(self, value):
        return None if value is None else self.kind.plain(value)
