"""Schema of dialogue recipes: that of translation, with other metrics."""

from typing import Literal

from recipes.translation.schema import TranslationConfig
from zoo.data import Dataset
from zoo.training.schema import WriterEvaluation


class DialogueEvaluation(WriterEvaluation):
    """Metrics of answers."""

    for_any_data = frozenset({"chrf", "loss", "perplexity"})

    metric: Literal["chrf", "exact", "distinct_1", "distinct_2", "loss", "perplexity"] | None = None


class DialogueConfig(TranslationConfig):
    """Dialogue recipe file. `quickstart.yaml` explains each key."""

    evaluation: DialogueEvaluation = DialogueEvaluation()  # type: ignore[assignment]

    def default_metric(self, dataset: Dataset) -> str:
        """Perplexity: a remark has many good answers, with few words in common.

        chrF where the model learns from scores, by which true answers become less probable.
        """
        return "chrf" if self.training.rewards else "perplexity"
