import keras_hub
import numpy as np
import pytest
from keras import ops

from tests.decoding.conftest import END, SOURCE, START
from zoo.decoding import compiled, sample, score
from zoo.decoding.draws import Draws

MASK = np.ones((2, SOURCE), bool)


def draw(model, max_length=6, **options):
    found = sample(model.step, model.state(), model.batch, START, END, max_length, **options)
    return type(found)(*(None if x is None else ops.convert_to_numpy(x) for x in found))


def test_greedy_takes_the_most_probable_token_at_each_step(model):
    found = draw(model, return_attention=True, source_mask=MASK)
    for source in range(2):
        tokens, before = [], (START, START)
        while len(tokens) < 6 and END not in tokens:
            tokens.append(int(model.logits[source][before].argmax()))
            before = (before[1], tokens[-1])
        assert found.tokens[source, 0, : found.lengths[source, 0]].tolist() == tokens
        gains, attention = model.evaluate(source, tokens)
        np.testing.assert_allclose(found.log_probabilities[source, 0], gains.sum(), atol=1e-5)
        np.testing.assert_allclose(found.attention[source, 0, : len(tokens)], attention, atol=1e-6)
        assert np.all(found.attention[source, 0, len(tokens) :] == 0)


@pytest.mark.parametrize("drawn", [False, True])
def test_a_text_of_a_blocked_token_is_impossible(model, drawn):
    uniform = np.full((2, 6), 0.5, "float32")
    sampler = Draws(ops.convert_to_tensor(uniform)) if drawn else "greedy"
    others = np.array([[token] for token in range(5) if token != END], "int32")
    blocked = draw(model, sampler=sampler, min_length=3, forbidden=others)
    assert (blocked.log_probabilities < -5e8).all()
    possible = draw(model, sampler=sampler, forbidden=others)  # the end alone
    assert (possible.lengths == 1).all() and (possible.log_probabilities > -50).all()


def test_samples_follow_the_model(model):
    sampler = keras_hub.samplers.RandomSampler(seed=1)
    found = draw(model, 1, sampler=sampler, num_samples=2000)
    shares = np.bincount(found.tokens[0, :, 0], minlength=5) / 2000
    np.testing.assert_allclose(shares, np.exp(model.log_probabilities[0, START, START]), atol=0.05)


@pytest.mark.parametrize(
    ("sampler", "count"),
    [
        (keras_hub.samplers.TopKSampler(k=2, seed=1), 2),
        (keras_hub.samplers.TopPSampler(p=1e-6, seed=1), 1),
        (keras_hub.samplers.RandomSampler(temperature=1e-3, seed=1), 1),
    ],
)
def test_samplers_of_keras_hub_draw_the_most_probable_tokens(model, sampler, count):
    found = draw(model, 1, sampler=sampler, num_samples=50)
    most_probable = np.argsort(-model.logits[0, START, START])[:count]
    assert set(found.tokens[0, :, 0]) == set(most_probable)


def test_log_probabilities_are_those_of_the_model_at_any_temperature(model):
    sampler = keras_hub.samplers.RandomSampler(temperature=3.0, seed=1)
    found = draw(model, sampler=sampler, num_samples=3, no_repeat_ngram=2, min_length=2)
    assert np.all(found.lengths > 2)
    scored = score(model.step, model.state(), found.tokens, START, END)
    for ours, theirs in zip(found[1:5], scored[1:5], strict=True):
        np.testing.assert_allclose(ours, ops.convert_to_numpy(theirs), atol=1e-5)


def test_each_call_of_a_compiled_function_draws_new_samples(model):
    def program(seed):
        sampler = keras_hub.samplers.RandomSampler(seed=seed)

        def run(before):
            return sample(model.step, {"before": before}, 2, START, END, 6, sampler, 20).tokens

        return compiled(run, layers=[sampler])

    one, same = program(1), program(1)
    before = np.zeros(2, "int32")
    first, second = (ops.convert_to_numpy(one(before)) for _ in range(2))
    again = ops.convert_to_numpy(same(before))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != second)
    assert len({tuple(row) for row in first[0]}) > 5  # each sample is drawn by itself


def test_wrong_arguments_are_errors(model):
    with pytest.raises(ValueError, match="one token at a time: use another sampler"):
        draw(model, sampler=keras_hub.samplers.BeamSampler())
    with pytest.raises(
        ValueError, match="`num_samples` must be an integer of at least 1.*num_samples=0"
    ):
        draw(model, num_samples=0)
    with pytest.raises(ValueError, match=r"num_samples=\[2\]"):
        draw(model, num_samples=[2])
    with pytest.raises(ValueError, match="length_penalty='1'"):
        score(model.step, model.state(), np.zeros((2, 4)), START, END, length_penalty="1")
    with pytest.raises(ValueError, match="shape .batch, max_length..*shape .4,"):
        score(model.step, model.state(), np.zeros(4), START, END)


def test_all_tokens_of_a_reference_without_an_end_count(model):
    tokens = np.array([[2, 3, 4], [2, END, 4]])
    scored = score(model.step, model.state(), tokens, START, END)
    np.testing.assert_array_equal(ops.convert_to_numpy(scored.lengths), [[3], [2]])
    totals = [[model.evaluate(0, (2, 3, 4))[0].sum()], [model.evaluate(1, (2, END))[0].sum()]]
    np.testing.assert_allclose(ops.convert_to_numpy(scored.log_probabilities), totals, atol=1e-5)
