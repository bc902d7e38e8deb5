import doctest
import importlib
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from tests.compiled import call, compiled
from zoo import layers
from zoo.layers import LinearChainCRF, bio_constraints
from zoo.layers.crf import CRFLoss
from zoo.layers.crf.inference import IMPOSSIBLE
from zoo.layers.crf.layer import OUTPUTS

TAGS = ["O", "B-PER", "I-PER"]
# Rows of full length, padded at the end, at the start, with a hole, of one step and of none.
MASK = np.array(
    [
        [1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1],
        [1, 0, 1, 0, 1],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ],
    bool,
)
POTENTIALS = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32") * 2
# Allowed by the BIO constraints; the values at padding are ignored.
GOLD = np.array(
    [
        [0, 1, 2, 0, 1],
        [1, 2, 2, -1, 7],
        [-1, -1, 1, 2, 0],
        [1, 9, 2, 9, 0],
        [1, 0, 0, 0, 0],
        [-1, -1, -1, -1, -1],
    ]
)

constrained = pytest.mark.parametrize("constrained", [False, True])


def layer(constrained=False, seed=1):
    layer = LinearChainCRF(
        3, allowed_transitions=bio_constraints(TAGS) if constrained else None, name="crf"
    )
    random = np.random.default_rng(seed)
    layer.set_weights([random.normal(size=w.shape).astype("float32") for w in layer.weights])
    return layer


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def run(method, *inputs):
    """The results of a method of a layer as an array or a list of them."""
    found = compiled(method)(*inputs)
    return list(map(numpy, found)) if isinstance(found, tuple) else numpy(found)


def all_paths(layer, potentials):
    """All allowed sequences of tags of one unpadded row with their scores, in float64."""
    transitions, start, end = (w.astype("float64") for w in layer.get_weights())
    allowed = np.ones((4, 4)) if layer.allowed_transitions is None else layer.allowed_transitions
    allowed = np.array(allowed, bool)
    scores = {}
    for path in itertools.product(range(3), repeat=len(potentials)):
        ends = [3, *path, 3]
        if path and not allowed[ends[:-1], ends[1:]].all():
            continue
        score = sum(float(potentials[t, tag]) for t, tag in enumerate(path))
        score += sum(transitions[pair] for pair in itertools.pairwise(path))
        scores[path] = score + (start[path[0]] + end[path[-1]] if path else 0.0)
    return scores


def log_probabilities(layer, potentials):
    scores = all_paths(layer, potentials)
    total = np.logaddexp.reduce(list(scores.values()))
    return {path: score - total for path, score in scores.items()}


@constrained
def test_log_likelihood_equals_brute_force(constrained):
    chain = layer(constrained)
    result = run(chain.log_likelihood, GOLD, POTENTIALS, MASK)
    for row, valid in enumerate(MASK):
        expected = log_probabilities(chain, POTENTIALS[row, valid])
        assert result[row] == pytest.approx(expected[tuple(GOLD[row, valid])], abs=1e-5)
    assert result[5] == 0  # an empty sequence has one tagging


TAUGHT = np.log(np.random.default_rng(3).dirichlet([1, 1, 1], size=(6, 5))).astype("float32")


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_divergence_from_independent_tags_equals_brute_force(temperature):
    crf = layer()
    result = run(lambda *x: crf.divergence(*x, temperature=temperature), TAUGHT, POTENTIALS, MASK)
    hot = layer()
    hot.set_weights([weight / temperature for weight in crf.get_weights()])
    teacher = TAUGHT / temperature
    teacher = teacher - np.logaddexp.reduce(teacher, axis=-1, keepdims=True)
    for row, valid in enumerate(MASK):
        expected = 0.0
        for path, log_p in log_probabilities(hot, POTENTIALS[row, valid] / temperature).items():
            log_q = float(teacher[row, valid][np.arange(len(path)), list(path)].sum())
            expected += np.exp(log_q) * (log_q - log_p)
        assert result[row] == pytest.approx(expected, abs=1e-4)


def test_divergence_leaves_out_forbidden_transitions():
    crf = layer(constrained=True)
    taught = np.log(np.array([[[1e-9, 1e-9, 1.0]] * 5], "float32"))  # I-PER, which may not start
    found = run(crf.divergence, np.repeat(taught, 6, 0), POTENTIALS, MASK)
    assert np.isfinite(found).all() and (np.abs(found) < 100).all()


