"""End of a run: stores the best weights, measures them, reports and registers the model."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_hub

import zoo
from zoo import presets
from zoo.data import Dataset
from zoo.files import atomic_directory
from zoo.layers import SequencePooling
from zoo.tracking import GateResult, Registered, Run
from zoo.tracking.environment import environment
from zoo.training import naming
from zoo.training.checkpoint import Checkpoint, TrainerState
from zoo.training.display import Display
from zoo.training.distillation.schema import UNLABELLED_SPLIT
from zoo.training.recipe import Recipe
from zoo.training.reliability import draw_reliability


@dataclass(frozen=True)
class RunResult:
    """Result of a run.

    Attributes:
        run_id: Id in the tracking store.
        url: Page of the run.
        model: The model with the best weights, loaded from its preset.
        card: The card of the preset.
        metrics: Metrics of the stored model by name, such as `dev/accuracy`.
        gates: Results of the gates; empty without `evaluation.gate`.
        model_uri: Address of the logged model, for `zoo.load`.
        registered: The registered version; `None` without a gate, or if one did not pass.
        preset: Directory of the preset, if `output` was given.
    """

    run_id: str
    url: str
    model: keras_hub.models.Task
    card: presets.Card
    metrics: dict[str, float]
    gates: list[GateResult]
    model_uri: str
    registered: Registered | None
    preset: Path | None


class Finish:
    """End of a run.

    Args:
        recipe: The recipe.
        dataset: The data.
        label: The recipe as `zoo run` takes it.
        overrides: Changes to its file.
        name: Name of the model.
        display: Shows the progress.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        label: str,
        overrides: list[str],
        name: str,
        display: Display,
    ):
        self.recipe = recipe
        self.config = recipe.config
        self.dataset = dataset
        self.label = label
        self.overrides = overrides
        self.name = name
        self.display = display

    def run(
        self,
        model: keras_hub.models.Task,
        progress: TrainerState,
        checkpoint: Checkpoint,
        run: Run,
        output: Path | None,
    ) -> RunResult:
        """Ends the run. Steps that were done before the run was resumed are not repeated.

        Args:
            model: The model with the best weights.
            progress: The progress of its training.
            checkpoint: The checkpoint of the run.
            run: The run.
            output: A directory in which to save the preset too, or `None`.

        Returns:
            A `RunResult`.
        """
        run.log_epochs(progress.unlogged)
        directory = checkpoint.final_preset
        stored, card = self._measured(model, progress, run, directory)
        checked = {name.removeprefix("dev/"): value for name, value in card.metrics.items()}
        metrics = dict(card.metrics)
        if card.behaviour:
            metrics["behaviour/accuracy"] = checked["behaviour/accuracy"] = _accuracy(card)

        def report() -> None:
            samples = self.config.evaluation.samples
            self.recipe.report(stored, self.dataset.splits["dev"], run, samples=samples)

        checkpoint.once("report", report)
        checkpoint.check_lease()
        run.log_text(presets.model_card(card), "card.md")
        model_uri = run.log_model(directory, card, naming.input_column(self.config, card.task))
        registered = None
        gates = [gate.check(checked) for gate in self.recipe.gates()]
        if gates:
            run.log_tags({"gate": "; ".join(map(str, gates))})
            if all(gate.passed for gate in gates):
                checkpoint.check_lease()
                name = self.config.tracking.register_as or self.name
                registered = run.register(model_uri, name, card, gates[0])
        if output is not None:
            with atomic_directory(output) as temporary:
                shutil.copytree(directory, temporary, dirs_exist_ok=True)
        return RunResult(
            run_id=run.id,
            url=run.url(),
            model=stored,
            card=card,
            metrics=metrics,
            gates=gates,
            model_uri=model_uri,
            registered=registered,
            preset=output,
        )

    def _measured(
        self, model, progress, run, directory
    ) -> tuple[keras_hub.models.Task, presets.Card]:
        """The final preset, loaded, and its card with the metrics of the stored weights."""
        splits = ["dev", "test"] if self.config.evaluation.test else ["dev"]
        card = presets.read_card(directory)
        if card and card.name == self.name and splits == _splits(card.metrics):
            return zoo.load(directory), card  # measured before the run was resumed
        source = progress.best_weights()
        self.display.say(f"evaluating the stored model, {source}")
        run.log_tags({"weights": source})
        model = in_float32(self.recipe, self.dataset, model)
        tuned = self.recipe.tune(model, self.dataset.splits["dev"], self.display)
        run.log_metrics(tuned, progress.epoch)
        self._calibrate(model, run, progress)
        for layer in model.layers:
            if isinstance(layer, SequencePooling):
                layer.fold_query()
        presets.save(
            model,
            directory,
            name=self.name,
            dataset=self.dataset,
            recipe=self.label,
            description=naming.description(self.config, self.dataset),
            languages=naming.languages(self.dataset),
            training=self._training_metadata(progress),
            history=progress.history,
            overwrite=True,
        )
        stored = zoo.load(directory)
        metrics = {
            f"{split}/{name}": value
            for split in splits
            for name, value in stored.score(self.dataset.splits[split]).items()
        }
        behaviour = self._behaviour(stored, run, progress)
        return stored, presets.update_card(directory, metrics=metrics, behaviour=behaviour)

    def _behaviour(self, stored, run, progress) -> dict:
        """Measures and logs the behaviour; returns its table for the card, `{}` without one."""
        behaviour = self.recipe.behaviour(stored, naming.languages(self.dataset))
        if behaviour is None:
            return {}
        run.log_metrics(behaviour.metrics(), progress.epoch)
        run.log_table(behaviour.table(), "behaviour.json")
        if behaviour.mistakes:
            run.log_table(behaviour.mistakes_table(), "behaviour_mistakes.json")
        return behaviour.summary()

    def _calibrate(self, model, run, progress) -> None:
        calibration = self.recipe.calibrate(model, self.dataset.splits["dev"])
        if calibration is None:
            return
        self.display.say(
            f"calibrated on dev: temperature {calibration.temperature:.3f}, expected calibration "
            f"error {calibration.ece_before:.4f} → {calibration.ece_after:.4f}"
        )
        run.log_metrics(calibration.metrics(), progress.epoch)
        run.log_figure(draw_reliability(calibration), "figures/reliability.png")

    def _training_metadata(self, progress) -> dict:
        tags, backend = environment(), keras.config.backend()
        versions = {
            key.partition(".")[2]: value
            for key, value in tags.items()
            if key.startswith("version.")
        }
        return {
            "command": naming.command(self.label, self.overrides, backend),
            "seed": self.config.seed,
            "backend": backend,
            "versions": versions,
            "best_epoch": progress.best_epoch + 1,
            **({"averaged_epochs": progress.averaged} if progress.averaged else {}),
            "wall_time_s": round(progress.seconds, 1),
            "machine": f"{tags['platform']}, {tags['device']}",
        } | teaching(self.recipe, self.dataset)


