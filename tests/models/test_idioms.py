"""KerasHub's idioms: `from_preset` with classes, `fit` and `predict` on raw inputs, tokenizers."""

import logging
import warnings

import keras
import keras_hub
import numpy as np
import PIL.Image
import pytest

from tests.models.copies import assert_copy
from zoo.models import (
    ImageToText,
    ImageToTextBackbone,
    ImageToTextPreprocessor,
    TextClassifier,
    TextClassifierBackbone,
    TextClassifierPreprocessor,
    TokenClassifier,
    TokenClassifierBackbone,
    TokenClassifierPreprocessor,
)
from zoo.tokenizers import (
    SubwordTokenizer,
    WordTokenizer,
    train_subword_tokenizer,
    train_word_tokenizer,
)

TEXTS = ["a good movie", "a bad movie", "so so", "good", "bad", "so"]
LABELS = ["good", "bad", "so-so", "good", "bad", "so-so"]
SENTENCES = [["Anna", "sings"], ["Ben", "and", "Anna", "sing"], ["they", "don't"]]
TAGS = [["PER", "O"], ["PER", "O", "PER", "O"], ["O", "O"]]
INTENTS = ["one", "two", "two"]
CAPTIONS = ["a red square", "a blue square", "a red square", "a blue square"]
SIZE = (8, 8)


def make_classifier(labels=("good", "bad", "so-so"), **options):
    keras.utils.set_random_seed(0)
    tokenizer = train_subword_tokenizer(TEXTS * 9, 300)
    backbone = TextClassifierBackbone(
        tokenizer.vocabulary_size(),
        "gru",
        embedding_dim=8,
        units=8,
        dtype=options.pop("dtype", None),
    )
    preprocessor = TextClassifierPreprocessor(tokenizer, sequence_length=8)
    return TextClassifier(backbone, preprocessor, labels=labels, **options)


def make_tagger(intents=()):
    keras.utils.set_random_seed(0)
    tokenizer = train_word_tokenizer(SENTENCES, language="en")
    backbone = TokenClassifierBackbone(
        tokenizer.vocabulary_size(),
        tokenizer.character_vocabulary_size(),
        word_dim=8,
        character_dim=4,
        character_units=4,
        encoder="gru",
        units=8,
    )
    preprocessor = TokenClassifierPreprocessor(tokenizer, character_length=6, sequence_length=5)
    return TokenClassifier(backbone, preprocessor, ("O", "PER"), intents=intents)


def make_captioner():
    keras.utils.set_random_seed(0)
    preprocessor = ImageToTextPreprocessor(train_subword_tokenizer(CAPTIONS * 9, 280), SIZE, 12)
    backbone = ImageToTextBackbone(
        preprocessor.tokenizer.vocabulary_size(), SIZE, widths=(4,), embedding_dim=8, units=8
    )
    return ImageToText(backbone, preprocessor)


# Loading with a number of classes


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("preset"))
    make_classifier().save_to_preset(folder)
    return folder


@pytest.mark.once
@pytest.mark.parametrize("options", [{"num_classes": 3}, {"labels": ("good", "bad", "so-so")}])
def test_head_is_loaded_where_the_classes_agree(preset, options, caplog):
    with caplog.at_level(logging.INFO), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = TextClassifier.from_preset(preset, **options)
    assert_copy(model, TextClassifier.from_preset(preset))
    assert "The head for ['good', 'bad', 'so-so'] was loaded" in caplog.text


