"""What every model must obey, each encoder with each pooling."""

import functools
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.variants import variants
from tests.weights import assign_normal, without_seeds
from zoo.choices import ENCODERS, POOLINGS
from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
from zoo.tokenizers import train_subword_tokenizer

TEXTS = ["정말 재미있어요", "a good movie", "bad movie: not worth it, not at all, not even once"]
KNOWN_IDS = [[5, 6, 7, 8, 9], [10, 11], [], [12]]
EXPECTED = Path(__file__).parent / "text_classifier_logits.json"

# Each encoder once with the default pooling, each pooling once with the default encoder.
COMBINATIONS = sorted(
    {f"{encoder}-bahdanau" for encoder in ENCODERS} | {f"lstm-{pooling}" for pooling in POOLINGS}
)
most_on_one_backend = variants(
    COMBINATIONS,
    everywhere=(
        *("simple_rnn-bahdanau", "gru-bahdanau", "lstm-bahdanau", "transformer-bahdanau"),
        "lstm-multi_head",
    ),
)


@pytest.fixture(scope="module")
def preprocessor():
    return TextClassifierPreprocessor(train_subword_tokenizer(TEXTS * 20, 330), sequence_length=16)


def make(preprocessor, variant, bidirectional=True, **options):
    encoder, pooling = variant.split("-")
    backbone = TextClassifierBackbone(
        vocabulary_size=preprocessor.tokenizer.vocabulary_size(),
        encoder=encoder,
        embedding_dim=8,
        units=8,
        num_layers=2,
        bidirectional=bidirectional,
        num_heads=2,
        max_sequence_length=32,
    )
    return TextClassifier(backbone, preprocessor, pooling=pooling, **options)


def logits(model, encoded, length):
    batch = model.preprocessor.collate(encoded, length)
    return np.asarray(keras.Model.predict_on_batch(model, batch))


def known_logits(model):
    assign_normal(without_seeds(model.weights))
    return logits(model, KNOWN_IDS, 16)


@pytest.fixture(scope="module")
def models(preprocessor):
    """Each model made, and compiled, once for all the tests."""
    return functools.cache(lambda variant: make(preprocessor, variant))


@most_on_one_backend
def test_same_weights_give_the_same_answers_on_every_backend(models, variant):
    """The expected numbers are one backend's; `python -m tests.contracts` writes them anew."""
    expected = json.loads(EXPECTED.read_text())[variant]
    found = known_logits(models(variant))
    np.testing.assert_allclose(found, expected, atol=1e-5)


# On every backend, the answers above are of texts of several lengths in one batch.
@variants(COMBINATIONS, everywhere=("lstm-multi_head", "transformer-bahdanau"))
def test_padding_a_text_further_changes_nothing(models, variant):
    model = models(variant)
    np.testing.assert_allclose(
        logits(model, KNOWN_IDS, 16), logits(model, KNOWN_IDS, 32), atol=1e-5
    )


@most_on_one_backend
def test_an_empty_text_gets_a_finite_answer_and_its_neighbours_theirs(models, variant):
    model = models(variant)
    assert model.infer([]) == []
    alone = model.infer([TEXTS[0], "x", TEXTS[1], "x"])
    together = model.infer([TEXTS[0], "", TEXTS[1], "🎬"])
    assert all(np.isfinite(result.probability) for result in together)
    for i in (0, 2):
        assert alone[i].probability == pytest.approx(together[i].probability, abs=1e-5)


@variants(COMBINATIONS, everywhere=("lstm-multi_head",))
def test_explanations_show_words_their_weights_and_what_the_answer_loses(models, variant):
    model = models(variant)
    explained = model.explain(TEXTS[1])
    assert explained.tokens == ["a", " good", " movie"]
    (answer,) = model.infer([TEXTS[1]])
    assert explained.prediction == answer.label
    assert explained.probability == pytest.approx(answer.probability, abs=1e-5)
    if variant.split("-")[1] in ("last", "max", "mean", "concat"):
        assert explained.weights is None
    else:
        weights = np.atleast_2d(np.asarray(explained.weights))
        assert weights.shape == (2 if variant == "lstm-multi_head" else 1, 3)
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    others = model.infer(["good movie", "a movie", "a good"])
    lost = [answer.probability - other.probabilities[answer.label] for other in others]
    np.testing.assert_allclose(explained.effects, lost, atol=1e-5)
    changed = {i: other.label for i, other in enumerate(others) if other.label != answer.label}
    assert {flip.source: flip.answer for flip in explained.flips} == changed


