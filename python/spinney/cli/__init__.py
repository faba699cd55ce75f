"""The command line: spinney predict, inspect, verify, bench and convert.

Exit status: 0 done; 1 verify found a difference; 2 a mistake in the arguments, the data or the
model file, said in one line on standard error; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from spinney.cli.errors import UserError

COMMANDS = {
    "predict": ("predict", "predictions for a file of rows"),
    "inspect": ("inspect_model", "what a model file holds and how it will be run"),
    "verify": ("verify", "prove the answers equal to the training library's"),
    "bench": ("bench", "time the model against the installed rivals"),
    "convert": ("convert", "write a .spinney file, which opens in milliseconds"),
}


def make_parser():
    import spinney

    parser = argparse.ArgumentParser(
        prog="spinney",
        description="The training library's own predictions, several times faster.",
        epilog="spinney COMMAND --help says more.",
    )
    parser.add_argument("--version", action="version", version=f"spinney {spinney.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        module = importlib.import_module(f"spinney.cli.{module_name}")
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments=None):
    """Runs one command; returns the exit status."""
    import spinney

    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        return options.run(options)
    except (UserError, spinney.SpinneyError, OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has gone: no complaint, and none at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        message = str(error) or type(error).__name__
        print(f"spinney {options.command}: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
