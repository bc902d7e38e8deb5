"""Schema of summarization recipes: that of translation, with other metrics."""

from typing import Literal

from recipes.translation.schema import TranslationConfig
from zoo.data import Dataset
from zoo.training.schema import WriterEvaluation


class SummarizationEvaluation(WriterEvaluation):
    """Metrics of summaries."""

    for_any_data = frozenset({"rouge_l", "rouge_l_chars", "loss", "perplexity"})

    metric: (
        Literal[
            "rouge_1",
            "rouge_2",
            "rouge_l",
            "rouge_1_chars",
            "rouge_2_chars",
            "rouge_l_chars",
            "exact",
            "loss",
            "perplexity",
        ]
        | None
    ) = None


class SummarizationConfig(TranslationConfig):
    """Summarization recipe file. `quickstart.yaml` explains each key."""

    evaluation: SummarizationEvaluation = SummarizationEvaluation()  # type: ignore[assignment]

    def default_metric(self, dataset: Dataset) -> str:
        return "rouge_l"
