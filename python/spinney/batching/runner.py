"""Running a batch's entries: expiry, failure, halving, retries; each is answered once known.

A failing batch of an idempotent function is halved until what fails stands alone; then what failed
is tried again together, after a delay, as often as allowed. So a passing fault costs one more call,
and one poison item fails alone after at most 2·n − 1 + retries calls for n items. A function that
is not idempotent is called once, and its failure is everybody's.
"""

from __future__ import annotations

import logging

from spinney.batching.calls import call_batch
from spinney.exceptions import ModelFailedError
from spinney.faults import contained

_log = logging.getLogger("spinney.batching")


def run_entries(core, entries):
    """Answer every entry; counts of answered, failed and expired.

    Nothing more is called once stop() has failed the entries: by then the core may have been
    started with another function.
    """
    outcome = {"answered": 0, "failed": 0, "expired": 0, "shut_down": 0}
    policy = core.policy
    failed = _attempt(core, entries, entries, outcome)
    tries = policy.retries if policy.idempotent else 0
    while failed and tries:
        again = [entry for entry, error in failed if not isinstance(error, ModelFailedError)]
        if not again or not core.sleep(policy.retry_delay):
            break
        tries -= 1
        kept = [held for held in failed if isinstance(held[1], ModelFailedError)]
        failed = kept + _attempt(core, entries, again, outcome)
    for entry, error in failed:
        outcome["failed"] += entry.fail(contained(error, "the function"))
    return outcome


def _attempt(core, batch, entries, outcome):
    """One round over entries of a batch. What failed, as (entry, error)."""
    alone = entries[0].signature is None
    groups = [[entry] for entry in reversed(entries)] if alone else [entries]
    failed = []
    while groups:
        function = core.function_for(batch)
        if function is None:
            return []
        group = _not_expired(core, groups.pop(), outcome)
        if not group:
            continue
        try:
            answers = call_batch(function, group, core.policy.max_rows)
        except BaseException as error:
            error.__traceback__ = _own_frames(error.__traceback__)
            wrong_rows = isinstance(error, ModelFailedError)  # halving could make it look right
            if core.policy.idempotent and core.policy.halves and len(group) > 1 and not wrong_rows:
                middle = len(group) // 2
                groups += [group[middle:], group[:middle]]
            else:
                failed += [(entry, error) for entry in group]
            continue
        for entry, answer in zip(group, answers):
            outcome["answered"] += entry.answer(answer)
    return failed


def _own_frames(trace):
    """A traceback from the function on: without the frames here, which hold the whole batch."""
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    return trace


def _not_expired(core, group, outcome):
    now = core.clock.now()
    late = [entry for entry in group if entry.deadline <= now]
    if not late:
        return group
    outcome["expired"] += core._fail_expired(late)
    return [entry for entry in group if entry.deadline > now]
