"""Dialogue recipe: trains a `Seq2SeqLM` that answers remarks."""

from recipes.dialogue.report import report
from recipes.dialogue.schema import DialogueConfig
from recipes.translation.recipe import TranslationRecipe


class DialogueRecipe(TranslationRecipe):
    """Recipe of answers to remarks (many-to-many), on the engine of translation."""

    purpose = "dialogue"
    config: DialogueConfig
    report = staticmethod(report)
