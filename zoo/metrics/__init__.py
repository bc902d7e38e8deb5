"""Thin faces over the metrics of well-kept libraries. Depends on no model."""

from zoo.metrics.captioning import caption_score_each, caption_scores, caption_signatures
from zoo.metrics.classification import classification_scores, confusion
from zoo.metrics.tagging import (
    per_tag_table,
    tag_confusion,
    tagging_scores,
    unknown_tags,
)
from zoo.metrics.translation import bleu_by_length, signatures, translation_scores

__all__ = [
    "bleu_by_length",
    "caption_score_each",
    "caption_scores",
    "caption_signatures",
    "classification_scores",
    "confusion",
    "per_tag_table",
    "signatures",
    "tag_confusion",
    "tagging_scores",
    "translation_scores",
    "unknown_tags",
]
