"""Manifests: a JSON file that names the members of an ensemble. It is data, and permits nothing.

{"models": ["a.pkl", {"path": "b.json", "weight": 3, "name": "b"}], "method": "average"}
"""

from __future__ import annotations

import json
import os
import re
import stat

import numpy as np

from spinney.ensemble.combined import Ensemble
from spinney.ensemble.members import MEMBERS_MAX, names_apart, opener
from spinney.exceptions import (
    CorruptModelError,
    InvalidInputError,
    ModelIOError,
    ModelNotFoundError,
    ModelTooLargeError,
    SpinneyError,
)
from spinney.sources import is_path

BYTES_MAX = 1 << 20
DEPTH_MAX = 4  # manifests within manifests
_LISTS = ("models", "model_paths")
_OPTIONS = ("method", "weights", "classes", "timeout_s", "on_failure", "members_min")
_PATHS = ("meta", "reference")
_KNOWN = (*_LISTS, *_OPTIONS, *_PATHS)
_OF_MEMBERS = ("path", "weight", "name")
_PERMISSIONS = ("trusted", "allowed_classes", "in_process", "worker_options")
_BEGINS = re.compile(rb'\s*\{\s*"(?:' + "|".join(_KNOWN).encode() + rb')"\s*:')


def is_manifest(source):
    """Whether a file (a path, or bytes) is a manifest; told at the cost of a look at its head by
    all that begins with no brace.
    """
    try:
        if isinstance(source, bytes):
            head, size = source[: BYTES_MAX + 1], len(source)
        else:
            if not stat.S_ISREG(os.stat(source).st_mode):
                return False
            with open(source, "rb") as file:
                head = file.read(4096)
                if not head.lstrip().startswith(b"{"):
                    return False
                size = os.fstat(file.fileno()).st_size
                head += file.read(BYTES_MAX + 1 - len(head)) if size <= BYTES_MAX else b""
    except (OSError, ValueError):
        return False  # whoever opens it says why
    if not head.lstrip().startswith(b"{"):
        return False
    if _BEGINS.match(head):
        return True
    if size > BYTES_MAX or not any(f'"{name}"'.encode() in head for name in _LISTS):
        return False
    try:
        found = json.loads(head)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(found, dict)
        and any(name in found for name in _LISTS)
        and not ({"learner", "oblivious_trees", "trees"} & set(found))
    )


def load_manifest(path, permissions, _outer=(), _left=None):
    """The Ensemble that a manifest names. permissions: the caller's, which its members have too."""
    path = os.path.realpath(os.fspath(path))
    if path in _outer:
        chain = " -> ".join(os.path.basename(one) for one in (*_outer, path))
        raise InvalidInputError(f"{path!r} is a member of itself: {chain}")
    if len(_outer) >= DEPTH_MAX:
        raise InvalidInputError(f"{path!r}: manifests within manifests, more than {DEPTH_MAX} deep")
    left = [MEMBERS_MAX] if _left is None else _left
    said = _read(path)
    try:
        entries, weights = _entries(said)
        left[0] -= len(entries)
        if left[0] < 0:
            raise InvalidInputError(f"more than {MEMBERS_MAX} members, over all manifests")
        return _ensemble(path, said, entries, weights, permissions, (_outer, left))
    except SpinneyError as error:
        raise type(error)(f"{path!r}: {error}") from error


def _ensemble(path, said, entries, weights, permissions, nesting):
    outer, left = nesting
    folder = os.path.dirname(path)
    plain = opener(permissions)

    def open_source(source):
        if is_path(source) and is_manifest(source):
            again = left if left is not None else [MEMBERS_MAX]
            return load_manifest(source, permissions, (*outer, path), again)
        return plain(source)

    members = []
    for name, given in entries:
        inner = below(folder, given)
        name = name or os.path.splitext(os.path.basename(given))[0]
        members.append((name, inner))
    members = list(zip(_names(members, entries), [inner for _, inner in members]))
    options = {key: said[key] for key in _OPTIONS if key in said}
    options["weights"] = weights
    if "meta" in said:
        options["meta"] = below(folder, said["meta"])
    if "reference" in said:
        options["reference"] = _rows(below(folder, said["reference"]))
    made = Ensemble(members, **options, _open=open_source)
    left = None  # a member that is loaded again later is counted by itself
    return made


