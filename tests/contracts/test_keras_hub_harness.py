"""KerasHub's own tests of layers, backbones, tasks and tokenizers, on those of the zoo.

The package ships them as a private module. It imports `grain`, which only its tests of grain
pipelines use; without that package they are left out.
"""

import importlib.metadata
import importlib.util
import sys
import types

import numpy as np
import pytest

from zoo import layers, models
from zoo.tokenizers import (
    CharacterTokenizer,
    SymbolTokenizer,
    train_subword_tokenizer,
    train_word_tokenizer,
)

pytestmark = pytest.mark.once  # other contracts walk every backend

TEXTS = ["a good movie", "a bad movie", "good", "bad"]
SENTENCES = [["a", "cat", "sat"], ["cats", "sit"], ["a", "cat"], ["sit"]]
SIZE = (8, 8)


@pytest.fixture(scope="module")
def harness():
    """A `TestCase` of KerasHub, for its methods `run_…_test`."""
    has_grain = importlib.util.find_spec("grain") is not None
    with pytest.MonkeyPatch.context() as patch:
        if not has_grain:
            patch.setitem(sys.modules, "grain", types.ModuleType("grain"))
        try:
            from keras_hub.src.tests.test_case import TestCase
        except ImportError as error:
            version = importlib.metadata.version("keras-hub")
            pytest.fail(
                f"keras-hub {version} has its tests elsewhere ({error}): adapt this file before "
                "the upper bound of keras-hub in pyproject.toml is raised."
            )

    class Harness(TestCase):
        def run_grain_preprocessing_test(self, *arguments):
            if has_grain:
                super().run_grain_preprocessing_test(*arguments)

    return Harness("run_layer_test")


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def ids(*shape):
    return np.random.default_rng(0).integers(1, 9, shape).astype("int32")


def ones(*shape):
    return np.ones(shape, "bool")


# Each layer: its class, its arguments, its inputs, the shapes of its outputs, and its number of
# weights.
STEPS = {"query": floats(2, 3, 4), "value": floats(2, 5, 4)}
DECODING = {"inputs": floats(2, 3, 4), "memory": floats(2, 5, 4)}
STACKED = {"inputs": floats(2, 5, 4), "padding_mask": ones(2, 5)}
RECORDED = {"audio": floats(2, 400), "audio_length": np.array([400, 200], "int32")}
PADDED = {"states": floats(2, 5, 4), "padding_mask": ones(2, 5)}
LAYERS = [
    (layers.BahdanauAttention, {"units": 4}, STEPS, (2, 3, 4), 3),
    (layers.LuongDotAttention, {}, STEPS, (2, 3, 4), 0),
    (layers.LuongGeneralAttention, {}, STEPS, (2, 3, 4), 1),
    (layers.LuongConcatAttention, {"units": 4}, STEPS, (2, 3, 4), 2),
    (layers.LuongLocalAttention, {"window": 2}, STEPS, (2, 3, 4), 3),
    (layers.ScaledDotProductAttention, {}, STEPS, (2, 3, 4), 0),
    (layers.MultiHeadAttention, {"num_heads": 2, "key_dim": 2}, STEPS, (2, 3, 4), 8),
    (layers.RecurrentEncoder, {"cell": "gru", "units": 3}, floats(2, 5, 4), (2, 5, 3), 3),
    (layers.AttentiveDecoder, {"cell": "gru", "units": 4}, DECODING, (2, 3, 4), 7),
    (layers.TransformerDecoder, {"num_layers": 1, "num_heads": 2, "intermediate_dim": 4})
    + (DECODING, (2, 3, 4), 28),
    (layers.SequencePooling, {"pooling": "bahdanau"}, PADDED, ((2, 4), (2, 1, 5)), 4),
    (layers.CharacterFeatures, {"vocabulary_size": 9, "units": 4}, ids(2, 3, 5), (2, 3, 4), 3),
    (layers.CTCHead, {"vocabulary_size": 3}, STACKED, (2, 5, 3), 2),
    (layers.FrameStacking, {"factor": 2}, STACKED, ((2, 3, 8), (2, 3)), 0),
    (layers.SpecAugment, {"frequency_mask": 2}, STACKED, (2, 5, 4), 0),
    (layers.SpectrogramConvolution, {"filters": (2, 3)}, STACKED, (2, 5, 3), 4),
    (layers.LogMel, {"sampling_rate": 8000, "frame_length": 200, "hop_length": 80})
    + (RECORDED, ((2, 5, 40), (2, 5)), 0),
    (layers.LinearChainCRF, {"num_tags": 4}, floats(2, 5, 4), (2, 5, 4), 3),
]
STATISTICS = {layers.LogMel: 2}  # weights that are measured on data
SEEDED = (layers.RecurrentEncoder, layers.AttentiveDecoder, layers.SpecAugment)


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case[0].__name__)
def test_layers(harness, case):
    cls, arguments, inputs, expected, count = case
    harness.run_layer_test(
        cls,
        arguments,
        inputs,
        expected,
        expected_num_trainable_weights=count,
        expected_num_non_trainable_weights=STATISTICS.get(cls, 0),
        # The seed of the dropout between layers, and the statistics.
        expected_num_non_trainable_variables=int(cls in SEEDED) + STATISTICS.get(cls, 0),
        # The loss on its output, potentials, does not depend on the weights of a CRF.
        run_training_check=count > 0 and cls is not layers.LinearChainCRF,
        # Softmax and CRF are in float32 at any precision.
        run_precision_checks=cls is layers.RecurrentEncoder,
    )


