"""Recipe of models that write: what they draw to learn from, and the search that is best on dev."""

from collections.abc import Sequence
from typing import Any

import keras_hub
import numpy as np
from tqdm import tqdm

from zoo.data import Columns
from zoo.tasks import task_of
from zoo.tracking.signals import raise_if_stopped
from zoo.training.display import Display
from zoo.training.recipe import Recipe
from zoo.training.rewards import DRAWN
from zoo.training.tuning import best_on_dev

ROWS_BETWEEN_REPORTS = 512  # rows for which texts are drawn before the progress bar moves


class WriterRecipe(Recipe):
    """Recipe of a model that writes by beam search: `WriterTraining` and `WriterEvaluation`."""

    def draw(self, model: keras_hub.models.Task, columns: Columns, epoch: int) -> Columns:
        """The texts of an epoch that the model draws, and their scores by `training.rewards`."""
        config: Any = self.config
        settings = config.training
        if not settings.rewards:
            return {}
        references = self.references(columns)
        written: list[list[str]] = [[] for _ in references]
        rows = self.rows_to_write(model, columns)
        if settings.drawn_inputs and settings.drawn_inputs < len(rows):
            random = np.random.default_rng([self.config.seed, epoch])
            rows = sorted(random.choice(rows, settings.drawn_inputs, replace=False).tolist())
        starts = range(0, len(rows), ROWS_BETWEEN_REPORTS)
        for start in tqdm(starts, desc=f"drawing texts for epoch {epoch + 1}", disable=None):
            raise_if_stopped()
            seeds = np.random.SeedSequence([self.config.seed, epoch, start])
            part = rows[start : start + ROWS_BETWEEN_REPORTS]
            answers = self.write(
                model,
                columns,
                part,
                n_best=settings.drawn_texts,
                temperature=settings.drawn_temperature,
                seed=int(seeds.generate_state(1)[0]),
                max_length=config.model.sequence_length,
            )
            for row, answer in zip(part, answers, strict=True):
                written[row] = [one.text for one in answer.hypotheses]
        repeated = [known for known, texts in zip(references, written, strict=True) for _ in texts]
        flat = [text for texts in written for text in texts]
        scores = {name: self.score_each(repeated, flat, name) for name in settings.rewards}
        scored = iter(
            {"text": text} | {name: values[place] for name, values in scores.items()}
            for place, text in enumerate(flat)
        )
        return {DRAWN: [[next(scored) for _ in texts] for texts in written]}

    def rows_to_write(self, model: keras_hub.models.Task, columns: Columns) -> list[int]:
        """The rows for which texts are drawn: those that the model reads whole.

        Args:
            model: The model.
            columns: The training columns.
        """
        raise NotImplementedError

    def write(
        self, model: keras_hub.models.Task, columns: Columns, rows: list[int], **search: Any
    ) -> list[Any]:
        """The texts that the model writes for some rows of the columns: a `Generation` for each.

        Args:
            model: The model.
            columns: The training columns.
            rows: The rows.
            **search: Options of the search, as for `infer`.
        """
        raise NotImplementedError

    def references(self, columns: Columns) -> list[Any]:
        """The references of each row, as `score_each` takes them."""
        raise NotImplementedError

    def score_each(self, references: Sequence[Any], texts: Sequence[str], name: str) -> list[float]:
        """The score of each text by one of the names that `training.rewards` may have."""
        raise NotImplementedError

    def tune(
        self, model: keras_hub.models.Task, columns: Columns, display: Display
    ) -> dict[str, float]:
        """Sets the length penalty to the best of `evaluation.length_penalties`.

        By the score by which models of the task are compared, such as BLEU. Where dev has longer
        texts than others, the best on dev may be worse on these.
        """
        evaluation: Any = self.config.evaluation
        penalties, task = evaluation.length_penalties, task_of(type(model))
        if not penalties or task is None:
            return {}
        model.length_penalty, found = best_on_dev(
            "length_penalty",
            penalties,
            lambda penalty: self.search_scores(model, columns, length_penalty=penalty),
            task.headline,
            evaluation.lower_is_better,
            display,
        )
        return found

    def search_scores(
        self, model: keras_hub.models.Task, columns: Columns, **search: Any
    ) -> dict[str, float]:
        """Scores a search with options on the dev split. Defaults to `model.score`."""
        return model.score(columns, **search)
