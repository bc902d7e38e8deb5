"""Records the answers that every backend must give: `python -m tests.contracts`."""

import json

from tests.contracts import test_layers
from tests.contracts.test_models import COMBINATIONS, EXPECTED, TEXTS, known_logits, make
from tests.models import (
    test_causal_lm,
    test_image_to_text,
    test_seq2seq_lm,
    test_speech_to_text,
    test_token_classifier,
)
from zoo.models import TextClassifierPreprocessor
from zoo.tokenizers import train_subword_tokenizer

tokenizer = train_subword_tokenizer(TEXTS * 20, 330)
preprocessor = TextClassifierPreprocessor(tokenizer, sequence_length=32)
answers = {
    variant: known_logits(make(preprocessor, variant)).round(7).tolist() for variant in COMBINATIONS
}
EXPECTED.write_text(json.dumps(answers, indent=1) + "\n")


def write_lines(path, answers):
    """A line for each name, so that a change shows where it belongs."""
    lines = [f" {json.dumps(name)}: {json.dumps(numbers)}" for name, numbers in answers.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


write_lines(
    test_layers.EXPECTED,
    {
        name: [x.ravel().round(6).tolist() for x in test_layers.known_answers(name)]
        for name in test_layers.CASES
    },
)
translators = test_seq2seq_lm.make_preprocessor()
write_lines(
    test_seq2seq_lm.EXPECTED,
    {
        name: test_seq2seq_lm.known_logits(test_seq2seq_lm.make(translators, name))
        .ravel()
        .round(6)
        .tolist()
        for name in test_seq2seq_lm.VARIANTS
    },
)
write_lines(
    test_token_classifier.EXPECTED,
    {
        name: test_token_classifier.known_answers(test_token_classifier.make(name))
        .round(6)
        .tolist()
        for name in test_token_classifier.VARIANTS
    },
)
write_lines(
    test_causal_lm.EXPECTED,
    {
        name: test_causal_lm.known_logits(test_causal_lm.make(name)).ravel().round(6).tolist()
        for name in test_causal_lm.VARIANTS
    },
)
write_lines(
    test_speech_to_text.EXPECTED,
    {
        name: test_speech_to_text.known_answers(test_speech_to_text.make(name)).round(6).tolist()
        for name in test_speech_to_text.VARIANTS
    },
)
captioners = test_image_to_text.make_preprocessor()
write_lines(
    test_image_to_text.EXPECTED,
    {
        name: test_image_to_text.known_logits(test_image_to_text.make(captioners, name))
        .ravel()
        .round(6)
        .tolist()
        for name in test_image_to_text.VARIANTS
    },
)
