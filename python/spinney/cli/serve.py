"""spinney serve: model files behind an HTTP address."""

from __future__ import annotations

import os
import signal
import sys
import threading

from spinney.cli.errors import UserError

EXAMPLES = """examples:
  spinney serve model.json
  spinney serve fraud.pkl churn.txt --port 9000
  curl localhost:8080/v2/models/model

docs/serving.md has the requests that clients send."""


def add_arguments(parser):
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model files")
    parser.add_argument("--name", help="of a single model; the file's name without its suffix")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on, 127.0.0.1 by default; everybody who can reach it may ask",
    )
    parser.add_argument("--port", type=int, default=8080, help="8080 by default; 0: any")
    parser.add_argument(
        "--threads", type=int, help="that serve connections; as many as there are CPUs to use"
    )
    parser.add_argument(
        "--workers", type=int, help="that compute what is dear; as many as there are CPUs to use"
    )
    parser.add_argument(
        "--drain-seconds",
        type=float,
        default=25.0,
        help="for what was begun, after SIGTERM or SIGINT; 25 by default",
    )


def run(arguments):
    import spinney
    from spinney._core import raise_descriptor_limit
    from spinney.serving import _name_of

    if arguments.name is not None and len(arguments.models) > 1:
        raise UserError("--name goes with one model file")
    sources = {}
    for path in arguments.models:
        name = arguments.name or _name_of(path)
        if name in sources:
            raise UserError(f"{path}: two models would be named {name!r}; rename one of the files")
        sources[name] = path
    options = {}
    for option in ("threads", "workers"):
        if getattr(arguments, option) is not None:
            options[option] = getattr(arguments, option)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    raise_descriptor_limit()
    server = spinney.serve(sources, host=arguments.host, port=arguments.port, **options)
    _say(f"{', '.join(sources)} on {server.url}")
    ended.wait()
    # Nothing is written before that: whoever read it may have gone, or read no more.
    in_time = server.stop(arguments.drain_seconds)
    _say("ended" if in_time else "some requests were cut off at the deadline")
    return 0


def _say(text):
    try:
        print(f"spinney serve: {text}", file=sys.stderr, flush=True)
    except OSError:  # a log that nobody reads any more ends no server
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
