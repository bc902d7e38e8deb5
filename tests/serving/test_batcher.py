"""Micro-batching of simultaneous requests."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from zoo.serving.batcher import Busy, MicroBatcher

pytestmark = pytest.mark.once


class Model:
    """A model that doubles numbers, refuses negative ones, and can be held up."""

    def __init__(self):
        self.batches = []
        self.started, self.free = threading.Event(), threading.Event()
        self.free.set()

    def infer(self, inputs, **options):
        self.batches.append((list(inputs), options))
        self.started.set()
        assert self.free.wait(10)
        if any(value < 0 for value in inputs):
            raise ValueError(f"negative: {min(inputs)}")
        return [2 * value for value in inputs]


@pytest.fixture
def model():
    return Model()


def held(model, batcher, pool, first):
    """Keeps the model busy with one request, so that those after it wait."""
    model.free.clear()
    future = pool.submit(batcher.infer, first)
    assert model.started.wait(10)
    return future


def waiting(batcher, count):
    """Waits until so many requests are in the queue."""
    with batcher._changed:
        assert batcher._changed.wait_for(lambda: len(batcher._queue) == count, 10)


def test_requests_that_wait_are_answered_together(model):
    batcher = MicroBatcher(model.infer, max_inputs=8, max_wait=0)
    with ThreadPoolExecutor(8) as pool:
        first = held(model, batcher, pool, [0])
        others = [pool.submit(batcher.infer, [n, -0]) for n in range(1, 6)]
        waiting(batcher, 5)
        model.free.set()
        assert [one.result(10) for one in others] == [[2 * n, 0] for n in range(1, 6)]
        assert first.result(10) == [0]
    assert [len(inputs) for inputs, _ in model.batches] == [1, 8, 2]
    batcher.close()


def test_requests_with_other_options_are_run_apart(model):
    batcher = MicroBatcher(model.infer, max_wait=0)
    with ThreadPoolExecutor(8) as pool:
        first = held(model, batcher, pool, [0])
        beams = [pool.submit(batcher.infer, [n], beam=1 + n % 2) for n in range(4)]
        waiting(batcher, 4)
        model.free.set()
        assert [one.result(10) for one in beams] == [[0], [2], [4], [6]]
        first.result(10)
    found = sorted((options["beam"], sorted(inputs)) for inputs, options in model.batches[1:])
    assert found == [(1, [0, 2]), (2, [1, 3])]
    batcher.close()


def test_requests_with_a_seed_are_run_alone(model):
    batcher = MicroBatcher(model.infer, max_wait=0)
    with ThreadPoolExecutor(8) as pool:
        first = held(model, batcher, pool, [0])
        drawn = [pool.submit(batcher.infer, [n], seed=1) for n in range(3)]
        waiting(batcher, 3)
        model.free.set()
        assert [one.result(10) for one in (first, *drawn)] == [[0], [0], [2], [4]]
    assert [len(inputs) for inputs, _ in model.batches] == [1, 1, 1, 1]
    batcher.close()


def test_bad_input_fails_its_own_request_alone(model):
    batcher = MicroBatcher(model.infer, max_wait=0)
    with ThreadPoolExecutor(8) as pool:
        first = held(model, batcher, pool, [0])
        good, bad = pool.submit(batcher.infer, [3]), pool.submit(batcher.infer, [-1, 4])
        waiting(batcher, 2)
        model.free.set()
        assert good.result(10) == [6] and first.result(10) == [0]
        with pytest.raises(ValueError, match="negative: -1"):
            bad.result(10)
    assert batcher.infer([5]) == [10]
    batcher.close()


def test_after_a_batch_of_several_requests_the_next_waits_for_others(model):
    batcher = MicroBatcher(model.infer, max_inputs=2, max_wait=30)
    with ThreadPoolExecutor(8) as pool:
        first = held(model, batcher, pool, [0])  # alone: it does not wait for a second one
        both = [pool.submit(batcher.infer, [n]) for n in (1, 2)]
        waiting(batcher, 2)
        model.free.set()
        assert [one.result(10) for one in (first, *both)] == [[0], [2], [4]]
        third = pool.submit(batcher.infer, [3])
        waiting(batcher, 1)
        assert not third.done()
        assert batcher.infer([4]) == [8] and third.result(10) == [6]
    assert [len(inputs) for inputs, _ in model.batches] == [1, 2, 2]
    batcher.close()


def test_a_request_larger_than_a_batch_is_run_whole(model):
    batcher = MicroBatcher(model.infer, max_inputs=2, max_wait=0)
    assert batcher.infer(list(range(9))) == list(range(0, 18, 2))
    batcher.close()


def test_too_many_waiting_inputs_are_refused(model):
    batcher = MicroBatcher(model.infer, max_wait=0, max_waiting=3)
    with ThreadPoolExecutor(8) as pool:
        first = held(model, batcher, pool, [0])
        second = pool.submit(batcher.infer, [1, 2])
        waiting(batcher, 1)
        with pytest.raises(Busy, match="Received: 2 inputs while 2 wait"):
            batcher.infer([3, 4])
        model.free.set()
        assert (first.result(10), second.result(10)) == ([0], [2, 4])
    batcher.close()


def test_closing_answers_those_that_wait_and_refuses_others(model):
    batcher = MicroBatcher(model.infer)
    with ThreadPoolExecutor(8) as pool:
        first = held(model, batcher, pool, [0])
        last = pool.submit(batcher.infer, [7])
        waiting(batcher, 1)
        closing = pool.submit(batcher.close)
        model.free.set()
        assert (first.result(10), last.result(10)) == ([0], [14])
        closing.result(10)
    with pytest.raises(RuntimeError, match="stopping"):
        batcher.infer([1])


@pytest.mark.parametrize("options", [{"max_inputs": 0}, {"max_wait": -1}, {"max_waiting": 0}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be .*Received"):
        MicroBatcher(list, **options)
