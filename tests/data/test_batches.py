import itertools
import threading

import keras
import numpy as np
import pytest

from zoo.data.batches import Batches
from zoo.data.planning import MAX_BATCH_STEPS, default_boundaries, plan_batches

LENGTHS = np.random.default_rng(0).integers(0, 40, 203)


def padded_cells(lengths, boundaries):
    return sum(min(edge for edge in boundaries if edge >= length) for length in lengths)


def collate(indices, length):
    x = {"ids": np.tile(indices[:, None], (1, length)).astype("int32")}
    return x, (indices % 2).astype("int32")


def test_boundaries_are_rising_multiples_of_8_with_the_least_padding():
    boundaries = default_boundaries(LENGTHS, 3)
    assert boundaries == sorted(set(boundaries)) and len(boundaries) == 3
    assert all(edge % 8 == 0 for edge in boundaries) and boundaries[-1] == 40
    best = min(
        padded_cells(LENGTHS, [*pair, 40]) for pair in itertools.combinations((8, 16, 24, 32), 2)
    )
    assert padded_cells(LENGTHS, boundaries) == best


@pytest.mark.parametrize(
    "lengths, expected",
    [
        ([0], [8]),
        ([8, 8], [8]),
        ([9], [16]),
        ([1, 100], [8, 104]),
        ([1] * 90 + [20] * 9 + [100_000], [8, 24, 100_000]),
    ],
)
def test_boundaries_of_edge_cases(lengths, expected):
    assert default_boundaries(lengths) == expected


def test_boundaries_of_many_different_lengths():
    lengths = np.arange(0, 50_000, 3)
    boundaries = default_boundaries(lengths, 4)
    assert len(boundaries) == 4 and boundaries[-1] >= lengths.max()
    # Uniform lengths: four equal buckets are best, at 5/8 of the cells of one.
    assert padded_cells(lengths, boundaries) < 0.63 * len(lengths) * boundaries[-1]


def test_wrong_arguments_of_boundaries_are_refused():
    with pytest.raises(ValueError, match="at least one length"):
        default_boundaries([])
    with pytest.raises(ValueError, match="count=7"):
        default_boundaries([1], 7)


def test_each_row_is_in_one_batch_of_the_shortest_bucket_that_holds_it():
    plan = plan_batches(LENGTHS, [8, 24, 32], 16, seed=1)
    rows = np.concatenate([batch.indices[: batch.num_real] for batch in plan])
    assert sorted(rows) == list(range(len(LENGTHS)))
    for batch in plan:
        assert batch.indices.shape == (16,) and 1 <= batch.num_real <= 16
        assert set(batch.indices[batch.num_real :]) <= set(batch.indices[: batch.num_real])
        lengths = LENGTHS[batch.indices]
        low = {8: -1, 24: 8, 32: 24}[batch.length]
        assert (lengths > low).all()
        assert (lengths <= (100 if batch.length == 32 else batch.length)).all()


def test_without_a_seed_rows_keep_their_order():
    plan = plan_batches([3, 30, 5, 7], [8, 32], 2)
    assert [(b.length, b.indices.tolist(), b.num_real) for b in plan] == [
        (8, [0, 2], 2),
        (8, [3, 3], 1),
        (32, [1, 1], 1),
    ]


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(**options):
        plan = plan_batches(LENGTHS, [16, 40], 8, **options)
        return [batch.indices.tolist() for batch in plan]

    np.random.seed(1)
    first = order(seed=3, epoch=2)
    np.random.seed(2)
    assert order(seed=3, epoch=2) == first
    assert order(seed=3, epoch=1) != first
    assert order(seed=4, epoch=2) != first


def test_wrong_arguments_of_planning_are_refused_and_no_rows_give_no_batches():
    assert plan_batches([], [8], 4, seed=0) == []
    with pytest.raises(ValueError, match="boundaries"):
        plan_batches([1], [], 4)
    with pytest.raises(ValueError, match="batch_size=0"):
        plan_batches([1], [8], 0)
    with pytest.raises(ValueError, match="seed=-1"):
        plan_batches([1], [8], 4, seed=-1)


def test_a_budget_of_tokens_gives_short_rows_larger_batches():
    lengths = [3] * 20 + [9] * 20
    plan = plan_batches(lengths, [4, 10], batch_size=1, batch_tokens=40, seed=0)
    assert {(batch.length, len(batch.indices)) for batch in plan} == {(4, 10), (10, 4)}
    rows = np.concatenate([batch.indices[: batch.num_real] for batch in plan])
    assert sorted(rows) == list(range(40))
    assert Batches(plan, None).batch_size is None
    with pytest.raises(ValueError, match="longest bucket, 10.*batch_tokens=9"):
        plan_batches(lengths, [4, 10], batch_size=1, batch_tokens=9)


