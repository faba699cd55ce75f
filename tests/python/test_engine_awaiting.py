"""predict_async: a loop is woken once for all that were answered together, and loses none."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import spinney
from modules.engine.inference_engine import InferenceEngine, ModelType

PLAIN = {"enable_request_deduplication": False, "num_threads": 1}


def first_column(rows):
    return rows[:, 0]


@pytest.fixture
def engine():
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(first_column, ModelType.CUSTOM)
        yield engine


def row(value):
    return np.full((1, 2), float(value))


async def ask(engine, values):
    answers = await asyncio.gather(*(engine.predict_async(row(value)) for value in values))
    return [answer[0] for answer in answers]


def test_every_task_gets_its_own_answer(engine):
    assert asyncio.run(ask(engine, range(3000))) == list(range(3000))


def test_loops_of_several_threads_do_not_mix(engine):
    found = {}

    def serve(number):
        values = range(1000 * number, 1000 * number + 500)
        # Two loops, one after the other, in one thread.
        found[number] = all(asyncio.run(ask(engine, values)) == list(values) for _ in range(2))

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == dict.fromkeys(range(4), True)


def test_errors_and_cancellations_reach_their_own_tasks():
    go = threading.Event()

    def held(rows):
        assert go.wait(60)
        if (rows < 0).any():
            raise ValueError("negative")
        return rows[:, 0]

    async def main(engine):
        tasks = [asyncio.ensure_future(engine.predict_async(row(i))) for i in (1, 2, -3, 4)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with InferenceEngine({**PLAIN, "max_batch_size": 1}) as engine:
        assert engine.load_model(held, ModelType.CUSTOM)
        one, cancelled, failed, four = asyncio.run(main(engine))
    assert (one[0], four[0]) == (1, 4)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert isinstance(failed, spinney.SpinneyError) and "negative" in str(failed)


def test_a_loop_that_is_closed_meanwhile_harms_nobody(engine):
    go, entered = threading.Event(), threading.Event()

    def held(rows):
        entered.set()
        assert go.wait(60)
        return rows[:, 0]

    with InferenceEngine(PLAIN) as slow:
        assert slow.load_model(held, ModelType.CUSTOM)
        loop = asyncio.new_event_loop()
        task = loop.create_task(slow.predict_async(row(1)))
        loop.run_until_complete(asyncio.sleep(0))
        assert entered.wait(60)
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()
        go.set()
        assert asyncio.run(ask(slow, [5])) == [5]
    assert asyncio.run(ask(engine, [6])) == [6]


def test_an_engine_that_shuts_down_fails_those_who_await():
    entered, go = threading.Event(), threading.Event()

    def held(rows):
        entered.set()
        go.wait(60)
        return rows[:, 0]

    async def main(engine):
        waiting = [asyncio.ensure_future(engine.predict_async(row(i))) for i in range(3)]
        while not entered.is_set():
            await asyncio.sleep(0.01)
        await asyncio.get_running_loop().run_in_executor(None, engine.shutdown, 0.1)
        return await asyncio.gather(*waiting, return_exceptions=True)

    engine = InferenceEngine(PLAIN)
    assert engine.load_model(held, ModelType.CUSTOM)
    outcomes = asyncio.run(main(engine))
    go.set()
    assert all(isinstance(one, spinney.EngineShutDownError) for one in outcomes)