def test_reductions_of_the_log_likelihood():
    crf = layer()
    each, *found = run(
        lambda *inputs: (
            crf.log_likelihood(*inputs),
            *(crf.log_likelihood(*inputs, how) for how in ("sum", "mean", "token_mean")),
        ),
        *(GOLD, POTENTIALS, MASK),
    )
    assert each.shape == (6,)
    assert found == pytest.approx([each.sum(), each.mean(), each.sum() / MASK.sum()], rel=1e-5)
    with pytest.raises(ValueError, match="must be one of .*token_mean.*reduction='max'"):
        crf.log_likelihood(GOLD, POTENTIALS, MASK, "max")


def test_constraints_may_be_pairs():
    start, end, table = 3, 4, np.array(bio_constraints(TAGS))
    pairs = {(a, b if b < 3 else end) for a, b in np.argwhere(table).tolist()}
    crf = LinearChainCRF(3, allowed_transitions=pairs)
    assert (start, 2) not in pairs and crf.allowed_transitions == table.tolist()
    assert LinearChainCRF.from_config(crf.get_config()).allowed_transitions == table.tolist()
    for wrong in ((0, 3), (4, 0), (0, 5), 7):
        with pytest.raises(ValueError, match="must hold pairs of tags.*num_tags=3"):
            LinearChainCRF(3, allowed_transitions={wrong})


@constrained
def test_decode_finds_the_best_path(constrained):
    chain = layer(constrained)
    tags = run(chain.decode, POTENTIALS, MASK)
    assert tags.dtype == np.int32
    for row, valid in enumerate(MASK):
        expected = log_probabilities(chain, POTENTIALS[row, valid])
        assert tuple(tags[row, valid]) == max(expected, key=expected.get)
        assert np.all(tags[row, ~valid] == 0)


@constrained
def test_marginals_equal_brute_force(constrained):
    chain = layer(constrained)
    marginals = run(chain.marginals, POTENTIALS, MASK)
    for row, valid in enumerate(MASK):
        expected = np.zeros((valid.sum(), 3))
        for path, value in log_probabilities(chain, POTENTIALS[row, valid]).items():
            expected[range(len(path)), path] += np.exp(value)
        np.testing.assert_allclose(marginals[row, valid], expected, atol=1e-6)
        assert np.all(marginals[row, ~valid] == 0)


@constrained
@pytest.mark.parametrize("n", [1, 4, 50])
def test_n_best_are_the_n_best_in_order(constrained, n):
    chain = layer(constrained)
    tags, values = run(lambda *inputs: chain.n_best(inputs[0], n, inputs[1]), POTENTIALS, MASK)
    assert tags.shape == (6, n, 5) and values.shape == (6, n)
    for row, valid in enumerate(MASK):
        expected = log_probabilities(chain, POTENTIALS[row, valid])
        best = sorted(expected, key=expected.get, reverse=True)[:n]
        found = [tuple(path) for path in tags[row][:, valid]][: len(best)]
        assert found == best
        np.testing.assert_allclose(values[row, : len(best)], [expected[p] for p in best], atol=1e-5)
        assert np.all(values[row, len(best) :] == -np.inf)
        assert np.all(tags[row][:, ~valid] == 0)
    np.testing.assert_array_equal(tags[:, 0], run(chain.decode, POTENTIALS, MASK))


def test_n_best_paths_of_equal_score_are_different():
    chain = LinearChainCRF(3)
    tags, values = run(lambda potentials: chain.n_best(potentials, 27), np.zeros((1, 3, 3)))
    assert len({tuple(path) for path in tags[0]}) == 27
    np.testing.assert_allclose(values[0], np.log(1 / 27), rtol=1e-6)


def gradients(chain, gold, potentials, weights=None):
    """Gradients of the summed log-likelihood by potentials and weights, from one step of SGD."""
    inputs = keras.Input(batch_shape=potentials.shape)
    moved = Moved(potentials.shape)(inputs)
    model = keras.Model(inputs, chain(moved))
    model.compile(keras.optimizers.SGD(1.0), loss=CRFLoss(chain, reduction="sum"))
    before = [numpy(w) for w in model.trainable_weights]
    model.fit(
        potentials, gold, batch_size=len(gold), verbose=0, shuffle=False, sample_weight=weights
    )
    return {w.path: numpy(w) - b for w, b in zip(model.trainable_weights, before, strict=True)}


