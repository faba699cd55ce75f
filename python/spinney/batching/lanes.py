"""The waiting entries: ordered by urgency, one lane for each signature. Knows no threads or clocks.

An entry's key is its arrival plus its level times the aging. The least key is served first, so a
request waits at the longest for those that came up to level × aging seconds after it: nothing
starves. Within a level the order is that of arrival.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count


class _Lane:
    __slots__ = ("heap", "rows", "waiting")

    def __init__(self):
        self.heap = []
        self.rows = self.waiting = 0


class Lanes:
    """Invariant: `waiting` and `rows` count the entries with `waits` true, each in one lane.

    Heaps also hold entries that wait no more, but never many: those keep rows and answers alive.
    """

    def __init__(self, aging):
        self.aging = aging
        self.waiting = 0
        self._lanes = {}
        self._deadlines = []
        self._ticket = count()

    def add(self, entry, level):
        entry.key = entry.arrival + level * self.aging
        entry.waits = True
        lane = self._lanes.get(entry.signature)
        if lane is None:
            lane = self._lanes[entry.signature] = _Lane()
        ticket = next(self._ticket)
        heappush(lane.heap, (entry.key, ticket, entry))
        lane.rows += entry.rows
        lane.waiting += 1
        self.waiting += 1
        if entry.deadline < float("inf"):
            heappush(self._deadlines, (entry.deadline, ticket, entry))

    def first(self):
        """(most urgent entry, rows waiting that could share its call), or (None, 0)."""
        lane = self._first_lane()
        return (None, 0) if lane is None else (lane.heap[0][2], lane.rows)

    def _first_lane(self):
        best = None
        for signature in list(self._lanes):
            lane = self._lanes[signature]
            heap = lane.heap
            while heap and not heap[0][2].waits:
                heappop(heap)
            if not heap:
                del self._lanes[signature]
            elif best is None or heap[0][:2] < best.heap[0][:2]:
                best = lane
        return best

    def take(self, rows_max, bytes_max, now):
        """(entries of one call, expired entries, cancelled entries): the most urgent lane's first.

        A first entry beyond the limits comes alone.
        """
        taken, expired, cancelled = [], [], []
        lane = self._first_lane()
        rows = size = 0
        while lane is not None and lane.heap:
            entry = lane.heap[0][2]
            if not entry.waits:
                heappop(lane.heap)
                continue
            if entry.deadline <= now:
                expired.append(entry)
            elif taken and (rows + entry.rows > rows_max or size + entry.bytes > bytes_max):
                break
            elif entry.claim():
                taken.append(entry)
                rows += entry.rows
                size += entry.bytes
            else:
                cancelled.append(entry)
            heappop(lane.heap)
            self._leave(entry, lane)
        self._tidy()
        return taken, expired, cancelled

    def expire(self, now):
        """Take out and give back what may no longer be run."""
        expired = []
        while self._deadlines and (self._deadlines[0][0] <= now or not self._deadlines[0][2].waits):
            entry = heappop(self._deadlines)[2]
            if entry.waits:
                self._leave(entry, self._lanes[entry.signature])
                expired.append(entry)
        if expired:
            self._tidy()
        return expired

    def next_deadline(self):
        """The earliest deadline of a waiting entry, or None."""
        while self._deadlines and not self._deadlines[0][2].waits:
            heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def drop_cancelled(self):
        """Take out and give back what its callers have cancelled."""
        dropped = []
        for lane in self._lanes.values():
            for _, _, entry in lane.heap:
                if entry.waits and entry.future is not None and entry.future.cancelled() is True:
                    self._leave(entry, lane)
                    dropped.append(entry)
        if dropped:
            self._tidy()
        return dropped

    def clear(self):
        """Take out and give back everything."""
        left = []
        for lane in self._lanes.values():
            for _, _, entry in lane.heap:
                if entry.waits:
                    self._leave(entry, lane)
                    left.append(entry)
        self._lanes.clear()
        self._deadlines.clear()
        return left

    def _leave(self, entry, lane):
        entry.waits = False
        lane.rows -= entry.rows
        lane.waiting -= 1
        self.waiting -= 1

    def _tidy(self):
        """Rebuild heaps that are mostly of entries that wait no more."""
        if len(self._deadlines) > 2 * self.waiting:
            self._deadlines = _waiting_only(self._deadlines)
        for lane in self._lanes.values():
            if len(lane.heap) > 2 * lane.waiting + 8:
                lane.heap = _waiting_only(lane.heap)


def _waiting_only(heap):
    kept = [held for held in heap if held[2].waits]
    heapify(kept)
    return kept