@pytest.mark.once
def test_head_follows_the_order_of_the_names(preset):
    model = TextClassifier.from_preset(preset, labels=("so-so", "good", "bad"))
    assert model.labels == ("so-so", "good", "bad")
    expected = TextClassifier.from_preset(preset).infer(TEXTS[:1])[0].probabilities
    assert model.infer(TEXTS[:1])[0].probabilities == pytest.approx(expected, abs=1e-6)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({"num_classes": 2}, ("label_0", "label_1")),
        ({"labels": ("no", "yes")}, ("no", "yes")),
        ({"labels": ["no", "yes"], "num_classes": 2}, ("no", "yes")),
        ({"labels": ("x", "y", "z")}, ("x", "y", "z")),
    ],
)
def test_other_numbers_of_classes_get_a_new_head_and_a_warning(preset, options, labels):
    with pytest.warns(UserWarning, match="is new and must be trained: the preset has .*so-so"):
        model = TextClassifier.from_preset(preset, **options)
    loaded = TextClassifier.from_preset(preset)
    assert model.labels == labels and model.output.shape == (None, len(labels))
    pairs = [
        *zip(model.backbone.weights, loaded.backbone.weights, strict=True),
        *zip(model.pool.weights, loaded.pool.weights, strict=True),
    ]
    for one, other in pairs:
        np.testing.assert_array_equal(np.asarray(one.numpy()), np.asarray(other.numpy()))
    model.fit(TEXTS[: len(labels)], list(labels), verbose=0)


@pytest.mark.once
@pytest.mark.parametrize(("num_classes", "count"), [(3, 3), (2, 2)])
def test_base_class_of_keras_hub_says_that_its_head_is_new(preset, num_classes, count):
    with pytest.warns(UserWarning, match="base class loads no head where `num_classes` is given"):
        model = keras_hub.models.TextClassifier.from_preset(preset, num_classes=num_classes)
    assert len(model.labels) == count


@pytest.mark.once
def test_contradicting_classes_are_refused(preset):
    with pytest.raises(ValueError, match="must be the number of `labels`.*num_classes=3"):
        TextClassifier.from_preset(preset, num_classes=3, labels=("no", "yes"))
    with pytest.raises(ValueError, match="must be the number of `labels`.*num_classes=3"):
        make_classifier(("no", "yes"), num_classes=3)
    backbone = make_classifier().backbone
    numbered = ("label_0", "label_1", "label_2")
    assert TextClassifier(backbone, num_classes=3).labels == numbered
    assert TextClassifier(backbone).labels == ("negative", "positive")


# Raw inputs


@pytest.mark.once
def test_classifier_fits_labels_by_name():
    model = make_classifier()
    model.compile(keras.optimizers.Adam(0.05), metrics=["accuracy"])
    model.fit(TEXTS, LABELS, epochs=20, verbose=0, validation_data=(TEXTS, LABELS))
    assert [answer.label for answer in model.infer(TEXTS)] == LABELS
    _, by_name = model.evaluate(TEXTS, np.array(LABELS), verbose=0)
    _, by_id = model.evaluate(TEXTS, np.array([0, 1, 2] * 2), verbose=0)
    assert by_name == by_id == 1
    logits = model.predict(TEXTS, verbose=0)
    assert [model.labels[i] for i in np.asarray(logits).argmax(-1)] == LABELS


@pytest.mark.once
def test_unknown_label_is_named():
    with pytest.raises(Exception, match=r"must be one of \['good', 'bad', 'so-so'\].*'fine'"):
        make_classifier().fit(TEXTS[:2], ["good", "fine"], verbose=0)


@pytest.mark.once
@pytest.mark.parametrize(
    "intents", [pytest.param((), marks=pytest.mark.once), ("one", "two")], ids=["tags", "intents"]
)
def test_tagger_fits_sentences_and_names_of_tags(intents):
    model = make_tagger(intents)
    model.compile(keras.optimizers.Adam(0.05))
    truth = {"tags": TAGS, "intent": INTENTS} if intents else TAGS
    model.fit(SENTENCES, truth, epochs=15, verbose=0, validation_data=(SENTENCES, truth))
    assert [answer.tags for answer in model.infer(SENTENCES)] == TAGS
    if intents:
        assert [answer.intent for answer in model.infer(SENTENCES)] == INTENTS
    outputs = model.predict(SENTENCES, verbose=0)
    assert outputs["tags"].shape == (3, 5, 2)
    assert [(row.max(-1) > -1e8).sum() for row in outputs["tags"]] == [2, 4, 2]
    texts = [" ".join(words) for words in SENTENCES[:2]]
    by_text = model.predict(texts, verbose=0)["tags"]
    np.testing.assert_allclose(by_text, outputs["tags"][:2], atol=1e-5)


