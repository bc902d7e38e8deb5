"""Keys of distillation in recipe files. Imports no Keras."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from zoo.conflicts import Conflict
from zoo.data import Dataset
from zoo.data.dataset import splits_digest
from zoo.data.unlabelled import is_dataset, load_unlabelled
from zoo.presets.loading import members_of
from zoo.tasks import TASKS
from zoo.training.schema import Count, DataConfig, RecipeConfig, TrainingConfig, absolute_preset

UNLABELLED_SPLIT = "unlabelled"


class DistilledData(DataConfig):
    """Data with texts that a teacher labels, in the split `unlabelled` of the dataset."""

    unlabelled: str | Annotated[list[str], Field(min_length=1)] | None = None
    unlabelled_unit: Literal["text", "sentence", "word"] = "text"
    unlabelled_limit: Count | None = None

    def load(self, seed: int) -> Dataset:
        """Loads the data, with the split `unlabelled` if there is some."""
        dataset = self.load_labelled(seed)
        if not self.unlabelled:
            return dataset
        row = TASKS[self.task]
        column = row.input_column and row.input_column.argument
        found = load_unlabelled(
            [self.unlabelled] if isinstance(self.unlabelled, str) else self.unlabelled,
            dataset,
            column=getattr(self, column) if column else "text",
            unit=self.unlabelled_unit,
            limit=self.unlabelled_limit,
            seed=self.seed_of_split(seed),
        )
        print(found, file=sys.stderr, flush=True)
        column = row.input_column.default if row.input_column else "tokens"
        splits = dataset.splits | {UNLABELLED_SPLIT: {column: found.texts}}
        return replace(dataset, splits=splits, digest=splits_digest(splits))

    def load_labelled(self, seed: int) -> Dataset:
        """Loads the data alone; see `DataConfig.load`."""
        return super().load(seed)

    def with_absolute_paths(self) -> Self:
        def absolute(source: str) -> str:
            is_file = not is_dataset(source) and Path(source).is_file()
            return str(Path(source).absolute()) if is_file else source

        config, found = super().with_absolute_paths(), self.unlabelled
        if isinstance(found, str):
            found = absolute(found)
        elif found:
            found = [absolute(source) for source in found]
        return config.model_copy(update={"unlabelled": found})


class DistilledTraining(TrainingConfig):
    """Training with a teacher."""

    teacher: str | Annotated[list[str], Field(min_length=1)] | None = None
    teacher_weight: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def teachers(self) -> list[str]:
        """The teachers as a list, empty without one."""
        if self.teacher is None:
            return []
        return [self.teacher] if isinstance(self.teacher, str) else self.teacher

    def with_absolute_paths(self) -> Self:
        found = [
            "+".join(absolute_preset(str(one)) for one in members_of(it)) for it in self.teachers
        ]
        teacher = found[0] if isinstance(self.teacher, str) else found or None
        return super().with_absolute_paths().model_copy(update={"teacher": teacher})


class SoftLabelTraining(DistilledTraining):
    """Training on the class probabilities of teachers."""

    temperature: Annotated[float, Field(gt=0, le=1000)] = 2.0


class DistilledRecipe(RecipeConfig):
    """Recipe file of a task with distillation."""

    data: DistilledData
    training: DistilledTraining = DistilledTraining()

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.data.unlabelled and not self.training.teachers:
            yield Conflict(
                "unlabelled text needs a teacher: set training.teacher, or leave unlabelled out",
                data__unlabelled=self.data.unlabelled,
                training__teacher=self.training.teacher,
            )
