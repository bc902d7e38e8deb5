"""Pictures of what a model did. Nothing heavy is imported before one is drawn."""

from zoo.explain.alignment import Alignment
from zoo.explain.caption_map import CaptionMap
from zoo.explain.gallery import Gallery
from zoo.explain.token_weights import TokenWeights

__all__ = ["Alignment", "CaptionMap", "Gallery", "TokenWeights"]
