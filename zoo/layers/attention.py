"""Attention: how a query weighs the values it is given.

The base class does all that the mechanisms share: masking, the softmax, dropout and the
weighted sum. A mechanism is its score.
"""

import keras
from keras import ops

# Far below any score, and finite: a softmax over nothing but masked scores stays a number.
MASKED_SCORE = -1e9


class Attention(keras.layers.Layer):
    """Base of the attention mechanisms. A subclass writes `score`; all else has a default.

    What depends on the keys alone is computed by `project_keys`. Who attends to one sequence
    again and again, as a decoder does step by step, calls it once and hands the result to
    each call as `projected_keys`.

    Args:
        dropout: float. Share of the weights dropped in training. Defaults to `0.0`.

    Call arguments:
        query: Float tensor `[batch, target, query_units]`.
        value: Float tensor `[batch, source, units]`.
        key: Float tensor `[batch, source, key_units]`. Defaults to `value`.
        query_mask: Boolean tensor `[batch, target]`; the output is zero where false.
        value_mask: Boolean tensor `[batch, source]`; the weight is zero where false.
        key_mask: Boolean tensor `[batch, source]`; the weight is zero where false.
        return_attention_scores: bool. Whether to return the weights too.
        use_causal_mask: bool. Whether a target step sees only the source steps up to its own.
        training: bool. Whether to drop out.
        projected_keys: What `project_keys(key, value)` returned. `key` is then not looked at.
        position: Where the target steps stand in their sequence, counted from zero: the first
            step's index, as an integer or an integer tensor `[batch]`, or the index of each
            as `[batch, target]`. Causal masks and monotonic alignment depend on it. Defaults
            to `0`.

    Returns:
        The weighted sums `[batch, target, units]`; with `return_attention_scores` a pair of
        them and the weights `[batch, target, source]`, float32 or wider and before dropout,
        which sum to one over the source, or to zero where all of it is masked.

    Raises:
        ValueError: if the shapes of query, value, key and masks do not fit each other.

    Example:

    >>> class CosineAttention(Attention):
    ...     def score(self, query, keys):
    ...         return ops.einsum("btd,bsd->bts", ops.normalize(query), ops.normalize(keys))
    >>> CosineAttention()(keras.random.normal((2, 3, 8)), keras.random.normal((2, 5, 8))).shape
    (2, 3, 8)
    """

    def __init__(self, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self._weights_dtype)

    def build(self, query_shape, value_shape, key_shape=None):
        _check_ranks(query_shape, value_shape, key_shape)
        super().build(query_shape)

    def project_keys(self, key, value=None):
        """What the score needs of the keys, computed once per sequence.

        The layer must have been built: by its first call, or by `build(query_shape,
        value_shape, key_shape)`.

        Args:
            key: Float tensor `[batch, source, key_units]`.
            value: Float tensor `[batch, source, units]`, for mechanisms that project the
                values too. Defaults to `key`.

        Returns:
            A tensor, or a nest of tensors, whose first dimension is the batch. Here `key`.
        """
        return key

    def score(self, query, keys):
        """The score of each query against each key.

        Args:
            query: Float tensor `[batch, target, query_units]`.
            keys: What `project_keys` returned.

        Returns:
            Float tensor `[batch, target, source]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `score(query, keys)`.")

    def weigh(self, scores, mask, query, position):
        """The weights that scores turn into: here their softmax over the source.

        Args:
            scores: Float tensor `[batch, target, source]`, float32 or wider.
            mask: Boolean tensor that broadcasts to the scores, false where no weight may
                fall, or `None`.
            query: Float tensor `[batch, target, query_units]`.
            position: As given to the layer; see `target_positions`.

        Returns:
            Float tensor of the shape of the scores.
        """
        if mask is None:
            return ops.softmax(scores, axis=-1)
        weights = ops.softmax(ops.where(mask, scores, MASKED_SCORE), axis=-1)
        return weights * ops.cast(mask, weights.dtype)  # zero where everything is masked

    def combine(self, weights, value, keys):
        """The output: here the sum of the values by their weights, `[batch, target, units]`."""
        return ops.matmul(weights, value)

    def report(self, weights):
        """The weights as the caller is to see them, `[batch, target, source]`."""
        return weights

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        projected_keys=None,
        position=None,
    ):
        _check_shapes(query, value, key, query_mask, value_mask, key_mask)
        mask = _both(value_mask, key_mask)
        mask = None if mask is None else mask[:, None, :]  # [batch, 1, source]
        if use_causal_mask:
            source = ops.arange(ops.shape(value)[1], dtype="int32")
            mask = _both(mask, source <= target_positions(query, position)[:, :, None])
        keys = projected_keys
        if keys is None:
            keys = self.project_keys(value if key is None else key, value)
        scores = ops.cast(self.score(query, keys), self._weights_dtype)
        _check_scores(scores, query, value)
        weights = self.weigh(scores, mask, query, position)  # [batch, target, source]
        dropped = ops.cast(self.drop(weights, training=training), value.dtype)
        outputs = self.combine(dropped, value, keys)  # [batch, target, units]
        if query_mask is not None:
            outputs = outputs * ops.cast(query_mask, outputs.dtype)[:, :, None]
        return (outputs, self.report(weights)) if return_attention_scores else outputs

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        return (*query_shape[:2], value_shape[-1])

    def compute_output_spec(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        projected_keys=None,
        position=None,
    ):
        _check_shapes(query, value, key, query_mask, value_mask, key_mask)
        shape = self.compute_output_shape(query.shape, value.shape)
        outputs = keras.KerasTensor(shape, dtype=self.compute_dtype)
        shape = self._weights_shape(query.shape, value.shape)
        weights = keras.KerasTensor(shape, dtype=self._weights_dtype)
        return (outputs, weights) if return_attention_scores else outputs

    def get_config(self):
        return super().get_config() | {"dropout": self.dropout}

    @property
    def _weights_dtype(self):
        return keras.backend.result_type(self.compute_dtype, "float32")

    def _weights_shape(self, query_shape, value_shape):
        return (*query_shape[:2], value_shape[1])


@keras.saving.register_keras_serializable("zoo")
class BahdanauAttention(Attention):
    """Additive attention: the score is `vᵀ tanh(W q + U k)`.

    In the paper the query is the decoder's previous state. Keras' `AdditiveAttention` has
    neither `W` nor `U`.

    Args:
        units: int. Size of the space in which query and key are added.
        **kwargs: See `Attention`.

    References:
        - Bahdanau et al. 2015, equation 6 and appendix A.1.2.
    """

    def __init__(self, units, **kwargs):
        _check_positive(units=units)
        super().__init__(**kwargs)
        self.units = units

    def build(self, query_shape, value_shape, key_shape=None):
        key_units = (key_shape or value_shape)[-1]
        self.query_kernel = self.add_weight((query_shape[-1], self.units), name="query_kernel")
        self.key_kernel = self.add_weight((key_units, self.units), name="key_kernel")
        self.scale = self.add_weight((self.units, 1), name="scale")
        super().build(query_shape, value_shape, key_shape)

    def project_keys(self, key, value=None):
        return _project(key, self.key_kernel)  # [batch, source, units]

    def score(self, query, keys):
        return _additive_score(_project(query, self.query_kernel), keys, self.scale)

    def get_config(self):
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable("zoo")
class LuongDotAttention(Attention):
    """The score is `qᵀ k`. Query and key must be of one size.

    References:
        - Luong et al. 2015, equation 8, "dot".
    """

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = key_shape or value_shape
        if query_shape[-1] != key_shape[-1]:
            raise ValueError(
                "A dot product needs queries and keys of one size. Project one of them, or use "
                "`LuongGeneralAttention`. "
                f"Received: query of shape {tuple(query_shape)}, key of shape {tuple(key_shape)}"
            )
        super().build(query_shape, value_shape, key_shape)

    def score(self, query, keys):
        return _dot_score(query, keys)


@keras.saving.register_keras_serializable("zoo")
class LuongGeneralAttention(Attention):
    """Multiplicative attention: the score is `qᵀ W k`.

    References:
        - Luong et al. 2015, equation 8, "general".
    """

    def build(self, query_shape, value_shape, key_shape=None):
        key_units = (key_shape or value_shape)[-1]
        self.kernel = self.add_weight((query_shape[-1], key_units), name="kernel")
        super().build(query_shape, value_shape, key_shape)

    def project_keys(self, key, value=None):
        return ops.einsum("bsk,qk->bsq", key, self.kernel)

    def score(self, query, keys):
        return _dot_score(query, keys)


@keras.saving.register_keras_serializable("zoo")
class LuongConcatAttention(Attention):
    """The score is `vᵀ tanh(W [q; k])`.

    One matrix over both is two matrices side by side, so this is the arithmetic of
    `BahdanauAttention`. What differs in the papers is the query, here the decoder's current
    state.

    Args:
        units: int. Size of the hidden layer.
        **kwargs: See `Attention`.

    References:
        - Luong et al. 2015, equation 8, "concat".
    """

    def __init__(self, units, **kwargs):
        _check_positive(units=units)
        super().__init__(**kwargs)
        self.units = units

    def build(self, query_shape, value_shape, key_shape=None):
        self.query_units, key_units = query_shape[-1], (key_shape or value_shape)[-1]
        self.kernel = self.add_weight((self.query_units + key_units, self.units), name="kernel")
        self.scale = self.add_weight((self.units, 1), name="scale")
        super().build(query_shape, value_shape, key_shape)

    def project_keys(self, key, value=None):
        return _project(key, self.kernel[self.query_units :])  # [batch, source, units]

    def score(self, query, keys):
        query = _project(query, self.kernel[: self.query_units])
        return _additive_score(query, keys, self.scale)

    def get_config(self):
        return super().get_config() | {"units": self.units}


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
        _check_positive(window=window, units=1 if units is None else units)
        if alignment not in ("predictive", "monotonic"):
            raise ValueError(
                "`alignment` must be 'predictive' or 'monotonic'. "
                f"Received: alignment={alignment!r}"
            )
        super().__init__(**kwargs)
        self.window = window
        self.alignment = alignment
        self.units = units

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
            hidden = ops.tanh(_project(query, self.position_kernel))
            logit = ops.cast(_project(hidden, self.position_scale), scores.dtype)
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


@keras.saving.register_keras_serializable("zoo")
class ScaledDotProductAttention(LuongDotAttention):
    """The score is `qᵀ k / √d`, with `d` the size of query and key, which must be one.

    References:
        - Vaswani et al. 2017, equation 1.
    """

    def score(self, query, keys):
        return super().score(query, keys) / query.shape[-1] ** 0.5


@keras.saving.register_keras_serializable("zoo")
class MultiHeadAttention(Attention):
    """Scaled dot-product attention in several heads, each on its own projections.

    The weights are those of `keras.layers.MultiHeadAttention`, in its order, and give its
    outputs: `set_weights(theirs.get_weights())`. Unlike it, this one takes projected keys, and
    all that is masked weighs nothing, even where nothing is left.

    Args:
        num_heads: int. Number of heads.
        key_dim: int. Size of each head's queries and keys.
        value_dim: int. Size of each head's values. Defaults to `key_dim`.
        output_units: int. Size of the output. Defaults to the size of the query.
        use_bias: bool. Whether the projections have biases. Defaults to `True`.
        per_head_scores: bool. Whether the weights are returned for each head, as `[batch,
            num_heads, target, source]`, instead of their mean over the heads, `[batch,
            target, source]`. Defaults to `False`.
        **kwargs: See `Attention`.

    References:
        - Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        output_units=None,
        use_bias=True,
        per_head_scores=False,
        **kwargs,
    ):
        value_dim = key_dim if value_dim is None else value_dim
        _check_positive(num_heads=num_heads, key_dim=key_dim, value_dim=value_dim)
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.output_units = output_units
        self.use_bias = use_bias
        self.per_head_scores = per_head_scores

    def build(self, query_shape, value_shape, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        key_shape = key_shape or value_shape
        keys, values = (self.num_heads, self.key_dim), (self.num_heads, self.value_dim)
        self.query_dense = self._dense("query", "btu,uhd->bthd", query_shape, keys)
        self.key_dense = self._dense("key", "bsu,uhd->bshd", key_shape, keys)
        self.value_dense = self._dense("value", "bsu,uhd->bshd", value_shape, values)
        units = (self.output_units or query_shape[-1],)
        shape = (*query_shape[:2], *values)
        self.output_dense = self._dense("attention_output", "bthd,hdu->btu", shape, units)

    def _dense(self, name, equation, input_shape, units):
        dense = keras.layers.EinsumDense(
            equation,
            output_shape=(None, *units),
            bias_axes=equation[-len(units) :] if self.use_bias else None,
            dtype=self.dtype_policy,
            name=name,
        )
        dense.build(input_shape)
        return dense

    def project_keys(self, key, value=None):
        value = key if value is None else value
        return self.key_dense(key), self.value_dense(value)  # [batch, source, heads, dim] each

    def score(self, query, keys):
        query = self.query_dense(query) / self.key_dim**0.5
        return ops.einsum("bthd,bshd->bhts", query, keys[0])

    def weigh(self, scores, mask, query, position):
        mask = None if mask is None else mask[:, None]  # [batch or 1, 1, target or 1, source]
        return super().weigh(scores, mask, query, position)

    def combine(self, weights, value, keys):
        return self.output_dense(ops.einsum("bhts,bshd->bthd", weights, keys[1]))

    def report(self, weights):
        return weights if self.per_head_scores else ops.mean(weights, axis=1)

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        return (*query_shape[:2], self.output_units or query_shape[-1])

    def _weights_shape(self, query_shape, value_shape):
        heads = (self.num_heads,) if self.per_head_scores else ()
        return (query_shape[0], *heads, query_shape[1], value_shape[1])

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_units": self.output_units,
            "use_bias": self.use_bias,
            "per_head_scores": self.per_head_scores,
        }


