"""Thin faces over the metrics of well-kept libraries. Depends on no model."""

from zoo.metrics.classification import classification_scores, confusion

__all__ = ["classification_scores", "confusion"]
