"""The command line: spinney predict, inspect, verify, bench, convert, serve and completion.

Exit status: 0 done; 1 verify found a difference; 2 a mistake in the arguments, the data or the
model file, said in one line on standard error; 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading

from spinney.cli.errors import UserError

COMMANDS = {
    "predict": ("predict", "predictions for a file of rows"),
    "inspect": ("inspect_model", "what a model file holds and how it will be run"),
    "verify": ("verify", "prove the answers equal to the training library's"),
    "bench": ("bench", "time the model against the installed rivals"),
    "convert": ("convert", "write a .spinney file, which opens in milliseconds"),
    "serve": ("serve", "answer requests for models over HTTP"),
    "completion": ("completion", "print what makes a shell complete this command's words"),
}

EXAMPLES = """examples:
  spinney inspect model.json
  spinney predict model.json rows.csv -o predictions.csv
  spinney verify model.json

spinney COMMAND --help says more."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage that would hide it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help says more\n")


def make_parser():
    import spinney

    parser = _Parser(
        prog="spinney",
        description="The training library's own predictions, bit for bit and fast.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"spinney {spinney.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        module = importlib.import_module(f"spinney.cli.{module_name}")
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments=None):
    """Runs one command; returns the exit status."""
    import spinney
    from spinney.cli import output

    command = ""
    try:
        with _ended_by_signals():
            parser = make_parser()
            options = parser.parse_args(arguments)
            if options.command is None:
                parser.print_help()
                return 2
            command = f" {options.command}"
            status = options.run(options)
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
    except BrokenPipeError:
        # Whoever read our output has gone: no complaint, and none at exit either.
        with contextlib.suppress(Exception):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (UserError, spinney.SpinneyError, OSError, MemoryError) as error:
        message = " ".join((str(error) or type(error).__name__).splitlines())
        if isinstance(error, OSError) and error.strerror:
            where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            message = f"{where}{error.strerror}"
        print(f"spinney{command}: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print(file=sys.stderr)
        return 130
    finally:
        output.remove_parts()


@contextlib.contextmanager
def _ended_by_signals():
    """SIGTERM and SIGHUP end the command as an exception does, which leaves no half file."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number, frame):
        raise SystemExit(128 + number)

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores it, and is right
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