def test_one_long_row_makes_no_large_batches():
    lengths = [10] * 200 + [100] * 100 + [2000, 1500, 30_000]
    boundaries = [16, 104, 2000, 30_000]
    plan = plan_batches(lengths, boundaries, 64, seed=0, epoch=1)
    sizes = {(batch.length, len(batch.indices)) for batch in plan}
    assert sizes == {(16, 64), (104, 64), (2000, 8), (30_000, 1)}  # one size a bucket
    assert 2000 * 8 <= MAX_BATCH_STEPS < 2000 * 9
    rows = np.concatenate([batch.indices[: batch.num_real] for batch in plan])
    assert sorted(rows) == list(range(303))
    # As many steps as a schedule of the learning rate counts on, in every epoch.
    counts = {
        len(plan_batches(lengths, boundaries, 64, **options))
        for options in ({}, {"seed": 0}, {"seed": 1, "epoch": 7})
    }
    assert counts == {len(plan)}


def test_filling_rows_have_weight_0():
    batches = Batches(plan_batches([1, 2, 3], [8], 2), collate)
    (x, y, weight), (_, _, last) = batches
    assert x["ids"].shape == (2, 8) and y.tolist() == [0, 1]
    assert weight.dtype == last.dtype == np.float32
    assert weight.tolist() == [1, 1] and last.tolist() == [1, 0]
    assert len(batches) == 2 and batches.batch_size == 2


def test_weights_of_tokens_are_kept():
    def with_weights(indices, length):
        return *collate(indices, length), np.full((len(indices), length), 0.5)

    batches = Batches(plan_batches([1, 2, 3], [8], 2), with_weights)
    weight = batches[1][2]
    assert weight.dtype == np.float32
    assert weight.tolist() == [[0.5] * 8, [0] * 8]


def test_weights_by_the_name_of_an_output():
    def with_weights(indices, length):
        ones = np.ones(len(indices))
        return ones, {"a": ones, "b": ones}, {"a": ones, "b": np.full((len(indices), 2), 0.5)}

    weights = Batches(plan_batches([1, 2, 3], [8], 2), with_weights)[1][2]
    assert weights["a"].tolist() == [1, 0] and weights["b"].tolist() == [[0.5] * 2, [0] * 2]
    assert weights["a"].dtype == weights["b"].dtype == np.float32


def test_start_skips_batches():
    plan = plan_batches(LENGTHS, [16, 40], 8, seed=0)
    whole = [y.tolist() for _, y, _ in Batches(plan, collate)]
    rest = [y.tolist() for _, y, _ in Batches(plan, collate, start=5)]
    assert rest == whole[5:]
    assert list(Batches(plan, collate, start=len(plan))) == []
    with pytest.raises(ValueError, match="Received: start=-1"):
        Batches(plan, collate, start=-1)


def test_an_error_in_the_thread_is_raised_and_the_thread_ends():
    def broken(indices, length):
        raise ZeroDivisionError("broken row")

    before = set(threading.enumerate())  # an interrupted test may have left one
    plan = plan_batches(LENGTHS, [40], 8)
    with pytest.raises(ZeroDivisionError, match="broken row"):
        list(Batches(plan, broken))
    iterator = iter(Batches(plan, collate))
    next(iterator)
    started = set(threading.enumerate()) - before
    assert "zoo-batches" in [thread.name for thread in started]
    iterator.close()
    assert not started & set(threading.enumerate())


def small_model():
    """A model on sequences of any length."""
    ids = keras.Input([None], dtype="int32", name="ids")
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(256, 4)(ids))
    model = keras.Model({"ids": ids}, keras.layers.Dense(2)(mean))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, weighted_metrics=["accuracy"])
    return model


def test_fit_takes_batches_of_varying_length_in_order():
    # The first batches are all short: shapes must not be inferred from them.
    lengths = [4] * 20 + [12] * 8 + [30] * 5
    plan = plan_batches(lengths, [8, 16, 32], 4)
    taken = []

    def recording(indices, length):
        taken.append(indices.tolist())
        return collate(indices, length)

    history = keras.Model.fit(small_model(), Batches(plan, recording), verbose=0)
    assert taken[-len(plan) :] == [batch.indices.tolist() for batch in plan]
    assert np.isfinite(history.history["loss"][0])


def test_an_epoch_in_two_parts_trains_like_a_whole_one():
    plan = plan_batches(LENGTHS, [16, 40], 8, seed=5)
    whole, halves = small_model(), small_model()
    halves.set_weights(whole.get_weights())
    keras.Model.fit(whole, Batches(plan, collate), verbose=0)
    keras.Model.fit(halves, Batches(plan[:11], collate), verbose=0)
    keras.Model.fit(halves, Batches(plan, collate, start=11), verbose=0)
    for a, b in zip(whole.get_weights(), halves.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_evaluate_counts_each_row_once():
    model = small_model()
    lengths = [5] * 3 + [20] * 6
    batches = Batches(plan_batches(lengths, [8, 24], 4), collate)
    found = model.evaluate(batches, verbose=0, return_dict=True)
    y = np.arange(9) % 2
    x, _ = collate(np.arange(9), 8)
    logits = keras.ops.convert_to_numpy(model(x))
    assert found["accuracy"] == pytest.approx((logits.argmax(-1) == y).mean())
