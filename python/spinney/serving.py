"""spinney.serve: models over HTTP, by the Open Inference Protocol, from threads of this process."""

from __future__ import annotations

import os
import weakref
from typing import Any

from spinney._core import HttpServer, Model
from spinney.exceptions import InvalidInputError, UnsupportedModelError
from spinney.loading import load
from spinney.sources import is_path

_servers = weakref.WeakSet()

# Names in Python -> the core's, and what they must be.
_COUNTS = (
    "threads",
    "workers",
    "connections",
    "concurrent_requests",
    "cache_entries",
    "header_bytes",
    "body_bytes",
    "buffer_bytes",
)
_TIMES = ("idle_s", "header_s", "body_s", "send_s")


def serve(
    source: Any,
    *,
    name: str | None = None,
    version: str = "1",
    host: str = "127.0.0.1",
    port: int = 8080,
    **options: float,
) -> Server:
    """Serve a model, or several, and return at once; what is returned is a Server.

    source: whatever spinney.load takes, or a dict of names and such. Only models that Spinney runs
        natively are served.
    name, version: of a single model, for the paths that clients ask
        (/v2/models/NAME/versions/VERSION/infer). Without a name it is the file's without its
        suffix, or "model" for objects.
    host, port: where to listen; port=0 takes any that is free. Every host that can reach this
        address may ask for predictions: bind another than 127.0.0.1 only within a network that
        is trusted, or behind a proxy that knows whom to let in.
    options: threads (that serve connections; as many as the process may use CPUs), workers (that
        compute what is dear; the same), connections (12,000 at most), concurrent_requests (admitted
        and not yet answered; 0, no limit), cache_entries (answers kept for equal ones; 0, none),
        header_bytes (16 KiB), body_bytes (64 MiB), buffer_bytes (of all connections together;
        1 GiB), and seconds: idle_s (75, between requests), header_s (10) and body_s (60) for a
        request to arrive, send_s (30) in which a reader must take something.

    Raises what spinney.load raises, and ModelIOError where the address is taken.

    >>> import json, urllib.request
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> import spinney
    >>> x, y = load_diabetes(return_X_y=True)
    >>> forest = RandomForestRegressor(10, random_state=0).fit(x, y)
    >>> with spinney.serve(forest, name="diabetes", port=0) as server:
    ...     rows = {"name": "rows", "shape": [2, 10], "datatype": "FP64", "data": x[:2].tolist()}
    ...     body = json.dumps({"inputs": [rows]}).encode()
    ...     with urllib.request.urlopen(f"{server.url}/v2/models/diabetes/infer", body) as answer:
    ...         values = json.load(answer)["outputs"][0]["data"]
    >>> values == forest.predict(x[:2]).tolist()
    True
    """
    if isinstance(source, dict):
        if name is not None:
            raise InvalidInputError("name goes with one model; a dict names its models itself")
        if not source:
            raise InvalidInputError("source is an empty dict; expected at least one model")
        sources = source
    else:
        sources = {_name_of(source) if name is None else name: source}
    # Before anything listens, so that it is ready as soon as it does.
    models = {one: _native(loaded) for one, loaded in sources.items()}
    server = Server(host, port, **options)
    try:
        for one, model in models.items():
            server.load(one, model, version)
        server._listen()
    except BaseException:
        server.stop(0)
        raise
    return server


def _name_of(source):
    if not is_path(source):
        return "model"
    return os.path.splitext(os.path.basename(os.fsdecode(os.fspath(source))))[0]


def _native(source):
    model = load(source)
    if isinstance(model, Model):
        return model
    raise UnsupportedModelError(
        f"a {type(model).__name__} runs in Python, and the server serves native models only"
    )


class Server:
    """What spinney.serve returns: models behind an address, until stop() or the end of `with`."""

    def __init__(self, host: str, port: int, **options: float) -> None:
        unknown = sorted(set(options) - set(_COUNTS) - set(_TIMES))
        if unknown:
            raise InvalidInputError(
                f"there is no option {unknown[0]!r}; there are {', '.join(_COUNTS + _TIMES)}"
            )
        given = {one: _count(one, value) for one, value in options.items() if one in _COUNTS}
        given.update({one: _time(one, value) for one, value in options.items() if one in _TIMES})
        if not isinstance(host, str) or not host or "\0" in host:
            raise InvalidInputError(f"host is {host!r}; expected an address such as '127.0.0.1'")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise InvalidInputError(f"port is {port!r}; expected a number from 0 to 65535")
        self._core = HttpServer(host, port, given)
        self._stopped = False
        _servers.add(self)

    def _listen(self):
        self._core.listen()

    @property
    def url(self) -> str:
        """Where it is, such as 'http://127.0.0.1:8080'."""
        return self._core.url

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._core.port

    def load(self, name: str, source: Any, version: str = "1") -> None:
        """Serve another model, or another version, or put one in the place of what is there.

        Requests that are under way finish on the old one; none fails.
        """
        if not isinstance(name, str) or not isinstance(version, str):
            raise InvalidInputError("name and version are texts, such as 'fraud' and '1'")
        self._core.load(name, version, _native(source))

    def unload(self, name: str, version: str = "") -> None:
        """Stop serving a version of a model, or without a version all of them."""
        self._core.unload(name, version)

    def stop(self, timeout: float = 25.0) -> bool:
        """End it: not ready any more, no new connections, what was begun is answered.

        timeout: seconds after which the rest is cut off. True if nothing was. May be called twice.
        """
        if self._stopped:
            return True
        self._stopped = True
        return self._core.drain(float(timeout))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<spinney.Server {'stopped' if self._stopped else self.url}>"


def _count(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**48:
        raise InvalidInputError(f"{name} is {value!r}; expected a whole number from 0 on")
    return value


def _time(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InvalidInputError(f"{name} is {value!r}; expected seconds, more than 0")
    return float(value)


def _abandon():
    # A child has none of the threads, and its copies of the sockets go with the parent's listen.
    for server in list(_servers):
        server._core.abandon()
        server._stopped = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)
