"""Several threads use one model, as those of a server do, and programs of models."""

import functools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from tests.models import (
    test_image_to_text,
    test_seq2seq_lm,
    test_speech_to_text,
    test_text_classifier,
)
from tests.models import test_token_classifier as tagger
from tests.weights import assign_normal
from zoo.decoding import compiled
from zoo.models import (
    ImageToText,
    Seq2SeqLM,
    SpeechToText,
    TextClassifier,
    TextClassifierBackbone,
    TextClassifierPreprocessor,
    TokenClassifier,
)
from zoo.models.batching import predict
from zoo.models.generation import GenerationTask
from zoo.tokenizers import train_subword_tokenizer
from zoo.tracking.flavor import TextModel

THREADS = REQUESTS = 8
TEXTS = test_text_classifier.TEXTS
SOURCES = test_seq2seq_lm.SOURCES
PICTURES = list(test_image_to_text.PICTURES)
TAGS = [["O"] * len(sentence) for sentence in tagger.SENTENCES]


def make_text_classifier():
    tokenizer = train_subword_tokenizer(TEXTS * 20, 330)
    backbone = TextClassifierBackbone(tokenizer.vocabulary_size(), "gru", 8, 8, dropout=0.5)
    model = TextClassifier(backbone, TextClassifierPreprocessor(tokenizer, 24), dropout=0.5)
    assign_normal(sorted(model.trainable_weights, key=lambda it: it.path), scale=1.5)
    return model


def make_translator():
    return test_seq2seq_lm.make(test_seq2seq_lm.make_preprocessor(), "bahdanau")


def make_captioner():
    return test_image_to_text.make(test_image_to_text.make_preprocessor(), "bahdanau")


# A maker, inputs of `infer`, the name of their column, the name and values of the other column.
TASKS = {
    TextClassifier: (make_text_classifier, TEXTS, "text", "label", ["positive"] * 3),
    TokenClassifier: (
        functools.partial(tagger.make, "attention scaled_dot"),
        tagger.SENTENCES,
        *("tokens", "tags"),
        TAGS,
    ),
    Seq2SeqLM: (make_translator, SOURCES, "source", "target", test_seq2seq_lm.TARGETS),
    ImageToText: (make_captioner, PICTURES, "image", "captions", [["a dog"]] * 4),
    SpeechToText: (
        functools.partial(test_speech_to_text.make, "joint"),
        test_speech_to_text.RECORDINGS,
        *("audio", "text"),
        test_speech_to_text.TEXTS,
    ),
}
every_task = pytest.mark.parametrize("task", TASKS)


def requests(model, inputs, column, other, values):
    """Functions that ask a model in every way, and return numbers and strings."""
    options = {"beam": 2, "max_length": 8} if isinstance(model, GenerationTask) else {}
    server = TextModel(model)
    text = [" ".join(it) if isinstance(it, list) else it for it in inputs]
    return [
        lambda: [answer.to_dict() for answer in model.infer(inputs[:2], **options)],
        lambda: np.asarray(model.explain(inputs[1]).weights).tolist(),
        lambda: server.predict(text[:2], options).to_dict("list"),
        lambda: model.score({column: inputs[:2], other: values[:2]}, **options),
    ]


def assert_equal(found, expected):
    """Equal strings, and numbers up to rounding, in the same nesting."""
    keras.tree.assert_same_structure(found, expected)
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        if isinstance(one, str) or one is None:
            assert one == other
        else:
            assert one == pytest.approx(other, abs=1e-5, nan_ok=True)


