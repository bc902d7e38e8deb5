"""The models: a folder for each task, with its backbone, preprocessor and task class.

Importing this package registers the classes with Keras, so that KerasHub loads their presets, as in
`keras_hub.models.TextClassifier.from_preset(directory)`. `zoo.load` imports it, and validates
presets.
"""

# ruff: noqa: E402 (what KerasHub needs is checked first, because it fails unclearly without)
from zoo.backends import check_models
from zoo.home import provide_home

provide_home()
check_models()

from zoo.models.causal_lm import CausalLM, CausalLMBackbone, CausalLMPreprocessor
from zoo.models.image_to_text import (
    ImageToText,
    ImageToTextBackbone,
    ImageToTextPreprocessor,
)
from zoo.models.seq2seq_lm import Seq2SeqLM, Seq2SeqLMBackbone, Seq2SeqLMPreprocessor
from zoo.models.speech_to_text import (
    SpeechToText,
    SpeechToTextBackbone,
    SpeechToTextPreprocessor,
)
from zoo.models.text_classifier import (
    TextClassifier,
    TextClassifierBackbone,
    TextClassifierPreprocessor,
)
from zoo.models.token_classifier import (
    TokenClassifier,
    TokenClassifierBackbone,
    TokenClassifierPreprocessor,
)

__all__ = [
    "CausalLM",
    "CausalLMBackbone",
    "CausalLMPreprocessor",
    "ImageToText",
    "ImageToTextBackbone",
    "ImageToTextPreprocessor",
    "Seq2SeqLM",
    "Seq2SeqLMBackbone",
    "Seq2SeqLMPreprocessor",
    "SpeechToText",
    "SpeechToTextBackbone",
    "SpeechToTextPreprocessor",
    "TextClassifier",
    "TextClassifierBackbone",
    "TextClassifierPreprocessor",
    "TokenClassifier",
    "TokenClassifierBackbone",
    "TokenClassifierPreprocessor",
]
