"""Optimizer, learning-rate schedule, dropout seeds and averaged weights of a recipe."""

import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from zoo.training.averaging import MeanOfWeights, is_stuck, start_averaging
from zoo.training.losses import RDrop
from zoo.training.parallel.reduction import LossOfAll, with_gradients_of_all
from zoo.training.schema import TrainingConfig


def _adam():
    """Adam in the class that is fastest on the backend."""
    if keras.config.backend() == "torch":
        from zoo.training.torch_adam import FusedAdam

        return with_gradients_of_all(FusedAdam)
    return _Adam


_Adam = with_gradients_of_all(keras.optimizers.Adam)
_SGD = with_gradients_of_all(keras.optimizers.SGD)
_LossScale = with_gradients_of_all(keras.optimizers.LossScaleOptimizer)
# With `weight_decay`, Keras' Adam is its AdamW.
OPTIMIZERS: dict[str, Callable] = {
    "adamw": _adam(),
    "adam": _adam(),
    "sgd": functools.partial(_SGD, momentum=0.9),
}


class _RateFactors:
    """Mixin of an optimizer: a factor of the learning rate for each variable.

    The decoupled weight decay is not scaled.
    """

    factors: list[float]  # of the variables that it was built with, in their order

    def update_step(self, gradient, variable, learning_rate):
        factor = self.factors[self._get_variable_index(variable)]  # type: ignore[attr-defined]
        super().update_step(gradient, variable, learning_rate * factor)  # type: ignore[misc]


class LayerwiseAdam(MeanOfWeights, _RateFactors, _Adam):  # type: ignore[misc, valid-type]
    """Adam with a factor of the learning rate for each variable, and the mean of the weights."""


class LayerwiseSGD(MeanOfWeights, _RateFactors, _SGD):  # type: ignore[misc, valid-type]
    """SGD with a factor of the learning rate for each variable, and the mean of the weights."""


# On torch these update one weight after the other, unlike Keras' SGD and `FusedAdam`.
_EXTENDED: dict[str, Callable] = {
    "adamw": LayerwiseAdam,
    "adam": LayerwiseAdam,
    "sgd": functools.partial(LayerwiseSGD, momentum=0.9),
}


