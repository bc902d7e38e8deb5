"""Text classifier; its contracts are in tests/contracts/test_models.py."""

import keras
import numpy as np
import pytest

from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
from zoo.tokenizers import train_subword_tokenizer

TEXTS = ["정말 재미있어요", "a good movie", "bad movie: not worth it"]


@pytest.fixture(scope="module")
def model():
    tokenizer = train_subword_tokenizer(TEXTS * 20, 330)
    preprocessor = TextClassifierPreprocessor(tokenizer, sequence_length=24)
    backbone = TextClassifierBackbone(tokenizer.vocabulary_size(), "gru", 8, 8)
    return TextClassifier(backbone, preprocessor)


@pytest.mark.once
def test_infer_keeps_the_order_over_buckets_and_batches(model):
    texts = [TEXTS[1] * n for n in (3, 1, 2, 1)] + TEXTS
    results = model.infer(texts, batch_size=2)
    for text, result in zip(texts, results, strict=True):
        assert result.probability == pytest.approx(model.infer([text])[0].probability, abs=1e-5)
        assert sum(result.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert result.probability == max(result.probabilities.values())
        assert set(result.to_dict()) == {"label", "probability", "probabilities"}


@pytest.mark.once
def test_a_text_of_100_000_words_is_truncated(model):
    (result,) = model.infer(["good movie " * 100_000])
    assert 0.5 <= result.probability <= 1
    assert len(model.preprocessor.encode(["good movie " * 100_000])[0]) == 24
    assert len(model.explain("good movie " * 1000, pieces=True).tokens) == 24


def test_score_compares_with_true_labels(model):
    answers = [result.label for result in model.infer(TEXTS)]
    scores = model.score({"text": TEXTS, "label": answers})
    assert scores["accuracy"] == 1.0
    assert scores["loss"] == pytest.approx(
        -np.mean([np.log(result.probability) for result in model.infer(TEXTS)]), abs=1e-4
    )


@pytest.mark.once
def test_temperature_divides_the_logits(model):
    logits = keras.ops.convert_to_numpy(model(model.preprocessor(TEXTS)))
    columns = {"text": TEXTS, "label": ["negative", "positive", "positive"]}
    before, explained = model.infer(TEXTS), model.explain(TEXTS[1], "gradient")
    again = TextClassifier(model.backbone, model.preprocessor, temperature=0.25)
    again.set_weights(model.get_weights())
    after = again.infer(TEXTS)
    for one, other, row in zip(before, after, logits, strict=True):
        expected = np.exp(row / 0.25) / np.exp(row / 0.25).sum()
        np.testing.assert_allclose(list(other.probabilities.values()), expected, rtol=1e-4)
        assert one.label == other.label and one.probability < other.probability
    effects = again.explain(TEXTS[1], "gradient").effects
    np.testing.assert_allclose(effects, np.array(explained.effects) / 0.25, rtol=1e-3, atol=1e-6)
    assert again.get_config()["temperature"] == 0.25

    calibration = again.calibrate(columns)
    assert again.temperature == calibration.temperature != 0.25
    assert again.score(columns)["loss"] == pytest.approx(calibration.loss_after, abs=1e-5)
    assert again.score(columns)["ece"] == pytest.approx(calibration.ece_after, abs=1e-5)
    assert model.score(columns)["loss"] == pytest.approx(calibration.loss_before, abs=1e-5)
    with pytest.raises(ValueError, match="Each of `label` must be one of"):
        again.calibrate({"text": ["a"], "label": ["neutral"]})
    with pytest.raises(ValueError, match="`temperature` must be a finite number of at least 0.001"):
        TextClassifier(model.backbone, temperature=0)


def test_collate_pads_on_the_right_and_truncates(model):
    batch = model.preprocessor.collate([[5, 6, 7], [], [8]], length=2)
    np.testing.assert_array_equal(batch["token_ids"], [[5, 6], [0, 0], [8, 0]])
    np.testing.assert_array_equal(batch["padding_mask"], [[True, True], [False] * 2, [True, False]])


def test_lower_casing_keeps_the_case_of_pieces(model):
    tokenizer = model.preprocessor.tokenizer
    lower = TextClassifierPreprocessor(tokenizer, sequence_length=24, lowercase=True)
    assert lower.encode(["A GOOD Movie"]) == lower.encode(["a good movie"])
    assert "".join(lower.pieces("A GOOD Movie")) == "A GOOD Movie"
    assert len(lower.pieces("A GOOD Movie")) == len(lower.encode(["A GOOD Movie"])[0])
    assert "".join(lower.pieces("İ GOOD")) == "İ GOOD"
    for texts in ("A Good", ["A GOOD", "정말 GOOD"], np.array(["A GOOD", "É"])):
        called = lower(texts)["token_ids"]
        flat = [texts] if isinstance(texts, str) else list(texts)
        expected = lower.collate(lower.encode(flat), 24)["token_ids"]
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(called).reshape(len(flat), -1), expected
        )
    assert TextClassifierPreprocessor.from_config(lower.get_config()).lowercase


def test_the_preprocessor_gives_the_same_in_tf_data(model):
    import tensorflow as tf

    outside = model.preprocessor(TEXTS)
    (inside,) = list(tf.data.Dataset.from_tensors(TEXTS).map(model.preprocessor))
    for name in ("token_ids", "padding_mask"):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(outside[name]), inside[name].numpy()
        )


@pytest.mark.parametrize(
    ("texts", "message"),
    [("a string", "come in a list.*Received: texts='a string'"), ([None], r"texts\[0\]=None")],
)
def test_invalid_texts_raise(model, texts, message):
    with pytest.raises(TypeError, match=message):
        model.infer(texts)


def test_explaining_an_empty_text_raises(model):
    with pytest.raises(ValueError, match="nothing to explain"):
        model.explain("")


def test_infer_without_a_preprocessor_raises(model):
    bare = TextClassifier(TextClassifierBackbone(300, "gru", 8, 8))
    with pytest.raises(ValueError, match="no preprocessor.*zoo.load"):
        bare.infer(["text"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "bilstm"}, "must be one of .*transformer.*Received: encoder='bilstm'"),
        ({"encoder": "transformer", "units": 64, "embedding_dim": 32}, "equal to embedding_dim"),
        ({"encoder": "transformer", "num_heads": 3}, "num_heads=3"),
    ],
)
def test_invalid_options_of_the_backbone_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        TextClassifierBackbone(100, **arguments)


@pytest.mark.parametrize("labels", [("one",), ("same", "same")])
def test_labels_must_differ(labels):
    with pytest.raises(ValueError, match="at least 2 strings, all different"):
        TextClassifier(TextClassifierBackbone(100, "gru", 8, 8), labels=labels)


@pytest.mark.once
def test_a_long_text_is_truncated_with_a_warning():
    from tests.models.test_arguments import make_text_classifier

    model = make_text_classifier()
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than .* 24 tokens"):
        long, _ = model.infer(["one two " * 1000, "one"])
    (cut,) = model.infer(["one two " * 1000 + "three"])
    assert cut.probabilities == pytest.approx(long.probabilities, abs=1e-6)
    with pytest.warns(UserWarning, match="were truncated"):
        assert model.explain("one two " * 20).truncated
    assert not model.explain("one  two ").truncated
    decomposed = "\u110c\u1162\u1106\u1175"
    assert model.infer([decomposed]) == model.infer(["재미"])
    assert "".join(model.explain(decomposed).tokens) == model.explain(decomposed).text == "재미"
