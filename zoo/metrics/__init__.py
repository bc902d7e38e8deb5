"""Metrics of every task, from sacreBLEU, sacremoses, rouge-score, seqeval, scikit-learn and jiwer.

CIDEr-D is implemented here. Nothing depends on a model, and the libraries are imported when needed.
"""

from zoo.metrics.behaviour import Behaviour, find_polarity, measure_behaviour
from zoo.metrics.calibration import Calibration, calibrate, expected_calibration_error
from zoo.metrics.captioning import caption_score_each, caption_scores, caption_signatures
from zoo.metrics.classification import classification_scores, confusion
from zoo.metrics.dialogue import dialogue_scores, distinct
from zoo.metrics.language_modeling import language_modeling_scores
from zoo.metrics.pronunciation import (
    Pronunciation,
    pronunciation_scores,
    score_pronunciations,
    word_error_rate_by_length,
)
from zoo.metrics.speech import (
    per_speaker_table,
    speech_scores,
    word_confusion,
    word_error_counts,
)
from zoo.metrics.summarization import summary_score_each, summary_scores
from zoo.metrics.tagging import per_tag_table, tag_confusion, tagging_scores, unknown_tags
from zoo.metrics.translation import (
    bleu_by_length,
    signatures,
    translation_score_each,
    translation_scores,
)

__all__ = [
    "Behaviour",
    "Calibration",
    "Pronunciation",
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
    "language_modeling_scores",
    "measure_behaviour",
    "per_speaker_table",
    "per_tag_table",
    "pronunciation_scores",
    "score_pronunciations",
    "signatures",
    "speech_scores",
    "summary_score_each",
    "summary_scores",
    "tag_confusion",
    "tagging_scores",
    "translation_score_each",
    "translation_scores",
    "unknown_tags",
    "word_confusion",
    "word_error_counts",
    "word_error_rate_by_length",
]
