"""Local attention: a window of the source around a predicted or monotonic centre."""

import keras
from keras import ops

from zoo.layers.attention.base import check_positive, project, target_positions
from zoo.layers.attention.multiplicative import LuongGeneralAttention


@keras.saving.register_keras_serializable("zoo")
class LuongLocalAttention(LuongGeneralAttention):
    """Attention within a window of the source: `qᵀ W k`, at most `window` steps from a centre.

    - `"predictive"`: the centre is predicted, `S sigmoid(vᵀ tanh(W q))` for a source of `S`
      valid steps, and the weights are multiplied by a Gaussian around it, of deviation
      `window / 2`. They therefore sum to less than one, as in the paper.
    - `"monotonic"`: the centre is the index of the target step itself (see `position` in
      `Attention`), or the last valid step where the target is the longer one.

    Source steps are counted from zero, and only those that are not masked.

    Args:
        window: int. Largest distance from the centre, `D` in the paper. Defaults to `10`.
        alignment: `"predictive"` or `"monotonic"`. Defaults to `"predictive"`.
        units: int. Size of the hidden layer that predicts the centre. Defaults to the size of
            the query.
        **kwargs: See `Attention`.

    References:
        - Luong et al. 2015, section 3.2, equations 9 and 10.
    """

    def __init__(self, window=10, alignment="predictive", units=None, **kwargs):
        check_positive(window=window, units=1 if units is None else units)
        if alignment not in ("predictive", "monotonic"):
            raise ValueError(
                "`alignment` must be 'predictive' or 'monotonic'. "
                f"Received: alignment={alignment!r}"
            )
        super().__init__(**kwargs)
        self.window = window
        self.alignment = alignment
        self.units = units

    @classmethod
    def make(cls, units, num_heads=4, **options):
        return cls(units=units, **options)

    def build(self, query_shape, value_shape, key_shape=None):
        if self.alignment == "predictive":
            units = self.units or query_shape[-1]
            self.position_kernel = self.add_weight((query_shape[-1], units), name="position_kernel")
            self.position_scale = self.add_weight((units, 1), name="position_scale")
        super().build(query_shape, value_shape, key_shape)

    def weigh(self, scores, mask, query, position):
        mask = ops.ones_like(scores[:, :1], dtype="bool") if mask is None else mask
        count = ops.cumsum(ops.cast(mask, scores.dtype), axis=-1)
        length = count[:, :, -1:]  # [batch or 1, target or 1, 1]
        if self.alignment == "monotonic":
            centre = ops.cast(target_positions(query, position)[:, :, None], scores.dtype)
            centre = ops.minimum(centre, length - 1)  # [batch or 1, target, 1]
        else:
            hidden = ops.tanh(project(query, self.position_kernel))
            logit = ops.cast(project(hidden, self.position_scale), scores.dtype)
            centre = length * ops.sigmoid(logit)  # [batch, target, 1]
        distance = (count - 1) - centre  # [batch, target, source]
        near = ops.abs(distance) <= self.window
        weights = super().weigh(scores, ops.logical_and(mask, near), query, position)
        if self.alignment == "monotonic":
            return weights
        return weights * ops.exp(-2 * ops.square(distance / self.window))

    def get_config(self):
        return super().get_config() | {
            "window": self.window,
            "alignment": self.alignment,
            "units": self.units,
        }
