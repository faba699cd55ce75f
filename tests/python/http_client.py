"""HTTP by hand, for tests of what well-behaved clients never send."""

from __future__ import annotations

import contextlib
import json
import socket

import numpy as np


class Connection:
    """One connection; answers are read to their end, so that several may follow each other."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.rest = b""

    def send(self, data):
        # The server may have answered and closed before it had everything.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def read(self):
        """(status, headers, body), or None at the end."""
        while b"\r\n\r\n" not in self.rest:
            if not self._more():
                assert self.rest == b"", self.rest
                return None
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        status = int(first.split(" ")[1])
        if status == 100:
            return status, headers, b""
        length = int(headers["content-length"])
        while len(self.rest) < length:
            assert self._more(), "the body is cut short"
        body, self.rest = self.rest[:length], self.rest[length:]
        return status, headers, body

    def ends(self):
        """Whether the server closes, with nothing more to say."""
        return self.read() is None

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.rest += data
        return bool(data)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.close()


def request(method, path, body=b"", headers=(), version="1.1"):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/{version}", "Host: test"]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def ask(port, method, path, body=b"", headers=()):
    """(status, headers, body) of one request on a connection of its own."""
    with Connection(port) as connection:
        connection.send(request(method, path, body, headers))
        return connection.read()


def infer(port, model, body, headers=()):
    status, _, answer = ask(port, "POST", f"/v2/models/{model}/infer", body, headers)
    return status, json.loads(answer)


def rows_of(count=40, width=6, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return rows, (rows[:, 0] * 2 + rows[:, 1] > 0).astype(int) + (rows[:, 2] > 1)


def tensor(rows, datatype="FP64", **more):
    return {"name": "x", "shape": list(np.shape(rows)), "datatype": datatype, **more}


def body_of(rows, datatype="FP64", outputs=None, **more):
    data = np.asarray(rows).tolist()
    body = {"inputs": [tensor(rows, datatype, data=data)], **more}
    if outputs is not None:
        body["outputs"] = [{"name": name} for name in outputs]
    return body