def sequences(*names, length=5):
    return {name: (ones if "mask" in name else ids)(2, length) for name in names}


SOURCE = ("encoder_token_ids", "encoder_padding_mask")
TARGET = ("decoder_token_ids", "decoder_padding_mask")
IMAGES = {"images": np.zeros((2, *SIZE, 3), "float32")}
BACKBONES = {
    "causal_lm": (
        models.CausalLMBackbone,
        {"vocabulary_size": 9, "decoder": "gru", "embedding_dim": 4, "units": 3},
        sequences("token_ids", "padding_mask"),
        (2, 5, 3),
    ),
    "text_classifier": (
        models.TextClassifierBackbone,
        {"vocabulary_size": 9, "encoder": "gru", "embedding_dim": 4, "units": 3},
        sequences("token_ids", "padding_mask"),
        (2, 5, 6),
    ),
    "token_classifier": (
        models.TokenClassifierBackbone,
        {"vocabulary_size": 9, "character_vocabulary_size": 9, "word_dim": 4, "units": 3}
        | {"character_dim": 4, "character_units": 4, "encoder": "gru"},
        sequences("word_ids", "padding_mask") | {"character_ids": ids(2, 5, 4)},
        (2, 5, 6),
    ),
    "seq2seq_lm": (
        models.Seq2SeqLMBackbone,
        {"vocabulary_size": 9, "embedding_dim": 4, "units": 4},
        sequences(*SOURCE, *TARGET),
        {"encoder_sequence_output": (2, 5, 8), "decoder_sequence_output": (2, 5, 4)},
    ),
    "image_to_text": (
        models.ImageToTextBackbone,
        {"vocabulary_size": 9, "image_size": SIZE, "widths": (4,), "embedding_dim": 4, "units": 4},
        IMAGES | sequences(*TARGET),
        {"decoder_sequence_output": (2, 5, 4)},
    ),
    "speech_to_text": (
        models.SpeechToTextBackbone,
        {"vocabulary_size": 9, "head": "joint", "units": 4, "embedding_dim": 4},
        RECORDED | sequences(*TARGET),
        {"encoder_sequence_output": (2, 2, 8), "decoder_sequence_output": (2, 5, 4)},
    ),
}
WHOLE = ("images", "audio_length")  # inputs without steps


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones(harness, name):
    cls, arguments, inputs, expected = BACKBONES[name]
    shorter = [{k: v if k in WHOLE else v[:, :n] for k, v in inputs.items()} for n in (2, 3)]
    harness.run_backbone_test(
        cls,
        arguments,
        inputs,
        expected,
        variable_length_data=shorter,
        run_mixed_precision_check=False,
        run_quantization_check=False,
    )


