"""Contract of every task: an answer does not depend on what else is asked.

Inputs of one call share batches, padded to the longest of each, and a limit of the output may
depend on the padded length.
"""

import functools

import pytest

from tests.models import (
    test_causal_lm,
    test_image_to_text,
    test_seq2seq_lm,
    test_speech_to_text,
    test_token_classifier,
)
from tests.models.test_arguments import MAKERS, PICTURES
from zoo.models import (
    CausalLM,
    CausalLMPreprocessor,
    ImageToText,
    Seq2SeqLM,
    Seq2SeqLMPreprocessor,
    SpeechToText,
    TokenClassifier,
)
from zoo.tasks import task_of
from zoo.tokenizers import train_character_tokenizer

# Weights of random models that seldom end a text, so that the limit of its length matters.
MODELS = MAKERS | {
    CausalLM: lambda: test_causal_lm.make(
        "transformer",
        CausalLMPreprocessor(train_character_tokenizer([SHORT, "two three "]), 16),
        max_sequence_length=512,
    ),
    Seq2SeqLM: lambda: test_seq2seq_lm.make(
        Seq2SeqLMPreprocessor(test_seq2seq_lm.make_preprocessor().tokenizer, 128, 128), "luong_dot"
    ),
    ImageToText: lambda: test_image_to_text.make(
        test_image_to_text.make_preprocessor(), "bahdanau"
    ),
    TokenClassifier: functools.partial(test_token_classifier.make, "encoder lstm"),
    SpeechToText: lambda: test_speech_to_text.make("joint", 128),
}
SHORT, LONG = "one", "one two three " * 20
INPUTS = {ImageToText: PICTURES[:2], SpeechToText: test_speech_to_text.RECORDINGS[1::-1]}
OPTIONS = {
    CausalLM: {"seed": 1, "max_length": 6},
    Seq2SeqLM: {"beam": 2, "n_best": 2},
    ImageToText: {"beam": 2},
    SpeechToText: {"beam": 2, "n_best": 2},
}


def close(answer):
    """An answer for comparison, with numbers that may differ by rounding."""
    if isinstance(answer, dict):
        return {name: close(value) for name, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [close(value) for value in answer]
    return pytest.approx(answer, abs=1e-4) if isinstance(answer, float) else answer


def plain(answer):
    if isinstance(answer, dict):
        return {name: plain(value) for name, value in answer.items()}
    return [plain(value) for value in answer] if isinstance(answer, list | tuple) else answer


# How batches are made does not depend on the backend; how a length is masked does.
EVERYWHERE = (CausalLM, SpeechToText)


@pytest.mark.parametrize(
    "task",
    [task if task in EVERYWHERE else pytest.param(task, marks=pytest.mark.once) for task in MODELS],
    ids=lambda task: task_of(task).name,
)
def test_an_answer_does_not_depend_on_its_neighbours(task):
    model, options = MODELS[task](), OPTIONS.get(task, {})
    one, other = INPUTS.get(task, (SHORT, LONG))
    (alone,) = model.infer([one], **options)
    for size in (1, 64):
        together, *_ = model.infer([one, other, other, one], batch_size=size, **options)
        assert plain(together.to_dict()) == close(alone.to_dict())
