"""Memory that two processes share: anonymous, known by its descriptor alone, so no name can leak.

The serving process makes a buffer, seals it against changes of its size (a worker that shrank it
would end whoever reads it) and hands the descriptor over.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os

_PAGE = mmap.PAGESIZE


class SharedBuffer:
    """Bytes that are mapped here and, by the descriptor `fd`, elsewhere."""

    def __init__(self, size):
        size = max(_PAGE, -(-size // _PAGE) * _PAGE)
        self.fd = os.memfd_create("spinney-batch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.fd, size)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)
            self.map = mmap.mmap(self.fd, size)
        except BaseException:
            os.close(self.fd)
            raise
        self.size = size

    def close(self):
        if self.fd < 0:
            return
        os.close(self.fd)
        self.fd = -1
        with contextlib.suppress(BufferError):  # else the mapping goes with the last view into it
            self.map.close()


def sealed_bytes(data):
    """A descriptor of a file in memory that holds `data` and that nobody can change."""
    fd = os.memfd_create("spinney-model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return fd
    except BaseException:
        os.close(fd)
        raise
