"""Base class of attention layers: masking, softmax, dropout and the weighted sum."""

import keras
from keras import ops

from zoo.layers.tensors import as_float

# Lower than any score, and finite, so that a softmax over masked scores alone is finite.
MASKED_SCORE = -1e9


class Attention(keras.layers.Layer):
    """Base class of attention layers. A subclass defines `score`; the rest has defaults.

    `project_keys` computes the part of the score that depends on the keys only. Code that
    attends to one sequence repeatedly, such as a decoder, calls it once and passes the result
    to each call as `projected_keys`.

    Args:
        dropout: float. Dropout rate of the weights. Defaults to `0.0`.

    Call arguments:
        query: Float tensor `[batch, target, query_units]`; integers are cast.
        value: Float tensor `[batch, source, units]`, likewise.
        key: Float tensor `[batch, source, key_units]`. Defaults to `value`.
        query_mask: Boolean tensor `[batch, target]`; the output is zero where false.
        value_mask: Boolean tensor `[batch, source]`; the weight is zero where false.
        key_mask: Boolean tensor `[batch, source]`; the weight is zero where false.
        return_attention_scores: bool. Whether to return the weights too.
        use_causal_mask: bool. Whether to mask source steps after the target step.
        training: bool. Whether to apply dropout.
        projected_keys: As returned by `project_keys(key, value)`. `key` is then ignored.
        position: Index of the first target step, as an integer or an integer tensor `[batch]`,
            or of each, `[batch, target]`. Causal masks and monotonic alignment depend on it.
            Defaults to `0`.
        attention_mask: Boolean tensor `[batch, target, source]`, or one that broadcasts to it;
            the weight is zero where false. It is combined with the other masks.

    Returns:
        The weighted sums `[batch, target, units]`; with `return_attention_scores` a pair of
        them and the weights `[batch, target, source]`, float32 or wider and before dropout,
        which sum to one over the source, or to zero where all of it is masked.

    Raises:
        ValueError: if the shapes of query, value, key and masks do not fit each other.

    Example:

    >>> class NearestAttention(Attention):
    ...     def score(self, query, keys):
    ...         return -ops.sum((query[:, :, None] - keys[:, None]) ** 2, axis=-1)
    >>> NearestAttention()(keras.random.normal((2, 3, 8)), keras.random.normal((2, 5, 8))).shape
    (2, 3, 8)
    """

    def __init__(self, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self._weights_dtype)

    @classmethod
    def make(cls, units, num_heads=4, **options):
        """Makes the layer that a config names; see `make_attention`.

        A subclass overrides it if its constructor takes a size or a number of heads.

        Args:
            units: int. Size of the space in which query and key are compared.
            num_heads: int. Number of heads.
            **options: Arguments of the constructor.
        """
        return cls(**options)

    def build(self, query_shape, value_shape, key_shape=None):
        _check_ranks(query_shape, value_shape, key_shape)
        super().build(query_shape)

    def project_keys(self, key, value=None):
        """Projects the keys, once per sequence, for any number of calls.

        The layer must be built: by its first call, or by `build(query_shape, value_shape,
        key_shape)`.

        Args:
            key: Float tensor `[batch, source, key_units]`.
            value: Float tensor `[batch, source, units]`, for layers that project the values
                too. Defaults to `key`.

        Returns:
            A tensor or a nest of tensors `[batch, ...]`. Here `key`.
        """
        return key

    def score(self, query, keys):
        """The score of each query against each key.

        Args:
            query: Float tensor `[batch, target, query_units]`.
            keys: As returned by `project_keys`.

        Returns:
            Float tensor `[batch, target, source]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `score(query, keys)`.")

    def weigh(self, scores, mask, query, position):
        """The weights of given scores: here their softmax over the source.

        Args:
            scores: Float tensor `[batch, target, source]`, float32 or wider.
            mask: Boolean tensor that broadcasts to the scores, false where the weight must be
                zero, or `None`.
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
        """The output: here the weighted sum of the values, `[batch, target, units]`."""
        return ops.matmul(weights, value)

    def report(self, weights):
        """The weights that the call returns, `[batch, target, source]`."""
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
        attention_mask=None,
    ):
        _check_shapes(query, value, key, query_mask, value_mask, key_mask)
        query, value, key = as_float((query, value, key), self.compute_dtype)
        _check_attention_mask(attention_mask, query, value)
        mask = _both(value_mask, key_mask)
        mask = None if mask is None else mask[:, None, :]  # [batch, 1, source]
        mask = _both(mask, attention_mask)
        if use_causal_mask:
            source = ops.arange(ops.shape(value)[1], dtype="int32")
            mask = _both(mask, source <= target_positions(query, position)[:, :, None])
        keys = projected_keys
        if keys is None:
            keys = self.project_keys(value if key is None else key, value)
        scores = ops.cast(self.score(query, keys), self._weights_dtype)
        _check_scores(scores, query, value)
        weights = self.weigh(scores, mask, query, position)  # [batch, target, source]
        dropped = self.drop(weights, training=training) if self.dropout else weights
        dropped = ops.cast(dropped, value.dtype)
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
        attention_mask=None,
    ):
        _check_shapes(query, value, key, query_mask, value_mask, key_mask)
        _check_attention_mask(attention_mask, query, value)
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


def target_positions(query, position=None):
    """The index of each target step in its sequence.

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


def project(sequence, kernel):
    """A sequence `[batch, steps, units]` times a matrix.

    A `matmul` would not compile in the gradient of a loop on TensorFlow if the number of steps is
    unknown. The matrix has the dtype of the sequence: a decoder projects its keys outside of a
    layer's call, where Keras casts no weights.
    """
    return ops.einsum("btu,uv->btv", sequence, ops.cast(kernel, sequence.dtype))


def _both(one, other):
    """The conjunction of two masks, either of which may be `None`."""
    if one is None or other is None:
        mask = other if one is None else one
        return None if mask is None else ops.cast(mask, "bool")
    return ops.logical_and(one, other)


def check_positive(**arguments):
    """Raises a `ValueError` unless all values are at least 1."""
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


def _check_attention_mask(mask, query, value):
    if mask is None:
        return
    expected = (query.shape[0], query.shape[1], value.shape[1])
    fits = len(mask.shape) == 3 and all(
        a in (b, 1) or None in (a, b) for a, b in zip(mask.shape, expected, strict=True)
    )
    if not fits:
        raise ValueError(
            "`attention_mask` must have the shape [batch, target, source], or 1 in place of a "
            "size: give a mask of the source as `value_mask`. "
            f"Received: attention_mask of shape {tuple(mask.shape)}, expected {expected}"
        )


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
