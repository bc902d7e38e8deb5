"""Pictures of what a model did. Nothing heavy is imported before one is drawn."""

from zoo.explain.alignment import Alignment
from zoo.explain.token_weights import TokenWeights

__all__ = ["Alignment", "TokenWeights"]
