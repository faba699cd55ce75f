"""One thread that starts every worker process, and lives as long as this process.

Linux sends a child its parent-death signal when the *thread* that started it ends, so a worker that
was started by a thread of the caller's would die with that thread. After fork() the child process
gets a thread of its own when it first starts a worker.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading

_lock = threading.Lock()
_requests = None


def start_process(arguments, **options):
    """subprocess.Popen(arguments, **options), called on the thread that never ends."""
    answer = queue.SimpleQueue()
    _queue().put((arguments, options, answer))
    process, error = answer.get()
    if error is not None:
        raise error
    return process


def _queue():
    global _requests
    with _lock:
        if _requests is None:
            requests = queue.SimpleQueue()
            threading.Thread(
                target=_serve, args=(requests,), name="spinney-worker-spawner", daemon=True
            ).start()  # may find no thread: then the next caller tries again
            _requests = requests
        return _requests


def _serve(requests):
    while True:
        arguments, options, answer = requests.get()
        try:
            answer.put((subprocess.Popen(arguments, **options), None))
        except BaseException as error:
            answer.put((None, error))
        del arguments, options, answer


def _forget():
    global _lock, _requests
    _lock, _requests = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)
