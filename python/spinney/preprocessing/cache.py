"""Answers kept for inputs that come again, where transforming costs more than a look-up."""

from __future__ import annotations

from collections import OrderedDict

from spinney.forks import lock_for

# Larger inputs are neither looked up nor kept.
VALUES_MAX = 1 << 16


class AnswerCache:
    """The least recently used goes first. Keys are the whole content, so that equal keys are equal
    inputs; answers are copied in and out, and zeroed when they leave."""

    def __init__(self, size):
        self._size = size
        self._answers = OrderedDict()
        self._lock = lock_for(self)
        self.hits = self.misses = 0

    @staticmethod
    def key(array):
        return (array.shape, array.dtype.char, array.tobytes())

    def get(self, key):
        """A copy of the answer, or None."""
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                self.misses += 1
                return None
            self._answers.move_to_end(key)
            self.hits += 1
            return answer.copy(order="K")

    def put(self, key, answer):
        kept = answer.copy(order="K")
        with self._lock:
            before = self._answers.pop(key, None)
            self._answers[key] = kept
            if before is not None:
                before.fill(0)
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)[1].fill(0)

    def end(self):
        """Keeps nothing any more, what calls that still run would put in included."""
        with self._lock:
            self._size = 0
            for answer in self._answers.values():
                answer.fill(0)
            self._answers.clear()

    def __len__(self):
        return len(self._answers)
