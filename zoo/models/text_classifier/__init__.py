"""Text classification models."""

from zoo.models.text_classifier.answers import Classification
from zoo.models.text_classifier.backbone import TextClassifierBackbone
from zoo.models.text_classifier.preprocessor import (
    EncoderTextClassifierPreprocessor,
    TextClassifierPreprocessor,
)
from zoo.models.text_classifier.task import TextClassifier

__all__ = [
    "Classification",
    "EncoderTextClassifierPreprocessor",
    "TextClassifier",
    "TextClassifierBackbone",
    "TextClassifierPreprocessor",
]
