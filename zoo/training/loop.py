"""Training loop: an epoch, its evaluation, the best weights, a checkpoint, early stopping."""

import math
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext

import keras
import numpy as np

from zoo.data.batches import Batches
from zoo.data.planning import PlannedBatch, in_pairs, part_of, plan_batches
from zoo.tracking.signals import raise_if_stopped
from zoo.training.checkpoint import Checkpoint, TrainerState
from zoo.training.display import Display, format_metrics
from zoo.training.optimizer import (
    KeepRawWeights,
    average_if_stuck,
    averaged_weights,
    learning_rate,
    seed_dropout,
)
from zoo.training.parallel.group import Group
from zoo.training.parallel.twin import Twin
from zoo.training.recipe import TrainingExamples
from zoo.training.schema import RecipeConfig

STEPS_PER_LOSS_READ = 10  # reading the loss makes the host wait for the device


class TrainingError(RuntimeError):
    """Training that diverged."""


def train(
    model: keras.Model,
    config: RecipeConfig,
    progress: TrainerState,
    checkpoint: Checkpoint,
    *,
    examples: Callable[[int], TrainingExamples],
    evaluate: Callable[[], dict[str, float]],
    log: Callable[[], None],
    display: Display,
    twin: Twin | None = None,
) -> None:
    """Trains until the limit of epochs, steps or patience is reached.

    Leaves the best weights in the checkpoint: those of the epoch with the best metric on the dev
    split and, among equals, the lowest loss there; or the average of the last epochs, if
    `training.average_last` is set and its metric is better. `progress` says which. Warns if the
    metric was the same in every epoch.

    Args:
        model: Compiled by `zoo.training.optimizer.compile_model`.
        config: The recipe.
        progress: Progress to continue from; updated in place.
        checkpoint: Stores the state and the best weights.
        examples: Function from the epoch to its training examples.
        evaluate: Scores the model on the dev split.
        log: Logs `progress.unlogged`, and empties it if the tracking store works.
        display: Shows the progress.
        twin: The copy of the model on several devices. Defaults to `None`: there is one device.

    Raises:
        TrainingError: if the loss is not finite, or the metric was never a number.
        zoo.training.checkpoint.CheckpointError: if a checkpoint cannot be written.
    """
    settings, evaluation = config.training, config.evaluation
    while not progress.is_over(settings.epochs, settings.max_steps, settings.patience):
        began = time.perf_counter()
        data = examples(progress.epoch)
        start = time.perf_counter()
        plan = plan_epoch(config, progress, data)
        remaining = plan[progress.batch :]
        display.epoch(progress.epoch + 1, settings.epochs, len(plan), progress.batch)
        if remaining:
            if twin:
                twin.begin(model, progress)
                fit(twin.model, config, progress, data, plan, checkpoint, display, twin.group)
                twin.end(model)
            else:
                fit(model, config, progress, data, plan, checkpoint, display)
        seconds = time.perf_counter() - start
        num_examples = sum(batch.num_real for batch in remaining)
        trained = {name: total / len(plan) for name, total in progress.sums.items()}
        trained |= data.scores
        with averaged_weights(model):
            measured = evaluate()
            if settings.average_last:
                checkpoint.save_epoch(model, progress.epoch + 1, settings.average_last)
            if better := _update_best(progress, measured, evaluation):
                checkpoint.save_best(model)
        progress.epoch += 1
        progress.batch, progress.sums = 0, {}
        progress.seconds += time.perf_counter() - began
        metrics = (
            {f"train/{name}": value for name, value in trained.items()}
            | {f"dev/{name}": value for name, value in measured.items()}
            | {
                "progress/examples_per_second": num_examples / seconds,
                "progress/tokens_per_second": _tokens(data, remaining) / seconds,
                "progress/learning_rate": learning_rate(model, max(progress.step - 1, 0)),
                "progress/steps": progress.step,
                "progress/updates": progress.step // settings.accumulate,
            }
        )
        progress.add(metrics)
        display.say(
            f"epoch {progress.epoch}/{settings.epochs}  {seconds:.1f} s  "
            f"train {format_metrics(trained)}  "
            f"dev {format_metrics(measured)}{'  best' if better else ''}"
        )
        if interval := settings.average_trigger:
            scores = progress.scores(str(evaluation.metric))  # which is known by now
            if average_if_stuck(model, scores, interval, evaluation.mode):
                display.say(f"{evaluation.metric} is stuck: averaging the weights from here on")
        checkpoint.save(model, progress)  # first, so that a failing store costs no epoch
        log()
    if settings.average_last:
        _evaluate_average(model, evaluation, progress, checkpoint, evaluate, log, display)
    if progress.best_epoch is None:
        raise TrainingError(
            f"The {evaluation.metric} on the dev split was never a number: lower "
            "training.learning_rate, or use training.precision=float32."
        )
    if progress.epoch > 1 and not progress.moved:
        warnings.warn(
            f"The {evaluation.metric} on the dev split was {progress.best:.4g} in every epoch, so "
            f"epoch {progress.best_epoch + 1} was chosen by its loss on dev. Train longer, or set "
            "another evaluation.metric.",
            stacklevel=2,
        )


def plan_epoch(
    config: RecipeConfig, progress: TrainerState, data: TrainingExamples
) -> list[PlannedBatch]:
    """The batches of the present epoch, as far as the limit of steps."""
    settings = config.training
    plan = plan_batches(
        data.lengths,
        progress.boundaries,
        settings.batch_size,
        batch_tokens=settings.batch_tokens,
        multiple=int(settings.devices),
        seed=None if data.in_order else config.seed,
        epoch=progress.epoch,
    )
    if settings.max_steps:
        plan = plan[: progress.batch + settings.max_steps - progress.step]
    return plan