class Moved(keras.layers.Layer):
    """Adds a weight to each potential, so that the weight's gradient is the potential's."""

    def __init__(self, shape):
        super().__init__(name="moved")
        self.shift = self.add_weight(shape, initializer="zeros", name="shift")

    def call(self, inputs):
        return inputs + self.shift


@constrained
def test_gradients_are_counts_minus_expected_counts(constrained):
    chain = layer(constrained)
    rows = slice(0, 2)
    potentials = np.where(MASK[:, :, None], POTENTIALS, IMPOSSIBLE)[rows].astype("float32")
    expected = {"shift": np.zeros((2, 5, 3)), "transitions": np.zeros((3, 3))}
    expected |= {"start_transitions": np.zeros(3), "end_transitions": np.zeros(3)}
    for row, valid in enumerate(MASK[rows]):
        paths = log_probabilities(chain, POTENTIALS[row, valid])
        counts = {path: -np.exp(value) for path, value in paths.items()}
        counts[tuple(GOLD[row, valid])] += 1
        for path, count in counts.items():
            expected["shift"][row, range(len(path)), path] += count
            expected["start_transitions"][path[0]] += count
            expected["end_transitions"][path[-1]] += count
            for pair in itertools.pairwise(path):
                expected["transitions"][pair] += count
    found = gradients(chain, np.where(MASK, GOLD, 0)[rows], potentials)
    assert len(found) == 4
    for path, gradient in found.items():
        np.testing.assert_allclose(gradient, expected[path.split("/")[-1]], atol=1e-5)


def test_gradients_are_weighted_by_sample_weights():
    potentials, gold = POTENTIALS[:2], np.where(MASK, GOLD, 0)[:2]
    both = gradients(layer(), gold, potentials, weights=np.array([2.0, 0.0]))
    one = gradients(layer(), gold[:1], potentials[:1])
    np.testing.assert_allclose(both["moved/shift"][0], 2 * one["moved/shift"][0], atol=1e-5)
    assert np.all(both["moved/shift"][1] == 0)
    np.testing.assert_allclose(both["crf/transitions"], 2 * one["crf/transitions"], atol=1e-5)


def noisy_spans(rows=256, time=12, seed=0):
    """Words and BIO tags: `B` has its own word, `I` and `O` share one, so the order decides."""
    random = np.random.default_rng(seed)
    words, tags = np.zeros((rows, time), int), np.zeros((rows, time), int)
    for row in range(rows):
        for t in range(random.integers(4, time + 1)):
            inside = t and tags[row, t - 1] in (1, 2)
            tags[row, t] = random.choice([0, 1, 2] if inside else [0, 1])
            words[row, t] = {0: 1, 1: 2, 2: random.choice([3, 4])}[tags[row, t]]
    return words, tags


def tagger(mixed=False):
    dtype = "mixed_bfloat16" if mixed else None
    words = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(5, 8, mask_zero=True, dtype=dtype)(words)
    potentials = keras.layers.Dense(3, dtype=dtype)(x)
    chain = LinearChainCRF(3, allowed_transitions=bio_constraints(TAGS), dtype=dtype)
    model = keras.Model(words, chain(potentials))
    best = keras.Model(words, chain(potentials, output="tags"))
    return model, best, chain


@pytest.mark.parametrize(("mixed", "jit_compile"), [(False, "auto"), (True, True)])
def test_trains_under_fit(mixed, jit_compile):
    if keras.config.backend() == "torch":
        jit_compile = False  # torch.compile would unroll the loops
    model, best, chain = tagger(mixed)
    x, y = noisy_spans()
    model.compile(keras.optimizers.Adam(0.05), loss=chain.loss, jit_compile=jit_compile)
    history = model.fit(x, y, epochs=5, verbose=0, validation_split=0.1)
    assert history.history["val_loss"][-1] < 0.2 < 1 < history.history["loss"][0]
    assert (best.predict(x, verbose=0) == y).mean() > 0.98
    # The padding is marked in the potentials after `predict` too.
    np.testing.assert_array_equal(
        numpy(chain.decode(model.predict(x, verbose=0))), best.predict(x, verbose=0)
    )


