"""One run of a recipe: prepares the data and the model, trains, and hands over to `finish`."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
from mlflow.exceptions import MlflowException

import zoo
from zoo.data import Dataset
from zoo.data.planning import MAX_BATCH_STEPS, default_boundaries
from zoo.tasks import TASKS
from zoo.tracking import start_run
from zoo.tracking_store import reason
from zoo.training import naming
from zoo.training.checkpoint import Checkpoint, CheckpointError, RunManifest, TrainerState
from zoo.training.compiling import compiled
from zoo.training.config import DIGEST_TAG, config_digest
from zoo.training.devices import count_devices
from zoo.training.display import Display, format_metrics
from zoo.training.finish import Finish, RunResult, in_float32, num_rows, teaching
from zoo.training.lease import Lease, LeaseError
from zoo.training.leftovers import remove_leftovers
from zoo.training.loop import train
from zoo.training.parallel.group import training_group
from zoo.training.parallel.twin import Twin
from zoo.training.pretrained import with_labels_of
from zoo.training.pruning import Pruned
from zoo.training.recipe import Recipe, TrainingExamples


class Session:
    """One run of a recipe.

    Args:
        recipe: The recipe, with its configuration.
        dataset: The data.
        label: The recipe as `zoo run` takes it: `sentiment/quickstart`, or the path of a file.
        overrides: Changes to its file.
        display: Shows the progress.
        tags: Further tags of the run. Defaults to none.
        after_epoch: Called after each epoch with the metrics of all of them: the epoch, from 1, and
            values by name. It may raise `zoo.training.pruning.Pruned`, which ends the run without a
            model. Defaults to `None`: nothing.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        label: str,
        overrides: list[str],
        display: Display,
        tags: Mapping[str, str] | None = None,
        after_epoch: Callable[[Sequence[tuple[int, dict[str, float]]]], None] | None = None,
    ):
        self.recipe = recipe
        self.config = recipe.config
        self.dataset = dataset
        self.label = label
        self.name = naming.model_name(recipe.config, label, dataset)
        self.overrides = overrides
        self.display = display
        self.tags = dict(tags or {})
        self.after_epoch = after_epoch

    def run(self, manifest: RunManifest | None, output: Path | None) -> RunResult:
        """Runs the recipe, from the start or from a checkpoint.

        Args:
            manifest: Manifest of the run to resume; `None` to start one.
            output: A directory in which to save the preset too, or `None`.

        Returns:
            A `RunResult`.

        Raises:
            ValueError: if a split has no rows, or the model of `training.init_from` does not fit.
            zoo.tracking.StoreError: if the run cannot be tracked.
            zoo.training.loop.TrainingError: if the loss is not finite, or the metric was never a
                number.
            CheckpointError: if the data changed since the run to resume started, or a checkpoint
                cannot be written or read.
            LeaseError: if another process is working on the run to resume, or has taken it over.
            zoo.training.pruning.Pruned: if `after_epoch` gives the run up, which then has finished.
        """
        config, tracking, say = self.config, self.config.tracking, self.display.say
        devices = self._count_devices(manifest)
        self._check_data(manifest)
        place = keras.config.backend() + (f" with {devices} devices" if devices > 1 else "")
        say(f"{self.label} on {place}: {self.dataset.name}, {self._sizes()}")
        self.dataset = self.recipe.extend(self.dataset, self.display)
        if config.training.init_from:
            self.dataset = with_labels_of(self.recipe.initial_model, self.dataset)
        tags = {"recipe": self.label, "task": self.dataset.task, "seed": config.seed}
        tags["command"] = naming.command(self.label, self.overrides, keras.config.backend())
        tags[DIGEST_TAG] = config_digest(
            config.model_dump(), self.dataset.digest, keras.config.backend()
        )
        if tracking.study:
            tags["study"] = tracking.study
        architecture = getattr(config, "model", None)
        others = [getattr(architecture, key, None) for key in ("backbone", "language_models")]
        if (config.training.init_from or any(others)) and manifest is None:
            # A model that does not fit is reported before a run is recorded.
            preprocessor = self.recipe.prepare(self.dataset)
            model = self.recipe.build(self.dataset, preprocessor, config.training.precision)
            if config.training.init_from:
                for line in self.recipe.differences(model):
                    say(line)
        if config.evaluation.beat_initial:
            self._measure_initial(manifest)
        self._columns = self.recipe.training_columns(self.dataset, self.display)
        tags |= teaching(self.recipe, self.dataset) | self.tags
        pruned = None
        remove_leftovers()
        with Lease() as lease:
            if manifest is not None:
                checkpoint = Checkpoint(manifest.run_id)
                checkpoint.hold(lease)  # before the run changes in the store
            with start_run(
                tracking.experiment or config.recipe,
                naming.run_name(self.name, self.overrides),
                config=config.model_dump()
                | {"description": naming.description(config, self.dataset)},
                tags=tags,
                dataset=self.dataset,
                resume=manifest and manifest.run_id,
            ) as run:
                try:
                    if manifest is None:
                        checkpoint = Checkpoint(run.id)
                        checkpoint.hold(lease)
                    # Set here, because imports and MLflow draw random numbers too.
                    keras.utils.set_random_seed(config.seed)
                    scores = self.recipe.initial_scores
                    if scores and not (manifest and manifest.initial_scores):
                        run.log_metrics({f"initial/{name}": scores[name] for name in scores}, 0)
                    with training_group(devices, type(self.recipe), type(config)) as self._group:
                        self._group.send({"config": config.model_dump()})
                        if manifest is None:
                            model, progress = self._start(checkpoint, output)
                        else:
                            checkpoint.write_manifest(replace(manifest, **self._settings(output)))
                            model, progress = self._resume(checkpoint, run)
                        self._train(model, progress, checkpoint, run)
                    finish = Finish(
                        self.recipe,
                        self.dataset,
                        self.label,
                        self.overrides,
                        self.name,
                        self.display,
                    )
                    result = finish.run(model, progress, checkpoint, run, output)
                except Pruned as given_up:
                    pruned = given_up
                    pruned.run_id = run.id
                    run.log_tags({"pruned": str(pruned)})
                except BaseException as error:
                    self._clean_up(checkpoint, error)
                    raise
            checkpoint.remove()
        if pruned:
            raise pruned
        return result

    # Prepare

    def _settings(self, output) -> dict:
        """Fields of the manifest that describe the process, and may change at a resume."""
        return {
            "overrides": self.overrides,
            "config": self.config.model_dump(),
            "backend": keras.config.backend(),
            "output": None if output is None else str(output.absolute()),
            "initial_scores": self.recipe.initial_scores,
        }

    def _start(self, checkpoint, output) -> tuple[keras.Model, TrainerState]:
        config: Any = self.config
        dataset, settings = self.dataset, config.training
        preprocessor = self.recipe.prepare(dataset)
        model = self.recipe.build(dataset, preprocessor, settings.precision)
        manifest = RunManifest(
            run_id=checkpoint.run_id,
            label=self.label,
            digest=dataset.digest,
            models=self.recipe.model_digests(),
            **self._settings(output),
        )
        checkpoint.create(manifest, in_float32(self.recipe, dataset, model), dataset)
        start = time.perf_counter()
        self._examples = self._examples_of(model, checkpoint, 0)
        seconds = time.perf_counter() - start
        lengths = list(self._examples.lengths)
        if getattr(settings, "rewards", None):  # texts that are drawn later may be longer
            lengths.append(config.model.sequence_length)
        boundaries = default_boundaries(lengths, settings.buckets)
        self._compile(model, boundaries)
        return model, TrainerState(boundaries=boundaries, seconds=seconds)

    def _resume(self, checkpoint, run) -> tuple[keras.Model, TrainerState]:
        first = zoo.load(checkpoint.model)
        model = self.recipe.build(self.dataset, first.preprocessor, self.config.training.precision)
        model.set_weights(first.get_weights())  # also those that the training model lacks
        self._examples = self._examples_of(model, checkpoint, 0)
        self._compile(model, checkpoint.progress().boundaries)
        progress = checkpoint.restore(self._training_model)
        progress.unlogged = [it for it in progress.unlogged if it[0] not in run.logged_steps]
        self.display.say(f"resuming in epoch {progress.epoch + 1}, after step {progress.step}")
        return model, progress

    def _compile(self, model, boundaries) -> None:
        recipe, examples = self.recipe, self._examples
        self._twin = None
        if self.config.training.devices != 1:
            self._twin = Twin(self._group, recipe, self.dataset, model, examples, boundaries)
        self._training_model = compiled(recipe, model, examples, boundaries)

    def _examples_of(self, model, checkpoint, epoch) -> TrainingExamples:
        drawn = checkpoint.drawn(epoch, lambda: self.recipe.draw(model, self._columns, epoch))
        return self.recipe.examples(model, self._columns | drawn, epoch)

    def _measure_initial(self, manifest) -> None:
        """Scores the model of `training.init_from` on dev, for the gate; once in a run."""
        known = manifest.initial_scores if manifest else {}
        self.recipe.measure_initial(self.dataset.splits["dev"], known)
        name = naming.source_name(str(self.config.training.init_from))
        self.display.say(f"{name} on dev, before: {format_metrics(self.recipe.initial_scores)}")

    # Train

    def _train(self, model, progress, checkpoint, run) -> None:
        settings = self.config.training
        row = TASKS.get(self.dataset.task)
        steps = "frames" if row and row.input == "audio" else "tokens"
        if settings.batch_tokens:
            size = f"{settings.batch_tokens:,} {steps}"
        elif settings.batch_size * progress.boundaries[-1] > MAX_BATCH_STEPS:
            size = f"{settings.batch_size} and at most {MAX_BATCH_STEPS:,} {steps}"
        else:
            size = f"{settings.batch_size}"
        if settings.accumulate > 1:
            size += f", {settings.accumulate} for an update,"
        self.display.say(
            f"run {run.id}: vocabulary of {model.preprocessor.tokenizer.vocabulary_size():,}, "
            f"{model.count_params():,} weights, batches of {size} in lengths {progress.boundaries}"
        )
        lines, described = self.recipe.describe_data(model, self.dataset)
        for line in lines:
            self.display.say(line)
        if described:
            run.log_metrics(described, 0)
        if weights := self.recipe.class_weights:
            listed = ", ".join(f"{label} {weight:.4g}" for label, weight in weights.items())
            self.display.say(f"weights in the loss: {listed}")
            columns = {"label": list(weights), "weight": list(weights.values())}
            run.log_table(columns, "class_weights.json")
        splits = self.dataset.splits

        def examples(epoch: int) -> TrainingExamples:
            if epoch == 0 or not self.recipe.examples_vary_by_epoch:
                return self._examples
            return self._examples_of(model, checkpoint, epoch)

        def evaluate() -> dict[str, float]:
            try:
                self.recipe.log_progress(model, splits["dev"], run, progress.epoch + 1)
            except MlflowException as error:
                self.display.say(f"the tracking store failed ({reason(error)}): training goes on")
            return self.recipe.measure(model, splits["dev"])

        train(
            self._training_model,
            self.config,
            progress,
            checkpoint,
            examples=examples,
            evaluate=evaluate,
            log=lambda: self._log(progress, run),
            display=self.display,
            twin=self._twin,
        )
        if self._twin:
            self._twin.close()
            self._twin = None
        if progress.epoch < self.config.training.epochs and not self.config.training.max_steps:
            self.display.say(f"stopped early: no improvement in {settings.patience} epochs")
        if progress.averaged:
            checkpoint.average_epochs(self._training_model)
        else:
            checkpoint.restore_best(self._training_model)

    def _log(self, progress, run) -> None:
        """Logs the metrics of finished epochs. If the store fails, they are kept until it works."""
        try:
            run.log_epochs(progress.unlogged)
        except MlflowException as error:
            epochs = len(progress.unlogged)
            self.display.say(
                f"the tracking store failed ({reason(error)}): training goes on, and the metrics "
                f"of {epochs} epoch{'s' * (epochs > 1)} are kept until it works"
            )
        if self.after_epoch:
            self.after_epoch(progress.history)

    # Checks

    def _count_devices(self, manifest) -> int:
        settings = self.config.training
        try:
            devices = count_devices(settings.devices)
        except ValueError as error:
            if manifest is None:
                raise
            raise CheckpointError(
                f"The batches of the run are planned for the {settings.devices} devices it started "
                "on: resume it where there are as many, or run the recipe again from the "
                f"start. Received: resume={manifest.run_id!r}. {error}"
            ) from error
        backend = keras.config.backend()
        if devices > 1 and (setting := self.recipe.undivided(backend)):
            raise ValueError(
                f"Devices of {backend} cannot share a batch with {setting}: set "
                f"training.devices=1, or choose --backend jax. Received: training.devices={devices}"
            )
        if not settings.batch_tokens and settings.batch_size % devices:
            raise ValueError(
                f"Each of {devices} devices takes an equal part of a batch: set training.batch_size"
                f" to a multiple of {devices}. Received: training.batch_size={settings.batch_size}"
            )
        return devices

    def _check_data(self, manifest) -> None:
        dataset = self.dataset
        for split in ["train", "dev", *["test"] * self.config.evaluation.test]:
            if not num_rows(dataset, split):
                remedy = "set evaluation.test=false" if split == "test" else "give it some"
                raise ValueError(
                    f"The dataset has no rows in its {split} split: {remedy}. Received: "
                    f"{dataset.name}, {self._sizes()}"
                )
        if manifest and manifest.digest != dataset.digest:
            raise CheckpointError(
                "The data has changed since the run started, so the run cannot be resumed: restore "
                "the data, or run the recipe again from the start. Received: "
                f"resume={manifest.run_id!r}"
            )
        if manifest and manifest.models != self.recipe.model_digests():
            raise CheckpointError(
                "A teacher, a language model, or the model to start from has changed since the run "
                "started, so the run cannot be resumed: restore it, or run the recipe again from "
                "the start. "
                f"Received: training.teacher={[it.source for it in self.recipe.teachers]}, "
                f"training.init_from={self.config.training.init_from!r}"
            )

    def _sizes(self) -> str:
        data = self.dataset
        return ", ".join(f"{split} {num_rows(data, split):,}" for split in data.splits)

    def _is_trained(self, checkpoint) -> bool:
        settings = self.config.training
        limits = (settings.epochs, settings.max_steps, settings.patience)
        return checkpoint.progress().is_over(*limits)

    def _clean_up(self, checkpoint, error) -> None:
        """Keeps a resumable checkpoint and prints the command to resume; removes any other."""
        if isinstance(error, LeaseError):  # it is another process' now
            return
        if not checkpoint.is_resumable:
            checkpoint.remove()
            return
        backend = keras.config.backend()
        command = naming.resume_command(self.label, checkpoint.run_id, backend)
        if isinstance(error, MlflowException) and self._is_trained(checkpoint):
            command = "zoo track push"
        if isinstance(error, Exception):
            error.hint = getattr(error, "hint", None) or command  # type: ignore[attr-defined]
        else:
            with suppress(OSError):  # the terminal is gone after SIGHUP
                self.display.say(f"interrupted; to resume: {command}")
