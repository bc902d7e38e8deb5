import keras_hub
import numpy as np
import pytest
from keras import ops

from tests.decoding.conftest import END, SOURCE, START
from zoo.decoding import compiled, sample, score

MASK = np.ones((2, SOURCE), bool)


def draw(model, max_length=6, **options):
    found = sample(model.step, model.state(), model.batch, START, END, max_length, **options)
    return type(found)(*(None if x is None else ops.convert_to_numpy(x) for x in found))


def test_greedy_takes_the_likeliest_each_time(chain):
    found = draw(chain, return_attention=True, source_mask=MASK)
    for source in range(2):
        tokens, before = [], (START, START)
        while len(tokens) < 6 and END not in tokens:
            tokens.append(int(chain.logits[source][before].argmax()))
            before = (before[1], tokens[-1])
        assert found.tokens[source, 0, : found.lengths[source, 0]].tolist() == tokens
        gains, attention = chain.follow(source, tokens)
        np.testing.assert_allclose(found.log_probabilities[source, 0], gains.sum(), atol=1e-5)
        np.testing.assert_allclose(found.attention[source, 0, : len(tokens)], attention, atol=1e-6)
        assert np.all(found.attention[source, 0, len(tokens) :] == 0)


def test_samples_follow_the_model(chain):
    sampler = keras_hub.samplers.RandomSampler(seed=1)
    found = draw(chain, 1, sampler=sampler, num_samples=2000)
    shares = np.bincount(found.tokens[0, :, 0], minlength=5) / 2000
    np.testing.assert_allclose(shares, np.exp(chain.log_probabilities[0, START, START]), atol=0.05)


@pytest.mark.parametrize(
    ("sampler", "count"),
    [
        (keras_hub.samplers.TopKSampler(k=2, seed=1), 2),
        (keras_hub.samplers.TopPSampler(p=1e-6, seed=1), 1),
        (keras_hub.samplers.RandomSampler(temperature=1e-3, seed=1), 1),
    ],
)
def test_samplers_of_keras_hub_keep_to_the_likeliest(chain, sampler, count):
    found = draw(chain, 1, sampler=sampler, num_samples=50)
    likeliest = np.argsort(-chain.logits[0, START, START])[:count]
    assert set(found.tokens[0, :, 0]) == set(likeliest)


def test_log_probabilities_are_the_models_own(chain):
    sampler = keras_hub.samplers.RandomSampler(temperature=3.0, seed=1)
    found = draw(chain, sampler=sampler, num_samples=3, no_repeat_ngram=2, min_length=2)
    assert np.all(found.lengths > 2)
    scored = score(chain.step, chain.state(), found.tokens, START, END)
    for ours, theirs in zip(found[1:5], scored[1:5], strict=True):
        np.testing.assert_allclose(ours, ops.convert_to_numpy(theirs), atol=1e-5)


def test_each_call_of_a_compiled_function_draws_anew(chain):
    def program(seed):
        sampler = keras_hub.samplers.RandomSampler(seed=seed)

        def run(before):
            return sample(chain.step, {"before": before}, 2, START, END, 6, sampler, 20).tokens

        return compiled(run, layers=[sampler])

    one, same = program(1), program(1)
    before = np.zeros(2, "int32")
    first, second = (ops.convert_to_numpy(one(before)) for _ in range(2))
    again = ops.convert_to_numpy(same(before))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != second)
    assert len({tuple(row) for row in first[0]}) > 5  # not one draw for all


def test_wrong_samplers_are_named(chain):
    with pytest.raises(ValueError, match="one token at a time; for a beam see"):
        draw(chain, sampler=keras_hub.samplers.BeamSampler())
    with pytest.raises(ValueError, match="`num_samples` must be at least 1.*num_samples=0"):
        draw(chain, num_samples=0)
    with pytest.raises(ValueError, match="shape .batch, max_length..*shape .4,"):
        score(chain.step, chain.state(), np.zeros(4), START, END)


def test_a_reference_without_an_end_counts_whole(chain):
    tokens = np.array([[2, 3, 4], [2, END, 4]])
    scored = score(chain.step, chain.state(), tokens, START, END)
    np.testing.assert_array_equal(ops.convert_to_numpy(scored.lengths), [[3], [2]])
    totals = [[chain.follow(0, (2, 3, 4))[0].sum()], [chain.follow(1, (2, END))[0].sum()]]
    np.testing.assert_allclose(ops.convert_to_numpy(scored.log_probabilities), totals, atol=1e-5)