def test_the_loss_of_fit_is_the_mean_over_sequences():
    model, _, chain = tagger()
    x, y = noisy_spans(rows=8)
    model.compile("sgd", loss=chain.loss)
    expected = -run(chain.log_likelihood, y, numpy(model(x)), x > 0).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_saved_model_can_be_trained_further(tmp_path):
    model, best, chain = tagger()
    x, y = noisy_spans()
    model.compile(keras.optimizers.Adam(0.05), loss=chain.loss)
    model.fit(x, y, epochs=1, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    best.save(tmp_path / "best.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    losses = [m.fit(x, y, epochs=2, verbose=0, shuffle=False).history for m in (model, loaded)]
    np.testing.assert_allclose(losses[0]["loss"], losses[1]["loss"], rtol=1e-5)
    np.testing.assert_allclose(
        numpy(chain.transitions), numpy(loaded.layers[-1].transitions), atol=1e-5
    )
    again = keras.models.load_model(tmp_path / "best.keras")
    before = best.predict(x, verbose=0)
    again.set_weights(best.get_weights())
    np.testing.assert_array_equal(again.predict(x, verbose=0), before)


@keras.saving.register_keras_serializable("test")
class OwnLayers(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.crf = LinearChainCRF(3)
        self.dense = keras.layers.Dense(3)

    def build(self, shape):
        self.dense.build(shape)
        super().build(shape)

    def call(self, inputs):
        return self.crf(self.dense(inputs))


def test_a_loss_loaded_without_its_layer_is_an_error(tmp_path):
    model = OwnLayers()
    model.compile("sgd", loss=model.crf.loss)
    y = np.where(MASK, GOLD, 0)
    model.fit(POTENTIALS, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(loaded.crf.transitions), numpy(model.crf.transitions))
    with pytest.raises(ValueError, match="without its layer.*loss=crf.loss"):
        loaded.fit(POTENTIALS, y, verbose=0)
    loaded.compile("sgd", loss=loaded.crf.loss)
    loaded.fit(POTENTIALS, y, verbose=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports from TensorFlow")
def test_an_exported_model_contains_viterbi(tmp_path):
    import tensorflow as tf

    words = keras.Input((None,), dtype="int32")
    potentials = keras.layers.Embedding(9, 3, mask_zero=True)(words)
    chain = layer(constrained=True)
    model = keras.Model(words, [chain(potentials, output=o) for o in ("tags", "marginals")])
    model.export(tmp_path / "export", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "export")
    for shape in [(2, 7), (3, 1), (0, 4)]:
        batch = np.random.default_rng(0).integers(0, 9, shape).astype("int32")
        for found, expected in zip(loaded.serve(batch), model(batch), strict=True):
            np.testing.assert_allclose(numpy(found), numpy(expected), atol=1e-6)


def test_one_model_has_several_outputs_of_the_same_layer():
    chain = layer()
    inputs = keras.Input((5, 3))
    mask = keras.Input((5,), dtype="bool")
    outputs = [chain(inputs, mask=mask, output=name) for name in OUTPUTS]
    model = keras.Model([inputs, mask], outputs)
    results = model.predict([POTENTIALS, MASK], verbose=0)
    assert [o.dtype for o in outputs] == ["float32", "int32", "float32"]
    for output, result in zip(outputs, results, strict=True):
        assert output.shape[1:] == result.shape[1:]
    np.testing.assert_array_equal(results[0][MASK], POTENTIALS[MASK])
    assert np.all(results[0][~MASK] == IMPOSSIBLE)
    np.testing.assert_array_equal(results[1], run(chain.decode, POTENTIALS, MASK))
    np.testing.assert_allclose(results[2], run(chain.marginals, POTENTIALS, MASK), atol=1e-6)


def test_without_transitions_marginals_are_a_softmax_at_each_step():
    chain = LinearChainCRF(3)
    softmax = numpy(ops.softmax(POTENTIALS))
    np.testing.assert_allclose(run(chain.marginals, POTENTIALS), softmax, atol=1e-6)
    np.testing.assert_array_equal(run(chain.decode, POTENTIALS), POTENTIALS.argmax(-1))
    expected = np.log(softmax[np.arange(6)[:, None], np.arange(5), np.abs(GOLD) % 3]).sum(1)
    found = run(chain.log_likelihood, np.abs(GOLD) % 3, POTENTIALS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_log_likelihood_is_accurate_for_long_sequences_of_large_potentials():
    random = np.random.default_rng(0)
    potentials = (random.normal(size=(1, 1000, 3)) * 30 + 500).astype("float32")
    tags = potentials.argmax(-1)
    # Without transitions the steps are independent, and can be summed in float64.
    wide = potentials.astype("float64")
    expected = (wide.max(-1) - np.logaddexp.reduce(wide, axis=-1)).sum()
    chain = LinearChainCRF(3)
    assert run(chain.log_likelihood, tags, potentials)[0] == pytest.approx(expected, rel=1e-4)


def test_half_precision_with_masks_differs_by_rounding_only():
    exact = layer()
    mixed = LinearChainCRF(3, dtype="mixed_bfloat16")
    mixed.set_weights(exact.get_weights())
    assert mixed(POTENTIALS, mask=MASK).dtype == exact(POTENTIALS, mask=MASK).dtype
    np.testing.assert_array_equal(
        numpy(mixed(POTENTIALS, mask=MASK, output="marginals")),
        numpy(exact(POTENTIALS, mask=MASK, output="marginals")),
    )


@pytest.mark.parametrize("shape", [(0, 5, 3), (2, 0, 3), (0, 0, 3)])
def test_an_empty_batch_gives_empty_outputs(shape):
    chain, potentials = layer(), np.zeros(shape, "float32")
    tags, values = chain.n_best(potentials, 2)
    assert tuple(chain.decode(potentials).shape) == shape[:2]
    assert tuple(chain.marginals(potentials).shape) == shape
    assert tuple(tags.shape) == (shape[0], 2, shape[1]) and tuple(values.shape) == (shape[0], 2)
    likelihood = numpy(chain.log_likelihood(np.zeros(shape[:2], "int32"), potentials))
    np.testing.assert_array_equal(likelihood, np.zeros(shape[0]))


def test_a_potential_of_minus_infinity_excludes_a_tag():
    potentials = POTENTIALS.copy()
    potentials[:, 2, 1] = -np.inf
    chain = layer()
    marginals = run(chain.marginals, potentials, MASK)
    assert np.all(np.isfinite(marginals)) and np.all(marginals[:, 2, 1] == 0)
    assert np.all(run(chain.decode, potentials, MASK)[:, 2] != 1)
    assert np.all(np.isfinite(run(chain.log_likelihood, GOLD * 0, potentials, MASK)))


def test_wrong_tags_are_errors_outside_of_compiled_functions():
    chain = layer(constrained=True)
    tags = np.where(MASK, GOLD, 0)
    tags[1, 2] = 3
    with pytest.raises(ValueError, match=r"from 0 to 2 .*Received: tags\[1, 2\]=3"):
        chain.log_likelihood(tags, POTENTIALS, MASK)
    tags[1, 2] = -1
    with pytest.raises(ValueError, match=r"Received: tags\[1, 2\]=-1"):
        chain.log_likelihood(ops.convert_to_tensor(tags), POTENTIALS, MASK)
    tags[1] = [0, 2, 0, 0, 0]
    with pytest.raises(ValueError, match=r"0 -> 2 is not allowed.*tags\[1\]=\[0, 2, 0\]"):
        chain.log_likelihood(tags, POTENTIALS, MASK)
    tags[1] = [2, 0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"the start -> 2 is not allowed"):
        chain.log_likelihood(tags.tolist(), POTENTIALS, MASK)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch knows the values")
def test_a_compiled_loss_of_a_wrong_tag_is_nan():
    model, _, chain = tagger()
    x, y = noisy_spans(rows=8)
    y[0, 0] = 3
    model.compile("sgd", loss=chain.loss)
    assert np.isnan(model.evaluate(x, y, verbose=0))


def test_wrong_shapes_are_errors_with_both_shapes():
    chain = layer()
    both = r"Received: {} of shape \({}\), potentials of shape \(6, 5, 3\)"
    with pytest.raises(ValueError, match="`mask` must have.*" + both.format("mask", "6, 4")):
        chain.decode(POTENTIALS, MASK[:, :4])
    with pytest.raises(ValueError, match="`tags` must have.*" + both.format("tags", "6, 5, 1")):
        chain.log_likelihood(GOLD[:, :, None], POTENTIALS)
    with pytest.raises(ValueError, match=r"Received: shape \(6, 5, 4\), num_tags=3"):
        chain(np.zeros((6, 5, 4), "float32"))
    with pytest.raises(ValueError, match=r"Received: shape \(None, 5, 4\), num_tags=3"):
        layer()(keras.Input((5, 4)))
    with pytest.raises(ValueError, match=r"sample_weight of shape \(6, 5\), tags of"):
        chain.loss(np.where(MASK, GOLD, 0), POTENTIALS, sample_weight=np.ones((6, 5)))


def test_wrong_arguments_are_errors():
    with pytest.raises(ValueError, match="at least 1. Received: num_tags=0"):
        LinearChainCRF(0)
    with pytest.raises(ValueError, match=r"Received: shape \(2, 2\), num_tags=3"):
        LinearChainCRF(3, allowed_transitions=np.ones((2, 2)))
    with pytest.raises(ValueError, match="Received: output='viterbi'"):
        layer()(POTENTIALS, output="viterbi")
    with pytest.raises(ValueError, match="at least 1. Received: n=0"):
        layer().n_best(POTENTIALS, 0)
    with pytest.raises(ValueError, match="Received: scheme='IOB1'"):
        bio_constraints(TAGS, "IOB1")
    with pytest.raises(ValueError, match="'bio' is O, or B or I, .* Received: 'E-PER'"):
        bio_constraints(["O", "E-PER"])
    with pytest.raises(ValueError, match="Received: 'B-'"):
        bio_constraints(["O", "B-"])


def obeys(path, scheme):
    """True if a sequence is valid in the scheme: a concatenation of spans and O."""
    i = 0
    while i < len(path):
        letter, _, kind = path[i].partition("-")
        i += 1
        if letter in "OS":
            continue
        if letter != "B":
            return False
        while i < len(path) and path[i] == f"I-{kind}":
            i += 1
        if scheme == "BIOES":
            if i == len(path) or path[i] != f"E-{kind}":
                return False
            i += 1
    return True


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_constraints_allow_the_sequences_of_the_scheme_only(scheme):
    letters = scheme.replace("O", "")
    tags = ["O", *(f"{letter}-{kind}" for kind in ("X", "Y-Z") for letter in letters)]
    allowed = np.array(bio_constraints(tags, scheme), bool)
    for length in (1, 2, 3, 4):
        for path in itertools.product(range(len(tags)), repeat=length):
            ends = [len(tags), *path, len(tags)]
            named = [tags[i] for i in path]
            assert allowed[ends[:-1], ends[1:]].all() == obeys(named, scheme), named


def test_constraints_without_boundaries_allow_any_first_and_last_tag():
    chain = LinearChainCRF(2, allowed_transitions=[[1, 0], [1, 1]])
    assert chain.allowed_transitions == [[1, 0, 1], [1, 1, 1], [1, 1, 1]]
    potentials = np.array([[[1.0, 0.0], [0.0, 3.0]]])
    np.testing.assert_array_equal(run(chain.decode, potentials), [[1, 1]])


@pytest.mark.once
def test_the_examples_run():
    for module in ("zoo.layers.crf.layer", "zoo.tags"):
        result = doctest.testmod(importlib.import_module(module), extraglobs=vars(layers))
        assert result.attempted and not result.failed


def test_sequences_that_do_not_exist_have_no_tags():
    chain, mask = LinearChainCRF(3), np.array([[1, 1], [1, 0]])
    tags, values = run(
        lambda *inputs: chain.n_best(inputs[0], 12, inputs[1]), np.zeros((2, 2, 3)), mask
    )
    assert np.isfinite(values).sum(axis=1).tolist() == [9, 3]
    assert np.all(tags[0, 9:] == 0) and np.all(tags[1, 3:] == 0)


@pytest.mark.skipif(keras.config.backend() != "jax", reason="numbers of 64 bits are JAX's option")
def test_all_outputs_with_64_bit_numbers():
    import jax

    chain = layer(False)

    def outputs():
        return run(
            lambda *inputs: (
                chain(*inputs, output="tags"),
                chain(*inputs, output="marginals"),
                *chain.n_best(inputs[0], 3, inputs[1]),
            ),
            *(POTENTIALS, MASK),
        )

    expected = outputs()
    jax.config.update("jax_enable_x64", True)
    try:
        found = outputs()
        encoder = layers.RecurrentEncoder("gru", 4, bidirectional=True)
        assert call(encoder, POTENTIALS[:2], padding_mask=MASK[:2]).shape == (2, 5, 8)
    finally:
        jax.config.update("jax_enable_x64", False)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