def fit(
    model: keras.Model,
    config: RecipeConfig,
    progress: TrainerState,
    data: TrainingExamples,
    plan: list[PlannedBatch],
    checkpoint: Checkpoint | None,
    display: Display,
    group: Group | None = None,
) -> None:
    """Trains on the remaining batches of an epoch, and counts them in `progress`.

    Args:
        model: The compiled model.
        config: The recipe.
        progress: Progress of the run; updated in place.
        data: The training examples of the epoch.
        plan: All batches of the epoch.
        checkpoint: Stores the state; `None` in a process that stores nothing.
        display: Shows the progress.
        group: The processes that share each batch. Defaults to `None`: this one alone.

    Raises:
        TrainingError: if the loss is not finite.
    """
    group = group or Group()
    raw = KeepRawWeights()
    steps = _Steps(config, progress, checkpoint, display, group)
    rows = in_pairs(plan) if config.training.r_drop else plan
    rows = [part_of(batch, group.rank, group.size) for batch in rows]
    batches = Batches(rows, data.collate, start=progress.batch)
    # One epoch per call of Keras' `fit`; evaluation and checkpoints are done by `train`.
    with group.scope(), _dropout():
        keras.Model.fit(model, batches, callbacks=[steps, raw], verbose=0)
    raw.restore()


def _dropout():
    """Context manager: dropout as it is fastest on the backend."""
    if keras.config.backend() != "torch":
        return nullcontext()
    from zoo.training.torch_dropout import quick_dropout

    return quick_dropout()


def _evaluate_average(model, evaluation, progress, checkpoint, evaluate, log, display) -> None:
    """Scores the averaged weights of the last epochs, and records in `progress` if they are best.

    References:
        - Vaswani et al. 2017, section 6.1.
    """
    count = checkpoint.average_epochs(model)
    if count < 2:
        return
    start = time.perf_counter()
    measured = evaluate()
    if _is_better(progress, measured, evaluation):
        progress.averaged = count
    progress.seconds += time.perf_counter() - start
    metrics = {f"average/{name}": value for name, value in measured.items()}
    progress.add(metrics)
    log()
    display.say(
        f"average of the last {count} epochs  dev {format_metrics(measured)}"
        f"{'  best' if progress.averaged else ''}"
    )


class _Steps(keras.callbacks.Callback):
    """Callback of one call of `fit`: updates the progress, checks the loss, writes checkpoints."""

    def __init__(
        self,
        config: RecipeConfig,
        progress: TrainerState,
        checkpoint: Checkpoint | None,
        display: Display,
        group: Group,
    ):
        super().__init__()
        self.seed = config.seed
        self.every = config.training.checkpoint_every
        self.progress = progress
        self.checkpoint = checkpoint
        self.display = display
        self.group = group
        self.sums_before = dict(progress.sums)
        self.batch_before, self.step_before = progress.batch, progress.step

    def on_train_batch_begin(self, batch, logs=None):
        raise_if_stopped()
        seed_dropout(self.seed, self.progress.step, self.group.rank)

    def on_train_batch_end(self, batch, logs=None):
        progress, done = self.progress, batch + 1
        progress.batch, progress.step = self.batch_before + done, self.step_before + done
        is_due = progress.step % self.every == 0
        is_read = is_due or done % STEPS_PER_LOSS_READ == 0
        self.display.batch(progress.batch, self._read_loss(logs) if is_read else None)
        if is_due and self.checkpoint:
            self.checkpoint.save(self.model, progress)  # `self.model` syncs the state on JAX

    def on_epoch_end(self, epoch, logs=None):
        self._read_loss(logs)

    def _read_loss(self, logs) -> float:
        """Updates the sums from `logs`, which are means since `fit` began; returns the loss."""
        progress = self.progress
        logs = self.group.metrics(self.model, logs)
        means = {name: float(value) for name, value in logs.items()}
        if not math.isfinite(means["loss"]):  # once not finite, a mean stays so
            rate = learning_rate(self.model, progress.step - 1)
            raise TrainingError(
                f"The loss is {means['loss']} at step {progress.step} (epoch "
                f"{progress.epoch + 1}), where the learning rate is {rate:.3g}. Try a lower "
                "training.learning_rate, more training.warmup_steps, a lower training.clip_norm, "
                "or training.precision=float32. The last checkpoint precedes this step."
            )
        done = progress.batch - self.batch_before
        progress.sums = {
            name: self.sums_before.get(name, 0.0) + mean * done for name, mean in means.items()
        }
        return means["loss"]


def _tokens(data, batches) -> int:
    """Number of tokens in the batches, without padding."""
    tokens = np.asarray(data.lengths if data.tokens is None else data.tokens)
    return sum(int(tokens[batch.indices[: batch.num_real]].sum()) for batch in batches)


def _update_best(progress: TrainerState, measured: dict[str, float], evaluation) -> bool:
    """Records the scores of an epoch in `progress` if it is the best so far; returns whether."""
    value, loss = measured[evaluation.metric], measured.get("loss", math.inf)
    progress.moved |= not math.isnan(value) and progress.best not in (None, value)
    if not _is_better(progress, measured, evaluation):
        return False
    progress.best, progress.best_epoch = value, progress.epoch
    progress.best_loss = loss if math.isfinite(loss) else None
    return True


def _is_better(progress: TrainerState, measured: dict[str, float], evaluation) -> bool:
    """True if scores are better than the best so far: the metric or, among equals, the loss."""
    value, best = measured[evaluation.metric], progress.best
    if math.isnan(value) or best is None:
        return not math.isnan(value)
    if value == best:
        best_loss = math.inf if progress.best_loss is None else progress.best_loss
        return measured.get("loss", math.inf) < best_loss
    return value > best if evaluation.mode == "max" else value < best
