"""Objects that the queue does not look into: spinney._core.Served.submit_parcel."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from spinney import InferenceEngine, ModelType, _core

LONG = 60
NORMAL = 2


class Boxes:
    """Answers a list of objects, which it remembers; the first batch lasts until go_on."""

    def __init__(self, answer=lambda objects: [("answer", each) for each in objects], **options):
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.batches, self.answer = [], answer
        self.core = _core.Engine(1)
        idempotent = options.pop("idempotent", False)
        given = {"warm_up": False, "adaptive_batch_size": False, **options}
        self.served = self.core.load_function("m", "1", None, 0, 1, idempotent, given, self._answer)

    def __enter__(self):
        self.first = self.ask("first")
        assert self.entered.wait(LONG)
        return self

    def __exit__(self, *_):
        self.go_on.set()
        self.core.stop(LONG)

    def ask(self, thing, rows=1, kind=0, own=None):
        return self.served.submit_parcel(thing, rows, kind, own, NORMAL, None, None, None)

    def _answer(self, objects):
        if not self.entered.is_set():
            self.entered.set()
            assert self.go_on.wait(LONG)
            return ["first"]
        assert type(objects) is list
        self.batches.append(list(objects))
        return self.answer(objects)


def test_those_of_one_kind_share_a_batch_and_each_is_answered():
    with Boxes() as boxes:
        things = [object() for _ in range(6)]
        futures = [boxes.ask(thing, kind=i % 2) for i, thing in enumerate(things)]
        boxes.go_on.set()
        assert [future.result(LONG) for future in futures] == [("answer", each) for each in things]
        assert boxes.batches == [things[::2], things[1::2]]


def test_one_without_a_kind_is_alone():
    with Boxes() as boxes:
        futures = [boxes.ask(i, kind=None) for i in range(3)]
        boxes.go_on.set()
        assert [future.result(LONG) for future in futures] == [("answer", i) for i in range(3)]
        assert boxes.batches == [[0], [1], [2]]


def test_rows_count_for_the_size_of_batches():
    with Boxes(max_batch_size=8) as boxes:
        futures = [boxes.ask(i, rows=3) for i in range(4)] + [boxes.ask("large", rows=20)]
        boxes.go_on.set()
        assert futures[-1].result(LONG) == ("answer", "large")
        assert boxes.batches == [[0, 1], [2, 3], ["large"]]


@pytest.mark.parametrize("idempotent", [False, True])
def test_one_may_fail_by_itself(idempotent):
    def answer(numbers):
        return [ValueError(f"not {n}") if n % 2 else n for n in numbers]

    with Boxes(answer, idempotent=idempotent) as boxes:
        futures = [boxes.ask(i) for i in range(4)]
        boxes.go_on.set()
        assert [futures[i].result(LONG) for i in (0, 2)] == [0, 2]
        for i in (1, 3):
            with pytest.raises(ValueError, match=f"not {i}"):
                futures[i].result(LONG)
        assert boxes.batches == [[0, 1, 2, 3]]  # nothing is tried again
        assert boxes.core.models()[0]["failed"] == 2


def test_an_interrupt_among_the_answers_ends_no_caller():
    with Boxes(lambda objects: [KeyboardInterrupt("no")]) as boxes:
        future = boxes.ask(1)
        boxes.go_on.set()
        with pytest.raises(Exception, match="no") as raised:
            future.result(LONG)
        assert isinstance(raised.value.__cause__, KeyboardInterrupt)


@pytest.mark.parametrize("wrong", [lambda objects: [], lambda objects: 3, lambda objects: None])
def test_what_is_no_answer_to_each_fails_them_all(wrong):
    with Boxes(wrong) as boxes:
        futures = [boxes.ask(i) for i in range(2)]
        boxes.go_on.set()
        for future in futures:
            assert future.exception(LONG) is not None


def test_rows_are_refused_where_only_parcels_are_taken_and_the_other_way_round():
    with Boxes() as boxes:
        refused = boxes.served.submit(np.zeros((1, 2)), NORMAL, None, None, None)
        with pytest.raises(Exception, match="takes parcels of its own kind"):
            refused.result(LONG)
        rows_only = boxes.core.load_function("r", "1", len, 0, 1, False, {"warm_up": False})
        refused = rows_only.submit_parcel(object(), 1, 0, None, NORMAL, None, None, None)
        with pytest.raises(Exception, match="takes rows"):
            refused.result(LONG)


@pytest.mark.parametrize("same", [False, True])
def test_equal_arrays_of_their_own_run_once_and_are_zeroed(same):
    def answer(arrays):
        return [array.sum() for array in arrays]

    with Boxes(answer, idempotent=True) as boxes:
        given = [np.array([[1, 2, 3 if same or i == 0 else 4]]) for i in range(2)]
        futures = [boxes.ask(array, own=array) for array in given]
        boxes.go_on.set()
        assert [future.result(LONG) for future in futures] == [6, 6 if same else 7]
        assert [len(batch) for batch in boxes.batches] == [1 if same else 2]
        boxes.core.drain(LONG)
    assert all(not array.any() for array in given)


@pytest.mark.parametrize(
    "own", [np.zeros((2, 2), object), np.zeros((2, 2)).T[:1], [1], np.broadcast_to(1, (2, 2))]
)
def test_what_cannot_be_wiped_is_not_taken_as_its_own(own):
    with Boxes() as boxes, pytest.raises(TypeError, match="own must be"):
        boxes.ask(1, own=own)


def test_integers_that_are_equal_and_in_flight_are_asked_about_once():
    """As float rows are, of a model that may be asked again."""
    entered, go_on, asked = threading.Event(), threading.Event(), []

    def model(rows):
        asked.append(rows.tolist())
        entered.set()
        assert go_on.wait(LONG)
        rows *= 0  # its own copy
        return rows.sum(axis=1) + len(asked)

    with InferenceEngine({"enable_warmup": False, "num_threads": 1}) as engine:
        engine._parts.answers = None  # in flight, not afterwards
        assert engine.load_model(model, ModelType.CUSTOM, idempotent=True), engine.last_error
        first = engine.enqueue_prediction(np.ones((1, 2), np.int64))
        assert entered.wait(LONG)
        futures = [engine.enqueue_prediction(np.ones((1, 2), np.int64)) for _ in range(3)]
        go_on.set()
        assert [future.result(LONG).tolist() for future in [first, *futures]] == [[1]] * 4
        assert asked == [[[1, 1]]]
