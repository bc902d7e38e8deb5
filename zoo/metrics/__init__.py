"""Thin faces over the metrics of well-kept libraries. Depends on no model."""

from zoo.metrics.classification import classification_scores, confusion
from zoo.metrics.translation import bleu_by_length, signatures, translation_scores

__all__ = [
    "bleu_by_length",
    "classification_scores",
    "confusion",
    "signatures",
    "translation_scores",
]
