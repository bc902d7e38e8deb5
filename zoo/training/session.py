"""One run of a recipe: prepare, train, evaluate, report, register."""

import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_hub

import zoo
from zoo import presets
from zoo.data import Dataset
from zoo.data.planning import MAX_BATCH_STEPS, default_boundaries, plan_batches
from zoo.files import atomic_directory
from zoo.tracking import Gate, GateResult, Registered, start_run
from zoo.tracking.environment import environment
from zoo.training import naming
from zoo.training.checkpoint import Checkpoint, CheckpointError, RunManifest, TrainerState
from zoo.training.config import DIGEST_TAG, config_digest
from zoo.training.display import Display
from zoo.training.distillation.schema import UNLABELLED_SPLIT
from zoo.training.loop import train
from zoo.training.optimizer import compile_model
from zoo.training.recipe import Recipe, TrainingExamples


@dataclass(frozen=True)
class RunResult:
    """Result of a run.

    Attributes:
        run_id: Id in the tracking store.
        url: Page of the run.
        model: The model with the best weights, loaded from its preset.
        card: The card of the preset.
        metrics: Metrics of the stored model by name, such as `dev/accuracy`.
        gate: Result of the gate; `None` without a gate.
        model_uri: Address of the logged model, for `zoo.load`.
        registered: The registered version; `None` without a gate, or if it did not pass.
        preset: Directory of the preset, if `output` was given.
    """

    run_id: str
    url: str
    model: keras_hub.models.Task
    card: presets.Card
    metrics: dict[str, float]
    gate: GateResult | None
    model_uri: str
    registered: Registered | None
    preset: Path | None


