"""numpy.ma, without importing it.

Who never imported it has no masked array. Its first import takes 15 ms, and a process that another
thread forks meanwhile has the module's lock for good: the child that asks for it waits for ever.
"""

from __future__ import annotations

import sys


def masked_array_type():
    """numpy.ma.MaskedArray; None while nobody has imported it."""
    return getattr(sys.modules.get("numpy.ma.core"), "MaskedArray", None)


def is_masked_array(x):
    """Whether x is an array some of whose cells may be masked.

    >>> import numpy as np
    >>> is_masked_array(np.ones(2)), is_masked_array(np.ma.masked_equal([1, 2], 2))
    (False, True)
    """
    kind = masked_array_type()
    return kind is not None and isinstance(x, kind)
