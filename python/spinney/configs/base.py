"""What every configuration class can do: check, load, print.

A configuration is a dataclass whose fields are made by `option(default, kind, text)`. Each value is
checked when it is given and when it is set later; an unknown name is refused with the nearest known
one. `settle` of a class looks at options together.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Mapping, TypeVar

from spinney.configs.sources import config_path, read_config_file, read_environment
from spinney.exceptions import ConfigError, ConfigTypeError

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Self

T = TypeVar("T")


def option(default: T, kind: Any, text: str) -> T:
    """A field of a configuration: its default, its Kind and a sentence for the documentation."""
    made: Any = field(default=default, metadata={"kind": kind, "text": text})
    return made  # type checkers see the default, whose type is the option's


def nearest(name, known):
    """'; did you mean …?' for a name like one that is known, or a list of what is known."""
    close = get_close_matches(str(name), known, 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known)}"


class Config:
    """Base of the configuration classes."""

    env_prefix: ClassVar[str] = "SPINNEY_"

    def __new__(cls, *args: Any, **options: Any) -> Self:
        known = cls.option_names()
        for name in options:
            if name not in known:
                raise ConfigTypeError(
                    f"{cls.__name__} has no option {name!r}{nearest(name, known)}"
                )
        self = super().__new__(cls)
        object.__setattr__(self, "_given", {*known[: len(args)], *options})
        object.__setattr__(self, "_settled", False)
        return self

    def __post_init__(self) -> None:
        self.settle()
        object.__setattr__(self, "_settled", True)

    def __setattr__(self, name: str, value: Any) -> None:
        kind = self.option_kinds().get(name)
        if kind is None:
            raise ConfigTypeError(
                f"{type(self).__name__} has no option {name!r}{nearest(name, self.option_names())}"
            )
        value = kind.accept(f"{type(self).__name__}.{name}", value)
        if not self._settled:
            object.__setattr__(self, name, value)
            return
        before, was_given = getattr(self, name), name in self._given
        object.__setattr__(self, name, value)
        self._given.add(name)
        try:
            self.settle()
        except ConfigError:
            object.__setattr__(self, name, before)
            if not was_given:
                self._given.discard(name)
            self.settle()
            raise

    def settle(self) -> None:
        """Check options together, and fit defaults to what was given. Raises ConfigError."""

    def _fit(self, name, value):
        """Replace a default that was not given by one that fits the other options."""
        if name not in self._given:
            object.__setattr__(self, name, value)

    def _check(self, holds, message):
        if not holds:
            raise ConfigError(f"{type(self).__name__}: {message}")

    @classmethod
    def option_names(cls) -> list[str]:
        return [item.name for item in fields(cls)]

    @classmethod
    def option_kinds(cls) -> dict[str, Any]:
        kinds = cls.__dict__.get("_kinds")
        if kinds is None:
            kinds = {item.name: item.metadata["kind"] for item in fields(cls)}
            cls._kinds = kinds
        return kinds

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The documented default of each option."""
        return {item.name: item.default for item in fields(cls) if item.default is not MISSING}

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> Self:
        """A mapping from option to value; nested configurations may be mappings too."""
        if not isinstance(options, Mapping):
            raise ConfigTypeError(
                f"{cls.__name__} is given a {type(options).__name__}; expected a mapping of options"
            )
        for name in options:
            if not isinstance(name, str):
                raise ConfigTypeError(f"{cls.__name__}: {name!r} is no name of an option")
        return cls(**options)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """A .json or .toml file whose top level holds the options."""
        return cls._from_source(read_config_file(path), path)

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> Self:
        """A JSON file, whatever its name."""
        return cls._from_source(read_config_file(path, "json"), path)

    @classmethod
    def from_toml(cls, path: str | PathLike[str]) -> Self:
        """A TOML file, whatever its name. Python before 3.11 needs the package tomli."""
        return cls._from_source(read_config_file(path, "toml"), path)

    @classmethod
    def _from_source(cls, options, path):
        try:
            return cls.from_dict(options)
        except ConfigError as error:
            raise type(error)(f"{path}: {error}") from None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, prefix: str | None = None) -> Self:
        """The environment's options over the defaults. environ: a mapping; None: os.environ."""
        return cls.from_dict(read_environment(cls, environ, prefix))

    @classmethod
    def load(
        cls,
        path: str | PathLike[str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Self:
        """Keyword options over the environment over a file over the defaults.

        path: a .json or .toml file; None takes the one that SPINNEY_CONFIG names, if any.
        """
        path = config_path(environ) if path is None else path
        merged = {}
        if path is not None:
            _merge(merged, read_config_file(path))
        _merge(merged, read_environment(cls, environ))
        _merge(merged, options)
        return cls.from_dict(merged)

    def replace(self, **changes: Any) -> Self:
        """A copy with other values; what was left at its default fits itself anew."""
        kept = {name: getattr(self, name) for name in self._given}
        return type(self)(**{**kept, **changes})

    def changed(self) -> dict[str, Any]:
        """The options whose value is not the documented default, with their values."""
        defaults = self.defaults()
        found = {}
        for name in self.option_names():
            value = getattr(self, name)
            if value is not defaults[name] and value != defaults[name]:
                found[name] = value
        return found

    def to_dict(self) -> dict[str, Any]:
        """Every option with its value as JSON and TOML hold them: enumerations by name."""
        return {name: kind.plain(getattr(self, name)) for name, kind in self.option_kinds().items()}

    def to_json(self) -> str:
        """The text of a JSON file that from_json reads back."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def describe(self) -> str:
        """A table of every option: name, value, and a mark where it is not the default."""
        changed = self.changed()
        width = max(map(len, self.option_names()))
        lines = [type(self).__name__]
        for name in self.option_names():
            value = getattr(self, name)
            mark = "*" if name in changed else " "
            if isinstance(value, Config):
                lines.append(f"{mark} {name:<{width}}")
                lines += ["    " + line for line in value.describe().splitlines()]
            else:
                lines.append(f"{mark} {name:<{width}}  {value!r}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.changed().items())
        return f"{type(self).__name__}({shown})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.option_names())

    __hash__: ClassVar[None]  # type: ignore[assignment]
    __hash__ = None


def _merge(into, layer):
    """Lay one mapping of options over another; nested mappings option by option."""
    for name, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value
