"""Token classification models: tagging of words, and intents of sentences."""

from zoo.models.token_classifier.backbone import TokenClassifierBackbone
from zoo.models.token_classifier.contextual import ContextualTokenClassifierPreprocessor
from zoo.models.token_classifier.preprocessor import (
    EncoderTokenClassifierPreprocessor,
    TokenClassifierPreprocessor,
)
from zoo.models.token_classifier.task import TokenClassifier

__all__ = [
    "ContextualTokenClassifierPreprocessor",
    "EncoderTokenClassifierPreprocessor",
    "TokenClassifier",
    "TokenClassifierBackbone",
    "TokenClassifierPreprocessor",
]