def _names(members, entries):
    """The members' names; those that the manifest does not say are numbered where they repeat."""
    return names_apart([name for name, _ in members], [bool(name) for name, _ in entries])


def below(folder, given):
    """The path of a file that lies below the manifest, links followed; InvalidInputError else."""
    if not isinstance(given, str) or not given or "\0" in given:
        raise InvalidInputError(f"a member's path is {given!r}; expected a text")
    parts = given.replace("\\", "/").split("/")
    if os.path.isabs(given) or ".." in parts:
        raise InvalidInputError(
            f"{given!r} is outside: paths are relative to the manifest and stay below it"
        )
    found = os.path.realpath(os.path.join(folder, given))
    if found == folder or os.path.commonpath([folder, found]) != folder:
        raise InvalidInputError(f"{given!r} leads outside of the manifest's folder, by a link")
    return found


def _read(path):
    try:
        with open(path, "rb") as file:
            data = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no file {path!r}") from None
    except OSError as error:
        raise ModelIOError(f"{path!r} cannot be read: {error}") from error
    if len(data) > BYTES_MAX:
        raise ModelTooLargeError(f"{path!r}: a manifest has at most {BYTES_MAX:,} bytes")
    try:
        said = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise CorruptModelError(f"{path!r} is no manifest: {error}") from None
    if not isinstance(said, dict):
        raise CorruptModelError(f"{path!r} is no manifest: it holds a {type(said).__name__}")
    return said


def _once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it says {twice!r} twice")
    return found


def _entries(said):
    """([(name or None, path)], weights or None)"""
    for key in said:
        if key in _PERMISSIONS:
            raise InvalidInputError(
                f"a manifest grants no permission; give {key}= to what loads it"
            )
        if key not in _KNOWN:
            raise InvalidInputError(f"a manifest has no {key!r}; it may have {', '.join(_KNOWN)}")
    lists = [key for key in _LISTS if key in said]
    if len(lists) != 1:
        raise InvalidInputError("a manifest has one list of members: models, or model_paths")
    listed = said[lists[0]]
    if not isinstance(listed, list) or not listed:
        raise InvalidInputError(f"{lists[0]} is {listed!r:.80}; expected a list of paths")
    entries, weights = [], []
    for i, entry in enumerate(listed):
        entry = {"path": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, dict) or "path" not in entry or set(entry) - set(_OF_MEMBERS):
            raise InvalidInputError(
                f"{lists[0]}[{i}] is {entry!r:.80}; expected a path, or path, weight and name"
            )
        if not isinstance(entry.get("name", ""), str):
            raise InvalidInputError(f"{lists[0]}[{i}] has a name that is no text")
        weights.append(entry.get("weight"))
        entries.append((entry.get("name"), entry["path"]))
    given = [weight for weight in weights if weight is not None]
    if given and said.get("weights") is not None:
        raise InvalidInputError("weights are said twice: beside the members and as a list")
    if not given:
        return entries, _list_of_weights(said.get("weights"))
    return entries, [1.0 if weight is None else _weight(weight) for weight in weights]


def _list_of_weights(weights):
    if weights is None:
        return None
    if not isinstance(weights, list):
        raise InvalidInputError(f"weights is {weights!r:.80}; expected a list of numbers")
    return [_weight(weight) for weight in weights]


def _weight(weight):
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise InvalidInputError(f"a weight is {weight!r:.80}; expected a number")
    try:
        return float(weight)
    except OverflowError:
        raise InvalidInputError("a weight is beyond the range of numbers") from None


def _rows(path):
    """Reference rows: an array that numpy saved, in which nothing is pickled."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)  # which looks at the file's size
        if not isinstance(found, np.ndarray):
            raise ValueError("several arrays")
        return np.array(found)
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no file {path!r}") from None
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise CorruptModelError(f"{path!r} holds no rows that numpy saved: {error}") from None
