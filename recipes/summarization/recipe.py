"""Summarization recipe: trains a `Seq2SeqLM` that may copy words of its source."""

from recipes.summarization.report import report
from recipes.summarization.schema import SummarizationConfig
from recipes.translation.recipe import TranslationRecipe


class SummarizationRecipe(TranslationRecipe):
    """Recipe of summaries and key phrases (many-to-many), on the engine of translation."""

    purpose = "summarization"
    config: SummarizationConfig
    report = staticmethod(report)
