"""The models, a folder a task."""

from zoo.models.text_classifier import (
    TextClassifier,
    TextClassifierBackbone,
    TextClassifierPreprocessor,
)

__all__ = ["TextClassifier", "TextClassifierBackbone", "TextClassifierPreprocessor"]