@pytest.mark.once
def test_each_word_needs_one_tag():
    # The tokenizer splits "don't" in two.
    with pytest.raises(Exception, match="Each word needs one tag.*3 words, tags .*'O', 'O'"):
        make_tagger().fit(["they don't"], ["O O"], verbose=0)
    with pytest.raises(Exception, match=r"must be one of \['O', 'PER'\].*'LOC'"):
        make_tagger().fit([["Anna"]], [["LOC"]], verbose=0)
    with pytest.raises(ValueError, match=r"dictionary of \['tags', 'intent'\]"):
        make_tagger(("one", "two")).fit(SENTENCES, TAGS, verbose=0)


@pytest.mark.once
@pytest.mark.parametrize("kind", ["paths", "arrays"])
def test_captioner_fits_images_with_captions(kind, tmp_path):
    colours = [[255, 0, 0], [0, 0, 255]] * 2
    images = [np.full((6 + i, 9, 3), colour, "uint8") for i, colour in enumerate(colours)]
    if kind == "paths":
        for i, image in enumerate(images):
            PIL.Image.fromarray(image).save(tmp_path / f"{i}.png")
        images = [tmp_path / f"{i}.png" for i in range(4)]
    model = make_captioner()
    model.compile(keras.optimizers.Adam(0.05), sampler="greedy")
    pairs = {"images": images, "text": CAPTIONS}
    model.fit(pairs, epochs=2, verbose=0)
    logits = np.asarray(model.predict(pairs, verbose=0))
    inputs = model.preprocessor(pairs)[0]
    np.testing.assert_allclose(logits, keras.Model.predict(model, inputs, verbose=0), atol=1e-5)
    assert logits.shape[:2] == (4, 12)


@pytest.mark.once
def test_captioner_asks_for_captions_in_training():
    with pytest.raises(ValueError, match="`infer` captions images alone"):
        make_captioner().predict(np.zeros((2, *SIZE, 3), "uint8"), verbose=0)


# Half precision


def test_presets_load_in_bfloat16(preset):
    model = TextClassifier.from_preset(preset, dtype="bfloat16")
    assert {weight.dtype for weight in model.backbone.weights} == {"bfloat16"}
    whole = TextClassifier.from_preset(preset)
    for answer, expected in zip(model.infer(TEXTS), whole.infer(TEXTS), strict=True):
        assert answer.probability == pytest.approx(expected.probability, abs=0.02)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_quantized_model_answers_by_its_new_weights():
    used, fresh = make_classifier(), make_classifier()
    (before,) = used.infer(TEXTS[:1])
    for model in (used, fresh):
        model.quantize("int8")
    (found,), (expected,) = used.infer(TEXTS[:1]), fresh.infer(TEXTS[:1])
    assert found == expected and found != before


# Tokenizers


@pytest.mark.once
def test_tokenizers_load_from_presets_of_models(preset, tmp_path):
    expected = make_classifier().preprocessor.tokenizer.encode(TEXTS)
    for base in (SubwordTokenizer, keras_hub.tokenizers.Tokenizer):
        tokenizer = base.from_preset(preset)
        assert type(tokenizer) is SubwordTokenizer and tokenizer.encode(TEXTS) == expected
    make_captioner().save_to_preset(str(tmp_path / "captioner"))
    found = SubwordTokenizer.from_preset(str(tmp_path / "captioner"))
    assert found.vocabulary_size() == make_captioner().preprocessor.tokenizer.vocabulary_size()
    make_tagger().save_to_preset(str(tmp_path / "tagger"))
    for base in (WordTokenizer, keras_hub.tokenizers.Tokenizer):
        words = base.from_preset(str(tmp_path / "tagger"))
        assert type(words) is WordTokenizer
        assert words.get_vocabulary() == make_tagger().preprocessor.tokenizer.get_vocabulary()


@pytest.mark.once
@pytest.mark.parametrize("make", [SubwordTokenizer, WordTokenizer])
def test_tokenizers_know_their_padding_before_they_have_a_vocabulary(make):
    assert make().pad_token_id == 0 and make().unk_token_id == 1
