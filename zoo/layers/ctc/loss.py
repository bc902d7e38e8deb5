"""Loss of connectionist temporal classification (CTC)."""

import keras
from keras import ops

from zoo.layers.ctc.likelihood import IMPOSSIBLE, ctc_log_likelihood


@keras.saving.register_keras_serializable("zoo")
class CTCLoss(keras.losses.Loss):
    """The negative log-probability of the labels of a recording, in nats per label.

    A recording that has too few frames for its labels has the loss 0 and no gradient.

    Call arguments:
        y_true: Integer tensor `[batch, labels]`, right-padded with 0, the blank.
        y_pred: Log-probabilities `[batch, frames, vocabulary]`: see `CTCHead`.
        sample_weight: Float tensor `[batch]`. Defaults to ones.

    References:
        - Graves et al. 2006, equation 12.
    """

    def __init__(self, name="ctc_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        found = ctc_log_likelihood(y_pred, y_true)
        count = ops.sum(ops.cast(ops.cast(y_true, "int32") > 0, found.dtype), axis=1)
        return ops.where(found > IMPOSSIBLE / 2, -found / ops.maximum(count, 1.0), 0.0)
