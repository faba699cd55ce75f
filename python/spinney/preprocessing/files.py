"""A preprocessor's file: data only, versioned, checksummed (src/spinney/prepare/serialize.h)."""

from __future__ import annotations

import json
import os
import stat

from spinney._core import PrepareStatistics, __version__, prepare_pack, prepare_unpack
from spinney.configs import PreprocessorConfig
from spinney.exceptions import ConfigError, SpinneyError
from spinney.preprocessing.errors import SerializationError
from spinney.preprocessing.fitted import from_parts
from spinney.preprocessing.rows import RowJudge, forest_from_bytes

_DESCRIPTION, _PROGRAM, _FIRST, _STATISTICS, _FOREST = 1, 2, 3, 4, 5
_FUNCTIONS = ("custom_center_func", "custom_scale_func")
_CODE = ("custom_transform_func", "custom_inverse_func")


def to_bytes(config, names, fitted, statistics):
    """The bytes of a file. Centres and scales that functions gave are numbers; a function that
    transforms rows is code, which no file holds."""
    for name in _CODE:
        if getattr(config, name) is not None:
            raise SerializationError(
                f"{name} is code and cannot be written to a file; set it to None, serialize, and "
                "set it again after deserializing"
            )
    written = config.replace(**dict.fromkeys(_FUNCTIONS))
    judge = fitted.judge if fitted else None
    description = {
        "version": __version__,
        "config": written.to_dict(),
        "feature_names": names,
        "judge": judge.to_plain() if judge else None,
        "own_scales": fitted is not None and fitted.own_scales,
    }
    parts = [(_DESCRIPTION, json.dumps(description).encode())]
    if statistics is not None:
        parts.append((_STATISTICS, statistics.to_bytes()))
    if fitted is not None:
        parts.append((_PROGRAM, fitted.program.to_bytes()))
        if fitted.first is not None:
            parts.append((_FIRST, fitted.first.to_bytes()))
        if judge is not None and judge.forest is not None:
            parts.append((_FOREST, judge.forest.to_bytes()))
    return prepare_pack(parts)


def from_bytes(data):
    """(config, names, Fitted or None, statistics or None). SerializationError if damaged."""
    try:
        parts = {}
        for kind, content in prepare_unpack(data):
            if kind in parts or not _DESCRIPTION <= kind <= _FOREST:
                raise SerializationError(f"the file holds a part of kind {kind} too many")
            parts[kind] = content
        return _assemble(parts)
    except SerializationError:
        raise
    except (SpinneyError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SerializationError(f"the file is no preprocessor that can be read: {error}") from None


def _assemble(parts):
    if _DESCRIPTION not in parts:
        raise SerializationError("the file has no description")
    description = json.loads(parts[_DESCRIPTION].decode("utf-8"))
    if not isinstance(description, dict):
        raise SerializationError("the file's description is no mapping")
    config = _config(description["config"])
    if _PROGRAM not in parts:
        statistics = parts.get(_STATISTICS)
        return config, None, None, statistics and PrepareStatistics.from_bytes(statistics)
    judge, first = None, parts.get(_FIRST)
    if description["judge"] is not None:
        if first is None:
            raise SerializationError("the file lacks the steps before rows are judged")
        forest = forest_from_bytes(parts[_FOREST]) if _FOREST in parts else None
        judge = RowJudge(None, forest, config.outlier_handling)
    own_scales = description.get("own_scales", False) is True  # earlier files do not say
    fitted = from_parts(parts[_PROGRAM], parts[_STATISTICS], first, judge, own_scales)
    _check_widths(fitted)
    if judge is not None:
        judge.bounds = fitted.first if judge.forest is None else None
        judge.from_plain(description["judge"], fitted.width)
    return config, _names(description["feature_names"], fitted.width), fitted, fitted.statistics


def _config(plain):
    try:
        return PreprocessorConfig.from_dict(plain)
    except ConfigError as error:
        raise SerializationError(f"the file's configuration is not valid: {error}") from None


def _check_widths(fitted):
    widths = {fitted.width, fitted.statistics.width}
    if fitted.first is not None:
        widths.add(fitted.first.width)
    if fitted.judge is not None and fitted.judge.forest is not None:
        widths.add(fitted.judge.forest.n_features)
    if len(widths) != 1:
        raise SerializationError(f"the file's parts have different widths: {sorted(widths)}")


def _names(names, width):
    if names is None:
        return None
    if not isinstance(names, list) or len(names) != width:
        raise SerializationError(f"the file does not name {width} features")
    if not all(isinstance(name, str) for name in names):
        raise SerializationError("the file's feature names are not all text")
    return names


def write(path, data):
    """To a temporary name beside the path, which then takes its place at once."""
    path = os.fspath(path)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.urandom(6).hex()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise SerializationError(f"{path} cannot be written: {error}") from error


def read(path):
    path = os.fspath(path)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SerializationError(f"{path} is no regular file")
            return file.read()
    except OSError as error:
        raise SerializationError(f"{path} cannot be read: {error}") from error
