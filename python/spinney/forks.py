"""Locks of objects that live on in a forked child.

A thread that the child does not have may hold a lock at the moment of the fork, and would hold it
there for good. What such a lock guards is whole enough: single steps of the interpreter, between
which the fork falls, and figures that may lack a call.
"""

from __future__ import annotations

import os
import weakref
from threading import Lock

_makers = weakref.WeakKeyDictionary()


def lock_for(owner, make=Lock):
    """A lock for owner._lock, which is a new one in each forked child."""
    _makers[owner] = make
    return make()


def _renew():
    for owner, make in list(_makers.items()):
        owner._lock = make()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
