"""Continuous cache and dynamic evaluation, beside NumPy references."""

import numpy as np
import pytest
from keras import ops

from tests.models.test_causal_lm import TEXTS, make
from zoo.decoding import compiled
from zoo.models.causal_lm.cache import ContinuousCache
from zoo.models.causal_lm.dynamic_evaluation import DynamicEvaluation


def reference(cache, log_probabilities, hidden, targets):
    """The mixture by the equations, one token at a time."""
    mixed = []
    for t, target in enumerate(targets):
        past = range(max(t - cache.size, 0), t)
        model = np.exp(log_probabilities[t])
        if not past:
            mixed.append(np.log(model))
            continue
        scores = np.exp([cache.theta * hidden[t] @ hidden[i] for i in past])
        same = np.array([targets[i] == target for i in past])
        cached = (scores * same).sum() / scores.sum()
        mixed.append(np.log((1 - cache.weight) * model + cache.weight * cached))
    return np.array(mixed)


def test_cache_is_that_of_the_equations():
    random = np.random.default_rng(0)
    hidden = random.normal(size=(2, 12, 3)).astype("float32")
    targets = random.integers(0, 4, (2, 12)).astype("int32")
    given = np.log(random.random((2, 12))).astype("float32")
    cache = ContinuousCache(size=5, theta=0.7, weight=0.3)
    run = compiled(cache.mix, [], xla=False)
    state = cache.start(2, 3)
    found, lengths = [[], []], [(4, 3), (4, 4), (4, 4)]
    places = [0, 0]
    for counts in lengths:  # rows of different lengths in each segment
        rows = [slice(place, place + 4) for place in places]
        parts = [np.stack([np.resize(one[i, rows[i]], (4, *one.shape[2:])) for i in (0, 1)])
                 for one in (given, hidden, targets)]  # fmt: skip
        mask = np.arange(4)[None] < np.array(counts)[:, None]
        mixed, state = run(*parts, state, mask)
        for i in (0, 1):
            found[i] += ops.convert_to_numpy(mixed)[i, : counts[i]].tolist()
            places[i] += counts[i]
    for i in (0, 1):
        count = places[i]
        expected = reference(cache, given[i, :count], hidden[i, :count], targets[i, :count])
        np.testing.assert_allclose(found[i], expected, atol=1e-5)


