"""Landlock: which files a worker process may read, where the kernel knows it. It may write none.

The rules hold for the calling thread and those that it starts later, so they are set while there is
only one.
"""

import ctypes
import os
import struct

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH
# How many kinds of access to files each version knows: to execute, write, read, list, remove, …
_KINDS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK = 3  # to bind and connect TCP, since version 4
_SCOPES = 3  # abstract sockets and signals of other processes, since version 6


def version():
    """The kernel's version of Landlock, or 0."""
    return max(0, call("syscall", _CREATE, None, 0, _VERSION))


def restrict(readable):
    """Let this thread read files beneath the paths in `readable` and touch no other.

    Returns the version, or raises OSError. Paths that are not there are passed over. The process
    must have given up new privileges before.
    """
    known = version()
    if not known:
        raise OSError("the kernel has no Landlock")
    attributes = struct.pack("=Q", (1 << _KINDS.get(known, 16)) - 1)
    if known >= 4:
        attributes += struct.pack("=Q", _NETWORK)
    if known >= 6:
        attributes += struct.pack("=Q", _SCOPES)
    rules = checked(call("syscall", _CREATE, attributes, len(attributes), 0))
    try:
        for path in readable:
            _permit(rules, path)
        checked(call("syscall", _RESTRICT, rules, 0))
    finally:
        os.close(rules)
    return known


def _permit(rules, path):
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        access = _READ_FILE | (_READ_DIR if os.path.isdir(f"/proc/self/fd/{fd}") else 0)
        checked(call("syscall", _ADD, rules, _BENEATH, struct.pack("=Qi", access, fd), 0))
    finally:
        os.close(fd)


def call(name, *arguments):
    """A function of the C library, called with whole machine words and bytes."""
    function = ctypes.CDLL(None, use_errno=True)[name]
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    return function(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))


def checked(result):
    """result, or OSError where it is below 0."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