@keras.saving.register_keras_serializable("zoo")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Learning-rate schedule: linear warm-up, then constant or decayed.

    The rate of step `s`, counted from 0, is `peak * min(1, (s + 1) / warmup) * decay`, where
    `decay` goes from 1 after the warm-up to 0 at `total_steps`, or is `sqrt(warmup / (s + 1))`.

    Args:
        peak: float. Learning rate after the warm-up.
        schedule: Decay: `"constant"`, `"linear"`, `"cosine"` (Loshchilov and Hutter 2017,
            equation 5, without restarts) or `"inverse_sqrt"` (Vaswani et al. 2017, equation 3).
        warmup_steps: int. Steps of the warm-up.
        total_steps: int. Step at which a linear or cosine decay ends.
        accumulate: int. Batches in a step: Keras counts batches, not updates. Defaults to `1`.
    """

    def __init__(
        self,
        peak: float,
        schedule: str,
        warmup_steps: int,
        total_steps: int,
        accumulate: int = 1,
    ):
        self.peak = peak
        self.schedule = schedule
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.accumulate = accumulate

    def __call__(self, step):
        step = ops.floor(ops.cast(step, "float32") / self.accumulate)
        warmup = ops.minimum(1.0, (step + 1.0) / max(self.warmup_steps, 1))
        if self.schedule == "inverse_sqrt":
            start = float(max(self.warmup_steps, 1))
            return self.peak * warmup * ops.sqrt(start / ops.maximum(step + 1.0, start))
        length = max(self.total_steps - self.warmup_steps, 1)
        passed = ops.clip((step - self.warmup_steps) / length, 0.0, 1.0)
        if self.schedule == "linear":
            return self.peak * warmup * (1.0 - passed)
        if self.schedule == "cosine":
            return self.peak * warmup * 0.5 * (1.0 + ops.cos(math.pi * passed))
        return self.peak * warmup

    def get_config(self):
        return {
            "peak": self.peak,
            "schedule": self.schedule,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "accumulate": self.accumulate,
        }


def compile_model(
    model: keras.Model,
    settings: TrainingConfig,
    total_steps: int,
    rate_factors: dict[str, float] | None = None,
    *,
    frozen_steps: Mapping[str, int] | None = None,
    undecayed: Collection[str] = (),
    **options,
):
    """Compiles a model and builds its optimizer.

    Args:
        model: The model.
        settings: The section `training`.
        total_steps: int. Number of updates of the weights, at which the schedule ends.
        rate_factors: The factor of the learning rate of variables, by their paths; others have
            1. Defaults to `None`: 1 for all.
        frozen_steps: The number of steps for which a trainable weight keeps its present value, by
            its path. Defaults to `None`: 0 for all.
        undecayed: Paths of weights without weight decay, besides biases. Defaults to none.
        **options: Other arguments of `keras.Model.compile`, such as `loss`. With
            `training.r_drop` the model must be trained on batches `in_pairs`.
    """
    is_plain = rate_factors is None and settings.average_trigger is None
    optimizers = OPTIMIZERS if is_plain else _EXTENDED
    betas = {} if settings.optimizer == "sgd" else {"beta_2": settings.beta_2}
    optimizer = optimizers[settings.optimizer](
        learning_rate=WarmupSchedule(
            settings.learning_rate,
            settings.schedule,
            settings.warmup_steps,
            total_steps,
            settings.accumulate,
        ),
        weight_decay=settings.weight_decay or None,
        global_clipnorm=settings.clip_norm,
        use_ema=settings.ema is not None or settings.average_trigger is not None,
        ema_momentum=settings.ema or 0.99,
        gradient_accumulation_steps=settings.accumulate if settings.accumulate > 1 else None,
        **betas,
    )
    optimizer.exclude_from_weight_decay(
        var_list=[
            weight
            for weight in model.trainable_weights
            if len(weight.shape) < 2 or weight.path in undecayed
        ]
    )
    if not is_plain:
        factors = rate_factors or {}
        optimizer.factors = [factors.get(it.path, 1.0) for it in model.trainable_variables]
        optimizer.averages_late = settings.average_trigger is not None
    for weight in model.trainable_weights:
        if steps := (frozen_steps or {}).get(weight.path):
            weight.constraint = Frozen(weight, optimizer, steps)
    if settings.precision == "mixed_float16":
        optimizer = _LossScale(optimizer)
    # XLA generates dropout masks slowly on TensorFlow's CPUs: benchmarks/xla.py.
    jit = keras.config.backend() == "jax" if settings.jit is None else settings.jit
    if settings.r_drop:
        losses = keras.tree.map_structure(lambda one: RDrop(one, settings.r_drop), options["loss"])
        options["loss"] = losses
    if settings.devices != 1:
        options["loss"] = keras.tree.map_structure(LossOfAll, options["loss"])
    # `keras_hub.models.Task.compile` would choose a loss.
    keras.Model.compile(
        model, optimizer=optimizer, jit_compile=jit, auto_scale_loss=False, **options
    )
    optimizer.build(model.trainable_variables)


class Frozen(keras.constraints.Constraint):
    """Constraint that keeps a weight at its present value for the first steps of a training.

    The optimizer's moments adapt meanwhile, so that no step is too large when the weight is
    released. It depends on the optimizer's count of steps alone, which a resumed run restores.

    Args:
        weight: The weight.
        optimizer: The optimizer that trains it.
        steps: int. Number of steps.
    """

    def __init__(self, weight: keras.Variable, optimizer: keras.optimizers.Optimizer, steps: int):
        self.value = np.array(ops.convert_to_numpy(weight.value))
        self.optimizer = optimizer
        self.steps = steps

    def __call__(self, weight):
        # The count rises after the constraints were applied: it is that of the steps before.
        weight = ops.convert_to_tensor(weight)
        is_frozen = self.optimizer.iterations < self.steps
        return ops.where(is_frozen, ops.cast(self.value, weight.dtype), weight)

    def restore(self, weight: keras.Variable) -> None:
        """Assigns the value if no step has changed the weight yet."""
        if int(self.optimizer.iterations) <= self.steps:
            weight.assign(self.value)


def seed_dropout(seed: int, step: int, rank: int = 0) -> None:
    """Makes dropout masks a function of seed and step, so that a run can be resumed at any step.

    The processes of a training, each with a `rank`, draw different ones.

    On TensorFlow and JAX they depend on the seeds of the dropout layers, which are variables of
    the model. On torch Keras uses torch's global generator, which is seeded here.
    """
    if keras.config.backend() == "torch":
        import torch

        entropy = [seed, step, rank] if rank else [seed, step]
        (number,) = np.random.SeedSequence(entropy).generate_state(1, "uint64")
        torch.manual_seed(int(number))


def learning_rate(model: keras.Model, step: int) -> float:
    """Learning rate of a batch, counted from 0."""
    return float(ops.convert_to_numpy(_inner(model.optimizer)._learning_rate(step)))


class KeepRawWeights(keras.callbacks.Callback):
    """Restores the weights after `fit`, which overwrites them with their moving averages."""

    def on_epoch_end(self, epoch, logs=None):
        if _inner(self.model.optimizer).use_ema:
            self._raw = _values(self.model)

    def restore(self) -> None:
        """Restores the weights; call it after `fit`."""
        if _inner(self.model.optimizer).use_ema:
            _assign(self.model, self._raw)


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Replaces the weights by their averages within the block.

    Those are the ones of `training.ema` or `training.average_trigger`; without both nothing
    happens.
    """
    optimizer = _inner(model.optimizer)
    if not optimizer.use_ema:
        yield
        return
    raw = _values(model)
    optimizer.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:  # an average is formed before the constraint
        if isinstance(variable.constraint, Frozen):
            variable.constraint.restore(variable)
    # On JAX these are the optimizer's own arrays, which a compiled step would donate: copied.
    _assign(model, _values(model))
    try:
        yield
    finally:
        _assign(model, raw)


def average_if_stuck(model: keras.Model, scores: Sequence[float], interval: int, mode: str) -> bool:
    """Starts to average the weights if `scores` are stuck; returns whether it did.

    Args:
        model: Compiled with `training.average_trigger`.
        scores: The score of each epoch so far.
        interval, mode: See `zoo.training.averaging.is_stuck`.
    """
    return is_stuck(scores, interval, mode) and start_averaging(_inner(model.optimizer))


def _inner(optimizer):
    """The optimizer itself, unwrapped from a `LossScaleOptimizer`."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _values(model):
    # Copies: torch shares its memory with NumPy.
    return [np.array(ops.convert_to_numpy(v.value)) for v in model.trainable_variables]


def _assign(model, values):
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)
