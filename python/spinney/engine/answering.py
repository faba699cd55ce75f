"""Requests that are answered on their caller's thread, of rows that need more than the core."""

from __future__ import annotations

from time import perf_counter

from spinney import _core
from spinney.configs import EngineState
from spinney.engine.answers import keyed
from spinney.engine.asked import function_of
from spinney.engine.outcomes import failure, refusal
from spinney.exceptions import EngineShutDownError, InvalidInputError
from spinney.faults import contained, is_the_users


class Answering:
    """The part of InferenceEngine between its ways in and the core's door."""

    def _prepare_and_ask(self, served, parts, features, asked):
        """What the door gives (spinney._core.Served.predict), of rows that need more than that."""
        started = perf_counter()
        scaling = quantizing = 0.0
        more, function = served.notes, None
        if parts.scale is not None or served.quantizes_rows or asked:
            try:
                function = function_of(served, asked)
                if parts.scale is not None:
                    features = parts.scale(features, served)
                    scaling = perf_counter() - started
                if served.quantizes_rows:
                    features, loss = parts.quantize(features, served)
                    quantizing = perf_counter() - started - scaling
                    more = loss if more is None else {**more, **loss}
            except BaseException as error:
                return self._not_prepared(parts, served, error)
            if parts.scale is not None or served.quantizes_rows:
                parts.preparation.took(scaling, quantizing)
        key = stand_in = None
        shares = not asked  # else its answers are for nobody else
        if shares and parts.stand_in is not None:
            looked = perf_counter()
            features, stand_in = parts.stand_in.key(served, features)
            if stand_in is not None:
                found, result = parts.stand_in.get(stand_in)
                if found:
                    return served.outcomes.cached(result, started, more)
                served.outcomes.looked_up(perf_counter() - looked)
        elif shares and parts.shares and not served.native and served.idempotent:
            features, key = keyed(features)
        function = function or function_of(served, {})
        if served.tells_members:
            more, function = served.telling_members(more)
        times = (started, scaling, quantizing)
        outcome = served.ask(
            features, served.outcomes, more, *times, function, key, served.flat_row
        )
        if stand_in is not None and type(outcome) is tuple and outcome[0]:
            parts.stand_in.put(stand_in, outcome[1])
        return outcome

    @staticmethod
    def _not_prepared(parts, served, error):
        if is_the_users(error):
            raise error
        error = contained(error, "the preprocessor")
        parts.failed(served, error, misfit=True)
        return False, None, failure(error)

    def _failed(self, outcome):
        """What a request that the core answered otherwise failed with."""
        if type(outcome) is int:
            return refusal(outcome, self.config, self._parts.watch)
        self._parts.note_failure(outcome)
        return outcome

    def _count_unknown(self):
        if self.state not in (EngineState.STOPPING, EngineState.STOPPED):
            self._parts.core.refuse_unknown()

    def _answer_now(self, served, parts, features, loss, asked):
        """A done future of what the queue does not carry: no rows, sparse rows, and `asked`."""
        more = served.notes if loss is None else {**(served.notes or {}), **loss}
        try:
            function = function_of(served, asked)
        except InvalidInputError as error:
            parts.failed(served, error)
            raise
        if served.tells_members:
            more, function = served.telling_members(more)
        times = (perf_counter(), 0.0, 0.0)
        outcome = served.ask(
            features, served.outcomes, more, *times, function, None, served.flat_row
        )
        if type(outcome) is not tuple:
            gone = outcome is None
            error = self._nothing("the model was unloaded") if gone else self._failed(outcome)
            return _core.settled_future(None, error)
        future = _core.settled_future(outcome[1])
        future._told = outcome[2]
        return future

    def _nothing(self, why):
        stopped = self.state in (EngineState.STOPPING, EngineState.STOPPED)
        return EngineShutDownError(why) if stopped else InvalidInputError(why)
