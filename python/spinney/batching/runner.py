"""One lane's batches: which entries the function is called with, and how each future ends."""

from __future__ import annotations

import logging
from itertools import count
from time import perf_counter

from spinney.batching.calls import call_batch
from spinney.exceptions import EngineShutDownError, ModelFailedError, RequestExpiredError
from spinney.faults import contained

_log = logging.getLogger("spinney.batching")
_ANSWERED, _FAILED, _EXPIRED, _CANCELLED, _SHUT_DOWN = range(5)  # of BatchLane
_calls = count(1)


class First:
    """What the entries of one batch have in common from its first call on."""

    __slots__ = ("collected", "rows", "shrunk", "waited")

    def __init__(self, rows, waited):
        self.rows, self.waited = rows, waited
        self.collected = self.shrunk = False


class Runner:
    """Called by a lane with batches, and with what became of each request.

    The lane calls again with the halves of a batch that failed, and with what is tried again.
    """

    def __init__(self, core):
        self.core = core
        self.function = None
        self.forked = False

    def run(self, entries):
        """(answers, the error of all, whether to try that again, what became of single entries)."""
        core = self.core
        if core.space_waiters:
            core.tell_space()
        gone = [i for i, entry in enumerate(entries) if not (entry.first or entry.claim())]
        own = [(i, _CANCELLED, None, False) for i in gone]
        batch = entries if not gone else [entry for i, entry in enumerate(entries) if i not in gone]
        if not batch:
            return [None] * len(entries), None, False, own
        first = None
        if batch[0].first is None:
            first = self._begin(batch)
        call = next(_calls)
        core.running[call] = core.clock.now()
        started = perf_counter()
        try:
            answers, error, again = self._call(batch, own, entries)
        finally:
            seconds = perf_counter() - started
            core.running.pop(call, None)
            core.tell_time()
        if first is not None:
            self._note(first, seconds, error is None and not own)
        if gone and error is None:
            found = iter(answers)
            answers = [None if i in gone else next(found) for i in range(len(entries))]
        return answers, error, again, own

    def _begin(self, batch):
        core = self.core
        waited = core.clock.now() - min(entry.arrival for entry in batch)
        first = First(sum(entry.rows for entry in batch), waited)
        for entry in batch:
            entry.first = first
        core.batches += 1
        core.batched_rows += first.rows
        core.wait_sum += waited
        if waited > core.wait_max:
            core.wait_max = waited
        return first

    def _call(self, batch, own, entries):
        if batch[0].signature is None:
            return self._call_each(batch, own, entries), None, False
        try:
            return call_batch(self.function, batch, self.core.policy.max_rows), None, False
        except BaseException as error:
            # Smaller batches could make a wrong number of rows look right.
            return None, _own_frames(error), not isinstance(error, ModelFailedError)

    def _call_each(self, batch, own, entries):
        """Answers of entries of no array, which come one by one."""
        answers = []
        numbers = {id(entry): i for i, entry in enumerate(entries)}
        for entry in batch:
            answers.append(None)
            if entry.deadline <= self.core.clock.now():
                own.append((numbers[id(entry)], _EXPIRED, None, False))
                continue
            try:
                answers[-1] = self.function(entry.item)
            except BaseException as error:
                again = not isinstance(error, ModelFailedError)
                own.append((numbers[id(entry)], _FAILED, _own_frames(error), again))
        return answers

    def _note(self, first, seconds, well):
        core = self.core
        if well:
            core.learn(first.rows, seconds)
        if core.observe is not None:
            core.observe.batch(seconds, first.rows, first.waited, core.waiting)

    def settle(self, finished):
        """Complete futures, each once, and draw the conclusions from what failed."""
        core = self.core
        failed = 0
        for entry, outcome, value, begun in finished:
            try:
                if outcome == _ANSWERED:
                    entry.answer(value)
                elif outcome == _FAILED:
                    failed += 1
                    entry.fail(_failure(value))
                elif outcome == _EXPIRED:
                    self.fail_expired(entry)
                elif outcome == _SHUT_DOWN:
                    self._fail_shut_down(entry, begun)
                elif not begun:
                    entry.claim()  # tells those who wait on it that it was cancelled
            except BaseException:  # of a future of the caller's own make; others need their answers
                _log.exception("a future could not be completed")
        if core.space_waiters:
            core.tell_space()
        first = entry.first
        if first is None:
            return
        if failed:
            self._note_failed(failed, first)
        if not first.collected:
            first.collected = True
            core.collect_garbage(first.rows)

    def _note_failed(self, failed, first):
        core = self.core
        if core.policy.halves and not first.shrunk:
            first.shrunk = True
            core.shrink()
        if core.observe is not None:
            core.observe.failed(failed, first.rows)

    def fail_expired(self, entry):
        limit = (entry.deadline - entry.arrival) * 1e3
        error = RequestExpiredError(f"the request expired: not run within its {limit:g} ms")
        if not entry.fail(error) and entry.future.cancelled() is True:
            entry.claim()  # tells those who wait on it that it was cancelled

    def _fail_shut_down(self, entry, begun):
        if self.forked:
            entry.made_whole()
            what = "the process forked; the parent answers its own requests"
        elif begun:
            what = f"the {self.core.name} was stopped while the request ran"
        else:
            what = f"the {self.core.name} was stopped before the request was run"
        if begun or self.forked or entry.claim():
            entry.fail(EngineShutDownError(what))


def _failure(error):
    if error is None:  # there was no memory to make a batch of it
        return MemoryError("no memory to run the request")
    return contained(error, "the function")


def _own_frames(error):
    """The error with a traceback from the function on: frames here hold the whole batch."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    error.__traceback__ = trace
    return error
