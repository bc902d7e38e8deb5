"""Metrics of every task: wrappers around sacreBLEU, sacremoses, rouge-score, seqeval, scikit-learn.

CIDEr-D is implemented here. Nothing depends on a model, and the libraries are imported when needed.
"""

from zoo.metrics.behaviour import Behaviour, find_polarity, measure_behaviour
from zoo.metrics.calibration import Calibration, calibrate, expected_calibration_error
from zoo.metrics.captioning import caption_score_each, caption_scores, caption_signatures
from zoo.metrics.classification import classification_scores, confusion
from zoo.metrics.dialogue import dialogue_scores, distinct
from zoo.metrics.summarization import summary_score_each, summary_scores
from zoo.metrics.tagging import per_tag_table, tag_confusion, tagging_scores, unknown_tags
from zoo.metrics.translation import bleu_by_length, signatures, translation_scores

__all__ = [
    "Behaviour",
    "Calibration",
    "bleu_by_length",
    "calibrate",
    "caption_score_each",
    "caption_scores",
    "caption_signatures",
    "classification_scores",
    "confusion",
    "dialogue_scores",
    "distinct",
    "expected_calibration_error",
    "find_polarity",
    "measure_behaviour",
    "per_tag_table",
    "signatures",
    "summary_score_each",
    "summary_scores",
    "tag_confusion",
    "tagging_scores",
    "translation_scores",
    "unknown_tags",
]
