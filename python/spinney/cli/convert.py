"""spinney convert: any model file -> one .spinney file that opens in milliseconds."""

from __future__ import annotations

import os
import sys
import time

from spinney.cli.errors import UserError
from spinney.cli.models import add_choice_arguments, choice_of, load_model
from spinney.cli.table import shown_bytes, shown_seconds

EXAMPLES = """examples:
  spinney convert model.json model.spinney
  spinney convert model.txt best.spinney --num-iteration 50"""


def add_arguments(parser):
    parser.add_argument("model", help="a model file")
    parser.add_argument("output", metavar="OUT.spinney", help="the file to write")
    add_choice_arguments(parser)


def run(arguments):
    if not arguments.output.endswith(".spinney"):
        raise UserError(f"{arguments.output}: expected a name that ends in .spinney")
    load_model(arguments.model, choice_of(arguments)).save(arguments.output)
    start = time.perf_counter()
    load_model(arguments.output)
    seconds = time.perf_counter() - start
    if sys.stdout.isatty():
        size = shown_bytes(os.path.getsize(arguments.output))
        print(f"{arguments.output}: {size}, opens in {shown_seconds(seconds)}")
    return 0
