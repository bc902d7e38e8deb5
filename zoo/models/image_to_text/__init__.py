"""Image captioning models."""

from zoo.models.generation import Hypothesis
from zoo.models.image_to_text.backbone import ImageToTextBackbone
from zoo.models.image_to_text.ensemble import CaptionEnsemble
from zoo.models.image_to_text.preprocessor import ImageToTextPreprocessor
from zoo.models.image_to_text.task import Caption, ImageToText

__all__ = [
    "Caption",
    "CaptionEnsemble",
    "Hypothesis",
    "ImageToText",
    "ImageToTextBackbone",
    "ImageToTextPreprocessor",
]