def _multi_head(units, num_heads, **options):
    if units % num_heads:
        raise ValueError(
            "`units` must be divisible by `num_heads`. "
            f"Received: units={units}, num_heads={num_heads}"
        )
    return MultiHeadAttention(num_heads, units // num_heads, **options)


# The mechanisms by their names in a config: how each is made of a size and a number of heads.
ATTENTIONS = {
    "bahdanau": lambda units, num_heads, **options: BahdanauAttention(units, **options),
    "luong_dot": lambda units, num_heads, **options: LuongDotAttention(**options),
    "luong_general": lambda units, num_heads, **options: LuongGeneralAttention(**options),
    "luong_concat": lambda units, num_heads, **options: LuongConcatAttention(units, **options),
    "luong_local": lambda units, num_heads, **options: LuongLocalAttention(units=units, **options),
    "scaled_dot": lambda units, num_heads, **options: ScaledDotProductAttention(**options),
    "multi_head": _multi_head,
}


def target_positions(query, position=None):
    """The index of each step of a query in its sequence.

    Args:
        query: Tensor `[batch, target, units]`.
        position: The index of the first step, as an integer or an integer tensor `[batch]`, or
            of each, `[batch, target]`. Defaults to `0`.

    Returns:
        Integer tensor `[batch, target]`, or `[1, target]` where all rows agree.
    """
    position = ops.cast(0 if position is None else position, "int32")
    if len(position.shape) == 2:
        return position
    steps = ops.arange(ops.shape(query)[1], dtype="int32")
    return ops.reshape(position, (-1, 1)) + steps[None, :]


def make_attention(name, /, units, num_heads=4, **options):
    """The mechanism that a config names.

    Args:
        name: A key of `ATTENTIONS`. Whoever adds a mechanism to that dictionary can name it.
        units: int. Size of the space in which query and key meet, where a mechanism has one.
        num_heads: int. Heads of `"multi_head"`. Defaults to `4`.
        **options: `dropout`, and others of the mechanism's own.

    Returns:
        An `Attention`.

    Raises:
        ValueError: if the name is unknown, or `units` does not divide into the heads.
    """
    if name not in ATTENTIONS:
        raise ValueError(f"`name` must be one of {list(ATTENTIONS)}. Received: name={name!r}")
    return ATTENTIONS[name](units, num_heads, **options)


def _project(sequence, kernel):
    """`[batch, steps, units]` times a matrix. As a `matmul` it would not compile in the gradient of
    a loop on TensorFlow, where the number of steps is not known."""
    return ops.einsum("btu,uv->btv", sequence, kernel)


def _dot_score(query, keys):
    return ops.matmul(query, ops.swapaxes(keys, 1, 2))  # [batch, target, source]


def _additive_score(query, keys, scale):
    hidden = ops.tanh(query[:, :, None, :] + keys[:, None, :, :])  # [batch, target, source, units]
    return ops.einsum("btsu,ux->btsx", hidden, scale)[..., 0]


def _both(one, other):
    """Where both masks are true; either may be `None`."""
    if one is None or other is None:
        mask = other if one is None else one
        return None if mask is None else ops.cast(mask, "bool")
    return ops.logical_and(one, other)


def _check_positive(**arguments):
    for name, value in arguments.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")


def _check_ranks(query_shape, value_shape, key_shape):
    for name, shape in (("query", query_shape), ("value", value_shape), ("key", key_shape)):
        if shape is not None and len(shape) != 3:
            raise ValueError(
                f"`{name}` must have the shape [batch, steps, units]: give a single step as "
                f"`{name}[:, None]`. Received: {name} of shape {tuple(shape)}"
            )


def _check_shapes(query, value, key, query_mask, value_mask, key_mask):
    _check_ranks(query.shape, value.shape, None if key is None else key.shape)
    _check_alike("value", value, "query", query, dims=1)
    _check_alike("key", key, "value", value, dims=2)
    _check_alike("query_mask", query_mask, "query", query, dims=2)
    _check_alike("value_mask", value_mask, "value", value, dims=2)
    _check_alike("key_mask", key_mask, "value", value, dims=2)


def _check_alike(name, tensor, other_name, other, dims):
    if tensor is None:
        return
    pairs = zip(tensor.shape[:dims], other.shape[:dims], strict=False)
    rank_fits = not name.endswith("mask") or len(tensor.shape) == 2
    if not rank_fits or any(a != b and None not in (a, b) for a, b in pairs):
        raise ValueError(
            f"`{name}` must have the {'batch size' if dims == 1 else 'shape [batch, steps]'} of "
            f"`{other_name}`. Received: {name} of shape {tuple(tensor.shape)}, {other_name} of "
            f"shape {tuple(other.shape)}"
        )


def _check_scores(scores, query, value):
    expected = (query.shape[0], query.shape[1], value.shape[1])
    shape = (scores.shape[0], *scores.shape[-2:])  # there may be heads in between
    if any(a != b and None not in (a, b) for a, b in zip(shape, expected, strict=False)):
        raise ValueError(
            "The scores must have the shape [batch, target, source]; do the projected keys belong "
            f"to this value? Received: scores of shape {tuple(scores.shape)}, query of shape "
            f"{tuple(query.shape)}, value of shape {tuple(value.shape)}"
        )
