"""Sequence-to-sequence models of text: translation, pronunciation, summarization."""

from zoo.models.generation import Hypothesis
from zoo.models.seq2seq_lm.backbone import Seq2SeqLMBackbone
from zoo.models.seq2seq_lm.ensemble import Ensemble
from zoo.models.seq2seq_lm.preprocessor import Seq2SeqLMPreprocessor
from zoo.models.seq2seq_lm.task import Seq2SeqLM
from zoo.models.seq2seq_lm.writing import Translation

__all__ = [
    "Ensemble",
    "Hypothesis",
    "Seq2SeqLM",
    "Seq2SeqLMBackbone",
    "Seq2SeqLMPreprocessor",
    "Translation",
]