def in_float32(
    recipe: Recipe, dataset: Dataset, model: keras_hub.models.Task
) -> keras_hub.models.Task:
    """The model, or its float32 copy if it has mixed precision, which presets must not have."""
    if recipe.config.training.precision == "float32":
        return model
    copy = recipe.build(dataset, model.preprocessor, "float32")
    copy.set_weights(model.get_weights())
    return copy


def teaching(recipe: Recipe, dataset: Dataset) -> dict[str, str]:
    """The teachers, and the number of texts they answered; empty without a teacher."""
    if not recipe.teachers:
        return {}
    extra = num_rows(dataset, UNLABELLED_SPLIT)
    return {
        "teacher": ", ".join(teacher.name for teacher in recipe.teachers),
        "taught": f"{num_rows(dataset, 'train') + extra:,} texts, {extra:,} of them unlabelled",
    }


def num_rows(dataset: Dataset, split: str) -> int:
    """Number of rows of a split; 0 of one that does not exist."""
    return len(next(iter(dataset.splits.get(split, {}).values()), []))


def _splits(metrics: dict[str, float]) -> list[str]:
    """The splits of metrics such as `dev/accuracy`."""
    return sorted({name.partition("/")[0] for name in metrics})


def _accuracy(card: presets.Card) -> float:
    """The share of right answers in the behaviour of a card."""
    kinds = card.behaviour["kinds"].values()
    return sum(kind["right"] for kind in kinds) / sum(kind["n"] for kind in kinds)