@pytest.fixture(scope="module")
def tokenizer():
    return train_subword_tokenizer(TEXTS * 9, 280)


def classifier(tokenizer):
    size = tokenizer.vocabulary_size()
    return {
        "backbone": models.TextClassifierBackbone(size, "gru", embedding_dim=4, units=3),
        "preprocessor": models.TextClassifierPreprocessor(tokenizer, sequence_length=5),
        "labels": ("bad", "good"),
    }, (TEXTS, ["good", "bad"] * 2)


def tagger(tokenizer):
    words = train_word_tokenizer(SENTENCES)
    backbone = models.TokenClassifierBackbone(
        words.vocabulary_size(), words.character_vocabulary_size(), word_dim=4, units=3
    )
    return {
        "backbone": backbone,
        "preprocessor": models.TokenClassifierPreprocessor(words, 4, sequence_length=5),
        "tags": ("D", "N", "V"),
    }, ([" ".join(words) for words in SENTENCES], ["D N V", "N V", "D N", "V"])


def writer(tokenizer):
    size = tokenizer.vocabulary_size()
    return {
        "backbone": models.CausalLMBackbone(size, "gru", embedding_dim=4, units=3),
        "preprocessor": models.CausalLMPreprocessor(tokenizer, sequence_length=5),
    }, (TEXTS,)


def translator(tokenizer):
    size = tokenizer.vocabulary_size()
    return {
        "backbone": models.Seq2SeqLMBackbone(size, embedding_dim=4, units=4),
        "preprocessor": models.Seq2SeqLMPreprocessor(tokenizer, 5, 6),
    }, ({"encoder_text": TEXTS, "decoder_text": TEXTS},)


def captioner(tokenizer):
    size = tokenizer.vocabulary_size()
    return {
        "backbone": models.ImageToTextBackbone(
            size, SIZE, widths=(4,), embedding_dim=4, units=4, attention="luong_dot"
        ),
        "preprocessor": models.ImageToTextPreprocessor(tokenizer, SIZE, 5),
    }, ({"images": np.zeros((4, 9, 7, 3), "uint8"), "text": TEXTS},)


def recognizer(tokenizer):
    letters = CharacterTokenizer(sorted(set("".join(TEXTS))))
    backbone = models.SpeechToTextBackbone(
        letters.vocabulary_size(), head="joint", units=4, embedding_dim=4
    )
    return {
        "backbone": backbone,
        "preprocessor": models.SpeechToTextPreprocessor(letters, head="joint"),
    }, ({"audio": floats(4, 6400).clip(-1, 1), "text": TEXTS},)


TASKS = {
    models.CausalLM: writer,
    models.TextClassifier: classifier,
    models.TokenClassifier: tagger,
    models.Seq2SeqLM: translator,
    models.ImageToText: captioner,
    models.SpeechToText: recognizer,
}


@pytest.mark.parametrize("cls", TASKS, ids=lambda cls: cls.__name__)
def test_tasks(harness, cls, tokenizer):
    arguments, data = TASKS[cls](tokenizer)
    harness.run_task_test(cls, arguments, data)


def test_subword_tokenizer(harness, tokenizer):
    harness.run_preprocessing_layer_test(type(tokenizer), {"proto": tokenizer.proto}, TEXTS)


@pytest.mark.parametrize(
    ("cls", "entries"),
    [
        (CharacterTokenizer, set("".join(TEXTS))),
        (SymbolTokenizer, {symbol for text in TEXTS for symbol in text.split()}),
    ],
)
def test_character_tokenizers(harness, cls, entries):
    harness.run_preprocessing_layer_test(cls, {"characters": sorted(entries)}, TEXTS)


def test_word_tokenizer(harness):
    tokenizer = train_word_tokenizer(SENTENCES)
    harness.run_serialization_test(tokenizer)
    texts = [" ".join(words) for words in SENTENCES]
    assert tokenizer.tokenize(texts) == [tokenizer.encode(words) for words in SENTENCES]
