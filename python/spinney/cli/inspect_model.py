"""spinney inspect: what a model file holds and how it will be run."""

from __future__ import annotations

import json
import os
import time

from spinney.cli.models import add_choice_arguments, choice_of, load_model
from spinney.cli.table import shown_bytes, shown_seconds

EXAMPLES = """examples:
  spinney inspect model.json
  spinney inspect model.pkl --json | jq .n_features"""


def add_arguments(parser):
    parser.add_argument("model", help="a model file")
    parser.add_argument("--json", action="store_true", help="all of it, as JSON")
    add_choice_arguments(parser)


def _plain(value):
    """A value that JSON and people can read: numpy scalars and arrays become Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _text(name, value):
    if name.endswith("bytes") and isinstance(value, int):
        return shown_bytes(value)
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return "; ".join(", ".join(f"{k} {_text(k, v)}" for k, v in one.items()) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(k, v)}" for k, v in value.items())
    if isinstance(value, list):
        shown = ", ".join(map(str, value[:8]))
        return f"{shown} … ({len(value)} in all)" if len(value) > 8 else shown
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _short(columns):
    """What each column is, and of its values how many there are."""
    short = []
    for i, column in enumerate(columns):
        told = {**column, "name": i if column["name"] is None else column["name"]}
        if "values" in told:
            told["values"] = len(told["values"])
        short.append(told)
    return short


def run(arguments):
    start = time.perf_counter()
    model = load_model(arguments.model, choice_of(arguments))
    seconds = time.perf_counter() - start
    facts = {
        "file": arguments.model,
        "file_bytes": os.path.getsize(arguments.model),
        "opens_in": seconds,
        **_plain(model.info()),
    }
    if getattr(model, "_has_schema", False):
        facts["columns"] = model.columns if arguments.json else _short(model.columns)
    if arguments.json:
        print(json.dumps(facts, indent=2, default=str))
        return 0
    facts["opens_in"] = shown_seconds(seconds)
    width = max(map(len, facts))
    for name, value in facts.items():
        if value is None or value == [] or value == {} or value == "":
            continue
        print(f"{name.replace('_', ' '):{width}}  {_text(name, value)}")
    return 0