def in_threads(function):
    """What a function of the thread's number returns in threads that start together."""
    barrier = threading.Barrier(THREADS)

    def run(number):
        barrier.wait()
        return function(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@every_task
def test_threads_get_the_answers_of_one_alone(task):
    make, *data = TASKS[task]
    model = make()
    asked = requests(model, *data)

    def ask(number):
        # Each thread begins with another request, and the first calls of each race.
        order = [(number + i) % len(asked) for i in range(REQUESTS)]
        return [(which, asked[which]()) for which in order]

    answers = in_threads(ask)
    expected = [request() for request in asked]
    for which, answer in sum(answers, []):
        assert_equal(answer, expected[which])


def test_threads_compile_once():
    calls = []

    def double(x):
        calls.append(x)
        return 2 * x

    program = compiled(double, layers=[])
    for found in in_threads(lambda number: program(np.full(3, number))):
        assert len(set(keras.ops.convert_to_numpy(found).tolist())) == 1
    assert len(calls) == 1
    program(np.zeros(4))
    assert len(calls) == 2


def classifier_inputs(model, texts=TEXTS, length=16):
    return model.preprocessor.collate(model.preprocessor.encode(texts), length)


def portable(model, inputs):
    """The outputs by Keras alone, uncompiled."""
    outputs = model(keras.tree.map_structure(keras.ops.convert_to_tensor, inputs), training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def assert_arrays_equal(found, expected):
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        assert type(one) is np.ndarray
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_predictions_are_those_of_keras():
    model = make_text_classifier()
    short, long = (classifier_inputs(model, length=length) for length in (16, 32))
    weights = model._explanation._weights
    for part, inputs in ((model, short), (model, long), (weights, short)):
        assert_arrays_equal(predict(part, inputs), keras.Model.predict_on_batch(part, inputs))
    assert_arrays_equal(predict(weights, short), portable(weights, short))


def test_predictions_of_a_cnn_are_those_of_keras():
    encoder = make_captioner().backbone.image_encoder
    pixels = np.stack(PICTURES).astype("float32")
    found = predict(encoder, pixels)
    np.testing.assert_allclose(found, keras.Model.predict_on_batch(encoder, pixels), atol=1e-5)


def test_new_weights_take_effect():
    model = make_text_classifier()
    inputs = classifier_inputs(model)
    parts = [model, keras.Model(model.input, model.output)]

    def first():
        return [keras.tree.flatten(predict(part, inputs))[0] for part in parts]

    before = first()
    model.set_weights([0.5 * weight for weight in model.get_weights()])
    halved = first()
    model.compile(
        keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    keras.Model.fit(model, inputs, np.array([0, 1, 0]), verbose=0)
    trained = first()
    for results in (before, halved, trained):
        np.testing.assert_allclose(results[0], results[1], atol=1e-6)
    assert abs(before[0] - halved[0]).max() > 1e-3 and abs(halved[0] - trained[0]).max() > 1e-3
    np.testing.assert_allclose(trained[0], portable(model, inputs), atol=1e-6)


@pytest.mark.parametrize("change", ["lora", "int8"])
def test_new_variables_take_effect(change):
    """A program that has run holds the variables of then."""
    layer = keras.layers.Dense(4)
    layer.build((None, 4))
    program = compiled(lambda x: layer(x), layers=[layer])
    x = np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)
    before = keras.ops.convert_to_numpy(program(x))
    if change == "lora":
        layer.enable_lora(2)
        layer.lora_kernel_b.assign(np.ones((2, 4)))
    else:
        layer.quantize("int8")
    after = keras.ops.convert_to_numpy(program(x))
    assert abs(after - before).max() > 1e-4
    np.testing.assert_allclose(after, keras.ops.convert_to_numpy(layer(x)), atol=1e-6)


def test_an_assignment_during_a_call_is_kept():
    """A search returns the seeds it drew, not the weights that it was given."""
    layer = keras.layers.BatchNormalization()
    layer.build((None, 1))
    program = compiled(lambda x: layer(x), layers=[layer])
    x = np.ones((1, 1), "float32")
    program(x)
    layer.moving_mean.assign([1.0])
    assert keras.ops.convert_to_numpy(program(x))[0, 0] == pytest.approx(0, abs=1e-6)
    assert keras.ops.convert_to_numpy(layer.moving_mean)[0] == 1


def test_a_model_that_predicted_is_saved_and_copied(tmp_path):
    model = make_text_classifier()
    (answer,) = model.infer(TEXTS[:1])
    model.explain(TEXTS[0])
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    for copy in (
        TextClassifier.from_preset(str(tmp_path / "preset")),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert copy.infer(TEXTS[:1])[0].probability == pytest.approx(answer.probability, abs=1e-6)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="a warning of TensorFlow")
def test_programs_of_many_shapes_are_not_warned_of():
    class Records(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    messages, handler, logger = [], Records(), logging.getLogger("tensorflow")
    logger.addHandler(handler)
    try:
        run = compiled(lambda x: x, [], xla=False)
        for i in range(12):
            run({f"input_{i}": np.zeros(3, "float32")})
        logger.warning("another warning")
    finally:
        logger.removeHandler(handler)
    assert messages == ["another warning"]
