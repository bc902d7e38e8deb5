"""Several devices on TensorFlow: `tf.distribute.MirroredStrategy` in one process."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from zoo.training.parallel.group import own_draws


def device_names() -> list[str]:
    """The devices of this machine: its GPUs or, without any, its CPUs."""
    gpus = tf.config.list_logical_devices("GPU")
    return [device.name for device in gpus or tf.config.list_logical_devices("CPU")]


@contextmanager
def mirrored(devices: int) -> Iterator[None]:
    """Models that are built and fitted inside the `with` block use that many devices."""
    with own_draws(_number), _strategy(devices).scope():
        yield


def _number():
    replica = tf.distribute.get_replica_context()
    return replica.replica_id_in_sync_group if replica else 0


@functools.cache  # a model is fitted under the strategy that it was built with
def _strategy(devices: int) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(device_names()[:devices])


def mean(tensor):
    """The mean of a tensor over the devices of a step, outside of one the tensor itself."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return tensor
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, tf.stop_gradient(tensor))


def with_summed_gradients(optimizer: type) -> type:
    """An optimizer class whose `apply` adds the gradients of all devices; they are dense.

    Keras adds them after clipping, which gives other gradients than on one device, and cannot
    accumulate them on several. Here each device runs the whole of `apply` on their sum.

    TensorFlow lists the gradients of an embedding by token, and Keras squares them, or takes their
    norm, before those of a repeated token are summed, unlike on the other backends: they are made
    dense.
    """

    class Summed(optimizer):
        def apply(self, grads, trainable_variables=None):
            grads = [g if g is None else tf.convert_to_tensor(g) for g in grads]
            replica = tf.distribute.get_replica_context()
            if replica is None or replica.num_replicas_in_sync == 1:
                super().apply(grads, trainable_variables)
                return
            known = [g for g in grads if g is not None]
            summed = iter(replica.all_reduce(tf.distribute.ReduceOp.SUM, known))
            grads = [g if g is None else next(summed) for g in grads]
            replica.merge_call(self._apply_on_each, args=(grads, trainable_variables))

        def _apply_on_each(self, strategy, grads, trainable_variables):
            known = [number for number, g in enumerate(grads) if g is not None]

            def apply(*values):
                own = [None] * len(grads)
                for number, value in zip(known, values, strict=True):
                    own[number] = value
                super(Summed, self).apply(own, trainable_variables)

            strategy.extended.update_non_slot(
                strategy.extended.worker_devices, apply, [grads[number] for number in known]
            )

        # These methods of Keras' TensorFlow optimizer leave the device; those of its base class
        # are the same arithmetic on the device that `apply` runs on.
        def _backend_update_step(self, grads, trainable_variables, learning_rate):
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, variable, learning_rate)

        def _apply_weight_decay(self, variables):
            if self.weight_decay is None:
                return
            for variable in variables:
                if self._use_weight_decay(variable):
                    rate = keras.ops.cast(self.learning_rate * self.weight_decay, variable.dtype)
                    variable.assign(variable - variable * rate)

        def _backend_increment_gradient_accumulators(self, grads, acc_grads):
            for gradient, total in zip(grads, acc_grads, strict=True):
                total.assign(total + gradient)

    Summed.__name__ = optimizer.__name__
    return Summed
