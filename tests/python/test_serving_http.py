"""What attackers and bad luck send: the right answer or the right error, and the server goes on."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from http_client import Connection, ask, request

pytest.importorskip("sklearn")

ROW = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]}
INFER = "/v2/models/sum/infer"


@pytest.fixture(scope="module")
def model():
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], [1, 2, 3, 6])


@pytest.fixture(scope="module")
def server(model):
    import spinney

    limits = {"header_s": 1.0, "body_s": 2.0, "body_bytes": 1 << 20, "send_s": 2.0}
    with spinney.serve(model, name="sum", port=0, threads=2, **limits) as server:
        yield server


@pytest.fixture
def port(server):
    yield server.port
    # Whatever was sent, the server goes on.
    status, _, body = ask(server.port, "POST", INFER, ROW)
    assert status == 200
    assert json.loads(body)["outputs"][0]["data"] == pytest.approx([14.0])


BODY = json.dumps(ROW).encode()
POST = f"POST {INFER} HTTP/1.1\r\nHost: test\r\n".encode()


def chunks(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        (b"Content-Length: 5, 6\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: +5\r\n", 400),
        (b"Content-Length: 0x5\r\n", 400),
        (b"Content-Length: 5 5\r\n", 400),
        (b"Content-Length:\r\n", 400),
        (b"Content-Length: 99999999999999999999999\r\n", 400),
        (b"Content-Length: 99999999999\r\n", 413),
        (b"Content-Length: 5\nX: y\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n", 501),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: chunked, identity\r\n", 501),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked \x0b\r\n", 400),
        (b"", 411),
        (b"X: " + b"a" * 20000 + b"\r\n", 431),
        (b"X: y\r\n" * 200 + b"Content-Length: 0\r\n", 431),
        (b"X : y\r\n", 400),
        (b"X\x00Y: y\r\n", 400),
        (b"X: a\x00b\r\n", 400),
        (b"X: a\r\n folded\r\n", 400),
        (b" X: y\r\n", 400),
        (b"Host: other\r\n", 400),
        (b"Content-Length: 5\r\nExpect: more\r\n", 417),
    ],
)
def test_a_header_that_two_readers_could_take_differently(port, head, status):
    with Connection(port) as connection:
        connection.send(POST + head + b"\r\nabcde")
        got, headers, body = connection.read()
        assert got == status
        assert "error" in json.loads(body)
        assert headers["connection"] == "close"
        assert connection.ends()


@pytest.mark.parametrize(
    ("first_line", "status"),
    [
        (b"GET /v2 HTTP/2.0\r\n", 400),
        (b"GET /v2 HTTP/0.9\r\n", 400),
        (b"GET /v2\r\n", 400),
        (b"GET  /v2 HTTP/1.1\r\n", 400),
        (b"GET /v 2 HTTP/1.1\r\n", 400),
        (b"GET /v2 HTTP/1.1\n", 400),
        (b"G\x00T /v2 HTTP/1.1\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 40, 400),
        (b"GET /" + b"a" * 30000 + b" HTTP/1.1\r\n", 431),
    ],
)
def test_a_first_line_that_is_none(port, first_line, status):
    with Connection(port) as connection:
        connection.send(first_line + b"Host: test\r\n\r\n")
        assert connection.read()[0] == status
        assert connection.ends()


def test_a_request_without_a_host(port):
    with Connection(port) as connection:
        connection.send(b"GET /v2/health/live HTTP/1.1\r\n\r\n")
        assert connection.read()[0] == 400
    with Connection(port) as connection:  # HTTP/1.0 needs none, and ends
        connection.send(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
        assert connection.read()[0] == 200
        assert connection.ends()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2/models/", 404),
        ("GET", "/v2/models/sum/versions/", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/sum/versions/9", 404),
        ("GET", "/v2/models/sum/versions/1", 200),
        ("GET", "/v2/models/%73um", 200),
        ("GET", "/v2/models/s%u", 404),
        ("GET", "/v2/models/s%", 404),
        ("GET", "/v2/models/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v2/models/sum%00", 404),
        ("GET", "/v2?x=y", 200),
        ("GET", "http://elsewhere/v2", 200),
        ("GET", INFER, 405),
        ("POST", "/v2/health/live", 405),
        ("DELETE", "/v2/models/sum", 405),
        ("POST", "/v2/repository/models/sum/load", 403),
        ("POST", "/v2/repository/models/sum/unload", 403),
        ("POST", "/v2/models/other/infer", 404),
    ],
)
def test_paths_and_methods(port, method, path, status):
    got, headers, body = ask(port, method, path, b"{}")
    assert got == status
    if status == 405:
        assert "GET" in headers["allow"] or headers["allow"] == "POST"
    if status != 200:
        assert "error" in json.loads(body)


def test_head_is_get_without_the_body(port):
    with Connection(port) as connection:
        connection.send(request("HEAD", "/v2/health/ready") + request("GET", "/v2/health/live"))
        while b"\r\n\r\n" not in connection.rest:
            connection._more()
        head, _, connection.rest = connection.rest.partition(b"\r\n\r\n")
        assert b"200 OK" in head
        assert b"Content-Length: 26" in head
        assert connection.read()[2] == b'{"live":true}'


@pytest.mark.parametrize("trailers", [b"", b"X: y\r\n", b"Content-Type: text/html\r\n"])
def test_chunks(port, trailers):
    with Connection(port) as connection:
        body = b"5;a=b\r\n" + BODY[:5] + b"\r\n" + chunks(BODY[5:20], BODY[20:])[:-2] + trailers
        for _ in range(2):
            connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"\r\n")
            assert connection.read()[0] == 200


@pytest.mark.parametrize(
    ("chunk", "status"),
    [
        (b"zz\r\n", 400),
        (b"-1\r\n", 400),
        (b"ffffffffffffffffff\r\n", 400),
        (b"ffffffffffffffff\r\n", 413),
        (b"fffffff\r\n", 413),
        (b"3\r\nabcd\r\n0\r\n\r\n", 400),
        (b"3\nabc\n0\r\n\r\n", 400),
        (b"1;" + b"a" * 100000, 431),
        (b"0\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"0\r\nContent-Length: 3\r\n\r\n", 400),
    ],
)
def test_chunks_that_are_none(port, chunk, status):
    with Connection(port) as connection:
        connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        assert connection.read()[0] == status
        assert connection.ends()


def test_a_body_of_many_small_chunks_and_one_beyond_the_limit(port):
    with Connection(port) as connection:
        connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        padding = b" " * 20000
        connection.send(chunks(*(bytes([c]) for c in BODY + padding)))
        assert connection.read()[0] == 200
    with Connection(port) as connection:
        connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.send(b"1\r\n \r\n" * ((1 << 20) + 2))
        assert connection.read()[0] == 413


def test_pipelined_requests_with_a_bad_third_split_at_every_byte(port):
    good = request("GET", "/v2/health/live")
    stream = good + good + request("POST", INFER, b"{") + good * 12
    broken = good + good + b"GET /v2 HTTP/1.1\r\nHost : x\r\n\r\n" + good
    for at in range(0, len(stream), 7):
        with Connection(port) as connection:
            connection.send(stream[:at])
            connection.send(stream[at:])
            statuses = [connection.read()[0] for _ in range(15)]
            assert statuses == [200, 200, 400] + [200] * 12
    with Connection(port) as connection:  # what is no HTTP ends the connection
        for byte in broken:
            connection.send(bytes([byte]))
        assert [connection.read()[0] for _ in range(3)] == [200, 200, 400]
        assert connection.ends()


def test_empty_lines_between_requests(port):
    with Connection(port) as connection:
        connection.send(b"\r\n" + request("POST", INFER, ROW) + b"\r\n\r\n" + request("GET", "/v2"))
        assert connection.read()[0] == 200
        assert connection.read()[0] == 200


def test_expect_continue(port):
    with Connection(port) as connection:
        connection.send(POST + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(BODY))
        assert connection.read()[0] == 100
        connection.send(BODY)
        assert connection.read()[0] == 200


def test_a_request_that_dawdles_is_told_so(port):
    for start, phase in ((b"GET /v2 HT", "header"), (POST + b"Content-Length: 9\r\n\r\n{", "body")):
        with Connection(port) as connection:
            connection.send(start)
            begun = time.monotonic()
            assert connection.read()[0] == 408, phase
            assert time.monotonic() - begun > 0.5
            assert connection.ends()


def test_a_header_that_comes_byte_by_byte_has_one_deadline(port):
    with Connection(port) as connection:
        connection.send(b"GET /v2 HTTP/1.1\r\nHost: test\r\n")
        end = time.monotonic() + 15
        connection.socket.settimeout(0.2)
        while time.monotonic() < end:
            connection.send(b"X: y\r\n")
            try:
                if connection._more():
                    break
            except socket.timeout:
                pass
        connection.socket.settimeout(20)
        assert connection.read()[0] == 408


def test_a_client_that_hangs_up_halfway(port):
    for part in (b"GET", POST + b"Content-Length: 100\r\n\r\n{", POST[:20]):
        with Connection(port) as connection:
            connection.send(part)
    with Connection(port) as connection:  # half of it: the answer is sent all the same
        connection.send(request("POST", INFER, ROW))
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read()[0] == 200
        assert connection.ends()


def test_a_reader_that_does_not_read_holds_no_more_than_a_buffer(server, port):
    with Connection(port) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.socket.settimeout(1)
        asked = request("GET", "/metrics") * 2000
        sent, most = 0, 1000
        try:
            for _ in range(most):
                connection.socket.sendall(asked)
                sent += len(asked)
        except (socket.timeout, ConnectionError):
            pass
        assert sent < most * len(asked)  # the server stopped reading
        _, _, body = ask(server.port, "GET", "/metrics")
        held = next(
            line
            for line in body.decode().splitlines()
            if line.startswith("spinney_http_buffer_bytes ")
        )
        assert float(held.split()[1]) < 16e6


def test_an_id_comes_back_and_cannot_break_the_header(port):
    _, headers, _ = ask(port, "GET", "/v2", headers=[("X-Request-Id", "a-1.b")])
    assert headers["x-request-id"] == "a-1.b"
    for bad in ("x" * 200, "a b", "\xff"):
        status, headers, _ = ask(port, "GET", "/v2", headers=[("X-Request-Id", bad)])
        assert status == 200
        assert "x-request-id" not in headers


def test_connections_beyond_the_limit_are_told(model):
    import spinney

    with spinney.serve(model, name="sum", port=0, threads=1, connections=3) as server:
        held = [Connection(server.port) for _ in range(3)]
        for connection in held:
            connection.send(request("GET", "/v2"))
            assert connection.read()[0] == 200
        with Connection(server.port) as fourth:
            status, headers, _ = fourth.read()
            assert (status, headers["retry-after"]) == (503, "1")
        held.pop().close()
        for _ in range(100):
            with Connection(server.port) as again:
                again.send(request("GET", "/v2"))
                if again.read()[0] == 200:
                    break
            time.sleep(0.05)
        else:
            pytest.fail("no connection was given back")
        for connection in held:
            connection.close()


def test_a_drain_answers_what_was_begun_and_ends_what_was_not(model):
    import spinney

    server = spinney.serve(model, name="sum", port=0, threads=2)
    idle = Connection(server.port)
    idle.send(request("GET", "/v2"))
    assert idle.read()[0] == 200
    begun = Connection(server.port)
    begun.send(POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY[:10])
    time.sleep(0.3)  # it is read
    told = []
    stopping = threading.Thread(target=lambda: told.append(server.stop(20)))
    stopping.start()
    assert idle.ends()
    begun.send(BODY[10:])
    status, headers, _ = begun.read()
    assert (status, headers["connection"]) == (200, "close")
    begun.close()
    stopping.join(20)
    assert told == [True]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_a_drain_has_a_deadline(model):
    import spinney

    server = spinney.serve(model, name="sum", port=0, threads=1)
    with Connection(server.port) as connection:
        connection.send(POST + b"Content-Length: 100\r\n\r\n{")
        time.sleep(0.3)
        assert server.stop(0.2) is False
        assert connection.ends()
