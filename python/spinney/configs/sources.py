"""Options from files and from the environment.

An option NAME of a class is the variable PREFIX + NAME in capitals; an option of a nested
configuration has that one's own prefix, so that the variable is the same whoever reads it.
"""

from __future__ import annotations

import json
import logging
import os
from difflib import get_close_matches
from pathlib import Path

from spinney.exceptions import ConfigError, ConfigNotFoundError, ConfigTypeError

_log = logging.getLogger(__name__)

FILE_BYTES_MAX = 1 << 20

# Variables under SPINNEY_ that are not options of a configuration.
OTHER_VARIABLES = {
    "SPINNEY_CONFIG",
    "SPINNEY_ISA",
    "SPINNEY_KERNEL",
    "SPINNEY_MEASURE",
    "SPINNEY_APT",
    "SPINNEY_BENCH_MODELS",
}


def read_config_file(path, form=None):
    """The mapping in a JSON or TOML file; form "json" or "toml" overrides the file's ending."""
    path = Path(path)
    form = form or path.suffix.lower().lstrip(".")
    if form not in ("json", "toml"):
        raise ConfigError(f"{path}: a configuration file ends in .json or .toml")
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX:,} bytes, no configuration is")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigNotFoundError(f"{path}: there is no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    options = _read_json(path, text) if form == "json" else _read_toml(path, text)
    if not isinstance(options, dict):
        raise ConfigTypeError(f"{path}: holds a {type(options).__name__}; expected an object")
    return options


def _read_json(path, text):
    def unique(pairs):
        names = [name for name, _ in pairs]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ConfigError(f"{path}: gives {', '.join(sorted(twice))} twice")
        return dict(pairs)

    def refuse(word):
        raise ConfigError(f"{path}: {word} is not a number that JSON has")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from None


def _read_toml(path, text):
    try:
        import tomllib as toml
    except ModuleNotFoundError:
        try:
            import tomli as toml
        except ModuleNotFoundError:
            raise ConfigError(
                f"{path}: this Python has no reader for TOML: pip install 'spinney-engine[toml]', "
                "use Python 3.11 or newer, or write the file as JSON"
            ) from None
    try:
        return toml.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None


def variables(cls, prefix=None):
    """name of variable -> (path of option names, its Kind) for a class and what it nests."""
    found = {}
    prefix = cls.env_prefix if prefix is None else prefix
    for name, kind in cls.option_kinds().items():
        found[prefix + name.upper()] = ((name,), kind)
        inner = getattr(getattr(kind, "kind", kind), "config_class", None)
        if inner is not None:
            for variable, (path, inner_kind) in variables(inner).items():
                found[variable] = ((name, *path), inner_kind)
    return found


def config_path(environ=None):
    """The file that the environment's SPINNEY_CONFIG names, or None."""
    return (os.environ if environ is None else environ).get("SPINNEY_CONFIG") or None


def read_environment(cls, environ=None, prefix=None):
    """The options that the environment sets, as a nested mapping."""
    environ = os.environ if environ is None else environ
    prefix = cls.env_prefix if prefix is None else prefix
    known = variables(cls, prefix)
    options = {}
    for variable in sorted(environ):
        if variable not in known:
            _question(cls, variable, prefix, known)
            continue
        names, kind = known[variable]
        value = kind.accept(variable, kind.parse(variable, environ[variable]))
        into = options
        for name in names[:-1]:
            held = into.get(name)
            if held is not None and not isinstance(held, dict):
                held = {key: getattr(held, key) for key in held._given}
            into[name] = {} if held is None else held
            into = into[name]
        into[names[-1]] = value
    return options


def _question(cls, variable, prefix, known):
    """A variable under the prefix that is no option: refused if it looks like one, else named."""
    if not variable.startswith(prefix) or variable in OTHER_VARIABLES:
        return
    if prefix == "SPINNEY_" and variable not in known and "__" not in variable:
        close = get_close_matches(variable, list(known), 1, 0.85)
        if not close:
            _log.warning("the environment's %s is no option of %s", variable, cls.__name__)
            return
    else:
        close = get_close_matches(variable, list(known), 1, 0.6)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ConfigTypeError(f"the environment's {variable} is no option of {cls.__name__}{hint}")
