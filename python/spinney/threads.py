"""Threads of Python models' own libraries: how many their pools may use."""

from __future__ import annotations

from spinney.exceptions import InvalidInputError


class PoolLimit:
    """Holds the pools of BLAS and OpenMP libraries to `count` threads while a call runs.

    >>> limit = PoolLimit(1)
    >>> with limit:
    ...     pass  # numpy and scikit-learn use one thread here

    Pools belong to the process, not to a thread: while several threads are inside limits of
    different counts, the last to enter decides. Needs threadpoolctl, which scikit-learn brings.
    """

    def __init__(self, count):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidInputError(f"count is {count!r}; give 1 thread or more")
        try:
            from threadpoolctl import ThreadpoolController
        except ImportError as error:
            raise InvalidInputError(
                "limiting the threads of Python models needs threadpoolctl; install it with "
                "pip install threadpoolctl, or leave num_threads out"
            ) from error
        self.count = count
        self._find = ThreadpoolController
        self._pools = None
        self._entered = []

    def __enter__(self):
        if self._pools is None:  # looking for the loaded libraries takes a millisecond: once
            self._pools = self._find()
        self._entered.append(self._pools.limit(limits=self.count))
        self._entered[-1].__enter__()
        return self

    def __exit__(self, *error):
        return self._entered.pop().__exit__(*error)
