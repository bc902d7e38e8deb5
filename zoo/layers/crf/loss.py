"""Loss of a linear-chain CRF."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class CRFLoss(keras.losses.Loss):
    """The negative log-likelihood of a sequence's tags under a CRF: `LinearChainCRF.loss`.

    Args:
        crf: The `LinearChainCRF`, a layer of the trained model.
        **kwargs: See `keras.losses.Loss`. The default reduction is the mean over sequences.

    Call arguments:
        y_true: Integer tensor `[batch, time]`, the tags.
        y_pred: Float tensor `[batch, time, num_tags]`, the potentials that `crf` returned.
        sample_weight: Float tensor `[batch]`: one weight a sequence. Defaults to ones.
    """

    takes_mask = False

    def __init__(self, crf, name="crf_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        # Not the layer itself, whose weights would be saved twice: saving visits all attributes.
        self._log_likelihood = crf.log_likelihood
        self._orphan = False

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            shape = tuple(np.shape(sample_weight))
            if len(shape) > 1 and shape[1:] != (1,):
                raise ValueError(
                    "A CRF has one loss for each sequence: give one `sample_weight` for each, and "
                    "mask single steps instead. "
                    f"Received: sample_weight of shape {shape}, tags of shape {np.shape(y_true)}"
                )
        # The sum is a tensor without Keras' mask, [batch, time], which the base class would apply
        # to losses of shape [batch]. The padding is marked in the potentials.
        return super().__call__(y_true, ops.convert_to_tensor(y_pred) + 0.0, sample_weight)

    def call(self, y_true, y_pred):
        if self._orphan:
            raise ValueError(
                "This loss was loaded without its layer, as happens to a model that makes its "
                "layers itself. Call `model.compile(…, loss=crf.loss)` again, with the model's own "
                f"layer. Received: {self.name} of a layer that no model has"
            )
        return -self._log_likelihood(y_true, y_pred)

    def get_config(self):
        # In a saved model this is a reference to the layer of the model.
        crf = keras.saving.serialize_keras_object(self._log_likelihood.__self__)
        return super().get_config() | {"crf": crf}

    @classmethod
    def from_config(cls, config):
        reference = config.pop("crf")
        # Keras looks up a shared layer. Only a new one, which no model has, gets this name.
        reference["config"]["name"] = "orphan"
        crf = keras.saving.deserialize_keras_object(reference)
        loss = cls(crf, **config)
        loss._orphan = crf.name == "orphan"
        return loss