def test_one_method_alone(models):
    model = models("lstm-bahdanau")
    attention = model.explain(TEXTS[1], "attention")
    assert attention.effects is None and len(attention.weights) == 3
    occlusion = model.explain(TEXTS[1], "occlusion")
    assert occlusion.weights is None and len(occlusion.effects) == 3
    pieces = model.explain(TEXTS[1], "attention", pieces=True)
    assert pieces.tokens == model.preprocessor.pieces(TEXTS[1]) and len(pieces.tokens) > 3
    assert sum(pieces.weights) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="`method` must be one of.*Received: method='occulsion'"):
        model.explain(TEXTS[1], "occulsion")
    with pytest.raises(ValueError, match="no attention to explain; use method='occlusion'"):
        models("lstm-mean").explain(TEXTS[1], "attention")


@variants(["lstm-bahdanau", "transformer-bahdanau"], everywhere=("lstm-bahdanau",))
def test_gradients_are_those_of_numerical_differences(models, variant):
    model = models(variant)
    explained = model.explain(TEXTS[1], "gradient")
    (ids,) = model.preprocessor.encode([TEXTS[1]])
    embed, encode, head = model._explanation._stages
    batch = model.preprocessor.collate([ids], 16)
    mask = keras.ops.convert_to_tensor(batch["padding_mask"])
    embedded = keras.ops.convert_to_numpy(embed(batch))

    def odds(scales):
        scaled = embedded * np.array(scales, "float32")[None, :, None]
        states = encode([keras.ops.convert_to_tensor(scaled), mask])
        found = keras.ops.convert_to_numpy(head([states, mask]))[0]
        best = model.labels.index(explained.prediction)
        return found[best] - found[1 - best]

    pieces = model.preprocessor.pieces(TEXTS[1])
    step = 0.02
    ends = np.cumsum([len(piece) for piece in pieces])
    for i, (start, end) in enumerate([(0, 1), (1, 6), (6, 12)]):
        own = [start < stop <= end for stop in ends] + [False] * (16 - len(pieces))
        above, below = (odds([1 + sign * step * one for one in own]) for sign in (1, -1))
        numerical = (above - below) / (2 * step)
        assert explained.effects[i] == pytest.approx(numerical, abs=5e-3)


@most_on_one_backend
def test_a_preset_gives_the_model_back(preprocessor, variant, tmp_path):
    import keras_hub

    model = make(preprocessor, variant, labels=("bad", "so-so", "good"), dropout=0.1)
    model.save_to_preset(str(tmp_path))
    copy = keras_hub.models.TextClassifier.from_preset(str(tmp_path))
    assert copy.get_config() == model.get_config()
    for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("encoder", [pytest.param("lstm", marks=pytest.mark.once), "transformer"])
def test_every_model_trains_under_keras_hub_fit(preprocessor, encoder):
    keras.utils.set_random_seed(0)
    model = make(preprocessor, f"{encoder}-bahdanau")
    model.compile(keras.optimizers.Adam(0.01))
    texts, truth = np.array(TEXTS[1:] * 8), np.array([1, 0] * 8)
    history = model.fit(texts, truth, batch_size=16, epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.3 < history[0]
    assert [result.label for result in model.infer(TEXTS[1:])] == ["positive", "negative"]


@variants(
    [f"{one}-{other}" for one in ("simple_rnn", "gru") for other in ("last", "multi_head")],
    everywhere=("gru-last",),
)
def test_one_direction_works_too(preprocessor, variant):
    model = make(preprocessor, variant, bidirectional=False)
    assert model.backbone.output.shape[-1] == 8
    assert all(0.5 <= result.probability <= 1 for result in model.infer(TEXTS))