@pytest.mark.once
def test_scores_with_a_cache():
    model = make("gru")
    text = " ".join(TEXTS)
    (plain,) = model.token_log_probabilities([text])
    (ids,) = model.preprocessor.encode([text])
    hidden, _ = model.backbone.call_with_state(
        ops.convert_to_tensor([[3, *ids]]), model.backbone.initial_state(1)
    )
    hidden = ops.convert_to_numpy(hidden)[0]
    cache = ContinuousCache(size=30, theta=1.0, weight=0.2)
    (found,) = model.token_log_probabilities([text], cache=cache)
    np.testing.assert_allclose(found, reference(cache, plain, hidden, [*ids, 3]), atol=1e-5)
    options = {"cache": True, "cache_size": 30, "cache_theta": 1.0, "cache_lambda": 0.2}
    assert model.score({"text": [text]}, **options)["loss"] == pytest.approx(
        -found.mean(), abs=1e-5
    )
    plain_scores = model.score({"text": [text]})
    assert "perplexity_with_cache" not in plain_scores
    model.cache = ContinuousCache(size=30, theta=1.0, weight=0.2)  # now its own
    scores = model.score({"text": [text]})
    assert scores["perplexity_with_cache"] == pytest.approx(np.exp(-found.mean()), rel=1e-4)
    bits = scores.pop("bits_per_character_with_cache") / scores["bits_per_character"]
    assert bits == pytest.approx(found.mean() / plain.mean(), rel=1e-4)
    del scores["perplexity_with_cache"]
    assert scores == plain_scores
    own = model.score({"text": [text]}, cache=True)
    assert own["perplexity"] == pytest.approx(np.exp(-found.mean()), rel=1e-4)
    other = model.score({"text": [text]}, cache=True, cache_lambda=0.5)
    assert other["perplexity"] != pytest.approx(own["perplexity"], rel=1e-3)
    assert type(model).from_config(model.get_config()).cache == model.cache
    with pytest.raises(ValueError, match="are for recurrent models.*decoder='transformer'"):
        make("transformer").score({"text": [text]}, cache=True)
    for options in ({"cache_size": 0}, {"cache_theta": -1}, {"cache_lambda": 2}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
            model.score({"text": [text]}, cache=True, **options)


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


class NumpyModel:
    """A SimpleRNN with tied embeddings and a bias, with the gradient of a segment by hand."""

    def __init__(self, model):
        cell = model.backbone.stack.stack[0][0].cell
        named = {
            "embeddings": model.backbone.token_embedding.embeddings,
            "kernel": cell.kernel,
            "recurrent": cell.recurrent_kernel,
            "bias": cell.bias,
            "output": model.output_bias.bias,
        }
        self.weights = {k: ops.convert_to_numpy(v).astype("float64") for k, v in named.items()}

    def segment(self, ids, labels, state):
        """Log-probabilities, the gradients of their negative mean, and the next state."""
        w, states, logs = self.weights, [state], []
        for token in ids:
            before = w["embeddings"][token] @ w["kernel"] + states[-1] @ w["recurrent"] + w["bias"]
            states.append(np.tanh(before))
        probabilities = softmax(np.array(states[1:]) @ w["embeddings"].T + w["output"])
        logs = np.log(probabilities[np.arange(len(ids)), labels])
        g = {name: np.zeros_like(value) for name, value in w.items()}
        d_state = np.zeros_like(state)
        for t in reversed(range(len(ids))):
            d_logits = probabilities[t].copy()
            d_logits[labels[t]] -= 1
            d_logits /= len(ids)
            g["output"] += d_logits
            g["embeddings"] += np.outer(d_logits, states[t + 1])
            d_before = (d_state + d_logits @ w["embeddings"]) * (1 - states[t + 1] ** 2)
            g["bias"] += d_before
            g["kernel"] += np.outer(w["embeddings"][ids[t]], d_before)
            g["recurrent"] += np.outer(states[t], d_before)
            g["embeddings"][ids[t]] += w["kernel"] @ d_before
            d_state = w["recurrent"] @ d_before
        return logs, g, states[-1]


def plain_rnn():
    return make("simple_rnn", tie_embeddings=True)


def segments(model, text, size):
    (ids,) = model.preprocessor.encode([text])
    whole = [3, *ids, 3]
    for begin in range(0, len(whole) - 1, size):
        part = whole[begin : begin + size + 1]
        yield part[:-1], part[1:]


def test_dynamic_evaluation_is_gradient_descent():
    model, text = plain_rnn(), TEXTS[0]
    before = model.get_weights()
    dynamic = DynamicEvaluation(rate=0.5, decay=0.1, segment=7, clip=0.2)
    (ids,) = model.preprocessor.encode([text])
    (found,) = dynamic.log_probabilities(model, [ids])
    theirs = NumpyModel(model)
    first = {name: value.copy() for name, value in theirs.weights.items()}
    expected, state = [], np.zeros(6)
    for ids, labels in segments(model, text, 7):
        logs, gradients, state = theirs.segment(ids, labels, state)
        expected += logs.tolist()
        norm = np.sqrt(sum((one**2).sum() for one in gradients.values()))
        for name, value in theirs.weights.items():
            step = 0.5 * min(1, 0.2 / norm) * gradients[name]
            theirs.weights[name] = value - step + 0.1 * (first[name] - value)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.once
def test_dynamic_evaluation_with_statistics():
    model, text = plain_rnn(), TEXTS[0]
    encoded = model.preprocessor.encode(TEXTS[1:])
    dynamic = DynamicEvaluation(rate=0.01, decay=0.2, segment=7, epsilon=0.01)
    roots = dynamic.gradient_statistics(model, encoded)
    theirs = NumpyModel(model)
    squares, count = dict.fromkeys(theirs.weights, 0.0), 0
    for one in TEXTS[1:]:
        state = np.zeros(6)
        for ids, labels in segments(model, one, 7):
            _, gradients, state = theirs.segment(ids, labels, state)
            squares = {name: squares[name] + gradients[name] ** 2 for name in squares}
            count += 1
    order = ["embeddings", "kernel", "recurrent", "bias", "output"]
    means = {name: np.sqrt(value / count) for name, value in squares.items()}
    for name, root in zip(order, roots, strict=True):
        np.testing.assert_allclose(root, means[name], atol=1e-5)
    (ids,) = model.preprocessor.encode([text])
    (found,) = dynamic.log_probabilities(model, [ids], statistics=roots)
    mean = np.concatenate([root.ravel() for root in roots]).mean()
    first = {name: value.copy() for name, value in theirs.weights.items()}
    expected, state = [], np.zeros(6)
    for ids, labels in segments(model, text, 7):
        logs, gradients, state = theirs.segment(ids, labels, state)
        expected += logs.tolist()
        for name, value in theirs.weights.items():
            decay = np.minimum(0.2 * means[name] / mean, 1)
            step = 0.01 * gradients[name] / (means[name] + 0.01)
            theirs.weights[name] = value - step + decay * (first[name] - value)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.once
def test_dynamic_evaluation_learns_from_what_it_reads():
    model = make("lstm")
    columns = {"text": [TEXTS[1] * 6]}
    plain = model.score(columns)["perplexity"]
    options = {"dynamic": True, "dynamic_rate": 1.0, "dynamic_segment": 10}
    assert model.score(columns, **options)["perplexity"] < 0.9 * plain
    assert model.score(columns)["perplexity"] == pytest.approx(plain, rel=1e-5)
    with pytest.raises(ValueError, match="are for recurrent models"):
        make("transformer").score(columns, dynamic=True)
    for options in ({"dynamic_rate": -1}, {"dynamic_decay": 2}, {"dynamic_segment": 0}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
            model.score(columns, dynamic=True, **options)
