"""One message each way between a serving process and its worker: short JSON, and descriptors.

A message is one packet (SOCK_SEQPACKET keeps their bounds). Rows and answers never travel here;
they lie in shared memory, and a message says where.
"""

from __future__ import annotations

import array
import json
import os
import socket

MESSAGE_MAX = 60_000
DESCRIPTORS_MAX = 4


class BadMessage(ValueError):
    """What arrived is no message."""


def send(channel, message, descriptors=()):
    packet = json.dumps(message).encode("ascii")
    if len(packet) > MESSAGE_MAX:
        raise BadMessage(f"a message of {len(packet)} bytes is over the limit of {MESSAGE_MAX}")
    if descriptors:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        channel.sendmsg([packet], rights)
    else:
        channel.send(packet)  # all that a worker's sandbox permits, so that it sends no descriptors


def receive(channel):
    """(message, descriptors), or (None, []) when the other side is gone."""
    space = socket.CMSG_SPACE(DESCRIPTORS_MAX * array.array("i").itemsize)
    flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    packet, rights, state, _ = channel.recvmsg(MESSAGE_MAX, space, flags)
    descriptors = _descriptors(rights)
    try:
        if state & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise BadMessage("a message was too long")
        if not packet:
            return None, descriptors
        message = json.loads(packet.decode("ascii"))
        if not isinstance(message, dict):
            raise BadMessage("a message is no JSON object")
    except (ValueError, RecursionError) as error:
        for fd in descriptors:
            os.close(fd)
        raise BadMessage(f"what arrived is no message: {error}; {packet[:60]!r}") from error
    return message, descriptors


def _descriptors(rights):
    found = array.array("i")
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)
