"""One run of a recipe: prepare, train, evaluate, report, register."""

import shlex
import shutil
import tempfile
from pathlib import Path

import keras

import zoo
from zoo import presets
from zoo.data import Dataset
from zoo.data.planning import default_boundaries, plan_batches
from zoo.files import atomic_directory
from zoo.tracking import Gate, start_run
from zoo.tracking.environment import environment
from zoo.training.checkpoint import Checkpoint, CheckpointError, RunManifest, TrainerState
from zoo.training.config import DIGEST_TAG, config_digest
from zoo.training.display import Display
from zoo.training.loop import train
from zoo.training.optimizer import compile_model
from zoo.training.recipe import Recipe, RunResult, TrainingExamples


class Session:
    """One run of a recipe.

    Args:
        recipe: The recipe, with its configuration.
        dataset: The data.
        label: What it is called, `sentiment/quickstart`.
        overrides: What differs from its file.
        display: Shows how it goes on.
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
        self.name = recipe.config.tracking.name or label.partition("/")[2]
        self.overrides = overrides
        self.display = display

    def run(self, kept: RunManifest | None, output: Path | None) -> RunResult:
        """Runs the recipe, from the start or from a checkpoint.

        Args:
            kept: What the checkpoint says is run; `None` from the start.
            output: A directory for the preset.

        Returns:
            A `RunResult`.
        """
        config, tracking, say = self.config, self.config.tracking, self.display.say
        self._check_data(kept)
        say(f"{self.label} on {keras.config.backend()}: {self.dataset.name}, {self._sizes()}")
        tags = {"recipe": self.label, "task": self.dataset.task, "seed": config.seed}
        tags[DIGEST_TAG] = config_digest(
            config.model_dump(), self.dataset.digest, keras.config.backend()
        )
        if tracking.study:
            tags["study"] = tracking.study
        with start_run(
            tracking.experiment or self.recipe.name,
            self.name,
            config=config.model_dump(),
            tags=tags,
            dataset=self.dataset,
            resume=kept and kept.run_id,
        ) as run:
            checkpoint = Checkpoint(run.id)
            try:
                # Here, for imports and MLflow draw numbers too.
                keras.utils.set_random_seed(config.seed)
                if kept is None:
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
        kept = RunManifest(
            run_id=checkpoint.run_id,
            label=self.label,
            overrides=self.overrides,
            digest=dataset.digest,
            config=self.config.model_dump(),
        )
        checkpoint.begin(kept, self._in_float32(model), dataset)
        self._examples = self.recipe.examples(model, dataset.splits["train"], 0)
        boundaries = default_boundaries(self._examples.lengths, settings.buckets)
        self._compile(model, boundaries)
        return model, TrainerState(boundaries=boundaries)

    def _resume(self, checkpoint) -> tuple[keras.Model, TrainerState]:
        first = zoo.load(checkpoint.model)
        model = self.recipe.build(self.dataset, first.preprocessor, self.config.training.precision)
        model.set_weights(first.get_weights())  # what is not fitted is in no other file
        self._examples = self.recipe.examples(model, self.dataset.splits["train"], 0)
        self._compile(model, checkpoint.progress().boundaries)
        progress = checkpoint.restore(self._training_model)
        self.display.say(f"going on in epoch {progress.epoch + 1}, after step {progress.step}")
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
        size = f"{settings.batch_tokens:,} tokens" if settings.batch_tokens else settings.batch_size
        self.display.say(
            f"run {run.id}: vocabulary of {model.preprocessor.tokenizer.vocabulary_size():,}, "
            f"{model.count_params():,} weights, batches of {size} in lengths {progress.boundaries}"
        )
        splits = self.dataset.splits

        def examples(epoch: int) -> TrainingExamples:
            if epoch == 0 or not self.recipe.examples_vary_by_epoch:
                return self._examples
            return self.recipe.examples(model, splits["train"], epoch)

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
            self.display.say("no better for a while: stopped early")
        checkpoint.restore_best(self._training_model)

    # Evaluate, report, register

    def _finish(self, model, progress, run, output) -> RunResult:
        evaluation, splits = self.config.evaluation, self.dataset.splits
        self.display.say(f"measuring the model of epoch {progress.best_epoch + 1} as it is stored")
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder, self.name)
            presets.save(
                self._in_float32(model),
                directory,
                name=self.name,
                dataset=self.dataset,
                recipe=self.label,
                description=self.config.description,
                training=self._training_metadata(progress),
            )
            stored = zoo.load(directory)
            measured = {
                split: stored.score(splits[split])
                for split in ("dev", "test")
                if split == "dev" or evaluation.test
            }
            metrics = {f"{s}/{name}": v for s, of in measured.items() for name, v in of.items()}
            card = presets.update_card(directory, metrics=metrics)
            self.recipe.report(stored, splits["dev"], run)
            model_uri = run.log_model(directory, card)
            gate = registered = None
            if evaluation.gate is not None:
                gate = Gate(evaluation.metric, evaluation.gate, evaluation.mode)
                gate = gate.check(measured["dev"])
                run.log_tags({"gate": str(gate)})
                if gate.passed:
                    name = self.config.tracking.register_as or self.name
                    registered = run.register(model_uri, name, card, gate)
            if output is not None:
                with atomic_directory(output) as beside:
                    shutil.copytree(directory, beside, dirs_exist_ok=True)
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

    def _in_float32(self, model) -> keras.Model:
        """The model, or a twin if it computes in half precision: a preset must not say so."""
        if self.config.training.precision == "float32":
            return model
        twin = self.recipe.build(self.dataset, model.preprocessor, "float32")
        twin.set_weights(model.get_weights())
        return twin

    def _training_metadata(self, progress) -> dict:
        here, backend = environment(), keras.config.backend()
        versions = {k.partition(".")[2]: v for k, v in here.items() if k.startswith("version.")}
        return {
            "command": shlex.join(
                ["zoo", "run", self.label, *self.overrides, "--backend", backend]
            ),
            "seed": self.config.seed,
            "backend": backend,
            "versions": versions,
            "best_epoch": progress.best_epoch + 1,
            "wall_time_s": round(progress.seconds, 1),
            "machine": f"{here['platform']}, {here['device']}",
        }

    # Checks

    def _check_data(self, kept) -> None:
        dataset = self.dataset
        for split in ["train", "dev", *["test"] * self.config.evaluation.test]:
            if not self._rows(split):
                remedy = "set evaluation.test=false" if split == "test" else "training needs them"
                raise ValueError(
                    f"The dataset has no rows in its {split} split: {remedy}. Received: "
                    f"{dataset.name}, {self._sizes()}"
                )
        if kept and kept.digest != dataset.digest:
            raise CheckpointError(
                "The data is not what it was when the run began, so the run cannot go on: bring "
                "the data back, or run the recipe again from the start. Received: "
                f"resume={kept.run_id!r}"
            )

    def _rows(self, split) -> int:
        return len(next(iter(self.dataset.splits.get(split, {}).values()), []))

    def _sizes(self) -> str:
        return ", ".join(f"{split} {self._rows(split):,}" for split in self.dataset.splits)

    def _clean_up(self, checkpoint, error) -> None:
        """After an interruption there is a checkpoint to go on from, or nothing."""
        if not checkpoint.is_resumable:
            checkpoint.remove()
            return
        command = f"zoo run {self.label} --resume {checkpoint.run_id[:8]}"
        if isinstance(error, Exception):
            error.hint = getattr(error, "hint", None) or command
        else:
            self.display.say(f"interrupted; to go on: {command}")