class Session:
    """One run of a recipe.

    Args:
        recipe: The recipe, with its configuration.
        dataset: The data.
        label: The recipe as `zoo run` takes it: `sentiment/quickstart`, or the path of a file.
        overrides: Changes to its file.
        display: Shows the progress.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        label: str,
        overrides: list[str],
        display: Display,
    ):
        self.recipe = recipe
        self.config = recipe.config
        self.dataset = dataset
        self.label = label
        self.name = naming.model_name(recipe.config, label, dataset)
        self.description = naming.description(recipe.config, dataset)
        self.overrides = overrides
        self.display = display

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
        """
        config, tracking, say = self.config, self.config.tracking, self.display.say
        self._check_data(manifest)
        say(f"{self.label} on {keras.config.backend()}: {self.dataset.name}, {self._sizes()}")
        tags = {"recipe": self.label, "task": self.dataset.task, "seed": config.seed}
        tags[DIGEST_TAG] = config_digest(
            config.model_dump(), self.dataset.digest, keras.config.backend()
        )
        if tracking.study:
            tags["study"] = tracking.study
        if config.training.init_from and manifest is None:
            # A model that does not fit is reported before a run is recorded.
            preprocessor = self.recipe.prepare(self.dataset)
            self.recipe.build(self.dataset, preprocessor, config.training.precision)
        self._columns = self.recipe.training_columns(self.dataset, self.display)
        tags |= self._teaching()
        with start_run(
            tracking.experiment or config.recipe,
            self.name,
            config=config.model_dump() | {"description": self.description},
            tags=tags,
            dataset=self.dataset,
            resume=manifest and manifest.run_id,
        ) as run:
            checkpoint = Checkpoint(run.id)
            try:
                # Set here, because imports and MLflow draw random numbers too.
                keras.utils.set_random_seed(config.seed)
                if manifest is None:
                    model, progress = self._start(checkpoint)
                else:
                    model, progress = self._resume(checkpoint)
                self._train(model, progress, checkpoint, run)
                result = self._finish(model, progress, run, output)
            except BaseException as error:
                self._clean_up(checkpoint, error)
                raise
        checkpoint.remove()
        return result

    # Prepare

    def _start(self, checkpoint) -> tuple[keras.Model, TrainerState]:
        dataset, settings = self.dataset, self.config.training
        preprocessor = self.recipe.prepare(dataset)
        model = self.recipe.build(dataset, preprocessor, settings.precision)
        manifest = RunManifest(
            run_id=checkpoint.run_id,
            label=self.label,
            overrides=self.overrides,
            digest=dataset.digest,
            config=self.config.model_dump(),
            teachers=[teacher.digest for teacher in self.recipe.teachers],
        )
        checkpoint.create(manifest, self._in_float32(model), dataset)
        self._examples = self.recipe.examples(model, self._columns, 0)
        boundaries = default_boundaries(self._examples.lengths, settings.buckets)
        self._compile(model, boundaries)
        return model, TrainerState(boundaries=boundaries)

    def _resume(self, checkpoint) -> tuple[keras.Model, TrainerState]:
        first = zoo.load(checkpoint.model)
        model = self.recipe.build(self.dataset, first.preprocessor, self.config.training.precision)
        model.set_weights(first.get_weights())  # also those that the training model lacks
        self._examples = self.recipe.examples(model, self._columns, 0)
        self._compile(model, checkpoint.progress().boundaries)
        progress = checkpoint.restore(self._training_model)
        self.display.say(f"resuming in epoch {progress.epoch + 1}, after step {progress.step}")
        return model, progress

    def _compile(self, model, boundaries) -> None:
        settings = self.config.training
        batches = plan_batches(
            self._examples.lengths,
            boundaries,
            settings.batch_size,
            batch_tokens=settings.batch_tokens,
        )
        steps = settings.epochs * len(batches)
        steps = min(steps, settings.max_steps or steps)
        self._training_model = self.recipe.training_model(model)
        compile_model(self._training_model, settings, steps, **self.recipe.compile_options(model))

    # Train

    def _train(self, model, progress, checkpoint, run) -> None:
        settings = self.config.training
        if settings.batch_tokens:
            size = f"{settings.batch_tokens:,} tokens"
        elif settings.batch_size * progress.boundaries[-1] > MAX_BATCH_STEPS:
            size = f"{settings.batch_size} and at most {MAX_BATCH_STEPS:,} tokens"
        else:
            size = f"{settings.batch_size}"
        self.display.say(
            f"run {run.id}: vocabulary of {model.preprocessor.tokenizer.vocabulary_size():,}, "
            f"{model.count_params():,} weights, batches of {size} in lengths {progress.boundaries}"
        )
        splits = self.dataset.splits

        def examples(epoch: int) -> TrainingExamples:
            if epoch == 0 or not self.recipe.examples_vary_by_epoch:
                return self._examples
            return self.recipe.examples(model, self._columns, epoch)

        train(
            self._training_model,
            self.config,
            progress,
            checkpoint,
            examples=examples,
            evaluate=lambda: self.recipe.measure(model, splits["dev"]),
            log=run.log_metrics,
            display=self.display,
        )
        if progress.epoch < self.config.training.epochs and not self.config.training.max_steps:
            self.display.say(f"stopped early: no improvement in {settings.patience} epochs")
        checkpoint.restore_best(self._training_model)

    # Evaluate, report, register

    def _finish(self, model, progress, run, output) -> RunResult:
        evaluation, splits = self.config.evaluation, self.dataset.splits
        self.display.say(f"evaluating the stored model of epoch {progress.best_epoch + 1}")
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder, self.name)
            presets.save(
                self._in_float32(model),
                directory,
                name=self.name,
                dataset=self.dataset,
                recipe=self.label,
                description=self.description,
                languages=naming.languages(self.dataset),
                training=self._training_metadata(progress),
            )
            stored = zoo.load(directory)
            measured = {
                split: stored.score(splits[split])
                for split in ("dev", "test")
                if split == "dev" or evaluation.test
            }
            metrics = {
                f"{split}/{name}": value
                for split, scores in measured.items()
                for name, value in scores.items()
            }
            card = presets.update_card(directory, metrics=metrics)
            self.recipe.report(stored, splits["dev"], run, samples=evaluation.samples)
            model_uri = run.log_model(directory, card, naming.input_column(self.config, card.task))
            gate = registered = None
            if evaluation.gate is not None:
                gate = Gate(evaluation.metric, evaluation.gate, evaluation.mode)
                gate = gate.check(measured["dev"])
                run.log_tags({"gate": str(gate)})
                if gate.passed:
                    name = self.config.tracking.register_as or self.name
                    registered = run.register(model_uri, name, card, gate)
            if output is not None:
                with atomic_directory(output) as temporary:
                    shutil.copytree(directory, temporary, dirs_exist_ok=True)
        return RunResult(
            run_id=run.id,
            url=run.url(),
            model=stored,
            card=card,
            metrics=metrics,
            gate=gate,
            model_uri=model_uri,
            registered=registered,
            preset=output,
        )

    def _in_float32(self, model) -> keras_hub.models.Task:
        """The model, or its float32 copy if it has mixed precision, which presets must not have."""
        if self.config.training.precision == "float32":
            return model
        copy = self.recipe.build(self.dataset, model.preprocessor, "float32")
        copy.set_weights(model.get_weights())
        return copy

    def _training_metadata(self, progress) -> dict:
        tags, backend = environment(), keras.config.backend()
        versions = {
            key.partition(".")[2]: value
            for key, value in tags.items()
            if key.startswith("version.")
        }
        return {
            "command": shlex.join(
                ["zoo", "run", self.label, *self.overrides, "--backend", backend]
            ),
            "seed": self.config.seed,
            "backend": backend,
            "versions": versions,
            "best_epoch": progress.best_epoch + 1,
            "wall_time_s": round(progress.seconds, 1),
            "machine": f"{tags['platform']}, {tags['device']}",
        } | self._teaching()

    def _teaching(self) -> dict[str, str]:
        """The teachers, and the number of texts they answered; empty without a teacher."""
        if not self.recipe.teachers:
            return {}
        extra = self._rows(UNLABELLED_SPLIT)
        return {
            "teacher": ", ".join(teacher.name for teacher in self.recipe.teachers),
            "taught": f"{self._rows('train') + extra:,} texts, {extra:,} of them unlabelled",
        }

    # Checks

    def _check_data(self, manifest) -> None:
        dataset = self.dataset
        for split in ["train", "dev", *["test"] * self.config.evaluation.test]:
            if not self._rows(split):
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
        if manifest and manifest.teachers != [it.digest for it in self.recipe.teachers]:
            raise CheckpointError(
                "A teacher has changed since the run started, so the run cannot be resumed: "
                "restore it, or run the recipe again from the start. Received: "
                f"training.teacher={[it.source for it in self.recipe.teachers]}"
            )

    def _rows(self, split) -> int:
        return len(next(iter(self.dataset.splits.get(split, {}).values()), []))

    def _sizes(self) -> str:
        return ", ".join(f"{split} {self._rows(split):,}" for split in self.dataset.splits)

    def _clean_up(self, checkpoint, error) -> None:
        """Keeps a resumable checkpoint and prints the command to resume; removes any other."""
        if not checkpoint.is_resumable:
            checkpoint.remove()
            return
        command = shlex.join(["zoo", "run", self.label, "--resume", checkpoint.run_id[:8]])
        if isinstance(error, Exception):
            error.hint = getattr(error, "hint", None) or command  # type: ignore[attr-defined]
        else:
            self.display.say(f"interrupted; to resume: {command}")
